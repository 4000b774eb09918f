"""Starts, watches and stops one modserver."""

import glob
import os
import re
import signal
import subprocess
import time

from client import Client, until
from ports import free_port

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(TOP, os.environ.get("MODSERVER", "modserver"))
SERVLETS = os.path.join(TOP, "build/test/servlets")
EXAMPLES = os.path.join(TOP, "examples")
SANITIZED = any(word in BINARY for word in ("asan", "tsan"))
# Sanitized servers are several times slower: time limits are not judged there.
SLOW = 4 if SANITIZED else 1

SANITIZER = ("handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:"
             "handle_sigill=0:allow_user_segv_handler=1:use_sigaltstack=0:log_path=%s/sanitizer")


def environment(directory, **more):
    env = dict(os.environ, LC_ALL="C.UTF-8", **more)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        env[name] = SANITIZER % directory
    env["ASAN_OPTIONS"] += ":detect_leaks=" + env.get("LEAKS", "1")
    env["UBSAN_OPTIONS"] += ":print_stacktrace=1"
    env["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=" + os.path.join(TOP, "test", "leaks.supp")
    return env


def route(name, path=None):
    """A load_servlet line for a servlet of test/servlets."""
    return 'load_servlet ("%s/%s.so", "%s")\n' % (SERVLETS, name, path or "/" + name)


ALL = "".join([route("hello"), route("echo"), route("sleep"), route("crash"),
               route("big"), route("api", "/api/*")])


class Server:
    """The configuration is text, with {port} replaced; `listen` and the module
    are put before it unless bare."""

    def __init__(self, directory, text=ALL, bare=False, name="config.conf",
                 options=(), env=None, stdin=subprocess.DEVNULL, starter=(), pass_fds=()):
        self.directory = str(directory)
        self.config = os.path.join(self.directory, name)
        self.log_path = os.path.join(self.directory, "stderr")
        self.text, self.bare = text, bare
        self.options = list(options)
        self.env = environment(self.directory, **(env or {}))
        self.stdin = stdin
        self.starter = list(starter)    # a command that executes the server
        self.pass_fds = pass_fds
        self.process = None
        self.expect_end = False     # the test ends it itself
        self.expected_reports = 0

    # ------------------------------------------------------------ starting
    def write(self, text=None):
        """Writes the configuration (a new one: text) for the next (re)load."""
        if text is not None:
            self.text = text
        whole = self.text.replace("{port}", str(self.port)).replace("{dir}", self.directory)
        if not self.bare:
            whole = ('listen "127.0.0.1:%d"\nload_module ("module.so", "so")\n'
                     % self.port) + whole
        with open(self.config + ".new", "w") as f:
            f.write(whole)
        os.rename(self.config + ".new", self.config)

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.starter, BINARY, *self.options, self.config], stdin=self.stdin,
                stdout=log, stderr=log, env=self.env, cwd=self.directory,
                pass_fds=self.pass_fds, start_new_session=True)
        self.pid = self.process.pid

    def start(self, ready=True):
        """Starts it; returns when it has answered a request."""
        for attempt in range(5):
            self.port = free_port()
            self.write()
            self.spawn()
            try:
                if ready:
                    until(self.is_ready, 20 * SLOW, "the server")
                return self
            except RuntimeError:
                # Somebody else was faster to take the port.
                if "in use" not in self.log() or attempt == 4:
                    raise
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("it ended with %r:\n%s" % (self.process.returncode, self.log()))
        try:
            with Client(self.address) as c:
                return c.request("/-ready-", headers=[("Connection", "close")])
        except OSError:
            return False

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    # ------------------------------------------------------------- talking
    def connect(self, timeout=20 * SLOW):
        return Client(self.address, timeout)

    def get(self, target="/", **more):
        """One request over a connection of its own."""
        with self.connect() as c:
            return c.request(target, headers=[("Connection", "close")], **more)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, timeout=30, count=1, path=None):
        """Waits until the error log has so many matches of the pattern."""
        def matches():
            try:
                with open(path or self.log_path, errors="replace") as f:
                    found = re.findall(pattern, f.read(), re.M)
            except FileNotFoundError:
                return None
            return found if len(found) >= count else None
        try:
            return until(matches, timeout * SLOW, "%r in the log" % pattern)
        except AssertionError as e:
            raise AssertionError("%s:\n%s" % (e, self.log()[-4000:])) from None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def reload(self, text=None, wait=True):
        """HUP; returns when the zygote of a new generation is there."""
        if text is not None:
            self.write(text)
        before = {p.pid for p in self.processes("zygote")}
        self.send_signal(signal.SIGHUP)
        if wait:
            until(lambda: {p.pid for p in self.processes("zygote")} - before,
                  10 * SLOW, "a new zygote")

    # ----------------------------------------------------------- processes
    def processes(self, role=""):
        """Processes of this server, by title.  A process that has just been forked
        has the title of its parent still: it is left out."""
        found = [p for p in all_processes(self.directory)
                 if p.title.startswith("modserver: " + role)]
        if role == "master":
            return [p for p in found if p.pid == self.pid]
        if role == "zygote":
            return [p for p in found if p.parent == self.pid]
        return found

    def workers(self):
        return [p.pid for p in self.processes("worker")]

    # ------------------------------------------------------------ stopping
    def stop(self, number=signal.SIGTERM, timeout=30):
        """Stops it and checks that it ends well and leaves nothing behind."""
        if self.process.poll() is None:
            self.send_signal(number)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            processes = all_processes(self.directory)
            self.kill()
            raise AssertionError("did not stop within %d s: %r\n%s" % (
                timeout, processes, self.log()[-4000:])) from None
        assert status == 0, "it ended with %r:\n%s" % (status, self.log()[-4000:])
        self.assert_gone()

    def assert_gone(self, timeout=5):
        until(lambda: not all_processes(self.directory), timeout * SLOW,
              "the end of %r" % all_processes(self.directory))

    def kill(self):
        """Whatever is left of it."""
        for p in all_processes(self.directory):
            try:
                os.kill(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            self.process.wait(10)

    def assert_no_report(self):
        reports = ""
        for name in glob.glob(self.directory + "/sanitizer*"):
            with open(name, errors="replace") as f:
                reports += f.read()
        assert not reports, "sanitizer: " + reports[:8000]

    def finish(self):
        """At the end of every test."""
        try:
            if not self.expect_end:
                self.stop()
        finally:
            self.kill()
        self.assert_no_report()


class Process:
    def __init__(self, pid, title, parent):
        self.pid, self.title, self.parent = pid, title, parent

    def __repr__(self):
        return "%d %s (of %d)" % (self.pid, self.title, self.parent)


def all_processes(directory):
    """Live processes with standard error inside the directory, or with any
    descriptor there that run our binary."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            if not ours(pid, directory):
                continue
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
            if fields[0] in "ZX":
                continue
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                title = f.read().split(b"\0\0")[0].replace(b"\0", b" ").strip().decode()
            found.append(Process(pid, title, int(fields[1])))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def ours(pid, directory):
    try:
        # The build may have replaced the file of one that runs.
        exe = os.readlink("/proc/%d/exe" % pid)
        if exe.replace(" (deleted)", "") != os.path.realpath(BINARY):
            return False
        links = ["/proc/%d/cwd" % pid]
        links += ["/proc/%d/fd/%s" % (pid, fd) for fd in os.listdir("/proc/%d/fd" % pid)]
        for link in links:
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target == directory or target.startswith(directory + "/"):
                return True
        return False
    except (PermissionError, OSError):
        return False
