"""A random mix of slow, fast, pipelined, half-sent, aborted, huge and crashing requests over many
connections, while workers hand over, leave and are replaced: every octet of every response is right.

MIX_CONNECTIONS and MIX_SEED make it longer and repeatable:
MIX_CONNECTIONS=5000 MODSERVER=build/tsan/modserver pytest -m '' test/e2e/test_82_random_mix.py
"""

import os
import random
import socket
import struct
import threading
import time

import pytest

from client import Client, chunked, head
from server import ALL, SANITIZED, SLOW

CONNECTIONS = int(os.environ.get("MIX_CONNECTIONS", "300"))
SEED = int(os.environ.get("MIX_SEED", random.randrange(1 << 31)))
CLIENTS = 16        # at once
BIG = 3 << 20
PATTERN = bytes(range(251)) * (BIG // 251 + 1)

# Workers leave and are replaced all the time, and most sleeps outlast patience.
CONFIGURATION = ALL + "workers { min = 1, max = 40, idle_timeout = 0.3, max_requests = 150 }\n"


class Mix:
    """What one client does, by a random sequence of its own."""

    def __init__(self, server, number):
        self.server = server
        self.random = random.Random("%d %d" % (SEED, number))
        self.client = Client(server.address, 60 * SLOW)

    def run(self):
        """Some requests over one connection; True if the last was a crash."""
        kinds = [self.fast, self.slow, self.pipelined, self.half_sent, self.echo, self.big]
        with self.client:
            for i in range(self.random.randrange(1, 8)):
                self.random.choices(kinds, [6, 4, 3, 3, 3, 1])[0]()
                if self.random.random() < 0.3:      # idle: it may move
                    time.sleep(self.random.random() * 0.4)
            end = self.random.random()
            if end < 0.15:
                self.aborted()
            elif end < 0.2:
                self.crash()
                return True
        return False

    def size(self, most):
        """Small sizes as often as large ones."""
        return int(most ** self.random.random())

    def expect(self, body, method="GET"):
        r = self.client.read(method)
        assert r.status == 200, r
        assert r.body == body, "%d octets, %d expected" % (len(r.body), len(body))

    def expect_number(self):
        r = self.client.read()
        assert r.status == 200 and r.text.strip().isdigit(), (r, r.body)

    def fast(self):
        self.client.send(head("/hello"))
        self.expect(b"hello\n")

    def slow(self):
        self.client.send(head("/sleep?ms=%d" % self.random.randrange(30)))
        self.expect_number()

    def pipelined(self):
        """Also behind a slow one, and with bodies in between."""
        data, expected = [], []
        for i in range(self.random.randrange(2, 40)):
            kind = self.random.choice("hhhhsep")
            if kind == "h":
                data.append(head("/hello"))
                expected.append(b"hello\n")
            elif kind == "s":
                data.append(head("/sleep?ms=%d" % self.random.randrange(5)))
                expected.append(None)
            elif kind == "p":
                n = self.size(20000)
                data.append(head("/big?n=%d" % n) if n else head("/hello"))
                expected.append(PATTERN[:n] if n else b"hello\n")
            else:
                body = self.random.randbytes(self.size(3000) + 1)
                data.append(head("/echo", "POST", body=body) + body)
                expected.append(body)
        self.client.send(b"".join(data))
        for body in expected:
            if body is None:
                self.expect_number()
            else:
                self.expect(body)

    def half_sent(self):
        """In pieces, with pauses in which the worker may be blocked or gone."""
        body = self.random.randbytes(self.size(100000) + 1)
        data = head("/echo", "POST", body=body) + body
        cuts = sorted(self.random.randrange(len(data)) for i in range(self.random.randrange(1, 4)))
        for start, end in zip([0] + cuts, cuts + [len(data)]):
            self.client.send(data[start:end])
            time.sleep(self.random.random() * 0.05)
        self.expect(body)

    def echo(self):
        """Bodies up to 3 MiB: in memory, or spooled to a file."""
        body = self.random.randbytes(self.size(BIG) + 1)
        piece = self.size(65536) + 100
        if self.random.random() < 0.5:
            self.client.send(head("/echo", "POST", chunk=piece) + chunked(body, piece))
        else:
            self.client.send(head("/echo", "POST", body=body) + body)
        self.expect(body)

    def big(self):
        """Read slowly at first, so that the response waits in the server."""
        n = self.size(BIG) + 1
        self.client.send(head("/big?n=%d&piece=%d" % (n, self.size(65536) + 100)))
        for i in range(self.random.randrange(5)):
            if len(self.client.data) >= n:      # there may be nothing to wait for
                break
            time.sleep(0.01)
            self.client.data += self.client.socket.recv(self.size(30000) + 1)
        self.expect(PATTERN[:n])

    def aborted(self):
        """Leaves, or resets, in the midst of whatever it is."""
        body = self.random.randbytes(self.size(200000) + 1)
        data = self.random.choice([
            head("/echo", "POST", body=body) + body, head("/big?n=%d" % BIG),
            head("/sleep?ms=20") * 3, head("/hello") * 50])
        self.client.send(data[:self.random.randrange(len(data)) + 1])
        if self.random.random() < 0.5:
            self.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))

    def crash(self):
        self.client.send(head("/crash?how=" + self.random.choice(["segv", "abort", "exit"])))
        r = self.client.read()
        assert r.status == 500, r


class Crowd:
    """CLIENTS threads that go through all numbers."""

    def __init__(self, server):
        self.server = server
        self.numbers = iter(range(CONNECTIONS))
        self.lock = threading.Lock()
        self.crashes, self.failures = 0, []

    def run(self):
        while not self.failures:
            with self.lock:
                number = next(self.numbers, None)
            if number is None:
                return
            try:
                crashed = Mix(self.server, number).run()
                with self.lock:
                    self.crashes += crashed
            except Exception as e:      # the test reports it, with the number
                self.failures.append((number, repr(e)[:300]))

    def all(self):
        threads = [threading.Thread(target=self.run) for i in range(CLIENTS)]
        for t in threads:
            t.start()
        reloads = 0
        while any(t.is_alive() for t in threads):
            if reloads < 1 + CONNECTIONS // 1000:
                time.sleep(0.5)
                self.server.reload()
                reloads += 1
            time.sleep(0.05)
        for t in threads:
            t.join()


@pytest.mark.timeout(120 + CONNECTIONS)
def test_random_mix(serve):
    print("MIX_SEED=%d MIX_CONNECTIONS=%d" % (SEED, CONNECTIONS))
    s = serve(CONFIGURATION)
    crowd = Crowd(s)
    crowd.all()
    assert not crowd.failures, "MIX_SEED=%d: %r" % (SEED, crowd.failures)
    lines = s.wait_log(r".*(?:died of|called exit).*", count=crowd.crashes) if crowd.crashes else []
    assert len(lines) == crowd.crashes, lines
    for trouble in ("handed over", "handed-over", "lost", "could not"):
        assert trouble not in s.log(), s.log()[-4000:]
    assert SANITIZED or s.get("/hello").body == b"hello\n"
