"""Other servers, each with a small configuration of its own on a free port:
/hello answers "hello\\n", /show and what is below it anything."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))

from ports import free_port  # noqa: E402

NGINX = """
daemon off; master_process off; worker_processes 1; pid %(dir)s/pid;
error_log /dev/null;
events { worker_connections 1000; }
http {
	access_log off; client_max_body_size 64k; client_header_timeout 5s; client_body_timeout 5s;
	keepalive_timeout 5s; client_body_temp_path %(dir)s/a; proxy_temp_path %(dir)s/b;
	fastcgi_temp_path %(dir)s/c; uwsgi_temp_path %(dir)s/d; scgi_temp_path %(dir)s/e;
	server {
		listen 127.0.0.1:%(port)d;
		location = /hello { return 200 "hello\\n"; }
		location /show { return 200 "shown\\n"; }
	}
}
"""
APACHE = """
ServerRoot %(dir)s
PidFile %(dir)s/pid
Listen 127.0.0.1:%(port)d
ServerName localhost
ErrorLog /dev/null
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
KeepAliveTimeout 5
Timeout 5
LimitRequestBody 65536
DocumentRoot %(dir)s/root
AliasMatch ^/show.* %(dir)s/root/show
<Directory %(dir)s/root>
Require all granted
</Directory>
"""
LIGHTTPD = """
server.document-root = "%(dir)s/root"
server.port = %(port)d
server.bind = "127.0.0.1"
server.errorlog = "/dev/null"
server.max-keep-alive-idle = 5
server.max-read-idle = 5
server.max-request-size = 64
server.modules = ( "mod_rewrite" )
url.rewrite-once = ( "^/show.*" => "/show" )
mimetype.assign = ( "" => "text/plain" )
"""
H2O = """
listen: { host: 127.0.0.1, port: %(port)d }
http1-request-timeout: 5
limit-request-body: 65536
num-threads: 1
error-log: /dev/null
hosts:
  "default":
    paths:
      "/hello": { mruby.handler: 'Proc.new { |env| [200, {}, ["hello\\n"]] }' }
      "/show": { mruby.handler: 'Proc.new { |env| [200, {}, ["shown\\n"]] }' }
"""
GO = """
package main
import ("io"; "net/http"; "os"; "time")
func main() {
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil { w.WriteHeader(400); return }
			io.WriteString(w, text)
		}
	}
	m := http.NewServeMux()
	m.HandleFunc("/hello", answer("hello\\n"))
	m.HandleFunc("/show", answer("shown\\n"))
	m.HandleFunc("/show/", answer("shown\\n"))
	s := http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: m, ReadTimeout: 5 * time.Second,
		IdleTimeout: 5 * time.Second, MaxHeaderBytes: 8192}
	panic(s.ListenAndServe())
}
"""
NODE = """
const http = require("http");
const server = http.createServer({ requestTimeout: 5000, headersTimeout: 5000,
	connectionsCheckingInterval: 500 }, (request, response) => {
	request.resume();
	request.on("end", () => response.end(request.url == "/hello" ? "hello\\n" : "shown\\n"));
});
server.keepAliveTimeout = 5000;
server.listen(Number(process.argv[2]), "127.0.0.1");
"""


class Peer:
    def __init__(self, name, program, package, version, text, command, build=None):
        self.name, self.program, self.package = name, program, package
        self.version_command, self.text, self.command, self.build = version, text, command, build

    def version(self):
        p = subprocess.run(self.version_command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, check=False)
        m = re.search(r"\d+\.\d+(\.\d+)*", p.stdout)
        return m[0] if m else "?"

    @contextlib.contextmanager
    def running(self, directory, **fill):
        """Starts it in an empty directory; gives its address; ends it.
        fill: what else its configuration names, as %(name)s."""
        port = free_port()
        fill.update(dir=directory, port=port)
        os.mkdir(directory + "/root", 0o755)
        for name, text in (("hello", "hello\n"), ("show", "shown\n")):
            with open(os.path.join(directory, "root", name), "w") as f:
                f.write(text)
        config = os.path.join(directory, "config" + (".go" if self.build else ""))
        with open(config, "w") as f:
            f.write(self.text % fill)
        fill["config"] = config
        env = dict(os.environ, HOME=directory, GOCACHE=directory + "/cache", GO111MODULE="off")
        if self.build:
            subprocess.run([w % fill for w in self.build], check=True, env=env)
        with open(os.path.join(directory, "output"), "ab") as output:
            process = subprocess.Popen([w % fill for w in self.command], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, env=env, cwd=directory)
        try:
            self.wait(process, port, directory)
            yield ("127.0.0.1", port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait(self, process, port, directory):
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        with open(os.path.join(directory, "output"), errors="replace") as f:
            raise RuntimeError("%s does not start: %s" % (self.name, f.read()[-1000:]))


ALL = [
    Peer("nginx", "/usr/sbin/nginx", "nginx-light", ["/usr/sbin/nginx", "-v"], NGINX,
         ["/usr/sbin/nginx", "-c", "%(config)s", "-p", "%(dir)s"]),
    Peer("Apache", "/usr/sbin/apache2", "apache2-bin", ["/usr/sbin/apache2", "-v"], APACHE,
         ["/usr/sbin/apache2", "-f", "%(config)s", "-DFOREGROUND"]),
    Peer("lighttpd", "/usr/sbin/lighttpd", "lighttpd", ["/usr/sbin/lighttpd", "-v"], LIGHTTPD,
         ["/usr/sbin/lighttpd", "-D", "-f", "%(config)s"]),
    Peer("h2o", "/usr/bin/h2o", "h2o", ["/usr/bin/h2o", "-v"], H2O, ["/usr/bin/h2o", "-c", "%(config)s"]),
    Peer("Go", "/usr/bin/go", "golang-go", ["/usr/bin/go", "version"], GO,
         ["%(dir)s/server", "%(port)d"], ["/usr/bin/go", "build", "-o", "%(dir)s/server", "%(config)s"]),
    Peer("node", "/usr/bin/node", "nodejs", ["/usr/bin/node", "--version"], NODE,
         ["/usr/bin/node", "%(config)s", "%(port)d"]),
]
