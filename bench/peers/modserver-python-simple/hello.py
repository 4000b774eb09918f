from modserver import *


def run(s):
    rwrite(s, "Hello, world!\n")
