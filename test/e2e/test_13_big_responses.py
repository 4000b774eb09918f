"""Large responses, by rwrite and by rsendfile, reach fast and slow readers whole; no slow one holds a worker."""

import hashlib
import os
import socket
import threading
import time

import pytest

from client import head, until
from server import ALL, BINARY, SLOW

SIZE = 20000000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "file"
    with open(path, "wb") as f:
        for i in range(0, SIZE, 1000000):
            f.write(os.urandom(1000000))
    os.chmod(path.parent, 0o755)
    return str(path), path.read_bytes()


@pytest.mark.parametrize("offset, length", [
    (0, -1), (0, SIZE), (1, -1), (12345, 678901), (SIZE - 1, 1), (0, 1), (0, 0), (SIZE, -1)])
def test_rsendfile(server, data, offset, length):
    path, content = data
    want = content[offset:] if length == -1 else content[offset:offset + length]
    with server.connect() as c:
        r = c.request("/big?file=%s&offset=%d&length=%d" % (path, offset, length))
        assert r.status == 200 and r.body == want
        assert r.get("Content-Length") == str(len(want))
        assert c.request("/hello").body == b"hello\n"


def test_rsendfile_with_more_behind(server, data):
    path, content = data
    with server.connect() as c:
        r = c.request("/big?file=%s&offset=5&length=100000&tail=more" % path)
        assert r.body == content[5:100005] + b"more"


def test_rsendfile_head(server, data):
    with server.connect() as c:
        r = c.request("/big?file=" + data[0], "HEAD")
        assert r.status == 200
        assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("query", ["file=/&offset=0", "file=/dev/zero&length=5", "file=/nowhere"])
def test_rsendfile_of_what_is_no_file(server, query):
    assert server.get("/big?" + query).text.startswith("errno ")


def test_rsendfile_beyond_the_end(server, data):
    r = server.get("/big?file=%s&offset=%d&length=10" % (data[0], SIZE - 5))
    assert r.text == "errno 22\n"


@pytest.mark.parametrize("target", ["/big?file=%s", "/big?n=20000000&piece=65536"])
def test_a_slow_reader(server, data, target):
    """It pauses at first and then gets every octet; the worker is free meanwhile."""
    content = data[1] if "%s" in target else None
    target = target.replace("%s", data[0])
    with server.connect() as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.send(head(target))
        time.sleep(0.5)         # not reading is what is tested
        for i in range(20):
            assert server.get("/hello").status == 200
        r = c.read()
        assert len(r.body) == SIZE
        if content:
            assert hashlib.sha256(r.body).digest() == hashlib.sha256(content).digest()
        assert c.request("/hello").body == b"hello\n"


def test_slow_readers_hold_no_worker(serve, data):
    """Fifty of them and eight workers at most: others are answered at once."""
    s = serve(ALL + "timeouts { write = 60 }\nworkers { max = 8 }\n")
    slow = []
    try:
        for i in range(50):
            c = s.connect()
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.send(head("/big?n=8000000&piece=65536" if i % 2 else "/big?file=" + data[0]))
            slow.append(c)
        for c in slow:
            c.head()
        until(lambda: s.get("/hello").status == 200)
        start = time.monotonic()
        for i in range(50):
            assert s.get("/hello").status == 200
        assert time.monotonic() - start < 2 * SLOW
        assert len(s.workers()) <= 8
    finally:
        for c in slow:
            c.close()


def unread_in_kernel(server, client):
    """Octets of its response that the server's socket keeps."""
    ends = "%04X" % server.port, "%04X" % client.socket.getsockname()[1]
    with open("/proc/net/tcp") as f:
        for fields in map(str.split, f):
            if (fields[1][-4:], fields[2][-4:]) == ends:
                return int(fields[4].split(":")[0], 16)


@pytest.mark.parametrize("target", ["/big?file=%s&length=2000000", "/big?n=2000000&piece=65536"])
def test_a_tiny_window(server, data, target):
    """A client that can receive next to nothing at once does not fill the kernel's memory."""
    if "kqueue" in BINARY:
        pytest.skip("what is Linux's alone is left out there")
    c = server.connect()
    c.close()
    c.socket = socket.socket()
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    c.socket.settimeout(20 * SLOW)
    c.socket.connect(server.address)
    with c:
        c.send(head(target.replace("%s", data[0])))
        until(lambda: server.get("/hello") and unread_in_kernel(server, c) > 10000)
        assert unread_in_kernel(server, c) < 150000
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        r = c.read()
        assert len(r.body) == 2000000
        if "file" in target:
            assert r.body == data[1][:2000000]


def test_a_reader_that_leaves(server, data):
    """In mid-response, politely or not: no worker dies, no descriptor stays."""
    for i in range(20):
        c = server.connect()
        c.send(head("/big?file=" + data[0] if i % 2 else "/big?n=8000000"))
        c.socket.recv(10000)
        if i % 3 == 0:
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    assert server.get("/hello").status == 200
    assert " died of " not in server.log()


def test_many_readers_at_once(server, data):
    failures = []

    def read(i):
        try:
            with server.connect() as c:
                r = c.request("/big?file=%s&offset=%d" % (data[0], i))
                assert r.body == data[1][i:]
        except BaseException as e:
            failures.append(e)
    threads = [threading.Thread(target=read, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
