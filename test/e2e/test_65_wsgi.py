"""WSGI: PEP 3333 to the letter, under wsgiref.validate and without."""

import json
import re

import pytest

import server as harness
import vocabulary
from client import head

vocabulary.need_module("python")

APPLICATION = r"""
import gzip, json, os, sys, tempfile, threading, time
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]

def environ(environ, start_response):
    shown = {k: v if isinstance(v, (str, bool, tuple)) else type(v).__name__ for k, v in environ.items()}
    body = json.dumps(dict(shown, exact=type(environ) is dict)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]

def read(environ, start_response):
    start_response("200 OK", TEXT)
    data = environ["wsgi.input"]
    how = environ["QUERY_STRING"]
    if how == "read":
        parts = [data.read(), data.read(), data.read(10)]
    elif how == "sized":
        parts = []
        while parts[-1:] != [b""]:
            parts.append(data.read(1000))
    elif how == "readline":
        parts = [data.readline(2), data.readline(100), data.read(3), data.readline(), data.read(1)]
        while parts[-1:] != [b""]:
            parts.append(data.readline())
    elif how == "readlines":
        parts = data.readlines(4) + [b"|"] + data.readlines()
    elif how == "iterate":
        parts = list(data)
    return [repr([len(p) if len(p) > 99 else p for p in parts]).encode()]

def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return iter(lambda: environ["wsgi.input"].read(8192), b"")

def write(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"")
    return [b"and ", b"returned"]

class Body:
    closed = []
    def __init__(self, parts, name):
        self.parts, self.name = list(parts), name
    def __iter__(self):
        for part in self.parts:
            if part is None:
                raise ValueError("while iterating")
            yield part
    def close(self):
        self.closed.append(self.name)
        if self.name == "close":
            raise ValueError("while closing")

class Single(Body):
    def __len__(self):
        return 1

def bodies(environ, start_response):
    how = environ["QUERY_STRING"]
    if how == "closed":
        start_response("200 OK", TEXT)
        closed, Body.closed[:] = " ".join(Body.closed), []
        return [closed.encode()]
    if how == "before":
        return Body([None], how)
    length = [("Content-Length", "3")] if how == "length" else []
    start_response("200 OK", TEXT + length)
    if how == "late":
        return Body([b"x" * 100, None], how)
    if how == "kind":
        return Body(["text"], how)
    if how == "single":
        return Single([b"x" * 100000], how)
    return Body([b"a", b"", b"bc"], how)

def exc_info(environ, start_response):
    how = environ["QUERY_STRING"]
    write = start_response("200 Fine", TEXT + [("X-First", "1"), ("Content-Length", "1000")])
    if how == "sent":
        write(b"x")
    try:
        raise KeyError("first")
    except KeyError:
        if how == "none":
            start_response("500 Oops", TEXT)
        start_response("503 Oops", [("X-Second", "2"), ("Content-Type", "text/x-error")], sys.exc_info())
    return [b"replaced"]

BAD = {
    "hop": ("200 OK", [("Connection", "close")]),
    "coding": ("200 OK", [("transfer-encoding", "chunked")]),
    "split": ("200 OK", [("X-A", "a\r\nX-Evil: 1")]),
    "name": ("200 OK", [("X A", "a")]),
    "unicode": ("200 OK", [("X-A", "\u20ac")]),
    "bytes": ("200 OK", [(b"X-A", "a")]),
    "pair": ("200 OK", [["X-A", "a"]]),
    "tuple": ("200 OK", (("X-A", "a"),)),
    "number": (200, []),
    "status": ("OK", []),
    "length": ("200 OK", [("Content-Length", "many")]),
}

def bad(environ, start_response):
    start_response(*BAD[environ["QUERY_STRING"]])
    return [b"x"]

def never(environ, start_response):
    return []

def plain(environ, start_response):
    start_response("200 OK", [("X-Latin", "\xe4"), ("Set-Cookie", "one=1"), ("Set-Cookie", "two=2")])
    return (b"plain",)

def empty(environ, start_response):
    start_response(environ["QUERY_STRING"] + " X", [("ETag", '"e"')])
    return []

def stream(environ, start_response):
    # The head leaves with the first octet, not before.
    start_response("200 OK", TEXT)
    wait = environ["QUERY_STRING"]
    yield b""
    for number in b"1", b"2":
        yield number
        while not os.path.exists(wait + number.decode()):
            time.sleep(0.01)
    yield b"3"

def file(environ, start_response):
    how = environ["QUERY_STRING"]
    path = __file__
    headers = [("Content-Type", "text/plain")]
    if how == "gzip":
        packed = tempfile.NamedTemporaryFile()
        with gzip.open(packed.name, "wb") as f:
            f.write(b"unpacked")
        return_ = gzip.open(packed.name)
        start_response("200 OK", headers)
        return environ["wsgi.file_wrapper"](return_)
    f = open(path, "rb")
    if how == "offset":
        f.readline()
        f.read(4)
        headers.append(("Content-Length", "11"))
    elif how == "temporary":
        f = tempfile.NamedTemporaryFile()
        f.write(b"temporary")
        f.seek(0)
    start_response("200 OK", headers)
    wrapped = environ["wsgi.file_wrapper"](f, 100)
    return iter(wrapped) if how == "iterate" else wrapped

kept = []
def keep(environ, start_response):
    start_response("200 OK", TEXT)
    said = []
    for input, start in kept:
        for call in input.read, lambda: start("200 OK", []):
            try:
                call()
            except RuntimeError:
                said.append("dead")
    kept[:] = [(environ["wsgi.input"], start_response)]
    return [" ".join(said).encode()]

def errors(environ, start_response):
    log = environ["wsgi.errors"]
    log.write("first line\nsecond ")
    log.writelines(["line\n", "third"])
    log.flush()
    thread = threading.Thread(target=log.write, args=["of a thread\n"])
    thread.start()
    thread.join()
    log.write("without an end")
    start_response("200 OK", TEXT)
    return [b"logged"]

def fail(environ, start_response):
    raise LookupError("on purpose")

def leave(environ, start_response):
    sys.exit(0)

async def asynchronous(environ, start_response):
    pass

def nothing(environ, start_response):
    start_response("200 OK", TEXT)

def fork(environ, start_response):
    start_response("200 OK", TEXT)
    pid = os.fork()
    if pid:
        return [b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]
    return [b"child"]

def pid(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"%d" % os.getpid()]

checked = {name: validator(globals()[name]) for name in (
    "environ", "write", "bodies", "stream", "file", "errors", "echo", "pid")}

def app(environ, start_response):
    name = environ["PATH_INFO"].split("/")[1]
    if environ["HTTP_X_VALIDATE"] == "yes":
        return checked[name](environ, start_response)
    return globals()[name](environ, start_response)
"""

CLASS = """
class Application:
    def __init__(self, environ, start_response):
        self.start = start_response
    def __iter__(self):
        self.start("200 OK", [("Content-Type", "text/plain")])
        yield b"of a class"
def factory():
    return Application
run_is_no_function = 1
application = Application
init = cleanup = 3
"""


@pytest.fixture(scope="module")
def wsgi(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wsgi")
    (directory / "everything.py").write_text(APPLICATION)
    (directory / "package").mkdir()
    (directory / "package/__init__.py").write_text("")
    (directory / "package/part.py").write_text(CLASS)
    server = tmp_path_factory.mktemp("server")
    (server / "beside.py").write_text(CLASS)
    s = harness.Server(server, """
load_module ("module.python", "py")
load_servlet ("{0}/everything.py", "/*")
load_servlet ("{0}/everything.py", "/shop/*")
load_servlet ("{0}/everything.py", "/environ/exact")
load_servlet ("{0}/everything.py", "/environ/slash/")
load_servlet ("{0}/package/part.py", "/class")
load_servlet ("beside:application", "/module/*")
load_servlet ("beside:factory()", "/factory/*")
workers {{ min = 1, max = 1 }}
""".format(directory))
    s.start()
    yield s
    s.finish()


# Through wsgiref.validate and without it.
both = pytest.mark.parametrize("validate", ["yes", "no"])


def ask(server, target, method="GET", headers=(), body=None, validate="no", **more):
    with server.connect() as c:
        return c.request(target, method, [("X-Validate", validate), *headers], body, **more)


def environ(server, target, **more):
    return json.loads(ask(server, target, **more).text)


@both
def test_environ(wsgi, validate):
    e = environ(wsgi, "/shop/environ/a%2Fb/%C3%A4%FF?x=%41&y", validate=validate, method="POST",
                headers=[("Content-Type", "text/x"), ("User-Agent", "tester")], body=b"12345")
    expected = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/shop", "PATH_INFO": "/environ/a/b/\xc3\xa4\xff",
        "QUERY_STRING": "x=%41&y", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "5",
        "SERVER_NAME": "test", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "test", "HTTP_USER_AGENT": "tester",
        "REQUEST_URI": "/shop/environ/a%2Fb/%C3%A4%FF?x=%41&y",
        "RAW_URI": "/shop/environ/a%2Fb/%C3%A4%FF?x=%41&y",
        "wsgi.version": [1, 0], "wsgi.url_scheme": "http", "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False, "wsgi.input_terminated": True,
        "wsgi.file_wrapper": "type" if validate == "no" else e["wsgi.file_wrapper"],
    }
    assert {k: e.get(k) for k in expected} == expected
    assert e["exact"] and int(e["REMOTE_PORT"]) > 0
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTPS"} & set(e)


def test_script_name(wsgi):
    for target, name, info in (
            ("/environ/x", "", "/environ/x"), ("/shop/environ", "/shop", "/environ"),
            ("/shop/environ/", "/shop", "/environ/"), ("/environ//x", "", "/environ//x")):
        e = environ(wsgi, target)
        assert (e["SCRIPT_NAME"], e["PATH_INFO"]) == (name, info)
    # Of exact routes there is no rest, or the slash.
    assert ask(wsgi, "/environ/exact").status == 500
    wsgi.wait_log("IndexError")


def test_nothing_is_left_from_the_request_before(wsgi):
    first = environ(wsgi, "/environ", method="POST", body=b"x", headers=[
        ("Content-Type", "a/b"), ("X-Only", "first"), ("Cookie", "a=1")])
    second = environ(wsgi, "/environ")
    assert set(first) - set(second) == {"CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_ONLY", "HTTP_COOKIE"}


def test_header_fields(wsgi):
    e = environ(wsgi, "/environ", headers=[
        ("X-Twice", "1"), ("x-twice", "2"), ("X-Twice", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"),
        ("X_Real_IP", "spoofed"), ("Proxy", "evil"), ("X-Latin", "\xe4"), ("X-Empty", ""),
        ("X-" + "Long" * 20, "long"), ("X-Big", "b" * 5000)])
    assert e["HTTP_X_TWICE"] == "1,2,2" and e["HTTP_COOKIE"] == "a=1; b=2"
    assert e["HTTP_X_LATIN"] == "\xe4" and e["HTTP_X_EMPTY"] == ""
    assert e["HTTP_X_" + "LONG" * 20] == "long" and e["HTTP_X_BIG"] == "b" * 5000
    assert not {"HTTP_X_REAL_IP", "HTTP_PROXY"} & set(e)


def test_chunked_body_has_a_length(wsgi):
    e = environ(wsgi, "/environ", method="POST", body=b"x" * 1234, chunk=100)
    assert e["CONTENT_LENGTH"] == "1234"
    assert "HTTP_TRANSFER_ENCODING" not in e
    assert environ(wsgi, "/environ", method="POST", body=b"")["CONTENT_LENGTH"] == "0"


def test_input(wsgi):
    def read(how, body, **more):
        return eval(ask(wsgi, "/read?" + how, "POST", body=body, **more).text)
    lines = b"ab\ncd\n\nlast"
    assert read("read", lines) == [lines, b"", b""]
    assert read("read", lines, chunk=2) == [lines, b"", b""]
    assert read("sized", b"x" * 2500) == [1000, 1000, 500, b""]
    assert read("readline", lines) == [b"ab", b"\n", b"cd\n", b"\n", b"l", b"ast", b""]
    assert read("readlines", lines) == [b"ab\n", b"cd\n", b"|", b"\n", b"last"]
    assert read("iterate", lines) == [b"ab\n", b"cd\n", b"\n", b"last"]
    # Lines that are longer than what is read ahead.
    assert read("iterate", b"x" * 40000 + b"\n" + b"y" * 20000) == [40001, 20000]
    assert read("iterate", b"") == []


@both
def test_octets(wsgi, validate):
    data = bytes(range(256)) * 1200
    for more in {}, {"chunk": 999}:
        r = ask(wsgi, "/echo", "POST", body=data, **more)
        assert r.body == data and r.framing == "chunked"


@both
def test_write(wsgi, validate):
    assert ask(wsgi, "/write", validate=validate).text == "written and returned"


def test_write_ends_with_its_client(serve, tmp_path):
    """It raises once nobody reads what is written; that is no failure to be logged."""
    (tmp_path / "flood.py").write_text(
        "def application(environ, start_response):\n"
        "    write = start_response('200 OK', [])\n"
        "    while environ['PATH_INFO'] == '/flood':\n"
        "        write(b'more')\n"
        "    return [b'done']\n")
    s = serve('load_module ("module.python", "py")\nworkers { max = 1 }\n'
              'load_servlet ("%s/flood.py", "/*")\n' % tmp_path)
    with s.connect() as c:
        c.send(head("/flood"))
        assert c.head()[0] == 200
    assert s.get("/").text == "done"
    assert "Traceback" not in s.log()


def test_framing(wsgi):
    r = ask(wsgi, "/bodies?several")
    assert (r.text, r.framing, r.chunks) == ("abc", "chunked", [1, 2])
    r = ask(wsgi, "/bodies?length")
    assert (r.text, r.framing) == ("abc", "length")
    r = ask(wsgi, "/bodies?single")
    assert (len(r.body), r.framing) == (100000, "length")
    r = ask(wsgi, "/plain")
    assert (r.text, r.framing) == ("plain", "length")
    assert r.get("X-Latin") == "\xe4" and r.all("Set-Cookie") == ["one=1", "two=2"]
    assert r.get("Content-Type") is None
    r = ask(wsgi, "/plain", "HEAD")
    assert (r.status, r.get("Content-Length")) == (200, "5")
    r = ask(wsgi, "/bodies?several", version="1.0")
    assert (r.text, r.framing) == ("abc", "close")


def test_empty_bodies(wsgi):
    for status, length in (200, "0"), (204, None), (304, None), (404, "0"):
        r = ask(wsgi, "/empty?%d" % status)
        assert (r.status, r.get("Content-Length"), r.get("ETag")) == (status, length, '"e"')


def test_close_is_always_called(wsgi):
    ask(wsgi, "/bodies?closed")
    assert ask(wsgi, "/bodies?several").text == "abc"
    assert ask(wsgi, "/bodies?before").status == 500
    assert ask(wsgi, "/bodies?kind").status == 500
    assert ask(wsgi, "/bodies?close").text == "abc"
    with pytest.raises((AssertionError, ConnectionError)):
        ask(wsgi, "/bodies?late")
    wsgi.wait_log("ValueError: while closing")
    wsgi.wait_log("a part of the body must be bytes, not str")
    assert ask(wsgi, "/bodies?closed").text == "several before kind close late"


def test_exc_info(wsgi):
    r = ask(wsgi, "/exc_info?before")
    assert (r.status, r.text) == (503, "replaced")
    assert r.get("X-Second") == "2" and r.get("X-First") is None
    assert r.get("Content-Type") == "text/x-error" and r.get("Content-Length") == "8"
    assert ask(wsgi, "/exc_info?none").status == 500
    wsgi.wait_log("AssertionError: WSGI: start_response was called a second time, without exc_info")
    before = len(wsgi.log())
    with pytest.raises((AssertionError, ConnectionError)):
        ask(wsgi, "/exc_info?sent")
    wsgi.wait_log("KeyError: 'first'", count=2)
    assert "Traceback" in wsgi.log()[before:]


@pytest.mark.parametrize("how, mistake", [
    ("hop", "ValueError: WSGI: the header Connection is hop-by-hop"),
    ("coding", "ValueError: WSGI: the header transfer-encoding is hop-by-hop"),
    ("split", "ValueError: WSGI: X-A .* has a control character"),
    ("name", "ValueError: WSGI: 'X A' is no name of a header"),
    ("unicode", "ValueError: WSGI: X-A .* is not latin-1"),
    ("bytes", "TypeError: WSGI: a header's name must be str, not bytes"),
    ("pair", "TypeError: WSGI: a header must be a tuple of name and value"),
    ("tuple", "TypeError: WSGI: the headers must be a list, not a tuple"),
    ("number", "TypeError: WSGI: the status must be str, not int"),
    ("status", "ValueError: WSGI: the status must be like '200 OK'"),
    ("length", "ValueError: WSGI: Content-Length many is no number"),
])
def test_what_start_response_refuses(wsgi, how, mistake):
    r = ask(wsgi, "/bad?" + how)
    assert r.status == 500 and not r.all("X-Evil")
    wsgi.wait_log(mistake)


def test_failures(wsgi):
    for name, mistake in (("never", "has not called start_response"),
                          ("fail", "LookupError: on purpose"), ("leave", "SystemExit: 0"),
                          ("asynchronous", "the application is asynchronous"),
                          ("nothing", "must return an iterable of bytes, not NoneType")):
        pid = ask(wsgi, "/pid").text
        assert ask(wsgi, "/" + name).status == 500
        wsgi.wait_log(r"request \S+ /\*: .*" + mistake)
        assert ask(wsgi, "/pid").text == pid
    wsgi.wait_log(r"request \S+ /\*: Traceback .most recent call last.")


@both
def test_stream_is_seen_piece_by_piece(wsgi, validate, tmp_path):
    flag = str(tmp_path / "flag")
    with wsgi.connect() as c:
        c.send(head("/stream?" + flag, headers=[("X-Validate", validate)]))
        status, headers = c.head()
        assert status == 200 and ("transfer-encoding", "chunked") in headers
        for number in "1", "2":
            assert c.line("size") == b"1"
            assert c.exactly(3, "chunk") == number.encode() + b"\r\n"
            open(flag + number, "w").close()
        assert c.line("size") == b"1"
        assert c.exactly(3, "chunk") == b"3\r\n"


@both
def test_client_that_leaves_ends_the_stream(wsgi, validate, tmp_path):
    with wsgi.connect() as c:
        c.send(head("/stream?" + str(tmp_path / "never"), headers=[("X-Validate", validate)]))
        c.head()
    for number in "1", "2":
        open(str(tmp_path / "never") + number, "w").close()
    assert ask(wsgi, "/plain").text == "plain"


@both
def test_file_wrapper(wsgi, validate):
    whole = APPLICATION.encode()
    r = ask(wsgi, "/file?whole", validate=validate)
    assert r.body == whole
    assert r.framing == ("length" if validate == "no" else "chunked")
    r = ask(wsgi, "/file?offset", validate=validate)
    assert r.body == whole.split(b"\n", 1)[1][4:15]
    assert ask(wsgi, "/file?temporary", validate=validate).text == "temporary"
    assert ask(wsgi, "/file?gzip", validate=validate).text == "unpacked"
    assert ask(wsgi, "/file?iterate", validate=validate).body == whole
    assert ask(wsgi, "/file?whole", "HEAD", validate=validate).get("Content-Length") in (
        str(len(whole)), None)


def test_what_is_kept_is_dead(wsgi):
    ask(wsgi, "/keep")
    assert ask(wsgi, "/keep").text == "dead dead"
    assert ask(wsgi, "/plain").text == "plain"


@both
def test_errors_are_logged(wsgi, validate):
    before = len(wsgi.log())
    assert ask(wsgi, "/errors", validate=validate).text == "logged"
    wsgi.wait_log(r"request \S+ /\*: without an end$", count=1 if validate == "yes" else 2)
    log = wsgi.log()[before:]
    for line in "first line", "second line", "third":
        assert re.search(r"request \S+ /\*: %s$" % line, log, re.M), log
    assert re.search(r"worker \d+: of a thread$", log, re.M)


def test_fork_leaves_no_second_worker(wsgi):
    assert ask(wsgi, "/fork").text == "0"
    assert len(wsgi.workers()) == 1


def test_kinds_of_application(wsgi):
    for target in "/class", "/module/x", "/factory/x":
        assert wsgi.get(target).text == "of a class"


@pytest.mark.parametrize("name, text, mistake", [
    ("part:nonesuch", "", "AttributeError: module 'part' has no attribute 'nonesuch'"),
    ("nonesuch:app", "", "No module named 'nonesuch'"),
    ("part:app", "app = 3", "part:app is a int, no WSGI application"),
    ("part:app", "async def app(scope, receive, send): pass", "the application is asynchronous"),
    ("part:app()", "class A:\n async def __call__(self, scope, receive, send): pass\napp = A",
     "the application is asynchronous"),
    ("part:app()", "def app(): raise ValueError('in the factory')", "ValueError: in the factory"),
])
def test_mistakes_at_load(serve, tmp_path, name, text, mistake):
    # "pkg.module:name" is found beside the configuration that says so.
    (tmp_path / "part.py").write_text(text)
    (tmp_path / "c.conf").write_text('load_servlet ("%s", "/x")\n' % name)
    s = serve('load_module ("module.python", "py")\nload_config "%s/c.conf"\n' % tmp_path, ready=False)
    s.expect_end = True
    assert s.process.wait(20 * harness.SLOW) == 1
    s.wait_log(r"c\.conf:1: ")
    s.wait_log(re.escape(mistake))
