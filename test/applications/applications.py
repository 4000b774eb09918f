"""One application that stands for all of this directory: X-Framework chooses,
and X-Validate puts wsgiref.validate between the server and it.

Each of them has the same routes: hello, echo, upload, cookies, stream, path/...,
redirect, etag and error.
"""

from wsgiref.validate import validator

import bottle_app
import django_app
import falcon_app
import flask_app
import pyramid_app

FRAMEWORKS = {"flask": flask_app.app, "django": django_app.application,
              "bottle": bottle_app.app, "falcon": falcon_app.app,
              "pyramid": pyramid_app.application}
VALIDATED = {name: validator(app) for name, app in FRAMEWORKS.items()}


def application(environ, start_response):
    apps = VALIDATED if "HTTP_X_VALIDATE" in environ else FRAMEWORKS
    return apps[environ["HTTP_X_FRAMEWORK"]](environ, start_response)
