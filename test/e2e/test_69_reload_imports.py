"""reload "on" sees what a script imports or requires from its directory."""

import pytest

import vocabulary
from client import until

APP = """
import helper, package.part
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s" % (helper.name, package.part.name)).encode()]
"""


@pytest.fixture(params=['"app.py"', '"app:app"'])
def application(request, serve, tmp_path):
    """A server whose configuration lies beside the application."""
    vocabulary.need_module("python")
    here = tmp_path / "application"
    (here / "package").mkdir(parents=True)
    (here / "package/__init__.py").write_text("")
    (here / "package/part.py").write_text("name = 'part'\n")
    (here / "helper.py").write_text("name = 'helper'\n")
    (here / "app.py").write_text(APP)
    (here / "app.conf").write_text("load_servlet (%s, '/x')\n" % request.param)
    s = serve('reload "on"\nload_module ("module.python", "py")\nload_config "%s/app.conf"\n' % here)
    assert s.get("/x").text == "helper part"
    return s, here


def replace(path, text):
    """As an editor does it: a new file, renamed.  Python takes a file of the same
    size and second for the one it has compiled already: keep the sizes different."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def test_imported_modules(application):
    s, here = application
    replace(here / "helper.py", "name = 'helper 2'\n")
    until(lambda: s.get("/x").text == "helper 2 part", 30)
    replace(here / "package/part.py", "name = 'part 22'\n")
    until(lambda: s.get("/x").text == "helper 2 part 22", 30)


def test_a_mistake_and_its_mending(application):
    s, here = application
    replace(here / "helper.py", "name = \n")
    s.wait_log("SyntaxError")
    s.wait_log("reload failed")
    assert s.get("/x").text == "helper part"
    replace(here / "helper.py", "import fresh\nname = fresh.name\n")
    s.wait_log("No module named 'fresh'")
    # A module that is new and broken at once.
    (here / "fresh.py").write_text("name = nonesuch + nonesuch\n")
    replace(here / "helper.py", "import fresh\nname = fresh.name + ''\n")
    s.wait_log("name 'nonesuch' is not defined")
    replace(here / "fresh.py", "name = 'mended'\n")
    until(lambda: s.get("/x").text == "mended part", 12)


# ------------------------------------------------------- Lua, Ruby and Scheme

# Of each: the module, its servlet, the file required, that with a mistake, what is said of it.
SCRIPTS = {
    "lua": ("lua", "app.lua", """
        local helper = require "helper"
        return { run = function(self) self:rwrite(helper.name) end }""",
            "helper.lua", "return { name = '%s' }", "return {", "unexpected symbol|'}' expected"),
    "ruby": ("ruby", "app.rb", "require_relative 'helper'\ndef run(s) = rwrite(s, Helper::NAME)\n",
             "helper.rb", "module Helper\n  NAME = '%s'\nend\n", "module Helper\n  NAME = \n", "syntax error"),
    "rack": ("ruby", "app.ru", "$LOAD_PATH.unshift(__dir__)\nrequire 'lib/helper'\n"
             "run ->(_) { [200, {}, [Helper::NAME]] }\n",
             "lib/helper.rb", "module Helper\n  NAME = '%s'\nend\n", "raise 'while loading'\n", "while loading"),
    "guile": ("guile", "app.scm",
              "(use-modules (modserver) (lib helper))\n(define (run s) (rwrite s name))\n", "lib/helper.scm",
              "(define-module (lib helper) #:export (name))\n(define name \"%s\")\n",
              "(define-module (lib helper) #:export (name))\n(define name\n", "unexpected end of input"),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_required_files(serve, tmp_path, kind):
    module, file, text, helper, right, wrong, mistake = SCRIPTS[kind]
    vocabulary.need_module(module)
    here = tmp_path / "application"
    (here / "lib").mkdir(parents=True)
    (here / helper).write_text(right % "one")
    (here / file).write_text(text)
    s = serve('reload "on"\nload_module ("module.%s", "%s")\nload_servlet ("%s/%s", "/x")\n'
              % (module, file.rpartition(".")[2], here, file), env={"LEAKS": "0", "GUILE_AUTO_COMPILE": "0"})
    assert s.get("/x").text == "one"
    replace(here / helper, right % "the second")
    until(lambda: s.get("/x").text == "the second", 30)
    replace(here / helper, wrong)
    s.wait_log(mistake)
    s.wait_log("reload failed")
    assert s.get("/x").text == "the second"
    replace(here / helper, right % "mended")
    until(lambda: s.get("/x").text == "mended", 30)
