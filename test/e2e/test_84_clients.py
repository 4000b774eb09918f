"""Clients that others wrote find nothing wrong: curl, node, h2load over HTTP/1.1, wrk."""

import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.plain
PACKAGES = {"node": "nodejs", "h2load": "nghttp2-client"}


def run(*command):
    """Its output; it must find nothing wrong."""
    name = command[0]
    if not shutil.which(name):
        pytest.skip("%s is not installed: apt-get install %s" % (name, PACKAGES.get(name, name)))
    p = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout + p.stderr


def url(server, target):
    return "http://127.0.0.1:%d%s" % (server.port, target)


def test_curl(server, tmp_path):
    """Three requests over one connection, content both ways, Expect, HEAD, 1.0."""
    body, copy = tmp_path / "body", tmp_path / "copy"
    body.write_bytes(bytes(range(256)) * 8000)
    text = run("curl", "-sS", "--fail", "-w", "%{num_connects}", *[url(server, "/hello")] * 3)
    assert text == "hello\n1hello\n0hello\n0"
    for options in (["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"],
                    ["--http1.0"], ["-H", "Expect:"]):
        run("curl", "-sS", "--fail", "-o", str(copy), "--data-binary", "@%s" % body,
            *options, url(server, "/echo"))
        assert copy.read_bytes() == body.read_bytes(), options
    text = run("curl", "-sSI", "--fail", "-w", "%{num_connects}", *[url(server, "/hello")] * 2)
    assert text.count("HTTP/1.1 200 OK") == 2 and text.endswith("\n\n0")


NODE = r"""
const http = require("http");
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const sockets = new Set();
let left = 200, at = 0;
function next() {
	if (at == 200) return;
	const i = at++, chunked = i % 3 == 0, text = "x".repeat(i * 97);
	const headers = chunked ? {} : { "Content-Length": text.length };
	const r = http.request({ port: process.argv[2], host: "127.0.0.1", path: "/echo",
		method: "POST", agent, headers }, (response) => {
		let data = "";
		sockets.add(response.socket);
		response.setEncoding("latin1");
		response.on("data", (d) => data += d);
		response.on("end", () => {
			if (response.statusCode != 200 || data != text) { console.log("wrong", i); process.exit(1); }
			if (--left == 0) { agent.destroy(); console.log("done", sockets.size); }
			next();
		});
	});
	r.on("error", (e) => { console.log(e); process.exit(1); });
	for (let k = 0; k < text.length; k += 5000) r.write(text.slice(k, k + 5000));
	r.end();
}
for (let i = 0; i < 8; i++) next();
"""


def test_node(server, tmp_path):
    """200 requests with content over eight kept connections; its parser is a strict one."""
    script = tmp_path / "client.js"
    script.write_text(NODE)
    text = run("node", str(script), str(server.port))
    assert re.search(r"done 8$", text, re.M), text


def test_h2load(server):
    text = run("h2load", "--h1", "-n", "4000", "-c", "40", "-t", "1", url(server, "/hello"))
    assert "4000 succeeded, 0 failed, 0 errored, 0 timeout" in text, text
    assert "4000 2xx, 0 3xx, 0 4xx, 0 5xx" in text, text


def test_wrk(server):
    text = run("wrk", "-t1", "-c40", "-d1", "--timeout", "30", url(server, "/hello"))
    assert int(re.search(r"(\d+) requests in", text)[1]) > 100, text
    assert "Socket errors" not in text and "Non-2xx" not in text, text
