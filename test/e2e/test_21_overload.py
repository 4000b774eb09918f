"""At workers.max what waits longer than timeouts.queue gets 503 with Retry-After, and its servlet is not run."""

import contextlib
import socket
import time

import pytest

from client import Client, head, until
from load import at_once
from server import ALL, BINARY, SANITIZED, SLOW

# How long a request has waited in the listener's backlog, the kernel tells on Linux alone.
INFORMED = pytest.mark.skipif("kqueue" in BINARY, reason="what is Linux's alone is left out there")

FULL = ALL + "workers { max = 2 }\ntimeouts { queue = 0.5 }\n"


@pytest.mark.alone
@INFORMED
def test_503(serve):
    s = serve(FULL)
    busy = [s.connect() for i in range(2)]
    for c in busy:
        c.send(head("/sleep?ms=2500"))
    until(lambda: len(s.workers()) == 2, what="two workers")
    time.sleep(0.3)     # both are in their servlets
    with s.connect() as c:
        start = time.monotonic()
        c.send(head("/api/rlog?value=never"))
        r = c.read()
        assert r.status == 503 and int(r.get("Retry-After")) >= 0
        assert time.monotonic() - start < 3.5 * SLOW
    for c in busy:
        assert c.read().status == 200
        c.close()
    assert s.get("/hello").status == 200
    assert "first never" not in s.log()


@pytest.mark.alone
def test_fresh_requests_soon_after_a_stall(serve):
    s = serve(FULL)
    responses, passed = at_once(s, ["/sleep?ms=400"] * 40)
    statuses = [r.status for r in responses]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 2
    start = time.monotonic()
    assert s.get("/hello").status == 200
    assert time.monotonic() - start < 1 * SLOW


@pytest.mark.alone
def test_nobody_is_refused_below_the_maximum(serve):
    """Computations gain nothing from more workers; what waits behind them does."""
    if SANITIZED:
        pytest.skip("a fork takes too long where all processors are taken")
    s = serve(ALL + "workers { max = 60 }\ntimeouts { queue = 3 }\n")
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(s.connect()) for i in range(10)]
        for c in kept:
            assert c.request("/hello").status == 200
        for i in range(30):
            stack.enter_context(s.connect()).send(head("/sleep?spin=20000"))
        until(lambda: len(s.workers()) > 8, what="workers that compute")
        for c in kept:
            c.send(head("/hello"))
        assert [c.read().status for c in kept] == [200] * 10


@pytest.mark.parametrize("listen", [pytest.param("", marks=INFORMED), 'listen "unix:{dir}/socket"\n'])
def test_a_client_that_has_gone_is_not_served(serve, listen):
    s = serve(ALL + listen + "workers { max = 1 }\n")
    address = s.directory + "/socket" if listen else s.address
    with s.connect() as busy:
        busy.send(head("/sleep?ms=600"))
        time.sleep(0.2)
        for i in range(5):
            with Client(address) as c:
                c.send(head("/api/rlog?value=gone%d" % i))
        with Client(address) as c:
            c.send(head("/api/rlog?value=there"))
            if listen:          # over TCP it looks like one that has gone
                c.socket.shutdown(socket.SHUT_WR)
            assert c.read().status == 200
        assert busy.read().status == 200
    s.wait_log("first there")
    assert "first gone" not in s.log()
