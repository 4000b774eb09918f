"""Each of `timeouts` ends what takes too long: 408, 504 or close; each is a total, not per octet."""

import os
import signal
import socket
import time

import pytest

from client import head
from server import ALL, SLOW, route


def elapsed(start, least, most):
    passed = time.monotonic() - start
    assert least <= passed <= most * SLOW, "it took %.2f s" % passed


def dribble(c, data, seconds, step=0.1):
    """Sends an octet each step for so long, or until something comes back."""
    end = time.monotonic() + seconds
    c.socket.settimeout(step)
    at = 0
    while time.monotonic() < end:
        try:
            c.send(data[at % len(data):at % len(data) + 1])
            at += 1
            if c.fill():
                break
            break
        except socket.timeout:
            continue
        except ConnectionError:
            break
    c.socket.settimeout(10)


def test_no_head(serve):
    """Nothing sent at all: closed, without an answer, or with 408."""
    s = serve(ALL + "timeouts { head = 0.5, keepalive = 30 }\n")
    with s.connect() as c:
        start = time.monotonic()
        data = c.socket.recv(1000)
        elapsed(start, 0.4, 2)
        assert data == b"" or data.startswith(b"HTTP/1.1 408 ")


def test_half_a_head(serve):
    s = serve(ALL + "timeouts { head = 0.5 }\n")
    with s.connect() as c:
        start = time.monotonic()
        c.send(b"GET /hello HTTP/1.1\r\nHo")
        assert c.read().status == 408
        c.assert_end()
        elapsed(start, 0.4, 2)


def test_a_dribbled_head(serve):
    """An octet now and then does not prolong it."""
    s = serve(ALL + "timeouts { head = 0.7 }\n")
    with s.connect() as c:
        start = time.monotonic()
        c.send(b"GET /hello HTTP/1.1\r\nX: ")
        dribble(c, b"y", 5)
        elapsed(start, 0.5, 2)
        assert c.read().status == 408


def test_half_a_body(serve):
    s = serve(ALL + "timeouts { body = 0.5 }\n")
    for chunk in (None, 100):
        with s.connect() as c:
            start = time.monotonic()
            c.send(head("/echo", "POST", body=b"12345", chunk=chunk) + b"5\r\n"[:chunk and 3 or 2])
            assert c.read().status == 408
            c.assert_end()
            elapsed(start, 0.4, 2)


def test_a_dribbled_body(serve):
    s = serve(ALL + "timeouts { body = 0.7 }\n")
    with s.connect() as c:
        start = time.monotonic()
        c.send(head("/echo", "POST", headers=[("Content-Length", "1000")]))
        dribble(c, b"y", 5)
        elapsed(start, 0.5, 2)
        assert c.read().status == 408


def test_keepalive(serve):
    """An idle connection is closed without a word."""
    s = serve(ALL + "timeouts { keepalive = 0.6, head = 30 }\n")
    with s.connect() as c:
        for i in range(3):
            assert c.request("/hello").status == 200
            time.sleep(0.3)     # less than the time-out: it starts anew each time
        assert c.request("/hello").status == 200
        start = time.monotonic()
        c.assert_end(20)
        elapsed(start, 0.5, 2)


def test_write(serve):
    """Who does not read is cut off, and is no burden to others."""
    s = serve(ALL + "timeouts { write = 1 }\n")
    with s.connect() as c:
        c.send(head("/big?n=50000000&piece=65536"))
        assert s.get("/hello").status == 200
        time.sleep(4)       # not reading is what is tested
        total = 0
        try:
            while True:
                n = len(c.socket.recv(1 << 20))
                if n == 0:
                    break
                total += n
        except ConnectionError:
            pass
        assert total < 50000000


def test_request(serve):
    """A servlet over its time: 504, a report with its route, and the kill; others go on."""
    s = serve(ALL + "timeouts { request = 0.5 }\n")
    start = time.monotonic()
    with s.connect() as c:
        c.send(head("/sleep?ms=20000"))
        assert s.get("/hello").body == b"hello\n"
        assert c.read().status == 504
        elapsed(start, 0.4, 3)
    s.wait_log(r"/sleep")
    assert s.get("/sleep?ms=50").status == 200


def test_request_that_has_just_ended(serve):
    """The zygote's signal comes too late, when the worker is idle or runs another request."""
    s = serve(ALL + "timeouts { request = 60 }\nworkers { min = 1, max = 1 }\n")
    worker, = s.workers()
    with s.connect() as c:
        for target in ["/hello", "/sleep?ms=300"] * 3:
            c.send(head(target))
            c.socket.settimeout(0.02)
            for i in range(1000):
                os.kill(worker, signal.SIGUSR2)
                try:
                    c.fill()
                    break
                except socket.timeout:
                    continue
            c.socket.settimeout(20 * SLOW)
            assert c.read().status == 200
            os.kill(worker, signal.SIGUSR2)
    assert s.workers() == [worker]


def test_request_per_servlet(serve):
    s = serve(route("hello") + 'load_servlet { "%s", "/short", timeout = 0.4 }\n%s' % (
        route("sleep").split('"')[1], route("sleep", "/long")))
    with s.connect() as a, s.connect() as b:
        a.send(head("/short?ms=20000"))
        b.send(head("/long?ms=1500"))
        assert a.read().status == 504
        assert b.read().status == 200


@pytest.mark.parametrize("what", ["head", "body", "keepalive"])
def test_zero_is_none(serve, what):
    s = serve(ALL + "timeouts { %s = 0 }\n" % what)
    with s.connect() as c:
        if what == "head":
            c.send("GET /hello HTTP/1.1\r\n")
            c.quiet(1.5)
            c.send("Host: x\r\n\r\n")
            assert c.read().body == b"hello\n"
        elif what == "body":
            c.send(head("/echo", "POST", body=b"12345") + b"123")
            c.quiet(1.5)
            c.send(b"45")
            assert c.read().body == b"12345"
        else:
            assert c.request("/hello").status == 200
            c.quiet(1.5)
            assert c.request("/hello").status == 200
