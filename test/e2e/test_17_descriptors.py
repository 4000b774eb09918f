"""Without descriptors the server neither spins nor stops, and goes on when some return."""

import os
import resource
import time

import pytest

from client import head, until
from load import has
from server import ALL, BINARY, SLOW


def descriptors(pid):
    return [int(n) for n in os.listdir("/proc/%d/fd" % pid)]


def processor_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def leave(pid, n):
    """Lets the process open n more descriptors (accept takes the lowest free one)."""
    used, most = set(descriptors(pid)), 0
    while n > 0 or most in used:
        n -= most not in used
        most += 1
    if "poll" in BINARY and most <= len(used):
        pytest.skip("poll(2) refuses more entries than there may be descriptors")
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, limit[1]))


def test_accept_fails(serve):
    """The kept ones are served on; the rest waits until one leaves."""
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    first = s.connect()
    assert first.request("/hello").status == 200
    worker = s.workers()[0]
    leave(worker, 3)
    clients = [s.connect() for i in range(6)]
    for c in clients:
        c.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    s.wait_log(r"accept: Too many open files", timeout=20 * SLOW)
    # For a second nothing can be accepted: no spinning, no flood in the log.
    start, used = time.monotonic(), processor_seconds(worker)
    while time.monotonic() - start < 1:
        assert first.request("/hello").status == 200
        time.sleep(0.05)
    assert processor_seconds(worker) - used < 0.5 * (time.monotonic() - start)
    assert s.log().count("accept:") <= 2
    # As clients leave, those that waited are answered, each in its turn.
    first.close()
    while clients:
        ready = until(lambda: [c for c in clients if peek(c)], 20 * SLOW, "an answer")
        for c in ready:
            assert c.read().status == 200
            c.close()
            clients.remove(c)
    assert s.get("/hello").status == 200
    assert s.workers() == [worker]


def test_fork_fails(serve):
    """The next try comes in time, and after it the zygote sleeps again."""
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    zygote, old = s.processes("zygote")[0].pid, s.workers()[0]
    limit = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, (8, limit[1]))    # no new ones; poll(2) needs 6
    os.kill(old, 9)
    s.wait_log("a worker cannot be forked: Too many open files")
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, limit)
    assert s.get("/hello").status == 200
    start, used = time.monotonic(), processor_seconds(zygote)
    while time.monotonic() - start < 0.5:
        time.sleep(0.05)
    assert processor_seconds(zygote) - used < 0.2 * (time.monotonic() - start)


def test_a_connection_is_not_received_without_room_for_its_files(serve):
    """Handed over with its body's file, it waits for a worker that can take both."""
    s = serve("workers { min = 2, max = 2 }\n" + ALL)
    until(lambda: len(s.workers()) == 2, 20 * SLOW, "two workers")
    clients = [s.connect() for i in range(3)]
    assert all(c.request("/api/pid").status == 200 for c in clients)
    # Where they are now: one that has been answered slowly may have been passed on.
    workers = s.workers()
    until(lambda: all(any(has(pid, c) for pid in workers) for c in clients), what="all taken")
    worker, other = sorted(workers, key=lambda pid: -sum(has(pid, c) for c in clients))
    a, b = [c for c in clients if has(worker, c)][:2]
    leave(other, 1)
    body = os.urandom(200000)
    b.send(head("/echo", "POST", body=body) + body[:-1])
    a.send(head("/sleep?ms=1500"))
    time.sleep(0.2)
    b.send(body[-1:])
    s.wait_log("a handed-over connection is left to others: Too many open files")
    assert b.read().body == body
    assert a.read().status == 200
    for c in clients:
        c.close()


def peek(client):
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, 2)     # MSG_PEEK
    except BlockingIOError:
        return b""
    finally:
        client.socket.settimeout(20 * SLOW)


def test_a_low_limit_from_the_start(serve):
    """More clients than descriptors: those within are served, the others when these have gone."""
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    resource.prlimit(s.processes("zygote")[0].pid, resource.RLIMIT_NOFILE, (96, 96))
    old = s.workers()[0]
    os.kill(old, 9)
    until(lambda: s.workers() and s.workers() != [old], 20 * SLOW)
    clients = []
    try:
        for i in range(120):
            c = s.connect()
            c.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            clients.append(c)
        # accepts stop before the descriptors do, so nothing fails
        answered = lambda: [c for c in clients if peek(c)]
        until(lambda: len(answered()) >= 48, 20 * SLOW)
        assert len(answered()) <= 96
        while clients:
            for c in until(answered, 20 * SLOW, "an answer"):
                assert c.read().status == 200
                c.close()
                clients.remove(c)
    finally:
        for c in clients:
            c.close()
    assert "accept:" not in s.log()


def test_more_processes_have_more_descriptors(serve):
    """Idle connections fill one worker after the other; none stays away from the next
    client, and none leaves while they need its descriptors."""
    s = serve(ALL + "workers { min = 1, max = 8, idle_timeout = 0.5 }\n")
    resource.prlimit(s.pid, resource.RLIMIT_NOFILE, (96, 96))
    s.reload()
    s.wait_log("generation 2 serves")
    clients = []
    for i in range(150):
        c = s.connect()
        assert c.request("/hello").status == 200
        clients.append(c)
    assert len(s.workers()) >= 4    # 48 connections each
    most, start = len(s.workers()), time.monotonic()
    while time.monotonic() - start < 1.5:
        assert clients[0].request("/hello").status == 200
        time.sleep(0.05)
    assert 4 <= len(s.workers()) <= most
    for c in clients:
        assert c.request("/hello").status == 200
        c.close()
    until(lambda: len(s.workers()) == 1, 20 * SLOW)
