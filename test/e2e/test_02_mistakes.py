"""Every kind of configuration mistake, and a taken port, is status 1 with FILE:LINE and what is wrong."""

import os
import re
import socket
import subprocess

import pytest

from server import BINARY, SERVLETS, environment

MODULE = 'load_module ("module.so", "so")\n'

# What is written on line 2 (line 1 loads the module), and words of the answer.
MISTAKES = [
    ('lisen "127.0.0.1:1"', "unknown.*lisen.*listen"),
    ('x = 1', "x"),
    ('print "x"', "unknown.*print"),
    ('io.open "x"', "io"),
    ('os.execute "x"', "os"),
    ('require "x"', "require"),
    ('listen', r""),
    ('listen {', r""),
    ('listen 8080', r"in quotes"),
    ('listen "127.0.0.1:8080" )', r""),
    ('listen "nowhere:80"', "nowhere"),
    ('listen "127.0.0.1:0"', "port"),
    ('listen "127.0.0.1:65536"', "port"),
    ('listen "256.0.0.1:80"', "256.0.0.1"),
    ('listen "[::1:80"', "listen"),
    ('listen "unix:"', "unix"),
    ('listen "unix:/no/such/directory/s"', "no directory /no/such/directory$"),
    ('# a comment', "begins with --$"),
    ('// a comment', "begins with --$"),
    ('listen { "127.0.0.1:8080", backlog = 0 }', "backlog"),
    ('listen { "127.0.0.1:8080", backlok = 9 }', "backlok.*backlog"),
    ('listen { "127.0.0.1:8080", proxy_protocol = "yes" }', "proxy_protocol"),
    ('listen "127.0.0.1:8080" listen "127.0.0.1:8080"', "already"),
    ('user "no-such-user-here"', "no-such-user-here"),
    ('user ("nobody", "no-such-group-here")', "no-such-group-here"),
    ('load_module ("module.nothing", "no")', "nothing"),
    ('load_module ("module.so", "so")', "so.*already"),
    ('load_module "module.lua"', "extension"),
    ('load_module { "module.so", "o", optoinal = true }', "optoinal.*optional"),
    ('load_servlet "missing.so"', "missing.so"),
    ('load_servlet ("config.conf", "/x")', r'no module serves "\.conf"'),
    ('load_servlet ("config", "/x")', "without an extension"),
    ('load_servlet ("{S}/undefined.so", "/x")', "function_that_nobody_has"),
    ('load_servlet ("{S}/norun.so", "/x")', "run"),
    ('load_servlet ("{S}/constructor.so", "/x")', r"crash.*SIGSEGV|SIGSEGV"),
    ('load_servlet ("{S}/hello.so", "x")', "route"),
    ('load_servlet ("{S}/hello.so", "/x*")', "route"),
    ('load_servlet ("{S}/hello.so", "/a/../b")', "route"),
    ('load_servlet { "{S}/hello.so", "/x", timeout = -1 }', "timeout"),
    ('load_servlet { "{S}/hello.so", "/x", timeuot = 1 }', "timeuot.*timeout"),
    ('load_servlet { "{S}/hello.so", "/x", methods = {} }', "one method"),
    ('load_servlet { "{S}/hello.so", "/x", methods = { "GET", "PSOT" } }', 'methods.*"PSOT" is none of.* POST'),
    ('load_servlet { "{S}/hello.so", "/x", methods = { get = true } }', "methods"),
    ('load_servlet { "{S}/hello.so", "/x", method = "GET" }', "method.*methods"),
    ('load_servlet ("{S}/hello.so", "/x") load_servlet ("{S}/echo.so", "/x")', "/x"),
    ('load_servlet "../x.so"', "needs a route"),
    ('load_servlet (nil, "/x")', "load_servlet"),
    ('load_servlet "{S}/hello.so"', "route"),
    ('load_config "missing.conf"', "missing.conf"),
    ('load_config "config.conf"', "config.conf"),
    ('workers { min = 1, mx = 3 }', "mx.*max"),
    ('workers { min = 5, max = 3 }', "min"),
    ('workers { max = 0 }', "max"),
    ('workers { max = 1.5 }', "max"),
    ('workers { max = "many" }', "max"),
    ('workers { patience = 0 }', "patience"),
    ('workers 3', "syntax"),
    ('workers (3)', "workers"),
    ('timeouts { head = -1 }', "head"),
    ('timeouts { head = "soon" }', "head"),
    ('timeouts { head = 0/0 }', "head"),
    ('timeouts { haed = 1 }', "haed.*head"),
    ('limits { body = "64X" }', "body"),
    ('limits { body = -1 }', "body"),
    ('limits { head = 1 }', "head"),
    ('limits { headers = 0 }', "headers"),
    ('reload "maybe"', "reload"),
    ('access_log (1)', "access_log"),
    ('access_log "stdout"', 'access_log: "stdout".*"/dev/stdout"'),
    ('error_log "off"', 'error_log: "off".*"stderr"'),
    ('access_log "no/such/directory/log"', "no/such/directory/log"),
    ('error_log "no/such/directory/log"', "no/such/directory/log"),
    ('pidfile "no/such/directory/pid"', "no/such/directory/pid"),
    ('while true do end', "time|long|endless|steps"),
    ('local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1e6) .. i end', "memory|time|long|steps"),
    ('string.rep("x", 1 << 40)', ""),
    ('error "on purpose"', "error"),
    ('local function f() return f() + 1 end f()', "stack|memory|time|long"),
]


def run(tmp_path, text, name="config.conf"):
    (tmp_path / name).write_text(text)
    return subprocess.run([BINARY, name], cwd=str(tmp_path), timeout=60, text=True,
                          env=environment(str(tmp_path)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("line, words", MISTAKES, ids=[m[0][:40] for m in MISTAKES])
def test_mistake(tmp_path, line, words):
    done = run(tmp_path, MODULE + line.replace("{S}", SERVLETS) +
               '\nlisten "unix:test.sock"\n')
    assert done.returncode == 1, done.stdout
    found = [l for l in done.stdout.splitlines()
             if re.search(r"config\.conf:[234]: ", l) and re.search(words, l)]
    assert found, done.stdout


def test_all_mistakes_at_once(tmp_path):
    """All of one run are told, in order, those of an included file with its name."""
    (tmp_path / "more.conf").write_text("\n\ntimeouts { head = true }\n")
    done = run(tmp_path, 'lisen "x"\nworkers { mx = 1 }\nload_config "more.conf"\nreload "?"\n')
    places = re.findall(r"(\w+\.conf:\d+): ", done.stdout)
    assert done.returncode == 1
    assert places == ["config.conf:1", "config.conf:2", "more.conf:3", "config.conf:4"]


def test_missing_configuration(tmp_path):
    done = subprocess.run([BINARY, "nowhere.conf"], cwd=str(tmp_path), timeout=60, text=True,
                          capture_output=True)
    assert done.returncode == 1 and "nowhere.conf" in done.stderr
    assert "No such file" in done.stderr


def test_configuration_is_a_directory(tmp_path):
    done = subprocess.run([BINARY, str(tmp_path)], timeout=60, text=True, capture_output=True)
    assert done.returncode == 1 and str(tmp_path) in done.stderr


def test_port_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(tmp_path, 'listen "127.0.0.1:%d"\n' % taken.getsockname()[1])
    assert done.returncode == 1
    assert re.search(r"config\.conf:1: .*in use", done.stdout), done.stdout


def test_address_not_here(tmp_path):
    done = run(tmp_path, 'listen "192.0.2.1:8080"\n')
    assert done.returncode == 1 and "config.conf:1: " in done.stdout


def test_unix_socket_taken(tmp_path):
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(tmp_path / "live.sock"))
        taken.listen()
        done = run(tmp_path, 'listen "unix:live.sock"\n')
        assert done.returncode == 1
        assert re.search(r"config\.conf:1: .*live.sock", done.stdout), done.stdout
        # and the live one is untouched
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(str(tmp_path / "live.sock"))


def test_a_file_is_no_socket(tmp_path):
    """A path that holds something else is not removed to make room."""
    (tmp_path / "precious").write_text("data")
    done = run(tmp_path, 'listen "unix:precious"\n')
    assert done.returncode == 1 and "config.conf:1: " in done.stdout
    assert (tmp_path / "precious").read_text() == "data"


def test_two_servers_with_one_pidfile(serve, tmp_path):
    s = serve('pidfile "%s/pid"\n' % tmp_path)
    done = run(tmp_path, 'listen "127.0.0.1:1"\npidfile "%s/pid"\n' % tmp_path)
    assert done.returncode == 1
    assert int((tmp_path / "pid").read_text()) == s.pid
    assert os.path.exists("/proc/%d" % s.pid)
