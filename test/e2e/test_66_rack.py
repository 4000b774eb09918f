"""Rack: Rack::Lint finds nothing wrong, and Sinatra answers as under puma, at / and below a prefix."""

import hashlib
import os
import shutil
import signal
import subprocess

import pytest

import readme
import server as harness
import vocabulary
from client import Client, ask_same, head, until

vocabulary.need_module("ruby")

APPLICATIONS = os.path.join(harness.TOP, "test/applications")
PIECE = bytes(range(256)) * 4096
UPLOAD = PIECE * 3      # 3 MiB
BOUNDARY = "xyzzy"

# What may differ.  Date, Connection, Transfer-Encoding: each server's own.
SKIPPED = {"date", "connection", "transfer-encoding", "server"}


def has_gem(name):
    return subprocess.run(["/usr/bin/ruby", "-e", "require '%s'" % name],
                          stderr=subprocess.DEVNULL).returncode == 0


if not has_gem("rack"):
    pytest.skip("apt-get install ruby-rack", allow_module_level=True)


class Undated(Client):
    """puma sends no Date, which the strict client wants."""

    def head(self):
        status, fields = super().head()
        return status, fields + [("date", "")]


class Puma:
    """The reference server, with the same application."""

    def __init__(self, directory, application):
        self.port = harness.free_port()
        self.log_path = str(directory / "puma.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/puma", "-q", "-e", "production", "-t", "1:4", "-b",
                 "tcp://127.0.0.1:%d" % self.port, application],
                env=dict(os.environ, RACK_ENV="production"), cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            until(self.is_ready, 60, "puma")
        except BaseException:
            self.finish()
            raise

    def is_ready(self):
        assert self.process.poll() is None, self.log()
        try:
            Client(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def connect(self):
        return Undated(("127.0.0.1", self.port), 60)

    def finish(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


# ------------------------------------------------------------------------ Lint

@pytest.fixture(scope="module")
def lint(tmp_path_factory):
    s = harness.Server(
        tmp_path_factory.mktemp("server"),
        'load_module ("module.ruby", "ru")\nload_servlet ("%s/lint.ru", "/*")\n'
        'load_servlet ("%s/lint.ru", "/below/this/*")\nworkers { min = 1, max = 1 }\n'
        % (APPLICATIONS, APPLICATIONS), env={"LEAKS": "0"})
    s.start()
    yield s
    assert "Lint" not in s.log()
    s.finish()


def environment(server, target, **more):
    with server.connect() as c:
        r = c.request(target, **more)
    assert r.status == 200, server.log()[-2000:]
    return dict(line.split("=", 1) for line in r.text.splitlines())


def test_environment(lint):
    env = environment(lint, "/below/this/a%2Fb%20c/%C3%A4?x=%20&y", headers=[
        ("X-Twice", "1"), ("x-twice", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("X_Under", "spoof"),
        ("Content-Type", "text/x"), ("Version", "9")], method="PUT", body=b"12345", version="1.1")
    expected = {
        "REQUEST_METHOD": '"PUT"', "SCRIPT_NAME": '"/below/this"', "PATH_INFO": '"/a%2Fb%20c/%C3%A4"',
        "QUERY_STRING": '"x=%20&y"', "SERVER_NAME": '"test"', "SERVER_PROTOCOL": '"HTTP/1.1"',
        "HTTP_VERSION": '"HTTP/1.1"', "HTTP_X_TWICE": '"1, 2"', "HTTP_COOKIE": '"a=1; b=2"',
        "CONTENT_TYPE": '"text/x"', "CONTENT_LENGTH": '"5"', "REMOTE_ADDR": '"127.0.0.1"',
        "REQUEST_URI": '"/below/this/a%2Fb%20c/%C3%A4?x=%20&y"',
        "rack.url_scheme": '"http"', "rack.multithread": "false", "rack.multiprocess": "true",
        "rack.run_once": "false", "rack.hijack?": "false",
    }
    assert {k: env.get(k) for k in expected} == expected
    assert not [k for k in env if "UNDER" in k or k.startswith("HTTP_CONTENT")]


@pytest.mark.parametrize("target, script, path", [
    ("/", "", "/"), ("/x/../y", "", "/x/../y"), ("/below/this", "/below/this", ""),
    ("/below/this/", "/below/this", "/"), ("/b%65low/this/%2e", "/below/this", "/%2e"),
    ("/below/../below/this/%C3%A4", "/below/this", "/%C3%A4"), ("http://other/a?b", "", "/a"),
])
def test_paths(lint, target, script, path):
    env = environment(lint, target)
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == ('"%s"' % script, '"%s"' % path)


def test_chunked_and_old_requests(lint):
    env = environment(lint, "/", method="POST", body=b"x" * 1000, chunk=7)
    assert env["CONTENT_LENGTH"] == '"1000"' and "HTTP_TRANSFER_ENCODING" not in env
    assert "CONTENT_LENGTH" not in environment(lint, "/")
    assert environment(lint, "/", method="POST", body=b"")["CONTENT_LENGTH"] == '"0"'
    assert environment(lint, "/", version="1.0", headers=[("Connection", "close")])["HTTP_VERSION"] == '"HTTP/1.0"'


def test_many_fields(lint):
    """Names that repeat are joined, however many there are."""
    fields = [("X-N%d" % (i % 40), str(i)) for i in range(80)]
    env = environment(lint, "/", headers=fields)
    assert env["HTTP_X_N7"] == '"7, 47"'


def test_input(lint):
    body = b"ab\ncdef\ngh"
    with lint.connect() as c:
        def post(target):
            return c.request(target, "POST", body=body).text
        assert post("/read") == "ab\n|cdef\ngh"
        assert post("/gets") == '"ab\\n""cd""ef\\n""gh"'
        assert post("/each") == '["ab\\n", "cdef\\n", "gh"]10'
        assert post("/buffer") == '"ab""ab""\\ncdef\\ngh"nil""'
        big = b"x" * 20000 + b"\n" + PIECE
        lines = c.request("/each", "POST", body=big, chunk=60000).text
        assert lines.endswith("]%d" % len(big))
    assert lint.get("/each").text == "[]0" and lint.get("/gets").text == "nilnilnilnil"


def test_answers(lint):
    assert lint.get("/closing").text == "ab"
    lint.wait_log("request .*: closed")
    assert lint.get("/bare/array").all("Set-Cookie") == ["a=1", "b=2"]
    assert lint.get("/204").status == 204
    r = lint.get("/304")
    assert r.status == 304 and r.get("ETag") == '"x"'
    r = lint.get("/length")
    assert (r.framing, r.text) == ("length", "12345")
    assert lint.get("/many").all("Set-Cookie") == ["a=1", "b=2"]
    with lint.connect() as c:
        r = c.request("/length", "HEAD")
        assert (r.get("Content-Length"), r.body) == ("5", b"")
        for body in b"posted", None:
            assert c.request("/bare/call", "POST", body=body).text == "called %s!" % (body or b"").decode()
            assert c.request("/bare/kept", "POST", body=b"x").text == "the request of this servlet object is over"
        r = c.request("/bare/number")
        assert r.status == 200 and r.get("X-Number") == "5" and r.get("rack.special") is None
        assert c.request("/bare/chunked").text == "a" * 20 + "b;\r\n"
        assert c.request("/bare/split").get("X-Evil") is None


def test_errors(lint):
    assert lint.get("/errors").status == 200
    for line in "first", "second", "third":
        lint.wait_log("request .*: %s$" % line)
    for target, mistake in [("/raise", "raised .ArgumentError."), ("/exit", "SystemExit"),
                            ("/bare/nothing", "answers no .status, headers, body."),
                            ("/bare/informational", "status of the answer is 100")]:
        assert lint.get(target).status == 500
        lint.wait_log("request .*" + mistake)
    with lint.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/late")
    lint.wait_log("late .RuntimeError.")
    lint.wait_log("request .*: closed", count=2)
    with lint.connect() as c:       # the response is complete when the body is closed
        assert c.request("/stuck").text == "ab"
        lint.wait_log("request .*close of nil")
        assert c.request("/bare/closing").text == "x"
    lint.wait_log("request .*: closed", count=4)


def test_file(serve, tmp_path):
    """to_path goes through rsendfile."""
    (tmp_path / "config.ru").write_text("""
class Body
  def to_path = __FILE__
  def each = raise("each")
  def close = puts("the body was closed")
end
run ->(_) { [200, { "Content-Type" => "text/plain" }, Body.new] }
""")
    s = serve('load_module ("module.ruby", "ru")\nload_servlet ("%s/config.ru", "/*")\n' % tmp_path,
              env={"LEAKS": "0"})
    r = s.get("/")
    assert r.text == (tmp_path / "config.ru").read_text() and r.framing == "length"
    s.wait_log("the body was closed")


def test_readme(serve, tmp_path):
    """The configuration shown there: the application's own Gemfile, which needs no network."""
    if shutil.which("bundle", path="/usr/bin") is None:
        pytest.skip("apt-get install ruby-bundler")
    shop = tmp_path / "server0/shop"
    shop.mkdir(parents=True)
    (shop / "Gemfile").write_text('gem "rack"\n')
    (shop / "config.ru").write_text('run ->(env) { [200, {}, [env["SCRIPT_NAME"], " ", Gem.loaded_specs.keys.join(" ")]] }\n')
    s = harness.Server(tmp_path / "server0", readme.block("rack.conf"), env={"LEAKS": "0"})
    s.start()
    try:
        text = s.get("/shop/x").text
        assert text.startswith("/shop ") and "rack" in text and "sinatra" not in text
    finally:
        s.finish()


# --------------------------------------------------------------------- Sinatra

@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    if os.path.dirname(harness.BINARY) != harness.TOP:
        pytest.skip("for one variant only")
    if not has_gem("sinatra/base") or not shutil.which("puma", path="/usr/bin"):
        pytest.skip("apt-get install ruby-sinatra puma")
    directory = tmp_path_factory.mktemp("sinatra")
    application = os.path.join(APPLICATIONS, "sinatra_app.ru")
    ours = harness.Server(
        directory, 'load_module ("module.ruby", "ru")\nload_servlet ("%s", "/*")\n'
        'load_servlet ("%s", "/sinatra/*")\n' % (application, application))
    ours.start()
    reference = Puma(directory, application)
    yield ours, reference
    reference.finish()
    ours.finish()


@pytest.fixture(params=["", "/sinatra", "/lint"])
def ask(request, servers):
    """Asks both servers the same, checks that they answer the same, and returns it.
    /sinatra is a route of ours, and one of Rack::Builder's for puma; at /lint there
    is Rack::Lint around the application."""
    def both(target, *args, **more):
        return ask_same(servers, SKIPPED, request.param + target, *args, **more)
    both.prefix = request.param
    return both


def test_simple(ask):
    assert ask("/").status == 200
    assert ask("/path/a/b?a=1%202").status == 200
    assert ask("/path/a", "HEAD").body == b""
    assert ask("/nowhere").status == 404


def test_encoded_paths(ask):
    r = ask("/path/a%2Fb%20c")
    assert r.text.split("\n")[:2] == ["/path/a%2Fb%20c", ask.prefix]
    assert "http://test%s/x" % ask.prefix in r.text
    assert "\xe4" in ask("/path/%C3%A4?a=%C3%A4").text


def test_fields(ask):
    r = ask("/header", headers=[("User-Agent", "x"), ("X-Twice", "1"), ("X-Twice", "2"),
                                ("Cookie", "a=1"), ("Under-Score", "y")])
    assert "1, 2" in r.text


def test_posts(ask):
    digest = hashlib.md5(PIECE).hexdigest()
    for chunk in None, 4096:
        r = ask("/echo", "POST", headers=[("Content-Type", "application/octet-stream")], body=PIECE, chunk=chunk)
        assert r.text == "%d %d %s %s nil" % (len(PIECE), len(PIECE), digest, digest)
    body = b"".join([
        b'--xyzzy\r\nContent-Disposition: form-data; name="field"\r\n\r\n\xc3\xa4 & b\r\n',
        b'--xyzzy\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        b'Content-Type: application/x-test\r\n\r\n', UPLOAD, b"\r\n--xyzzy--\r\n"])
    for chunk in None, 60000:
        r = ask("/upload", "POST", headers=[("Content-Type", "multipart/form-data; boundary=xyzzy")], body=body, chunk=chunk)
        assert r.text == "\xe4 & b a.bin application/x-test " + hashlib.md5(UPLOAD).hexdigest()


def test_fields_of_answers(ask):
    r = ask("/cookies", headers=[("Cookie", "x=y")])
    assert len(r.all("Set-Cookie")) == 2
    r = ask("/redirect")
    assert (r.status, r.get("Location")) == (302, "http://test%s/path/there" % ask.prefix)
    assert ask("/etag").status == 200
    assert ask("/etag", headers=[("If-None-Match", '"abc"')]).status == 304
    assert ask("/file").status == 200
    assert ask("/file", headers=[("Range", "bytes=2-11")]).status == 206
    assert ask("/file", "HEAD").body == b""
    assert ask("/status").all("X-Lines") == ["a", "b"]


def test_stream(ask, servers, tmp_path):
    """Each piece is there before the next is made."""
    for number, server in enumerate(servers):
        with server.connect() as c:
            turn = str(tmp_path / ("turn%d." % number))
            c.send(head("%s/stream?turn=%s" % (ask.prefix, turn)))
            for i in range(3):
                while b"piece %d" % i not in c.data:
                    assert c.fill()
                assert b"piece %d" % (i + 1) not in c.data
                open("%s%d" % (turn, i), "w").close()
            assert c.read().text == "piece 0\npiece 1\npiece 2\n"


def test_exception(ask, servers):
    r = ask("/boom")
    assert r.status == 500 and "went boom" not in r.text
    servers[0].wait_log(r"request .*RuntimeError - it went boom")
    servers[0].wait_log(r"request .*sinatra_app\.ru:\d+:in")


# ---------------------------------------------------------------------- Rack 3

RACK_3 = """
module Rack
  def self.release = "3.0.0"
  class Builder
    def self.parse_file(path) = new.load(path)
    def load(path) = (instance_eval(File.read(path), path); @app)
    def run(app) = @app = app
  end
end
"""

RACK_3_APP = """
class Streaming
  def call(stream)
    stream << "posted: " << stream.read.to_s
    stream.close
  end
end
run(lambda do |env|
  case env["PATH_INFO"]
  when "/stream" then [200, { "content-type" => "text/plain" }, Streaming.new]
  when "/empty" then [204, {}, []]
  else [200, { "content-type" => "text/x", "set-cookie" => %w[a=1 b=2], "x-one" => "1" }, [Rack.release, " ", env["SERVER_PROTOCOL"]]]
  end
end)
"""


def test_rack_3(serve, tmp_path):
    """Where Rack 3 differs for a server, by a stand-in for the gem, which Debian 12 has not: parse_file
    answers the application alone, names are in lower case, values may be arrays, a body may have `call`."""
    (tmp_path / "rack").mkdir()
    (tmp_path / "rack.rb").write_text(RACK_3)
    (tmp_path / "rack/builder.rb").write_text("")
    (tmp_path / "app.ru").write_text(RACK_3_APP)
    s = serve('load_module ("module.ruby", "ru")\nload_servlet ("%s/app.ru", "/*")\n' % tmp_path,
              env={"LEAKS": "0", "RUBYLIB": str(tmp_path)})
    r = s.get("/")
    assert (r.text, r.get("Content-Type"), r.get("X-One")) == ("3.0.0 HTTP/1.1", "text/x", "1")
    assert r.all("Set-Cookie") == ["a=1", "b=2"]
    assert s.get("/empty").status == 204
    with s.connect() as c:
        r = c.request("/stream", "POST", body=b"x" * 10, chunk=3)
        assert (r.text, r.framing) == ("posted: " + "x" * 10, "chunked")
        assert c.request("/stream", "HEAD").body == b""
