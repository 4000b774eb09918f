"""IPv4, IPv6, unix sockets, several at once, and the PROXY protocol."""

import os
import socket
import subprocess

import pytest

from client import Client, head, until
from server import ALL, free_port


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
@pytest.mark.parametrize("text", ["[::1]:%d", "::1:%d"])
def test_ipv6(serve, text):
    port = free_port("::1")
    s = serve(ALL + 'listen "%s"\n' % (text % port))
    with Client(("::1", port)) as c:
        assert c.request("/api/get_remote").text.startswith("<::1>\n")
    assert s.get("/hello").status == 200


def test_unix(serve):
    s = serve(ALL + 'listen "unix:{dir}/a.sock"\nlisten "unix:b.sock"\n')
    for name in ("a.sock", "b.sock"):
        with Client(os.path.join(s.directory, name)) as c:
            assert c.request("/hello").body == b"hello\n"
            assert c.request("/api/get_remote").text == "<unix>\n0\n"
    s.stop()
    assert not os.path.exists(os.path.join(s.directory, "a.sock"))


def test_a_stale_unix_socket_is_replaced(serve, tmp_path):
    path = str(tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
        stale.listen()
    assert os.path.exists(path)
    serve(ALL + 'listen "unix:%s"\n' % path)
    with Client(path) as c:
        assert c.request("/hello").body == b"hello\n"


def test_curl_over_a_unix_socket(serve):
    s = serve(ALL + 'listen "unix:a.sock"\n')
    done = subprocess.run(["curl", "-sS", "--unix-socket", s.directory + "/a.sock",
                           "http://x/hello"], capture_output=True, timeout=60)
    assert done.stdout == b"hello\n"


def test_several(serve):
    ports = [free_port() for i in range(5)]
    s = serve(ALL + "".join('listen { "127.0.0.1:%d", backlog = 10 }\n' % p for p in ports))
    for p in ports:
        with Client(("127.0.0.1", p)) as c:
            assert c.request("/hello").body == b"hello\n"
    assert s.get("/hello").status == 200


class Proxied(Client):
    """A client behind a proxy that says where it came from."""

    def __init__(self, address, line):
        Client.__init__(self, address)
        self.send(line)


@pytest.fixture
def proxied(serve):
    port = free_port()
    s = serve(ALL + 'listen { "127.0.0.1:%d", proxy_protocol = true }\ntimeouts { head = 1 }\n' % port)
    s.proxied = ("127.0.0.1", port)
    return s


V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize("line, answer", [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 5678 80\r\n", "<192.0.2.7>\n5678\n"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 5678 80\r\n", "<2001:db8::7>\n5678\n"),
    (b"PROXY UNKNOWN\r\n", None),
    (V2 + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 9, 198, 51, 100, 1, 0x16, 0x2e, 0, 80]), "<192.0.2.9>\n5678\n"),
    (V2 + b"\x20\x00\0\0", None),
])
def test_proxy_protocol(proxied, line, answer):
    with Proxied(proxied.proxied, line) as c:
        for i in range(2):
            r = c.request("/api/get_remote")
            assert r.status == 200
            if answer:
                assert r.text == answer
            else:
                assert r.text.startswith("<127.0.0.1>\n")


def test_proxy_protocol_octet_by_octet(proxied):
    with Proxied(proxied.proxied, b"") as c:
        for octet in b"PROXY TCP4 192.0.2.7 198.51.100.1 5678 80\r\n" + head("/api/get_remote"):
            c.send(bytes([octet]))
        assert c.read().text == "<192.0.2.7>\n5678\n"


@pytest.mark.parametrize("data", [head("/hello"), b"PROXY TCP4 x y 1 2\r\n" + head("/hello"),
                                  b"PROXY " + b"x" * 200, V2 + b"\x21\x11\xff\xff"])
def test_no_proxy_header_no_service(proxied, data):
    with Client(proxied.proxied) as c:
        c.send(data)
        got = b""
        try:
            while not got.endswith(b"never"):
                piece = c.socket.recv(1000)
                if not piece:
                    break
                got += piece
        except ConnectionResetError:
            pass
        assert b"hello" not in got
    assert proxied.get("/hello").status == 200


def test_a_flood_of_connections(serve):
    """More than a backlog, opened and left alone, do not keep others out."""
    s = serve()
    idle = [s.connect() for i in range(500)]
    assert s.get("/hello").status == 200
    assert until(lambda: len(s.workers()) <= 4, what="few workers")
    for c in idle:
        assert c.request("/hello").status == 200
        c.close()
