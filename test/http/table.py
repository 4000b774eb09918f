"""Reads the tables of cases/*.txt; README.md says what is in them."""

import glob
import os
import re

# What the cases expect of the server beside /hello (hello) and /show/* (mirror).
# Octet by octet takes its time where others use the machine too.
CONFIG = """
limits { head = "8K", body = "64K", headers = 50 }
timeouts { head = 60, body = 60 }
"""

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")
REPEAT = re.compile(r"\{([^{}]*)\*([0-9]+)\}")
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.)")
NAMED = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "s": " ", "\\": "\\"}
ENDS = ("close", "close?", "bye", "shut", "wait", "cut")
WAIT = re.compile(r"\{wait([0-9]?)\}")


def repeat(text):
    """{X*3} is XXX; the innermost first."""
    while True:
        text, n = REPEAT.subn(lambda m: m[1] * int(m[2]), text)
        if not n:
            return text


def unescape(text):
    return ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else NAMED[m[1]], text)


def octets(text):
    return unescape(text).encode("latin-1")


class Expected:
    """One acceptable response: statuses, framing ("none": no content), alive."""

    def __init__(self, token):
        self.optional = token.endswith("?")
        words = token.rstrip("?").split(":")
        statuses = words[0].split("/")
        self.nothing = "none" in statuses
        self.statuses = {int(s) for s in statuses if s != "none"}
        self.alive = "alive" in words
        framings = [w for w in words[1:] if w != "alive"]
        self.framing = framings[0] if framings else None
        self.informational = max(self.statuses) < 200


class Case:
    def __init__(self, frame, cells):
        number, self.section, self.title, text, expected = cells[:5]
        self.number = int(number)
        self.text = text
        whole = WAIT.split(repeat(frame.replace("<>", text, 1)))
        # What is sent at once, and the responses to wait for before it.
        self.parts = [(0, octets(whole[0]))]
        for at in range(1, len(whole), 2):
            self.parts.append((int(whole[at] or 1), octets(whole[at + 1])))
        self.acceptable = expected
        words = repeat(expected).split()
        # How it ends: the connection stays open (""), or one of these.
        self.end = words.pop() if words[-1] in ENDS else ""
        self.responses = [Expected(word) for word in words]
        self.saw, self.not_saw = [], []
        for what in cells[5].split(" & ") if len(cells) > 5 else []:
            (self.not_saw if what[0] == "!" else self.saw).append(octets(what.lstrip("!")).lower())

    def __repr__(self):
        return "%d, %s" % (self.number, self.title)


def read(names=None):
    """All cases, in order."""
    cases = []
    for name in sorted(names or glob.glob(CASES + "/*.txt")):
        frame = None
        with open(name) as f:
            for line in f:
                line = line.rstrip("\n")
                if line.startswith("frame "):
                    frame = line[6:]
                elif line and line[0] != "#":
                    cells = [cell.strip() for cell in line.split(" | ")]
                    assert len(cells) in (5, 6), "%s: %r" % (name, line)
                    cases.append(Case(frame, cells))
    numbers = [c.number for c in cases]
    assert numbers == sorted(set(numbers)), "numbers are repeated or out of order"
    return cases
