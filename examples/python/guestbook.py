"""A guest book in SQLite: a form, a database, a redirect.

The database is GUESTBOOK of the environment, or a file in the directory for
temporary files.  It is opened in init, that is in each worker: an SQLite
connection must not be shared by processes.

    curl -d name=Ada -d text=Hello localhost:8080/examples/python/guestbook.py
"""

import html
import os
import sqlite3
import tempfile

from modserver import *

FILE = os.environ.get("GUESTBOOK") or os.path.join(
    tempfile.gettempdir(), "guestbook-%d.sqlite" % os.getuid())

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Guest book</title>
<style>
:root { color-scheme: light dark }
body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 34rem; padding: 0 1rem }
form { display: grid; gap: .8rem; margin-bottom: 2rem }
label { display: grid; gap: .2rem }
input, textarea { font: inherit; padding: .4rem .6rem }
button { font: inherit; justify-self: start; padding: .4rem 1.2rem }
article { border-top: 1px solid #8886; padding: .8rem 0 }
article p { margin: 0; overflow-wrap: anywhere; white-space: pre-line }
article p + p { font-size: .9rem; opacity: .7 }
</style>
<h1>Guest book</h1>
<form method="post">
<label>Name <input name="name" required maxlength="80" autocomplete="name"></label>
<label>Text <textarea name="text" required maxlength="2000" rows="4"></textarea></label>
<button>Sign</button>
</form>
"""

ENTRY = """<article>
<p>%s</p>
<p>%s, %s</p>
</article>
"""

database = None


def init(s):
    global database
    database = sqlite3.connect(FILE, timeout=10, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    database.execute("""create table if not exists entry (
        id integer primary key, name text not null, text not null,
        written text not null default current_timestamp)""")


def run(s):
    if get_method(s) == "POST":
        sign(s)
    else:
        show(s)


def sign(s):
    name = (get_form(s, "name") or "").strip()
    text = (get_form(s, "text") or "").strip()
    if not name or not text or len(name) > 80 or len(text) > 2000:
        set_status(s, 400)
        rwrite(s, "A name (80 letters) and a text (2000) are needed.\n")
        return
    # What is no UTF-8 cannot be stored as text.
    database.execute("insert into entry (name, text) values (?, ?)",
                     [part.encode(errors="replace").decode() for part in (name, text)])
    # Answered so, a reload of the page does not sign again.
    set_status(s, 303)
    set_header(s, "Location", get_path(s))
    rwrite(s, "Thank you.\n")


def show(s):
    rwrite(s, PAGE)
    for entry in database.execute(
            "select text, name, written from entry order by id desc limit 100"):
        rwrite(s, ENTRY % tuple(map(html.escape, entry)))


def cleanup():
    database.close()
