"""One server with C, C++, Lua, Python, Ruby and Go servlets: all answer, and a crash in one costs one request."""

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
    "rb": "def run(s)\n  if get_path_info(s) == '/sleep'\n    rlog s, 'begun'\n    sleep 1\n  end\n  rwrite s, 'slept'\nend\n",
}
ROUTES = "/c", "/c++", "/lua/", "/py/", "/rb/", "/go/busy"


@pytest.fixture
def everything(serve, tmp_path):
    """One worker runs them all, unless more are busy at once."""
    text = ""
    for module, extension in ("lua", "lua"), ("python", "py"), ("ruby", "rb"):
        (tmp_path / ("a." + extension)).write_text(SLEEPERS[extension])
        text += 'load_module ("module.%s", "%s")\nload_servlet ("%s/a.%s", "/%s/*")\n' % (
            module, extension, tmp_path, extension, extension)
    text += 'load_module ("module.go", "go.so")\n'
    for path, route in (GO, "/go/*"), (CPP, "/c++"), (harness.EXAMPLES + "/c/hello.so", "/c"), (
            harness.SERVLETS + "/crash.so", "/crash"):
        text += 'load_servlet ("%s", "%s")\n' % (path, route)
    return serve(text + "workers { min = 1, max = 64, idle_timeout = 30 }\n")


def all_answer(server):
    for route in ROUTES:
        assert server.get(route).status == 200, route


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
    with everything.connect() as lua, everything.connect() as python, everything.connect() as ruby:
        clients = {"/lua/sleep": lua, "/py/sleep": python, "/rb/sleep": ruby}
        for path, client in clients.items():
            client.request(path, read=False)
        everything.wait_log("begun", count=len(clients))
        everything.send_signal(signal.SIGTERM)
        for path, client in clients.items():
            assert client.read().text == "slept", path
    everything.stop()
    everything.expect_end = True


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/lua/sleep", "/py/sleep"])
def test_thirty_one_second_requests_end_within_three(everything, path):
    responses, seconds = at_once(everything, [path] * 30)
    assert [r.text for r in responses] == ["slept"] * 30
    assert seconds < 3 * harness.SLOW
