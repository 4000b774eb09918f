"""Python servlets: every function, exceptions, isolation, threads and processes, venv."""

import os
import re
import signal
import subprocess

import pytest

import server as harness
import vocabulary

vocabulary.need_module("python")

PYTHON = "/usr/bin/python3"

SERVLETS = {
    "pid": """
import os
def run(s):
    s.rwrite(str(os.getpid()))
""",
    "octets": """
def run(s):
    while chunk := rread(s, 1000):
        assert type(chunk) is bytes
        rwrite(s, chunk)
""",
    "kinds": r"""
def run(s):
    n = s.rwrite("\xe4 ") + rwrite(s, b"b ") + rwrite(s, bytearray(b"ba ")) + rwrite(s, memoryview(b"mv "))
    rprintf(s, "%(n)d %(t)s|", {"n": n, "t": type(get_arg(s, "raw"))})
    rwrite(s, repr(get_arg(s, "raw")))
    rwrite(s, "|" + get_arg(s, "raw"))
    for wrong in (1, None, ["x"]):
        try:
            rwrite(s, wrong)
        except TypeError:
            rwrite(s, "|TypeError")
""",
    "error": """
def deep():
    raise ValueError("something \\xe4 broke")
def run(s):
    deep()
""",
    "exit": "import sys\ndef run(s): sys.exit(0)\n",
    "interrupt": "def run(s): raise KeyboardInterrupt\n",
    "unprintable": """
class Bad(Exception):
    def __str__(self): raise RuntimeError
def run(s): raise Bad
""",
    "recursion": "def run(s): run(s)\n",
    "coroutine": "async def run(s): rwrite(s, 'x')\n",
    "nul": "def run(s):\n  try: {}['a\\0b']\n  except KeyError: raise ValueError('a\\0b')\n",
    "late": "def run(s):\n  rwrite(s, 'x'); rflush(s); raise ValueError('late')\n",
    "print": "import sys\ndef run(s): print('printed'); print('to stderr', file=sys.stderr)\n",
    "headers": r"""
def run(s):
    set_header(s, "X-Nul", "a\0b"); set_header(s, "X-Line", "a\r\nX-Evil: 1"); rwrite(s, "x")
""",
    "kept": """
kept = []
def run(s):
    for old in kept:
        try:
            old.get_path()
        except RuntimeError as e:
            rwrite(s, str(e))
    kept[:] = [s]
    rwrite(s, " " + get_path(s))
""",
    "init": """
ready = 0
def init(s):
    global ready
    if get_arg(s, "fail"):
        raise ValueError("init is not ready")
    ready += 1
def run(s):
    rwrite(s, str(ready))
def cleanup():
    print("cleaned up")
import atexit
atexit.register(print, "atexit too")
""",
    "threads": """
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)
def init(s):
    threading.Thread(target=tick, daemon=True).start()
def run(s):
    answers = []
    def use():
        try:
            s.rwrite("x")
        except RuntimeError as e:
            answers.append("refused")
    workers = [threading.Thread(target=use) for _ in range(4)]
    for t in workers: t.start()
    for t in workers: t.join()
    rwrite(s, "%d %s" % (ticks, "".join(answers)))
""",
    "processes": """
import concurrent.futures, multiprocessing, os, subprocess, sys
def double(x): return 2 * x
def put(queue): queue.put("from a process")
def run(s):
    print("before")
    rwrite(s, subprocess.check_output(["printf", "sub"]))
    rwrite(s, subprocess.run([sys.executable, "-c", "import sys; print(sys.version_info[0])"],
                             capture_output=True, text=True, check=True).stdout)
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=put, args=(queue,))
    process.start()
    rwrite(s, queue.get() + "\\n")
    process.join()
    with multiprocessing.Pool(2) as pool:
        rwrite(s, str(pool.map(double, [1, 2])))
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        rwrite(s, str(pool.submit(double, 3).result()))
    rwrite(s, os.popen("echo popen").read())
""",
    "fork": """
import os, sys
def run(s):
    for how in "return", "exit", "raise":
        pid = os.fork()
        if pid == 0:
            if how == "exit": sys.exit(7)
            if how == "raise": raise ValueError("in the child")
            return
        rwrite(s, "%d " % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "extensions": """
import ctypes, decimal, hashlib, json, sqlite3, ssl, zlib
def run(s):
    rwrite(s, "%s %d %s" % (sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0],
        ctypes.CDLL(None).getpid() > 0, ssl.create_default_context().check_hostname))
""",
    "signals": """
import signal
def run(s):
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda *a: seen.append(1))
    signal.raise_signal(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)
    try:
        import socket
        a, b = socket.socketpair(); b.close(); a.send(b"x")
    except BrokenPipeError:
        seen.append("pipe")
    rwrite(s, repr(seen))
""",
    "visit": """
def run(s):
    def visit(name, value): raise ValueError("stop")
    try:
        each_arg(s, visit)
    except ValueError as e:
        rwrite(s, str(e))
    rwrite(s, " %r %r" % (each_arg(s), each_arg(s, lambda n, v: v == "2" and n)))
""",
    "time": """
import dataclasses, pickle, time
@dataclasses.dataclass
class Point:
    x: "int"
def run(s):
    rwrite(s, "%s %s" % (pickle.loads(pickle.dumps(Point(3))), time.sleep.__name__))
""",
}


def config(directory, servlets):
    """Writes the servlets and returns their configuration."""
    lines = ['load_module ("module.python", "py")\n']
    for name, text in servlets.items():
        path = directory / (name + ".py")
        path.write_text("from modserver import *\n" + text)
        lines.append('load_servlet ("%s", "/%s")\n' % (path, name))
    return lines


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A server with all of them, and two directories with files of the same names."""
    directory = tmp_path_factory.mktemp("python")
    lines = config(directory, SERVLETS)
    for name in "one", "two":
        here = directory / name
        (here / "package").mkdir(parents=True)
        (here / "helper.py").write_text("name = 'helper of %s'\n" % name)
        (here / "lazy.py").write_text("name = 'lazy of %s'\n" % name)
        (here / "package/__init__.py").write_text("")
        (here / "package/part.py").write_text("name = 'part of %s'\n" % name)
        (here / "same.py").write_text("""
import helper
from modserver import *
count = 0
def run(s):
    global count
    count += 1
    import lazy
    from package import part
    rwrite(s, ", ".join([helper.name, lazy.name, part.name, __name__, str(count)]))
""")
        lines.append('load_servlet ("%s/same.py", "/%s/same")\n' % (here, name))
        lines.append('load_servlet ("%s/same.py", "/%s/again")\n' % (here, name))
    lines.append('load_servlet ("%s/python/test.py", "/test/*")\n' % harness.EXAMPLES)
    lines.append('load_servlet ("%s/python/hello.py", "/hello")\n' % harness.EXAMPLES)
    lines.append('load_servlet ("%s/python/guestbook.py", "/guestbook")\n' % harness.EXAMPLES)
    lines.append('workers { min = 1, max = 1 }\n')
    s = harness.Server(tmp_path_factory.mktemp("server"), "".join(lines),
                       env={"GUESTBOOK": str(directory / "guestbook.sqlite")})
    s.start()
    yield s
    s.finish()
    for line in "test.py: cleanup was called", "cleaned up", "atexit too":
        assert line in s.log()


def test_hello(python):
    r = python.get("/hello")
    assert (r.status, r.text, r.framing) == (200, "Hello, world!\n", "length")
    assert r.get("Content-Type") == "text/html; charset=UTF-8"


def test_every_function(python):
    vocabulary.check_answers(python, "/test", "python", missing="None", end="b''",
                             true="True", false="False")


def test_octets(python):
    vocabulary.check_octets(python, "/octets")


def test_text_and_octets(python):
    r = python.get("/kinds?raw=%FF%C3%A4")
    assert r.body == b"\xc3\xa4 b ba mv 11 <class 'str'>|'\\udcff\xc3\xa4'|\xff\xc3\xa4" + 3 * b"|TypeError"


def test_exceptions(python):
    log = vocabulary.check_failure(python, "/error", "Traceback .most recent call last.",
                                   'File ".*/error.py", line 6, in run', "ValueError: something \xe4 broke")
    assert "importlib" not in log
    vocabulary.check_failure(python, "/nul", r"KeyError: 'a\\x00b'$", r"ValueError: a\\x00b$")
    vocabulary.check_failure(python, "/interrupt", "KeyboardInterrupt")
    vocabulary.check_failure(python, "/unprintable", "Bad")
    vocabulary.check_failure(python, "/recursion", "RecursionError")
    vocabulary.check_failure(python, "/coroutine", "not async def")


def test_exit_of_the_process(serve, tmp_path):
    """os._exit runs nothing, and yet the client has an answer."""
    (tmp_path / "a.py").write_text("import os\ndef run(s): os._exit(3)\n")
    s = serve('load_module ("module.python", "py")\nload_servlet ("%s/a.py", "/x")\n' % tmp_path)
    assert s.get("/x").status == 500
    s.wait_log(r"called exit\(3\)")


def test_exit_costs_the_request_only(python):
    pid = python.get("/pid").text
    vocabulary.check_failure(python, "/exit", "SystemExit: 0")
    assert python.get("/pid").text == pid


def test_exception_after_the_head_cuts_the_connection(python):
    with python.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/late")
    python.wait_log("ValueError: late")


def test_print_goes_to_the_error_log(python):
    assert python.get("/print").status == 204
    python.wait_log("^printed$")
    python.wait_log("^to stderr$")


def test_headers_that_cannot_be_sent(python):
    r = python.get("/headers")
    assert r.status == 200
    assert not r.all("X-Nul") and not r.all("X-Line") and not r.all("X-Evil")
    python.wait_log("X-Nul has NUL in it")


def test_servlet_object_dies_with_its_request(python):
    python.get("/kept")
    assert python.get("/kept").text == "the request of this object is over /kept"


def test_init(python):
    vocabulary.check_failure(python, "/init?fail=1", "init is not ready")
    assert python.get("/init").text == "1"
    assert python.get("/init?fail=1").text == "1"


def test_threads_go_on_between_requests(python):
    first = python.get("/threads").text.split()
    assert first[1] == 4 * "refused"

    def has_ticked():
        return int(python.get("/threads").text.split()[0]) > int(first[0]) + 50
    harness.until(has_ticked, 20)


def test_threads_are_waited_for(serve, tmp_path):
    """What a request leaves to a thread is done, although the worker stops."""
    os.mkfifo(tmp_path / "fifo")

    def writer():
        try:
            return os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:     # nobody reads it yet
            return None

    (tmp_path / "a.py").write_text("""
import threading
def work():
    with open(%r) as fifo: print("read", fifo.read())
def run(s):
    threading.Thread(target=work).start()
    s.rwrite("begun")
""" % str(tmp_path / "fifo"))
    s = serve('load_module ("module.python", "py")\nload_servlet ("%s/a.py", "/x")\n' % tmp_path)
    assert s.get("/x").text == "begun"
    s.send_signal(signal.SIGTERM)
    s.wait_log("stopping")
    with open(harness.until(writer, 10, "the thread"), "w") as fifo:
        fifo.write("to its end")
    s.stop()
    assert "read to its end" in s.log()


def test_threads_that_are_lost_are_named(serve, tmp_path):
    """Those started at load are not in workers; who starts them again there is left in peace."""
    text = """
import os, threading, time
def start(): threading.Thread(target=time.sleep, args=(60,), name="ticker", daemon=True).start()
start()
%s
def run(s): s.rwrite(str(threading.active_count()))
"""
    for again, count in ("", "1"), ("os.register_at_fork(after_in_child=start)", "2"):
        (tmp_path / "a.py").write_text(text % again)
        s = serve('load_module ("module.python", "py")\nload_servlet ("%s/a.py", "/x")\n'
                  'workers { min = 2 }\n' % tmp_path, env={"LEAKS": "0"})     # it cannot stop the daemon
        harness.until(lambda: len(s.workers()) == 2, 20)
        assert s.get("/x").text == count
        assert len(re.findall(r"error .*threads .* do not run in workers .*: ticker$", s.log(), re.M)) == (
            count == "1")


def test_processes(python):
    assert python.get("/processes").text == "sub3\nfrom a process\n[2, 4]6popen\n"
    assert python.log().count("before") == 1


def test_fork_in_a_servlet_leaves_no_second_worker(python):
    assert python.get("/fork").text == "0 7 1 "
    python.wait_log("ValueError: in the child")
    assert len(python.workers()) == 1


def test_extension_modules(python):
    assert python.get("/extensions").text == "42 1 True"


def test_signals(python):
    assert python.get("/signals").text == "[1, 'pipe']"


def test_visit(python):
    assert python.get("/visit?a=1&b=2").text == "stop [('a', '1'), ('b', '2')] 'b'"


def test_file_with_the_name_of_a_library_module(python):
    assert python.get("/time").text == "Point(x=3) sleep"


def test_same_names_in_two_directories(python):
    for count in 1, 3:
        for name in "one", "two":
            expected = "helper of %s, lazy of %s, part of %s, same, " % (name, name, name)
            assert python.get("/%s/same" % name).text == expected + str(count)
            # Two routes of one file share its module.
            assert python.get("/%s/again" % name).text == expected + str(count + 1)


def test_guestbook(python):
    with python.connect() as c:
        form = ("Content-Type", "application/x-www-form-urlencoded")
        r = c.request("/guestbook", "POST", [form], b"name=Ada+%26+Co&text=%3Cb%3Ehi%3C/b%3E%C3%A4")
        assert r.status == 303 and r.get("Location") == "/guestbook"
        page = c.request("/guestbook").text
        assert "Ada &amp; Co" in page and "&lt;b&gt;hi&lt;/b&gt;\xe4" in page
        assert c.request("/guestbook", "POST", [form], b"name=&text=x").status == 400
        assert c.request("/guestbook", "POST", [form], b"name=%FF&text=x").status == 303


@pytest.mark.parametrize("text, mistake", [
    ("x = \n", r"SyntaxError"),
    ("def f(): raise ValueError('at load')\nf()\n", "ValueError: at load"),
    ("run = 1\n", r"neither run\(s\) nor a WSGI application"),
    ("import nonesuch\n", "No module named 'nonesuch'"),
    ("import sys; sys.exit(0)\n", "SystemExit"),
])
def test_mistakes_at_load(serve, tmp_path, text, mistake):
    path = tmp_path / "mistake.py"
    path.write_text(text)
    s = serve('load_module ("module.python", "py")\nload_servlet ("%s", "/x")\n' % path, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:4: ")
    s.wait_log(mistake)
    assert "importlib" not in s.log()


@pytest.mark.parametrize("option, mistake", [
    ('color = "red"', 'no option "color"'),
    ('venv = "nonesuch"', r"/nonesuch\" is no virtual environment"),
])
def test_mistakes_in_options(serve, option, mistake):
    s = serve('load_module { "module.python", "py", %s }\n' % option, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:3: .*" + mistake)


def test_virtual_environment(serve, tmp_path):
    if subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "venv"]).returncode != 0:
        pytest.skip("no venv: apt-get install python3-venv")
    library, = (tmp_path / "venv/lib").glob("python3*/site-packages")
    (library / "installed.py").write_text("name = 'installed'\n")
    (tmp_path / "servlet.py").write_text(
        "import installed, sys\n"
        "def run(s): s.rwrite(' '.join([installed.name, sys.prefix, sys.executable]))\n")
    s = serve('load_module { "module.python", "py", venv = "../venv" }\n'
              'load_servlet ("../servlet.py", "/x")\n',
              env={"PATH": "/nonesuch:" + os.environ["PATH"]})
    venv = os.path.join(s.directory, "../venv")
    name, prefix, executable = s.get("/x").text.split()
    assert name == "installed"
    assert os.path.samefile(prefix, venv)
    assert os.path.samefile(os.path.dirname(executable), venv + "/bin")
    s.wait_log(r"Python 3\.\d+\.\d+, prefix %s, \S*libpython" % prefix)


def test_own_directory_is_first_on_the_path(serve, tmp_path):
    (tmp_path / "a.py").write_text(
        "import sys\nfirst = sys.path[0]\ndef run(s): s.rwrite(first + ' ' + sys.path[0])\n")
    s = serve('load_module ("module.python", "py")\nload_servlet ("%s/a.py", "/x")\n' % tmp_path)
    assert s.get("/x").text == "%s %s" % (tmp_path, tmp_path)
