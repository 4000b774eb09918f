"""deploy/: the commands and files of the guides, literally, give sites that work."""

import os
import re
import shutil
import socket
import subprocess

import pytest

import server as harness
import vocabulary
from test_53_socket_activation import activate  # noqa: F401

pytestmark = [pytest.mark.timeout(300),
              pytest.mark.skipif(os.path.dirname(harness.BINARY) != harness.TOP,
                                 reason="for one variant only")]

BLOCK = re.compile(r"(?:<!-- begin (\S+) -->\n)?```(\w+)\n(.*?)```", re.S)
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def need(module, *packages):
    vocabulary.need_module(module)
    for package in packages:
        if subprocess.run(["dpkg", "-s", package], capture_output=True).returncode != 0:
            pytest.skip("apt-get install " + package)


class Site:
    """Follows a guide, in a directory of its own instead of the guide's."""

    def __init__(self, tmp_path, guide, directory):
        os.chmod(tmp_path, 0o755)
        self.path = tmp_path / "site"
        self.path.mkdir()
        self.server = harness.Server(self.path, bare=True, name="modserver.conf")
        self.server.port = harness.free_port()
        self.server.env["PATH"] = "%s:/usr/bin:/bin" % os.path.dirname(harness.BINARY)
        self.server.env.pop("PYTHONPATH", None)
        self.commands = 0
        with open(os.path.join(harness.TOP, "deploy", guide)) as f:
            text = f.read()
        for name, language, block in BLOCK.findall(text):
            block = block.replace(directory, str(self.path)).replace("8000", str(self.server.port))
            if name:
                (self.path / name).write_text(block)
            elif language == "sh":
                self.run(block)

    def run(self, text):
        done = subprocess.run(["sh", "-euc", text], env=self.server.env, stdin=subprocess.DEVNULL, timeout=100,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, "%s\n%s" % (text, done.stdout)
        self.commands += 1

    def __enter__(self):
        self.server.spawn()
        harness.until(self.server.is_ready, 60)
        return self.server

    def __exit__(self, *unused):
        self.server.finish()


def hidden(page, name):
    """The value of the form's hidden field."""
    return re.search('name="%s" value="([^"]+)"' % name, page.text)[1]


def test_django(tmp_path):
    need("python", "python3-django", "python3-venv")
    site = Site(tmp_path, "django.md", "/srv/mysite")
    assert site.commands == 4
    with site as s, s.connect() as c:
        page = c.request("/admin/login/", headers=[("Host", "localhost")])
        assert page.status == 200 and "Django administration" in page.text
        cookie = page.get("Set-Cookie").split(";")[0]
        r = c.request("/admin/login/?next=/admin/", "POST", [("Host", "localhost"), ("Cookie", cookie), FORM],
                      ("csrfmiddlewaretoken=%s&username=admin&password=change-me"
                       % hidden(page, "csrfmiddlewaretoken")).encode())
        assert (r.status, r.get("Location")) == (302, "/admin/")
        assert c.request("/", headers=[("Host", "elsewhere")]).status == 400
        assert (site.path / "static/admin/css/base.css").exists()
        s.wait_log("prefix %s/venv" % site.path)


def use_notes(server, prefix):
    """Adds a note to the Rails application, and finds it."""
    with server.connect() as c:
        page = c.request(prefix + "/notes/new")
        assert page.status == 200
        cookie = page.get("Set-Cookie").split(";")[0]
        assert c.request(prefix + "/notes", "POST", [("Cookie", cookie), FORM], b"note[text]=x").status == 422
        r = c.request(prefix + "/notes", "POST", [("Cookie", cookie), FORM], (
            "authenticity_token=%s&note[text]=%%3Cmilk%%3E+%%C3%%A4" % hidden(page, "authenticity_token")).encode())
        assert r.status == 302 and re.fullmatch(r"http://test%s/notes/\d+" % prefix, r.get("Location"))
        page = c.request(prefix + "/notes")
        assert "&lt;milk&gt; \xe4" in page.text
        style = re.search('href="(%s/assets/application-[^"]+css)"' % prefix, page.text)[1]
        style = c.request(style)
        assert style.status == 200 and style.get("Content-Type") == "text/css" and style.framing == "length"
        assert c.request(prefix + "/notes/12345").status == 404
        assert c.request(prefix + "/notes", "HEAD").body == b""


def test_rails(tmp_path):
    need("ruby", "ruby-rails", "ruby-sqlite3", "ruby-bundler")
    site = Site(tmp_path, "rails.md", "/srv/shop")
    assert site.commands == 4
    with site as s:
        use_notes(s, "")
        s.wait_log("Completed 302 Found")
    # Below a prefix, as the guide says it, and warm when workers are forked.
    with open(site.path / "config.ru", "a") as config:
        config.write((site.path / "warmup.ru").read_text())
    conf = site.path / "modserver.conf"
    conf.write_text(conf.read_text().replace('"/*"', '"/shop/*"'))
    s.env["RAILS_RELATIVE_URL_ROOT"] = "/shop"
    site.run("cd %s && RAILS_ENV=production bin/rails assets:precompile" % site.path)
    with site as s:
        assert 'GET "/notes/new" for' in s.log()
        use_notes(s, "/shop")


def test_systemd(activate, tmp_path):   # noqa: F811
    """The units are without fault, and the configuration serves what the socket unit binds."""
    with open(os.path.join(harness.TOP, "deploy/systemd.md")) as f:
        files = {name: block for name, language, block in BLOCK.findall(f.read()) if name}
    port, = re.findall(r"^ListenStream=(\d+)$", files["modserver.socket"], re.M)
    # As systemd binds a port: both families, where there are two.
    listening = socket.create_server(("", harness.free_port())) if not socket.has_dualstack_ipv6() else \
        socket.create_server(("", harness.free_port()), family=socket.AF_INET6, dualstack_ipv6=True)
    text = files["modserver.conf"].replace(":%s" % port, ":{port}")
    s = activate([listening], text.replace("/srv/site", harness.SERVLETS))
    assert s.get("/hello").body == b"hello\n"
    s.wait_log("passed as")
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    for name in ("modserver.socket", "modserver.service"):
        (tmp_path / name).write_text(files[name].replace("/usr/local/bin/modserver", harness.BINARY))
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", str(tmp_path / "modserver.socket"),
                           str(tmp_path / "modserver.service")], text=True, capture_output=True, timeout=60)
    # Of the units beside these it has its own complaints.
    assert "modserver" not in done.stderr, done.stderr
