"""Every response has exactly one framing, and the right one for its status, size, method and version."""

import pytest

from client import head


def pattern(n):
    return bytes(i % 251 for i in range(min(n, 251))) * (n // 251 + 1)


@pytest.mark.parametrize("n", [0, 1, 4096, 65535, 65536])
def test_what_fits_the_buffer_has_a_length(server, n):
    with server.connect() as c:
        r = c.request("/big?n=%d&piece=1000" % n)
        assert r.body == pattern(n)[:n]
        assert r.framing == ("length" if n else "none")
        assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("n", [65537, 65536 * 2, 300000, 5000000])
@pytest.mark.parametrize("piece", [997, 65536, 1000000])
def test_what_does_not_is_chunked(server, n, piece):
    with server.connect() as c:
        r = c.request("/big?n=%d&piece=%d" % (n, piece))
        assert r.framing == "chunked" and r.body == pattern(n)[:n]
        assert c.request("/hello").body == b"hello\n"


def test_what_was_flushed_is_chunked(server):
    with server.connect() as c:
        r = c.request("/big?n=30&piece=10&flush=1")
        assert r.framing == "chunked" and r.chunks == [10, 10, 10]


@pytest.mark.parametrize("n", [10, 300000])
def test_http_1_0(server, n):
    """Never chunked; ended by closing, with a length if it is known."""
    with server.connect() as c:
        r = c.request("/big?n=%d" % n, version="1.0")
        assert r.framing == ("length" if n == 10 else "close")
        assert r.body == pattern(n)[:n]
        c.assert_end()


def test_http_1_0_flushed(server):
    with server.connect() as c:
        r = c.request("/big?n=30&piece=10&flush=1", version="1.0",
                      headers=[("Connection", "keep-alive")])
        assert r.framing == "close" and r.body == pattern(30)[:30]


def test_http_1_0_keep_alive(server):
    with server.connect() as c:
        for i in range(3):
            r = c.request("/hello", version="1.0", headers=[("Connection", "Keep-Alive")])
            assert r.get("Connection").lower() == "keep-alive" and r.body == b"hello\n"
        r = c.request("/hello", version="1.0")
        assert (r.get("Connection") or "close") == "close"
        c.assert_end()


@pytest.mark.parametrize("n", [10, 300000])
def test_head(server, n):
    """The same head as GET, no body, and the connection stays in step."""
    with server.connect() as c:
        get = c.request("/big?n=%d" % n)
        r = c.request("/big?n=%d" % n, "HEAD")
        assert r.status == 200
        assert r.get("Content-Length") in (get.get("Content-Length"), None)
        if n == 10:
            assert r.get("Content-Length") == "10"
        assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("target", ["/nowhere", "/crash?how=return", "/hello"])
def test_head_of_anything(server, target):
    with server.connect() as c:
        c.send(head(target, "HEAD"))
        status, headers = c.head()
        if dict(headers).get("connection") == "close":
            c.assert_end()
        else:
            assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_body(server, status, method):
    """What a servlet writes to a 204 or 304 is dropped."""
    with server.connect() as c:
        r = c.request("/api/set_status?value=%d" % status, method)
        assert r.status == status
        assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "x, close", "close,x", "close\t"])
def test_connection_close(server, value):
    with server.connect() as c:
        r = c.request("/hello", headers=[("Connection", value)])
        assert r.get("Connection") == "close"
        c.assert_end()


def test_keep_alive_is_the_rule(server):
    with server.connect() as c:
        for i in range(10):
            r = c.request("/hello")
            assert (r.get("Connection") or "keep-alive").lower() == "keep-alive"


def test_failed_run(server):
    """A run that returns non-zero is 500; after a flush the connection is cut."""
    with server.connect() as c:
        r = c.request("/crash?how=return")
        assert r.status == 500
    with server.connect() as c:
        r = c.request("/crash?how=return&after=write")
        assert r.status == 500 and b"so far" not in r.body
    with server.connect() as c:
        c.send(head("/crash?how=return&after=flush"))
        status, headers = c.head()
        assert status == 200
        with pytest.raises((AssertionError, ConnectionError)):
            c.chunked_body([])
    server.wait_log(r"/crash")


@pytest.mark.parametrize("how", ["return", "segv", "kill"])
def test_failed_http_1_0(server, how):
    """What would be ended by closing ends with a reset."""
    with server.connect() as c:
        c.send(head("/crash?how=%s&after=flush" % how, version="1.0"))
        with pytest.raises(ConnectionResetError):
            c.read()


def test_built_in_pages_are_plain_and_short(server):
    r = server.get("/nowhere")
    assert r.get("Content-Type").startswith("text/plain")
    assert r.text == "404 Not Found\n"
