"""What a hostile servlet can reach: nothing of the master's or the zygote's; and how the binaries are linked."""

import glob
import os
import re
import signal
import subprocess

import pytest

from client import until
from server import ALL, BINARY, SANITIZED, route


@pytest.fixture
def hostile(serve):
    return serve(ALL + route("hostile") + 'access_log "access.log"\nworkers { min = 2 }\n')


def test_a_program_inherits_nothing(hostile):
    """What a servlet starts has standard input, output and error, and no socket."""
    with hostile.connect() as other:
        other.request("/hello")
        text = hostile.get("/hostile").text
    found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    assert {"0", "1", "2"} <= set(found)
    # The shell's own pipes and its directory are there; of ours is nothing.
    for number, what in found.items():
        assert "socket:" not in what and "anon_inode" not in what, text
        if int(number) > 2:
            assert what.startswith("/proc/") or what.startswith("pipe:"), text
    assert len(found) <= 6, text


@pytest.mark.parametrize("octet", [255, 0, 128, 1, 3])
def test_a_scoreboard_full_of_garbage(hostile, octet):
    """Master and zygote live on, answer, reload and stop; the next generation is sound."""
    zygote = hostile.processes("zygote")[0].pid
    for i in range(3):
        hostile.get("/hello")
    with hostile.connect() as c:
        c.send("GET /hostile?fill=%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % octet)
        while c.fill():
            pass
        assert b"1 shared" in c.data
    answered = lambda: hostile.get("/hello").status == 200

    def tries():
        try:
            return answered()
        except (OSError, AssertionError):
            return False        # a worker with a torn slot may die of it

    until(tries, 20)
    assert [p.pid for p in hostile.processes("zygote")] == [zygote]
    assert hostile.process.poll() is None
    hostile.reload()
    until(tries, 20)
    until(lambda: zygote not in [p.pid for p in hostile.processes("zygote")], 40)
    assert answered() and answered()


def test_relinked():
    """Position-independent, relocations read-only before main, no executable stack, stack protector."""
    if SANITIZED:
        pytest.skip("the sanitized variant is built without")
    modules = glob.glob(os.path.join(os.path.dirname(BINARY), "module/*.so"))
    assert modules
    for path in [BINARY] + modules:
        text = subprocess.run(["readelf", "-hldW", path], check=True, capture_output=True,
                              text=True).stdout
        assert re.search(r"Type: +DYN", text), path
        assert "GNU_RELRO" in text and re.search(r"BIND_NOW|FLAGS_1.*NOW", text), path
        assert re.search(r"GNU_STACK.* RW +0x", text), path
        assert "TEXTREL" not in text, path
    symbols = subprocess.run(["readelf", "-sW", "--dyn-syms", BINARY], check=True,
                             capture_output=True, text=True).stdout
    assert "__stack_chk_fail" in symbols and "_chk@" in symbols


def test_signals_of_another_user(serve, tmp_path):
    """With `user`, a worker can signal neither the master nor write its memory."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    for path in (tmp_path, *tmp_path.parents):
        if str(path).startswith("/tmp/"):
            os.chmod(path, os.stat(path).st_mode | 0o055)
    s = serve(ALL + 'user "nobody"\n')
    worker = s.workers()[0]
    assert os.stat("/proc/%d" % s.pid).st_uid == 0
    status = {line.split(":")[0]: line.split()[1:] for line in open("/proc/%d/status" % worker)
              if line.startswith(("Uid", "CapEff", "CapPrm"))}
    assert "0" not in status["Uid"]
    with open("/proc/sys/fs/suid_dumpable") as f:
        if f.read().strip() == "0":
            # Not dumpable: no core, and its memory is root's alone.
            assert os.stat("/proc/%d/mem" % worker).st_uid == 0
    # kill(2) needs the same user or a capability.
    assert int(status["CapEff"][0], 16) == int(status["CapPrm"][0], 16) == 0
    test = subprocess.run(["setpriv", "--reuid", status["Uid"][0], "--clear-groups",
                           "sh", "-c", "kill -%d %d" % (signal.SIGUSR1, s.pid)],
                          capture_output=True, text=True)
    assert test.returncode != 0 and "not permitted" in test.stderr.lower()
