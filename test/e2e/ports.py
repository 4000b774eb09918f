"""Free TCP ports for servers under test.

A port that the kernel has just called free may be the source port of somebody's
connection a moment later, so these lie below the range it takes those from, and
each process that runs tests has a lane of its own: nobody else takes what
it has found free.
"""

import socket

FIRST, LANE, LANES = 12000, 400, 45     # 12000 to 29999

lock = None     # held as long as this process lives
base, at = 0, 0


def claim_lane():
    """An abstract unix socket is a lock that leaves nothing behind."""
    global lock, base
    for lane in range(LANES):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind("\0modserver-test-ports-%d" % lane)
            base = FIRST + lane * LANE
            return
        except OSError:
            lock.close()
    raise RuntimeError("all %d lanes of ports are taken" % LANES)


def free_port(host="127.0.0.1"):
    global at
    if lock is None:
        claim_lane()
    for attempt in range(LANE):
        port = base + at
        at = (at + 1) % LANE
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port from %d to %d" % (base, base + LANE - 1))
