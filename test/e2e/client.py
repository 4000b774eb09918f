"""A raw HTTP/1.1 client: it sends the octets it is given and reads responses
strictly, so that whatever a server frames loosely fails the test."""

import re
import socket
import time

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\x20-\x7e]*\Z")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})\Z")


class ProtocolError(AssertionError):
    """The response is not well-formed."""


class Closed(ConnectionError):
    """The connection ended before a first octet of a response."""


class Response:
    def __init__(self, status, headers, body, framing, chunks):
        self.status = status
        self.headers = headers      # [(name in lower case, value)]
        self.body = body
        self.framing = framing      # "none", "length", "chunked", "close"
        self.chunks = chunks        # sizes, in order

    def __repr__(self):
        return "<%d %s %d octets %s>" % (
            self.status, self.framing, len(self.body), self.headers)

    def get(self, name):
        """The one value of that field, or None; it must not be repeated."""
        values = self.all(name)
        assert len(values) <= 1, "%s is repeated: %r" % (name, values)
        return values[0] if values else None

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    @property
    def text(self):
        return self.body.decode()


class Client:
    """One connection.  address is (host, port) or the path of a unix socket."""

    def __init__(self, address, timeout=20):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = bytearray()     # received, not yet consumed

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    # ---------------------------------------------------------- sending
    def send(self, data):
        self.socket.sendall(data if isinstance(data, (bytes, bytearray, memoryview))
                            else data.encode("latin-1"))

    def request(self, target="/", method="GET", headers=(), body=None,
                chunk=None, version="1.1", read=True):
        """Sends a request (body: bytes; chunk: size of its chunks) and
        returns the response."""
        self.send(head(target, method, headers, body, chunk, version))
        if body:
            self.send(chunked(body, chunk) if chunk else body)
        elif chunk:
            self.send(b"0\r\n\r\n")
        return self.read(method) if read else None

    # -------------------------------------------------------- receiving
    def fill(self):
        data = self.socket.recv(1 << 18)
        self.data += data
        return bool(data)

    def line(self, what):
        at = self.data.find(b"\n")
        while at == -1:
            if len(self.data) > 65536:
                raise ProtocolError("%s is too long" % what)
            before = len(self.data)
            if not self.fill():
                raise ProtocolError("ended in %s: %r" % (what, bytes(self.data[-200:])))
            at = self.data.find(b"\n", before)
        line = bytes(self.data[:at + 1])
        del self.data[:at + 1]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise ProtocolError("%s is not ended by CRLF: %r" % (what, line))
        return line[:-2]

    def exactly(self, size, what):
        while len(self.data) < size:
            if not self.fill():
                raise ProtocolError("ended %d octets before the end of %s"
                                    % (size - len(self.data), what))
        data = bytes(self.data[:size])
        del self.data[:size]
        return data

    def head(self):
        """Status and fields of the next response."""
        while not self.data:
            if not self.fill():
                raise Closed("closed without a response")
        line = self.line("the status line")
        m = STATUS_LINE.match(line)
        if not m:
            raise ProtocolError("status line %r" % line)
        headers = []
        while True:
            line = self.line("the head")
            if not line:
                return int(m[1]), headers
            f = FIELD.match(line)
            if not f or b"\0" in line:
                raise ProtocolError("header field %r" % line)
            headers.append((f[1].decode().lower(), f[2].decode("latin-1")))

    def read(self, method="GET", informational=False):
        """The next response; 1xx ones are skipped unless asked for."""
        status, headers = self.head()
        values = lambda name: [v for n, v in headers if n == name]
        length, coding = values("content-length"), values("transfer-encoding")
        if len(length) > 1 or len(coding) > 1 or (length and coding):
            raise ProtocolError("two framings: %r" % headers)
        if status < 200:
            if length or coding:
                raise ProtocolError("%d with a framing" % status)
            if informational:
                return Response(status, headers, b"", "none", [])
            return self.read(method)
        if not values("date"):
            raise ProtocolError("no Date: %r" % headers)
        chunks = []
        if coding and coding != ["chunked"]:
            raise ProtocolError("Transfer-Encoding %r" % coding)
        if method == "HEAD" or status in (204, 304):
            if status == 204 and (length or coding):
                raise ProtocolError("204 with a framing: %r" % headers)
            body, framing = b"", "none"
        elif coding:
            body, framing = self.chunked_body(chunks), "chunked"
        elif length:
            if not re.match(r"(0|[1-9][0-9]*)\Z", length[0]):
                raise ProtocolError("Content-Length %r" % length)
            body, framing = self.exactly(int(length[0]), "the body"), "length"
        else:
            while self.fill():
                pass
            body, framing = bytes(self.data), "close"
            self.data.clear()
        return Response(status, headers, body, framing, chunks)

    def chunked_body(self, sizes):
        parts = []
        while True:
            line = self.line("a chunk's size")
            m = CHUNK.match(line)
            if not m:
                raise ProtocolError("chunk size %r" % line)
            size = int(m[1], 16)
            if size == 0:
                if self.line("the trailer"):
                    raise ProtocolError("trailers")
                return b"".join(parts)
            sizes.append(size)
            parts.append(self.exactly(size, "a chunk"))
            if self.exactly(2, "a chunk's CRLF") != b"\r\n":
                raise ProtocolError("a chunk is not ended by CRLF")

    def at_end(self, timeout=None):
        """Whether the server has closed (waits for it), nothing being left."""
        if timeout is not None:
            self.socket.settimeout(timeout)
        if self.data:
            return False
        try:
            return not self.fill()
        except ConnectionResetError:
            return True

    def assert_end(self, timeout=None):
        assert self.at_end(timeout), "more octets: %r" % bytes(self.data[:200])

    def quiet(self, seconds):
        """Asserts that the connection is open and nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            assert self.fill(), "closed"
            raise AssertionError("unexpected octets: %r" % bytes(self.data[:200]))
        except socket.timeout:
            self.socket.settimeout(20)


def head(target="/", method="GET", headers=(), body=None, chunk=None, version="1.1"):
    """A request's head."""
    lines = ["%s %s HTTP/%s" % (method, target, version)]
    if not any(n.lower() == "host" for n, v in headers):
        lines.append("Host: test")
    lines += ["%s: %s" % (n, v) for n, v in headers]
    if chunk:
        lines.append("Transfer-Encoding: chunked")
    elif body is not None:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(body, size):
    """body in chunks of size octets each (the last may be shorter)."""
    view = memoryview(body)
    parts = []
    for at in range(0, len(body), size):
        piece = view[at:at + size]
        parts += [b"%x\r\n" % len(piece), piece, b"\r\n"]
    parts.append(b"0\r\n\r\n")
    return b"".join(parts)


def until(condition, timeout=30, what="the condition"):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "%s did not come within %g s" % (what, timeout)
        time.sleep(0.01)


def ask_same(servers, skipped, *args, **more):
    """Asks each of the servers the same, checks that they answer the same, header fields
    with the skipped names aside, and returns an answer."""
    found = []
    for server in servers:
        with server.connect() as c:
            r = c.request(*args, **more)
        found.append((r.status, sorted(h for h in r.headers if h[0] not in skipped), r.body))
    assert all(f == found[0] for f in found[1:])
    return r
