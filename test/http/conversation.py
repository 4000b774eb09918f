"""Plays the cases against a server, many connections at once, and judges
what came back octet by octet.

Each case is delivered in these ways:

    whole    in one piece
    octets   octet by octet
    after    behind a good request, in one piece
    before   in front of a good request, in one piece
    between  behind a good request and in front of one, octet by octet

In every way the last thing on a connection that stays open is a good request
whose answer must be the last thing that comes: a server that has lost its
place in the stream cannot give it.  Behind a case that closes, the good
request must not be answered.
"""

import errno
import re
import select
import socket
import time

WAYS = ("whole", "octets", "after", "before", "between")
GOOD = b"GET /hello HTTP/1.1\r\nHost: good\r\n\r\n"
LAST = b"GET /hello HTTP/1.1\r\nHost: good\r\nConnection: close\r\n\r\n"
ANSWER = b"hello\n"

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) [\x20-\x7e]*\Z")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(|[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*))\Z")
CHUNK = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")
# What is longer goes octet by octet at its ends only, between them in pieces.
OCTETS_ENDS, OCTETS_PIECE = 1000, 997


class Wrong(Exception):
    """The server did what it must not."""


class Incomplete(Exception):
    """More octets are needed."""


class Response:
    def __init__(self, status, fields, body, framing, end):
        self.status, self.fields, self.body = status, fields, body
        self.framing, self.end = framing, end

    def get(self, name):
        return [v for n, v in self.fields if n == name]

    @property
    def closes(self):
        return b"close" in [v.lower() for v in self.get(b"connection")]


def parse_head(data, at, strict):
    end = data.find(b"\r\n\r\n", at)
    if end == -1:
        raise Incomplete
    lines = data[at:end].split(b"\r\n")
    m = STATUS_LINE.match(lines[0])
    if not m or (strict and m[1] != b"1"):
        raise Wrong("status line %r" % lines[0])
    fields = []
    for line in lines[1:]:
        f = FIELD.match(line)
        if not f:
            raise Wrong("field %r" % line)
        fields.append((f[1].lower(), f[2]))
    return int(m[2]), fields, end + 4


def parse_chunks(data, at):
    body = []
    while True:
        end = data.find(b"\r\n", at)
        if end == -1:
            raise Incomplete
        if not CHUNK.match(data[at:end]):
            raise Wrong("chunk size %r" % data[at:end])
        size = int(data[at:end], 16)
        at = end + 2
        if len(data) < at + size + 2:
            raise Incomplete
        if data[at + size:at + size + 2] != b"\r\n":
            raise Wrong("a chunk or the last one is not ended by CRLF")
        body.append(data[at:at + size])
        at += size + 2
        if size == 0:
            return b"".join(body), at


def parse(data, at, ended, no_content, strict=True):
    """The response at data[at:]; strictly: with what it must have beside its framing."""
    status, fields, at = parse_head(data, at, strict)
    names = [n for n, v in fields]
    lengths = [v for n, v in fields if n == b"content-length"]
    codings = [v for n, v in fields if n == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise Wrong("%d with two framings: %r" % (status, fields))
    if strict and (status < 200 or status == 204):
        if lengths or codings:
            raise Wrong("%d with a framing: %r" % (status, fields))
    if status < 200:
        return Response(status, fields, b"", "none", at)
    if strict and names.count(b"date") != 1:
        raise Wrong("%d without one Date: %r" % (status, fields))
    if codings and codings != [b"chunked"]:
        raise Wrong("Transfer-Encoding %r" % codings)
    if lengths and not re.match(rb"(0|[1-9][0-9]*)\Z", lengths[0]):
        raise Wrong("Content-Length %r" % lengths)
    if no_content or status in (204, 304):
        return Response(status, fields, b"", "none", at)
    if codings:
        body, at = parse_chunks(data, at)
        return Response(status, fields, body, "chunked", at)
    if lengths:
        end = at + int(lengths[0])
        if len(data) < end:
            raise Incomplete
        return Response(status, fields, data[at:end], "length", end)
    if not ended:
        raise Incomplete
    return Response(status, fields, data[at:], "close", len(data))


class Conversation:
    """One case over one connection, in one way."""

    def __init__(self, case, way, profile):
        self.case, self.way, self.profile = case, way, profile
        self.received = bytearray()
        self.error = None
        self.ended = self.reset = self.shut = False
        self.after = way in ("after", "between")
        self.before = way in ("before", "between") and case.end != "wait"
        self.octets = way in ("octets", "between")
        self.parts = [(n + self.after if n else 0, data) for n, data in case.parts]
        if self.after:
            self.parts[0] = (0, GOOD + self.parts[0][1])
        if self.before:
            n, data = self.parts[-1]
            self.parts[-1] = (n, data + LAST)
        self.last_sent = self.before
        self.at, self.seen, self.seen_length = 0, ([], 0, False), -1

    # ------------------------------------------------------------- sending
    def piece(self):
        """The next octets to send, or None: wait for responses."""
        n, data = self.parts[0]
        if self.at == 0 and n > len(self.responses()[0]):
            return None
        if not self.octets:
            return memoryview(data)[self.at:]
        if self.at >= OCTETS_ENDS and len(data) - self.at > OCTETS_ENDS:
            return memoryview(data)[self.at:len(data) - OCTETS_ENDS][:OCTETS_PIECE]
        return memoryview(data)[self.at:self.at + 1]

    def sent(self, n):
        self.at += n
        if self.at == len(self.parts[0][1]):
            self.parts.pop(0)
            self.at = 0

    def finish_sending(self, connection):
        """All is sent: what else shows that the server is in step?"""
        if self.case.end == "wait":
            if not self.shut:
                self.shut = True
                connection.shutdown(socket.SHUT_WR)
        elif not self.last_sent and self.case.end in ("", "close?"):
            responses, at, fits = self.responses()
            if fits and len(responses) == self.wanted and not responses[-1].closes:
                self.last_sent = True
                self.parts = [(0, LAST)]

    # ------------------------------------------------------------- judging
    @property
    def wanted(self):
        return len(self.case.responses) + self.after

    def responses(self):
        """(those of the good request and of the case so far, where they end,
        whether they are all)."""
        if len(self.received) == self.seen_length:
            return self.seen
        data, found, at = bytes(self.received), [], 0
        expected = list(self.case.responses)
        fits = False
        try:
            if self.after:
                found.append(parse(data, 0, False, False, self.profile.strict))
                at = found[0].end
            for i, want in enumerate(expected):
                r = parse(data, at, self.ended, want.framing == "none", self.profile.strict)
                while not self.profile.strict and r.status < 200 and not want.informational:
                    r = parse(data, r.end, self.ended, want.framing == "none", False)
                optional = want.optional or not self.profile.strict
                if want.informational and optional and r.status >= 200:
                    found.append(Response(100, [], b"", "none", at))
                    continue
                found.append(r)
                at = r.end
            fits = True
        except Incomplete:
            pass
        except Wrong as e:
            self.error = self.error or str(e)
        self.seen, self.seen_length = (found, at, fits), len(data)
        return self.seen

    def judge(self):
        """None, or what the server did wrong."""
        self.seen_length = -1
        found, at, fits = self.responses()
        rest = bytes(self.received[at:])
        case = self.case
        try:
            if self.error:
                raise Wrong(self.error)
            self.good_end = 0
            if self.after:
                self.judge_good(found[:1])
                self.good_end = found[0].end
                found = found[1:]
            if case.end == "cut":
                self.judge_cut(rest)
                return None
            self.judge_case(found, fits, rest)
        except Wrong as e:
            return "%s\n  received %r%s" % (e, bytes(self.received[:1500]),
                                            ", then a reset" if self.reset else "")
        return None

    def judge_good(self, found):
        if not found or found[0].status != 200 or found[0].body != ANSWER or found[0].closes:
            raise Wrong("the good request in front was not answered well")

    def judge_cut(self, rest):
        if not self.ended:
            raise Wrong("the server did not close in time")
        try:
            parse(rest, 0, False, False)
        except Incomplete:
            return
        raise Wrong("the response is whole, or there is none")

    def judge_case(self, found, fits, rest):
        case = self.case
        if not self.ended:
            raise Wrong("the server did not close in time")
        if self.profile.strict and self.reset and case.end != "bye":
            raise Wrong("the server reset the connection")
        if not fits:
            if not found and not rest and self.profile.nothing(case.responses):
                return
            if not self.profile.strict and found and found[-1].closes and not rest:
                return      # it has said that it answers no more
            raise Wrong("%d of %d responses" % (len(found), len(case.responses)))
        for want, r in zip(case.responses, found):
            if not self.profile.status(want, r.status):
                raise Wrong("%d instead of %s" % (r.status, case.acceptable))
            if self.profile.strict and want.framing and r.framing != want.framing:
                raise Wrong("framing %s instead of %s" % (r.framing, want.framing))
            if self.profile.strict and want.alive and b"keep-alive" not in [v.lower() for v in r.get(b"connection")]:
                raise Wrong("keep-alive was not confirmed")
        for r in found[:-1]:
            if r.closes:
                raise Wrong("a response behind one that closes")
        self.judge_end(found, rest)
        seen = bytes(self.received[self.good_end:len(self.received) - len(rest)]).lower()
        if self.profile.strict:
            for what in case.saw:
                if what not in seen:
                    raise Wrong("%r is missing" % what)
            for what in case.not_saw:
                if what in seen:
                    raise Wrong("%r is there" % what)

    def judge_end(self, found, rest):
        end = self.case.end
        closes = found[-1].closes if found else False
        if end in ("close", "bye") and found[-1].framing != "close":
            if self.profile.strict and not closes:
                raise Wrong("closes and does not say so")
            closes = True
        if end == "shut":
            closes = True
        if self.profile.strict and end == "" and closes:
            raise Wrong("the connection is not kept alive")
        if end == "wait" and not self.profile.strict:
            return      # it may say 400 when the client ends, or need no content to answer
        if end == "wait" or closes or found[-1].framing == "close":
            if rest:
                raise Wrong("octets behind the end: %r" % rest[:200])
            return
        try:
            r = parse(rest, 0, False, False, self.profile.strict)
        except (Incomplete, Wrong) as e:
            raise Wrong("the good request behind was not answered (%s)" % e) from None
        if r.status != 200 or r.body != ANSWER or rest[r.end:]:
            raise Wrong("the good request behind was not answered well")


class Ours:
    """Our own server: everything is judged."""
    strict = True

    @staticmethod
    def status(want, status):
        return status in want.statuses

    @staticmethod
    def nothing(responses):
        """Whether it may close without an answer."""
        return any(want.nothing for want in responses)


class Peer:
    """Another server: whether it accepts, refuses and keeps in step as it must;
    not with which status, nor what it says beside."""
    strict = False
    # Of what is well-formed: it serves another method, another path.
    DECLINED = {403, 404, 405, 411, 413, 414, 431, 501}

    @classmethod
    def status(cls, want, status):
        if max(want.statuses) >= 400:
            # It may know a method that we do not, or say what a better path is.
            return status >= 300 or status in want.statuses or want.statuses == {501}
        return status in want.statuses or status < 400 or status in cls.DECLINED

    @staticmethod
    def nothing(responses):
        return any(want.nothing or max(want.statuses) >= 400 for want in responses)


def step(c, connection):
    """Sends a piece.  Whether something was sent."""
    while True:
        if not c.parts:
            c.finish_sending(connection)
            if not c.parts:
                return False
        data = c.piece()
        if data is None:
            return False
        try:
            c.sent(connection.send(data, socket.MSG_NOSIGNAL) if len(data) else 0)
            if len(data):
                return True
        except BlockingIOError:
            return False
        except OSError:         # the server has closed: it will be read
            c.parts = []
            c.last_sent = True
            return False


def receive(c, connection):
    try:
        data = connection.recv(1 << 18)
    except BlockingIOError:
        return
    except OSError as e:
        c.reset = e.errno in (errno.ECONNRESET, errno.EPIPE)
        c.ended = True
        return
    c.received += data
    c.ended = not data


def play(address, cases, ways=WAYS, profile=Ours, parallel=150, timeout=20):
    """{case number: [(way, what was wrong)]} of those that failed."""
    todo = [Conversation(case, way, profile) for way in ways for case in cases]
    todo.reverse()
    poller = select.epoll()
    open_now, failures = {}, {}
    while todo or open_now:
        while todo and len(open_now) < parallel:
            connection = socket.create_connection(address, timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            poller.register(connection, select.EPOLLIN)
            open_now[connection.fileno()] = (connection, todo.pop(), time.monotonic() + timeout)
        moved = False
        for connection, c, end in open_now.values():
            moved |= step(c, connection)
        for fd, events in poller.poll(0 if moved else 0.01):
            receive(open_now[fd][1], open_now[fd][0])
        now = time.monotonic()
        for connection, c, end in list(open_now.values()):
            if not c.ended and now < end:
                continue
            poller.unregister(connection)
            del open_now[connection.fileno()]
            connection.close()
            wrong = c.judge()
            if wrong:
                failures.setdefault(c.case.number, []).append((c.way, wrong))
    poller.close()
    return failures
