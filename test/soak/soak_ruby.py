#!/usr/bin/python3
"""Ruby: exceptions in a tenth of the requests, threads, Timeout, backticks,
fork, fibers and a collector under stress in a servlet, and a Rack application
beside it."""

import os
import sys

from soak import TOP, soak

HERE = os.path.join(TOP, "test/soak/ruby")
CONFIG = """
load_module ("module.ruby", { "rb", "ru" })
load_servlet ("%s/servlet.rb", "/s/*")
load_servlet ("%s/config.ru", "/*")
""" % (HERE, HERE)

RAISING = "/s/raise", "/s/exit", "/s/throw", "/s/deep", "/raise", "/s/endless"
RARE = {    # of 500 requests, for they cost most
    0: ("/s/fork", rb"^123 7$"),
    100: ("/s/backticks", rb"^from a process$"),
    200: ("/s/stress?n=1", rb"^102 1 true$"),
    300: ("/s/garbage", rb"^2000$"),
    400: ("/s/stress?n=1", rb"^102 1 true$"),
}


def ask(i):
    if i % 500 in RARE:
        target, pattern = RARE[i % 500]
        return target, 200, pattern
    if i % 10 == 1:
        return RAISING[i // 10 % len(RAISING)], 500, rb"500"
    if i % 50 == 3:
        return "/s/threads", 200, rb"^204$"
    if i % 50 == 13:
        return "/s/mutex", 200, rb"^100$"
    if i % 50 == 23:
        return "/s/timeout", 200, rb"^in time$"
    if i % 10 == 5:
        return "/s/fiber", 200, rb"^012end$"
    if i % 10 == 7:
        return "/s/caught", 200, rb"^caught$"
    if i % 2 == 0:
        return "/pieces?%d" % i, 200, rb"^%s$" % b"".join(b"%d " % n for n in range(i % 5 + 1))
    return "/s/sum?n=%d" % i, 200, rb"^%d$" % (6 * i)


if __name__ == "__main__":
    sys.exit(soak("ruby", CONFIG, ask))
