"""Ten reloads under kept-alive and one-shot load: no failed request."""

import pytest

from client import until
from load import Load
from server import SLOW


@pytest.mark.parametrize("keep", [True, False], ids=["kept alive", "one-shot"])
def test_ten_reloads(serve, keep):
    s = serve()
    with Load(s.address, threads=8, rate=400, keep=keep) as load, \
            Load(s.address, "/sleep?ms=20", None, threads=4, rate=100, keep=keep):
        load.wait(50)
        for i in range(10):
            s.reload()
            load.wait(40)
    until(lambda: len(s.processes("zygote")) == 1, 20 * SLOW, "the old zygotes to leave")
    assert "modserver: zygote 11" in [p.title for p in s.processes("zygote")]
