"""A simple servlet with threads, subprocesses, multiprocessing and exceptions."""

import gc
import multiprocessing
import subprocess
import threading
import time

from modserver import *

ticks = 0


def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.01)


def init(s):
    # A thread that goes on between requests.
    threading.Thread(target=tick, daemon=True).start()


def double(queue, number):
    queue.put(2 * number)


def run(s):
    {"sum": add, "threads": threads, "subprocess": run_subprocess, "processes": processes,
     "raise": fail, "exit": leave, "sleep": sleep, "garbage": garbage}[get_path_info(s)[1:]](s)


def add(s):
    rwrite(s, str(sum(range(int(get_arg(s, "n")) % 1000))))


def threads(s):
    answers = []
    workers = [threading.Thread(target=lambda i=i: answers.append(i * i)) for i in range(8)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    rwrite(s, str(sum(answers)))


def run_subprocess(s):
    rwrite(s, subprocess.check_output(["printf", "from a process"]))


def processes(s):
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=double, args=(queue, 21))
    process.start()
    rwrite(s, str(queue.get()))
    process.join()


def fail(s):
    raise ValueError("part of the soak")


def leave(s):
    raise SystemExit(3)


def sleep(s):
    time.sleep(0.002)
    rwrite(s, "slept")


def garbage(s):
    for i in range(1000):
        ring = [i]
        ring.append(ring)
    rwrite(s, "collected %s" % (gc.collect() >= 0))
