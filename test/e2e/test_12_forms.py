"""Forms of both kinds and uploaded files reach a servlet as they were sent."""

import subprocess

import pytest

URLENCODED = ("Content-Type", "application/x-www-form-urlencoded")


def multipart(parts, boundary="x-y_z", end=True):
    """parts: (disposition parameters, further header lines, bytes)."""
    data = b""
    for parameters, lines, value in parts:
        data += ("--%s\r\nContent-Disposition: form-data; %s\r\n%s\r\n"
                 % (boundary, parameters, lines)).encode() + value + b"\r\n"
    return data + ("--%s--\r\n" % boundary if end else "").encode()


def ask(server, what, body, content_type="multipart/form-data; boundary=x-y_z", chunk=None):
    with server.connect() as c:
        r = c.request("/api/" + what, "POST", [("Content-Type", content_type)], body, chunk)
    assert r.status == 200
    return r.body


@pytest.mark.parametrize("body, answer", [
    (b"b=1", b"<1>"), (b"a=0&b=x+y%26&b=2", b"<x y&>"), (b"b", b"<>"), (b"", b"(null)"),
    (b"a=1", b"(null)"), (b"%62=1", b"<1>"), (b"b=%zz", b"<%zz>")])
def test_urlencoded(server, body, answer):
    for chunk in (None, 1):
        assert ask(server, "get_form?name=b", body, URLENCODED[1], chunk) == answer + b"\n"


def test_urlencoded_with_parameters(server):
    assert ask(server, "get_form?name=b", b"b=1",
               "application/x-www-form-urlencoded; charset=UTF-8") == b"<1>\n"


def test_each_form(server):
    assert ask(server, "each_form", b"a=1&a=2&stop=3&b=4", URLENCODED[1]) == \
        b"a=1\na=2\nstop=3\nanswered 7\n"


def test_other_types_are_no_form(server):
    assert ask(server, "get_form?name=b", b"b=1", "text/plain") == b"(null)\n"
    assert ask(server, "each_form", b"b=1", "application/json") == b"answered 0\n"


def test_a_large_form(server):
    body = b"a=" + b"x" * 300000 + b"&b=last"
    assert ask(server, "get_form?name=b", body, URLENCODED[1]) == b"<last>\n"
    assert ask(server, "get_form?name=a", body, URLENCODED[1]) == b"<" + b"x" * 300000 + b">\n"


def test_multipart_fields(server):
    body = multipart([('name="a"', "", b"1"), ('name="b"', "", b"two\r\nlines"),
                      ('name="c d"', "", b"")])
    for chunk in (None, 1, 50):
        assert ask(server, "get_form?name=b", body, chunk=chunk) == b"<two\r\nlines>\n"
        assert ask(server, "each_form", body, chunk=chunk) == \
            b"a=1\nb=two\r\nlines\nc d=\nanswered 0\n"


def test_uploads(server):
    data = bytes(range(256)) * 5 + b"\r\n--x-y_ \r\n-x-y_z\r\n--\r\n"
    body = multipart([('name="f"; filename="a b.bin"', "Content-Type: image/png\r\n", data),
                      ('name="t"', "", b"text"),
                      ('name="f"; filename="2.txt"', "", b"second"),
                      ('name="e"; filename="empty"', "", b"")])
    for chunk in (None, 1, 1000):
        assert ask(server, "get_upload?name=f", body, chunk=chunk) == \
            b"f|a b.bin|image/png|%d|at 0|" % len(data) + data + b"\n"
        assert ask(server, "get_upload?name=t", body, chunk=chunk) == b"(null)\n"
        assert ask(server, "get_form?name=t", body, chunk=chunk) == b"<text>\n"
        assert ask(server, "get_form?name=f", body, chunk=chunk) == b"(null)\n"
    assert ask(server, "each_upload", body).endswith(
        b"f|2.txt|application/octet-stream|6|at 0|second\n"
        b"e|empty|application/octet-stream|0|at 0|\nanswered 0\n")


def test_a_large_upload(server):
    data = bytes(i % 251 for i in range(100003)) * 50
    body = multipart([('name="f"; filename="x"', "", data), ('name="g"', "", b"after")])
    out = ask(server, "get_upload?name=f", body)
    assert out == b"f|x|application/octet-stream|%d|at 0|" % len(data) + data + b"\n"
    assert ask(server, "get_form?name=g", body) == b"<after>\n"


def test_by_curl(server, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"content\n")
    done = subprocess.run(
        ["curl", "-sS", "-F", "name=Ada", "-F", "file=@%s;type=text/x-y" % (tmp_path / "in.txt"),
         "http://127.0.0.1:%d/api/get_upload?name=file" % server.port],
        capture_output=True, timeout=60)
    assert done.stdout == b"file|in.txt|text/x-y|8|at 0|content\n\n"


@pytest.mark.parametrize("body, content_type", [
    (multipart([('name="a"', "", b"1")], end=False), "multipart/form-data; boundary=x-y_z"),
    (b"nonsense", "multipart/form-data; boundary=x-y_z"),
    (multipart([('name="a"', "", b"1")]), "multipart/form-data"),
    (multipart([('nam="a"', "", b"1")]), "multipart/form-data; boundary=x-y_z"),
    (b"", "multipart/form-data; boundary=x-y_z"),
    (b"--x-y_z--\r\n", "multipart/form-data; boundary=" + "z" * 300),
])
def test_malformed(server, body, content_type):
    """No form, a line in the log, and nobody is hurt."""
    assert ask(server, "get_form?name=a", body, content_type) == b"(null)\n"
    assert server.get("/hello").status == 200


def test_many_fields(server):
    """As many as there may be take no quadratic time; more are refused, with a line in the log."""
    body = b"&".join(b"f%d=%d" % (i, i) for i in range(900)) + b"&stop=1"
    assert ask(server, "each_form", body, URLENCODED[1]).endswith(b"f899=899\nstop=1\nanswered 7\n")
    body = b"&".join(b"f%d=%d" % (i, i) for i in range(200000))
    assert ask(server, "each_form", body, URLENCODED[1]) == b"answered 0\n"
    server.wait_log(r"/api/\*.*fields")
