"""What a hostile servlet can reach of the master and the zygote; and how the binaries are linked."""

import glob
import os
import re
import signal
import subprocess

import pytest

from client import until
from server import ALL, BINARY, EXAMPLES, SANITIZED, route

MODULES = glob.glob(os.path.join(os.path.dirname(BINARY), "module/*.so"))


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


def test_a_worker_has_nothing_of_its_siblings(serve):
    """The zygote's ends of their control sockets, in a row or with gaps, stay with the zygote."""
    s = serve(ALL + "workers { min = 9 }\n")

    def descriptors():
        return {len(os.listdir("/proc/%d/fd" % pid)) for pid in until(s.workers, 10)}

    until(lambda: len(s.workers()) == 9 and len(descriptors()) == 1, 20, "nine alike")
    before, killed = descriptors(), s.workers()[2:8:2]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(s.workers()) == 9 and not set(killed) & set(s.workers()), 20)
    until(lambda: descriptors() == before, 20, "nine alike again")


@pytest.mark.parametrize("octet", [255, 0, 128, 1, 3, 5])
def test_a_scoreboard_full_of_garbage(hostile, octet):
    """No process dies of it and no request fails; the server reloads and stops; the next
    generation is sound."""
    zygote = hostile.processes("zygote")[0].pid
    kept = [hostile.connect() for i in range(6)]
    for c in kept:
        c.request("/hello")
    with hostile.connect() as c:
        c.send("GET /hostile?fill=%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % octet)
        while c.fill():
            pass
        assert b"1 shared" in c.data
    for i in range(30):
        for c in kept:
            assert c.request("/hello").status == 200
        assert hostile.get("/sleep?ms=5").status == 200
    assert " died of " not in hostile.log()
    assert [p.pid for p in hostile.processes("zygote")] == [zygote]
    assert hostile.process.poll() is None
    hostile.reload()
    for c in kept:
        assert c.request("/hello").status == 200
        c.close()
    until(lambda: zygote not in [p.pid for p in hostile.processes("zygote")], 40)
    assert hostile.get("/hello").status == 200


def test_relinked():
    """Position-independent, relocations read-only before main, no executable stack, stack protector."""
    if SANITIZED:
        pytest.skip("the sanitized variant is built without")
    examples = glob.glob(os.path.join(EXAMPLES, "*/*.so"))
    assert MODULES and examples
    for path in [BINARY] + MODULES + examples:
        text = subprocess.run(["readelf", "-hldW", path], check=True, capture_output=True,
                              text=True).stdout
        assert re.search(r"Type: +DYN", text), path
        assert "GNU_RELRO" in text and re.search(r"BIND_NOW|FLAGS_1.*NOW", text), path
        assert re.search(r"GNU_STACK.* RW +0x", text), path
        assert "TEXTREL" not in text, path
    symbols = subprocess.run(["readelf", "-sW", "--dyn-syms", BINARY], check=True,
                             capture_output=True, text=True).stdout
    assert "__stack_chk_fail" in symbols and "_chk@" in symbols


def test_no_locale_is_asked():
    """A servlet may set one, and in a Turkish one Content-Length and CONTENT-LENGTH differ."""
    for path in [BINARY] + MODULES:
        wanted = subprocess.run(["nm", "-D", "--undefined-only", path], check=True,
                                capture_output=True, text=True).stdout
        assert " U " in wanted
        found = re.findall(r" U (strn?casecmp|to(?:upper|lower)|is[a-z]+|__ctype_\w+)@", wanted)
        assert not found, path


def sockets(pid):
    """The sockets and pipes that a process has, by number."""
    links = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
    return {link for link in links if link.startswith(("socket:", "pipe:"))}


def test_what_is_shared_by_processes(hostile):
    """Of the master's and the zygote's ends a worker has the listener, the four of the handover
    sockets and the pipe that wakes the zygote; of its siblings' it has none."""
    zygote, = hostile.processes("zygote")
    workers = until(lambda: len(hostile.workers()) >= 2 and hostile.workers())
    for pid in workers:
        def shared_ones():
            # A pipe's two ends have one number.
            return (sockets(pid) & (sockets(hostile.pid) | sockets(zygote.pid)) -
                    {"pipe:[%d]" % os.stat("/proc/%d/fd/2" % pid).st_ino})

        # The zygote lets go of a new worker's end of the control socket after fork.
        until(lambda: len(shared_ones()) == 6, what="six that are shared")
        shared = shared_ones()
        for other in set(workers) - {pid}:
            assert sockets(pid) & sockets(other) <= shared


@pytest.fixture
def other_user(serve, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    for path in (tmp_path, *tmp_path.parents):
        if str(path).startswith("/tmp/"):
            os.chmod(path, os.stat(path).st_mode | 0o055)
    return serve(ALL + route("hostile") + 'user "nobody"\n')


def outcome(server, query):
    text = server.get("/hostile?" + query).text
    return dict(line.split(": ") for line in text.splitlines())


def test_what_another_user_can_do_to_the_master(other_user):
    """With `user`: no signal, nothing of its memory and its descriptors; no way back to root."""
    assert os.stat("/proc/%d" % other_user.pid).st_uid == 0
    found = outcome(other_user, "attack=%d" % other_user.pid)
    assert len(found) == 6 and set(found.values()) <= {"EPERM", "EACCES"}, found
    found = outcome(other_user, "rise=1")
    assert len(found) == 4 and set(found.values()) == {"EPERM"}, found
    for p in other_user.processes("zygote") + other_user.processes("worker"):
        with open("/proc/%d/status" % p.pid) as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split()
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0


def test_what_one_user_can_do_to_the_zygote(other_user):
    """It runs as the same user, who may signal it.  Not dumpable, it leaves no core, and its
    memory and its descriptors are root's alone."""
    with open("/proc/sys/fs/suid_dumpable") as f:
        if f.read().strip() == "1":
            pytest.skip("/proc/sys/fs/suid_dumpable says otherwise")
    zygote, = other_user.processes("zygote")
    found = outcome(other_user, "attack=%d" % zygote.pid)
    assert found.pop("kill") == "done"
    assert len(found) == 5 and set(found.values()) <= {"EPERM", "EACCES"}, found
