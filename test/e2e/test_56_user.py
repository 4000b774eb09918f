"""`user` drops all privileges in zygote and workers, for good; the master keeps what reloads need."""

import grp
import os
import pwd
import signal

import pytest

from client import until
from server import ALL, SLOW

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def identity(pid):
    with open("/proc/%d/status" % pid) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return ({int(x) for x in fields["Uid"].split()}, {int(x) for x in fields["Gid"].split()},
            {int(x) for x in fields["Groups"].split()}, int(fields["CapEff"], 16),
            int(fields["CapPrm"], 16))


@pytest.fixture
def readable(tmp_path):
    """pytest's own directories are root's alone: somebody else must get to the servlets."""
    path = tmp_path
    while path != path.parent and str(path).startswith("/tmp/"):
        os.chmod(path, os.stat(path).st_mode | 0o055)
        path = path.parent


def test_user(readable, serve):
    nobody = pwd.getpwnam("nobody")
    s = serve(ALL + 'user "nobody"\naccess_log "access.log"\nerror_log "error.log"\n')
    groups = set(os.getgrouplist("nobody", nobody.pw_gid))
    for p in s.processes("zygote") + s.processes("worker"):
        uids, gids, others, effective, permitted = identity(p.pid)
        assert uids == {nobody.pw_uid} and gids == {nobody.pw_gid}
        assert others <= groups and effective == permitted == 0
    assert identity(s.pid)[0] == {0}
    # logs, reload, crashes work without privileges
    log = os.path.join(s.directory, "access.log")
    os.rename(log, log + ".1")
    s.send_signal(signal.SIGUSR1)
    until(lambda: os.path.exists(log), what="a new log")
    s.reload()
    assert s.get("/hello").status == 200
    assert s.get("/crash?how=segv").status == 500
    assert s.get("/echo", method="POST", body=b"x" * 2000000).body == b"x" * 2000000


def test_what_root_alone_can_read(readable, serve, tmp_path):
    """Who may not read a servlet's file is named: root looks at it and sees nothing wrong."""
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "x.so").write_bytes(b"")
    s = serve('user "nobody"\nload_servlet ("%s/closed/x.so", "/x")\n'
              % tmp_path, ready=False)
    s.expect_end = True
    assert s.process.wait(20 * SLOW) == 1
    s.wait_log(r'closed/x\.so: .*Permission denied \(as user "nobody"\)')


def test_user_and_group(readable, serve):
    s = serve(ALL + 'user ("nobody", "daemon")\n')
    assert "run as root" not in s.log()
    for p in s.processes("zygote") + s.processes("worker"):
        uids, gids, others, effective, permitted = identity(p.pid)
        assert gids == {grp.getgrnam("daemon").gr_gid}
        assert others <= {grp.getgrnam("daemon").gr_gid}


def test_servlets_as_root(serve):
    """It is said."""
    serve().wait_log(r"warning master \d+: servlets run as root")


def test_killed_master(readable, serve):
    """The death of a master that is root reaches workers that are not."""
    s = serve(ALL + 'user "nobody"\n')
    s.expect_end = True
    os.kill(s.pid, signal.SIGKILL)
    s.process.wait(10)
    s.assert_gone(3)
