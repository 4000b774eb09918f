"""What README.md shows is true: its servlet, its language module and its configuration, as copied from it."""

import fnmatch
import grp
import os
import pwd
import re
import shutil
import subprocess

import pytest

import readme
import server as harness


@pytest.fixture
def place(tmp_path):
    """A directory that looks like the top one to who follows README.md."""
    place = tmp_path / "top"
    (place / "module").mkdir(parents=True)
    for name in ("modserver.h", "examples"):
        (place / name).symlink_to(os.path.join(harness.TOP, name))
    (place / "module" / "module.h").symlink_to(os.path.join(harness.TOP, "module", "module.h"))
    return place


def build(place, name, output):
    """Makes it by the command of README.md; a warning is a mistake there."""
    (place / name).write_text(readme.block(name))
    words = readme.command("cc", output)
    assert name in words
    done = subprocess.run([*words, "-Wall", "-Wextra", "-Werror"], cwd=place, text=True,
                          capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return str(place / output)


def test_the_first_servlet(serve, place):
    library = build(place, "hello.c", "hello.so")
    text = readme.block("hello.conf")
    for word in ('listen "127.0.0.1:8081"', '"hello.so"'):
        assert word in text
    s = serve(text.replace("8081", "{port}").replace("hello.so", library), bare=True)
    r = s.get("/hello")
    assert (r.status, r.text) == (200, "Hello, 127.0.0.1!\n")


def test_scripts(serve, tmp_path):
    """A servlet in each language, of those whose module has been built."""
    text, names = readme.block("scripts.conf"), []
    for module, extension in re.findall(r'load_module \("module\.(\w+)", "(\w+)"\)', text):
        name = "hello." + extension
        assert 'load_servlet "%s"' % name in text
        if os.path.exists(os.path.join(os.path.dirname(harness.BINARY), "module", module + ".so")):
            names.append(name)
            (tmp_path / name).write_text(readme.block(name))
            text = text.replace('"%s"' % name, '("%s/%s", "/%s")' % (tmp_path, name, name))
        else:
            text = re.sub(r'.*[."]%s".*\n' % extension, "", text)
    assert names
    s = serve('listen "127.0.0.1:{port}"\n' + text, bare=True, env={"LEAKS": "0"})
    for name in names:
        assert s.get("/" + name).text == "Hello, 127.0.0.1!\n"


@pytest.fixture
def language(monkeypatch, serve, place):
    """language(program): a server with the module and one program of its language.
    Modules stand beside the server, so it is copied there."""
    build(place, "template.c", "module/template.so")
    monkeypatch.setattr(harness, "BINARY", shutil.copy(harness.BINARY, place / "modserver"))
    lines = ('load_module ("module.template", "tpl")', 'load_servlet ("greeting.tpl", "/greeting")')
    for line in lines:
        assert "`%s`" % line in readme.text()
    text = "\n".join(('listen "127.0.0.1:{port}"', *lines, ""))

    def start(program, **more):
        if program is not None:
            (place / "greeting.tpl").write_text(program)
        return serve(text.replace("greeting.tpl", str(place / "greeting.tpl")), bare=True, **more)

    return start


def test_the_language(language):
    assert "`greeting.tpl` that holds `Hello, {name}!`" in readme.text().replace("\n", " ")
    s = language("Hello, {name}!")
    r = s.get("/greeting?name=a%20b")
    assert (r.status, r.text) == (200, "Hello, a b!")
    assert r.get("Content-Type") == "text/plain; charset=UTF-8"
    assert s.get("/greeting").text == "Hello, !"


def test_a_failure_of_the_language(language):
    s = language("Hello, {name!")
    assert s.get("/greeting").status == 500
    s.wait_log(r"a name without its end, or too long: \{name!")


def test_a_failure_while_loading(language):
    s = language("", ready=False)
    s.expect_end = True
    assert s.process.wait(20 * harness.SLOW) == 1
    s.wait_log(r"config\.conf:3: .*greeting\.tpl: no text$")


def test_every_source_has_its_place():
    """Each file of src/ is in one row of "Where things are", and what that names is there."""
    names = os.listdir(os.path.join(harness.TOP, "src"))
    rooms = [name.removeprefix("src/") for row in re.findall(r"^\| (.*`src/.*) \| ", readme.text(), re.M)
             for name in re.findall(r"`([^`]+)`", row) if name != "config.lua"]
    for name in names:
        if name.endswith((".c", ".lua")):
            assert sum(fnmatch.fnmatch(name, room) for room in rooms) == 1, name
    for room in rooms:
        assert fnmatch.filter(names, room), room


def test_every_word_of_the_configuration(place):
    """-t finds no mistake in the example that has them all."""
    text = readme.block("words.conf")
    if not os.path.exists(os.path.join(os.path.dirname(harness.BINARY), "module", "go.so")):
        text = text.replace('load_module ("module.go"', '-- load_module ("module.go"')
    # Nobody else may read the test's directory.
    assert '("www-data", "www-data")' in text
    text = text.replace('"www-data"', '"%s"' % pwd.getpwuid(os.getuid()).pw_name, 1)
    text = text.replace('"www-data"', '"%s"' % grp.getgrgid(os.getgid()).gr_name, 1)
    (place / "words.conf").write_text(text)
    (place / "more.conf").write_text("")
    done = subprocess.run([harness.BINARY, "-t", "words.conf"], cwd=place, timeout=100, text=True,
                          env=harness.environment(str(place)), capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
