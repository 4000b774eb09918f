"""deploy/django.md: its commands and files, literally, give a site that works."""

import os
import re
import subprocess

import pytest

import server as harness
import vocabulary

vocabulary.need_module("python")
pytestmark = pytest.mark.skipif(os.path.dirname(harness.BINARY) != harness.TOP,
                                reason="for one variant only")

BLOCK = re.compile(r"(?:<!-- begin (\S+) -->\n)?```(\w+)\n(.*?)```", re.S)


def test_the_guide(tmp_path):
    for package in "python3-django", "python3-venv":
        if subprocess.run(["dpkg", "-s", package], capture_output=True).returncode != 0:
            pytest.skip("apt-get install " + package)
    with open(os.path.join(harness.TOP, "deploy/django.md")) as f:
        guide = f.read()
    os.chmod(tmp_path, 0o755)
    site = tmp_path / "site"
    site.mkdir()
    s = harness.Server(site, bare=True, name="modserver.conf")
    s.port = harness.free_port()
    env = {k: v for k, v in s.env.items() if k != "PYTHONPATH"}
    env["PATH"] = "%s:/usr/bin:/bin" % os.path.dirname(harness.BINARY)
    run = []
    for name, language, text in BLOCK.findall(guide):
        text = text.replace("/srv/mysite", str(site)).replace("8000", str(s.port))
        if name:
            (site / name).write_text(text)
        elif language == "sh":
            done = subprocess.run(["sh", "-euc", text], env=env, stdin=subprocess.DEVNULL, timeout=100,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, "%s\n%s" % (text, done.stdout)
            run.append(text)
    assert len(run) == 4
    s.spawn()
    try:
        harness.until(s.is_ready, 30)
        with s.connect() as c:
            page = c.request("/admin/login/", headers=[("Host", "localhost")])
            assert page.status == 200 and "Django administration" in page.text
            token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
            cookie = page.get("Set-Cookie").split(";")[0]
            r = c.request("/admin/login/?next=/admin/", "POST", [
                ("Host", "localhost"), ("Cookie", cookie),
                ("Content-Type", "application/x-www-form-urlencoded")],
                ("csrfmiddlewaretoken=%s&username=admin&password=change-me" % token).encode())
            assert (r.status, r.get("Location")) == (302, "/admin/")
            assert c.request("/", headers=[("Host", "elsewhere")]).status == 400
        assert (site / "static/admin/css/base.css").exists()
        s.wait_log("prefix %s/venv" % site)
    finally:
        s.finish()
