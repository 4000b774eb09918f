#!/usr/bin/python3
"""Python: threads, subprocesses, multiprocessing, exceptions and the collector in a
servlet, and a WSGI application beside it."""

import os
import sys

from soak import TOP, soak

HERE = os.path.join(TOP, "test/soak/python")
CONFIG = """
load_module ("module.python", "py")
load_servlet ("%s/servlet.py", "/s/*")
load_servlet ("%s/application.py", "/*")
""" % (HERE, HERE)


def ask(i):
    if i % 500 == 0:
        return "/s/processes", 200, rb"^42$"
    if i % 500 == 250:
        return "/s/subprocess", 200, rb"^from a process$"
    if i % 50 == 3:
        return "/s/threads", 200, rb"^140$"
    if i % 50 == 4:
        return "/s/garbage", 200, rb"^collected True$"
    if i % 10 == 1:
        return ("/s/raise", "/s/exit", "/raise?%d" % i)[i // 10 % 3], 500, rb"500"
    if i % 10 == 2:
        return "/s/sleep", 200, rb"^slept$"
    if i % 5 == 0:
        return "/pieces?%d" % i, 200, rb"^%s$" % b"".join(b"%d " % n for n in range(i % 5 + 1))
    if i % 10 == 7:
        return "/write?%d" % i, 200, rb"^written %d$" % i
    if i % 10 == 9:
        return "/file?%d" % i, 200, rb"file_wrapper"
    if i % 2 == 0:
        return "/one?%d" % i, 200, rb"^%d$" % i
    return "/s/sum?n=%d" % i, 200, rb"^%d$" % sum(range(i % 1000))


if __name__ == "__main__":
    sys.exit(soak("python", CONFIG, ask))
