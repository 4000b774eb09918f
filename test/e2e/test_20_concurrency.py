"""Forty requests that sleep 1 s end within 1.8 s by forty workers, which leave when they are idle."""

import collections
import contextlib
import ctypes
import errno
import os
import select
import signal
import sys
import time

import pytest

from client import Client, Closed, head, until
from load import SHORT, at_once, forks_seconds, has, one_batch
from server import ALL, SLOW, route


def processor_time(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.alone
def test_forty_sleepers(serve):
    s = serve()
    # What forty forks take is small beside it, also where somebody else has the processors.
    second = max(SLOW, 5 * forks_seconds(40))
    responses, passed = at_once(s, ["/sleep?ms=%d" % (1000 * second)] * 40)
    assert all(r.status == 200 for r in responses)
    assert passed <= 1.8 * second, "%.2f s, with seconds of %.2f s" % (passed, second)
    pids = {r.text for r in responses}
    assert len(pids) >= 40, pids
    assert not any("interrupted" in p for p in pids)
    # idle_timeout is 5 s.  With LeakSanitizer each looks through its memory before it is gone.
    until(lambda: len(s.workers()) <= 2, 8.2 * second, "two workers at most")


def test_min_and_idle_timeout(serve, tmp_path):
    s = serve(ALL + "workers { min = 3, max = 50, idle_timeout = 0.5 }\n")
    until(lambda: len(s.workers()) == 3, what="three workers")
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    clients = [s.connect() for i in range(20)]
    for c in clients:
        c.send(head("/sleep?gate=" + gate))
    until(lambda: len(s.workers()) >= 20, 30 * SLOW, "twenty workers")
    with open(gate, "w"):
        assert all(c.read().status == 200 for c in clients)
    for c in clients:
        c.close()
    until(lambda: len(s.workers()) == 3, 30 * SLOW, "three workers")
    time.sleep(1)       # they stay
    assert len(s.workers()) == 3


def test_max_is_never_exceeded(serve):
    """What comes beyond it waits its turn."""
    s = serve(ALL + "workers { max = 4 }\n")
    responses, passed = at_once(s, ["/sleep?ms=200"] * 12)
    assert all(r.status == 200 for r in responses)
    assert len({r.text for r in responses}) <= 4
    assert passed >= 0.55
    assert len(s.workers()) <= 4


def test_one_worker(serve):
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    responses, passed = at_once(s, ["/sleep?ms=30"] * 10 + ["/hello"] * 10)
    assert all(r.status == 200 for r in responses)
    assert len({r.text for r in responses[:10]}) == 1


def test_new_connections_do_not_pass_a_kept_one(serve):
    """A worker that accepts for longer than patience looks first what others want."""
    s = serve(ALL + "workers { min = 1, max = 1, patience = 0.1 }\n")
    with s.connect() as kept:
        kept.request("/hello")
        burst = [s.connect() for _ in range(16)]
        for c in burst:
            c.request("/sleep?ms=40", read=False)
        select.select([c.socket for c in burst], [], [], 20)
        assert kept.request("/hello").status == 200
        answered, _, _ = select.select([c.socket for c in burst], [], [], 0)
        assert len(answered) <= 8, "%d were served before it" % len(answered)
        for c in burst:
            assert c.read().status == 200
            c.close()


def test_newcomers_take_turns(serve):
    """Where all servlets are slow, with connections that are passed on and wait."""
    s = serve(ALL + "workers { min = 2, max = 2 }\n")
    request = head("/sleep?ms=10")
    before, answers, newcomers = 60, 0, {}
    with contextlib.ExitStack() as stack:
        def clients(count):
            return {c.socket: c for c in (stack.enter_context(s.connect()) for _ in range(count))}

        regulars = clients(20)
        for c in regulars.values():
            c.send(request)
        while answers <= before or newcomers:
            ready, _, _ = select.select([*regulars, *newcomers], [], [], 20 * SLOW)
            assert ready, "nobody is answered"
            for end in ready:
                if end in newcomers:
                    assert newcomers.pop(end).read().status == 200
                    continue
                assert regulars[end].read().status == 200
                regulars[end].send(request)
                answers += 1
                if answers == before:
                    newcomers = clients(8)
                    for c in newcomers.values():
                        c.send(request)
        for c in regulars.values():
            assert c.read().status == 200
    assert answers - before < 60, "%d requests passed those of eight" % (answers - before)


def test_what_waits_takes_no_processor_time(serve):
    """A connection with more requests than are run at once waits for a slow one of another."""
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    with s.connect() as many, s.connect() as slow:
        many.request("/hello")
        slow.request("/hello")
        worker = s.workers()[0]
        # Both at once, so that the slow one runs before the rest of the others.
        os.kill(worker, signal.SIGSTOP)
        many.send(head("/hello") * 400)
        slow.send(head("/sleep?ms=1000"))
        before = processor_time(worker)
        os.kill(worker, signal.SIGCONT)
        assert slow.read().status == 200
        assert processor_time(worker) - before < 0.1 * SLOW
        for i in range(400):
            assert many.read().body == b"hello\n"


IO_URING_SETUP = 425    # the same number on every architecture

# Executes the rest of its command line, to which io_uring is forbidden as containers do it:
# whoever asks reads EPERM (seccomp(2): load the call's number; is it that one?).
FORBIDDEN = [sys.executable, "-c", """
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, %d), (6, 0, 0, 0x50000 + %d), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, program, 0, 0):    # NO_NEW_PRIVS, SECCOMP: FILTER
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
""" % (IO_URING_SETUP, errno.EPERM)]


def has_io_uring():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(IO_URING_SETUP, 0, None)
    return ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM)


@pytest.mark.parametrize("forbidden", [False, True])
def test_answers_of_a_batch(serve, forbidden):
    """They leave in one system call where that may be, and are the same where it may not."""
    s = serve(ALL + route("mirror") + "workers { min = 1, max = 1 }\n",
              starter=FORBIDDEN if forbidden else ())
    targets = ["/mirror?n=%d" % i for i in range(100)]
    clients = one_batch(s, targets)
    for c, target in zip(clients, targets):
        assert c.read().text.startswith("GET %s HTTP/1.1\n" % target)
    fds = "/proc/%d/fd" % s.workers()[0]
    rings = [fd for fd in os.listdir(fds) if "io_uring" in os.readlink(os.path.join(fds, fd))]
    assert len(rings) == (has_io_uring() and not forbidden)
    for c in clients:
        c.close()


def test_a_batch_with_a_slow_one_and_a_crash(serve):
    """What was made before them leaves, what comes behind is answered by the next worker."""
    s = serve(ALL + "workers { max = 1 }\n")
    targets = (["/hello"] * 20 + ["/sleep?ms=100"]) * 2 + ["/crash?how=segv"] + ["/hello"] * 20
    for c, target in zip(one_batch(s, targets), targets):
        assert c.read().status == (500 if "crash" in target else 200), target


def test_no_minimum(serve):
    """With min = 0 the last one leaves too, and comes back for a request."""
    s = serve(ALL + "workers { min = 0, idle_timeout = 0.3 }\n")
    until(lambda: not s.workers(), 10 * SLOW, "no worker")
    assert s.get("/hello").body == b"hello\n"


@pytest.mark.alone
def test_a_sleeper_delays_nobody(serve):
    """Connections of the worker that sleeps are served by others meanwhile."""
    s = serve()
    clients = [s.connect() for i in range(20)]
    for c in clients:
        assert c.request("/hello").status == 200
    with s.connect() as sleeper:
        sleeper.send(head("/sleep?ms=1500"))
        worst = 0
        for c in clients * 5:
            start = time.monotonic()
            assert c.request("/hello").body == b"hello\n"
            worst = max(worst, time.monotonic() - start)
        assert worst < 0.3 * SLOW, worst
        assert sleeper.read().status == 200
    for c in clients:
        c.close()


def test_a_finished_response_does_not_wait_for_a_slow_one(serve):
    """Responses of one batch may leave together, but not after one that takes long."""
    # So much patience that no short one passes for long, and the order is ours.
    s = serve(ALL + "workers { max = 1, patience = 0.1 }\n")
    for n in range(8, 13):
        clients = one_batch(s, [SHORT] * n + ["/sleep?spin=10000"] + [SHORT] * 3)
        for c in clients[:n]:
            assert c.read().status == 200
        slow = clients.pop(n)
        assert select.select([slow.socket], [], [], 0)[0] == []
        slow.close()    # ends it
        for c in clients[n:]:
            assert c.read().status == 200
        for c in clients:
            assert c.request("/hello").body == b"hello\n"
            c.close()


@contextlib.contextmanager
def passed_on(s, gate):
    """A connection on its way: its worker, the only one, has answered it slowly and then taken
    another's request, which lasts until end().  Nobody is forked until go_on()."""
    os.mkfifo(gate)
    zygote = s.processes("zygote")[0].pid
    statuses = []

    def end():
        if not statuses:
            with open(gate, "w"):
                statuses.append(other.read().status)

    with contextlib.ExitStack() as stack:
        c = stack.enter_context(s.connect())
        worker = int(c.request("/sleep?ms=20").text)
        threads = os.listdir("/proc/%d/task" % worker)      # ThreadSanitizer has one of its own
        os.kill(zygote, signal.SIGSTOP)
        os.kill(worker, signal.SIGSTOP)     # so that the request is there when it accepts
        other = stack.enter_context(s.connect())
        other.send(head("/sleep?gate=" + gate))
        os.kill(worker, signal.SIGCONT)
        until(lambda: not has(worker, c), what="the connection has been passed on")
        assert os.listdir("/proc/%d/task" % worker) == threads, "it did not need its helper"
        yield c, lambda: os.kill(zygote, signal.SIGCONT), end
        end()
        assert statuses == [200]


def test_a_connection_is_passed_on(serve, tmp_path):
    """To have its next request wait for the first of those that become free."""
    s = serve(ALL)
    with passed_on(s, str(tmp_path / "gate")) as (c, go_on, end):
        c.send(head("/hello")[:9])
        go_on()
        until(lambda: any(has(pid, c) for pid in s.workers()), what="another has it")
        c.send(head("/hello")[9:])
        assert c.read().body == b"hello\n"


def test_what_a_passed_one_has_sent(serve, tmp_path):
    s = serve(ALL)
    with passed_on(s, str(tmp_path / "gate")) as (c, go_on, end):
        c.send(head("/hello") * 3)
        go_on()
        assert [c.read().body for i in range(3)] == [b"hello\n"] * 3


def test_a_passed_one_waits_too_long(serve, tmp_path):
    s = serve(ALL + "timeouts { queue = 0.2 }\n")
    with passed_on(s, str(tmp_path / "gate")) as (c, go_on, end):
        c.send(head("/api/rlog?value=never"))
        time.sleep(0.3)
        go_on()
        assert c.read().status == 503
    assert "first never" not in s.log()


def test_a_passed_one_goes(serve, tmp_path):
    s = serve(ALL)
    with passed_on(s, str(tmp_path / "gate")) as (c, go_on, end):
        c.send(head("/api/rlog?value=never"))
        c.close()
        time.sleep(0.1)     # less is not looked at
        go_on()
        s.wait_log("its client has gone")
    assert "first never" not in s.log()


def test_a_stop_ends_a_passed_one(serve, tmp_path):
    s = serve(ALL)
    with passed_on(s, str(tmp_path / "gate")) as (c, go_on, end):
        s.send_signal(signal.SIGTERM)
        go_on()
        end()
        with pytest.raises(Closed):
            c.read()
    s.stop()


def test_a_passed_one_waits_for_its_own_response(serve, tmp_path):
    """What was sent behind a slow request has not waited for a worker meanwhile."""
    s = serve(ALL + "timeouts { queue = 0.3 }\n")
    gates = [str(tmp_path / name) for name in ("first", "second")]
    for gate in gates:
        os.mkfifo(gate)
    zygote, worker = s.processes("zygote")[0].pid, s.workers()[0]
    os.kill(zygote, signal.SIGSTOP)     # so that nobody is forked
    with s.connect() as c, s.connect() as other:
        c.send(head("/sleep?gate=" + gates[0]))
        until(lambda: has(worker, c), what="it has been accepted")
        c.send(head("/hello"))
        other.send(head("/sleep?gate=" + gates[1]))
        time.sleep(0.5)
        with open(gates[0], "w"):
            assert c.read().status == 200
        until(lambda: not has(worker, c), what="the connection has been passed on")
        os.kill(zygote, signal.SIGCONT)
        assert c.read().body == b"hello\n"
        with open(gates[1], "w"):
            assert other.read().status == 200


def test_over_a_unix_socket_it_waits_in_the_queue(serve, tmp_path):
    """It is not passed on before its request has come, for nobody would know when that was."""
    s = serve(ALL + 'listen "unix:{dir}/sock"\ntimeouts { queue = 0.2 }\n')
    gate, path = str(tmp_path / "gate"), s.directory + "/sock"
    os.mkfifo(gate)
    zygote = s.processes("zygote")[0].pid
    with Client(path) as c:
        worker = int(c.request("/sleep?ms=20").text)
        os.kill(zygote, signal.SIGSTOP)
        with Client(path) as other:
            other.send(head("/sleep?gate=" + gate))
            until(lambda: len(os.listdir("/proc/%d/task" % worker)) == 2, what="it has a helper")
            c.send(head("/api/rlog?value=never"))
            time.sleep(0.3)
            os.kill(zygote, signal.SIGCONT)
            assert c.read().status == 503
            with open(gate, "w"):
                assert other.read().status == 200
    assert "first never" not in s.log()


def test_kept_alive_connections_survive_their_worker(serve):
    """Idle workers leave; the connections they held go on."""
    s = serve(ALL + "workers { idle_timeout = 0.5 }\n")
    clients = [s.connect() for i in range(30)]
    for c in clients:
        c.send(head("/sleep?ms=1000"))
    pids = {c.read().text.strip() for c in clients}
    until(lambda: len(s.workers()) <= 2, 10 * SLOW, "the workers to leave")
    for c in clients:
        assert c.request("/hello").body == b"hello\n"
        c.close()
    assert len(pids) >= 20


@pytest.mark.parametrize("end", ["leaves", "crashes"])
def test_a_kept_alive_connection_has_a_worker(serve, end):
    """Without a minimum, too: the last worker stays for it, or another comes."""
    s = serve(ALL + "workers { min = 0, idle_timeout = 0.3 }\n")
    with s.connect() as a, s.connect() as b:
        assert a.request("/hello").status == 200
        old, = s.workers()
        assert b.request("/hello").status == 200
        if end == "leaves":
            time.sleep(1)   # it does not
            assert s.workers() == [old]
        else:
            assert b.request("/crash?how=segv").status == 500
            until(lambda: old not in s.workers(), 10 * SLOW)
        assert a.request("/hello").status == 200
    until(lambda: not s.workers(), 10 * SLOW)


def test_max_requests(serve):
    """A worker is replaced after so many requests; nobody notices."""
    s = serve(ALL + "workers { max_requests = 50, idle_timeout = 100 }\n")
    served = collections.Counter()
    with s.connect() as c:
        while len(served) < 6:
            served[c.request("/api/pid").text] += 1
    while len(served) < 12:
        served[s.get("/api/pid").text] += 1
    # The replacement comes first, and the old one goes on until it is there.  One has
    # answered the question whether the server is ready, too.
    gone = lambda: set(served) - {"%d\n" % pid for pid in s.workers()}
    until(lambda: len(gone()) >= 8, 30 * SLOW, "eight that have left")
    left = gone()
    assert all(served[pid] >= 49 for pid in left), served
