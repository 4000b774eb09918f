"""With debug "on" a failure is shown in the browser, escaped; without it never."""

import os

import pytest

import server as harness
from server import route

FAIL = """
    return { run = function(self)
      self:set_header("X-Dropped", "1")
      self:rwrite("<p>half a page")
      if self:get_arg("flush") then self:rflush() end
      self:rlog("said <before> & \\1")
      local function deep() error("<script>alert('no')</script>") end
      deep()
    end }"""


def lua(tmp_path):
    if not os.path.exists(os.path.join(os.path.dirname(harness.BINARY), "module/lua.so")):
        pytest.skip("module/lua.so was not built")
    path = tmp_path / "fail.lua"
    path.write_text(FAIL)
    return 'load_module ("module.lua", "lua")\nload_servlet ("%s", "/fail/*")\n' % path


def test_page(serve, tmp_path):
    s = serve('debug "on"\n' + lua(tmp_path) + route("hello"))
    with s.connect() as c:
        r = c.request("/fail/x?%3Ci%3E&q='", "POST",
                      [("X-Evil", "<img src=x onerror=alert(1)>\"'")], b"body")
        assert r.status == 500 and r.get("Content-Type") == "text/html; charset=UTF-8"
        assert "default-src 'none'" in r.get("Content-Security-Policy")
        assert not r.all("X-Dropped") and "half a page" not in r.text
        # What the log has of it.
        assert "said &lt;before&gt; &amp; \\x01\n" in r.text
        assert "fail.lua:7: &lt;script&gt;alert(&#39;no&#39;)&lt;/script&gt;" in r.text
        assert "in local &#39;deep&#39;" in r.text and "stack traceback" in r.text
        # The request.
        assert "<code>POST</code> <code>/fail/x?%3Ci%3E&amp;q=&#39;</code>" in r.text
        assert "<code>/fail/*</code>" in r.text and "fail.lua</code>" in r.text
        assert "<th>X-Evil<td>&lt;img src=x onerror=alert(1)&gt;&quot;&#39;\n" in r.text
        assert "<script>" not in r.text and "<img" not in r.text
        # The connection goes on, and what is no failure is as ever.
        assert c.request("/hello").status == 200
        assert c.request("/nowhere").text == "404 Not Found\n"
        assert c.request("/fail", "HEAD").status == 500


def test_a_failure_in_c(serve, tmp_path):
    name = tmp_path / "note"
    (tmp_path / "note.fail").touch()
    s = serve('debug "on"\n' + route("lifecycle"), env={"LIFECYCLE": str(name)})
    r = s.get("/lifecycle")
    assert r.status == 500 and "init returned -1\n" in r.text


def test_each_request_has_its_own(serve, tmp_path):
    s = serve('debug "on"\nworkers { max = 1 }\n' + lua(tmp_path))
    for number in range(3):
        assert s.get("/fail?n=%d" % number).text.count("said &lt;before&gt;") == 1


def test_after_the_head_the_connection_is_cut(serve, tmp_path):
    s = serve('debug "on"\n' + lua(tmp_path))
    with s.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/fail?flush=1")


@pytest.mark.parametrize("word", ["", 'debug "off"\n'])
def test_never_without_it(serve, tmp_path, word):
    s = serve(word + lua(tmp_path))
    assert s.get("/fail").text == "500 Internal Server Error\n"
    assert "debug is on" not in s.log()


def test_a_warning_where_others_can_see_it(serve):
    s = serve('debug "on"\nlisten "0.0.0.0:%d"\n' % harness.free_port())
    s.wait_log(r"warning master \d+: debug is on: whoever can connect to 0\.0\.0\.0:\d+ reads")


def test_no_warning_on_loopback(serve):
    s = serve('debug "on"\nlisten "unix:{dir}/socket"\n')
    assert "debug is on" not in s.log()
