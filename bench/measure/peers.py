"""The servers that are compared: one directory each in bench/peers.

A peer is a script named `start`, whose comments say what it is:

    # title: what the tables call it
    # group: it is compared with the others of this group; may be repeated
    # program: what must be there to run it (a command, or a file)
    # needs: further files that must be there, * in their names allowed
    # package: where Debian has them
    # version: a command that prints its version
    # serves: hello sleep download upload keepalive, those that apply
    # scenarios: the only ones it takes part in, if not all that it could
    # download: path of the large file, if not /files/download.bin
    # note: what a reader of its figures should know

It runs in its directory with PORT (of 127.0.0.1), DIR (an empty directory for
whatever it writes), FILES (files to serve), BUILD (kept between runs) and
BLOCKING (how many requests will sleep at once, 0 for none: servers with a
fixed number of threads need to know) and SCENARIO in its environment, and
becomes or waits for the server, in the foreground.
"""
import glob
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import http.client

from measure import processes

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
START_TIMEOUT_S = 120   # Go compiles its standard library once
HELLO = b"Hello, world!\n"
DOWNLOAD_BYTES = 100 * 1024 * 1024


class PeerError(Exception):
    """It cannot be measured; the text says why."""


class Peer:
    def __init__(self, name):
        self.name = name
        self.directory = os.path.join(BENCH, "peers", name)
        with open(os.path.join(self.directory, "start")) as file:
            heads = re.findall(r"^# (\w+): (.*)", file.read(), re.MULTILINE)
        fields = dict(heads)
        self.title = fields["title"]
        self.groups = [value for key, value in heads if key == "group"]
        self.program = fields["program"]
        self.needs = fields.get("needs", "").split()
        self.packages = fields["package"]
        self.version_command = fields["version"]
        self.serves = set(fields["serves"].split())
        self.scenarios = set(fields.get("scenarios", "").split())
        self.download_path = fields.get("download", "/files/download.bin")
        self.note = fields.get("note", "")

    def takes_part(self, scenario):
        return scenario.needs <= self.serves and (not self.scenarios or scenario.name in self.scenarios)

    def missing(self):
        """What is not there, or None."""
        for name in [self.program] + self.needs:
            if "/" in name:
                found = glob.glob(os.path.join(self.directory, name))
            else:
                found = shutil.which(name, path=PATH)
            if not found:
                return f"{os.path.basename(name)} not found: {self.packages}"
        return None

    def version(self):
        result = subprocess.run(self.version_command, shell=True, cwd=self.directory,
                                env={"PATH": PATH, "HOME": "/nonexistent"}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        lines = [line for line in result.stdout.splitlines() if line.strip()]
        return lines[0].strip() if lines else "?"


def all_peers():
    names = glob.glob(os.path.join(BENCH, "peers", "*", "start"))
    return {peer.name: peer for peer in
            (Peer(os.path.basename(os.path.dirname(name))) for name in sorted(names))}


def free_port():
    """A port below those the kernel gives to clients."""
    for port in range(20000 + os.getpid() % 5000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise PeerError("no free port")


def request(port, method, path, body=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Server:
    """A running peer: with Server(peer, files, build, scenario) as server: ...

    Without a scenario it is for a look whether it serves what it says.
    """

    def __init__(self, peer, files, build, scenario=None):
        self.peer, self.files, self.build, self.scenario = peer, files, build, scenario
        self.port = free_port()
        self.directory = None
        self.process = None
        self.clients = set()    # pids that are not the server's

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix=f"bench-{self.peer.name}-")
        os.chmod(self.directory, 0o755)
        environment = {"PATH": PATH, "HOME": self.directory, "LANG": "C.UTF-8", "PORT": str(self.port),
                       "DIR": self.directory, "FILES": self.files, "BUILD": self.build,
                       "BLOCKING": str(self.scenario.blocking if self.scenario else 0),
                       "SCENARIO": self.scenario.name if self.scenario else ""}
        with open(os.path.join(self.directory, "output"), "wb") as output:
            self.process = subprocess.Popen(
                ["./start"], cwd=self.peer.directory, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        processes.stop_all(self.process.pid)
        self.process.poll()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None and not self.pids():
                break
            try:
                status, body = request(self.port, "GET", "/hello", timeout=5)
                if status == 200 and body == HELLO:
                    return
                raise PeerError(f"/hello: {status} {body[:80]!r}; {self.output()}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
        raise PeerError(f"does not start: {self.output()}")

    def output(self):
        """The end of what it has printed, without our directories."""
        with open(os.path.join(self.directory, "output"), errors="replace") as file:
            text = file.read()
        for directory in (self.directory, self.build, os.path.dirname(BENCH)):
            text = text.replace(directory, "...")
        return " | ".join(text.splitlines()[-4:])

    def check(self):
        """Whether it serves what it claims to."""
        serves = self.peer.serves
        if "sleep" in serves:
            self._expect("GET", "/bench/sleep?ms=1", None, HELLO)
        if "upload" in serves:
            self._expect("POST", "/bench/upload", b"x" * 300000, b"300000\n")
        if "download" in serves:
            status, body = request(self.port, "GET", self.download_path_here())
            if status != 200 or len(body) != DOWNLOAD_BYTES:
                raise PeerError(f"download: {status}, {len(body)} octets")

    def _expect(self, method, path, body, answer):
        status, got = request(self.port, method, path, body)
        if status != 200 or got != answer:
            raise PeerError(f"{path}: {status} {got[:80]!r}; {self.output()}")

    def download_path_here(self):
        return self.peer.download_path.replace("@FILES@", self.files)

    def pids(self):
        return processes.descendants(self.clients)


def raise_limits():
    """As many descriptors as we may have, for us and all we start."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (65536, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return wanted
        except (ValueError, OSError):
            pass
    return hard
