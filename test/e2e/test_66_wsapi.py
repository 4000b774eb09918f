"""WSAPI: an Orbit application answers as with WSAPI's own CGI connector, at / and below a prefix;
answers that are none are told."""

import os
import re

import pytest

import server as harness
import vocabulary
from client import ask_same, head

vocabulary.need_module("lua")

APPLICATION = os.path.join(harness.TOP, "test/applications/orbit_app.lua")
LUA_5_1 = "/usr/bin/lua5.1"
CONNECTOR = """#!%s
require "wsapi.cgi".run(dofile "%s")
""" % (LUA_5_1, APPLICATION)
# Orbit, WSAPI and cosmo are in Lua alone and good for several versions; Debian has them for 5.1.
PATH = "/usr/share/lua/5.4/?.lua;/usr/share/lua/5.1/?.lua;;"
CONFIG = """
load_module { "%s", "%s" }
load_servlet ("%s", "/*")
load_servlet ("%s", "/below/*")
"""
SKIPPED = {"date", "transfer-encoding"}
UPLOAD = bytes(range(256)) * 12288      # 3 MiB


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """With our module, and with the connector as a CGI program."""
    if not os.path.exists("/usr/share/lua/5.1/orbit.lua") or not os.path.exists(LUA_5_1):
        pytest.skip("apt-get install lua-orbit")
    vocabulary.need_module("cgi")
    directory = tmp_path_factory.mktemp("reference")
    connector = directory / "connector.cgi"
    connector.write_text(CONNECTOR)
    connector.chmod(0o755)
    started = []
    for module, extension, path in ("lua", "lua", APPLICATION), ("cgi", "cgi", connector):
        s = harness.Server(tmp_path_factory.mktemp("server"), CONFIG % (module, extension, path, path),
                           env={"LUA_PATH_5_4": PATH})
        started.append(s.start())
    yield started
    for s in started:
        s.finish()


@pytest.fixture(params=["", "/below"])
def ask(request, servers):
    """Asks both, checks that they answer the same, and returns the answer."""
    def both(target, *args, **more):
        return ask_same(servers, SKIPPED, request.param + target, *args, **more)
    both.prefix = request.param
    return both


def test_simple(ask):
    assert ask("/hello?name=a%20%C3%A4").text == "Hello, a \xe4!"
    assert ask("/hello").get("Content-Type") == "text/html"
    assert ask("/hello", "HEAD").body == b""
    assert "Not found!" in ask("/nowhere").text


def test_the_route_itself(ask):
    assert ask("/").text == "index of " + ask.prefix
    assert ask("" if ask.prefix else "/").text == "index of " + ask.prefix


def test_paths(ask):
    assert ask("/path/a%2Fb/%C3%A4%20c").text.split("\n") == ["a/b/\xe4 c", ask.prefix, "/path/a/b/\xe4 c"]


@pytest.mark.parametrize("chunk", [None, 7000])
def test_bodies(ask, chunk):
    data = [("Content-Type", "application/octet-stream")]
    assert ask("/echo", "POST", data, UPLOAD[:100000], chunk=chunk).body == UPLOAD[:100000]
    assert ask("/echo", "POST", data, b"", chunk=chunk).body == b""
    body = b"".join([b'--xyzzy\r\nContent-Disposition: form-data; name="field"\r\n\r\n\xc3\xa4 & b\r\n'
                     b'--xyzzy\r\nContent-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
                     b'Content-Type: x/y\r\n\r\n', UPLOAD, b"\r\n--xyzzy--\r\n"])
    form = [("Content-Type", "multipart/form-data; boundary=xyzzy")]
    r = ask("/upload", "POST", form, body, chunk=chunk)
    assert r.text == "\xe4 & b|a b.bin|%d|%d|x/y" % (len(UPLOAD), len(UPLOAD))


def test_answers(ask):
    r = ask("/cookies", headers=[("Cookie", "old=yes; x=y")])
    assert r.text == "yes" and r.all("Set-Cookie") == ["one=1", "two=2; path=/; HttpOnly"]
    r = ask("/redirect")
    assert (r.status, r.get("Location")) == (302, ask.prefix + "/hello?name=a+b")
    assert ask("/etag").get("ETag") == '"v1"'


def test_not_modified(ask):
    r = ask("/etag", headers=[("If-None-Match", '"v1"')])
    assert (r.status, r.get("ETag"), r.body) == (304, '"v1"', b"")


def test_stream_is_seen_piece_by_piece(ask, servers, tmp_path):
    for number, server in enumerate(servers):
        turn = str(tmp_path / ("turn%d." % number))
        with server.connect() as c:
            c.send(head("%s/stream?%s" % (ask.prefix, turn)))
            for i in 1, 2:
                while b"piece %d" % i not in c.data:
                    assert c.fill()
                assert b"piece %d" % (i + 1) not in c.data
                open("%s%d" % (turn, i), "w").close()
            assert c.read().text == "piece 1\npiece 2\npiece 3\n"


def test_errors(ask, servers):
    # Orbit's own page has a traceback, which names what has called it.
    for server in servers:
        r = server.get(ask.prefix + "/error")
        assert r.status == 500 and "broken on purpose" in r.text
    ours = servers[0]
    before = ours.log()
    assert [s.get(ask.prefix + "/fail").status for s in servers] == [500, 500]
    ours.wait_log(r"request \S+ %s/\*: .*orbit_app.lua:\d+: broken outside of Orbit" % ask.prefix)
    assert "traceback" in ours.log()[len(before):]


# -------------------------------------------------- the specification's details

@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    directory = tmp_path_factory.mktemp("plain")
    (directory / "answers.lua").write_text(r"""
        local function once(text) return coroutine.wrap(function() coroutine.yield(text) end) end
        local answers = {
          number = function() return 201, { ["X-Number"] = 5, ["X-True"] = true }, once(6.5) end,
          float = function() return 201.0, {}, once "x" end,
          text = function() return "404", {}, once "x" end,
          reason = function() return "418 Teapot", {}, once "x" end,
          list = function() return 200, { Vary = { "A", "B", 7 } }, once "x" end,
          empty = function()
            local n = 0
            return 200, {}, function() n = n + 1 return n < 3 and "" or n < 5 and "x" end
          end,
          object = function() return 200, {}, setmetatable({}, { __call = once() }) end,
          length = function() return 200, { ["Content-Length"] = 1 }, once "x" end,
          env = function(env)
            env.mine, env.PATH_INFO = "assigned", "/changed"
            return 200, {}, once(table.concat({ env.mine, env.PATH_INFO, env.REMOTE_USER, env.DOCUMENT_ROOT,
              env.GATEWAY_INTERFACE, env.SERVER_NAME, env.APP_PATH, env.SCRIPT_FILENAME, env.input.length }, "|"))
          end,
          pairs = function(env)
            local names = {}
            for name in pairs(env) do names[#names + 1] = name end
            table.sort(names)
            return 200, {}, once(table.concat(names, " "))
          end,
          error = function(env) env.error:write("one ", 2, "\n", "three\n") return 200, {}, once "x" end,
          ["no-headers"] = function() return 200, nil, once "x" end,
          ["no-iterator"] = function() return 200, {}, "text" end,
          ["nothing-else"] = function() return 200, {} end,
          ["no-status"] = function() return "OK", {}, once "x" end,
          ["bad-status"] = function() return 99, {}, once "x" end,
          ["bad-header"] = function() return 200, { ["X-A"] = print }, once "x" end,
          ["bad-name"] = function() return 200, { "X-A: b" }, once "x" end,
          split = function() return 200, { ["X-A"] = "a\r\nX-Evil: b" }, once "x" end,
          late = function() return 200, {}, coroutine.wrap(function() coroutine.yield("x") error("late") end) end,
          kind = function() return 200, {}, once {} end,
        }
        return { run = function(env) return answers[env.PATH_INFO:sub(2)](env) end }
        """)
    s = harness.Server(directory, 'load_module ("module.lua", "lua")\nload_servlet ("answers.lua", "/x/*")\n')
    s.start()
    yield s
    s.finish()


def test_answers_of_every_kind(plain):
    r = plain.get("/x/number")
    assert (r.status, r.get("X-Number"), r.get("X-True"), r.text) == (201, "5", "true", "6.5")
    assert [plain.get("/x/" + what).status for what in ("float", "text", "reason")] == [201, 404, 418]
    assert plain.get("/x/list").all("Vary") == ["A", "B", "7"]
    assert plain.get("/x/empty").text == "xx"
    assert plain.get("/x/object").text == ""
    assert (plain.get("/x/length").framing, plain.get("/x/length").text) == ("length", "x")
    assert plain.get("/x/split").get("X-Evil") is None


def test_environment(plain):
    with plain.connect() as c:
        r = c.request("/x/env", "POST", body=b"12")
    assert r.text == "assigned|/changed|||CGI/1.1|test|%s|%s/answers.lua|2" % (plain.directory, plain.directory)
    names = plain.get("/x/pairs").text.split()
    assert {"REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT",
            "SERVER_PROTOCOL", "SERVER_SOFTWARE", "GATEWAY_INTERFACE", "REMOTE_ADDR", "SERVER_ADDR", "HTTP_HOST",
            "input", "error"} <= set(names)
    assert plain.get("/x/error").text == "x"
    plain.wait_log(r"request \S+ /x/\*: one 2$")
    plain.wait_log(r"request \S+ /x/\*: three$")


@pytest.mark.parametrize("what, line", [
    ("no-headers", "the headers are a nil, not a table"),
    ("no-iterator", "the iterator is a string, not a function"),
    ("nothing-else", "the iterator is a nil, not a function"),
    ("no-status", '"OK" is no status of 200 to 599'),
    ("bad-status", '"99" is no status of 200 to 599'),
    ("bad-header", "header X-A is a function"),
    ("bad-name", "a header's name is a number"),
    ("kind", "the iterator gave a table"),
])
def test_answers_that_are_none(plain, what, line):
    assert plain.get("/x/" + what).status == 500
    plain.wait_log(r"request \S+ /x/\*: .*WSAPI: " + re.escape(line))


def test_an_iterator_that_breaks_late_cuts(plain):
    with plain.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/x/late")
    plain.wait_log("answers.lua:.*late")


def test_an_endless_iterator_ends_with_its_client(serve, tmp_path):
    (tmp_path / "endless.lua").write_text(
        """return { run = function(env)
             return 200, {}, env.PATH_INFO == "/short" and function() end or function() return "more" end
           end }""")
    s = serve('load_module ("module.lua", "lua")\nworkers { max = 1 }\n'
              'load_servlet ("%s/endless.lua", "/x/*")\n' % tmp_path)
    with s.connect() as c:
        c.send(head("/x/"))
        assert c.head()[0] == 200
    assert s.get("/x/short").status == 200
