"""The client is whom a trusted proxy names, and nobody whom a client names itself."""

import os
import re

import pytest

from client import Client
from server import route

API = route("api", "/api/*")


def ask(c, *headers):
    """Address, port and scheme as a servlet sees them."""
    found = []
    for what in ("remote", "scheme"):
        found += c.request("/api/get_" + what, headers=list(headers)).text.replace("<", "").replace(">", "").split()
    return found


def test_none_by_default(serve):
    s = serve(API)
    with s.connect() as c:
        found = ask(c, ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"))
    assert found[0] == "127.0.0.1" and found[-1] == "http"


def test_a_trusted_one(serve):
    s = serve(API + 'trusted_proxies { "127.0.0.1", "10.0.0.0/8" }\naccess_log "access.log"\n')
    with s.connect() as c:
        assert ask(c, ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")) == \
            ["192.0.2.7", "0", "https"]
        assert ask(c, ("X-Forwarded-For", "1.1.1.1, 192.0.2.7"), ("X-Forwarded-For", "10.1.1.1:99"))[:2] == \
            ["192.0.2.7", "0"]
        assert ask(c, ("X-Forwarded-For", "[2001:db8::7]:81"))[:2] == ["2001:db8::7", "81"]
        assert ask(c)[0] == "127.0.0.1"
        # The next request of the connection is another client's.
        assert ask(c, ("X-Forwarded-For", "nonsense"))[0] == "127.0.0.1"
        assert c.request("/nowhere", headers=[("X-Forwarded-For", "192.0.2.8")]).status == 404
    log = os.path.join(s.directory, "access.log")
    s.wait_log(r"^192\.0\.2\.7 - - .*/api/get_remote", path=log)
    s.wait_log(r"^2001:db8::7 - - ", path=log)
    s.wait_log(r"^192\.0\.2\.8 - - .*/nowhere", path=log)


def test_a_stranger(serve):
    s = serve(API + 'trusted_proxies "10.0.0.0/8"\n')
    with s.connect() as c:
        assert ask(c, ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https"))[0] == "127.0.0.1"


def test_unix(serve):
    s = serve(API + 'listen "unix:{dir}/socket"\ntrusted_proxies "unix"\n')
    with Client(s.directory + "/socket") as c:
        assert ask(c)[0] == "unix"
        assert ask(c, ("X-Forwarded-For", "192.0.2.7"))[0] == "192.0.2.7"
    with s.connect() as c:
        assert ask(c, ("X-Forwarded-For", "192.0.2.7"))[0] == "127.0.0.1"


def test_behind_the_proxy_protocol(serve):
    """Whom the PROXY header names is the one to be trusted or not."""
    s = serve('listen { "unix:{dir}/socket", proxy_protocol = true }\n'
              'trusted_proxies { "198.51.100.0/24" }\n' + API)
    for address, expected in (("198.51.100.9", "192.0.2.7"), ("203.0.113.9", "203.0.113.9")):
        with Client(s.directory + "/socket") as c:
            c.send("PROXY TCP4 %s 127.0.0.1 1 2\r\n" % address)
            assert ask(c, ("X-Forwarded-For", "192.0.2.7"))[0] == expected


def test_the_default_port_is_of_the_scheme(serve):
    s = serve(API + 'trusted_proxies "127.0.0.1"\n')
    with s.connect() as c:
        for scheme, port in (("http", "80"), ("https", "443")):
            text = c.request("/api/get_server", headers=[("X-Forwarded-Proto", scheme)]).text
            assert re.search(r"\b%s\s*$" % port, text), text


@pytest.mark.parametrize("value", ['"10.0.0.0/33"', '"::1/129"', '"example.org"', '"10.0.0.0/"',
                                   "1", "{}", "{ a = 1 }", '{ "unix", false }', '"unix", "unix"'])
def test_mistakes(serve, value):
    s = serve("trusted_proxies (%s)\n" % value, ready=False)
    s.expect_end = True
    assert s.process.wait(20) == 1
    s.wait_log(r"config\.conf:3: trusted_proxies: ")
