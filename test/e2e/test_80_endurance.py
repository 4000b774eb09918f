"""After sixty thousand requests a worker has no more memory or descriptors than after the first six thousand."""

import os
import threading

import pytest

from client import head, until
from server import ALL

FIRST, TOTAL, BATCH = 6000, 60000, 50


def state(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        fields = dict(line.split(":") for line in f.read().splitlines()[1:])
    private = sum(int(fields[k].split()[0]) for k in ("Private_Clean", "Private_Dirty"))
    return private, len(os.listdir("/proc/%d/fd" % pid))


def connections(port):
    """How many connections somebody on this machine still has a descriptor for at that port."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.read().splitlines()[1:]]
    return sum(row[1].endswith(":%04X" % port) and row[3] != "0A" and row[9] != "0" for row in rows)


def ask(server, count):
    """Pipelined, over four connections, of every kind."""
    targets = ["/hello", "/api/each_header", "/big?n=1000", "/nowhere", "/api/get_arg?name=x&x=%20y"]
    data = b"".join(head(targets[i % len(targets)]) for i in range(BATCH))
    failures = []

    def run():
        try:
            with server.connect() as c:
                for i in range(count // 4 // BATCH):
                    c.send(data)
                    for j in range(BATCH):
                        if c.read().status not in (200, 404):
                            failures.append(j)
        except BaseException as e:
            failures.append(e)
    threads = [threading.Thread(target=run) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:5]
    until(lambda: connections(server.port) == 0, 20, "the end of the connections")


@pytest.mark.plain
@pytest.mark.timeout(300)
def test_memory_and_descriptors(serve):
    s = serve(ALL + "workers { min = 1, max = 1 }\n")
    ask(s, FIRST)
    worker, = s.workers()
    memory, descriptors = state(worker)
    ask(s, TOTAL - FIRST)
    assert s.workers() == [worker]
    later, descriptors_later = state(worker)
    assert descriptors_later == descriptors
    assert later - memory <= 256, "%d kB more" % (later - memory)


@pytest.mark.parametrize("role", ["master", "zygote"])
def test_crashes_and_reloads_leak_nothing(serve, role):
    """Descriptors of master and zygote after crashes and reloads."""
    s = serve()

    def descriptors():
        p, = s.processes(role)
        return len(os.listdir("/proc/%d/fd" % p.pid))

    def churn():
        for i in range(5):
            assert s.get("/crash?how=segv").status == 500
        if role == "master":
            for i in range(3):
                s.reload()
                until(lambda: len(s.processes("zygote")) == 1, 20, "one zygote")
    churn()
    before = descriptors()
    for i in range(3):
        churn()
    assert s.get("/hello").status == 200
    # What has just crashed may not have been buried yet.
    until(lambda: descriptors() <= before, 20, "no more than %d descriptors" % before)
