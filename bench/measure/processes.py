"""Processor time and memory of a tree of processes, from /proc.

The benchmark makes itself the subreaper of everything it starts, so a server
that daemonises or whose parent dies is still found among its descendants.
"""
import ctypes
import os
import signal
import time

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid):
    """Fields of /proc/PID/stat from the state (field 3) on, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].split()
    except OSError:
        return None


def descendants(excluded=()):
    """Pids below this process, zombies too, without those excluded and what is below them."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [os.getpid()]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in excluded:
                found.append(child)
                todo.append(child)
    return found


def _threads_seconds(pid):
    """Processor time of the threads of a process, to the nanosecond."""
    ns = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:
                ns += int(file.read().split()[0])
    except OSError:     # it has just ended, or the kernel does not tell
        pass
    return ns / 1e9


def cpu_seconds(pids):
    """User and system time of the processes and of the children they have reaped.

    /proc/PID/stat cuts off at 10 ms, which is a lot where 200 processes share
    the work; the threads' own figures do not, but lack threads that have ended.
    """
    seconds = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            user, system, user_reaped, system_reaped = (int(value) / TICK for value in fields[11:15])
            seconds += max(user + system, _threads_seconds(pid)) + user_reaped + system_reaped
    return seconds


def pss_mib(pids):
    """Proportional set size: shared pages are divided among those who share them."""
    kib = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                kib += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return kib / 1024


def machine_idle_seconds():
    """Time the processors had nothing to do."""
    with open("/proc/stat") as file:
        values = [int(value) for value in file.readline().split()[1:]]
    return (values[3] + values[4]) / TICK


def _reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass


def stop_all(first, patience_s=2):
    """Ends every process below this one: asks the first, waits, then kills."""
    deadline = time.monotonic() + patience_s
    asked = [first]
    while True:
        for pid in asked:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        asked = []
        while time.monotonic() < deadline:
            _reap()
            left = descendants()
            if not left:
                return
            time.sleep(0.01)
        for pid in descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + patience_s
