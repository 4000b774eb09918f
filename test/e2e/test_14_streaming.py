"""rflush sends what there is at once; a servlet that streams is told when its client leaves."""

import time

import pytest

from client import head
from server import ALL, EXAMPLES, SLOW


def test_pieces_arrive_one_by_one(serve):
    s = serve('load_servlet ("%s/c/stream.so", "/stream")\n' % EXAMPLES)
    with s.connect() as c:
        c.send(head("/stream?interval=0.3&count=4"))
        status, headers = c.head()
        times, text = [], b""
        while text.count(b"\n") < 4:
            size = int(c.line("a chunk's size"), 16)
            text += c.exactly(size, "a chunk")
            times.append(time.monotonic())
            c.exactly(2, "its end")
        assert text.splitlines() == [b"%d of 4" % i for i in range(1, 5)]
        assert times[-1] - times[0] > 0.8
        gaps = [b - a for a, b in zip(times, times[1:])]
        assert min(gaps) > 0.1 and max(gaps) < 1 * SLOW
        assert c.line("the last chunk") == b"0" and c.line("the trailer") == b""


def test_a_client_that_leaves(serve):
    s = serve('load_servlet ("%s/c/stream.so", "/stream")\n' % EXAMPLES)
    with s.connect() as c:
        c.send(head("/stream?interval=0.05&count=10000"))
        c.head()
    s.wait_log("the client left after")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_rwrite_tells_that_the_client_has_left(serve, method):
    """Also where nothing is sent that could fail."""
    s = serve(ALL + "workers { max = 1 }\n")
    with s.connect() as c:
        c.send(head("/big?n=%d&piece=65536&flush=1" % 10 ** 15, method))
        assert c.head()[0] == 200
    assert s.get("/hello").status == 200
