"""The soaks of all languages, shortened; `make soak` is the long form."""

import glob
import os
import subprocess
import sys

import pytest

from server import BINARY, TOP

SOAKS = sorted(glob.glob(os.path.join(TOP, "test/soak/soak_*.py")))


@pytest.mark.parametrize("path", SOAKS, ids=[os.path.basename(p)[:-3] for p in SOAKS])
def test_soak(path):
    if os.path.dirname(BINARY) != TOP:
        pytest.skip("the plain server is soaked")
    env = dict(os.environ, MODSERVER=BINARY, REQUESTS="2500")
    done = subprocess.run([sys.executable, path], env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=110)
    assert done.returncode == 0, done.stdout
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
