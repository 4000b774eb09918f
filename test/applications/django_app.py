"""Django, its static files included."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_project.settings")

from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import get_resolver  # noqa: E402

application = StaticFilesHandler(get_wsgi_application())

# What else the first request would import: loaded before fork, workers share it.
get_resolver().url_patterns
