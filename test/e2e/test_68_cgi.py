"""CGI programs, at the root and below a prefix, answer as they do under Apache's
mod_cgi; what a program does wrong is 500 and a line in the log; none outlives its
client or its worker."""

import hashlib
import os
import shutil
import subprocess
import tempfile

import pytest

import peer_apache
import vocabulary
from client import until
from server import SANITIZED, SERVLETS, TOP, Server

vocabulary.need_module("cgi")

GITWEB = "/usr/share/gitweb/gitweb.cgi"
needs_apache = pytest.mark.skipif(not peer_apache.BINARY, reason="apache2-bin is not installed")
needs_gitweb = pytest.mark.skipif(not os.path.exists(GITWEB), reason="gitweb is not installed")
ROOT, BELOW = "", "/shop"
MOUNTS = pytest.mark.parametrize("mount", [ROOT, BELOW], ids=["root", "below"])


@pytest.fixture(scope="module")
def public():
    """A directory for Apache's user too, with the programs and a repository."""
    directory = tempfile.mkdtemp(prefix="cgi-")
    os.chmod(directory, 0o777)
    for name in ("app.cgi", "upload.cgi"):
        shutil.copy(os.path.join(TOP, "test/cgi", name), directory)
    yield directory
    shutil.rmtree(directory)


def git(directory, *arguments):
    env = dict(os.environ, HOME=directory, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="A",
               GIT_AUTHOR_EMAIL="a@example", GIT_COMMITTER_NAME="C", GIT_COMMITTER_EMAIL="c@example",
               GIT_AUTHOR_DATE="2024-01-01T00:00:00Z", GIT_COMMITTER_DATE="2024-01-01T00:00:00Z")
    subprocess.run(["git", *arguments], cwd=directory, env=env, check=True,
                   stdout=subprocess.DEVNULL, timeout=60)


@pytest.fixture(scope="module")
def repository(public):
    project = os.path.join(public, "project.git")
    os.mkdir(project)
    git(project, "init", "-q", "-b", "main")
    with open(os.path.join(project, "gr\xfc\xdfe.txt"), "w", encoding="utf-8") as f:
        f.write("text of the file\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first <commit>")
    # Whoever reads it, it belongs to whoever runs the tests.
    with open(os.path.join(public, ".gitconfig"), "w") as f:
        f.write("[safe]\n\tdirectory = *\n")
    with open(os.path.join(public, "gitweb.conf"), "w") as f:
        f.write('our $projectroot = "%s";\nour @stylesheets = ();\n1;\n' % public)
    return public


def programs(public, mount):
    """(file, route's path) of what each server has."""
    found = [("%s/upload.cgi" % public, "/upload")]
    if os.path.exists(GITWEB):
        found.append((GITWEB, "/git"))
    return found + [("%s/app.cgi" % public, mount)]


class Both:
    """Our server and Apache over the same programs."""

    def __init__(self, ours, theirs, mount):
        self.ours, self.theirs, self.mount = ours, theirs, mount

    def ask(self, target, *args, **more):
        answers = []
        for server in (self.ours, self.theirs):
            with server.connect() as c:
                answers.append(c.request(target, *args, **more))
        return answers

    def same(self, target, *args, fields=("content-type", "location", "etag", "x-length"), **more):
        """Asks both; the answers must be the same; returns ours."""
        ours, theirs = self.ask(target, *args, **more)
        assert ours.status == theirs.status, theirs.text
        assert ours.body == theirs.body
        for name in fields:
            assert ours.all(name) == theirs.all(name), name
        assert ours.all("set-cookie") == theirs.all("set-cookie")
        return ours


@pytest.fixture(scope="module")
def start(public, tmp_path_factory):
    """start(text) starts a server of ours with the CGI module."""
    servers = []

    def run(text):
        s = Server(tmp_path_factory.mktemp("server"), 'load_module { "module.cgi", "cgi", '
                   'env = { GITWEB_CONFIG = "%s/gitweb.conf", HOME = "%s", "LC_ALL" } }\n'
                   % (public, public) + text)
        servers.append(s)
        return s.start()

    yield run
    for s in servers:
        s.finish()


@pytest.fixture(scope="module")
def servers(public, repository, start):
    """Of ours, by mount."""
    return {mount: start("".join('load_servlet ("%s", "%s/*")\n' % p
                                 for p in programs(public, mount)))
            for mount in (ROOT, BELOW)}


@pytest.fixture(scope="module")
def apaches(public, repository):
    found = {}
    for mount in (ROOT, BELOW):
        directory = os.path.join(public, "apache" + mount.replace("/", "-"))
        os.mkdir(directory)
        os.chmod(directory, 0o755)
        text = "SetEnv GITWEB_CONFIG %s/gitweb.conf\nSetEnv HOME %s\n" % (public, public)
        for file, path in programs(public, mount):
            text += "ScriptAlias %s %s\n" % ((path, file) if path else ("/", file + "/"))
        found[mount] = peer_apache.Apache(directory, text).start()
    yield found
    for apache in found.values():
        apache.stop()


@pytest.fixture(params=[ROOT, BELOW], ids=["root", "below"])
def both(request, servers, apaches):
    return Both(servers[request.param], apaches[request.param], request.param)


@pytest.fixture
def app(servers):
    return servers[BELOW]


def variables(response):
    return dict(line.split("=", 1) for line in response.text.splitlines())


# ------------------------------------------------------- compared with Apache
# Where we differ: DOCUMENT_ROOT and what comes of it only if configured; REMOTE_HOST and
# UNIQUE_ID always; no SERVER_ADMIN, SERVER_SIGNATURE and CONTEXT_*.
THEIRS_ALONE = {"CONTEXT_DOCUMENT_ROOT", "CONTEXT_PREFIX", "DOCUMENT_ROOT", "PATH_TRANSLATED",
                "SERVER_ADMIN", "SERVER_SIGNATURE"}
OURS_ALONE = {"REMOTE_HOST", "UNIQUE_ID", "LC_ALL"}
OTHER_VALUES = {"SERVER_SOFTWARE", "REMOTE_PORT", "PATH"}


@needs_apache
@pytest.mark.parametrize("target", ["/env", "/env?a=b%20c&d", "/env?word", "/env?"])
def test_variables(both, target):
    headers = [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=1"), ("Accept", "*/*"),
               ("Proxy", "http://evil.example"), ("X_Under_Score", "evil"), ("Content-Type", "x/y")]
    ours, theirs = map(variables, both.ask(both.mount + target, "GET", headers))
    assert set(theirs) - set(ours) == THEIRS_ALONE & set(theirs)
    assert set(ours) - set(theirs) == OURS_ALONE & set(ours)
    for name in set(ours) & set(theirs) - OTHER_VALUES:
        assert ours[name] == theirs[name], name
    assert ours["HTTP_X_TWICE"] == "1, 2" and "HTTP_PROXY" not in ours
    assert "HTTP_X_UNDER_SCORE" not in ours and "CONTENT_LENGTH" not in ours


@needs_apache
@pytest.mark.parametrize("host", ["name.example:8080", "[::1]", "[2001:db8::7]:81", "192.0.2.7:80"])
def test_hosts(both, host):
    ours, theirs = map(variables, both.ask(both.mount + "/env", headers=[("Host", host)]))
    for name in ("SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "REMOTE_ADDR"):
        assert ours[name] == theirs[name], name


@needs_apache
def test_credentials_are_the_servers(both):
    headers = [("Authorization", "Basic eDp5"), ("Proxy-Authorization", "Basic eDp5")]
    ours, theirs = map(variables, both.ask(both.mount + "/env", headers=headers))
    for name in ("HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "AUTH_TYPE", "REMOTE_USER"):
        assert (name in ours) == (name in theirs), name


@needs_apache
@pytest.mark.parametrize("path", ["/a/b", "/a%2Fb", "/%E2%82%AC%20x", "/a/b/../c", "/"])
def test_paths(both, path):
    assert "PATH_INFO" in both.same(both.mount + path).text


@needs_apache
def test_body(both):
    data = bytes(range(256)) * 12288        # 3 MB
    headers = [("Content-Type", "application/octet-stream")]
    r = both.same(both.mount + "/echo", "POST", headers, data)
    assert r.body == data and r.get("X-Length") == str(len(data))
    # A chunked one has a length here; Apache has none to tell.
    with both.ours.connect() as c:
        r = c.request(both.mount + "/echo", "POST", headers, data, chunk=70000)
    assert r.body == data and r.get("X-Length") == str(len(data))


@needs_apache
def test_answers(both):
    assert both.same(both.mount + "/cookies").all("Set-Cookie") == ["a=1; Path=/", "b=2"]
    assert both.same(both.mount + "/status").status == 404
    assert both.same(both.mount + "/moved", fields=[]).get("Location") == "/elsewhere"
    assert both.same(both.mount + "/etag").get("ETag") == '"v1"'
    assert both.same(both.mount + "/etag", headers=[("If-None-Match", '"v1"')],
                     fields=["etag"]).status == 304
    assert both.same(both.mount + "/length").body == b"length"
    assert len(both.same(both.mount + "/huge").body) == 20 << 20
    assert both.same(both.mount + "/empty").status == 200
    assert both.same(both.mount + "/deaf", "POST", [], b"x" * 3000000).body == b"not heard\n"
    assert both.same(both.mount + "/etag", "HEAD").get("ETag") == '"v1"'


@needs_apache
def test_redirects(both):
    # Apache has a page of its own when it sets the status.
    ours, theirs = both.ask(both.mount + "/redirect")
    assert ours.status == theirs.status == 302
    assert ours.get("Location") == theirs.get("Location") == "http://elsewhere.example/a?b=c"
    ours, theirs = map(variables, both.ask(both.mount + "/local?x", "POST", [], b"body"))
    for name in ("PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "SCRIPT_NAME"):
        assert ours[name] == theirs[name]
    assert ours["QUERY_STRING"] == "from=local" and ours["REQUEST_METHOD"] == "GET"
    assert "CONTENT_LENGTH" not in ours and "CONTENT_TYPE" not in ours


@needs_apache
def test_streaming(both, tmp_path):
    """The first piece is there while the program waits to write the second."""
    os.chmod(tmp_path, 0o755)
    for number, server in enumerate((both.ours, both.theirs)):
        turn = tmp_path / ("turn%d" % number)
        for directory in tmp_path.parents[:3]:
            os.chmod(directory, 0o755)
        with server.connect() as c:
            c.request(both.mount + "/stream?turn=%s" % turn, read=False)
            while b"first\n" not in c.data:
                assert c.fill()
            turn.touch()
            assert c.read().body == b"first\nsecond\n"


@needs_apache
def test_failures(both):
    for what in ("die", "silent", "headless", "cut", "killed"):
        ours, theirs = both.ask(both.mount + "/" + what)
        assert ours.status == theirs.status == 500, what
    both.ours.wait_log(r"request \S+ %s/\*: no head, for a reason" % both.mount)


@needs_apache
@pytest.mark.skipif(not os.path.exists("/usr/share/perl5/CGI.pm"), reason="no libcgi-pm-perl")
def test_upload_with_a_library(both):
    data = os.urandom(3 << 20)
    boundary = "xyzzy"
    body = b"".join([
        b'--xyzzy\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xc3\xa4&b\r\n--xyzzy\r\n',
        b'Content-Disposition: form-data; name="file"; filename="a b.bin"\r\n',
        b'Content-Type: application/octet-stream\r\n\r\n', data, b"\r\n--xyzzy--\r\n"])
    r = both.same("/upload/x%20y?q=1", "POST",
                  [("Content-Type", "multipart/form-data; boundary=" + boundary)], body)
    assert "md5=" + hashlib.md5(data).hexdigest() in r.text
    assert "self=/upload/x%20y\n" in r.text and len(r.all("Set-Cookie")) == 2


@needs_apache
@needs_gitweb
def test_gitweb(both):
    page = both.same("/git")
    assert "project.git" in page.text
    for query in ("p=project.git/.git;a=tree", "p=none.git",
                  "p=project.git/.git;a=blob_plain;f=gr%C3%BC%C3%9Fe.txt"):
        both.same("/git/?" + query)
    assert "first &lt;commit&gt;" in both.same("/git/?p=project.git/.git;a=log").text
    assert both.same("/git/?a=opml").get("Content-Type").startswith("text/xml")
    assert "commit" in both.same("/git/project.git/.git/shortlog/refs/heads/main").text
    assert both.same("/git?p=project.git/.git;a=summary", "HEAD").body == b""


@needs_apache
@needs_gitweb
def test_gitweb_at_the_root(start, repository):
    ours = start('load_servlet ("%s", "/*")\n' % GITWEB)
    directory = os.path.join(repository, "apache-gitweb")
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    theirs = peer_apache.Apache(directory, "SetEnv GITWEB_CONFIG %s/gitweb.conf\nSetEnv HOME %s\n"
                                "ScriptAlias / %s/\n" % (repository, repository, GITWEB)).start()
    try:
        both = Both(ours, theirs, ROOT)
        assert "project.git/.git" in both.same("/").text
        assert "first &lt;commit&gt;" in both.same("/?p=project.git/.git;a=log").text
        r = both.same("/project.git/.git/blob_plain/HEAD:/gr%C3%BC%C3%9Fe.txt")
        assert "text of the file" in r.text
        assert both.same("/?p=project.git/.git", "HEAD").body == b""
    finally:
        theirs.stop()


# ---------------------------------------------------------------- ours alone
def test_the_process(app, public, monkeypatch):
    found = variables(app.get("/shop/process?word"))
    assert found == {"arguments": "", "descriptors": "0 1 2", "directory": public}


def test_environment_is_what_was_named(start, public, tmp_path):
    env = {"SECRET": "1", "INHERITED": "2"}
    s = Server(tmp_path, """
        load_module { "module.cgi", "cgi", document_root = "/srv/www",
            env = { "INHERITED", "MISSING", COLOR = "red", HTTP_X_SET = "ours" } }
        load_servlet { "%s/app.cgi", "/a/*", env = { COLOR = "blue", NUMBER = 7 }, authorization = true }
        """ % public, env=env).start()
    try:
        with s.connect() as c:
            found = variables(c.request("/a/env", headers=[("X-Set", "theirs"), ("Authorization", "Basic eDp5")]))
        assert found["INHERITED"] == "2" and found["COLOR"] == "blue" and found["NUMBER"] == "7"
        assert found["HTTP_X_SET"] == "ours" and found["HTTP_AUTHORIZATION"] == "Basic eDp5"
        assert found["DOCUMENT_ROOT"] == "/srv/www" and found["PATH_TRANSLATED"] == "/srv/www/env"
        assert not {"SECRET", "MISSING", "HOME", "LC_ALL"} & set(found)
        assert found["PATH"] == os.environ["PATH"]
    finally:
        s.finish()


def test_standard_error_is_in_the_log(app):
    assert app.get("/shop/errors").text == "errors\n"
    for line in ("one", "two", "three"):
        app.wait_log(r"request \S+ /shop/\*: %s$" % line)


@pytest.mark.parametrize("what, line", [
    ("die", "ended with exit status 255 without any output"),
    ("silent", "ended without any output"),
    ("headless", '"no header at all" is no header field'),
    ("cut", "ended before the end of its header"),
    ("nostatus", '"abc" is no status'),
    ("killed", r"was killed by signal 9 \(Killed\)"),
    ("loop", "10 redirects within one request"),
])
def test_mistakes_of_programs(app, what, line):
    assert app.get("/shop/" + what).status == 500
    app.wait_log(r"request \S+ /shop/\*: .*" + line)


def test_what_is_not_found_by_a_redirect(app):
    assert app.get("/shop/nowhere").status == 404


@pytest.mark.parametrize("methods, status, allowed", [("GET", 200, None), ("POST", 405, "POST")])
def test_a_redirect_asks_with_get(start, public, methods, status, allowed):
    """Whatever the first servlet was asked with, and what the second allows counts."""
    s = start('load_servlet { "%s/app.cgi", "/shop/*", methods = "POST" }\n'
              'load_servlet { "%s/hello.so", "/shop/env", methods = "%s" }\n'
              % (public, SERVLETS, methods))
    with s.connect() as c:
        r = c.request("/shop/local", "POST", body=b"12345")
        assert (r.status, r.get("Allow")) == (status, allowed)


def test_a_status_line_as_of_nph(app):
    r = app.get("/shop/nph")
    assert (r.status, r.text) == (418, "teapot\n")


def test_a_death_after_the_head_cuts_the_connection(app, tmp_path):
    with app.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/shop/late?turn=%s" % (tmp_path / "turn"), read=False)
        while b"begun" not in c.data:
            assert c.fill()
        (tmp_path / "turn").touch()
        c.read()


def test_an_exit_status_is_told(app):
    assert app.get("/shop/exit").text == "exits\n"
    app.wait_log(r"/shop/\*: the program ended with exit status 3")


def test_what_it_leaves_behind_is_not_waited_for(app):
    assert app.get("/shop/detach").text == "detached\n"


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def hang(server, target="/shop/hang"):
    """A client whose program goes on for ever, and that program."""
    before = server.log().count("hangs as")
    c = server.connect()
    c.request(target, read=False)
    while b"hangs\n" not in c.data:
        assert c.fill()
    pid = int(server.wait_log(r"hangs as (\d+)", count=before + 1)[-1])
    assert alive(pid)
    return c, pid


def test_a_client_that_leaves_ends_its_program(app):
    c, pid = hang(app)
    c.close()
    until(lambda: not alive(pid), 20, "the program's end")
    app.wait_log("the client has gone")


def test_a_worker_that_dies_ends_its_program(start, public):
    s = start('load_servlet ("%s/app.cgi", "/shop/*")\n' % public)
    c, pid = hang(s)
    with c:
        with open("/proc/%d/stat" % pid) as f:
            worker = int(f.read().rpartition(")")[2].split()[1])
        os.kill(worker, 9)
        until(lambda: not alive(pid), 20, "the program's end")


def test_timeout(start, public):
    s = start('load_servlet { "%s/app.cgi", "/shop/*", timeout = 1 }\n' % public)
    c, pid = hang(s)
    with c:
        until(lambda: not alive(pid), 30, "the program's end")
    s.wait_log("is over the request's time")


def test_many_at_once(app):
    """The workers' other business goes on meanwhile, and no descriptor is lost."""
    clients = [app.connect() for i in range(20)]
    for number, c in enumerate(clients):
        c.send("GET /shop/env?n=%d HTTP/1.1\r\nHost: test\r\n\r\n" % number)
    for number, c in enumerate(clients):
        assert variables(c.read())["QUERY_STRING"] == "n=%d" % number
        c.close()
    assert variables(app.get("/shop/process"))["descriptors"] == "0 1 2"


@pytest.mark.parametrize("text, mistake", [
    ('load_module { "module.cgi", "cgi", color = "red" }', "options authorization, document_root and env, not \"color\""),
    ('load_module { "module.cgi", "cgi", authorization = 1 }', 'authorization is true or false, not "1"'),
    ('load_module { "module.cgi", "cgi", env = { ["A=B"] = "x" } }', 'no name of a variable: "A=B"'),
    ('load_module ("module.cgi", "cgi")\nload_servlet ("{dir}/plain.cgi", "/x")', "not executable"),
    ('load_module { "module.cgi", "cgi", env = { X = {} } }', "env.X is a table"),
])
def test_mistakes_of_the_configuration(serve, tmp_path, text, mistake):
    (tmp_path / "plain.cgi").write_text("#!/bin/sh\n")
    s = serve(text.replace("{dir}", str(tmp_path)), ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:\d+: .*" + mistake)


def test_a_missing_interpreter(serve, tmp_path):
    path = tmp_path / "odd.cgi"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    s = serve('load_module ("module.cgi", "cgi")\nload_servlet ("%s", "/x")\n' % path)
    assert s.get("/x").status == 500
    s.wait_log("the interpreter that its first line names is not there")
