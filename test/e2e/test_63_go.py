"""Go servlets: every function, init and cleanup, panics, signals, loading in the worker only."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import readme
import server as harness
import vocabulary
from client import until
from load import Load, at_once

vocabulary.need_module("go")

GO = "/usr/bin/go"
LIBRARIES = os.path.join(harness.TOP, "build/test/go")
SERVLET = LIBRARIES + "/servlet.go.so"
BROKEN = LIBRARIES + "/broken.go.so"
TEST = harness.EXAMPLES + "/go/test.go.so"
HELLO = harness.EXAMPLES + "/go/hello.go.so"

if not os.path.exists(SERVLET) or not os.path.exists(TEST):
    pytest.skip("Go servlets were not built", allow_module_level=True)

CONFIG = """
load_module ("module.go", "go.so")
load_servlet ("%s", "/test/*")
load_servlet ("%s", "/hello")
load_servlet ("%s", "/s/*")
load_servlet ("%s/crash.so", "/crash")
workers { min = 1, max = 64, idle_timeout = 1 }
""" % (TEST, HELLO, SERVLET, harness.SERVLETS)


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    s = harness.Server(tmp_path_factory.mktemp("server"), CONFIG,
                       env={"GREETING": "hello from outside"})
    s.start()
    yield s
    s.finish()


def test_hello(go):
    r = go.get("/hello")
    assert (r.status, r.text, r.framing) == (200, "Hello, world!\n", "length")
    assert r.get("Content-Type") == "text/html; charset=UTF-8"


def test_every_function(go):
    vocabulary.check_answers(go, "/test", "go", missing="", none="<nil>", end="EOF", stopped="7")
    r, body = vocabulary.ask(go, "/test")
    lines = r.body.split(b"\n")
    for line in ('lookup_arg arg: "1+1" true', 'lookup_arg missing: "" false',
                 'lookup_form field: "\xe4 & b" true', 'lookup_cookie color: "red" true',
                 'lookup_header User-Agent: "tester" true', 'lookup_header n\0ul: "" false',
                 "methods: POST /test/a b 1+1 true 3 2 1 1"):
        assert line.replace("\xe4", "\u00e4").encode() in lines, line
    assert r.get("X-Nul") is None
    go.wait_log(r"request \S+ /test/\*: header \"X-Nul\" is refused: there is a NUL in it")


def test_init_and_cleanup(serve):
    s = serve(CONFIG)
    with s.connect() as c:
        assert "init was called for /test/first\n" in c.request("/test/first").body.decode("latin-1")
        assert "init was called for /test/first\n" in c.request("/test/second").body.decode("latin-1")
        assert c.request("/s/pid").status == 200
    s.stop()
    s.expect_end = True
    assert s.log().count("test.go: cleanup was called") == 1
    assert s.log().count("servlet.go: OnCleanup was called") == 1


def test_octets(go):
    vocabulary.check_octets(go, "/s/octets")


def test_loaded_in_the_worker_only(go):
    go.get("/hello")

    def threads(pid):
        return len(os.listdir("/proc/%d/task" % pid))

    def maps(pid):
        with open("/proc/%d/maps" % pid) as f:
            return f.read()

    zygote, = go.processes("zygote")
    assert threads(zygote.pid) == 1
    assert ".go.so" not in maps(zygote.pid)
    assert any("hello.go.so" in maps(pid) for pid in go.workers())


@pytest.mark.parametrize("module", ["module.so", "so", "module/go.so"])
def test_any_name(serve, tmp_path, module):
    """A Go library is what it is, whatever module and extension it comes under."""
    shutil.copy(HELLO, tmp_path / "hello.x")
    s = serve('listen "127.0.0.1:{port}"\nload_module ("%s", {"so", "x"})\n'
              'load_servlet ("%s/hello.x", "/hello")\nload_servlet ("%s", "/s/*")\n'
              % (module, tmp_path, SERVLET), bare=True)
    for _ in range(2):
        assert s.get("/hello").text == "Hello, world!\n"
        assert s.get("/s/octets", method="POST", body=b"x").text == "x"
        s.reload()


def test_a_worker_lives_inside_every_runtime(serve, tmp_path):
    """From outside, entering Go for a request would take six system calls more."""
    for name in "ab":
        shutil.copy(SERVLET, tmp_path / f"{name}.go.so")
    s = serve('''load_module ("module.go", "go.so")
                 load_servlet ("%s/a.go.so", "/a/*")
                 load_servlet ("%s/a.go.so", "/again/*")
                 load_servlet ("%s/b.go.so", "/b/*")
                 load_servlet ("%s/crash.so", "/crash")
                 workers { max = 1 }''' % (tmp_path, tmp_path, tmp_path, harness.SERVLETS))
    for path in ("/a", "/again", "/b"):
        s.get(path + "/count")
    for path in ("/a", "/again", "/b", "/a"):
        # What came in the batch that loaded the library is still served outside.
        until(lambda: s.get(path + "/stack").text.count("modserver.modserverInside(") == 1,
              what="a call from inside")
        assert s.get(path + "/busy").status == 200
    assert s.get("/crash?how=segv").status == 500
    s.wait_log(r"signal 11")


def test_goroutines_and_the_collector(go):
    before = go.get("/s/count").text
    results = {go.get("/s/busy").text for _ in range(20)}
    assert results == {str(sum(i + 64 for i in range(20)))}
    assert int(go.get("/s/count").text) >= 1 and int(before) >= 1


def test_print_goes_to_the_error_log(go):
    assert go.get("/s/print").status == 204
    go.wait_log("^printed to stdout$")
    go.wait_log("^printed to stderr$")


def test_environment(go):
    assert go.get("/s/environment").text == "hello from outside 2"


def test_processes(go):
    assert go.get("/s/exec").text == "from a process <nil>"


def test_failure(go):
    with go.connect() as c:
        assert c.request("/s/fail").status == 500
        assert c.request("/s/pid").status == 200
    go.wait_log(r"request \S+ /s/\*: run returned 3")
    with go.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/s/late")


def crash(server, path, number, *patterns):
    """The crash is reported and costs this request, not the other connection."""
    report = r"signal %d \(.*%s" % (number, re.escape(path))
    before = len(re.findall(report, server.log()))
    with server.connect() as other, server.connect() as c:
        assert other.request("/hello").status == 200
        r = c.request(path)
        assert (r.status, r.get("Connection")) == (500, "close")
        server.wait_log(report, count=before + 1)
        assert other.request("/hello").status == 200
    for pattern in patterns:
        server.wait_log(pattern)


@pytest.mark.parametrize("what, patterns", [
    ("panic", ["panic: this servlet panics", r"main\.run"]),
    ("goroutine", ["panic: this goroutine panics"]),
    ("nil", ["nil pointer dereference", r"main\.run"]),
])
def test_panic_is_signal_6(go, what, patterns):
    crash(go, "/s/" + what, signal.SIGABRT, *patterns)


def test_crash_in_c_is_signal_11(go):
    crash(go, "/s/crash", signal.SIGSEGV)


def test_exit_is_reported(go):
    """os.Exit leaves nobody to answer, but the log has the request, and the next is served."""
    with go.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/s/exit")
    go.wait_log(r'called exit\(3\) running "GET /s/exit HTTP/1.1"')
    assert go.get("/hello").status == 200


def test_crash_of_a_c_servlet_is_signal_11(serve):
    """In the worker that has Go loaded."""
    s = serve(CONFIG.replace("max = 64", "max = 1"))
    with s.connect() as c:
        assert c.request("/s/busy").status == 200
        assert c.request("/crash?how=segv").status == 500
    s.wait_log(r"signal 11 \(SIGSEGV\).*/crash")
    assert s.get("/s/busy").status == 200


def test_signals_while_go_runs(serve):
    """Those that do nothing in a worker must not spoil a goroutine's stack."""
    s = serve(CONFIG)
    with Load(s.address, "/s/busy", body=None, threads=2, rate=100) as load:
        for _ in range(150):
            for pid in s.workers():
                try:
                    os.kill(pid, signal.SIGUSR1)
                    os.kill(pid, signal.SIGINT)
                except ProcessLookupError:
                    pass
            load.wait(2)
    assert "died" not in s.log()


def test_many_sleep_at_once(go):
    responses, seconds = at_once(go, ["/s/sleep"] * 30)
    assert [r.text for r in responses] == ["slept"] * 30


def test_reload_and_stop_under_load(serve):
    s = serve(CONFIG)
    with Load(s.address, "/s/busy", body=None, rate=50) as load:
        for _ in range(3):
            s.reload()
            load.wait(20)
    s.stop()
    s.expect_end = True


def test_term_finishes_what_was_accepted(serve):
    s = serve(CONFIG)
    with s.connect() as c:
        c.request("/s/sleep", read=False)
        harness.until(lambda: "sleep" in s.log() or s.workers(), what="a worker")
        harness.until(lambda: s.get("/s/pid").status == 200, what="another answer")
        s.send_signal(signal.SIGTERM)
        assert c.read().text == "slept"
    s.stop()
    s.expect_end = True


def check(tmp_path, text, **env):
    path = tmp_path / "check.conf"
    path.write_text(text)
    done = subprocess.run([harness.BINARY, "-t", path], capture_output=True, text=True, timeout=60,
                          env=harness.environment(str(tmp_path), **env))
    return done.returncode, done.stdout + done.stderr


def test_check_loads_go(tmp_path):
    status, text = check(tmp_path, 'load_module ("module.so", "so")' + CONFIG)
    assert status == 0 and "panic" not in text, text


@pytest.mark.parametrize("env, mistake", [
    ({}, "exports run or calls modserver.Handle in an init, and this does neither"),
    ({"BROKEN": "panic"}, r"(?s)this init panics.*check\.conf:2: .*signal 6"),
])
def test_check_finds_what_is_wrong_in_an_init(tmp_path, env, mistake):
    status, text = check(tmp_path, 'load_module ("module.go", "go.so")\n'
                         'load_servlet ("%s", "/x")\n' % BROKEN, **env)
    assert status == 1
    assert re.search(mistake, text), text


@pytest.mark.parametrize("name, mistake", [
    ("text", "no shared library"),
    ("program", "no shared library .build it with -buildmode=c-shared"),
    ("library", "exports no servlet"),
])
def test_mistakes_keep_the_server_from_starting(serve, tmp_path, name, mistake):
    path = tmp_path / "x.go.so"
    source = "int other(void) { return 0; } int main(void) { return other(); }"
    if name == "text":
        path.write_text("package main\n")
    else:
        subprocess.run(["cc", "-x", "c", "-", "-o", path] +
                       (["-shared", "-fPIC"] if name == "library" else ["-no-pie"]),
                       input=source, text=True, check=True)
    s = serve('load_module ("module.go", "go.so")\nload_servlet ("%s", "/x")\n' % path, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:4: .*" + mistake)


def test_a_broken_init_fails_at_the_first_request(serve):
    s = serve('load_module ("module.go", "go.so")\nload_servlet ("%s", "/x")\n' % BROKEN)
    assert s.get("/x").status == 500
    s.wait_log("broken.go.so could not be loaded: .*does neither")


@pytest.mark.plain
def test_the_readme_s_servlet(serve, tmp_path):
    """As a user makes one, with modules and without a network."""
    (tmp_path / "hello.go").write_text(readme.block("hello.go"))
    installed = "/usr/local/share/modserver/api/go"
    text = readme.block("go.mod")
    assert installed in text
    (tmp_path / "go.mod").write_text(text.replace(installed, harness.TOP + "/api/go"))
    env = dict(os.environ, GOCACHE=harness.TOP + "/build/go/cache", GOPATH=str(tmp_path / "path"),
               GOPROXY="off", GOFLAGS="", GO111MODULE="")
    subprocess.run([GO, "build", "-buildmode=c-shared", "-o", "hello.go.so"], cwd=tmp_path,
                   env=env, check=True, timeout=110)
    s = serve(readme.block("go.conf").replace("hello.go.so", "../hello.go.so"))
    assert re.match(r"Hello, 127\.0\.0\.1:\d+!\n$", s.get("/hello/x").text)
