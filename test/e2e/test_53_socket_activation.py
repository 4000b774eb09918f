"""Sockets that systemd has bound are listened on, outlive the server, and are nobody's business in servlets."""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from client import Client, until
from server import ALL, BINARY, SLOW, Server, all_processes, free_port
from test_55_listeners import has_ipv6

# What systemd does between fork and exec: sockets from descriptor 3 on.
STARTER = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD_CLOEXEC, 100) for fd in sys.argv[1].split()]
for fd in sys.argv[1].split():
    os.set_inheritable(int(fd), False)
for number, fd in enumerate(fds):
    os.dup2(fd, 3 + number)
os.environ["LISTEN_FDS"] = sys.argv[2] or str(len(fds))
os.environ["LISTEN_PID"] = sys.argv[3] or str(os.getpid())
if sys.argv[4]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[4]
os.execv(sys.argv[5], sys.argv[5:])
"""

BASE = 'load_module ("module.so", "so")\n' + ALL


def bound(address=None, family=socket.AF_INET):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address or ("127.0.0.1", free_port()))
    s.listen(100)
    return s


@pytest.fixture
def activate(tmp_path):
    """activate(sockets, text, ...) starts a server that these are passed to."""
    servers = []

    def start(sockets, text=BASE, ready=True, count="", pid="", names="", options=()):
        directory = tmp_path / ("server%d" % len(servers))
        directory.mkdir()
        os.chmod(tmp_path, 0o755)
        fds = [s.fileno() for s in sockets]
        s = Server(directory, text, bare=True, options=options, pass_fds=fds, starter=[
            sys.executable, "-c", STARTER, " ".join(map(str, fds)), count, pid, names])
        s.port = sockets[0].getsockname()[1] if sockets else free_port()
        s.write()
        servers.append(s)
        s.spawn()
        if ready:
            s.wait_log("generation 1 serves")
        return s

    yield start
    for s in servers:
        s.finish()


def refused(activate, sockets, words, *arguments, **more):
    """It does not start, and says why."""
    s = activate(sockets, *arguments, ready=False, **more)
    s.expect_end = True
    assert s.process.wait(20 * SLOW) == 1
    s.wait_log(words)


def hello(address):
    with Client(address) as c:
        return c.request("/hello").body == b"hello\n"


def test_a_listen_of_that_address(activate, tmp_path):
    """What is passed is used, the rest is bound.  The passed ones, and the file of one, are there afterwards."""
    path, port = str(tmp_path / "a.sock"), free_port()
    sockets = [bound(), bound(path, socket.AF_UNIX)]
    os.chmod(path, 0o600)
    s = activate(sockets, BASE + 'listen "127.0.0.1:{port}"\nlisten "unix:../a.sock"\nlisten "127.0.0.1:%d"\n' % port,
                 names="web:web.socket")
    assert hello(s.address) and hello(path) and hello(("127.0.0.1", port))
    s.wait_log(r'listening on 127\.0\.0\.1:%d, passed as "web"' % s.port)
    s.wait_log(r'listening on unix:%s, passed as "web\.socket"' % path)
    s.stop()
    assert os.stat(path).st_mode & 0o777 == 0o600
    for listening, address in zip(sockets, (s.address, path)):
        with Client(address) as c:
            c.send("x")
            assert select.select([listening], [], [], 20)[0]
            with listening.accept()[0] as there:
                assert there.recv(1) == b"x"
    with pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", port))


def test_without_a_listen(activate, tmp_path):
    """What is passed is all that is listened on, the default is not."""
    path = str(tmp_path / "a.sock")
    s = activate([bound(), bound(path, socket.AF_UNIX), bound("\0modserver-%d" % os.getpid(), socket.AF_UNIX)])
    assert hello(s.address) and hello(path)
    with Client(s.address) as c, c.socket, socket.socket(socket.AF_UNIX) as abstract:
        abstract.connect("\0modserver-%d" % os.getpid())
    s.wait_log(r'listening on unix:@modserver-%d, passed as "unknown"' % os.getpid())
    assert len(s.wait_log("listening on ")) == 3


def test_nobody_sees_the_variables(activate, tmp_path):
    (tmp_path / "env.cgi").write_text("#!/bin/sh\nprintf '\\n%s%s%s.' $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES\n")
    os.chmod(tmp_path / "env.cgi", 0o755)
    s = activate([bound()], 'load_module { "module.cgi", "cgi", env = { "LISTEN_PID", "LISTEN_FDS", '
                 '"LISTEN_FDNAMES" } }\nload_servlet ("../env.cgi", "/env")\n', names="web")
    assert s.get("/env").body == b"."


def test_reload(activate):
    """It stays what is listened on, by whatever listen has its address; without one the old configuration stays."""
    s = activate([bound()])
    for text in (BASE + 'listen "127.0.0.1:{port}"\n', BASE):
        s.reload(text)
        assert hello(s.address)
    s.write(BASE + 'listen "127.0.0.1:%d"\n' % free_port())
    s.send_signal(signal.SIGHUP)
    s.wait_log(r'config\.conf: a socket was passed that listens on 127\.0\.0\.1:%d \("unknown"\): '
               'expected a listen for it' % s.port)
    s.wait_log("reload failed")
    assert hello(s.address)
    s.reload(BASE)
    assert hello(s.address)


def test_a_restart_loses_no_connection(activate):
    """Clients that come while one server ends and the next starts wait; those that were served are answered."""
    listening = bound()
    s = activate([listening])
    ended, failures, answers = threading.Event(), [], [0]

    def client():
        while not ended.is_set():
            try:
                assert hello(s.address)
                answers[0] += 1
            except (OSError, AssertionError) as e:
                failures.append(e)
                return

    threads = [threading.Thread(target=client) for i in range(4)]
    for t in threads:
        t.start()
    try:
        for number in (signal.SIGTERM, signal.SIGQUIT):
            before = answers[0]
            until(lambda: answers[0] > before + 20 or failures, 20 * SLOW, "answers")
            s.stop(number)
            s = activate([listening])
        before = answers[0]
        until(lambda: answers[0] > before + 20 or failures, 20 * SLOW, "answers")
    finally:
        ended.set()
        for t in threads:
            t.join()
    assert not failures


def test_a_daemon(activate):
    """-d: they were passed to the process that was started, and the daemon has them."""
    s = activate([bound()], BASE + 'listen "127.0.0.1:{port}"\nerror_log "error.log"\npidfile "pid"\n',
                 ready=False, options=["-d"])
    s.expect_end = True
    assert s.process.wait(20 * SLOW) == 0, s.log()
    assert hello(s.address)
    with open(s.directory + "/pid") as f:
        os.kill(int(f.read()), signal.SIGTERM)
    until(lambda: not all_processes(s.directory), 20 * SLOW, "the end")
    assert s.log() == ""


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_both_families(activate):
    """ListenStream=80 is [::]:80, which takes IPv4 too: it is what both addresses are listened on with."""
    both = socket.create_server(("::", free_port()), family=socket.AF_INET6, dualstack_ipv6=True)
    port = both.getsockname()[1]
    s = activate([both], BASE + 'listen "{port}"\nlisten "[::]:{port}"\n')
    for host in ("127.0.0.1", "::1"):
        with Client((host, port)) as c:
            assert c.request("/api/get_remote").text.startswith("<%s>" % host)
    s.stop()
    refused(activate, [both], r"config\.conf:\d+: .* takes what comes to line \d+ too",
            BASE + 'listen "{port}"\nlisten { "[::]:{port}", proxy_protocol = true }\n')
    refused(activate, [both], "expected a listen for it", BASE + 'listen "127.0.0.1:{port}"\n')


def test_what_is_no_listening_socket(activate, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        refused(activate, [datagrams], r'descriptor 3 \("dns"\).* is no stream socket', names="dns")
    with socket.socket() as silent:
        refused(activate, [bound(), silent], r"descriptor 4 .* does not listen: expected .*Accept=no")
    with open(tmp_path / "file", "w") as file, bound() as first:
        s = activate([first], ready=False, count="2")
        s.expect_end = True
        assert s.process.wait(20 * SLOW) == 1
        s.wait_log("descriptor 4 .* is not open")
        file.getsockname = lambda: (None, s.port)
        refused(activate, [file], "descriptor 3 .* is no socket")
    for count in ("many", "65"):
        refused(activate, [bound()], 'LISTEN_FDS is "%s", expected a number' % count, count=count)


def test_metrics_binds_its_own(activate):
    """A socket that is passed is for requests, with a listen for others and without."""
    with bound() as first, bound() as second:
        port = second.getsockname()[1]
        words = r'config\.conf:\d+: metrics "127\.0\.0\.1:%d": a socket was passed that listens there \("told"\)' % port
        text = BASE + 'metrics "127.0.0.1:%d"\n' % port
        refused(activate, [second], words, text, names="told")
        refused(activate, [first, second], words, text + 'listen "127.0.0.1:%d"\n' % first.getsockname()[1],
                names="web:told")


def test_passed_to_another_process(activate):
    """A shell between: it is said, and what is configured is bound."""
    with bound() as other:
        port = free_port()
        s = activate([other], BASE + 'listen "127.0.0.1:%d"\n' % port, pid="1")
        s.wait_log(r"warning master \d+: sockets were passed to process 1, which this one, \d+, is not")
        assert hello(("127.0.0.1", port))


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="no systemd-socket-activate")
def test_by_systemd(tmp_path):
    """systemd's own tool binds, waits for the first client, and becomes the server that answers it."""
    port = free_port()
    s = Server(tmp_path, BASE, bare=True, starter=[
        "systemd-socket-activate", "-l", "127.0.0.1:%d" % port, "--fdname=web",
        *("-E%s" % name for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"))])
    s.port = port
    s.write()
    try:
        s.spawn()
        s.wait_log("Listening on ")
        assert hello(s.address)
        s.wait_log('passed as "web"')
    finally:
        s.finish()
