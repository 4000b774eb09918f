"""Behind nginx and HAProxy there are as many requests as in front: none is smuggled.

Every case of test/http goes through the proxy, with a good request behind it.
The proxy writes the client's port into Referer, which our access log shows:
what reaches us without it is no request that the proxy has seen."""

import collections
import os
import re
import select
import shutil
import socket
import sys
import time

import pytest

from server import TOP, route

sys.path.insert(0, os.path.join(TOP, "test/http"))

import conversation  # noqa: E402
import peers  # noqa: E402
import table  # noqa: E402

NGINX = """
daemon off; master_process off; pid %(dir)s/pid;
worker_rlimit_nofile 4096; error_log /dev/null;
events { worker_connections 4000; }
http {
	log_format front "$remote_port $upstream_addr $upstream_status";
	access_log %(dir)s/front front;
	client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
	client_max_body_size 0; underscores_in_headers on; ignore_invalid_headers off;
	client_body_temp_path %(dir)s/a; proxy_temp_path %(dir)s/b;
	fastcgi_temp_path %(dir)s/c; uwsgi_temp_path %(dir)s/d; scgi_temp_path %(dir)s/e;
	upstream origin { server 127.0.0.1:%(upstream)d; keepalive 4; }
	server {
		listen 127.0.0.1:%(port)d;
		location / {
			proxy_pass http://origin; proxy_http_version 1.1; proxy_next_upstream off;
			proxy_request_buffering off; proxy_ignore_client_abort on;
			proxy_set_header Connection ""; proxy_set_header Host $http_host;
			proxy_set_header Referer "port-$remote_port";
		}
	}
}
"""
HAPROXY = """
global
	nbthread 1
	log stdout format raw local0
defaults
	mode http
	log global
	log-format "%%cp %%s %%Tr"
	retries 0
	timeout connect 5s
	timeout client 1s
	timeout server 3s
	timeout http-request 1s
	timeout http-keep-alive 1s
	option accept-invalid-http-request
	http-reuse always
frontend web
	bind 127.0.0.1:%(port)d
	http-request set-header Referer port-%%[src_port]
	default_backend origin
backend origin
	server one 127.0.0.1:%(upstream)d
"""
PROXIES = [
    peers.Peer("nginx", "/usr/sbin/nginx", "nginx-light", None, NGINX,
               ["/usr/sbin/nginx", "-c", "%(config)s", "-p", "%(dir)s"]),
    peers.Peer("haproxy", "/usr/sbin/haproxy", "haproxy", None, HAPROXY,
               ["/usr/sbin/haproxy", "-f", "%(config)s"]),
]


# A request that was passed on, and whether it was answered: of the client's port.
PASSED_ON = re.compile(r"^([0-9]+) (?:one|127\.\S+) (-?[0-9]*)$", re.M)
# Of a longer one the access log does not show Referer (SLOT_HEAD_MAX of src/board.h).
HEAD_MAX = 1500


def deliver(address, contents, timeout=30):
    """Each over a connection of its own, all at once, until the proxy closes; {port: what}."""
    poller, todo, ports = select.epoll(), {}, {}
    for what, data in contents:
        c = socket.create_connection(address, 10)
        c.setblocking(False)
        ports[c.getsockname()[1]] = what
        todo[c.fileno()] = (c, memoryview(data))
        poller.register(c, select.EPOLLIN | select.EPOLLOUT)
    end = time.monotonic() + timeout
    while todo and time.monotonic() < end:
        for fd, events in poller.poll(0.1):
            c, data = todo[fd]
            try:
                if events & select.EPOLLOUT and len(data) > 0:
                    data = data[c.send(data, socket.MSG_NOSIGNAL):]
                    todo[fd] = (c, data)
                    if len(data) == 0:
                        poller.modify(c, select.EPOLLIN)
                if events & select.EPOLLIN and not c.recv(1 << 16):
                    raise ConnectionResetError
            except BlockingIOError:
                pass
            except OSError:
                poller.unregister(c)
                c.close()
                del todo[fd]
    assert not todo, "left open: %r" % [ports[c.getsockname()[1]] for c, data in todo.values()]
    return ports


@pytest.mark.plain
@pytest.mark.parametrize("proxy", PROXIES, ids=lambda p: p.name)
def test_none_is_smuggled(serve, tmp_path, proxy):
    if not shutil.which(proxy.program):
        pytest.skip("%s is not installed: apt-get install %s" % (proxy.name, proxy.package))
    s = serve(route("mirror", "/show/*") + route("hello") + table.CONFIG
              + 'access_log "access.log"\n')
    # After a servlet's wrong length the connection closes unannounced, perhaps under a
    # request that the proxy was sending.
    cases = [(c, b"".join(data for n, data in c.parts) + conversation.LAST)
             for c in table.read() if c.end not in ("cut", "shut")]
    cases = [(c, data) for c, data in cases if data.find(b"\r\n\r\n") < HEAD_MAX]
    with proxy.running(str(tmp_path), upstream=s.port) as address:
        ports = deliver(address, cases)
    s.stop()        # all lines are written

    # In front: what was passed on, and what of that had an answer.
    front, answered, behind = (collections.Counter() for i in range(3))
    with open(os.path.join(str(tmp_path), "front" if proxy.name == "nginx" else "output")) as f:
        for port, status in PASSED_ON.findall(f.read()):
            front[int(port)] += 1
            answered[int(port)] += status.isdigit()
    with open(os.path.join(s.directory, "access.log")) as f:
        for line in f:
            m = re.search(r'"port-([0-9]+)"', line)
            assert m or '"GET /-ready-' in line, "behind %s, not in front: %s" % (proxy.name, line)
            if m:
                behind[int(m[1])] += 1
    # A request that its client has not finished may be either.
    wrong = ["%r: %d in front, %d of them answered, %d behind" % (
                 ports.get(port), front[port], answered[port], behind[port])
             for port in sorted(set(front) | set(behind))
             if not answered[port] <= behind[port] <= front[port]]
    assert not wrong, "%s: %s" % (proxy.name, "\n".join(wrong))
    # Much went through, and hardly anything is unfinished.
    assert sum(answered.values()) > 600
    assert sum(front.values()) - sum(answered.values()) < 20
