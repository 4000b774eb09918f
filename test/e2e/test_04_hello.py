"""curl reads what hello writes, with the headers a client expects."""

import email.utils
import subprocess
import time


def curl(server, *arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "30"] + list(arguments),
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_hello(server):
    url = "http://127.0.0.1:%d/hello" % server.port
    assert curl(server, url) == "hello\n"
    out = curl(server, "-i", "--http1.0", url)
    assert out.startswith("HTTP/1.1 200 OK\r\n") and out.endswith("\r\n\r\nhello\n")


def test_curl_reuses_its_connection(server):
    url = "http://127.0.0.1:%d/hello" % server.port
    out = curl(server, "-w", "%{num_connects} ", *[url] * 5)
    assert out.split() == ["hello", "1", "hello", "0", "hello", "0", "hello", "0", "hello", "0"]


def test_fields(server):
    r = server.get("/hello")
    assert r.status == 200 and r.framing == "length"
    assert r.get("Content-Type") == "text/html; charset=UTF-8"
    assert r.get("Content-Length") == "6"
    assert r.get("Connection") == "close"
    date = email.utils.parsedate_to_datetime(r.get("Date"))
    assert abs(date.timestamp() - time.time()) < 5


def test_date_goes_on(server):
    """Also over a connection that was idle: the date is that of the response."""
    with server.connect() as c:
        first = c.request("/hello").get("Date")
        time.sleep(2.1)     # what is tested is the clock
        second = c.request("/hello").get("Date")
    passed = (email.utils.parsedate_to_datetime(second) -
              email.utils.parsedate_to_datetime(first)).total_seconds()
    assert 1 <= passed <= 4


def test_not_found(server):
    r = server.get("/nowhere")
    assert r.status == 404
    assert r.body and len(r.body) < 1000
