"""A servlet that dies gives its client a 500 and the log one report with signal, servlet, route and request."""

import os
import re
import signal

import pytest

from client import head, until
from load import SHORT, one_batch
from server import ALL, SANITIZED

SIGNALS = {"segv": signal.SIGSEGV, "abort": signal.SIGABRT, "bus": signal.SIGBUS,
           "fpe": signal.SIGFPE, "ill": signal.SIGILL}


@pytest.mark.parametrize("how", SIGNALS)
def test_signal(serve, how):
    s = serve()
    with s.connect() as c:
        c.send(head("/crash?how=" + how))
        r = c.read()
        assert r.status == 500 and r.get("Connection") == "close"
        c.assert_end()
    number = SIGNALS[how]
    line, = s.wait_log(r".*died of.*")
    assert "signal %d (%s)" % (number, number.name) in line
    assert "crash.so" in line and "/crash" in line
    assert '"GET /crash?how=%s HTTP/1.1"' % how in line
    assert re.search(r"worker \d+ ", line) and re.search(r"\d+ ms", line)
    assert s.get("/hello").status == 200
    # one report, and a backtrace that names the function
    assert len(re.findall("died of", s.log())) == 1
    assert re.search(r"backtrace.*\n(.*\n)*?.*crash\.so", s.log())
    if how == "segv" and not SANITIZED:
        assert re.search(r"backtrace of request .*:\n\S*/crash\.so\(run\+0x[0-9a-f]+\)\[0x", s.log())


@pytest.mark.plain
def test_stack_overflow(serve):
    """The handler has a stack of its own."""
    s = serve()
    assert s.get("/crash?how=stack").status == 500
    s.wait_log(r"died of signal 11 \(SIGSEGV\)")


@pytest.mark.parametrize("how, status", [("exit", 3), ("exit0", 0), ("_exit", 3)])
def test_exit(serve, how, status):
    """exit(), and _exit() too, is reported as what it is; the client reads 500, and the
    worker's other connections go on."""
    s = serve()
    with s.connect() as c, s.connect() as other:
        assert other.request("/hello").status == 200
        c.send(head("/crash?how=" + how))
        assert c.read().status == 500
        assert other.request("/hello").status == 200
    line, = s.wait_log(r".*called exit.*")
    assert "exit(%d)" % status in line and "/crash" in line and "crash.so" in line
    assert s.get("/hello").status == 200


def test_killed(serve):
    """A worker killed with SIGKILL (the kernel's out-of-memory killer) is reported alike."""
    s = serve()
    with s.connect() as c:
        c.send(head("/crash?how=kill"))
        c.at_end()
    line, = s.wait_log(r".*died of.*")
    assert "signal 9 (SIGKILL)" in line and "/crash" in line
    assert s.get("/hello").status == 200


@pytest.mark.parametrize("how", ["segv", "abort", "exit"])
def test_after_a_part_of_the_response(serve, how):
    """Written but not sent: 500.  Sent: cut, so that the client can tell."""
    s = serve()
    r = s.get("/crash?how=%s&after=write" % how)
    assert r.status == 500 and b"so far" not in r.body
    with s.connect() as c:
        c.send(head("/crash?how=%s&after=flush" % how))
        status, headers = c.head()
        assert status == 200
        with pytest.raises((AssertionError, ConnectionError)):
            c.chunked_body([])


def test_head_request(serve):
    s = serve()
    with s.connect() as c:
        assert c.request("/crash?how=segv", "HEAD").status == 500
        c.assert_end()


def test_with_a_body_and_pipelined_requests_behind(serve):
    """Unread octets do not destroy the answer."""
    s = serve()
    for i in range(10):
        with s.connect() as c:
            c.send(head("/crash?how=segv", "POST", body=b"x" * 50000) + b"x" * 50000 +
                   head("/hello") * 20)
            assert c.read().status == 500


def test_neighbours_on_the_same_worker(serve):
    """Idle, half-sent and waiting connections of the worker that crashes go on."""
    s = serve(ALL + "workers { min = 1 }\n")
    idle = [s.connect() for i in range(20)]
    half = [s.connect() for i in range(5)]
    body = [s.connect() for i in range(5)]
    for c in idle:
        assert c.request("/hello").status == 200
    for c in half:
        c.send(b"GET /hello HTTP/1.1\r\nHo")
    for c in body:
        c.send(head("/echo", "POST", body=b"0123456789") + b"01234")
    for i in range(5):
        assert idle[i].request("/crash?how=segv").status == 500
    for c in idle[5:]:
        assert c.request("/hello").body == b"hello\n"
    for c in half:
        c.send(b"st: x\r\n\r\n")
        assert c.read().body == b"hello\n"
    for c in body:
        c.send(b"56789")
        assert c.read().body == b"0123456789"
    for c in idle + half + body:
        c.close()


def test_neighbours_of_the_same_moment(serve):
    """What was made just before the crash arrives, what was to be made after it too."""
    s = serve(ALL + "workers { max = 1 }\n")
    clients = one_batch(s, [SHORT] * 10 + ["/crash?how=segv"] + [SHORT] * 10)
    for i, c in enumerate(clients):
        assert c.read().status == (500 if i == 10 else 200)
        c.close()


def test_crash_after_crash(serve):
    """Crash after crash does not make the server spin or stop."""
    s = serve()
    for i in range(30):
        assert s.get("/crash?how=segv").status == 500
    s.wait_log("died of", count=30)
    assert s.get("/hello").status == 200
    assert s.process.poll() is None


def test_the_zygote_is_killed(serve):
    """The master starts another; nothing of the old one stays."""
    s = serve()
    zygote, = s.processes("zygote")
    workers = s.workers()
    os.kill(zygote.pid, signal.SIGKILL)
    until(lambda: [p for p in s.processes("zygote") if p.pid != zygote.pid], what="a new zygote")
    until(lambda: not set(workers) & set(s.workers()), what="the old workers to end")
    assert s.get("/hello").status == 200
    s.wait_log("zygote.*signal 9")
