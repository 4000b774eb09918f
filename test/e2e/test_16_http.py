"""HTTP/1.1 to the letter: every case of test/http/cases, whole, octet by octet,
behind and in front of a good request.  See test/http/README.md."""

import os
import sys

import pytest

from server import SLOW, TOP, Server, route

sys.path.insert(0, os.path.join(TOP, "test/http"))

import conversation  # noqa: E402
import table  # noqa: E402

CASES = table.read()
CONFIG = route("mirror", "/show/*") + route("hello") + table.CONFIG


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    """All are played at once; each test then says how its case went."""
    s = Server(tmp_path_factory.mktemp("http"), CONFIG)
    s.start()
    try:
        yield conversation.play(s.address, CASES, timeout=20 * SLOW)
    finally:
        s.finish()


@pytest.mark.parametrize("case", CASES, ids=lambda c: "%d %s" % (c.number, c.title))
def test_case(failures, case):
    wrong = failures.get(case.number, [])
    assert not wrong, "%d (RFC %s), %s\n%s" % (
        case.number, case.section, case.title,
        "\n".join("%s: %s" % (way, text) for way, text in wrong))


def test_there_are_enough():
    assert len(CASES) >= 300
