"""net/http applications with chi, gorilla/mux and gin answer as from Go's own server."""

import os
import subprocess

import pytest

import server as harness
import vocabulary
from client import Client

vocabulary.need_module("go")

APPLICATION = os.path.join(harness.TOP, "build/test/go/frameworks.go.so")
REFERENCE = os.path.join(harness.TOP, "build/test/go/frameworks.server")

if not os.path.exists(APPLICATION) or not os.path.exists(REFERENCE):
    pytest.skip("the Go application was not built", allow_module_level=True)

CONFIG = """
load_module ("module.go", "go.so")
load_servlet ("%s", "/*")
load_servlet ("%s", "/below/*")
load_servlet ("%s/api.so", "/api/*")
workers { min = 1, max = 8, idle_timeout = 1 }
""" % (APPLICATION, APPLICATION, harness.SERVLETS)

# What the two servers may do differently: how they frame, and when they close.
FRAMING = {"content-length", "transfer-encoding", "connection", "date"}

every_router = pytest.mark.parametrize("router", ["chi", "mux", "gin"])
everywhere = pytest.mark.parametrize("prefix", ["", "/below"])


class Both:
    """modserver and net/http with the same application."""

    def __init__(self, ours, reference):
        self.ours, self.reference = ours, reference
        self.streams = ours.env["STREAM"]

    def ask(self, router, target, method="GET", headers=(), body=None, **more):
        """Asks both and checks that they answer alike; our response."""
        headers = [("X-Router", router), *headers]
        answers = []
        for address in self.ours.address, self.reference:
            with Client(address, 20 * harness.SLOW) as c:
                answers.append(c.request(target, method, headers, body, **more))
        ours, theirs = answers
        assert ours.status == theirs.status
        assert fields(ours) == fields(theirs)
        assert ours.body == theirs.body
        return ours

    def only_ours(self, router, target, more=(), **rest):
        with self.ours.connect() as c:
            return c.request(target, headers=[("X-Router", router), *more], **rest)


def fields(response):
    return sorted((n, v) for n, v in response.headers if n not in FRAMING)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    directory = tmp_path_factory.mktemp("application")
    (directory / "file.bin").write_bytes(os.urandom(300000))
    env = {"STREAM": str(directory), "FILE": str(directory / "file.bin")}
    s = harness.Server(tmp_path_factory.mktemp("server"), CONFIG, env=env)
    s.start()
    address = ("127.0.0.1", harness.free_port())
    with open(directory / "log", "wb") as log:
        reference = subprocess.Popen([REFERENCE, "%s:%d" % address], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, env=dict(os.environ, **env))

    def answers():
        assert reference.poll() is None, (directory / "log").read_text()
        try:
            return Client(address)
        except OSError:
            return None
    try:
        harness.until(answers, 20, "net/http's server").close()
        yield Both(s, address)
    finally:
        reference.kill()
        reference.wait()
        s.finish()


@every_router
@everywhere
def test_request(both, router, prefix):
    for target in ("/request", "/request/a%2Fb/%C3%A4?x=%C3%A4&a=1+1", "/request/a/../b//c",
                   "/request?", "/request/%25", "http://other:81/request?a=%26"):
        if not target.startswith("http"):
            target = prefix + target
        headers = [("User-Agent", "tester"), ("X-Twice", "1"), ("x-TWICE", "2"), ("x_under", "3"),
                   ("Pragma", "no-cache"), ("Cookie", "a=1; b=2")]
        r = both.ask(router, target, headers=headers)
        assert r.status in (200, 301)
    # An answer to HTTP/1.0 has that version with net/http, against RFC 9110, 2.5.
    r = both.only_ours(router, prefix + "/request", version="1.0")
    assert r.status == 200 and "|HTTP/1.0|1 0|true|true|" in r.text
    assert both.ask(router, prefix + "/request", headers=[("Connection", "close")]).status == 200
    assert both.ask(router, prefix + "/param/a%2Fb%C3%A4").status in (200, 404)
    assert both.ask(router, prefix + "/nonesuch").status == 404


@every_router
@everywhere
def test_bodies(both, router, prefix):
    data = os.urandom(200000)
    assert both.ask(router, prefix + "/echo", "POST", body=data, chunk=777).text.startswith("POST 200000 ")
    assert both.ask(router, prefix + "/echo", "PUT", body=data[:10]).text.startswith("PUT 10 ")
    assert both.ask(router, prefix + "/echo", "POST", body=b"").text.startswith("POST 0 ")


@every_router
@everywhere
def test_upload_of_3_mb(both, router, prefix):
    part = ('--b\r\nContent-Disposition: form-data; name="field"\r\n\r\n\xe4 & b\r\n--b\r\n'
            'Content-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
            'Content-Type: application/octet-stream\r\n\r\n').encode()
    body = part + os.urandom(3 << 20) + b"\r\n--b--\r\n"
    r = both.ask(router, prefix + "/upload", "POST",
                 [("Content-Type", "multipart/form-data; boundary=b")], body)
    assert r.text.startswith("\xe4 & b a b.bin 3145728 3145728 ")


@every_router
@everywhere
def test_answers(both, router, prefix):
    r = both.ask(router, prefix + "/cookies", headers=[("Cookie", "color=red; size=xl")])
    assert r.all("Set-Cookie") == ["one=1", "two=2; Path=/"] and r.text == "color=red;size=xl;"
    page = both.ask(router, prefix + "/page")
    assert page.status == 200 and page.get("Content-Type") == "text/html; charset=utf-8"
    r = both.ask(router, prefix + "/page", "HEAD")
    assert r.get("Content-Length") == str(len(page.body))
    r = both.ask(router, prefix + "/page", headers=[("If-None-Match", '"v1"')])
    assert r.status == 304
    r = both.ask(router, prefix + "/page", headers=[("Range", "bytes=3-8")])
    assert (r.status, r.text) == (206, "a page")
    r = both.ask(router, prefix + "/moved")
    assert r.status == 302 and r.get("Location") == prefix + "/page?a=1"


@every_router
@everywhere
def test_stream_is_seen_piece_by_piece(both, router, prefix):
    for address in both.ours.address, both.reference:
        with Client(address, 20 * harness.SLOW) as c:
            c.request(prefix + "/stream", headers=[("X-Router", router)], read=False)
            status, headers = c.head()
            assert status == 200 and ("content-type", "text/plain; charset=utf-8") in headers
            for piece in b"one", b"two", b"three":
                assert c.line("a chunk's size") == b"%x" % len(piece)
                assert c.exactly(len(piece) + 2, "a chunk") == piece + b"\r\n"
                # Now it may go on.
                open(os.path.join(both.streams, piece.decode()), "w").close()
            assert c.exactly(5, "the end") == b"0\r\n\r\n"
        for piece in "one", "two", "three":
            os.unlink(os.path.join(both.streams, piece))


@every_router
@everywhere
def test_panic(both, router, prefix):
    """net/http's own server answers nothing at all; 500 tells more."""
    before = both.ours.log().count("panic: this handler panics")
    with both.ours.connect() as c:
        r = c.request(prefix + "/odd?what=panic", headers=[("X-Router", router)])
        assert r.status == 500 and "panics" not in r.text
        assert c.request(prefix + "/page", headers=[("X-Router", router)]).status == 200
    both.ours.wait_log(r"request \S+ \S*/\*: panic: this handler panics", count=1)
    both.ours.wait_log(r"main\.odd")
    assert both.ours.log().count("panic: this handler panics") == before + 1


def test_panic_of_nil(both):
    """recover answers nil, as if nothing had happened; the response before is not to be sent again."""
    with both.ours.connect() as c:
        assert c.request("/odd?what=status", headers=[("X-Router", "chi")]).status == 201
        assert c.request("/odd?what=nil", headers=[("X-Router", "chi")]).status == 500
    both.ours.wait_log("panic: <nil>")


def test_panic_after_the_head_cuts(both):
    with pytest.raises((AssertionError, ConnectionError)):
        both.only_ours("chi", "/odd?what=late")
    both.ours.wait_log("panic: this handler panics late")


def test_abort_cuts_without_a_word(both):
    before = both.ours.log()
    with pytest.raises(ConnectionError):
        both.only_ours("chi", "/odd?what=abort")
    assert both.only_ours("chi", "/page").status == 200
    assert "panic" not in both.ours.log()[len(before):]


@pytest.mark.parametrize("what", ["nothing", "status", "twice", "bodiless", "sniff", "untyped",
                                  "typed+late", "no+length", "fields", "large"])
def test_odd_responses(both, what):
    r = both.ask("chi", "/odd?what=" + what)
    both.ask("chi", "/odd?what=" + what, "HEAD")
    if what == "twice":
        both.ours.wait_log(r"http: superfluous response.WriteHeader call from main.odd "
                           r".frameworks.go:\d+.")
    if what == "bodiless":
        both.ours.wait_log("bodiless: http: request method or response status code does not allow body")
    if what == "fields":
        assert r.all("X-Many") == ["1", "", "2"] and not r.all("X-Late") and not r.all("X-Evil")


def test_wrong_responses(both):
    with pytest.raises((AssertionError, ConnectionError)):
        both.only_ours("chi", "/odd?what=length")
    both.ours.wait_log("length: http: wrote more than the declared Content-Length")
    assert both.only_ours("chi", "/odd?what=nul").all("X-Nul") == []
    both.ours.wait_log('header "X-Nul" is refused')
    assert both.only_ours("chi", "/odd?what=code").status == 500
    both.ours.wait_log("panic: invalid WriteHeader code 99")


def test_local_address(both):
    for name in "localhost", "other:99":
        r = both.only_ours("chi", "/odd?what=address", more=[("Host", name)])
        assert r.text == "127.0.0.1:%d" % both.ours.port


def test_file(both):
    with open(both.ours.env["FILE"], "rb") as f:
        content = f.read()
    r = both.ask("mux", "/file")
    assert r.body == content and r.get("Content-Length") == "300000"
    r = both.ask("mux", "/file", headers=[("Range", "bytes=1000-250000")])
    assert r.status == 206 and r.body == content[1000:250001]
    both.ask("mux", "/file", "HEAD")


def test_context_ends_when_the_client_leaves(both):
    with both.ours.connect() as c:
        c.request("/left", headers=[("X-Router", "gin")], read=False)
        assert c.head()[0] == 200
    both.ours.wait_log("the client has left: context canceled")


def test_gin_stream(both):
    assert both.ask("gin", "/gone").text == "1,2,3,"


def test_goroutines(both):
    data = os.urandom(1 << 20)
    assert both.ask("chi", "/odd?what=goroutine", "POST", body=data).body == data
    assert both.only_ours("chi", "/odd?what=kept", method="POST", body=b"x").status == 200
    both.ours.wait_log("kept: modserver: the response is over.*, http: invalid Read on closed Body")


def test_functions_of_the_servlet_stay_with_their_process(both):
    """C servlets and Go side by side in one worker."""
    for _ in range(3):
        assert both.ours.get("/api/get_path/x").text.startswith("</api/get_path/x>")
        assert both.only_ours("chi", "/page").status == 200


def test_notes(serve, tmp_path):
    path = harness.EXAMPLES + "/go/notes.go.so"
    if not os.path.exists(path):
        pytest.skip("examples/go/notes was not built")
    s = serve('load_module ("module.go", "go.so")\nload_servlet ("%s", "/notes/*")\n' % path,
              env={"NOTES": str(tmp_path / "notes")})
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    with s.connect() as c:
        r = c.request("/notes", "POST", form, b"text=%3Cb%3Emilk%C3%A4")
        assert r.status == 303 and r.get("Location") == "/notes"
        text = c.request("/notes").text
        assert "&lt;b&gt;milk\xe4" in text
        done = text.partition('action="/notes/')[2].partition('"')[0]
        assert c.request("/notes/" + done, "POST").status == 303
        assert "milk" not in c.request("/notes/").text
        assert c.request("/notes", "POST", form, b"text=").status == 400
        assert c.request("/notes/..%2Fx/delete", "POST").status == 404
