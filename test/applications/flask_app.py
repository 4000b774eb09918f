"""The routes of applications.py in Flask."""

import os
import time

import flask

app = flask.Flask(__name__)


@app.route("/hello")
def hello():
    return "Hello, %s!" % flask.request.args.get("name", "world")


@app.route("/echo", methods=["POST"])
def echo():
    return flask.Response(flask.request.get_data(), mimetype="application/octet-stream")


@app.route("/upload", methods=["POST"])
def upload():
    file = flask.request.files["file"]
    data = file.read()
    return "%s %s %d %d" % (flask.request.form["field"], file.filename, len(data), sum(data))


@app.route("/cookies")
def cookies():
    response = flask.make_response(flask.request.cookies.get("old", "none"))
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


@app.route("/stream")
def stream():
    wait = flask.request.args.get("wait")

    def pieces():
        yield "first\n"
        while wait and not os.path.exists(wait):
            time.sleep(0.01)
        yield "second\n"
    return flask.Response(pieces(), mimetype="text/plain")


@app.route("/path/<path:rest>")
def path(rest):
    return ascii([rest, flask.request.script_root, flask.request.path])


@app.route("/redirect")
def redirect():
    return flask.redirect(flask.url_for("hello", name="x"))


@app.route("/etag")
def etag():
    response = flask.make_response("tagged")
    response.add_etag()
    return response.make_conditional(flask.request)


@app.route("/error")
def error():
    raise ValueError("broken on purpose")
