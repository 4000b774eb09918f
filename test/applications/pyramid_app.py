"""The routes of applications.py in Pyramid."""

import os
import time

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response


def hello(request):
    return Response("Hello, %s!" % request.GET.get("name", "world"))


def echo(request):
    return Response(request.body, content_type="application/octet-stream")


def upload(request):
    file = request.POST["file"]
    data = file.file.read()
    return Response("%s %s %d %d" % (request.POST["field"], file.filename, len(data), sum(data)))


def cookies(request):
    response = Response(request.cookies.get("old", "none"))
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


def stream(request):
    wait = request.GET.get("wait")

    def pieces():
        yield b"first\n"
        while wait and not os.path.exists(wait):
            time.sleep(0.01)
        yield b"second\n"
    return Response(app_iter=pieces(), content_type="text/plain")


def path(request):
    rest = "/".join(request.matchdict["rest"])
    return Response(ascii([rest, request.script_name, request.path_info]))


def redirect(request):
    return HTTPFound(request.route_path("hello", _query={"name": "x"}))


def etag(request):
    response = Response("tagged", etag="tag", conditional_response=True)
    return response


def error(request):
    raise ValueError("broken on purpose")


with Configurator() as config:
    for view in hello, echo, upload, cookies, stream, redirect, etag, error:
        config.add_route(view.__name__, "/" + view.__name__)
        config.add_view(view, route_name=view.__name__)
    config.add_route("path", "/path/*rest")
    config.add_view(path, route_name="path")
    application = config.make_wsgi_app()
