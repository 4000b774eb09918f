"""TERM lets running requests complete, up to `drain`; INT does not; nothing outlives a killed master."""

import os
import signal
import socket
import time

import pytest

from client import Client, head, until
from load import has
from server import ALL, SLOW


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_running_request_completes(serve, number):
    s = serve()
    with s.connect() as c, s.connect() as idle:
        # Twice: a new worker's first request may be slow, and then it is passed on.
        assert idle.request("/hello").status == idle.request("/hello").status == 200
        c.send(head("/sleep?ms=1500"))
        time.sleep(0.3)
        s.send_signal(number)
        start = time.monotonic()
        idle.assert_end()       # an idle connection does not hold it up
        r = c.read()
        assert r.status == 200 and "interrupted" not in r.text
        assert r.get("Connection") == "close"
        c.assert_end()
        assert time.monotonic() - start > 0.8
    s.stop()


def test_one_alone_is_the_last(serve):
    """Also a worker that has nobody to read what it is told says so in its response."""
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?ms=700"))
        until(lambda: any(has(pid, c) for pid in s.workers()), what="it has been accepted")
        s.send_signal(signal.SIGTERM)
        assert c.read().get("Connection") == "close"
        c.assert_end()
    s.stop()


def test_what_comes_behind_a_head_that_has_left(serve, tmp_path):
    """It has not said that no more is answered."""
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?flush=1&gate=" + gate))
        assert ("connection", "close") not in c.head()[1]
        s.send_signal(signal.SIGTERM)
        until(lambda: refuses(s), 5 * SLOW, "a refused connection")
        c.send(head("/hello"))
        os.close(os.open(gate, os.O_WRONLY))
        c.chunked_body([])
        assert c.read().body == b"hello\n"
        c.assert_end()
    s.stop()


def test_a_large_response_is_sent_to_its_end(serve):
    s = serve()
    with s.connect() as c:
        c.send(head("/big?n=20000000&piece=65536"))
        c.head()
        s.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert len(c.chunked_body([])) == 20000000
    s.stop()


def test_half_sent_and_pipelined_requests(serve):
    """What was sent before the signal is answered."""
    s = serve()
    with s.connect() as c, s.connect() as idle:
        assert idle.request("/hello").status == 200
        c.send(head("/sleep?ms=500") + head("/hello") * 5 + b"GET /hello HTTP/1.1\r\n")
        time.sleep(0.2)
        s.send_signal(signal.SIGTERM)
        idle.assert_end()
        c.send(b"Host: x\r\n\r\n")
        answers = [c.read() for _ in range(7)]
        assert [r.status for r in answers] == [200] * 7
        assert [r.get("Connection") for r in answers] == [None] * 6 + ["close"]
        c.assert_end()
    s.stop()


def test_a_request_on_a_kept_connection(serve):
    """One that has come when the worker learns of the stop is answered."""
    s = serve(ALL + "workers { max = 1 }\n")
    with s.connect() as c:
        assert c.request("/hello").status == 200
        worker, = s.workers()
        os.kill(worker, signal.SIGSTOP)
        s.send_signal(signal.SIGTERM)
        until(lambda: refuses(s), 5 * SLOW, "a refused connection")
        c.send(head("/hello"))
        os.kill(worker, signal.SIGCONT)
        r = c.read()
        assert r.body == b"hello\n" and r.get("Connection") == "close"
        c.assert_end()
    s.stop()


def test_no_new_connections(serve):
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?ms=3000"))
        time.sleep(0.2)
        s.send_signal(signal.SIGTERM)

        until(lambda: refuses(s), 1.5, "a refused connection")
        assert c.read().status == 200
    s.stop()


def refuses(s):
    try:
        Client(s.address, 5).close()
        return False
    except ConnectionResetError:    # while the listener was being closed
        return False
    except ConnectionRefusedError:
        return True


def test_what_had_connected_before(serve, tmp_path):
    """While no worker accepted, for all were in a servlet."""
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    s = serve(ALL + "workers { max = 1 }\n")
    with s.connect() as idle, s.connect() as busy:
        assert idle.request("/hello").status == 200
        busy.send(head("/sleep?gate=" + gate))
        clients = [s.connect() for _ in range(20)]
        for c in clients:
            c.send(head("/hello"))
        s.send_signal(signal.SIGTERM)
        idle.assert_end()
        until(lambda: refuses(s), 5 * SLOW, "a refused connection")
        os.close(os.open(gate, os.O_WRONLY))
        assert busy.read().status == 200
        for c in clients:
            assert c.read().body == b"hello\n"
            c.close()
    s.stop()


@pytest.mark.alone
def test_drain_is_the_limit(serve):
    s = serve(ALL + "timeouts { drain = 0.7 }\n")
    with s.connect() as c:
        c.send(head("/sleep?ms=30000"))
        time.sleep(0.3)
        start = time.monotonic()
        s.stop()
        assert 0.5 < time.monotonic() - start < 3 * SLOW


@pytest.mark.alone
def test_int_stops_now(serve):
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?ms=30000"))
        time.sleep(0.3)
        start = time.monotonic()
        s.stop(signal.SIGINT)
        assert time.monotonic() - start < 2 * SLOW


@pytest.mark.alone
def test_int_after_term(serve):
    """Who has lost patience with a graceful stop."""
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?ms=30000"))
        time.sleep(0.3)
        s.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        start = time.monotonic()
        s.stop(signal.SIGINT)
        assert time.monotonic() - start < 2 * SLOW


def is_free(address):
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            again.bind(address)
            again.listen()
            return True
        except OSError:
            return False


@pytest.mark.parametrize("busy", [False, True])
def test_killed_master(serve, busy):
    """SIGKILL of the master: no process stays, whatever it was doing, and the port is free."""
    s = serve()
    s.expect_end = True
    clients = [s.connect() for i in range(20)]
    for c in clients:
        c.send(head("/sleep?ms=20000" if busy else "/sleep?ms=1000"))
    until(lambda: len(s.workers()) >= 15, 10 * SLOW, "workers")
    for c in clients if not busy else []:
        assert c.read().status == 200
    os.kill(s.pid, signal.SIGKILL)
    s.process.wait(10)
    s.assert_gone(3)
    until(lambda: is_free(s.address), 3 * SLOW, "the release of the port")
    for c in clients:
        c.close()


def test_killed_during_a_reload(serve):
    s = serve()
    s.expect_end = True
    s.send_signal(signal.SIGHUP)
    os.kill(s.pid, signal.SIGKILL)
    s.process.wait(10)
    s.assert_gone(3)


def test_ends_and_starts_again_at_once(serve):
    """Connections in TIME_WAIT do not keep the port."""
    s = serve()
    for i in range(3):
        with s.connect() as c:
            assert c.request("/hello").status == 200
            s.stop()
        s.spawn()
        until(s.is_ready, 10 * SLOW)
