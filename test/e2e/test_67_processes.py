"""WSGI and Rack applications and processes: fork hooks, databases, workers that are killed under
load or leave between two loads."""

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
from client import until
from load import Load, at_once

# Neither a sanitizer nor another poller changes what these are about.
pytestmark = pytest.mark.skipif(os.path.dirname(harness.BINARY) != harness.TOP,
                                reason="for one variant only")

# The connections are opened when the application is loaded: each process must
# get its own, and the zygote must hold none while it forks.
WSGI = """
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


RACK = """
require "sqlite3"
HOOKS = []

class Connection
  attr_reader :connection, :owner
  def initialize(&connect) = (@connect = connect; open)
  def open = (@connection, @owner = @connect.call, Process.pid)
  def close = connection.close
end

DATABASES = {
  "sqlite" => Connection.new do
    c = SQLite3::Database.new(ENV.fetch("SQLITE"))
    c.busy_timeout = 30_000
    c.execute("pragma synchronous = off")
    c.execute("create table if not exists visit (pid integer)")
    c
  end
}
if ENV["POSTGRES"]
  require "pg"
  DATABASES["postgres"] = Connection.new { PG.connect(ENV["POSTGRES"]) }
end

module AroundFork
  def _fork
    HOOKS << "before"
    DATABASES.each_value(&:close)
    pid = super
    DATABASES.each_value(&:open)
    HOOKS << (pid.zero? ? "child" : "parent")
    pid
  end
end
Process.singleton_class.prepend(AroundFork)

run(lambda do |env|
  what = env["PATH_INFO"].delete_prefix("/")
  return [200, {}, [HOOKS.join(" ")]] if what == "hooks"
  if what == "sleep"
    sleep 0.3
    what = env["QUERY_STRING"]
  end
  database = DATABASES.fetch(what)
  raise "a connection of process #{database.owner} in #{Process.pid}" if database.owner != Process.pid
  if what == "sqlite"
    database.connection.execute("insert into visit values (?)", [Process.pid])
    database.connection.execute("select pid from visit order by rowid desc limit 1")
    backend = Process.pid
  else
    backend = database.connection.exec("select pg_backend_pid()").getvalue(0, 0)
  end
  [200, {}, [env["REQUEST_METHOD"] == "POST" ? "#{Process.pid} #{backend}" : "answered"]]
end)
"""

REQUESTS = 10000        # under which workers are killed

# By module: the file, the application, what the one with PostgreSQL needs.
APPLICATIONS = {
    "python": ("app.py", WSGI, ["/usr/bin/python3", "-c", "import psycopg2"], "python3-psycopg2"),
    "ruby": ("app.ru", RACK, ["/usr/bin/ruby", "-e", "require 'rack'; require 'sqlite3'; require 'pg'"],
             "ruby-rack ruby-sqlite3 ruby-pg"),
}

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
    if not postgres_programs():
        pytest.skip("apt-get install postgresql")
    p = Postgres()
    yield p
    p.finish()


CONFIG = """
load_module ("module.%s", "%s")
load_servlet ("{dir}/%s", "/*")
workers { min = 1, max = %d, idle_timeout = %g }
"""


@pytest.fixture(params=APPLICATIONS)
def application(request, tmp_path):
    file, text, command, packages = APPLICATIONS[request.param]
    if not os.path.exists(os.path.join(harness.TOP, "module", request.param + ".so")):
        pytest.skip("module/%s.so was not built" % request.param)
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("apt-get install " + packages)

    def start(workers, idle=5, **env):
        (tmp_path / "server").mkdir()
        (tmp_path / "server" / file).write_text(text)
        s = harness.Server(tmp_path / "server",
                           CONFIG % (request.param, file.rpartition(".")[2], file, workers, idle),
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


def load(s, requests, keep, meanwhile=lambda: None, steps=1):
    """So many requests on 32 connections, half of them to each database, with something
    done between two steps; returns how many were answered, and the failures."""
    loads = [Load(s.address, "/" + database, b"answered", threads=16, rate=1e6, keep=keep)
             for database in ("sqlite", "postgres")]
    for one in loads:
        one.__enter__()
    for step in range(1, steps + 1):
        until(lambda: sum(one.answers for one in loads) >= requests * step // steps,
              60, "%d answers" % (requests * step // steps))
        meanwhile()
    for one in loads:
        one.stopping.set()
    for one in loads:
        for t in one.threads:
            t.join()
    return sum(one.answers for one in loads), [f for one in loads for f in one.failures]


@pytest.mark.timeout(300)
def test_idle_exit_and_fork_again_between_loads(application, postgres):
    """10,000 requests on 32 connections, none of which fails; in between all workers
    but one leave, and others come."""
    s = application(12, 0.5, POSTGRES=postgres.address)
    seen, answers = [], 0
    for phase in range(2):
        at_once(s, ["/sleep?sqlite"] * 8)       # needs several workers
        seen.append(set(s.workers()))
        n, failures = load(s, 5000, True)
        assert not failures, failures[:5]
        answers += n
        until(lambda: len(s.workers()) <= 1, 30, "idle workers to leave")
    assert answers >= 10000
    assert len(seen[0]) > 1 and seen[1] - seen[0], seen
    assert "connection of process" not in s.log()


def is_cut(failure):
    """Whether the connection ended, rather than that a wrong answer came."""
    return isinstance(failure[0], (ConnectionError, OSError)) or "ended" in str(failure[0])


@pytest.mark.timeout(300)
def test_kill_of_workers_under_load(application, postgres):
    """10,000 requests, 32 at once, a worker killed for every 500: only what it was
    working on is lost, all else is answered."""
    s = application(12, 0.5, POSTGRES=postgres.address)
    kills = []

    def kill():
        workers = s.workers()
        if workers:
            kills.append(random.choice(workers))
            os.kill(kills[-1], signal.SIGKILL)

    answers, failures = load(s, REQUESTS, False, kill, REQUESTS // 500)
    s.wait_log("died of signal 9", count=len(kills))
    assert answers >= REQUESTS and kills
    assert all(map(is_cut, failures)), failures[:5]
    # A killed worker had accepted at most what was asked at once.
    assert len(failures) <= len(kills) * 32, len(failures)
    print("%d requests, %d workers killed, %d connections cut" % (
        answers, len(kills), len(failures)))
    assert "connection of process" not in s.log()
    responses, _ = at_once(s, ["/sqlite", "/postgres"] * 8)
    assert {r.text for r in responses} == {"answered"}
