"""The routes of applications.py in Bottle."""

import os
import time

import bottle
from bottle import request, response

app = bottle.Bottle()


@app.route("/hello")
def hello():
    return "Hello, %s!" % (request.query.name or "world")


@app.post("/echo")
def echo():
    response.content_type = "application/octet-stream"
    return request.body.read()


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.file.read()
    return "%s %s %d %d" % (request.forms["field"], file.raw_filename, len(data), sum(data))


@app.route("/cookies")
def cookies():
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return request.get_cookie("old", "none")


@app.route("/stream")
def stream():
    wait = request.query.get("wait")
    response.content_type = "text/plain"

    def pieces():
        yield "first\n"
        while wait and not os.path.exists(wait):
            time.sleep(0.01)
        yield "second\n"
    return pieces()


@app.route("/path/<rest:path>")
def path(rest):
    return ascii([rest, request.script_name.rstrip("/"), request.path])


@app.route("/redirect")
def redirect():
    bottle.redirect("hello?name=x", 302)


@app.route("/etag")
def etag():
    response.set_header("ETag", '"tag"')
    if request.get_header("If-None-Match") == '"tag"':
        return bottle.HTTPResponse(status=304, headers={"ETag": '"tag"'})
    return "tagged"


@app.route("/error")
def error():
    raise ValueError("broken on purpose")
