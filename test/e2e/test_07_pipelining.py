"""Pipelined requests are answered each, in order, whatever the fragments they come in."""

import os
import socket
import threading
import time

import pytest

from client import Client, chunked, head
from server import ALL, SLOW


def test_twenty(server):
    with server.connect() as c:
        c.send(b"".join(head("/api/get_arg?name=n&n=%d" % i) for i in range(20)))
        assert [c.read().text for i in range(20)] == ["<%d>\n" % i for i in range(20)]


def test_a_thousand_with_bodies(server):
    """Of lengths that put every boundary somewhere in a buffer."""
    bodies = [bytes([65 + i % 26]) * (i * 37 % 4000) for i in range(1000)]
    data = b"".join(head("/echo", "POST", body=b, chunk=[None, 7, 1000][i % 3]) +
                    (chunked(b, [None, 7, 1000][i % 3]) if i % 3 else b)
                    for i, b in enumerate(bodies))
    with server.connect() as c:
        sender = threading.Thread(target=c.send, args=(data,))
        sender.start()
        for i, b in enumerate(bodies):
            assert c.read().body == b, i
        sender.join()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 61, 1000])
def test_in_fragments(server, size):
    """Cut anywhere, also in the middle of CRLF."""
    data = head("/hello") + head("/echo", "POST", body=b"12345") + b"12345" + \
        head("/echo", "POST", chunk=2) + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n" + head("/hello")
    with server.connect() as c:
        for at in range(0, len(data), size):
            c.send(data[at:at + size])
        assert [c.read().body for i in range(4)] == [b"hello\n", b"12345", b"abc", b"hello\n"]


def test_with_slow_ones_in_between(server):
    """A servlet that sleeps does not let the next answer overtake."""
    targets = ["/sleep?ms=30", "/hello", "/sleep?ms=5", "/big?n=300000", "/sleep?ms=30", "/hello"]
    with server.connect() as c:
        c.send(b"".join(head(t) for t in targets))
        bodies = [c.read().body for t in targets]
    assert bodies[1] == bodies[5] == b"hello\n" and len(bodies[3]) == 300000
    assert all(bodies[i].strip().isdigit() for i in (0, 2, 4))


def test_nothing_after_close(server):
    """What follows a request with Connection: close is not run."""
    with server.connect() as c:
        c.send(head("/hello", headers=[("Connection", "close")]) + head("/api/rlog?value=late"))
        assert c.read().body == b"hello\n"
        c.assert_end()
    assert "first late" not in server.log()


def test_half_closed(server):
    """A client that shuts its sending side down still reads all answers."""
    with server.connect() as c:
        c.send(head("/sleep?ms=50") + head("/big?n=300000") + head("/hello"))
        c.socket.shutdown(socket.SHUT_WR)
        assert c.read().status == 200
        assert len(c.read().body) == 300000
        assert c.read().body == b"hello\n"
        c.assert_end()


def test_a_refusal_waits_its_turn(serve, tmp_path):
    """Whatever the answers before it leave of room in the socket: it comes after them, and whole."""
    s = serve(ALL + 'listen "unix:{dir}/socket"\ntimeouts { write = 60 }\n')
    clients = []
    # Some number of them fills the socket, which has 212,992 octets of the kernel's.
    for n in range(8, 60):
        c = Client(os.path.join(s.directory, "socket"), 20 * SLOW)
        c.send(head("/big?n=8000") * n + b"GET /hello\r\n\r\n")
        clients.append((n, c))
    assert s.get("/hello").status == 200
    for n, c in clients:
        for _ in range(n):
            assert len(c.read().body) == 8000
        r = c.read()
        assert r.status == 400 and r.body == b"400 Bad Request\n", n
        c.assert_end()
        c.close()


def test_octets_after_the_last_request(server):
    """They are not the reason for a reset, which would destroy what has not been read."""
    with server.connect() as c:
        c.send(head("/big?n=9000000&piece=65536", version="1.0"))
        assert c.fill()
        c.send(b"x" * 3000)
        time.sleep(0.1)         # not reading is what is tested
        assert len(c.read().body) == 9000000


def test_empty_lines_before_a_request(server):
    with server.connect() as c:
        c.send(b"\r\n" + head("/hello") + b"\r\n" + head("/hello"))
        assert c.read().body == c.read().body == b"hello\n"
