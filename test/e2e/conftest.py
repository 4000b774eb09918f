"""Fixtures of the end-to-end tests.  MODSERVER names the binary to test."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import server as harness  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: judges time, so nothing else may run beside it")
    config.addinivalue_line("markers", "plain: not under a sanitizer")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("plain") and harness.SANITIZED:
            item.add_marker(pytest.mark.skip(reason="not under a sanitizer"))
        # Hang protection, where python3-pytest-timeout is installed.
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture
def serve(tmp_path):
    """serve(text, ...) starts a server of its own for this test; see Server."""
    servers = []

    def start(*args, ready=True, **more):
        directory = tmp_path / ("server%d" % len(servers))
        directory.mkdir()
        os.chmod(tmp_path, 0o755)
        s = harness.Server(directory, *args, **more)
        servers.append(s)
        return s.start(ready)

    yield start
    failure = None
    for s in servers:
        try:
            s.finish()
        except (AssertionError, OSError) as e:
            failure = failure or e
    if failure:
        raise failure


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with all test servlets, shared by the tests of a file."""
    s = harness.Server(tmp_path_factory.mktemp("server"))
    s.start()
    yield s
    s.finish()
