"""What examples/LANGUAGE/test answers, whichever language it is written in."""

import os

import pytest

import server as harness

BOUNDARY = "xyzzy"
UPLOAD = "octets \xe4 of the file"


def need_module(name):
    """Skips the test, or the test file, where the module was not built."""
    path = os.path.join(os.path.dirname(harness.BINARY), "module", name + ".so")
    if not os.path.exists(path):
        pytest.skip("module/%s.so was not built" % name, allow_module_level=True)


def multipart():
    lines = ["--" + BOUNDARY, 'Content-Disposition: form-data; name="field"', "", "\xe4 & b",
             "--" + BOUNDARY,
             'Content-Disposition: form-data; name="file"; filename="a b.txt"',
             "Content-Type: text/plain", "", UPLOAD, "--" + BOUNDARY + "--", ""]
    return "\r\n".join(lines).encode()


def ask(server, path):
    """A request that has something of everything."""
    body = multipart()
    headers = [("User-Agent", "tester"), ("X-Twice", "1"), ("X-Twice", "2"),
               ("Cookie", "color=red; size=xl"),
               ("Content-Type", "multipart/form-data; boundary=" + BOUNDARY)]
    with server.connect() as c:
        r = c.request(path + "/a%20b?arg=1%2B1&x=stop&y=2", "POST", headers, body)
    return r, body


def check_answers(server, path, language, missing, end, true="true", false="false",
                  none=None, stopped="stopped", walked="0", joint="_"):
    """Asks the test servlet mounted at path + "/*" and checks every answer.
    missing, none, end: how the language shows a missing value, a missing
    upload, and rread's end; stopped, walked: what a visit answers that stops,
    and one that does not; joint: what is between the words of a name."""
    r, body = ask(server, path)
    assert r.status == 201
    assert r.get("Content-Type") == "text/plain; charset=UTF-8"
    assert r.get("X-Replaced") == "second"
    assert r.get("X-Removed") is None
    assert r.all("Set-Cookie") == ["one=1", "two=2"]
    assert r.framing == "chunked"       # because of rflush
    lines = r.body.split(b"\n")
    assert lines[0].decode() == "init was called for %s/a b" % path
    assert b"octets: \x00\x01\xfe\xff \xc3\xa4" in lines

    def one(key):
        key = key.replace("_", joint)
        values = [v for k, _, v in (line.partition(b": ") for line in lines)
                  if k == key.encode()]
        assert len(values) == 1, "%s: %r" % (key, values)
        return values[0].decode()

    port = str(server.port)
    expected = {
        "get_method": "POST", "get_path": path + "/a b", "get_path_info": "/a b",
        "get_script_name": path, "get_route": path + "/*",
        "get_query": "arg=1%2B1&x=stop&y=2",
        "get_target": path + "/a%20b?arg=1%2B1&x=stop&y=2", "get_protocol": "HTTP/1.1",
        "get_scheme": "http", "get_remote_addr": "127.0.0.1",
        "get_server_name": "test", "get_content_length": str(len(body)),
        "is_connected": true, "is_sent": false, "is_sent after rflush": true,
        "get_arg arg": "1+1", "get_arg field": missing, "get_arg missing": missing,
        "get_header User-Agent": "tester", "get_header missing": missing,
        "get_cookie color": "red", "get_cookie missing": missing,
        "get_form field": "\xe4 & b", "get_form arg": missing, "get_form missing": missing,
        "each_arg arg": "1+1", "each_arg x": "stop", "each_arg": stopped,
        "each_header Host": "test", "each_header User-Agent": "tester", "each_header": walked,
        "each_cookie color": "red", "each_cookie size": "xl", "each_cookie": walked,
        "each_form field": "\xe4 & b", "each_form": walked,
        "headers": "7", "each_route %s/*" % path: language,
        "each_upload file": "a b.txt text/plain %d" % len(UPLOAD.encode()),
        "get_upload file": UPLOAD, "rsendfile": UPLOAD, "get_upload missing": missing if none is None else none,
        "rread": "--xy", "rread all": str(len(body)), "rread end": end,
    }
    for key, value in expected.items():
        assert one(key) == value, key
    assert 0 < int(one("get_remote_port")) < 65536
    assert one("get_server_port") in (port, "80")
    each_arg, each_header = (("each%s%s" % (joint, what)).encode() for what in ("arg", "header"))
    assert each_arg + b" y: 2" not in lines       # visit has stopped before
    twice = [line for line in lines if line.startswith(each_header + b" X-Twice")]
    assert twice == [each_header + b" X-Twice: 1", each_header + b" X-Twice: 2"]
    request = one("get_request_id")
    assert request
    server.wait_log(r"%s.*was run with arg=1%%2B1" % request)


def check_octets(server, path):
    """What the servlet at path reads it must write back, octet for octet."""
    data = bytes(range(256)) * 1000
    with server.connect() as c:
        assert c.request(path, "POST", body=data).body == data
        assert c.request(path, "POST", body=data, chunk=777).body == data
        assert c.request(path, "POST", body=b"").status == 204


def check_failure(server, path, *patterns):
    """The request fails with 500, the patterns are in the log, in lines with
    the request's id, and the same worker goes on."""
    before = len(server.log())
    with server.connect() as c:
        r = c.request(path)
        assert r.status == 500, r.text
        assert b"Traceback" not in r.body and b"traceback" not in r.body
        assert c.request("/pid").status == 200
    for pattern in patterns:
        server.wait_log(r"request \S+ /.*" + pattern)
    return server.log()[before:]
