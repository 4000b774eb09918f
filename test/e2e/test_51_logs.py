"""One whole access line per request, also for one that crashed; USR1 opens both logs again."""

import os
import re
import resource
import signal

from client import head, until
from load import Load
from server import ALL, SLOW

LOGS = ALL + 'access_log "access.log"\nerror_log "error.log"\n'
LINE = re.compile(r'(\S+) - - \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] '
                  r'"([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"')


def lines(s, name="access.log"):
    with open(os.path.join(s.directory, name)) as f:
        text = f.read()
    assert text == "" or text.endswith("\n")
    found = [LINE.fullmatch(l) for l in text.splitlines()]
    assert all(found), text
    return [m.groups() for m in found if "-ready-" not in m[3]]


def wait_lines(s, count, name="access.log"):
    until(lambda: len(lines(s, name)) >= count, 10 * SLOW, "%d access lines" % count)
    assert len(lines(s, name)) == count
    return lines(s, name)


def test_fields(serve):
    s = serve(LOGS)
    with s.connect() as c:
        c.request("/hello?x=1", headers=[("Referer", "http://a/"), ("User-Agent", "test/1.0")])
        c.request("/nowhere", "HEAD")
        c.request("/big?n=300000")
        c.request("/api/nothing")
    a, b, c, d = wait_lines(s, 4)
    assert a[0] == "127.0.0.1" and a[2:] == ("GET /hello?x=1 HTTP/1.1", "200", "6", "http://a/", "test/1.0")
    assert b[2:] == ("HEAD /nowhere HTTP/1.1", "404", "0", "-", "-")
    assert c[2:5] == ("GET /big?n=300000 HTTP/1.1", "200", "300000")
    assert d[3:5] in (("204", "0"), ("204", "-"))


def test_extended(serve):
    """How long it took, the id that the error log has too, and the route, of whatever becomes of a request."""
    s = serve(ALL + 'access_log { "access.log", format = "extended" }\nerror_log "error.log"\n')
    for target in ("/sleep?ms=80", "/api/rlog", "/nowhere", "/crash?how=abort"):
        s.get(target)
    with s.connect() as c:
        c.send("nonsense\r\n\r\n")
        assert c.read().status == 400
    path = os.path.join(s.directory, "access.log")

    def extended():
        with open(path) as f:
            found = [re.fullmatch(LINE.pattern + r' (\d+\.\d{6}) (-|\d+-\d+) "([^"]*)"', line)
                     for line in f.read().splitlines() if "-ready-" not in line]
        assert all(found)
        return {m[3].split()[:2][-1]: m.groups()[7:] for m in found}

    until(lambda: len(extended()) == 5, 10 * SLOW, "5 access lines")
    found = extended()
    assert {target: route for target, (took, name, route) in found.items()} == {
        "/sleep?ms=80": "/sleep", "/api/rlog": "/api/*", "/nowhere": "-", "/crash?how=abort": "/crash",
        "nonsense": "-"}
    assert 0.08 <= float(found["/sleep?ms=80"][0]) < 1 * SLOW
    assert float(found["/nowhere"][0]) < 0.08 and found["nonsense"][:2] == ("0.000000", "-")
    s.wait_log("running \"GET /crash.* request %s, " % found["/crash?how=abort"][1], path=s.directory + "/error.log")


def test_every_refusal(serve):
    s = serve(LOGS + 'limits { body = "1K", head = "1K" }\ntimeouts { body = 0.3 }\n')
    answers = set()
    for data in (b"nonsense\r\n\r\n", head("/" + "x" * 2000), head("/echo", "POST", body=b"x" * 2000),
                 head("/echo", "POST", body=b"12") + b"1"):
        with s.connect() as c:
            c.send(data)
            r = c.read()
            answers.add((str(r.status), str(len(r.body))))
    assert {l[3:5] for l in wait_lines(s, 4)} == answers
    assert {status for status, size in answers} == {"400", "414", "413", "408"}


def test_nobody_forges_a_line(serve):
    s = serve(LOGS)
    with s.connect() as c:
        c.request("/hello", headers=[("User-Agent", 'a" 200 1 "b\\'), ("Referer", "\xe4\x1f"[:1])])
    line, = wait_lines(s, 1)
    assert line[6] == r'a\x22 200 1 \x22b\x5c'
    assert line[5] == r"\xe4"


def test_empty_lines_before_a_request_hide_nothing(serve):
    s = serve(LOGS)
    for request in ("/hello", "/crash?how=abort", "nonsense"):
        with s.connect() as c:
            c.send(b"\r\n\r\n" + head(request))
            c.read()
    assert {l[2] for l in wait_lines(s, 3)} == {
        "GET /hello HTTP/1.1", "GET /crash?how=abort HTTP/1.1", "GET nonsense HTTP/1.1"}
    s.wait_log("running \"GET /crash", path=s.directory + "/error.log")


def test_crashed_requests(serve):
    s = serve(LOGS)
    answers = []
    for how in ("segv", "abort", "exit", "kill"):
        size = 0
        with s.connect() as c:
            c.send(head("/crash?how=" + how, headers=[("User-Agent", "agent")]))
            try:
                size = len(c.read().body)
            except ConnectionError:
                assert how == "kill"
        answers.append(("GET /crash?how=%s HTTP/1.1" % how, "500", str(size), "-", "agent"))
    # Written when the zygote has reaped the worker, so in whatever order.
    assert sorted(l[2:] for l in wait_lines(s, 4)) == sorted(answers)


def test_whole_lines_under_load(serve):
    """Many workers write; no line is torn, none is missing."""
    s = serve(LOGS)
    with Load(s.address, "/sleep?ms=2&" + "x" * 500, None, threads=16, rate=2000) as load:
        load.wait(1000)
    assert len(wait_lines(s, load.answers)) == load.answers


def test_whole_lines_in_a_pipe(serve, tmp_path):
    """Where containers' logs go: lines of several workers do not mix while it is full."""
    os.mkfifo(tmp_path / "log")
    pipe = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    s = serve(ALL + 'access_log "%s/log"\nworkers { min = 4 }\n' % tmp_path)
    until(lambda: len(s.workers()) == 4, what="four workers")
    clients = [s.connect() for _ in range(12)]
    for c in clients:
        c.send(head("/hello?" + "x" * 1500) * 32)
    text = b""

    def is_all_there():
        nonlocal text
        try:
            text += os.read(pipe, 5000)
        except BlockingIOError:
            pass
        return text.count(b"/hello?") >= 12 * 32 and text.endswith(b"\n")

    until(is_all_there, what="all lines")
    assert all(LINE.fullmatch(line) for line in text.decode().splitlines())
    os.close(pipe)
    for c in clients:
        c.close()


def test_lines_come_while_a_connection_is_kept(serve):
    s = serve(LOGS)
    with s.connect() as c:
        c.request("/hello")
        wait_lines(s, 1)


def test_usr1(serve):
    """Renamed logs are opened again, by all roles, and no request fails or is lost."""
    s = serve(LOGS)
    path = os.path.join(s.directory, "access.log")
    errors = os.path.join(s.directory, "error.log")
    kept = [s.connect() for i in range(5)]
    for c in kept:
        c.request("/hello")
    wait_lines(s, 5)
    with Load(s.address, rate=300, threads=3) as load:
        load.wait(30)
        os.rename(path, path + ".1")
        os.rename(errors, errors + ".1")
        s.send_signal(signal.SIGUSR1)
        until(lambda: os.path.exists(path) and os.path.exists(errors), 10 * SLOW, "new logs")
        load.wait(30)

        # The old files are nobody's after a while.
        def released():
            for p in s.processes():
                for fd in os.listdir("/proc/%d/fd" % p.pid):
                    try:
                        if os.readlink("/proc/%d/fd/%s" % (p.pid, fd)).endswith(".log.1"):
                            return False
                    except OSError:
                        pass
            return True
        until(released, 10 * SLOW, "the release of the old logs")
        load.wait(30)
    until(lambda: len(lines(s)) + len(lines(s, "access.log.1")) == load.answers + 5,
          10 * SLOW, "all lines")
    for c in kept:
        c.request("/hello")
        c.close()
    s.get("/crash?how=segv")
    s.wait_log("died of signal 11", path=errors)
    until(lambda: len(lines(s)) + len(lines(s, "access.log.1")) == load.answers + 11,
          10 * SLOW, "all lines")


def test_usr1_that_fails(serve, tmp_path):
    """A log that cannot be opened again is used on, and nobody says otherwise."""
    (tmp_path / "logs").mkdir()
    s = serve(ALL + 'error_log "%s/logs/error.log"\naccess_log "access.log"\n' % tmp_path)
    (tmp_path / "logs").rename(tmp_path / "moved")
    s.send_signal(signal.SIGUSR1)
    moved = str(tmp_path / "moved" / "error.log")
    s.wait_log(r"error_log \"/.*/logs/error\.log\": No such file", path=moved)
    s.wait_log(r"the old files are used on", path=moved)
    assert s.get("/hello").status == 200
    assert "logs reopened" not in open(moved).read()


def test_usr1_while_a_servlet_runs(serve):
    """A worker that sleeps takes the new log when it can."""
    s = serve(LOGS)
    path = os.path.join(s.directory, "access.log")
    with s.connect() as c:
        c.send(head("/sleep?ms=800"))
        until(lambda: len(s.workers()) >= 1)
        os.rename(path, path + ".1")
        s.send_signal(signal.SIGUSR1)
        until(lambda: os.path.exists(path), 10 * SLOW, "a new log")
        r = c.read()
        assert r.status == 200 and "interrupted" not in r.text
    until(lambda: len(lines(s)) + len(lines(s, "access.log.1")) == 1, 10 * SLOW, "the line")


def test_no_room_for_lines(serve):
    """A full disk, or as here a limit of file sizes: the error log tells how many are lost,
    and the one that was torn spoils no other."""
    s = serve(ALL + 'access_log "access.log"\nworkers { min = 1, max = 1 }\n')
    path, worker = os.path.join(s.directory, "access.log"), s.workers()[0]
    with s.connect() as c:
        for i in range(100):    # more than there is in the error log
            c.request("/hello")
        wait_lines(s, 100)
        limit = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (os.path.getsize(path) + 10, limit[1]))
        for i in range(3):
            assert c.request("/hello").status == 200
        s.wait_log("error .*the access log cannot be written, lines are lost: File too large")
        resource.prlimit(worker, resource.RLIMIT_FSIZE, limit)
        c.request("/hello")
        (lost,) = s.wait_log("warning .*the access log is written again; lines lost: ([23])$")
    found = lambda: [l for l in open(path).read().split("\n")[:-1] if "-ready-" not in l]
    until(lambda: len(found()) == 105 - int(lost), 10 * SLOW, "all lines")
    assert [l for l in found() if not LINE.fullmatch(l)] == ["127.0.0.1 "]
    assert s.log().count("the access log") == 2


def test_off(serve):
    s = serve(ALL + 'access_log "off"\nerror_log "stderr"\n')
    s.get("/hello")
    assert not os.path.exists(os.path.join(s.directory, "off"))
    assert not os.path.exists(os.path.join(s.directory, "stderr.log"))


def test_what_a_servlet_prints(serve):
    """Standard output and error of workers are the error log."""
    s = serve(LOGS)
    errors = os.path.join(s.directory, "error.log")
    for p in s.processes("zygote") + s.processes("worker"):
        for fd in (1, 2):
            assert os.readlink("/proc/%d/fd/%d" % (p.pid, fd)) == errors
