"""Expect: 100-continue is answered when the body is wanted, once, and not when it is refused."""

import subprocess
import time

import pytest

from client import chunked, head
from server import ALL, Server

EXPECT = [("Expect", "100-continue")]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("server"), ALL + 'limits { body = "1M" }\n')
    s.start()
    yield s
    s.finish()


@pytest.mark.parametrize("spelling", ["100-continue", "100-Continue"])
@pytest.mark.parametrize("chunk", [None, 1000])
def test_continue(server, spelling, chunk):
    body = b"x" * 70000
    with server.connect() as c:
        for i in range(2):
            c.send(head("/echo", "POST", [("Expect", spelling)], body, chunk))
            r = c.read(informational=True)
            assert r.status == 100 and not r.headers
            c.send(chunked(body, chunk) if chunk else body)
            r = c.read(informational=True)
            assert r.status == 200 and r.body == body


def test_body_at_once(server):
    """A client that does not wait gets 100 or not, and one answer."""
    with server.connect() as c:
        c.send(head("/echo", "POST", EXPECT, b"abc") + b"abc" + head("/hello"))
        assert c.read().body == b"abc"
        assert c.read().body == b"hello\n"


def test_no_body_no_continue(server):
    with server.connect() as c:
        c.send(head("/hello", "GET", EXPECT))
        assert c.read(informational=True).status == 200
        c.send(head("/echo", "POST", EXPECT, b""))
        assert c.read(informational=True).status in (200, 204)


def test_too_long_is_never_invited(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", EXPECT + [("Content-Length", "2000000")]))
        assert c.read(informational=True).status == 413


def test_http_1_0_gets_none(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", EXPECT, b"abc", version="1.0"))
        c.quiet(0.3)
        c.send(b"abc")
        assert c.read(informational=True).body == b"abc"


def test_other_expectations(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", [("Expect", "miracles")], b"abc") + b"abc")
        assert c.read(informational=True).status in (200, 417)


def test_curl_does_not_wait_in_vain(server, tmp_path):
    """curl waits one second for a 100 that does not come."""
    (tmp_path / "body").write_bytes(b"x" * 1000000)
    start = time.monotonic()
    done = subprocess.run(["curl", "-sS", "-H", "Expect: 100-continue", "--data-binary",
                           "@%s" % (tmp_path / "body"), "-w", "%{http_code}", "-o", "/dev/null",
                           "http://127.0.0.1:%d/echo" % server.port], capture_output=True, timeout=60)
    assert done.stdout == b"200"
    assert time.monotonic() - start < 0.9
