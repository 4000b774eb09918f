"""A WSGI application: /hello, /bench/sleep?ms=N, /bench/upload."""
import time


def application(environ, start_response):
    path = environ["PATH_INFO"]
    body = b"Hello, world!\n"
    if path == "/bench/upload":
        body = b"%d\n" % upload(environ)
    elif path == "/bench/sleep":
        time.sleep(int(environ["QUERY_STRING"].partition("=")[2]) / 1000)
    start_response("200 OK", [("Content-Type", "text/html; charset=UTF-8"),
                              ("Content-Length", str(len(body)))])
    return [body]


def upload(environ):
    left = total = int(environ.get("CONTENT_LENGTH") or 0)
    while left > 0:
        piece = environ["wsgi.input"].read(min(left, 65536))
        if not piece:
            raise OSError("the body ends early")
        left -= len(piece)
    return total
