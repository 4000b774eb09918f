"""Clients that keep asking while something happens to the server."""

import os
import signal
import subprocess
import threading
import time

from client import Client, head, until

SHORT = "/sleep?ms=0"  # takes as long as the kernel needs to wake somebody


class Load:
    """So many threads at about `rate` requests a second in all; kept alive or
    a connection each.  Every answer must be 200 and `body`; what is not is
    kept in `failures`."""

    def __init__(self, address, target="/hello", body=b"hello\n", threads=4, rate=200,
                 keep=True):
        self.address, self.target, self.body, self.keep = address, target, body, keep
        self.failures, self.answers = [], 0
        self.step = threads / rate
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run) for i in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *unused):
        self.stopping.set()
        for t in self.threads:
            t.join()
        if kind is None:
            assert not self.failures, "%d of %d failed: %r" % (
                len(self.failures), self.answers, self.failures[:5])
            assert self.answers > 0

    def wait(self, answers):
        """Until so many more have come."""
        until = self.answers + answers
        end = time.monotonic() + 60
        while self.answers < until:
            assert time.monotonic() < end, "the load stalls"
            time.sleep(0.005)

    def run(self):
        client, due = None, time.monotonic()
        while not self.stopping.is_set():
            try:
                fresh = client is None
                client = client or Client(self.address, 30)
                more = [] if self.keep else [("Connection", "close")]
                client.send(head(self.target, headers=more))
                r = client.read()
                with self.lock:
                    self.answers += 1
                    if r.status != 200 or (self.body is not None and r.body != self.body):
                        self.failures.append((r, r.body[:100]))
                if not self.keep or r.get("Connection") == "close":
                    client.close()
                    client = None
            except Exception as e:
                with self.lock:
                    self.answers += 1
                    self.failures.append((e, "new" if fresh else "kept alive"))
                client = None
            due = max(due + self.step, time.monotonic() - 0.5)
            self.stopping.wait(max(0, due - time.monotonic()))
        if client:
            client.close()


def at_once(server, targets):
    """Asks for all targets at the same time, a connection each, and returns
    the responses in order and the time it took."""
    clients = [server.connect() for t in targets]
    start = time.monotonic()
    for c, t in zip(clients, targets):
        c.send(head(t))
    responses = [c.read() for c in clients]
    passed = time.monotonic() - start
    for c in clients:
        c.close()
    return responses, passed


def forks_seconds(count):
    """What so many processes at once cost now: little, unless others have the processors."""
    start = time.monotonic()
    children = [subprocess.Popen(["true"]) for _ in range(count)]
    for child in children:
        child.wait()
    return time.monotonic() - start


def is_stopped(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def one_batch(server, targets):
    """Asks for the targets, each on a connection of its own, so that the one worker
    finds all of them when it looks; returns the clients."""
    clients = [server.connect() for _ in targets]
    for c in clients:
        assert c.request("/hello").status == 200
    worker, = server.workers()
    os.kill(worker, signal.SIGSTOP)
    until(lambda: is_stopped(worker), what="a stopped worker")
    for c, target in zip(clients, targets):
        c.send(head(target))
    os.kill(worker, signal.SIGCONT)
    return clients


def has(pid, client):
    """Whether the process has the server's end of that connection open."""
    end = ":%04X" % client.socket.getsockname()[1]
    with open("/proc/net/tcp") as f:
        sockets = {"socket:[%s]" % line[9] for line in map(str.split, f) if line[2].endswith(end)}
    directory = "/proc/%d/fd/" % pid
    return any(os.readlink(directory + fd) in sockets for fd in os.listdir(directory))
