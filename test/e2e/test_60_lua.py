"""Lua servlets: every function, errors, isolation, WSAPI."""

import os

import pytest

import server as harness
import vocabulary

vocabulary.need_module("lua")

SERVLETS = {
    "pid": """
        return { run = function(self)
          self:rwrite(io.open("/proc/self/stat"):read("n"))
        end }""",
    "octets": "return { run = function(self) self:rwrite(self:rread() or '') end }",
    "global": "function run(self) self:rwrite('global') end",
    "function": "return function(self) self:rwrite('function') end",
    "error": """
        local function deep() error("something broke") end
        return { run = function(self) deep() end }""",
    "object": """
        local e = setmetatable({}, { __tostring = function() return "an object of mine" end })
        return { run = function(self) error(e) end }""",
    "late": "return { run = function(self) self:rwrite('x') self:rflush() error('late') end }",
    "nul": "return { run = function(self) error('a\\0b') end }",
    "exit": "return { run = function(self) os.exit(0) end }",
    "memory": "return { run = function(self) string.rep('x', 1 << 60) end }",
    "stack": "local function f() return 1 + f() end return { run = f }",
    "argument": "return { run = function(self) self:rwrite({}) end }",
    "print": "return { run = function(self) print('printed', 1, nil) io.write('by io\\n') end }",
    "headers": """
        return { run = function(self)
          self:set_header("X-Nul", "a\\0b") self:set_header("X-Line", "a\\r\\nX-Evil: 1")
          self:set_header("X-Number", 12) self:rwrite("x")
        end }""",
    "kept": """
        local kept
        return { run = function(self)
          if kept then self:rwrite(tostring(select(2, pcall(kept.get_path, kept)))) end
          kept = self
          self:rwrite(" ", self:get_path())
        end }""",
    "coroutine": """
        return { run = function(self)
          local step = coroutine.wrap(function()
            for i = 1, 3 do self:rwrite(i) coroutine.yield() end
            error("within the coroutine")
          end)
          step() step() step()
          self:rwrite(tostring(pcall(step)))
        end }""",
    "visit": """
        return { run = function(self)
          self:rwrite(tostring(pcall(self.each_header, self, function() error("stop") end)), " ")
          for name, value in self:each_arg() do self:rwrite(name, "=", value, ";") end
          self:rwrite(" ", tostring(self:each_arg(function() return 0 end)))
        end }""",
    "init": """
        local ready = 0
        return {
          init = function(self)
            if self:get_arg("fail") then error("init is not ready") end
            ready = ready + 1
          end,
          run = function(self) self:rwrite(ready) end,
          cleanup = function() print("cleaned up") end,
        }""",
    "wsapi": """
        return { run = function(env)
          if env.PATH_INFO == "/error" then error("wsapi broke") end
          local function body()
            for _, name in ipairs { "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
                "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_X_TWICE", "HTTP_COOKIE", "HTTP_PROXY",
                "HTTP_NONE", "SERVER_PROTOCOL", "HTTP_X_UNDER_SCORE" } do
              coroutine.yield(name .. "=" .. env[name] .. "\\n")
            end
            env.error:write("to the log")
            coroutine.yield(env.input:read(3) .. "|" .. env.input:read(1000) .. "|"
              .. tostring(env.input:read(1)))
          end
          return "202 Accepted", { ["Content-Type"] = "text/plain",
            ["Set-Cookie"] = { "a=1", "b=2" } }, coroutine.wrap(body)
        end }""",
    "stream": """
        local turn = "%s"
        return { run = function(env)
          local n = 0
          return 200, {}, function()
            n = n + 1
            if n == 1 then return "first" end
            if n == 2 then
              repeat until io.open(turn)       -- the test has read "first"
              return "second"
            end
          end
        end }""",
    "fields": """
        return { run = function(self)
          self:rwrite(tostring(self.mine), " ", tostring(self.UNKNOWN) == "" and "empty" or "?")
          self.mine = "kept"
          local all = {}
          for name in pairs(self) do all[name] = true end
          self:rwrite(" ", self.mine, " ", tostring(all.REQUEST_METHOD and all.mine and all.HTTP_HOST))
        end }""",
}


@pytest.fixture(scope="module")
def lua(tmp_path_factory):
    """A server with all of them, and two directories with files of the same names."""
    directory = tmp_path_factory.mktemp("lua")
    lines = ['load_module ("module.lua", {"lua", "luac"})\n']

    def add(path, text, route):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        lines.append('load_servlet ("%s", "%s")\n' % (path, route))

    turn = directory / "turn"
    for name, text in SERVLETS.items():
        add(directory / (name + ".lua"), text.replace("%s", str(turn)),
            "/wsapi/*" if name == "wsapi" else "/" + name)
    for name in "one", "two":
        (directory / name).mkdir()
        (directory / name / "helper.lua").write_text("return { name = '%s' }" % name)
        add(directory / name / "same.lua", """
            count = (count or 0) + 1
            local helper = require "helper"
            return { run = function(self) self:rwrite(helper.name, count) end }""",
            "/%s/same" % name)
    lines.append('load_servlet ("%s/lua/test.lua", "/test/*")\n' % harness.EXAMPLES)
    lines.append('load_servlet ("%s/lua/hello.lua", "/hello")\n' % harness.EXAMPLES)
    lines.append('load_servlet ("%s/lua/calendar.lua", "/calendar")\n' % harness.EXAMPLES)
    lines.append('workers { min = 1, max = 1 }\n')
    s = harness.Server(tmp_path_factory.mktemp("server"), "".join(lines), bare=False)
    s.turn = turn
    s.start()
    yield s
    s.finish()
    assert "test.lua: cleanup was called" in s.log()
    assert "cleaned up" in s.log()


def test_hello(lua):
    r = lua.get("/hello")
    assert (r.status, r.text, r.framing) == (200, "Hello, world!\n", "length")
    assert r.get("Content-Type") == "text/html; charset=UTF-8"


def test_every_function(lua):
    vocabulary.check_answers(lua, "/test", "lua", missing="nil", end="nil")


def test_octets(lua):
    vocabulary.check_octets(lua, "/octets")


def test_the_ways_to_define_run(lua):
    assert lua.get("/global").text == "global"
    assert lua.get("/function").text == "function"


def test_errors(lua):
    log = vocabulary.check_failure(lua, "/error", "something broke", "stack traceback",
                                   "in upvalue 'deep'")
    assert "error.lua:2:" in log
    vocabulary.check_failure(lua, "/nul", r"a\\x00b$", "stack traceback")
    vocabulary.check_failure(lua, "/object", "an object of mine")
    vocabulary.check_failure(lua, "/memory", "resulting string too large")
    vocabulary.check_failure(lua, "/stack", "stack overflow")
    vocabulary.check_failure(lua, "/argument", "string expected, got table")


def test_exit_costs_the_request_only(lua):
    pid = lua.get("/pid").text
    vocabulary.check_failure(lua, "/exit", "os.exit")
    assert lua.get("/pid").text == pid


def test_error_after_the_head_cuts_the_connection(lua):
    with lua.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/late")
    lua.wait_log("late")


def test_print_goes_to_the_error_log(lua):
    assert lua.get("/print").status == 204
    lua.wait_log(r"printed\t1\tnil")
    lua.wait_log("by io")


def test_headers_that_cannot_be_sent(lua):
    r = lua.get("/headers")
    assert r.status == 200 and r.get("X-Number") == "12"
    assert not r.all("X-Nul") and not r.all("X-Line") and not r.all("X-Evil")
    lua.wait_log("X-Nul has NUL in it")


def test_self_dies_with_its_request(lua):
    lua.get("/kept")
    assert lua.get("/kept").text.endswith("its request is over) /kept")


def test_coroutines(lua):
    assert lua.get("/coroutine").text == "123false"


def test_error_within_a_visit(lua):
    assert lua.get("/visit?a=1&b=&a=2").text == "false a=1;b=;a=2; 0"


def test_uploads_leave_no_descriptors(serve, tmp_path):
    """Their files are closed by and by, though a collection is not due for a long time."""
    (tmp_path / "a.lua").write_text("""
local ballast = {}
for i = 1, 200000 do ballast[i] = {} end
return function(s)
  local size = 0
  for upload in s:each_upload() do size = size + #upload.file:read("a") end
  s:rwrite(size)
end
""")
    s = serve('load_module ("module.lua", "lua")\nload_servlet ("%s/a.lua", "/x")\n'
              "workers { min = 1, max = 1 }\n" % tmp_path)
    part = '--xyzzy\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n1234567\r\n'
    with s.connect() as c:
        for _ in range(20):
            assert c.request("/x", "POST", [("Content-Type", "multipart/form-data; boundary=xyzzy")],
                             (10 * part + "--xyzzy--\r\n").encode()).text == "70"
    assert len(os.listdir("/proc/%d/fd" % s.workers()[0])) < 100


def test_init(lua):
    vocabulary.check_failure(lua, "/init?fail=1", "init is not ready")
    assert lua.get("/init").text == "1"
    assert lua.get("/init?fail=1").text == "1"


def test_same_names_in_two_directories(lua):
    for name in "one", "two", "one":
        assert lua.get("/%s/same" % name).text == name + "1"


def test_calendar(lua):
    page = lua.get("/calendar?month=2024-02").text
    assert "<h1>February 2024</h1>" in page
    assert "<td>29<td><td><td>\n" in page and "month=2024-01" in page and "month=2024-03" in page
    assert lua.get("/calendar?month=%3Cb%3E").status == 200


def test_wsapi(lua):
    with lua.connect() as c:
        r = c.request("/wsapi/x%20y?q=1", "POST", [
            ("Content-Type", "text/x"), ("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=1"),
            ("Cookie", "b=2"), ("Proxy", "evil"), ("X_Under_Score", "evil")], b"abcdef")
    assert r.status == 202
    assert r.all("Set-Cookie") == ["a=1", "b=2"]
    assert r.get("Content-Type") == "text/plain"
    assert r.text.split("\n") == [
        "REQUEST_METHOD=POST", "SCRIPT_NAME=/wsapi", "PATH_INFO=/x y", "QUERY_STRING=q=1",
        "CONTENT_TYPE=text/x", "CONTENT_LENGTH=6", "HTTP_X_TWICE=1, 2",
        "HTTP_COOKIE=a=1; b=2", "HTTP_PROXY=", "HTTP_NONE=", "SERVER_PROTOCOL=HTTP/1.1",
        "HTTP_X_UNDER_SCORE=", "abc|def|nil"]
    lua.wait_log(r"request \S+ /wsapi/\*: to the log")
    vocabulary.check_failure(lua, "/wsapi/error", "wsapi broke")


def test_wsapi_streams(lua):
    with lua.connect() as c:
        c.request("/stream", read=False)
        while b"first" not in c.data:
            assert c.fill()
        lua.turn.touch()
        assert c.read().body == b"firstsecond"


def test_fields_of_self(lua):
    assert lua.get("/fields").text == "nil empty kept true"
    assert lua.get("/fields").text == "nil empty kept true"


@pytest.mark.parametrize("text, mistake", [
    ("return { run = ", "unexpected symbol near <eof>"),
    ("return {}", r"no table with a function run\(self\)"),
    ("return { run = 1 }", r"\.lua: run is a number, not a function"),
    ("local function f() error('at load') end f()", "at load"),
    ("require 'nonesuch'", "module 'nonesuch' not found"),
])
def test_mistakes_at_load(serve, tmp_path, text, mistake):
    path = tmp_path / "mistake.lua"
    path.write_text(text)
    s = serve('load_module ("module.lua", "lua")\nload_servlet ("%s", "/x")\n' % path, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:4: .*" + mistake)


def test_unknown_options(serve):
    s = serve('load_module { "module.lua", "lua", color = "red" }\n', ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r'config\.conf:3: .*no option "color"')


def test_version_is_told(lua):
    lua.wait_log(r"Lua 5\.4\.\d+, prefix \S+, \S*liblua")


def test_compiled(serve, tmp_path):
    source, compiled = tmp_path / "c.lua", tmp_path / "c.luac"
    source.write_text("return { run = function(self) self:rwrite('compiled') end }")
    if os.system("luac5.4 -o %s %s 2>/dev/null" % (compiled, source)) != 0:
        pytest.skip("no luac5.4")
    s = serve('load_module ("module.lua", {"lua", "luac"})\nload_servlet ("%s", "/x")\n' % compiled)
    assert s.get("/x").text == "compiled"
