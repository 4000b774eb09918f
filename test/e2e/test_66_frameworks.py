"""Flask, Django, Bottle, Falcon and Pyramid answer as under gunicorn: at /, below a prefix,
and with wsgiref.validate around them."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

import server as harness
import vocabulary
from client import Client, head, until

vocabulary.need_module("python")

# test_65_wsgi.py tests the adapter itself in all variants.
pytestmark = pytest.mark.skipif(os.path.dirname(harness.BINARY) != harness.TOP,
                                reason="for one variant only")

APPLICATIONS = os.path.join(harness.TOP, "test/applications")
FRAMEWORKS = ["flask", "django", "bottle", "falcon", "pyramid"]
PREPARE = """
import django
django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", run_syncdb=True, verbosity=0)
User.objects.create_superuser("admin", "", "secret")
"""
FIELD = "\xe4 & b"
PIECE = bytes(range(256)) * 4096
UPLOAD = PIECE * 3      # 3 MiB

# What may differ.  Server: each names itself.  Date, Connection: the time, and gunicorn's
# sync worker does not keep connections.  Transfer-Encoding: the framing of a body of
# unknown length is the same, but for a list of several blocks ours sends a Content-Length.
# Content-Length of 304: Django says 0, gunicorn sends it, ours sends none (RFC 9110, 8.6).
SKIPPED = {"server", "date", "connection", "transfer-encoding"}


class Gunicorn:
    """The reference server, with the same applications."""

    def __init__(self, directory, data):
        self.port = harness.free_port()
        self.log_path = str(directory / "gunicorn.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--workers", "1", "--bind",
                 "127.0.0.1:%d" % self.port, "--chdir", APPLICATIONS, "--worker-tmp-dir", directory,
                 "applications:application"],
                env=dict(os.environ, DJANGO_DATA=str(data), PYTHONDONTWRITEBYTECODE="1"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(self.is_ready, 60, "gunicorn")

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
        return Client(("127.0.0.1", self.port), 60)

    def finish(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def prepare(directory):
    """A directory for Django's database and files, with a user `admin`."""
    directory.mkdir()
    env = dict(os.environ, DJANGO_DATA=str(directory), DJANGO_SETTINGS_MODULE="django_project.settings",
               PYTHONPATH=APPLICATIONS, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run([sys.executable, "-c", PREPARE], env=env, timeout=100, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Ours, with each at a prefix of its own and all at /, and gunicorn."""
    for module in "flask", "django", "bottle", "falcon", "pyramid", "gunicorn":
        pytest.importorskip(module, reason="apt-get install python3-%s" % module)
    directory = tmp_path_factory.mktemp("frameworks")
    one = prepare(directory / "one")
    two = shutil.copytree(one, directory / "two")
    text = 'load_module ("module.python", "py")\n'
    for name in FRAMEWORKS:
        text += 'load_servlet ("%s/%s_app.py", "/%s/*")\n' % (APPLICATIONS, name, name)
    text += 'load_servlet ("%s/applications.py", "/*")\n' % APPLICATIONS
    ours = harness.Server(tmp_path_factory.mktemp("server"), text,
                          env={"DJANGO_DATA": str(one), "PYTHONDONTWRITEBYTECODE": "1"})
    ours.start()
    reference = Gunicorn(directory, two)
    yield ours, reference
    reference.finish()
    ours.finish()


@pytest.fixture(params=FRAMEWORKS)
def framework(request):
    return request.param


@pytest.fixture(params=["at the root", "below a prefix", "validated"])
def pair(request, servers, framework):
    """Asks both servers and returns both responses."""
    prefix = "/" + framework if request.param == "below a prefix" else ""
    # gunicorn takes the prefix from this field (ours drops it, for its underscore).
    mount = [("X-Framework", framework)] + ([("SCRIPT_NAME", prefix)] if prefix else [])
    if request.param == "validated":
        mount.append(("X-Validate", "yes"))

    def ask(target, method="GET", headers=(), body=None, **more):
        responses = []
        for server in servers:
            with server.connect() as c:
                responses.append(c.request(prefix + target, method, [*mount, *headers], body, **more))
        return responses

    ask.prefix, ask.mount, ask.server = prefix, mount, servers[0]
    return ask


def shown(response):
    """What must be equal."""
    headers = [(n, v) for n, v in response.headers if n not in SKIPPED and
               (response.status != 304 or n != "content-length")]
    return response.status, sorted(headers), response.body


def same(responses, status=200):
    ours, theirs = responses
    assert ours.status == status, ours.body[-2000:]
    assert shown(ours) == shown(theirs)
    return ours


def multipart(boundary="xyzzy"):
    parts = [b"--xyzzy", b'Content-Disposition: form-data; name="field"', b"", FIELD.encode(),
             b"--xyzzy", b'Content-Disposition: form-data; name="file"; filename="a.bin"',
             b"Content-Type: application/octet-stream", b"", UPLOAD, b"--xyzzy--", b""]
    return [("Content-Type", "multipart/form-data; boundary=" + boundary)], b"\r\n".join(parts)


def test_query(pair):
    assert same(pair("/hello?name=a%20%C3%A4")).text == "Hello, a \xe4!"


def test_head(pair):
    assert same(pair("/hello", "HEAD")).body == b""


def test_chunked_post(pair, framework):
    ours, theirs = pair("/echo", "POST", body=b"0123456789" * 20, chunk=7)
    if framework == "flask" and ("X-Validate", "yes") in pair.mount:
        # PEP 3333 lets read() do without a size, as Werkzeug does; the validator does not.
        assert ours.status == theirs.status == 500
        return
    assert (ours.status, ours.body) == (200, b"0123456789" * 20)
    # gunicorn gives no length, without which Django and Falcon read nothing, and
    # leaves Transfer-Encoding in environ, so that Bottle decodes what is decoded.
    if framework in ("django", "falcon"):
        assert theirs.body == b""
    elif framework == "bottle":
        assert theirs.status == 400
    else:
        assert shown(ours) == shown(theirs)


def test_upload_of_3_megabytes(pair):
    headers, body = multipart()
    ours = same(pair("/upload", "POST", headers, body))
    assert ours.text == "%s a.bin %d %d" % (FIELD, len(UPLOAD), sum(UPLOAD))


def test_chunked_upload(pair):
    headers, body = multipart()
    # Ours only, for the reasons above.
    with pair.server.connect() as c:
        ours = c.request(pair.prefix + "/upload", "POST", pair.mount + headers, body, chunk=50000)
    assert ours.text == "%s a.bin %d %d" % (FIELD, len(UPLOAD), sum(UPLOAD))


def test_two_cookies(pair):
    ours = same(pair("/cookies", headers=[("Cookie", "old=yes; x=y")]))
    assert ours.text == "yes"
    assert [c.split(";")[0] for c in ours.all("Set-Cookie")] == ["one=1", "two=2"]


def test_stream_is_seen_piece_by_piece(pair, tmp_path):
    flag = tmp_path / "flag"
    ours = same(pair("/stream"))
    assert (ours.text, ours.framing) == ("first\nsecond\n", "chunked")
    with pair.server.connect() as c:
        c.send(head("%s/stream?wait=%s" % (pair.prefix, flag), headers=pair.mount))
        c.head()
        assert c.line("size") == b"6" and c.exactly(8, "chunk") == b"first\n\r\n"
        flag.write_text("")
        assert c.line("size") == b"7" and c.exactly(9, "chunk") == b"second\n\r\n"


def test_path(pair):
    ours = same(pair("/path/a%2Fb/%C3%A4/c%20d"))
    assert ours.text == ascii(["a/b/\xe4/c d", pair.prefix, "/path/a/b/\xe4/c d"])


def test_redirect(pair):
    ours = same(pair("/redirect"), 302)
    assert ours.get("Location").split("?")[0].endswith("hello")


def test_etag(pair):
    ours = same(pair("/etag"))
    again = same(pair("/etag", headers=[("If-None-Match", ours.get("ETag"))]), 304)
    assert again.body == b"" and again.get("ETag") == ours.get("ETag")


def test_exception(pair, framework):
    before = len(pair.server.log())
    if framework == "pyramid":      # leaves the page to the server
        with pair.server.connect() as c:
            assert c.request(pair.prefix + "/error", headers=pair.mount).status == 500
    else:
        same(pair("/error"), 500)
    # Django logs to standard error, the others to wsgi.errors.
    line = "ValueError: broken on purpose"
    line = "(?m)^" + line if framework == "django" else r"request \S+ /\S*: " + line
    until(lambda: re.search(line, pair.server.log()[before:]), 20, "the exception")
    assert "Traceback" in pair.server.log()[before:]


def test_not_found(pair):
    assert same(pair("/nonesuch"), 404).status == 404


# ------------------------------------------------------------ Django's admin

class Browser:
    """Follows redirects, keeps cookies, fills in the token of a form."""

    def __init__(self, server, prefix, mount):
        self.server, self.prefix, self.mount, self.cookies = server, prefix, mount, {}

    def ask(self, target, method="GET", headers=(), body=None):
        cookie = "; ".join("%s=%s" % c for c in self.cookies.items())
        with self.server.connect() as c:
            r = c.request(target, method, [*self.mount, ("Cookie", cookie), *headers], body)
        for line in r.all("Set-Cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return r

    def get(self, target):
        return self.ask(self.prefix + target)

    def post(self, target, fields, file=None):
        """Posts the form at target; answers the redirect's target."""
        token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', self.get(target).text)[1]
        parts = []
        for name, value in dict(fields, csrfmiddlewaretoken=token).items():
            parts += [b"--xyzzy", b'Content-Disposition: form-data; name="%s"' % name.encode(), b"",
                      value.encode()]
        if file:
            parts += [b"--xyzzy", b'Content-Disposition: form-data; name="file"; filename="%s"' % file[0].encode(),
                      b"Content-Type: text/plain", b"", file[1]]
        r = self.ask(self.prefix + target, "POST", [
            ("Content-Type", "multipart/form-data; boundary=xyzzy")], b"\r\n".join([*parts, b"--xyzzy--", b""]))
        assert r.status == 302, r.text
        return r.get("Location")


@pytest.mark.parametrize("prefix", ["", "/django"])
def test_django_admin(servers, prefix):
    """Log in, add with a file, change, delete; the same steps under gunicorn."""
    trails = []
    for server in servers:
        b = Browser(server, prefix, [("X-Framework", "django")] + ([("SCRIPT_NAME", prefix)] if prefix else []))
        trail = [b.get("/admin/").get("Location")]
        trail.append(b.post("/admin/login/?next=%s/admin/" % prefix, {"username": "admin", "password": "secret"}))
        assert "Site administration" in b.get("/admin/").text
        items = "/admin/django_project/item/"
        trail.append(b.post(items + "add/", {"name": "first \xe4"}, ("notes.txt", UPLOAD)))
        page = b.get(items).text
        assert "first \xe4" in page
        number = re.search(r"item/(\d+)/change", page)[1]
        change = b.get("%s%s/change/" % (items, number)).text
        assert re.search(r"items/notes\S*\.txt", change)
        trail.append(b.post("%s%s/change/" % (items, number), {"name": "second"}))
        page = b.get(items).text
        assert "second" in page and "first" not in page
        trail.append(b.post("%s%s/delete/" % (items, number), {"post": "yes"}))
        assert b.get("%s%s/change/" % (items, number)).status == 302
        trails.append(trail)
    assert trails[0] == trails[1]
    assert trails[0][0] == "%s/admin/login/?next=%s/admin/" % (prefix, prefix)


def test_django_static_files(servers):
    # At the root only: Django's StaticFilesHandler finds nothing below a prefix.
    target, mount = "/static/admin/css/base.css", [("X-Framework", "django")]
    responses = []
    for server in servers:
        with server.connect() as c:
            responses.append(c.request(target, headers=mount))
    ours = same(responses)
    assert ours.get("Content-Type") == "text/css" and ours.framing == "length"
    with servers[0].connect() as c:
        assert c.request(target, headers=[*mount, (
            "If-Modified-Since", ours.get("Last-Modified"))]).status == 304


# ------------------------------------------------------------------ examples

def test_flask_example(serve, tmp_path):
    pytest.importorskip("flask", reason="apt-get install python3-flask")
    s = serve('load_module ("module.python", "py")\nload_servlet ("%s/flask/tasks.py", "/tasks/*")\n'
              % harness.EXAMPLES, env={"TASKS": str(tmp_path / "tasks.sqlite")})
    form = ("Content-Type", "application/x-www-form-urlencoded")
    with s.connect() as c:
        assert c.request("/tasks").get("Location") == "http://test/tasks/"
        assert "Nothing to do." in c.request("/tasks/").text
        r = c.request("/tasks/", "POST", [form], b"text=%3Cb%3E+%C3%A4")
        assert (r.status, r.get("Location")) == (303, "/tasks/")
        page = c.request("/tasks/").text
        assert "&lt;b&gt; \xe4" in page and 'action="/tasks/1"' in page and 'class="done"' not in page
        assert c.request("/tasks/1", "POST", [form], b"action=done").status == 303
        assert 'class="done"' in c.request("/tasks/").text
        assert c.request("/tasks/1", "POST", [form], b"action=delete").status == 303
        assert c.request("/tasks/1", "POST", [form], b"action=delete").status == 404
        assert c.request("/tasks/", "POST", [form], b"text=").status == 400


# ------------------------------------------------------------------- memory

def test_memory_of_a_worker(serve, tmp_path):
    """A worker's own memory after requests: 4 MiB with Flask, 6 MiB with Django."""
    for module in "flask", "django":
        pytest.importorskip(module, reason="apt-get install python3-%s" % module)
    data = prepare(tmp_path / "data")
    for name, most in ("flask", 4), ("django", 6):
        s = serve('load_module ("module.python", "py")\nworkers { min = 1, max = 1 }\n'
                  'load_servlet ("%s/%s_app.py", "/x/*")\n' % (APPLICATIONS, name), env={"DJANGO_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"})
        for i in range(50):
            assert s.get("/x/hello").text == "Hello, world!"
        worker, = s.workers()
        with open("/proc/%d/smaps_rollup" % worker) as f:
            private = sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", f.read(), re.M)))
        assert private <= most * 1024, "%s: %d KiB" % (name, private)
