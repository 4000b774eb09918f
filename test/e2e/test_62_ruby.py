"""Ruby servlets: every function, exceptions, isolation, threads and processes, gems."""

import os
import signal

import pytest

import server as harness
import vocabulary

vocabulary.need_module("ruby")

# The leak checker cannot stop Ruby's threads, nor look into its heap.
NO_LEAKS = {"LEAKS": "0"}

SERVLETS = {
    "pid": "def run(s) = s.rwrite($$)\n",
    "octets": """
def run(s)
  while (chunk = rread(s, 1000))
    raise chunk.encoding.name unless chunk.encoding == Encoding::BINARY
    rwrite s, chunk
  end
end
""",
    "kinds": r"""
def run(s)
  n = s.rwrite("\u00e4 ") + rwrite(s, "b ".b, :c, " ", 12, nil, " ") + (Modserver.rwrite s, "m ")
  rprintf s, "%d %<x>s|", n rescue rprintf s, "%d|", n
  raw = get_arg(s, :raw)
  rwrite s, raw.inspect, "|", raw, "|", rread(s, 0).inspect, rread(s).inspect, rread(s, 1).inspect
  [[:rwrite], [:get_arg, s], [:get_arg, s, 1], [:rread, s, "x"], [:rwrite, 1, "x"]].each do |name, *rest|
    send(name, *rest)
  rescue ArgumentError, TypeError => e
    rwrite s, "|", e.class
  end
end
""",
    "error": """
def deep
  raise ArgumentError, "something \\u00e4 broke"
end
def run(s)
  deep
rescue => e
  raise "and again"
end
""",
    "exit": "def run(s) exit end\n",
    "abort": "def run(s) abort 'aborted' end\n",
    "throw": "def run(s) throw :nobody end\n",
    "kill": "def run(s) Thread.current.kill end\n",
    "unprintable": """
class Bad < StandardError
  def message = raise
  def detailed_message(**) = raise
end
def run(s) raise Bad end
""",
    "recursion": "def run(s) run(s) end\n",
    "nul": "def run(s)\n  raise %(a\\0b)\nend\n",
    "late": "def run(s)\n  rwrite s, 'x'; rflush(s); raise 'late'\nend\n",
    "print": "def run(s)\n  puts 'printed'; warn 'to stderr'\nend\n",
    "headers": r"""
def run(s)
  set_header s, "X-Nul", "a\0b"; set_header s, "X-Line", "a\r\nX-Evil: 1"; set_header s, :"X-Number", 5
  rwrite s, "x"
end
""",
    "kept": """
def run(s)
  begin
    @kept&.get_path
  rescue RuntimeError => e
    rwrite s, e.message
  end
  @kept = s
  rwrite s, " ", get_path(s)
end
""",
    "init": """
READY = []
def init(s)
  raise "init is not ready" if get_arg(s, "fail")
  READY << 1
end
def run(s) = rwrite(s, READY.size)
def cleanup = puts("cleaned up")
at_exit { puts "at_exit too" }
""",
    "threads": """
def init(s)
  @ticks = 0
  Thread.new { loop { @ticks += 1; sleep 0.001 } }
end
def run(s)
  answers = 4.times.map { Thread.new { s.rwrite "x" rescue $!.class } }.map(&:value)
  rwrite s, @ticks, " ", answers.join
end
""",
    "timeout": """
require "timeout"
def run(s)
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error
  rwrite s, Timeout.timeout(10) { "in time" }
end
""",
    "processes": """
require "open3"
require "rbconfig"
def run(s)
  print "before "
  rwrite s, `echo backticks`, IO.popen("cat", "r+") { |io| io.write "popen "; io.close_write; io.read }
  rwrite s, Open3.capture2("tr a-z A-Z", stdin_data: "open3 ").first, system("exit 3").inspect
  rwrite s, $?.exitstatus, " ", IO.popen("-") { |io| io ? io.read : print("from a process") }
  rwrite s, " ", `#{RbConfig.ruby} -e 'print RUBY_VERSION > "2"'`
  Process.detach(spawn("true")).value
end
""",
    "fork": """
def run(s)
  %w[return exit raise block].each do |how|
    if how == "block"
      pid = fork { fork { exit 0 }; Process.wait; exit 5 }
    elsif (pid = fork).nil?
      exit 7 if how == "exit"
      raise "in the child" if how == "raise"
      return
    end
    Process.wait pid
    rwrite s, $?.exitstatus, " "
  end
end
""",
    "extensions": """
require "digest"
require "json"
require "openssl"
require "set"
require "zlib"
def run(s)
  rwrite s, JSON.generate({ "a" => [1, nil] }), OpenSSL::Digest::SHA256.hexdigest("x")[0, 4],
         Zlib.inflate(Zlib.deflate("z")), Set[1].size
end
""",
    "signals": """
require "socket"
def run(s)
  seen = []
  before = trap("USR2") { seen << 1 }
  Process.kill "USR2", $$
  Thread.pass until seen.any?
  trap "USR2", before
  begin
    a, b = UNIXSocket.pair
    b.close
    a.write "x"
  rescue Errno::EPIPE
    seen << "pipe"
  end
  rwrite s, seen
end
""",
    "visit": """
def run(s)
  each_arg(s) { |name, value| raise "stop" }
rescue RuntimeError => e
  rwrite s, e.message, " ", each_arg(s), " ", each_arg(s, ->(n, v) { v == "2" && n }), " ",
         each_arg(s) { |n, v| break n if v == "1" }
end
""",
    "toplevel": """
# frozen_string_literal: true
require "erb"
include ERB::Util
Point = Struct.new(:x)
@kept = "kept"
private
def helper = [h("<"), 2 * 2, Marshal.load(Marshal.dump(Point.new(3))).x, @kept, "".frozen?].join(" ")
public
def run(s) = rwrite(s, helper, " ", Object.private_method_defined?(:h) || Object.const_defined?(:Point))
""",
    "stress": """
def run(s)
  GC.stress = true
  each_header(s) { |name, value| value }
  rwrite s, get_path(s), each_arg(s).inspect, rread(s).inspect
ensure
  GC.stress = false
end
""",
}


def config(directory, servlets):
    """Writes the servlets and returns their configuration."""
    lines = ['load_module ("module.ruby", {"rb", "ru"})\n']
    for name, text in servlets.items():
        path = directory / (name + ".rb")
        path.write_text(text)
        lines.append('load_servlet ("%s", "/%s")\n' % (path, name))
    return lines


@pytest.fixture(scope="module")
def ruby(tmp_path_factory):
    """A server with all of them, and two directories with files of the same names."""
    directory = tmp_path_factory.mktemp("ruby")
    lines = config(directory, SERVLETS)
    for name in "one", "two":
        here = directory / name
        here.mkdir()
        (here / "helper.rb").write_text("module Helper_%s; NAME = 'helper of %s'; end\n" % (name, name))
        (here / "same.rb").write_text("""
require_relative "helper"
Helper = Helper_%s
class Counter
  def next = @count = (@count || 0) + 1
end
COUNTER = Counter.new
$LOADED_FROM = Dir.pwd
FROM = $LOADED_FROM
def name = "#{Helper::NAME}, #{File.basename(FROM)}"
def run(s) = rwrite(s, name, " ", COUNTER.next)
""" % name)
        lines.append('load_servlet ("%s/same.rb", "/%s/same")\n' % (here, name))
        lines.append('load_servlet ("%s/same.rb", "/%s/again")\n' % (here, name))
    for name, route in ("test", "test/*"), ("hello", "hello"), ("todo", "todo"):
        lines.append('load_servlet ("%s/ruby/%s.rb", "/%s")\n' % (harness.EXAMPLES, name, route))
    lines.append('workers { min = 1, max = 1 }\n')
    s = harness.Server(tmp_path_factory.mktemp("server"), "".join(lines),
                       env={"TODO": str(directory / "todo.pstore"), **NO_LEAKS})
    s.start()
    yield s
    s.finish()
    for line in "test.rb: cleanup was called", "cleaned up", "at_exit too":
        assert line in s.log()


def test_hello(ruby):
    r = ruby.get("/hello")
    assert (r.status, r.text, r.framing) == (200, "Hello, world!\n", "length")
    assert r.get("Content-Type") == "text/html; charset=UTF-8"


def test_every_function(ruby):
    vocabulary.check_answers(ruby, "/test", "ruby", missing="nil", end="nil")


def test_octets(ruby):
    vocabulary.check_octets(ruby, "/octets")


def test_text_and_octets(ruby):
    r = ruby.get("/kinds?raw=%FF%C3%A4")
    assert r.body == (b"\xc3\xa4 b c 12 m 12|" b'"\\xFF\xc3\xa4"|\xff\xc3\xa4|""""nil'
                      b"|ArgumentError|ArgumentError|TypeError|TypeError|TypeError")


def test_exceptions(ruby):
    log = vocabulary.check_failure(ruby, "/error", r"error.rb:8:in `rescue in run': and again \(RuntimeError\)",
                                   "from .*error.rb:5:in `run'",
                                   r"in `deep': something \xe4 broke \(ArgumentError\)")
    assert "internal:modserver" not in log
    vocabulary.check_failure(ruby, "/nul", r"in `run': a\\x00b \(RuntimeError\)$")
    vocabulary.check_failure(ruby, "/unprintable", "Bad")
    vocabulary.check_failure(ruby, "/recursion", "SystemStackError")
    vocabulary.check_failure(ruby, "/throw", "UncaughtThrowError")


def test_exit_of_the_process(serve, tmp_path):
    """exit! runs nothing, and yet the client has an answer."""
    (tmp_path / "a.rb").write_text("def run(s) = exit!(3)\n")
    s = serve('load_module ("module.ruby", "rb")\nload_servlet ("%s/a.rb", "/x")\n' % tmp_path,
              env=NO_LEAKS)
    assert s.get("/x").status == 500
    s.wait_log(r"called exit\(3\)")


def test_exit_costs_the_request_only(ruby):
    pid = ruby.get("/pid").text
    vocabulary.check_failure(ruby, "/exit", "SystemExit")
    vocabulary.check_failure(ruby, "/abort", "SystemExit")
    vocabulary.check_failure(ruby, "/kill", "SystemExit")
    assert ruby.get("/pid").text == pid
    ruby.wait_log("^aborted")


def test_exception_after_the_head_cuts_the_connection(ruby):
    with ruby.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/late")
    ruby.wait_log("late .RuntimeError.")


def test_print_goes_to_the_error_log(ruby):
    assert ruby.get("/print").status == 204
    ruby.wait_log("^printed$")
    ruby.wait_log("^to stderr$")


def test_headers_that_cannot_be_sent(ruby):
    r = ruby.get("/headers")
    assert r.status == 200 and r.get("X-Number") == "5"
    assert not r.all("X-Nul") and not r.all("X-Line") and not r.all("X-Evil")
    ruby.wait_log("X-Nul has NUL in it")


def test_servlet_object_dies_with_its_request(ruby):
    ruby.get("/kept")
    assert ruby.get("/kept").text == "the request of this servlet object is over /kept"


def test_init(ruby):
    vocabulary.check_failure(ruby, "/init?fail=1", "init is not ready")
    assert ruby.get("/init").text == "1"
    assert ruby.get("/init?fail=1").text == "1"


def test_threads_go_on_between_requests(ruby):
    first = ruby.get("/threads").text.split()
    assert first[1] == 4 * "ThreadError"

    def has_ticked():
        return int(ruby.get("/threads").text.split()[0]) > int(first[0]) + 50
    harness.until(has_ticked, 20)


def test_timeout(ruby):
    assert ruby.get("/timeout").text == "in time"


def test_uploads_leave_no_descriptors(serve, tmp_path):
    """Their files are closed by and by, though a collection is not due for a long time."""
    (tmp_path / "a.rb").write_text("""
def run(s) = s.rwrite(s.each_upload.sum { |u| u.read.size }, " ", Dir.children("/proc/self/fd").size)
""")
    s = serve('load_module ("module.ruby", "rb")\nload_servlet ("%s/a.rb", "/x")\n'
              "workers { min = 1, max = 1 }\n" % tmp_path, env={"LEAKS": "0"})
    part = ('--xyzzy\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n1234567\r\n')
    with s.connect() as c:
        for _ in range(20):
            r = c.request("/x", "POST", [("Content-Type", "multipart/form-data; boundary=xyzzy")],
                          (10 * part + "--xyzzy--\r\n").encode())
            size, descriptors = r.text.split()
            assert size == "70" and int(descriptors) < 130


def test_processes(ruby):
    assert ruby.get("/processes").text == "backticks\npopen OPEN3 false3 from a process true"
    assert ruby.log().count("before") == 1


def test_fork_in_a_servlet_leaves_no_second_worker(ruby):
    assert ruby.get("/fork").text == "0 7 1 5 "
    ruby.wait_log("in the child .RuntimeError.")
    assert len(ruby.workers()) == 1


def test_extension_modules(ruby):
    assert ruby.get("/extensions").text == '{"a":[1,null]}2d71z1'


def test_signals(ruby):
    assert ruby.get("/signals").text == '[1, "pipe"]'


def test_timer_signal_is_rubys(ruby):
    """Its threads wake each other with VTALRM, also while another servlet runs."""
    worker, = ruby.workers()
    zygote, = ruby.processes("zygote")
    for pid in worker, zygote.pid:
        os.kill(pid, signal.SIGVTALRM)
    assert ruby.get("/pid").text == str(worker)
    assert ruby.workers() == [worker]


def test_visit(ruby):
    assert ruby.get("/visit?a=1&b=2").text == 'stop [["a", "1"], ["b", "2"]] b a'


def test_top_level(ruby):
    assert ruby.get("/toplevel").text == "&lt; 4 3 kept true false"


def test_garbage_collection_at_every_allocation(ruby):
    assert ruby.get("/stress?a=1").text == '/stress[["a", "1"]]""'


def test_same_names_in_two_directories(ruby):
    for count in 1, 3:
        for name in "one", "two":
            assert ruby.get("/%s/same" % name).text == "helper of %s, %s %d" % (name, name, count)
            # Two routes of one file share its module.
            assert ruby.get("/%s/again" % name).text == "helper of %s, %s %d" % (name, name, count + 1)


def test_todo(ruby):
    with ruby.connect() as c:
        form = ("Content-Type", "application/x-www-form-urlencoded")
        r = c.request("/todo", "POST", [form], b"text=%3Cb%3Ehi%3C/b%3E%C3%A4%FF")
        assert r.status == 303 and r.get("Location") == "/todo"
        assert "&lt;b&gt;hi&lt;/b&gt;\xe4" in c.request("/todo").text
        assert c.request("/todo", "POST", [form], b"done=1").status == 303
        assert "&lt;b&gt;" not in c.request("/todo").text


@pytest.mark.parametrize("text, mistake", [
    ("def run(s\n", r"mistake\.rb:1: syntax error"),
    ("def f = raise('at load')\nf\n", r"mistake\.rb:1:in `f': at load \(RuntimeError\)"),
    ("def running(s) end\n", r"defines no run\(s\)"),
    ("", r"defines no run\(s\)"),
    ("require 'nonesuch'\n", "cannot load such file -- nonesuch"),
    ("exit 0\n", "SystemExit"),
])
def test_mistakes_at_load(serve, tmp_path, text, mistake):
    path = tmp_path / "mistake.rb"
    path.write_text(text)
    s = serve('load_module ("module.ruby", "rb")\nload_servlet ("%s", "/x")\n' % path, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:4: ")
    s.wait_log(mistake)
    assert "internal:modserver" not in s.log()


@pytest.mark.parametrize("option, mistake", [
    ('color = "red"', 'no option "color"'),
    ('gemfile = "nonesuch"', 'gemfile: "nonesuch" cannot be read'),
])
def test_mistakes_in_options(serve, option, mistake):
    s = serve('load_module { "module.ruby", "rb", %s }\n' % option, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:3: .*" + mistake)


def test_beside_python(serve, tmp_path):
    """Both have hooks around fork; both start programs and threads."""
    vocabulary.need_module("python")
    (tmp_path / "a.py").write_text(
        "import subprocess\ndef run(s): s.rwrite(subprocess.check_output(['echo', 'python']))\n")
    (tmp_path / "a.rb").write_text("def run(s) = rwrite(s, Thread.new { `echo ruby` }.value)\n")
    s = serve('load_module ("module.python", "py")\nload_module ("module.ruby", "rb")\n'
              'load_servlet ("%s/a.py", "/py")\nload_servlet ("%s/a.rb", "/rb")\n'
              % (tmp_path, tmp_path) + harness.route("crash") + 'workers { min = 3, max = 3 }\n',
              env=NO_LEAKS)
    for _ in range(10):
        assert s.get("/py").text == "python\n" and s.get("/rb").text == "ruby\n"
    for _ in range(3):
        assert s.get("/crash?how=segv").status == 500
        assert s.get("/rb").text == "ruby\n" and s.get("/py").text == "python\n"
    s.wait_log(r"signal 11 \(SIGSEGV\)", count=3)
    s.wait_log(r"Ruby \d+\.\d+\.\d+, prefix /\S+, /\S*libruby")


def test_compaction(serve, tmp_path):
    """An application may have its objects moved, when it is loaded or any time."""
    move = "GC.verify_compaction_references(toward: :empty%s)\n"
    (tmp_path / "a.rb").write_text(move % ", double_heap: true" + """
def run(s)
  names = []
  %s
  s.each_header { |n, v| names << n if n == "Host"; nil }
  s.each_route { |r| names << r.route; nil }
  s.set_header "X-Names", names.join(" ")
  s.rwrite names.size
end
""" % move % "")
    (tmp_path / "b.ru").write_text("""
class Each
  def initialize(env) = @env = env
  def each
    %s
    yield @env["REQUEST_METHOD"] + @env["HTTP_HOST"]
    yield @env["rack.input"].read
  end
end
run lambda { |env| [200, { "content-type" => "text/plain" }, Each.new(env)] }
""" % move % "")
    s = serve('load_module ("module.ruby", { "rb", "ru" })\nworkers { max = 1 }\n'
              'load_servlet ("%s/a.rb", "/a")\nload_servlet ("%s/b.ru", "/b/*")\n' % (tmp_path, tmp_path),
              env=NO_LEAKS)
    for i in range(3):
        r = s.get("/a")
        assert (r.text, r.get("X-Names")) == ("3", "Host /a /b/*")
        assert s.get("/b/", method="POST", body=b"body").text == "POSTtestbody"


def test_bundler(serve, tmp_path):
    """The gems of a Gemfile beside the servlet, and no others; one set in a server."""
    for name in "one", "two":
        (tmp_path / name / "greet/lib").mkdir(parents=True)
        (tmp_path / name / "Gemfile").write_text('gem "greet", path: "greet"\n')
        (tmp_path / name / "greet/greet.gemspec").write_text(
            'Gem::Specification.new do |s|\n  s.name = "greet"\n  s.version = "1.0"\n'
            '  s.summary = "x"\n  s.authors = ["x"]\n  s.files = ["lib/greet.rb"]\nend\n')
        (tmp_path / name / "greet/lib/greet.rb").write_text("GREETING = 'from the bundle'\n")
        (tmp_path / name / "a.rb").write_text("require 'greet'\ndef run(s) = rwrite(s, GREETING)\n")
    module = 'load_module { "module.ruby", "rb"%s }\n'
    servlet = 'load_servlet ("%s/%s/a.rb", "/%s")\n'
    s = serve(module % "" + servlet % (tmp_path, "one", "x"))
    assert s.get("/x").text == "from the bundle"
    s = serve(module % (', gemfile = "%s/one/Gemfile"' % tmp_path) + servlet % (tmp_path, "one", "x"))
    assert s.get("/x").text == "from the bundle"
    s = serve(module % "" + servlet % (tmp_path, "one", "x") + servlet % (tmp_path, "two", "y"), ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"two/Gemfile: the gems of .*one/Gemfile are in use already")
