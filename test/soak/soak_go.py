#!/usr/bin/python3
"""Go: goroutines, the collector, time.Sleep, panics that are recovered and
subprocesses, in a plain servlet and in a net/http handler side by side."""

import os
import sys

from soak import TOP, soak

LIBRARIES = os.path.join(TOP, "build/test/go")
CONFIG = """
load_module ("module.go", "go.so")
load_servlet ("%s/servlet.go.so", "/s/*")
load_servlet ("%s/soak.go.so", "/*")
""" % (LIBRARIES, LIBRARIES)


def ask(i):
    if i % 500 == 0:
        return "/s/exec", 200, rb"^from a process <nil>$"
    if i % 20 == 0:
        return "/s/busy", 200, rb"^1470$"
    if i % 10 == 1:
        return "/panic", 500, rb"500"
    if i % 4 == 0:
        return "/sleep?ms=2", 200, rb"^slept$"
    return "/sum?n=%d" % i, 200, rb"^%d$" % (6 * i)


if __name__ == "__main__":
    if not os.path.exists(LIBRARIES + "/soak.go.so"):
        print("skipped: go (its servlets were not built)")
        sys.exit(0)
    sys.exit(soak("go", CONFIG, ask))
