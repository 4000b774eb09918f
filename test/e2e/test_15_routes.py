"""An exact route wins, then the longest prefix; paths are decoded once and never climb out."""

import pytest

from client import head
from server import SERVLETS, Server, route

ROUTES = "".join(route("api", r) for r in (
    "/", "/a", "/a/*", "/a/b/*", "/a/b/exact", "/with space", "/shop/*", "/deep/*"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    text = ROUTES.replace("/api.so", "/route.so")
    s = Server(tmp_path_factory.mktemp("server"), text)
    s.start()
    yield s
    s.finish()


@pytest.mark.parametrize("target, answer", [
    ("/", "/||/||"),
    ("/?x=/a", "/||/||"),
    ("/a", "/a|/a|/a||"),
    ("/a/", "/a/*|/a|/a/|/|"),
    ("/a/x", "/a/*|/a|/a/x|/x|"),
    ("/a/b", "/a/b/*|/a/b|/a/b||"),
    ("/a/b/c/d", "/a/b/*|/a/b|/a/b/c/d|/c/d|"),
    ("/a/b/exact", "/a/b/exact|/a/b/exact|/a/b/exact||"),
    ("/a/b/exact/", "/a/b/*|/a/b|/a/b/exact/|/exact/|"),
    ("/ab", None), ("/A", None), ("/shopping", None), ("/nowhere", None),
    ("/with%20space", "/with space|/with space|/with space||"),
    ("/%61", "/a|/a|/a||"),
    ("/%2561", None),
    ("/shop", "/shop/*|/shop|/shop||"),
    ("/shop/..", "/||/||"),
    ("/shop/../a", "/a|/a|/a||"),
    ("/shop/%2e%2e/a", "/a|/a|/a||"),
    ("/shop/%2E./a/./b/exact", "/a/b/exact|/a/b/exact|/a/b/exact||"),
    ("/./a", "/a|/a|/a||"),
    ("/a?..", "/a|/a|/a||"),
    ("http://other/a", "/a|/a|/a||"),
    ("http://other", "/||/||"),
    ("http://other?x", "/||/||"),
])
def test_route(server, target, answer):
    """route|script name|path|path info| of what was asked for."""
    with server.connect() as c:
        c.send("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        r = c.read()
    if answer is None:
        assert r.status == 404
    else:
        parts = r.text.rstrip("\n").split("|")
        want = answer.split("|")
        assert parts[0] == want[0], r.text
        if want[1]:
            assert parts == want
        else:
            assert parts[2] == "/"


@pytest.mark.parametrize("target", ["/../a", "/shop/../../a", "/a%", "/a%4", "/a%zz", "/%00", "/a%00b", "/shop/%0z"])
def test_no_path_of_ours(server, target):
    """It cannot be decoded, or climbs out."""
    assert server.get(target).status == 400


def test_star(server):
    """OPTIONS * is about the server; * is of no other method."""
    with server.connect() as c:
        c.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert c.read().status in (200, 204)
        c.send("GET * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert c.read().status == 400


def test_many_routes(serve):
    """Ten thousand of them are as good as one."""
    text = "".join('load_servlet ("%s/hello.so", "/r/%d/*")\n' % (SERVLETS, i) for i in range(3000))
    s = serve(text)
    assert s.get("/r/0").body == s.get("/r/2999/x").body == b"hello\n"
    assert s.get("/r/3000").status == 404


def test_get_with_a_body(server):
    with server.connect() as c:
        c.send(head("/a", "GET", body=b"12345") + b"12345" + head("/a"))
        assert c.read().status == c.read().status == 200


def test_methods(serve):
    """Others than those of the route are answered with what it allows, and never run."""
    s = serve('load_servlet { "%s/echo.so", "/in/*", methods = { "POST", "M-SEARCH" } }\n'
              'load_servlet { "%s/hello.so", "/out", methods = "GET" }\n'
              'load_servlet ("%s/hello.so", "/any")\n' % (SERVLETS, SERVLETS, SERVLETS))
    with s.connect() as c:
        for method, target, status in (
                ("GET", "/out", 200), ("HEAD", "/out", 200), ("POST", "/out", 405),
                ("OPTIONS", "/out", 405), ("DELETE", "/any", 200), ("OPTIONS", "/any", 200),
                ("POST", "/in", 200), ("POST", "/in/below", 200), ("M-SEARCH", "/in", 200),
                ("GET", "/in/below", 405), ("HEAD", "/in", 405), ("PUT", "/in", 405)):
            body = b"12345" if method in ("POST", "PUT") else None
            r = c.request(target, method, body=body)
            allowed = "GET, HEAD" if target == "/out" else "POST, M-SEARCH"
            assert (r.status, r.get("Allow")) == (status, allowed if status == 405 else None)
