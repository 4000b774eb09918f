"""WSGI applications and processes: fork hooks, databases, workers that are killed under load."""

import glob
import os
import pwd
import random
import shutil
import signal
import subprocess
import tempfile

import pytest

import server as harness
import vocabulary
from client import until
from load import Load, at_once

vocabulary.need_module("python")

# Neither a sanitizer nor another poller changes what these are about.
pytestmark = pytest.mark.skipif(os.path.dirname(harness.BINARY) != harness.TOP,
                                reason="for one variant only")

# The connections are opened when the application is loaded: each process must
# get its own, and the zygote must hold none while it forks.
APPLICATION = """
import os, time
import sqlite3
hooks = []

class Connection:
    def __init__(self, connect):
        self.connect = connect
        self.open()
        os.register_at_fork(before=self.close, after_in_parent=self.open, after_in_child=self.open)
    def open(self):
        self.connection, self.owner = self.connect(), os.getpid()
    def close(self):
        self.connection.close()

def open_sqlite():
    c = sqlite3.connect(os.environ["SQLITE"], timeout=30, isolation_level=None)
    c.execute("pragma synchronous = off")
    c.execute("create table if not exists visit (pid integer)")
    return c

databases = {"sqlite": Connection(open_sqlite)}
if "POSTGRES" in os.environ:
    import psycopg2
    databases["postgres"] = Connection(lambda: psycopg2.connect(os.environ["POSTGRES"]))

os.register_at_fork(before=lambda: hooks.append("before"),
                    after_in_parent=lambda: hooks.append("parent"),
                    after_in_child=lambda: hooks.append("child"))

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    what = environ["PATH_INFO"][1:]
    if what == "hooks":
        return [" ".join(hooks).encode()]
    if what == "sleep":
        time.sleep(0.3)
        what = environ["QUERY_STRING"]
    database = databases[what]
    if database.owner != os.getpid():
        raise AssertionError("a connection of process %d in %d" % (database.owner, os.getpid()))
    cursor = database.connection.cursor()
    if what == "sqlite":
        cursor.execute("insert into visit values (?)", [os.getpid()])
        cursor.execute("select pid from visit order by rowid desc limit 1")
        cursor.fetchone()
        backend = os.getpid()
    else:
        cursor.execute("select pg_backend_pid()")
        backend, = cursor.fetchone()
        database.connection.rollback()
    if environ["REQUEST_METHOD"] == "POST":
        return [b"%d %d" % (os.getpid(), backend)]
    return [b"answered"]
"""


def postgres_programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return os.path.dirname(found[-1]) if found else None


class Postgres:
    """A private cluster: a unix socket in a directory of its own, no port."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="pg-")
        # PostgreSQL refuses to run as root.
        self.user = None
        if os.getuid() == 0:
            self.user = "nobody"
            os.chown(self.directory, pwd.getpwnam(self.user).pw_uid, -1)
        self.run("initdb", "--no-sync", "--auth=trust", "--username=tester", "--encoding=UTF8",
                 "--pgdata", self.directory + "/data")
        self.run("pg_ctl", "--pgdata", self.directory + "/data", "--wait", "--silent",
                 "--log", self.directory + "/log", "--options",
                 "-k %s -c listen_addresses='' -c fsync=off" % self.directory, "start")
        self.address = "host=%s user=tester dbname=postgres" % self.directory

    def run(self, program, *arguments):
        subprocess.run([os.path.join(postgres_programs(), program), *arguments], user=self.user,
                       cwd="/", check=True, timeout=100, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def finish(self):
        self.run("pg_ctl", "--pgdata", self.directory + "/data", "--mode=immediate", "stop")
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def postgres():
    pytest.importorskip("psycopg2", reason="apt-get install python3-psycopg2")
    if not postgres_programs():
        pytest.skip("apt-get install postgresql")
    p = Postgres()
    yield p
    p.finish()


CONFIG = """
load_module ("module.python", "py")
load_servlet ("{dir}/app.py", "/*")
workers { min = 1, max = %d, idle_timeout = %g }
"""


@pytest.fixture
def application(serve, tmp_path):
    def start(workers, idle=5, **env):
        (tmp_path / "server0").mkdir()
        (tmp_path / "server0/app.py").write_text(APPLICATION)
        s = harness.Server(tmp_path / "server0", CONFIG % (workers, idle),
                           env=dict(env, SQLITE=str(tmp_path / "visits.sqlite")))
        servers.append(s)
        return s.start()
    os.chmod(tmp_path, 0o755)
    servers = []
    yield start
    for s in servers:
        s.finish()


def test_fork_hooks_are_called(application):
    s = application(1)
    worker, = s.workers()
    assert s.get("/hooks").text == "before child"
    os.kill(worker, signal.SIGKILL)
    until(lambda: s.workers() not in ([], [worker]), 20, "a new worker")
    # The zygote has forked twice; the second child has seen the first fork from the parent.
    assert s.get("/hooks").text == "before parent before child"


def own_connections(s, database):
    """Every worker that answers has a connection that no other has."""
    clients = [s.connect() for i in range(8)]
    for c in clients:
        c.request("/sleep?" + database, "POST", body=b"", read=False)
    pairs = {tuple(map(int, c.read("POST").text.split())) for c in clients}
    for c in clients:
        c.close()
    assert len({pid for pid, backend in pairs}) == len({b for pid, b in pairs}) == len(pairs)
    assert len(pairs) > 1


def test_sqlite_connections_are_not_shared(application):
    own_connections(application(8), "sqlite")


def test_postgresql_connections_are_not_shared(application, postgres):
    own_connections(application(8, POSTGRES=postgres.address), "postgres")


def is_cut(failure):
    """Whether the connection ended, rather than that a wrong answer came."""
    return isinstance(failure[0], (ConnectionError, OSError)) or "ended" in str(failure[0])


@pytest.mark.timeout(300)
def test_kill_of_workers_under_load(application, postgres):
    """10,000 requests at 32 connections, a worker killed for every 1,000: only what
    it was working on is lost.  In between all but one of them leave."""
    s = application(12, 0.5, POSTGRES=postgres.address)
    kills, answers, failures = 0, 0, []
    for phase in range(2):
        loads = [Load(s.address, "/" + database, b"answered", threads=16, rate=1e6, keep=False)
                 for database in ("sqlite", "postgres")]
        for load in loads:
            load.__enter__()
        for part in range(5):
            for load in loads:
                load.wait(500)
            workers = s.workers()
            if part < 4 and workers:
                os.kill(random.choice(workers), signal.SIGKILL)
                kills += 1
        for load in loads:
            load.stopping.set()
        for load in loads:
            for t in load.threads:
                t.join()
            answers += load.answers
            failures += load.failures
        s.wait_log("died of signal 9", count=kills)
        until(lambda: len(s.workers()) <= 1, 30, "idle workers to leave")
    assert answers >= 10000
    assert all(map(is_cut, failures)), failures[:5]
    # A killed worker had accepted at most what was asked at once.
    assert len(failures) <= kills * 32, len(failures)
    assert "connection of process" not in s.log()
    responses, _ = at_once(s, ["/sqlite", "/postgres"] * 8)
    assert {r.text for r in responses} == {"answered"}
