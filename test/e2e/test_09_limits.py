"""Beyond limits.body 413, limits.head 431 or 414, limits.headers 431; the connection stays well-framed or is closed."""

import resource

import pytest

from client import ProtocolError, chunked, head
from server import ALL, Server

LIMITS = ALL + 'limits { head = "4K", body = "100K", headers = 20 }\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("server"), LIMITS)
    s.start()
    yield s
    s.finish()


def refused(server, data, status, rest=b""):
    """The answer to data comes before rest is sent, can be read, and what
    follows is well-framed or the end."""
    with server.connect() as c:
        c.send(data)
        r = c.read()
        assert r.status == status
        try:
            c.send(rest + head("/hello"))
        except (BrokenPipeError, ConnectionResetError):
            return
        if r.get("Connection") == "close":
            try:
                c.assert_end()
            except ConnectionResetError:
                pass
        else:
            assert c.read().body == b"hello\n"


def test_exactly_the_limit(server):
    body = b"x" * 102400
    for chunk in (None, 1000, 1 << 20):
        with server.connect() as c:
            assert c.request("/echo", "POST", body=body, chunk=chunk).body == body
            assert c.request("/hello").body == b"hello\n"


def test_a_body_said_to_be_too_long(server):
    """Refused at the head, before the body is sent."""
    body = b"x" * 102401
    refused(server, head("/echo", "POST", body=body), 413, body)


def test_a_body_that_is_far_too_long(server):
    refused(server, head("/echo", "POST", headers=[("Content-Length", str(1 << 62))]), 413)


def test_a_chunked_body_that_becomes_too_long(server):
    body = chunked(b"x" * 150000, 1000)
    refused(server, head("/echo", "POST", chunk=1) + body[:110000], 413, body[110000:])


def test_a_chunk_said_to_be_too_long(server):
    """Its size alone is enough: nothing is waited for."""
    refused(server, head("/echo", "POST", chunk=1) + b"19001\r\n", 413)


def test_the_answer_survives_what_is_sent_at_once(server):
    """The whole body is on its way when 413 is sent: the client still reads it (lingering close)."""
    for i in range(20):
        with server.connect() as c:
            body = b"x" * 3000000
            try:
                c.send(head("/echo", "POST", body=body) + body)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert c.read().status == 413


def test_head_too_long(server):
    refused(server, head("/hello", headers=[("X", "y" * 5000)]), 431)


def test_head_too_long_in_many_fields(server):
    refused(server, head("/hello", headers=[("X%d" % i, "y" * 400) for i in range(12)]), 431)


def test_head_that_never_ends(server):
    with server.connect() as c:
        c.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nX: ")
        try:
            for i in range(100):
                c.send(b"y" * 100)
        except ConnectionError:
            pass
        assert c.read().status == 431


def test_target_too_long(server):
    refused(server, head("/" + "x" * 5000), 414)


def test_too_many_fields(server):
    with server.connect() as c:
        assert c.request("/hello", headers=[("X", "1")] * 19).body == b"hello\n"   # and Host
    refused(server, head("/hello", headers=[("X", "1")] * 20), 431)


def test_as_much_as_is_allowed(server):
    """A head that just fits, octet by octet or at once."""
    data = head("/hello", headers=[("X", "")])
    data = head("/hello", headers=[("X", "y" * (4096 - len(data)))])
    assert len(data) == 4096
    with server.connect() as c:
        c.send(data)
        assert c.read().body == b"hello\n"
        for at in range(len(data)):
            c.send(data[at:at + 1])
        assert c.read().body == b"hello\n"


def test_trailers_are_bounded(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", chunk=1) + b"1\r\nx\r\n0\r\n")
        try:
            for i in range(1000):
                c.send(b"T: " + b"y" * 100 + b"\r\n")
            status = c.read().status
        except ConnectionError:
            status = None
        assert status in (431, 400, None)


def test_chunk_extensions_are_bounded(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", chunk=1))
        try:
            for i in range(20000):
                c.send(b"1;" + b"e" * 60 + b"\r\nx\r\n")
            c.send(b"0\r\n\r\n")
            status = c.read().status
        except ConnectionError:
            status = None
        assert status in (400, 413, None)


@pytest.mark.parametrize("data", [
    b"GET /hello\r\n\r\n", b"GET /hello HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", b"GET /hello HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    b"GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_what_is_no_request(server, data):
    """400 and closed (also if it comes octet by octet), and nobody else notices."""
    for size in (len(data), 1):
        with server.connect() as c, server.connect() as other:
            try:
                for at in range(0, len(data), size):
                    c.send(data[at:at + size])
            except ConnectionError:
                pass
            r = c.read()
            assert r.status == 400, r
            assert r.get("Connection") == "close"
            c.assert_end()
            assert other.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("version, status", [("2.0", 505), ("0.9", 505), ("1.2", 505)])
def test_versions(server, version, status):
    with server.connect() as c:
        assert c.request("/hello", version=version).status in (status, 400)
        c.assert_end()


def test_unknown_transfer_coding(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", [("Transfer-Encoding", "gzip, chunked")]) + b"0\r\n\r\n")
        assert c.read().status in (400, 501)
        c.assert_end()


def small_files(s):
    """No process of the server may write more than 1 MiB to a file.  Returns its workers."""
    for p in s.processes():
        resource.prlimit(p.pid, resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    return s.workers()


def test_no_room_for_a_body(serve, tmp_path):
    """A full disk, or as here a limit of file sizes, costs that request and nothing else."""
    s = serve(ALL, env={"TMPDIR": str(tmp_path)})
    before = small_files(s)
    with s.connect() as c:
        body = b"x" * (2 << 20)
        try:
            c.request("/echo", "POST", body=body, read=False)
        except ConnectionError:
            pass
        assert c.read().status == 507
    assert s.get("/echo", method="POST", body=b"x" * 500000).body == b"x" * 500000
    assert set(before) <= set(s.workers()), s.log()
    s.wait_log("refused with 507: the body could not be stored")
    s.wait_log("a request's body cannot be stored in %s: File too large" % tmp_path)


def test_no_room_for_a_response(serve, tmp_path):
    """It is cut, so that the client sees that something is missing, and the log says why."""
    s = serve(ALL, env={"TMPDIR": str(tmp_path)})
    before = small_files(s)
    with s.connect() as c:
        c.send(head("/big?n=30000000"))
        s.wait_log("a response cannot be kept for its client in %s: File too large" % tmp_path)
        with pytest.raises((ProtocolError, ConnectionError)):
            c.read()
    assert s.get("/hello").status == 200
    assert set(before) <= set(s.workers()), s.log()
