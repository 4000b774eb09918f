"""The shortest servlet in Python.

    curl localhost:8080/examples/python/hello.py
"""

from modserver import *


def run(s):
    rwrite(s, "Hello, world!\n")
