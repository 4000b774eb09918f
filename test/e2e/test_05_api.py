"""Every function of modserver.h answers a C servlet what modserver.h says."""

import re

import pytest

from client import head
from server import SERVLETS


def ask(server, what, method="GET", headers=(), body=None, chunk=None):
    with server.connect() as c:
        r = c.request("/api/" + what, method, [("Connection", "close")] + list(headers),
                      body, chunk)
    assert r.status == 200, r
    return r.body.decode("latin-1")


@pytest.mark.parametrize("query, answer", [
    ("name=a&a=1", "<1>"),
    ("name=a", "(null)"),
    ("name=a&a", "<>"),
    ("name=a&a=", "<>"),
    ("name=a&a=1&a=2", "<1>"),
    ("name=a&A=1", "(null)"),
    ("name=a&a=b+c%2Bd%20e", "<b c+d e>"),
    ("name=a&a=%2541", "<%41>"),
    ("name=a&a=x=y", "<x=y>"),
    ("name=a&a=%zz", "<%zz>"),
    ("name=a&a=%4", "<%4>"),
    ("name=a&a=%", "<%>"),
    ("name=a&a=%C3%A4", "<\xc3\xa4>"),
    ("name=a+b&a%20b=1", "<1>"),
    ("name=a&&&a=1&", "<1>"),
    ("name=a&=5&a=1", "<1>"),
    ("name=a?b&a?b=1", "<1>"),
])
def test_get_arg(server, query, answer):
    assert ask(server, "get_arg?" + query) == answer + "\n"


def test_each_arg(server):
    assert ask(server, "each_arg?a=1&b&a=%202&c=") == "a=1\nb=\na= 2\nc=\nanswered 0\n"
    assert ask(server, "each_arg?a=1&stop=2&b=3") == "a=1\nstop=2\nanswered 7\n"
    assert ask(server, "each_arg") == "answered 0\n"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_get_method(server, method):
    assert ask(server, "get_method", method) == "<%s>\n" % method


def test_get_header(server):
    headers = [("X-One", "1"), ("x-TWO", " padded\t "), ("X-One", "again"), ("X-Empty", "")]
    assert ask(server, "get_header?name=x-one", headers=headers) == "<1>\n"
    assert ask(server, "get_header?name=X-TWO", headers=headers) == "<padded>\n"
    assert ask(server, "get_header?name=X-Empty", headers=headers) == "<>\n"
    assert ask(server, "get_header?name=X-None", headers=headers) == "(null)\n"
    assert ask(server, "get_header?name=X-On", headers=headers) == "(null)\n"


def test_each_header(server):
    out = ask(server, "each_header", headers=[("B", "1"), ("a", "2"), ("B", "3")])
    assert out == "Host=test\nConnection=close\nB=1\na=2\nB=3\nanswered 0\n"
    out = ask(server, "each_header", headers=[("stop", "1"), ("a", "2")])
    assert out == "Host=test\nConnection=close\nstop=1\nanswered 7\n"


@pytest.mark.parametrize("target, path, info, whole", [
    ("get_path/a%20b", "<get_path>", None, "</api/get_path/a b>"),
    ("get_path/%41/../b/./c", None, None, "</api/get_path/b/c>"),
    ("get_path/a//b", None, None, None),
    ("get_path/a%2541", None, None, "</api/get_path/a%41>"),
])
def test_get_path(server, target, path, info, whole):
    out = ask(server, target)
    if whole:
        assert out == whole + "\n"


def test_get_path_info(server):
    assert ask(server, "get_path_info/b/c%21?x") == "</get_path_info/b/c!>\n"
    assert ask(server, "get_path_info/") == "</get_path_info/>\n"


def test_get_script_name_and_route(server):
    assert ask(server, "get_script_name") == "</api>\n"
    assert ask(server, "get_route") == "</api/*>\n"


def test_get_query(server):
    assert ask(server, "get_query?a=%20+b&&c") == "<a=%20+b&&c>\n"
    assert ask(server, "get_query?") == "<>\n"
    assert ask(server, "get_query") == "<>\n"


def test_get_target(server):
    assert ask(server, "get_target%20x?a=%20") == "</api/get_target%20x?a=%20>\n"
    with server.connect() as c:
        c.send("GET http://example.org:81/api/get_target HTTP/1.1\r\nHost: x\r\n\r\n")
        assert c.read().text == "<http://example.org:81/api/get_target>\n"


def test_get_protocol_and_scheme(server):
    assert ask(server, "get_protocol") == "<HTTP/1.1>\n"
    assert ask(server, "get_scheme") == "<http>\n"
    with server.connect() as c:
        assert c.request("/api/get_protocol", version="1.0").text == "<HTTP/1.0>\n"


def test_get_remote(server):
    with server.connect() as c:
        port = c.socket.getsockname()[1]
        assert c.request("/api/get_remote").text == "<127.0.0.1>\n%d\n" % port


@pytest.mark.parametrize("host, answer", [
    ("example.org", "<example.org>\n80\n"),
    ("example.org:8080", "<example.org>\n8080\n"),
    ("example.org:", "<example.org>\n80\n"),
    ("[::1]:81", None),
])
def test_get_server(server, host, answer):
    out = ask(server, "get_server", headers=[("Host", host)])
    if answer:
        assert out == answer
    else:
        assert out in ("<::1>\n81\n", "<[::1]>\n81\n")


def test_get_server_of_an_absolute_target(server):
    """The target is worth more than Host (RFC 9112, 3.2.2)."""
    with server.connect() as c:
        c.send("GET http://example.org:82/api/get_server HTTP/1.1\r\nHost: other\r\n\r\n")
        assert c.read().text == "<example.org>\n82\n"


def test_get_server_without_host(server):
    """HTTP/1.0 needs no Host: then it is where the connection arrived."""
    with server.connect() as c:
        c.send("GET /api/get_server HTTP/1.0\r\n\r\n")
        assert c.read().text == "<127.0.0.1>\n%d\n" % server.port


@pytest.mark.parametrize("cookies, answer", [
    (["a=1; b=2"], "<2>"),
    (["a=1", "b=2"], "<2>"),
    (["b=2;c=3"], "<2>"),
    (["b=1; b=2"], "<1>"),
    (["b=%20x"], "<%20x>"),
    (["b="], "<>"),
    (["xb=1; bx=2"], "(null)"),
    ([], "(null)"),
    (["b=x=y"], "<x=y>"),
])
def test_get_cookie(server, cookies, answer):
    headers = [("Cookie", c) for c in cookies]
    assert ask(server, "get_cookie?name=b", headers=headers) == answer + "\n"


def test_each_cookie(server):
    out = ask(server, "each_cookie", headers=[("Cookie", "a=1; b=2"), ("Cookie", "stop=3; d=4")])
    assert out == "a=1\nb=2\nstop=3\nanswered 7\n"


def test_get_content_length(server):
    assert ask(server, "get_content_length") == "0\n"
    assert ask(server, "get_content_length", "POST", body=b"x" * 12345) == "12345\n"
    assert ask(server, "get_content_length", "POST", body=b"x" * 12345, chunk=100) == "12345\n"


def test_rread_and_rrewind(server):
    """A form lookup in between does not disturb it."""
    body = b"x=1&y=23456789&z=0"
    out = ask(server, "rread", "POST",
              [("Content-Type", "application/x-www-form-urlencoded")], body)
    assert out == "10<x=1&y=2345>\nrrewind 0\n3<x=1>\n15<&y=23456789&z=0>\n0 0\n"
    assert ask(server, "rread") == "0<>\nrrewind 0\n0<>\n0 0\n"


def test_get_request_id(server):
    ids = [ask(server, "get_request_id") for i in range(5)]
    assert len(set(ids)) == 5 and all(re.match(r"<[!-~]+>\n\Z", i) for i in ids)


def test_rwrite(server):
    """Octets, NUL among them, are counted; rwrite answers how many it took."""
    assert ask(server, "rwrite") == "a\0b3\n"


def test_rprintf(server):
    assert ask(server, "rprintf?value=abc") == (
        "abc-00042\nabc+ff\n10 7\nas it is\n9 100%\n")
    assert ask(server, "rprintf_long?value=100000") == "0" * 99999 + "1\n100000\n"


def test_rlog(server):
    request_id = ask(server, "rlog?value=here").strip()
    lines = server.wait_log(r"^.*%s.*(?:\n\t.*)*" % re.escape(request_id), count=2)
    assert "/api/*" in lines[0] and "first here" in lines[0]
    assert re.search(r"second here\n\tof two lines", lines[1]), lines


def test_nobody_forges_a_line_of_the_log(server):
    ask(server, "rlog?value=x%0D%1B%5B31m")
    line, = server.wait_log(r"first x.*")
    assert line == r"first x\x0d\x1b[31m"


@pytest.mark.parametrize("status", [200, 201, 202, 203, 299, 300, 302, 400, 404, 418, 500, 503, 599])
def test_set_status(server, status):
    with server.connect() as c:
        r = c.request("/api/set_status?value=%d" % status)
        assert (r.status, r.text) == (status, "body\n")


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 600, 1000])
def test_set_status_out_of_range(server, status):
    """Nothing malformed is sent."""
    assert server.get("/api/set_status?value=%d" % status).status in (200, 500)


def test_set_header(server):
    r = server.get("/api/set_header?name=X-Test&value=a%20b")
    assert r.all("X-Test") == ["a b"]
    r = server.get("/api/set_header?name=x-test")
    assert r.all("X-Test") == []
    r = server.get("/api/set_header?name=content-TYPE&value=text/plain")
    assert r.all("Content-Type") == ["text/plain"]
    r = server.get("/api/set_header?name=Content-Type")
    assert r.all("Content-Type") in ([], ["text/html; charset=UTF-8"])


def test_add_header(server):
    assert server.get("/api/add_header?name=Set-Cookie&value=two").all("Set-Cookie") == ["one", "two"]


@pytest.mark.parametrize("name, value", [
    ("X-Bad", "a%0D%0AX-Evil:%201"), ("X-Bad", "a%0AX-Evil:%201"), ("X-Bad", "a%0D"),
    ("X%20Bad", "a"), ("X-Bad:", "a"), ("X%0D%0AEvil", "a"), ("", "a"), ("X%C3%A4", "a"),
    ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"), ("Keep-Alive", "x"),
    ("Upgrade", "h2c"),
])
@pytest.mark.parametrize("function", ["set_header", "add_header"])
def test_refused_header(server, function, name, value):
    with server.connect() as c:
        r = c.request("/api/%s?name=%s&value=%s" % (function, name, value))
        assert r.status == 200 and r.text == "ok\n"
        assert not r.all("x-evil") and "evil" not in repr(r.headers).lower()
        assert not any(v == "h2c" for n, v in r.headers)
        assert c.request("/hello").body == b"hello\n"


def test_connection_close_is_obeyed(server):
    with server.connect() as c:
        r = c.request("/api/set_header?name=Connection&value=close")
        assert r.get("Connection") == "close"
        c.assert_end()


def test_content_length_that_is_true(server):
    with server.connect() as c:
        r = c.request("/api/length?value=5")
        assert r.body == b"12345" and r.get("Content-Length") == "5"
        assert c.request("/hello").body == b"hello\n"


@pytest.mark.parametrize("value", ["4", "6", "-5", "5x", "+5", "0", "99999999999999999999", "5,5"])
def test_content_length_that_is_not(server, value):
    """Told in the log.  What is no length is ignored; a wrong one is 500 or a cut, and
    nothing of the next response is taken for this one's body."""
    with server.connect() as c:
        c.send(head("/api/length?value=" + value.replace("+", "%2B")) + head("/hello"))
        try:
            r = c.read()
        except (AssertionError, ConnectionError):
            assert b"hello" not in c.data
        else:
            if r.status == 200 and len(r.body) == 5:
                assert r.body == b"12345" and c.read().body == b"hello\n"
            elif r.status == 200:
                c.assert_end()
            else:
                assert r.status == 500
    server.wait_log(r"Content-Length")


def test_is_sent_and_is_connected(server):
    r = server.get("/api/is_sent")
    assert r.status == 200 and r.get("X-Late") is None
    assert r.text == "x\n0 1 1\n"


def test_each_route(serve):
    s = serve('load_servlet { "%s", "/api/*", description = "d & <e>" }\n'
              'load_servlet { "%s", "/h", description = "stop" }\nload_servlet ("%s", "/z")\n'
              % tuple(SERVLETS + n for n in ("/api.so", "/hello.so", "/echo.so")))
    out = s.get("/api/each_route").text.splitlines()
    assert re.match(r"/api/\*\|so\|d & <e>\|.*/api\.so\Z", out[0])
    assert re.match(r"/h\|so\|stop\|.*/hello\.so\Z", out[1])
    assert out[2:] == ["answered 7"]


def test_a_servlet_that_writes_nothing(server):
    with server.connect() as c:
        r = c.request("/api/nothing")
        assert r.status == 204 and r.framing == "none"
        assert c.request("/hello").body == b"hello\n"
