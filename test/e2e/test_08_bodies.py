"""Request bodies of 0 B to 60 MB come back unchanged, with Content-Length and chunked, however they are cut."""

import os
import random
import socket
import subprocess
import threading

import pytest

from client import Client, chunked, head, until
from server import EXAMPLES, SANITIZED, Server, route

SIZES = {"0B": 0, "1B": 1, "70kB": 70000, "3MB": 3000000, "60MB": 60000000}
random.seed(8)
BODY = random.randbytes(1 << 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("server"),
               'load_servlet ("%s/c/echo.so", "/echo")\n' % EXAMPLES)
    s.start()
    yield s
    s.finish()


def body_of(size):
    return (BODY * (size // len(BODY) + 1))[:size]


def echo(server, body, chunk=None, fragment=None):
    """Sends from a thread, as the answer must not wait for the end of anything."""
    with server.connect() as c:
        data = head("/echo", "POST", [("Content-Type", "x/y")], body, chunk)
        data += chunked(body, chunk) if chunk else body
        if fragment is None:
            sender = threading.Thread(target=c.send, args=(data,))
        else:
            def fragments():
                for at in range(0, len(data), fragment):
                    c.send(data[at:at + fragment])
            sender = threading.Thread(target=fragments)
        sender.start()
        r = c.read()
        sender.join()
        assert r.status in (200, 204)
        assert len(r.body) == len(body)
        same = r.body == body   # pytest would show where 60 MB differ
        assert same
        # and the connection is in step
        assert c.request("/echo", "POST", body=b"next").body == b"next"


@pytest.mark.parametrize("size", SIZES)
def test_content_length(server, size):
    echo(server, body_of(SIZES[size]))


@pytest.mark.parametrize("size, chunk", [
    ("0B", 1), ("1B", 1), ("70kB", 1), ("70kB", 7), ("70kB", 4096), ("70kB", 100000),
    ("3MB", 10), ("3MB", 1000), ("3MB", 65536), ("3MB", 1 << 20),
    ("60MB", 8192), ("60MB", 1 << 20)])
def test_chunked(server, size, chunk):
    echo(server, body_of(SIZES[size]), chunk)


@pytest.mark.parametrize("size, chunk, fragment", [
    ("1B", None, 1), ("1B", 1, 1), ("70kB", None, 1), ("70kB", 1000, 1), ("70kB", 1, 3),
    ("3MB", None, 1111), ("3MB", 5000, 1111), ("3MB", 17, 65521)])
def test_fragments(server, size, chunk, fragment):
    echo(server, body_of(SIZES[size]), chunk, fragment)


@pytest.mark.parametrize("size", [4095, 4096, 8191, 8192, 16384, 32767, 32768, 65535, 65536,
                                  65537, 131072, 131073, 262144, 1048576, 1048577])
def test_sizes_near_powers_of_two(server, size):
    echo(server, body_of(size))
    echo(server, body_of(size), 65536)


def test_head_and_body_apart(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", body=b"12345"))
        c.quiet(0.2)
        c.send(b"123")
        c.quiet(0.2)
        c.send(b"45")
        assert c.read().body == b"12345"


def test_many_large_ones_at_once(server):
    """Bodies that are spooled do not mix."""
    failures = []

    def one(seed):
        try:
            echo(server, random.Random(seed).randbytes(1500000), [None, 9999][seed % 2])
        except BaseException as e:
            failures.append(e)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


def test_trailers_are_dropped(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", chunk=1) +
               b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nConnection: close\r\nHost: evil\r\n\r\n" +
               head("/echo", "POST", body=b"x") + b"x")
        assert c.read().body == b"hello"
        assert c.read().body == b"x"


def test_chunk_extensions_and_spelling(server):
    with server.connect() as c:
        c.send(head("/echo", "POST", chunk=1) + b"00005;a=b;c=\"d\"\r\nhello\r\n"
               b"A\r\n0123456789\r\n00\r\n\r\n")
        assert c.read().body == b"hello0123456789"


def test_by_curl(server, tmp_path):
    (tmp_path / "in").write_bytes(body_of(3000000))
    url = "http://127.0.0.1:%d/echo" % server.port
    for options in ([], ["-H", "Transfer-Encoding: chunked"]):
        subprocess.run(["curl", "-sS", "-T", str(tmp_path / "in"), "-o", str(tmp_path / "out"),
                        url] + options, check=True, timeout=60)
        assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_nothing_is_left_in_the_spool_directory(serve, tmp_path):
    """Spool files have no name, at no time."""
    spool = tmp_path / "spool"
    spool.mkdir()
    s = serve(env={"TMPDIR": str(spool)})
    with s.connect() as c:
        c.send(head("/echo", "POST", body=b"x" * 5000000) + b"x" * 4000000)
        c.quiet(0.3)
        assert os.listdir(spool) == []
        c.send(b"x" * 1000000)
        assert len(c.read().body) == 5000000
    assert os.listdir(spool) == [] and "TMPDIR" not in s.log()


@pytest.mark.parametrize("place, why", [("{0}/nowhere", "No such file or directory"),
                                        ("{0}/file", "Not a directory"), ("spool", "no absolute path")])
def test_a_spool_directory_that_is_none(serve, tmp_path, place, why):
    """It is said at start, once, and another one is used."""
    (tmp_path / "file").touch()
    s = serve(env={"TMPDIR": place.format(tmp_path)})
    assert len(s.get("/echo", method="POST", body=b"x" * 1000000).body) == 1000000
    line, = s.wait_log(".*TMPDIR.*")
    assert 'warning zygote' in line and 'TMPDIR is "%s": %s: ' % (place.format(tmp_path), why) in line
    assert "are kept in /var/tmp. Set it to a directory that user %d may write to" % os.getuid() in line


ONE = 'workers { min = 1, max = 1 }\nload_servlet ("%s/c/echo.so", "/echo")\n' % EXAMPLES


def spool_files(server, directory):
    """Those that the worker has open."""
    worker, = server.workers()
    links = []
    for fd in os.listdir("/proc/%d/fd" % worker):
        try:
            links.append(os.readlink("/proc/%d/fd/%s" % (worker, fd)))
        except FileNotFoundError:
            pass
    return [link for link in links if link.startswith(str(directory))]


def test_a_spool_file_is_used_again_and_then_closed(serve, tmp_path):
    """Bodies of all lengths come one after the other through the same file, unmixed."""
    spool = tmp_path / "spool"
    spool.mkdir()
    s = serve(ONE, env={"TMPDIR": str(spool)})
    with s.connect() as c:
        for size, chunk in ((3000000, None), (70000, None), (20000000, None), (200000, 17),
                            (1000000, 70000), (65537, None), (3000000, 100000)):
            body = random.Random(size).randbytes(size)
            c.send(head("/echo", "POST", body=body, chunk=chunk) +
                   (chunked(body, chunk) if chunk else body))
            assert c.read().body == body
            until(lambda: len(spool_files(s, spool)) <= 1)
        until(lambda: not spool_files(s, spool))


def test_a_child_reads_on(serve, tmp_path):
    """A servlet may leave the body to a process that outlives its request."""
    fifo, copy = tmp_path / "fifo", tmp_path / "copy"
    os.mkfifo(fifo)
    s = serve(ONE + route("child"))
    with s.connect() as c:
        body = body_of(200000)
        assert c.request("/child?wait=%s&to=%s" % (fifo, copy), "POST", body=body).status == 200
        for fill in b"x", b"y", b"z":
            assert c.request("/echo", "POST", body=fill * 300000).body == fill * 300000
        open(fifo, "w").close()
        until(copy.exists)
    assert copy.read_bytes() == body


def test_a_client_that_leaves_in_mid_body(server):
    for i in range(10):
        with server.connect() as c:
            c.send(head("/echo", "POST", body=b"x" * 1000000) + b"x" * (i * 90000))
            if i % 2:
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    echo(server, b"still here")
