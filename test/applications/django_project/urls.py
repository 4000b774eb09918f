"""The routes of applications.py, and the admin."""

import os
import time

from django.contrib import admin
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect as redirect_to
from django.urls import path as route
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition


def hello(request):
    return HttpResponse("Hello, %s!" % request.GET.get("name", "world"))


@csrf_exempt
def echo(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    data = file.read()
    return HttpResponse("%s %s %d %d" % (request.POST["field"], file.name, len(data), sum(data)))


def cookies(request):
    response = HttpResponse(request.COOKIES.get("old", "none"))
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    return response


def stream(request):
    wait = request.GET.get("wait")

    def pieces():
        yield "first\n"
        while wait and not os.path.exists(wait):
            time.sleep(0.01)
        yield "second\n"
    return StreamingHttpResponse(pieces(), content_type="text/plain")


def path(request, rest):
    return HttpResponse(ascii([rest, request.META["SCRIPT_NAME"], request.path_info]))


def redirect(request):
    return redirect_to("hello")


@condition(etag_func=lambda request: '"tag"')
def etag(request):
    return HttpResponse("tagged")


def error(request):
    raise ValueError("broken on purpose")


urlpatterns = [route(view.__name__, view, name=view.__name__) for view in (
    hello, echo, upload, cookies, stream, redirect, etag, error)]
urlpatterns += [re_path("^path/(?P<rest>.*)$", path), route("admin/", admin.site.urls)]
