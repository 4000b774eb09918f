"""HUP takes the new configuration and servlets; a broken one leaves the old generation serving, with the reason in the log."""

import os
import shutil
import signal
import socket
import time

import pytest

from client import Client, head, until
from server import ALL, SERVLETS, SLOW, route


def test_a_route_comes_and_goes(serve):
    s = serve(route("hello"))
    assert s.get("/new").status == 404
    s.reload(route("hello", "/new"))
    until(lambda: s.get("/new").status == 200, what="the new route")
    until(lambda: s.get("/hello").status == 404, what="the end of the old one")
    until(lambda: len(s.processes("zygote")) == 1, 10 * SLOW, "the old zygote to leave")


def test_the_process_id_stays(serve):
    s = serve()
    for i in range(3):
        s.reload()
    assert s.process.poll() is None and s.get("/hello").status == 200


def test_kept_alive_connections_go_on(serve):
    """Over a reload they see the new routes."""
    s = serve(route("hello"))
    clients = [s.connect() for i in range(20)]
    for c in clients:
        assert c.request("/hello").status == 200
    s.reload(route("hello", "/new"))
    until(lambda: len(s.processes("zygote")) == 1, 10 * SLOW, "the old zygote to leave")
    for c in clients:
        assert c.request("/new").body == b"hello\n"
        c.close()


def test_a_running_request_completes(serve):
    s = serve()
    with s.connect() as c:
        c.send(head("/sleep?ms=1500"))
        time.sleep(0.2)
        s.reload()
        assert s.get("/hello").status == 200
        r = c.read()
        assert r.status == 200 and "interrupted" not in r.text


def test_a_response_on_its_way_completes(serve):
    """It is drained by the new generation, which answers what was pipelined behind it."""
    s = serve()
    old = s.workers()
    with s.connect() as c:
        c.send(head("/big?n=20000000") + head("/hello"))
        c.fill()
        s.reload()
        until(lambda: not set(old) & set(s.workers()), what="the old workers to leave")
        assert len(c.read().body) == 20000000
        assert c.read().body == b"hello\n"
        assert c.request("/hello").body == b"hello\n"


def test_a_response_that_ends_by_closing_completes(serve):
    s = serve()
    old = s.workers()
    with s.connect() as c:
        c.send(head("/big?n=20000000", version="1.0"))
        c.fill()
        s.reload()
        until(lambda: not set(old) & set(s.workers()), what="the old workers to leave")
        assert len(c.read().body) == 20000000   # and no reset


def test_half_sent_requests_complete(serve):
    s = serve()
    with s.connect() as a, s.connect() as b:
        a.send(b"GET /hello HT")
        b.send(head("/echo", "POST", body=b"0123456789") + b"01234")
        time.sleep(0.2)
        s.reload()
        time.sleep(0.2)
        a.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        b.send(b"56789")
        assert a.read().body == b"hello\n"
        assert b.read().body == b"0123456789"


def test_a_refused_client_sends_on(serve):
    """What was refused is read and dropped until its client has read the answer."""
    s = serve(ALL + 'limits { body = "1M" }\n')
    old = s.workers()
    with s.connect() as c:
        c.send(head("/echo", "POST", [("Content-Length", "2000000")]) + b"x" * 1000)
        until(lambda: "refused with 413" in s.log(), what="the refusal")
        s.reload()
        until(lambda: not set(old) & set(s.workers()), what="the old workers to leave")
        for _ in range(20):
            c.send(b"x" * 10000)
            time.sleep(0.01)        # a reset would come meanwhile
        assert c.read().status == 413


@pytest.mark.parametrize("before, after", [(0, 60), (60, 0)])
def test_a_limit_comes_or_goes(serve, before, after):
    """What a connection is in the midst of then is given the new limit, not what "none" was."""
    text = "timeouts { head = %d, body = %d, keepalive = %d, write = %d }\n" + ALL
    s = serve(text % ((before,) * 4))
    old = s.workers()
    with s.connect() as idle, s.connect() as part, s.connect() as body, s.connect() as slow:
        assert idle.request("/hello").status == 200
        part.send(b"GET /hello HT")
        body.send(head("/echo", "POST", body=b"0123456789") + b"01234")
        slow.send(head("/big?n=20000000"))
        slow.fill()
        s.reload(text % ((after,) * 4))
        until(lambda: not set(old) & set(s.workers()), what="the old workers to leave")
        assert s.get("/hello").status == 200
        assert idle.request("/hello").status == 200
        part.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        body.send(b"56789")
        assert part.read().body == b"hello\n"
        assert body.read().body == b"0123456789"
        assert len(slow.read().body) == 20000000


@pytest.mark.parametrize("text, reason", [
    ("lisen 1\n", r"config\.conf:\d+: .*lisen"),
    ("x x x\n", r"config\.conf:\d+: "),
    (route("hello") + 'load_servlet ("missing.so", "/x")\n', r"config\.conf:4: .*missing\.so"),
    (route("undefined"), r"config\.conf:3: .*function_that_nobody_has"),
    (route("hello") + route("constructor"), r"config\.conf:4: .*signal 11 \(SIGSEGV\)"),
    ('load_module ("module.none", "none")\n', r"config\.conf:3: .*none"),
])
def test_broken(serve, text, reason):
    s = serve(ALL)
    good = s.text
    with s.connect() as c:
        assert c.request("/hello").status == 200
        zygote, = s.processes("zygote")
        s.write(text)
        s.send_signal(signal.SIGHUP)
        s.wait_log(reason)
        until(lambda: [p.pid for p in s.processes("zygote")] == [zygote.pid], what="the old zygote alone")
        assert c.request("/hello").body == b"hello\n"
        assert s.get("/hello").body == b"hello\n"
    # and it still can be mended
    s.reload(good + route("hello", "/mended"))
    until(lambda: s.get("/mended").status == 200, what="the new route")


def test_the_configuration_has_gone(serve):
    s = serve()
    os.rename(s.config, s.config + ".away")
    s.send_signal(signal.SIGHUP)
    s.wait_log("config.conf.*No such file")
    assert s.get("/hello").status == 200


def test_listeners_come_and_go(serve):
    """One that stays is never closed."""
    s = serve()
    s.reload(ALL + 'listen "unix:{dir}/extra.sock"\n')
    path = os.path.join(s.directory, "extra.sock")
    until(lambda: os.path.exists(path), what="the socket")
    with Client(path) as c:
        assert c.request("/hello").body == b"hello\n"
    s.reload(ALL)
    until(lambda: not os.path.exists(path), 10 * SLOW, "the end of the socket")
    assert s.get("/hello").status == 200


def test_a_port_taken_at_reload(serve):
    s = serve()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        s.write(ALL + 'listen "127.0.0.1:%d"\n' % taken.getsockname()[1])
        s.send_signal(signal.SIGHUP)
        s.wait_log(r"config\.conf:\d+: .*in use")
    assert s.get("/hello").status == 200


def test_an_address_of_our_own_in_another_width(serve):
    """The old generation goes on, and the log says how to change it."""
    s = serve(bare=True, text='listen "0.0.0.0:{port}"\nload_module ("module.so", "so")\n' + ALL)
    s.write(s.text.replace("0.0.0.0", "127.0.0.1"))
    s.send_signal(signal.SIGHUP)
    s.wait_log(r"config\.conf:1: .*this server listens there.* a restart can")
    assert s.get("/hello").status == 200


def test_a_changed_servlet(serve, tmp_path):
    """The file was replaced: the new generation has the new one."""
    path = str(tmp_path / "it.so")
    shutil.copy(SERVLETS + "/hello.so", path)
    s = serve('load_servlet ("%s", "/it")\n' % path)
    assert s.get("/it").body == b"hello\n"
    shutil.copy(SERVLETS + "/sleep.so", path + ".new")
    os.rename(path + ".new", path)
    s.reload()
    until(lambda: s.get("/it?ms=0").text.strip().isdigit(), what="the new servlet")


def test_many_signals_at_once(serve):
    """Twenty HUPs are some reloads, no accident."""
    s = serve()
    for i in range(20):
        s.send_signal(signal.SIGHUP)
    until(lambda: len(s.processes("zygote")) == 1 and s.processes("zygote")[0].title != "modserver: zygote 1",
          20 * SLOW, "the last generation alone")
    assert s.get("/hello").status == 200


def test_requests_within_the_limits_they_began_with_are_answered(serve):
    """Those of the new generation are lower."""
    s = serve('workers { max = 1 }\nlimits { head = "64K", headers = 60 }\n' + route("echo"))
    fields = b"".join(b"F%d: %s\r\n" % (i, b"x" * 1000) for i in range(50))
    with s.connect() as a, s.connect() as b:
        a.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n" + fields)
        b.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n" + fields + b"\r\n01234")
        assert s.get("/echo").status == 200     # behind what they sent
        s.reload('limits { head = "1K", headers = 10, body = 1 }\n' + route("echo"))
        until(lambda: len(s.processes("zygote")) == 1, 10 * SLOW, "the old zygote to leave")
        a.send(b"\r\n")
        b.send(b"56789")
        assert a.read().status == 200
        assert b.read().body == b"0123456789"
        for c in (a, b):
            c.send(b"GET /echo HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
            assert c.read().status == 431
    with s.connect() as c:
        c.send(head("/echo", "POST", body=b"12"))
        assert c.read().status == 413


def test_another_reload_waits_for_one_that_hangs(serve, tmp_path):
    """It is given up, with its name; the next one loads what was mended meanwhile."""
    (tmp_path / "it.lua").write_text("return { run = function(self) self:rwrite('old') end }")
    s = serve('load_module ("module.lua", "lua")\nload_servlet ("%s/it.lua", "/it")\n' % tmp_path)
    (tmp_path / "it.lua").write_text("print 'begun' while true do end")
    s.reload()
    s.wait_log("begun")
    (tmp_path / "it.lua").write_text("return { run = function(self) self:rwrite('mended') end }")
    s.send_signal(signal.SIGHUP)
    assert s.get("/it").text == "old"
    s.wait_log("generation 2 takes too long to load and is given up")
    s.wait_log(r"error .*config\.conf:4: servlet \S*it\.lua was still being loaded")
    until(lambda: s.get("/it").text == "mended", 10 * SLOW, "what was mended")


def test_stop_while_reloading(serve):
    s = serve()
    s.send_signal(signal.SIGHUP)
    s.stop()


def test_reload_on_changes_of_a_servlet(serve, tmp_path):
    path = str(tmp_path / "it.so")
    shutil.copy(SERVLETS + "/hello.so", path)
    s = serve('reload "on"\nload_servlet ("%s", "/it")\n' % path)
    assert s.get("/it").body == b"hello\n"
    shutil.copy(SERVLETS + "/sleep.so", path + ".new")
    os.rename(path + ".new", path)
    until(lambda: s.get("/it?ms=0").text.strip().isdigit(), 10 * SLOW, what="the new servlet")


def test_reload_on_changes_of_the_configuration(serve):
    s = serve('reload "on"\n' + route("hello"))
    s.write('reload "on"\n' + route("hello", "/new"))
    until(lambda: s.get("/new").status == 200, 10 * SLOW, "the new route")
    s.write('reload "on"\nlisen 1\n')
    s.wait_log("lisen")
    assert s.get("/new").status == 200
    s.write('reload "on"\n' + route("hello", "/newer"))
    until(lambda: s.get("/newer").status == 200, 10 * SLOW, "the newer route")


def test_reload_on_mends_of_what_a_failed_reload_was_the_first_to_name(serve):
    s = serve('reload "on"\n' + route("hello"))
    more, less, it = (os.path.join(s.directory, name) for name in ("more.conf", "less.conf", "it.so"))

    def put(path, text):
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)

    put(more, "lisen 1\n")
    s.write('reload "on"\nload_config "more.conf"\n')
    s.wait_log("lisen")
    put(more, route("hello", "/included"))
    until(lambda: s.get("/included").status == 200, 10 * SLOW, "the mended file")
    s.write('reload "on"\nload_config "less.conf"\nload_servlet ("it.so", "/it")\n')
    s.wait_log("less.conf")
    put(less, route("hello", "/less"))
    s.wait_log(r"no such file .*it\.so", count=2)
    shutil.copy(SERVLETS + "/hello.so", it + ".new")
    os.rename(it + ".new", it)
    until(lambda: s.get("/it").status == 200 and s.get("/less").status == 200, 10 * SLOW, "the new servlet")


def test_reload_off_is_not_in_force_before_it_loads(serve):
    """What mends the configuration that says so is seen, and nothing after it."""
    s = serve('reload "on"\n' + route("hello"))
    master, it = s.process.pid, os.path.join(s.directory, "it.so")

    def watches():
        fds = "/proc/%d/fd" % master
        return any("inotify" in os.readlink(os.path.join(fds, fd)) for fd in os.listdir(fds))

    with open(it, "w") as f:
        f.write("not yet\n")
    s.write('load_servlet ("it.so", "/it")\n')
    s.wait_log("reload failed")
    shutil.copy(SERVLETS + "/hello.so", it + ".new")
    os.rename(it + ".new", it)
    until(lambda: s.get("/it").status == 200, 10 * SLOW, "the mended configuration")
    until(lambda: not watches(), 10 * SLOW, "the end of watching")
