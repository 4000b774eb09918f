"""One server with C, C++, Lua, Python, Ruby, Scheme, Go and CGI: all answer, and a crash in one costs one request."""

import contextlib
import os
import signal

import pytest

import server as harness
import vocabulary
from load import at_once

for name in "lua", "python", "ruby", "go":
    vocabulary.need_module(name)

GO = os.path.join(harness.TOP, "build/test/go/servlet.go.so")
CPP = harness.EXAMPLES + "/c++/hello.so"

if not os.path.exists(GO) or not os.path.exists(CPP):
    pytest.skip("Go or C++ servlets were not built", allow_module_level=True)
if harness.SANITIZED:
    pytest.skip("each language's own file runs there", allow_module_level=True)

SLEEPERS = {
    "lua": "return { run = function(self)\n"
           "  if self:get_path_info() == '/sleep' then self:rlog('begun') os.execute('sleep 1') end\n"
           "  self:rwrite('slept')\nend }\n",
    "py": "import time\nfrom modserver import *\n\ndef run(s):\n"
          "    if get_path_info(s) == '/sleep':\n        rlog(s, 'begun')\n        time.sleep(1)\n    rwrite(s, 'slept')\n",
    "cgi": "#!/bin/sh\n"
           "if [ \"$PATH_INFO\" = /sleep ]; then echo begun >&2; sleep 1; fi\n"
           "printf 'Content-Type: text/plain\\r\\n\\r\\nslept'\n",
    "scm": "(use-modules (modserver))\n(define (run s)\n"
           "  (when (string=? (get-path-info s) \"/sleep\") (rlog s \"begun\") (sleep 1))\n"
           "  (rwrite s \"slept\"))\n",
    "rb": "def run(s)\n  if get_path_info(s) == '/sleep'\n    rlog s, 'begun'\n    sleep 1\n  end\n  rwrite s, 'slept'\nend\n",
}
MODULES = [("lua", "lua"), ("python", "py"), ("ruby", "rb"), ("cgi", "cgi")]
if os.path.exists(os.path.join(os.path.dirname(harness.BINARY), "module/guile.so")):
    MODULES.append(("guile", "scm"))
ROUTES = ["/c", "/c++", "/go/busy"] + ["/%s/" % extension for module, extension in MODULES]


def configuration(directory):
    """One worker runs them all, unless more are busy at once."""
    text = ""
    for module, extension in MODULES:
        (directory / ("a." + extension)).write_text(SLEEPERS[extension])
        (directory / ("a." + extension)).chmod(0o755)
        text += 'load_module ("module.%s", "%s")\nload_servlet ("%s/a.%s", "/%s/*")\n' % (
            module, extension, directory, extension, extension)
    text += 'load_module ("module.go", "go.so")\n'
    for path, route in (GO, "/go/*"), (CPP, "/c++"), (harness.EXAMPLES + "/c/hello.so", "/c"), (
            harness.SERVLETS + "/crash.so", "/crash"), (harness.SERVLETS + "/sleep.so", "/sleep"):
        text += 'load_servlet ("%s", "%s")\n' % (path, route)
    return text + "workers { min = 1, max = 64, idle_timeout = 30 }\n"


@pytest.fixture
def everything(serve, tmp_path):
    return serve(configuration(tmp_path))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    s = harness.Server(tmp_path_factory.mktemp("server"), configuration(tmp_path_factory.mktemp("all")))
    s.start()
    yield s
    s.finish()


def all_answer(server):
    for route in ROUTES:
        assert server.get(route).status == 200, route


def inherited(pid):
    """The descriptors that a program would inherit, but for standard input, output and error."""
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError), open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
            flags = next(int(line.split()[1], 8) for line in f if line.startswith("flags:"))
            if int(fd) > 2 and not flags & os.O_CLOEXEC:
                yield os.readlink("/proc/%d/fd/%s" % (pid, fd))


def test_no_descriptor_is_left_open_for_programs(shared):
    """Neither the server's own nor those of a runtime."""
    all_answer(shared)
    processes = shared.processes()
    assert len(processes) >= 3
    for p in processes:
        assert not list(inherited(p.pid)), p


def test_all_answer_and_a_crash_costs_one_request(everything):
    all_answer(everything)
    for path, number in ("/crash?how=segv", signal.SIGSEGV), ("/go/panic", signal.SIGABRT):
        with everything.connect() as c:
            r = c.request(path)
            assert (r.status, r.get("Connection")) == (500, "close")
        everything.wait_log(r"signal %d \(%s\).*/" % (number, number.name))
        all_answer(everything)
    assert everything.log().count("died") == 2, everything.log()


def test_each_leaves_the_signals_of_the_others_alone(everything):
    """Ruby's threads wake each other with VTALRM; Go and Python come later."""
    all_answer(everything)
    zygote, = everything.processes("zygote")
    for pid in [zygote.pid] + everything.workers():
        os.kill(pid, signal.SIGVTALRM)
    all_answer(everything)
    assert "died" not in everything.log()


def test_term_finishes_what_each_has_begun(everything):
    all_answer(everything)
    with contextlib.ExitStack() as stack:
        clients = {"/%s/sleep" % extension: stack.enter_context(everything.connect())
                   for module, extension in MODULES}
        for path, client in clients.items():
            client.request(path, read=False)
        everything.wait_log("begun", count=len(clients))
        everything.send_signal(signal.SIGTERM)
        for path, client in clients.items():
            assert client.read().text == "slept", path
    everything.stop()
    everything.expect_end = True


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/sleep", "/go/sleep"] + ["/%s/sleep" % e for m, e in MODULES])
def test_thirty_one_second_requests_end_within_three(shared, path):
    responses, seconds = at_once(shared, [path] * 30)
    assert all(r.status == 200 for r in responses)
    assert 1 < seconds < 3 * harness.SLOW


STUCK = {
    "lua": ("local function deep()\n  while true do tostring(1) end\nend\nreturn { run = function(self)\n  deep()\nend }\n",
            r"\n  \S*a\.lua:2\n  \S*a\.lua:5\n"),
    "py": ("import time\ndef deep():\n    time.sleep(60)\ndef run(s):\n    deep()\n",
           r'\n  File "\S*/a\.py", line 3 in deep\n  File "\S*/a\.py", line 5 in run\n'),
    "rb": ("def deep\n  sleep 60\nend\ndef run(s)\n  deep\nend\n",
           r"\n  \S*/a\.rb:2:in `deep'\n  \S*/a\.rb:5:in `run'\n"),
}


def test_where_one_is_that_is_stuck(serve, tmp_path):
    """A request that is over its time, or crashes, is shown in the language's own lines."""
    crash = tmp_path / "crash.py"
    crash.write_text("import ctypes\ndef run(s):\n    ctypes.string_at(0)\n")
    text = ""
    for module, extension in ("lua", "lua"), ("python", "py"), ("ruby", "rb"):
        (tmp_path / ("a." + extension)).write_text(STUCK[extension][0])
        text += 'load_module ("module.%s", "%s")\nload_servlet { "%s/a.%s", "/%s", timeout = 0.3 }\n' % (
            module, extension, tmp_path, extension, extension)
    s = serve(text + 'load_servlet ("%s", "/crash")\n' % crash)
    responses, _ = at_once(s, ["/" + extension for extension in STUCK])
    assert [r.status for r in responses] == [504] * 3
    assert s.get("/crash").status == 500
    for extension in STUCK:
        s.wait_log(STUCK[extension][1])
    s.wait_log(r"\n\tin python, request \S+:\n(.*\n)*?  File \"%s\", line 3 in run\n" % crash)
