"""Runs wrk and client against a server and reckons what that cost."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time

from measure import processes
from measure.peers import BENCH, PATH, PeerError

CLIENT = None       # path of the compiled client.c


def build_client(directory):
    global CLIENT
    CLIENT = os.path.join(directory, "client")
    source = os.path.join(BENCH, "client.c")
    if not os.path.exists(CLIENT) or os.path.getmtime(CLIENT) < os.path.getmtime(source):
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
                        "-o", CLIENT, source], check=True)


def wrk_command(server, connections, seconds, close=False, path="/hello"):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}", "--latency",
               "--timeout", "5s", "-s", os.path.join(BENCH, "wrk.lua")]
    if close:
        command += ["-H", "Connection: close"]
    return command + [f"http://127.0.0.1:{server.port}{path}"]


def client_command(server, path, *options):
    return [CLIENT, *map(str, options), str(server.port), path]


def run(command):
    """Runs a load generator to its end; the JSON of its last line."""
    result = subprocess.run(command, env={"PATH": PATH}, stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode != 0:
        raise PeerError(f"{command[0]}: {result.stderr.strip() or result.returncode}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def _children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Watch:
    """Processor time of server, load generator and everybody else meanwhile."""

    def __init__(self, server):
        self.server = server
        self.before = self._now()

    def _now(self):
        return (processes.cpu_seconds(self.server.pids()), _children_seconds(),
                processes.machine_idle_seconds(), time.monotonic())

    def stop(self):
        server, client, idle, seconds = (
            after - before for after, before in zip(self._now(), self.before))
        others = os.cpu_count() * seconds - idle - server - client
        return {"server_cpu_s": server, "client_cpu": client / seconds,
                "others_cpu": max(0.0, others) / seconds}


def measured(server, command):
    """Result of a load with its cost: requests per second, CPU per request."""
    watch = Watch(server)
    result = run(command)
    result.update(watch.stop())
    result["rate"] = result["requests"] / result["seconds"]
    if result["requests"]:
        result["cpu_us"] = result["server_cpu_s"] * 1e6 / result["requests"]
    result["pss_mib"] = processes.pss_mib(server.pids())
    result["processes"] = len(server.pids())
    return result


class IdleConnections:
    """So many kept-alive connections at rest, each of which has been answered once."""

    def __init__(self, server, count):
        self.server, self.count = server, count

    def __enter__(self):
        self.process = subprocess.Popen(
            client_command(self.server, "/hello", "-w", "-c", self.count), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.server.clients.add(self.process.pid)
        self.opened = int(self.process.stdout.readline().split()[1])
        return self

    def ask_again(self):
        """How many answer a second request."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["kept"]

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.server.clients.discard(self.process.pid)


# Those that servers use per request; the kernel counts all in raw_syscalls.
NAMED_CALLS = ("accept4 close epoll_ctl epoll_pwait epoll_wait fcntl futex openat poll ppoll pread64 read "
               "recvfrom recvmsg sendfile64 sendmsg sendto setsockopt write writev").split()


def _perf(pids, report):
    events = ["raw_syscalls:sys_enter"] + [f"syscalls:sys_enter_{name}" for name in NAMED_CALLS]
    return ["perf", "stat", "-x", ";", "-o", report, "-e", ",".join(events), "-p", ",".join(map(str, pids))]


def _perf_calls(report):
    """(total, {name: count}) of perf's report."""
    counts = {}
    with open(report) as file:
        for line in file:
            fields = line.split(";")
            if len(fields) > 2 and fields[0].isdigit():
                counts[fields[2].rpartition("sys_enter")[2].lstrip("_")] = int(fields[0])
    return counts.pop(""), counts


def _strace(pids, report):
    return ["strace", "-f", "-c", "-o", report, *(word for pid in pids for word in ("-p", str(pid)))]


def _strace_calls(report):
    counts = {}
    with open(report) as file:
        for line in file:
            words = line.split()
            if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                counts[words[-1]] = int(words[3])
    return sum(counts.values()), counts


def system_calls(server, connections=64):
    """System calls per kept-alive request, and the commonest of them.

    By perf, which hardly disturbs; by strace where perf may not, which slows
    each call so much that a server's behaviour changes.
    """
    report = os.path.join(server.directory, "calls")
    command, parse = (_perf, _perf_calls) if perf_works() else (_strace, _strace_calls)
    tracer = subprocess.Popen(command(server.pids(), report), env={"PATH": PATH},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.clients.add(tracer.pid)
    time.sleep(0.5)     # neither tells when it has attached
    try:
        requests = run(wrk_command(server, connections, 1))["requests"]
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        server.clients.discard(tracer.pid)
    if not requests:
        raise PeerError("no answers while its system calls were counted")
    total, counts = parse(report)
    commonest = sorted(counts.items(), key=lambda item: -item[1])[:5]
    return {"syscalls": total / requests,
            "syscall_names": ", ".join(f"{name} {count / requests:.2f}" for name, count in commonest)}


def perf_works():
    if shutil.which("perf", path=PATH) is None:
        return False
    return subprocess.run(["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"], env={"PATH": PATH},
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
