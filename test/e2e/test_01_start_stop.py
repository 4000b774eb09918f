"""It starts, answers, shows its roles in ps, and stops with status 0, leaving nothing behind."""

import os
import re
import signal
import subprocess

import pytest

from client import head, until
from server import ALL, BINARY, SLOW, all_processes, environment, free_port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_stops_with_status_0(serve, number):
    s = serve()
    assert s.get("/hello").body == b"hello\n"
    s.stop(number)


def test_stops_at_once_after_start(serve):
    """TERM while the zygote still loads loses nothing and hangs nothing."""
    s = serve(ready=False)
    until(lambda: s.processes("master") or s.process.poll() is not None, what="the master")
    s.stop()


def test_titles(serve):
    s = serve()
    master, = s.processes("master")
    zygote, = s.processes("zygote")
    worker = s.processes("worker")[0]
    assert master.title == "modserver: master " + s.config
    assert zygote.title == "modserver: zygote 1" and zygote.parent == master.pid
    assert worker.title == "modserver: worker" and worker.parent == zygote.pid
    s.reload()
    assert "modserver: zygote 2" in [p.title for p in s.processes("zygote")]
    assert s.processes("master")[0].pid == master.pid


def test_a_relative_configuration(serve):
    """As it is typed: the title shows it, its directory is what paths are relative to."""
    s = serve()
    s.stop()
    s.process = subprocess.Popen([BINARY, "config.conf"], cwd=s.directory, env=s.env,
                                 stderr=open(s.log_path, "ab"), stdin=subprocess.DEVNULL)
    s.pid = s.process.pid
    until(s.is_ready, 20 * SLOW)
    assert s.processes("master")[0].title == "modserver: master config.conf"


def test_without_standard_descriptors(serve):
    """As some starters close them: their numbers must not go to sockets, which would be
    written to and replaced as standard output and error are."""
    s = serve(ALL + 'error_log "{dir}/errors"\nworkers { min = 1 }\n')
    s.stop()
    s.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BINARY, s.config],
                                 cwd=s.directory, env=s.env)
    s.pid = s.process.pid
    until(s.is_ready, 20 * SLOW)
    with s.connect() as kept, s.connect() as slow:
        assert kept.request("/hello").status == slow.request("/hello").status == 200
        slow.send(head("/sleep?ms=300"))
        until(lambda: s.get("/hello").status == 200)
        assert kept.request("/hello").status == 200
        assert slow.read().status == 200
    with open(s.directory + "/errors") as f:
        assert " error " not in f.read()


def test_environment_survives_the_title(serve, tmp_path):
    """What ps shows takes the room of argv and environ; env() and getenv() still work."""
    s = serve('load_servlet (env("WHERE"), "/life")\n',
              env={"WHERE": ALL.split('"')[1].replace("hello.so", "lifecycle.so"),
                   "LIFECYCLE": str(tmp_path / "life")})
    assert s.get("/life").status == 200
    s.stop()
    assert "cleanup" in (tmp_path / "life").read_text()


def test_interrupt_reaches_workers_not_from_the_terminal(serve):
    """Ctrl-C goes to the whole foreground group: only the master is in it."""
    s = serve()
    group = os.getpgid(s.pid)
    for p in s.processes():
        assert (os.getpgid(p.pid) == group) == (p.pid == s.pid), p


def test_standard_input_is_not_for_servlets(serve):
    s = serve()
    for p in s.processes("zygote") + s.processes("worker"):
        assert os.readlink("/proc/%d/fd/0" % p.pid) == "/dev/null"


def test_pidfile(serve):
    s = serve(ALL + 'pidfile "server.pid"\n')
    path = os.path.join(s.directory, "server.pid")
    with open(path) as f:
        assert int(f.read()) == s.pid
    s.reload()
    with open(path) as f:
        assert int(f.read()) == s.pid
    s.stop()
    assert not os.path.exists(path)


def test_pidfile_of_a_server_that_cannot_start(serve):
    """It is there before the first answer, and gone when there is none."""
    s = serve('load_servlet ("nowhere.so", "/")\npidfile "server.pid"\n', ready=False)
    s.expect_end = True
    assert s.process.wait(20 * SLOW) == 1
    assert not os.path.exists(os.path.join(s.directory, "server.pid"))


def test_daemon(tmp_path):
    """-d returns when the server is ready; it runs in a session of its own and stops by TERM."""
    port = free_port()
    (tmp_path / "config.conf").write_text(
        'listen "127.0.0.1:%d"\nload_module ("module.so", "so")\n%s'
        'error_log "error.log"\npidfile "server.pid"\n' % (port, ALL))
    directory = str(tmp_path)
    try:
        done = subprocess.run([BINARY, "-d", "config.conf"], cwd=directory, timeout=60,
                              env=environment(directory), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        pid = int((tmp_path / "server.pid").read_text())
        assert os.getsid(pid) == pid or os.getsid(pid) != os.getsid(0)
        out = subprocess.run(["curl", "-s", "http://127.0.0.1:%d/hello" % port],
                             capture_output=True, timeout=60)
        assert out.stdout == b"hello\n"
        assert os.readlink("/proc/%d/fd/0" % pid) == "/dev/null"
        os.kill(pid, signal.SIGTERM)
        until(lambda: not all_processes(directory), 20 * SLOW, "the end")
        assert not (tmp_path / "server.pid").exists()
    finally:
        for p in all_processes(directory):
            os.kill(p.pid, signal.SIGKILL)


def test_daemon_that_cannot_start(tmp_path):
    """-d tells its caller: status 1, and why."""
    (tmp_path / "config.conf").write_text("listen 99999999\n")
    done = subprocess.run([BINARY, "-d", "config.conf"], cwd=str(tmp_path), timeout=60,
                          env=environment(str(tmp_path)), capture_output=True, text=True)
    assert done.returncode == 1
    assert "config.conf:1: " in done.stderr


@pytest.mark.parametrize("option", [[], ["-d"]])
@pytest.mark.parametrize("text, words", [
    ('error_log "."', r'config.conf:1: error_log "/.*": Is a directory'),
    ('error_log "error.log"\naccess_log "."', r'config.conf:2: access_log "/.*": Is a directory'),
    ('listen "unix:."', r'config.conf:1: cannot listen on "unix:\.": .* no socket')])
def test_why_it_cannot_start_is_said_once(tmp_path, option, text, words):
    """What keeps it from opening its log, or from listening, with the word that asks for it."""
    (tmp_path / "config.conf").write_text(text + "\n")
    with open(str(tmp_path / "output"), "w+") as output:    # a daemon keeps a file
        done = subprocess.run([BINARY, *option, "config.conf"], cwd=str(tmp_path), timeout=60,
                              env=environment(str(tmp_path)), stdout=output, stderr=output)
        output.seek(0)
        said = [l for l in output if "warning" not in l]
    assert done.returncode == 1
    assert len(said) == 1 and re.search(words, said[0]), said


@pytest.mark.parametrize("option, words", [
    ("-v", "modserver "), ("-V", "poller"), ("-V", "so.so"), ("-h", "usage"),
    ("--version", "modserver "), ("--help", "usage")])
def test_information(option, words):
    done = subprocess.run([BINARY, option], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and words in done.stdout and not done.stderr


@pytest.mark.parametrize("arguments, what", [
    ([], "which"), (["-x"], "-x"), (["--xyz"], "--xyz"), (["a.conf", "b.conf"], "one"), (["-t"], "which")])
def test_wrong_usage(arguments, what):
    done = subprocess.run([BINARY] + arguments, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "usage" in done.stderr and not done.stdout
    assert what in done.stderr.splitlines()[0]
