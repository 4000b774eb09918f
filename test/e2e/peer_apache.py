"""An Apache with mod_cgi of one's own, on a free port, to compare with."""

import os
import shutil
import signal
import subprocess

from client import Client, until
from server import free_port

BINARY = shutil.which("apache2", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MODULES = "/usr/lib/apache2/modules"
CONFIG = """
ServerRoot {dir}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/apache.pid
ErrorLog {dir}/apache.log
DefaultRuntimeDir {dir}
Mutex file:{dir} default
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule env_module {modules}/mod_env.so
LoadModule cgi_module {modules}/mod_cgi.so
{user}
StartServers 1
MinSpareServers 1
MaxRequestWorkers 8
DocumentRoot {dir}
AllowEncodedSlashes On
AcceptPathInfo On
<Directory "/">
	AllowOverride None
	Options +ExecCGI +FollowSymLinks
	Require all granted
</Directory>
"""


class Apache:
    """directory must be open to every user, for Apache's processes are none of root's.
    text: what else stands in its configuration."""

    def __init__(self, directory, text):
        self.directory, self.text = str(directory), text

    def start(self):
        for attempt in range(5):
            self.port = free_port()
            path = os.path.join(self.directory, "apache.conf")
            user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
            with open(path, "w") as f:
                f.write(CONFIG.format(dir=self.directory, port=self.port, modules=MODULES,
                                      user=user) + self.text)
            self.process = subprocess.Popen([BINARY, "-f", path, "-D", "FOREGROUND"],
                                            stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                until(self.is_ready, 30, "Apache")
                return self
            except RuntimeError:
                if attempt == 4:
                    raise
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("Apache ended: " + self.log())
        try:
            with Client(self.address) as c:
                return c.request("/", headers=[("Connection", "close")])
        except OSError:
            return False

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def connect(self, timeout=60):
        return Client(self.address, timeout)

    def log(self):
        with open(os.path.join(self.directory, "apache.log"), errors="replace") as f:
            return f.read()

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)
