"""Metrics are right, and are there whatever the workers, the zygote and other scrapers do."""

import contextlib
import os
import pwd
import re
import signal
import socket
import time

import pytest

from client import Client, head, until
from server import ALL, SLOW, all_processes, free_port, route

METRICS = 'metrics "unix:{dir}/metrics.sock"\n'
WORKERS = ("starting", "idle", "running", "full", "leaving")


def ask(s, target="/metrics", method="GET", headers=(), address=None):
    with Client(address or os.path.join(s.directory, "metrics.sock"), 20 * SLOW) as c:
        return c.request(target, method, headers=headers)


class Sample(dict):
    """All samples of a scrape: "name{labels}" without the common prefix, and their values."""

    def __missing__(self, name):
        raise KeyError("%s is none of:\n%s" % (name, "\n".join(self)))

    def requests(self, route, code):
        return self['http_requests_total{route="%s",code="%s"}' % (route, code)]

    def deaths(self, cause):
        return self['worker_deaths_total{cause="%s"}' % cause]

    def workers(self, *states):
        return sum(self['workers{state="%s"}' % state] for state in states or WORKERS)


def scrape(s, **more):
    r = ask(s, **more)
    assert r.status == 200
    return Sample((name, float(value)) for name, value in
                  re.findall(r"^modserver_(\S+) (\S+)$", r.text, re.M))


def until_is(s, what, condition):
    """Scrapes until condition(sample): a request is counted a moment after its response has been
    read, a crash when the zygote has seen it."""
    def look():
        sample = scrape(s)
        return sample if condition(sample) else None

    return until(look, 20 * SLOW, what)


def until_answered(s, route, count, code="2xx"):
    return until_is(s, "%d requests" % count, lambda sample: sample.requests(route, code) == count)


@pytest.fixture
def metrics(serve):
    """metrics(text) starts a server that has told of its first generation, and of the one request
    that has found it ready."""
    def start(text=ALL):
        s = serve(METRICS + text)
        until_is(s, "a first request", lambda sample: sample.get('http_requests_total{code="4xx"}') == 1)
        return s

    return start


def metrics_pids(s):
    return [p.pid for p in s.processes("metrics")]


def metrics_pid(s):
    """Of the one process that knows this generation, when the one before it has gone."""
    generation = int(s.processes("zygote")[0].title.split()[-1])
    until_is(s, "its word", lambda sample: sample["generation"] == generation)
    return until(lambda: len(metrics_pids(s)) == 1 and metrics_pids(s), 20 * SLOW, "one process")[0]


# ------------------------------------------------------------------ format
def check_family(families, name, kind):
    found = [f for f in families if f.name == name]
    assert len(found) == 1 and found[0].type == kind and found[0].documentation, (name, found)


def test_both_formats_are_parsed(metrics):
    """By the client library of Prometheus; and the same is in both."""
    openmetrics = pytest.importorskip("prometheus_client.openmetrics.parser")
    older = pytest.importorskip("prometheus_client.parser")
    s = metrics()
    s.get("/hello")
    r = ask(s, headers=[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")])
    assert r.get("Content-Type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = list(openmetrics.text_string_to_metric_families(r.text))
    check_family(families, "modserver_http_requests", "counter")
    check_family(families, "modserver_workers", "gauge")
    check_family(families, "modserver_servlet_duration_seconds", "histogram")
    check_family(families, "modserver", "info")
    names = {(sample.name, *sorted(sample.labels.items())) for f in families for sample in f.samples}
    r = ask(s, headers=[("Accept", "text/plain;version=0.0.4")])
    assert r.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    families = list(older.text_string_to_metric_families(r.text))
    check_family(families, "modserver_http_requests", "counter")
    assert names == {(sample.name, *sorted(sample.labels.items())) for f in families for sample in f.samples}


def test_nothing_else_is_answered(metrics):
    s = metrics()
    whole = ask(s)
    assert whole.status == 200 and whole.get("Connection") == "close"
    assert ask(s, "/metrics?name=x").status == 200
    r = ask(s, method="HEAD")
    assert (r.status, r.body, r.get("Content-Type")) == (200, b"", whole.get("Content-Type"))
    for target in ("/", "/metric", "/metrics/", "/hello"):
        assert ask(s, target).status == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        r = ask(s, method=method)
        assert (r.status, r.get("Allow")) == (405, "GET, HEAD")
    assert ask(s, headers=[("Content-Length", "1000000")]).status == 413
    assert ask(s, headers=[("X", "x" * 20000)]).status == 431
    with Client(os.path.join(s.directory, "metrics.sock")) as c:
        c.send("nonsense\r\n\r\n")
        assert c.read().status == 400


# ------------------------------------------------------------------ counts
def test_requests_are_counted(metrics):
    s = metrics()
    before = scrape(s)
    with s.connect() as c:
        for i in range(20):
            assert c.request("/hello").body == b"hello\n"
        c.request("/sleep?ms=30")
        c.request("/crash?how=return")
        c.request("/nowhere")
        sample = scrape(s)
        assert sample["connections"] == 1
        c.send("GET / HTTP/1.1\r\n\r\n")
        assert c.read().status == 400
    after = until_is(s, "the last two", lambda sample: sample['http_requests_total{code="4xx"}'] == 3)
    assert (before.requests("/hello", "2xx"), after.requests("/hello", "2xx")) == (0, 20)
    assert after['http_response_body_bytes_total{route="/hello"}'] == 20 * len("hello\n")
    assert after.requests("/crash", "5xx") == 1
    assert after['servlet_duration_seconds_count{route="/hello"}'] == 20
    assert after['servlet_duration_seconds_bucket{route="/sleep",le="0.025"}'] == 0
    assert after['servlet_duration_seconds_bucket{route="/sleep",le="+Inf"}'] == 1
    assert 0.03 <= after['servlet_duration_seconds_sum{route="/sleep"}'] < 5 * SLOW
    assert abs(after["start_time_seconds"] - time.time()) < 60 * SLOW
    assert (after["generation"], after["workers_max"]) == (1, 256)
    until_is(s, "the end of the connection", lambda sample: sample["connections"] == 0)


def test_crashes_are_counted(metrics):
    """And the requests that ended with them."""
    s = metrics(ALL + 'load_servlet { "%s", "/late", timeout = 0.1 }\n' %
              re.search(r'"(\S+sleep\.so)"', ALL)[1])
    for how in ("segv", "abort", "abort", "kill", "exit", "exit0"):
        with contextlib.suppress(ConnectionError), s.connect() as c:
            c.request("/crash?how=" + how)
    assert s.get("/late?ms=60000").status == 504
    sample = until_is(s, "all deaths", lambda sample: sum(
        value for name, value in sample.items() if name.startswith("worker_deaths")) == 7)
    assert [sample.deaths(cause) for cause in ("SIGSEGV", "SIGABRT", "SIGKILL", "exit", "timeout",
                                               "drain")] == [1, 2, 1, 2, 1, 0]
    assert sample.requests("/crash", "5xx") == 6
    assert sample.requests("/late", "5xx") == 1
    assert sample['servlet_duration_seconds_sum{route="/late"}'] > 0.1
    assert sample["worker_forks_total"] >= 7


def test_nothing_is_lost_with_a_worker(metrics):
    """One that is not needed any more leaves; others go on where it has ended."""
    s = metrics(ALL + "workers { min = 1, idle_timeout = 0.5 }\n")
    for turn in range(1, 3):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(s.connect()) for i in range(4)]
            for c in clients:
                c.send(head("/sleep?ms=200"))
            for c in clients:
                assert c.read().status == 200
        until_answered(s, "/sleep", 4 * turn)
        sample = until_is(s, "one worker", lambda sample: sample.workers() == 1)
        assert sample.requests("/sleep", "2xx") == 4 * turn
    assert sample["worker_forks_total"] > 4


# ---------------------------------------------------------------- whatever
def test_all_workers_are_blocked(metrics):
    s = metrics(ALL + "workers { max = 2 }\ntimeouts { queue = 0.3 }\n")
    with s.connect() as a, s.connect() as b, s.connect() as c:
        a.send(head("/sleep?ms=1500"))
        b.send(head("/sleep?ms=1500"))
        until_is(s, "two blocked workers", lambda sample: sample.workers("running") == 2)
        c.send(head("/hello"))
        start = time.monotonic()
        assert scrape(s)["workers_max"] == 2
        assert time.monotonic() - start < 1 * SLOW
        assert c.read().status == 503
        until_is(s, "its counts", lambda sample: sample["queue_timeouts_total"] == 1 and
                 sample['http_requests_total{code="5xx"}'] == 1)
        assert [a.read().status, b.read().status] == [200, 200]


def test_zygote_and_workers_stand_still(metrics):
    s = metrics()
    stopped = [p.pid for p in s.processes() if "zygote" in p.title or "worker" in p.title]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert scrape(s).workers() >= 1
        assert time.monotonic() - start < 1 * SLOW
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_silent_clients_keep_nobody_waiting(metrics):
    s = metrics()
    with contextlib.ExitStack() as stack:
        for i in range(80):
            c = stack.enter_context(Client(os.path.join(s.directory, "metrics.sock")))
            if i % 2:
                c.send("GET /metrics HTTP/1.1\r\n")
        start = time.monotonic()
        scrape(s)
        assert time.monotonic() - start < 1 * SLOW


def test_it_comes_back(metrics):
    s = metrics()
    s.get("/hello")
    until_answered(s, "/hello", 1)
    pid = metrics_pid(s)
    os.kill(pid, signal.SIGKILL)
    s.wait_log(r"master \d+: the metrics process died of signal 9 \(SIGKILL\)$")
    # The listener is there all the time, so this one waits.
    assert scrape(s).requests("/hello", "2xx") == 1
    assert metrics_pid(s) != pid


@pytest.mark.parametrize("octet", [255, 0, 165])
def test_a_scoreboard_full_of_garbage(metrics, octet):
    """What it tells then is nonsense, and well-formed; nobody comes to harm."""
    s = metrics(ALL + route("hostile"))
    pid, names = metrics_pid(s), set(scrape(s))
    with contextlib.suppress(ConnectionError):
        s.get("/hostile?fill=%d" % octet)
    assert names <= set(scrape(s))
    assert s.get("/hello").status == 200
    assert metrics_pid(s) == pid
    s.reload()
    sample = until_is(s, "the next generation", lambda sample: sample["generation"] == 2)
    assert names <= set(sample)


# ------------------------------------------------------------------ reload
def test_reloads(metrics):
    """Counts go on; of a route that is gone there is nothing more."""
    s = metrics()
    with s.connect() as c:
        for i in range(5):
            c.request("/hello")
        until_answered(s, "/hello", 5)
        s.reload(METRICS + route("hello") + route("hello", "/new"))
        sample = until_is(s, "generation 2", lambda sample: sample["generation"] == 2)
        assert sample.requests("/hello", "2xx") == 5
        assert sample.requests("/new", "2xx") == 0
        assert not [name for name in sample if "/sleep" in name]
        c.request("/hello")
        until_answered(s, "/hello", 6)
    until(lambda: len(s.processes("zygote")) == 1, 20 * SLOW, "the end of the old one")
    sample = until_is(s, "one of it", lambda sample: sample.workers() == 1)
    assert sample.requests("/hello", "2xx") == 6
    assert (sample['reloads_total{result="ok"}'], sample['reloads_total{result="failed"}']) == (1, 0)
    s.reload("nonsense", wait=False)
    sample = until_is(s, "a failure", lambda sample: sample['reloads_total{result="failed"}'] == 1)
    assert (sample["generation"], sample.requests("/hello", "2xx")) == (2, 6)


def test_nothing_ever_falls(metrics):
    """Whichever process answers, those that know more never before those that know less."""
    s = metrics()
    before, sent = scrape(s), 0
    with s.connect() as c:
        for reload in range(1, 9):
            s.send_signal(signal.SIGHUP)
            while before['reloads_total{result="ok"}'] < reload:
                assert c.request("/hello").status == 200
                sent += 1
                sample = scrape(s)
                for name in sample:
                    if "_total" in name or name == "generation":
                        assert sample[name] >= before[name], name
                before = sample
    until_answered(s, "/hello", sent)


def test_a_zygote_dies(metrics):
    s = metrics()
    s.get("/hello")
    until_answered(s, "/hello", 1)
    os.kill(s.processes("zygote")[0].pid, signal.SIGKILL)
    sample = until_is(s, "another", lambda sample: sample["generation"] == 2 or sample["zygote_deaths_total"])
    assert sample["zygote_deaths_total"] == 1
    assert s.get("/hello").status == 200
    until_answered(s, "/hello", 2)


def test_the_address_comes_goes_and_changes(serve):
    s = serve(ALL)
    assert not metrics_pids(s)
    port = free_port()
    s.reload(ALL + 'metrics "127.0.0.1:%d"\n' % port)
    s.wait_log(r"metrics at http://127\.0\.0\.1:%d/metrics$" % port)
    assert scrape(s, address=("127.0.0.1", port))["generation"] >= 1
    s.reload(ALL + METRICS)
    s.wait_log(r"metrics at unix:.*/metrics\.sock$")
    assert until_is(s, "all counts", lambda sample: sample['reloads_total{result="ok"}'] == 2)
    with pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", port))
    s.reload(ALL + METRICS + 'metrics "off"\n')
    path = os.path.join(s.directory, "metrics.sock")
    until(lambda: not os.path.exists(path), 20 * SLOW, "its end")
    until(lambda: not metrics_pids(s), 20 * SLOW, "the end of the process")
    s.reload(ALL + METRICS)
    until(lambda: os.path.exists(path), 20 * SLOW, "another")
    scrape(s)
    s.stop()
    assert not os.path.exists(path)


def test_an_address_of_others(serve):
    """It is a mistake with its place, at the start and on a reload."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        text = ALL + 'metrics "127.0.0.1:%d"\n' % other.getsockname()[1]
        s = serve(ALL)
        s.reload(text, wait=False)
        s.wait_log(r'config\.conf:\d+: cannot listen on "127\.0\.0\.1:\d+": Address already in use')
        s.reload(ALL + 'metrics "0.0.0.0:%d"\n' % s.port, wait=False)
        s.wait_log(r'config\.conf:\d+: metrics "0\.0\.0\.0:\d+": .*config\.conf:\d+ listens there')
        assert s.get("/hello").status == 200


# --------------------------------------------------------------- privileges
def test_what_the_process_has(metrics):
    """Its listener and its end of a pair, nothing of the others; the user that is configured."""
    user = 'user "nobody"\n' if os.getuid() == 0 else ""
    s = metrics(ALL + user + 'access_log "access.log"\n')
    s.reload()
    until(lambda: len(s.processes("zygote")) == 1, 20 * SLOW, "the end of the old generation")
    pid = metrics_pid(s)

    def opened():
        directory = "/proc/%d/fd/" % pid
        try:
            return [os.readlink(directory + fd) for fd in os.listdir(directory)]
        except FileNotFoundError:   # closed in between
            return []

    # One more until the former process has gone.
    until(lambda: len([link for link in opened() if link.startswith("socket:")]) == 2, 5 * SLOW,
          "having two sockets")
    links = opened()
    assert not [link for link in links if "access.log" in link]
    if user:
        with open("/proc/%d/status" % pid) as f:
            ids = re.search(r"^Uid:\t(.*)$", f.read(), re.M)[1].split()
        assert set(ids) == {str(pwd.getpwnam("nobody").pw_uid)}
    # Workers have nothing of it.
    own = {link for link in links if link.startswith(("socket:", "pipe:"))}
    error_log = "pipe:[%d]" % os.stat("/proc/%d/fd/2" % pid).st_ino
    for p in all_processes(s.directory):
        if "worker" in p.title or "zygote" in p.title:
            others = {os.readlink("/proc/%d/fd/%s" % (p.pid, fd)) for fd in os.listdir("/proc/%d/fd" % p.pid)}
            assert not own & others - {error_log}, p
