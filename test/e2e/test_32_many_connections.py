"""Connections that wait hold nobody: ten thousand idle ones beside a blocked worker, a thousand
that dribble and a hundred that do not read beside a good client; and many busy ones fork no crowd.  The marks, on a quiet machine, are
20 ms; what is asserted leaves room for others."""

import os
import resource
import shutil
import socket
import subprocess
import time

import pytest

from client import Client, until
from server import ALL, BINARY

SLOWEST = 0.1       # seconds, of all but 2 % of the requests
BIG = 8 << 20
# poll(2) looks at every connection each time, and is not meant for so many.
IDLE = 1000 if "poll" in BINARY else 10000


def quantile(times, part):
    return sorted(times)[int(len(times) * part)]


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def timed(client, target="/hello"):
    start = time.monotonic()
    assert client.request(target).status == 200
    return time.monotonic() - start


@pytest.mark.alone
@pytest.mark.plain
def test_idle_connections_of_a_blocked_worker(serve, descriptors):
    s = serve(ALL)
    count = min(IDLE, descriptors - 1000)
    idle = [s.connect() for _ in range(count)]
    try:
        for c in idle:
            timed(c)
        # The worker that holds it holds a good part of the others.
        idle[0].request("/sleep?ms=2000", read=False)
        begin = time.monotonic()
        times = []
        while time.monotonic() - begin < 1.9:
            times.append(timed(idle[1 + len(times) * 37 % (count - 1)]))
        assert idle[0].read().status == 200
        for c in idle:
            assert c.request("/hello").status == 200     # on the very same connection
    finally:
        for c in idle:
            c.close()
    print("%d requests beside a blocked worker: p98 %.1f ms, longest %.1f ms" % (
        len(times), quantile(times, 0.98) * 1000, max(times) * 1000))
    assert quantile(times, 0.98) < SLOWEST


@pytest.mark.alone
@pytest.mark.plain
def test_dribblers_and_clients_that_do_not_read(serve):
    s = serve(ALL + "timeouts { head = 120, write = 120 }\n")
    dribblers = [s.connect() for _ in range(1000)]
    deaf = []
    try:
        for _ in range(100):
            c = socket.socket()
            # Not what the kernel would make of it: most is left to the server.
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.settimeout(60)
            c.connect(s.address)
            c.sendall(b"GET /big?n=%d HTTP/1.1\r\nHost: a\r\n\r\n" % BIG)
            deaf.append(c)
        for c in dribblers:
            c.send("GET /hello HTTP/1.1\r\nHost: a\r\n")
        times, workers = [], 0
        begin = time.monotonic()
        with s.connect() as kept:
            while time.monotonic() - begin < 4:
                for _ in range(20):
                    dribblers[len(times) * 7 % 1000].send("X-%d: y\r\n" % (len(times)))
                    times.append(timed(kept))
                with s.connect() as fresh:
                    times.append(timed(fresh))
                workers = max(workers, len(s.workers()))
        print("%d requests beside them: p98 %.1f ms, longest %.1f ms, %d workers" % (
            len(times), quantile(times, 0.98) * 1000, max(times) * 1000, workers))
        assert quantile(times, 0.98) < SLOWEST
        assert workers <= 8
        # Who reads after all gets every octet; who ends its head, an answer.
        pattern = bytes(i % 251 for i in range(251)) * (BIG // 251 + 1)
        for c in deaf[:5]:
            reader = Client.__new__(Client)
            reader.socket, reader.data = c, bytearray()
            response = reader.read()
            assert response.status == 200 and response.body == pattern[:BIG]
        for c in dribblers:
            c.send("\r\n")
            assert c.read().status == 200
    finally:
        for c in dribblers + deaf:
            c.close()
    until(lambda: s.get("/hello").status == 200)


@pytest.mark.alone
@pytest.mark.plain
def test_busy_connections_fork_no_crowd(serve):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed: apt-get install wrk")
    s = serve(ALL)
    workers = 0
    with subprocess.Popen(["wrk", "-t1", "-c512", "-d3", "http://127.0.0.1:%d/hello" % s.port],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as load:
        while load.poll() is None:
            workers = max(workers, len(s.workers()))
            time.sleep(0.02)
    assert load.returncode == 0
    # One for each processor, and one more where all had to wait.
    assert workers <= len(os.sched_getaffinity(0)) + 2
