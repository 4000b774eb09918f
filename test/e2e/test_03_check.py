"""-t prints every problem as FILE:LINE: text, loads every servlet in a throwaway process, and serves nothing."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from server import BINARY, SERVLETS, all_processes, environment, route

MODULE = 'load_module ("module.so", "so")\n'


def check(tmp_path, text, binary=BINARY):
    (tmp_path / "config.conf").write_text(text)
    done = subprocess.run([binary, "-t", "config.conf"], cwd=str(tmp_path), timeout=60,
                          env=environment(str(tmp_path)), text=True, capture_output=True)
    assert not all_processes(str(tmp_path))
    return done


def test_a_good_one(tmp_path):
    done = check(tmp_path, MODULE + route("hello") + route("lifecycle"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_good_one_while_its_port_is_taken(tmp_path):
    """A server that runs can be checked: nothing is bound."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = check(tmp_path, 'listen "127.0.0.1:%d"\n' % taken.getsockname()[1])
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_broken_servlet_is_told(tmp_path):
    """One that crashes while it is loaded hides neither those before nor those after it."""
    text = MODULE + route("undefined") + route("constructor") + route("hello") + route("norun")
    done = check(tmp_path, text)
    out = done.stdout + done.stderr
    assert done.returncode == 1
    assert re.search(r"config\.conf:2: .*function_that_nobody_has", out), out
    assert re.search(r"config\.conf:3: .*signal 11 \(SIGSEGV\)", out), out
    assert re.search(r"config\.conf:5: .*run", out), out
    assert "config.conf:4" not in out


def test_a_module_that_crashes(tmp_path):
    """It is told, and does not hide what is wrong with the servlets of others."""
    (tmp_path / "module").mkdir()
    (tmp_path / "module/so.so").symlink_to(os.path.join(os.path.dirname(BINARY), "module/so.so"))
    (tmp_path / "bad.c").write_text("#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "module/bad.so", tmp_path / "bad.c"], check=True)
    (tmp_path / "x.bad").touch()
    done = check(tmp_path, 'load_module ("module.bad", "bad")\nload_servlet "x.bad"\n' + MODULE + route("norun") +
                 route("constructor"), shutil.copy(BINARY, tmp_path / "modserver"))
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        "config.conf:1", "config.conf:4", "config.conf:5"], done.stderr
    assert "config.conf:1: module bad crashed while loading: signal 6 (SIGABRT)" in done.stderr


def test_only_problems_are_printed_as_such(tmp_path):
    done = check(tmp_path, 'reload "maybe"\n')
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("config.conf:1: reload"), lines


def test_optional_ones_may_be_broken(tmp_path):
    done = check(tmp_path, MODULE + 'load_module { "module.none", "none", optional = true }\n'
                 'load_servlet { "%s/missing.so", "/x", optional = true }\n'
                 'load_servlet { "x.none", "/y", optional = true }\n' % SERVLETS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_that_are_written(tmp_path):
    """Those that cannot be are told with their lines, beside what is wrong with servlets; none is made."""
    done = check(tmp_path, MODULE + route("norun") + 'error_log "."\naccess_log "module.so"\npidfile "/proc/pid"\n')
    assert done.returncode == 1
    out = done.stdout + done.stderr
    assert re.search(r'config\.conf:3: error_log "/.*": Is a directory$', out, re.M), out
    assert re.search(r"config\.conf:2: .*run", out) and "config.conf:4" not in out, out
    if os.geteuid() != 0:
        assert 'config.conf:5: pidfile "/proc/pid": ' in out
    assert os.listdir(tmp_path) == ["config.conf"]


def test_a_pidfile_that_is_a_directory(tmp_path):
    (tmp_path / "pid").mkdir()
    done = check(tmp_path, '\npidfile "pid"\n')
    assert done.returncode == 1
    assert re.search(r'config\.conf:2: pidfile "/.*/pid": Is a directory$', done.stdout + done.stderr, re.M)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_log_that_may_not_be_written(tmp_path):
    (tmp_path / "old.log").touch(0o400)
    (tmp_path / "closed").mkdir(0o500)
    done = check(tmp_path, 'error_log "old.log"\naccess_log "closed/new.log"\n')
    assert done.returncode == 1
    assert re.findall(r"config\.conf:(\d): \w+_log .*: Permission denied$", done.stderr, re.M) == ["1", "2"]
