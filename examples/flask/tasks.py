"""A list of tasks: a Flask application with forms and SQLite, as any other.

Nothing here is about modserver; `flask --app tasks run` serves it as well.  The database is
TASKS of the environment, or a file in the directory for temporary files.  A connection is
opened by each request that needs one, so none is shared by processes.
"""

import os
import sqlite3
import tempfile

from flask import Flask, abort, g, redirect, render_template_string, request, url_for

app = Flask(__name__)
app.config["DATABASE"] = os.environ.get("TASKS") or os.path.join(
    tempfile.gettempdir(), "tasks-%d.sqlite" % os.getuid())

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tasks</title>
<style>
:root { color-scheme: light dark }
body { font: 1.1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 34rem; padding: 0 1rem }
form { display: flex; gap: .6rem; align-items: baseline }
input { flex: 1; min-width: 0; font: inherit; padding: .4rem .6rem }
button { font: inherit; padding: .3rem .9rem }
ul { list-style: none; padding: 0 }
li { border-top: 1px solid #8886; padding: .5rem 0 }
li span { flex: 1; overflow-wrap: anywhere }
.done { opacity: .6; text-decoration: line-through }
</style>
<h1>Tasks</h1>
<form method="post">
<input name="text" required maxlength="200" aria-label="A new task" autofocus>
<button>Add</button>
</form>
<ul>
{% for task in tasks %}
<li><form method="post" action="{{ url_for('change', number=task.id) }}">
<span {% if task.done %}class="done"{% endif %}>{{ task.text }}</span>
<button name="action" value="{{ 'open' if task.done else 'done' }}">{{ 'Reopen' if task.done else 'Done' }}</button>
<button name="action" value="delete">Delete</button>
</form></li>
{% else %}
<li>Nothing to do.</li>
{% endfor %}
</ul>
"""


def database():
    if "database" not in g:
        g.database = sqlite3.connect(app.config["DATABASE"], timeout=10, isolation_level=None)
        g.database.row_factory = sqlite3.Row
        g.database.execute("pragma journal_mode = wal")
        g.database.execute("""create table if not exists task (
            id integer primary key, text not null, done integer not null default 0)""")
    return g.database


@app.teardown_appcontext
def close(error):
    if "database" in g:
        g.database.close()


@app.get("/")
def tasks():
    return render_template_string(PAGE, tasks=database().execute(
        "select id, text, done from task order by done, id desc limit 200").fetchall())


@app.post("/")
def add():
    text = request.form.get("text", "").strip()
    if not text or len(text) > 200:
        abort(400, "A task has 1 to 200 letters.")
    database().execute("insert into task (text) values (?)", [text])
    return redirect(url_for("tasks"), 303)


@app.post("/<int:number>")
def change(number):
    action = request.form.get("action")
    if action == "delete":
        done = database().execute("delete from task where id = ?", [number])
    elif action in ("done", "open"):
        done = database().execute("update task set done = ? where id = ?", [action == "done", number])
    else:
        abort(400, "The action is done, open or delete.")
    if done.rowcount == 0:
        abort(404)
    return redirect(url_for("tasks"), 303)
