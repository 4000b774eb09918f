"""One application that stands for all of this directory: X-Framework chooses.

Each of them has the same routes: hello, echo, upload, cookies, stream, path/...,
redirect, etag and error.
"""

import bottle_app
import django_app
import falcon_app
import flask_app
import pyramid_app

FRAMEWORKS = {"flask": flask_app.app, "django": django_app.application,
              "bottle": bottle_app.app, "falcon": falcon_app.app,
              "pyramid": pyramid_app.application}


def application(environ, start_response):
    return FRAMEWORKS[environ["HTTP_X_FRAMEWORK"]](environ, start_response)
