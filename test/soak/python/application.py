"""A WSGI application: bodies in one piece, in several, from a file; failures late and early."""


class Body:
    def __init__(self, number):
        self.number = number

    def __iter__(self):
        for i in range(self.number % 5 + 1):
            yield b"%d " % i

    def close(self):
        self.number = None


def app(environ, start_response):
    number = int(environ["QUERY_STRING"])
    what = environ["PATH_INFO"]
    if what == "/raise":
        raise KeyError(number)
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Number", str(number))])
    if what == "/write":
        write(b"written ")
        return [b"%d" % number]
    if what == "/file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if what == "/pieces":
        return Body(number)
    return [b"%d" % number]
