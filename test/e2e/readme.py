"""The texts of README.md that a user copies, so that no test has a copy of its own."""

import os
import re

import server as harness


def text():
    with open(os.path.join(harness.TOP, "README.md")) as f:
        return f.read()


def block(name):
    """The file between its begin and end marker."""
    found = re.search(r"<!-- begin %s -->\n```\w*\n(.*?)```\n<!-- end %s -->" % (
        (re.escape(name),) * 2), text(), re.S)
    assert found, "README.md has no " + name
    return found[1]


def command(start, output):
    """The one indented command line that makes this file, in words."""
    found = re.findall(r"^    (%s .*-o %s .*)$" % (re.escape(start), re.escape(output)), text(), re.M)
    assert len(found) == 1, "README.md has not one command for %s: %r" % (output, found)
    return found[0].split()
