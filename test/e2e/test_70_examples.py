"""config.conf serves the index page and every example that was built."""

import os
import re
import subprocess

import pytest

from client import head
from server import BINARY, TOP, Server, environment, free_port, until


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """config.conf itself, but for its port."""
    directory = tmp_path_factory.mktemp("server")
    with open(os.path.join(TOP, "config.conf")) as f:
        text = f.read()
    assert 'listen "0.0.0.0:8080"' in text
    # What examples store goes there.
    s = Server(directory, bare=True, env={"TMPDIR": str(directory)})
    s.port = free_port()
    # Beside the original, as its paths are relative to it.
    name = os.path.join(TOP, ".config-%d.conf" % os.getpid())
    with open(name, "w") as f:
        f.write(text.replace('"0.0.0.0:8080"', '"127.0.0.1:%d"' % s.port))
    s.config = name
    s.spawn()
    until(s.is_ready, 30)
    os.unlink(name)
    yield s
    s.finish()


def routes(server):
    return re.findall(r'href="(/[^"]+)"', server.get("/").text)


def test_index_lists_every_route(server):
    r = server.get("/")
    assert r.status == 200 and r.get("Content-Type").startswith("text/html")
    assert "<!doctype html>" in r.text.lower() and 'name="viewport"' in r.text
    found = routes(server)
    assert len(found) >= 10
    for target in found:
        # For those that would take their time; gitweb searches for it.
        query = "" if "gitweb" in target else "?s=0&count=1"
        assert server.get(target + query).status in range(200, 300), target


def test_every_built_example_is_served(server):
    found = " ".join(routes(server))
    for name in ("hello", "arg", "form", "cookies", "echo", "file", "stream", "sleep", "crash"):
        assert "c/%s.so" % name in found


def route(server, name):
    return [r for r in routes(server) if r.endswith(name)][0]


def test_hello(server):
    for target in [r for r in routes(server) if "hello" in r]:
        assert "hello" in server.get(target).text.lower()


def test_arg_escapes(server):
    r = server.get(route(server, "c/arg.so") + "?name=%3Cscript%3E&x=1")
    assert "<script>" not in r.text and "&lt;script&gt;" in r.text


def test_two_cookies_reach_the_client_as_two(server):
    r = server.get(route(server, "c/cookies.so"))
    assert len(r.all("Set-Cookie")) == 2
    cookies = "; ".join(c.split(";")[0] for c in r.all("Set-Cookie"))
    with server.connect() as c:
        again = c.request(route(server, "c/cookies.so"), headers=[("Cookie", cookies)])
    assert again.text != r.text


def test_form(server, tmp_path):
    (tmp_path / "up.txt").write_text("content")
    done = subprocess.run(["curl", "-sS", "--form-string", "name=<b>", "-F", "file=@%s" % (tmp_path / "up.txt"),
                           "http://127.0.0.1:%d%s" % (server.port, route(server, "c/form.so"))],
                          capture_output=True, text=True, timeout=60)
    assert "up.txt" in done.stdout and "&lt;b&gt;" in done.stdout and ">7\n" in done.stdout


def test_file_is_not_sent_twice(server):
    target = route(server, "c/file.so")
    r = server.get(target)
    with open(os.path.join(TOP, "examples/c/file.c"), "rb") as f:
        assert r.body == f.read()
    with server.connect() as c:
        r = c.request(target, headers=[("If-None-Match", r.get("ETag"))])
        assert r.status == 304
        assert c.request("/").status == 200


def test_crash(server):
    for how in ("segv", "abort", "exit", "div"):
        with server.connect() as c:
            c.send(head(route(server, "c/crash.so") + "?how=" + how))
            assert c.read().status == 500


def test_check_of_the_original(server):
    """-t of the very file that is committed finds nothing wrong."""
    done = subprocess.run([BINARY, "-t", "config.conf"], cwd=TOP, capture_output=True, text=True,
                          env=environment(server.directory), timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cgi(server):
    assert server.get(route(server, "cgi/hello.cgi")).text == "Hello, 127.0.0.1!\n"
    r = server.get(route(server, "cgi/variables.cgi/") + "%3Ci%3E?a&b")
    assert "PATH_INFO=/&lt;i&gt;\n" in r.text and "QUERY_STRING=a&amp;b\n" in r.text


def test_languages_that_export_c_symbols(server):
    """Those whose compiler is here; all of them escape."""
    for target in routes(server):
        m = re.match(r"/examples/(c\+\+|c%2B%2B|rust|d|nim|haskell)/hello\.so$", target)
        if m:
            assert server.get(target + "?name=%3Ci%3E").text.startswith("Hello, &lt;i&gt;, from ")
