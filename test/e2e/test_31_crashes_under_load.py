"""Crashing, aborting and exiting servlets under 200 requests a second of others: no other request fails."""

import time

import pytest

from load import Load


@pytest.mark.parametrize("keep", [True, False], ids=["kept alive", "one-shot"])
def test_crashes_under_load(serve, keep):
    s = serve()
    crashes = 0
    with Load(s.address, rate=200, keep=keep) as load:
        load.wait(50)
        for i in range(30):
            how = ["segv", "abort", "exit"][i % 3]
            assert s.get("/crash?how=" + how).status == 500
            crashes += 1
            load.wait(10)
    assert load.answers >= 350
    lines = s.wait_log(r".*(?:died of|called exit).*", count=crashes)
    time.sleep(0.2)     # a report too many would come about now
    lines = s.wait_log(r".*(?:died of|called exit).*", count=crashes)
    assert len(lines) == crashes
    for what in ("signal 11 (SIGSEGV)", "signal 6 (SIGABRT)", "exit(3)"):
        assert len([l for l in lines if what in l and "/crash" in l]) == crashes / 3
