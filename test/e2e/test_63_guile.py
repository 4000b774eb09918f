"""Scheme servlets: every procedure, exceptions, isolation, threads, fork, and what (modserver) exports."""

import os
import re
import struct
import subprocess

import pytest

import server as harness
import vocabulary
from client import head

vocabulary.need_module("guile")

# One file for most: it is compiled when it is loaded.
SERVLET = """
(use-modules (ice-9 binary-ports) (ice-9 exceptions) (ice-9 match) (ice-9 threads) (rnrs bytevectors) (modserver))

(define kept #f)
(define ready 0)

(define (deep n) (+ 1 (car n)))
(define (for-ever n) (+ 1 (for-ever n)))

(define (init s)
  (when (get-arg s "fail") (error "init is not ready"))
  (set! ready (+ ready 1)))

(define (count-up n)
  (let loop ((i 0) (kept '())) (if (< i n) (loop (+ i 1) (iota 10)) n)))

(define (complaint thunk)
  (with-exception-handler exception-message thunk #:unwind? #t))

(define (until thunk)
  (call-with-prompt 'alarm
    (lambda ()
      (dynamic-wind
        (lambda () (sigaction SIGALRM (lambda (n) (abort-to-prompt 'alarm)))
                   (setitimer ITIMER_REAL 0 0 0 50000))
        thunk
        (lambda () (setitimer ITIMER_REAL 0 0 0 0))))
    (lambda (k) 'interrupted)))

(define (run s)
  (match (get-path-info s)
    ("/pid" (rwrite s (getpid)))
    ("/both" (rwrite s (get_path s)))
    ("/ready" (rwrite s ready))
    ("/octets" (let ((body (rread s))) (unless (eof-object? body) (rwrite s body))))
    ("/parts" (rwrite s "a" 1 #vu8(0 255) 'b #\\c '(d "e")))
    ("/utf8" (rwrite s (string-length (get-arg s "x")) " " (get-arg s "x")))
    ("/port" (let ((port (response-port s)))
      (display "t\\u00e4xt " port) (put-bytevector port #vu8(0 255)) (write "s" port)))
    ("/error" (list (deep 'x)))
    ("/misc" (error "something broke:" '(1 "two")))
    ("/nul" (error "a\\x00;b"))
    ("/raised" (raise-exception 'an-object))
    ("/exit" (exit 0))
    ("/argument" (set-header s "X" 'y))
    ("/deep" (for-ever 1))
    ("/late" (rwrite s "x") (rflush s) (error "late"))
    ("/unwind" (dynamic-wind (lambda () #f) (lambda () (error "first")) (lambda () (error "second"))))
    ("/print" (display "printed ") (write '(1 "a")) (newline) (display "no newline"))
    ("/headers" (set-header s "X-Nul" "a\\x00;b") (set-header s "X-Line" "a\\r\\nX-Evil: 1")
      (set-header s "X-Number" 12) (rwrite s "x"))
    ("/kept" (rwrite s (and kept (complaint (lambda () (get-path kept)))))
      (set! kept s))
    ("/visit" (rwrite s (each-arg s) (each-header s (lambda (n v) (and (string=? n "X") v)))))
    ("/threads" (let ((threads (map (lambda (i) (call-with-new-thread (lambda () (count-up 20000))))
                                    (iota 4))))
      (gc) (rwrite s (map join-thread threads))))
    ("/stranger" (rwrite s (join-thread (call-with-new-thread (lambda ()
      (complaint (lambda () (get-path s))))))))
    ("/fork" (let ((pid (primitive-fork)))
      (if (= pid 0) (rwrite s "child") (rwrite s (cdr (waitpid pid))))))
    ("/fork-exit" (let ((pid (primitive-fork)))
      (if (= pid 0) (exit 7) (rwrite s (status:exit-val (cdr (waitpid pid)))))))
    ("/system" (rwrite s (system "echo by a program; exit 3")))
    ("/alarm" (rwrite s (until (lambda () (let loop () (loop))))))
    ("/random" (rwrite s (random 1000000000)))
    ("/garbage" (gc) (rwrite s (count-up 100000)))
    (_ (rwrite s "no such path"))))

(define (cleanup) (display "cleaned up\\n"))
"""

SAME = """
(use-modules (modserver) (helper))
(define count 0)
(define (run s) (set! count (+ count 1)) (rwrite s helper-name count))
"""

BARE = """
(define (get-query s) "a definition of its own")
(define (run s)
  (set_status s 201)
  (set_header s "X-Bare" "yes")
  (rwrite s (get_arg s "arg") " " (get_method s) " " (get-method s))
  (rflush s))
"""


@pytest.fixture(scope="module")
def guile(tmp_path_factory):
    """One worker with everything, and two directories with files of the same names."""
    directory = tmp_path_factory.mktemp("guile")
    (directory / "all.scm").write_text(SERVLET)
    (directory / "bare.scm").write_text(BARE)
    lines = ['load_module ("module.guile", "scm")\nload_servlet ("%s/all.scm", "/*")\n'
             'load_servlet ("%s/bare.scm", "/bare")\n' % (directory, directory)]
    for name in "one", "two":
        (directory / name).mkdir()
        (directory / name / "helper.scm").write_text(
            '(define-module (helper) #:export (helper-name))\n(define helper-name "%s")' % name)
        (directory / name / "same.scm").write_text(SAME)
        lines.append('load_servlet ("%s/%s/same.scm", "/%s/same")\n' % (directory, name, name))
    for name in "test", "hello", "derivative":
        lines.append('load_servlet ("%s/guile/%s.scm", "/%s%s")\n' % (
            harness.EXAMPLES, name, name, "/*" if name == "test" else ""))
    lines.append("workers { min = 1, max = 1 }\n")
    s = harness.Server(tmp_path_factory.mktemp("server"), "".join(lines),
                       env={"XDG_CACHE_HOME": str(directory), "GUILE_AUTO_COMPILE": "0"})
    s.start()
    yield s
    s.finish()
    assert "test.scm: cleanup was called" in s.log()
    assert "cleaned up" in s.log()


def test_hello(guile):
    r = guile.get("/hello")
    assert (r.status, r.text, r.framing) == (200, "Hello, world!\n", "length")
    assert r.get("Content-Type") == "text/html; charset=UTF-8"


def test_every_procedure(guile):
    vocabulary.check_answers(guile, "/test", "guile", missing="#f", end="#<eof>", true="#t",
                             false="#f", walked="#f", joint="-")


def test_names_of_c_without_an_import(guile):
    """And a servlet that imports (modserver) has both as well."""
    r = guile.get("/bare?arg=a")
    assert (r.status, r.text, r.get("X-Bare")) == (201, "a GET GET", "yes")
    assert "get_arg" not in guile.log()
    assert guile.get("/both").text == "/both"


def test_octets(guile):
    vocabulary.check_octets(guile, "/octets")
    assert guile.get("/parts").body == b"a1\0\xffbc(d e)"
    assert guile.get("/port").body == b't\xc3\xa4xt \0\xff"s"'
    assert guile.get("/utf8?x=%C3%A4%E2%82%AC").text == "2 \xe4\u20ac"
    assert guile.get("/utf8?x=a%FFb").text == "3 a?b"


def test_exceptions(guile):
    log = vocabulary.check_failure(guile, "/error", "Wrong type argument in position 1")
    assert re.search(r"In /\S+/all\.scm:\n.* 7:\d+ +\d \(run ", log), log     # deep is inlined
    vocabulary.check_failure(guile, "/misc", r'something broke: \(1 "two"\)')
    vocabulary.check_failure(guile, "/nul", r"a\\x00;b$")
    vocabulary.check_failure(guile, "/raised", "an-object")
    vocabulary.check_failure(guile, "/argument", "In procedure set-header: Wrong type argument in position 3")
    vocabulary.check_failure(guile, "/deep", "stack overflow", r"\(for-ever _\)")
    vocabulary.check_failure(guile, "/unwind", "all.scm has failed")


def test_exit_costs_the_request_only(guile):
    pid = guile.get("/pid").text
    vocabulary.check_failure(guile, "/exit", "exit was called in a servlet")
    assert guile.get("/pid").text == pid


def test_error_after_the_head_cuts_the_connection(guile):
    with guile.connect() as c, pytest.raises((AssertionError, ConnectionError)):
        c.request("/late")
    guile.wait_log("late")


def test_what_is_displayed_goes_to_the_error_log(guile):
    assert guile.get("/print").status == 204
    guile.wait_log(r'request \S+ /\*: printed \(1 "a"\)$')
    guile.wait_log(r"request \S+ /\*: no newline$")
    assert guile.get("/system").text == str(3 << 8)
    guile.wait_log("^by a program$")


def test_headers_that_cannot_be_sent(guile):
    r = guile.get("/headers")
    assert r.status == 200 and r.get("X-Number") == "12"
    assert not r.all("X-Nul") and not r.all("X-Line") and not r.all("X-Evil")
    guile.wait_log("X-Nul has NUL in it")


def test_s_dies_with_its_request(guile):
    guile.get("/kept")
    assert "the request of this servlet object is over" in guile.get("/kept").text


def test_visits(guile):
    with guile.connect() as c:
        r = c.request("/visit?a=1&b=&a=2", headers=[("X", "seen")])
    assert r.text == "((a . 1) (b . ) (a . 2))seen"


def test_init(guile):
    assert [guile.get("/ready").text for _ in range(2)] == ["1", "1"]


def test_init_that_fails(serve, tmp_path):
    (tmp_path / "a.scm").write_text(SERVLET)
    s = serve('load_module ("module.guile", "scm")\nload_servlet ("%s/a.scm", "/x/*")\n' % tmp_path)
    assert s.get("/x/ready?fail=1").status == 500
    s.wait_log("init is not ready")
    assert s.get("/x/ready").text == "1"


def test_same_names_in_two_directories(guile):
    for count in "1", "2":
        for name in "one", "two":
            assert guile.get("/%s/same" % name).text == name + count


def test_threads(guile):
    """The collector stops them by signals, which must not end the process."""
    pid = guile.get("/pid").text
    for _ in range(5):
        assert guile.get("/threads").text == "(20000 20000 20000 20000)"
    assert "only by the thread that runs the servlet" in guile.get("/stranger").text
    assert guile.get("/pid").text == pid


def test_fork(guile):
    pid = guile.get("/pid").text
    assert guile.get("/fork").text == "0"
    assert guile.get("/fork-exit").text == "7"
    assert guile.get("/pid").text == pid


def test_signals_of_its_own(guile):
    assert [guile.get("/alarm").text for _ in range(3)] == ["interrupted"] * 3


def test_the_collector(guile):
    assert [guile.get("/garbage").text for _ in range(5)] == ["100000"] * 5


WEAK = """
(use-modules (ice-9 weak-vector) (modserver))

(define weak (make-weak-vector 100 #f))

(define (run s)
  (do ((i 0 (+ i 1))) ((= i 100))
    (if (string=? (get-method s) "GET")
        (let ((object (make-vector 10)))
          (weak-vector-set! weak i object)
          (rwrite s (object-address object) "\\n"))
        (begin
          (when (= i 0) (gc))
          (when (weak-vector-ref weak i) (rwrite s "kept\\n"))))))
"""


def test_octets_of_a_client_keep_nothing_alive(serve, tmp_path):
    """They may look like references: they are not where the collector looks for some."""
    (tmp_path / "weak.scm").write_text(WEAK)
    s = serve('load_module ("module.guile", "scm")\nload_servlet ("%s/weak.scm", "/")\n'
              'workers { max = 1 }\n' % tmp_path)
    with s.connect() as c:
        addresses = [int(n) for n in c.request("/").text.split()]
        octets = struct.pack("@100P", *addresses)
        c.send(head("/", "POST", [("Expect", "100-continue")], octets))
        assert c.read(informational=True).status == 100
        c.send(octets)
        assert c.read().text.count("kept") < 50     # some for what the stack still has


def test_derivative(guile):
    assert "(+ (sin x) (* x (cos x)))" in guile.get("/derivative").text
    page = guile.get("/derivative?of=(%3Cb%3E%20x)").text
    assert "no expression in x" in page and "&lt;b&gt;" in page and "<b>" not in page
    assert "unexpected end of input" in guile.get("/derivative?of=(").text


def test_workers_draw_different_numbers(serve, tmp_path):
    (tmp_path / "a.scm").write_text(SERVLET)
    s = serve('load_module ("module.guile", "scm")\nload_servlet ("%s/a.scm", "/*")\n'
              'workers { max_requests = 1 }\n' % tmp_path)
    drawn = [s.get("/random").text for _ in range(4)]
    assert len(set(drawn)) == 4, drawn


@pytest.mark.parametrize("text, mistake", [
    ("(define (run s)", "unexpected end of input|missing close"),
    ("(define x 1)", r"it defines no procedure \(run s\)"),
    ("(define run 1)", "run is no procedure: 1"),
    ("(define (f) (car 1)) (f)", "Wrong type argument"),
    ("(use-modules (none such))", r"no code for module \(none such\)"),
    ("(exit 0)", "exit was called"),
])
def test_mistakes_at_load(serve, tmp_path, text, mistake):
    path = tmp_path / "mistake.scm"
    path.write_text(text)
    s = serve('load_module ("module.guile", "scm")\nload_servlet ("%s", "/x")\n' % path, ready=False)
    s.expect_end = True
    assert s.process.wait(20 * harness.SLOW) == 1
    s.wait_log(r"config\.conf:4: .*(%s)" % mistake)
    # Where it is; and frames only of what the file itself has called.
    assert "mistake.scm" in s.log().replace('/mistake.scm"', "")
    assert ("boot-9.scm" in s.log()) == text.endswith(("(f)", "(exit 0)"))


def test_unknown_options(serve):
    s = serve('load_module { "module.guile", "scm", color = "red" }\n', ready=False)
    s.expect_end = True
    assert s.process.wait(20 * harness.SLOW) == 1
    s.wait_log(r'config\.conf:3: .*no option "color"')


def test_version_is_told(guile):
    guile.wait_log(r"Guile 3\.0\.\d+, prefix /\S+, /\S*libguile")


def test_the_documented_names_are_those_there_are(serve, tmp_path):
    (tmp_path / "a.scm").write_text(
        "(use-modules (modserver))\n"
        "(define (run s) (for-each (lambda (name) (rwrite s name '#\\newline))\n"
        "  (module-map (lambda (name variable) name) (resolve-interface '(modserver)))))\n")
    s = serve('load_module ("module.guile", "scm")\nload_servlet ("%s/a.scm", "/x")\n' % tmp_path)
    there = set(s.get("/x").text.split())
    with open(os.path.join(harness.TOP, "api/guile/modserver.scm")) as f:
        text = f.read()
    exported = set(re.search(r"#:export \((.*?)\)", text, re.S)[1].split())
    assert exported == there
    assert set(re.findall(r"^\(declare \((\S+?)[ )]", text, re.M)) == there


def test_compilers_know_the_names(tmp_path):
    done = subprocess.run(["guild", "compile", "-W2", "-L", harness.TOP + "/api/guile",
                           "-o", str(tmp_path / "test.go"), harness.EXAMPLES + "/guile/test.scm"],
                          env=dict(os.environ, GUILE_AUTO_COMPILE="0", HOME=str(tmp_path)),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    assert done.returncode == 0 and "unbound" not in done.stdout, done.stdout
