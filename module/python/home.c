/*
 * home.c - the directories of servlets, each with modules of its own.
 *
 * There is one interpreter, hence one sys.modules and one sys.path.  Yet
 * /a/app.py and /b/app.py may both import a helper.py that lies beside them,
 * and each must get its own.  So the modules that were found in a servlet's
 * directory (top-level ones, and what is below their packages) are in
 * sys.modules only while a servlet of that directory runs, and the directory
 * is first on sys.path only then.  Everything else (the standard library,
 * installed packages) is shared.
 *
 * Servlets of one directory cost nothing here.  Between two directories a
 * request costs a few dictionary operations for each such module.  A thread
 * that imports by itself does so from the directory whose servlet runs.
 */
#include <stdlib.h>
#include <string.h>

#include "program.h"

struct home {
	struct home *next;
	PyObject *directory;	/* str; this very object is in sys.path */
	PyObject *modules;	/* dict: name -> module, of this home */
	Py_ssize_t scanned;	/* size of sys.modules when it was last searched */
};

static struct home *homes, *current;

struct home *
home_of(const char *directory)
{
	PyObject *name = PyUnicode_DecodeFSDefault(directory);
	struct home *home;

	if (name == NULL)
		return NULL;
	for (home = homes; home != NULL; home = home->next)
		if (PyUnicode_Compare(home->directory, name) == 0) {
			Py_DECREF(name);
			return home;
		}
	if ((home = calloc(1, sizeof(*home))) == NULL ||
	    (home->modules = PyDict_New()) == NULL) {
		free(home);
		Py_DECREF(name);
		if (!PyErr_Occurred())
			PyErr_NoMemory();
		return NULL;
	}
	home->directory = name;
	home->next = homes;
	homes = home;
	return home;
}

/* Whether path is DIRECTORY/anything, with exactly `depth` parts below. */
static int
lies_in(PyObject *path, PyObject *directory, int depth)
{
	Py_ssize_t length = PyUnicode_GET_LENGTH(directory), at;
	int parts = 0;

	if (!PyUnicode_Check(path) ||
	    PyUnicode_Tailmatch(path, directory, 0, PY_SSIZE_T_MAX, -1) != 1)
		return 0;
	for (at = length; at < PyUnicode_GET_LENGTH(path); at++)
		parts += PyUnicode_READ_CHAR(path, at) == '/';
	return parts == depth && PyUnicode_READ_CHAR(path, length) == '/';
}

/* Whether the top-level module was found in the directory: a file there, or
 * a package, or a package without __init__.py. */
static int
is_private(PyObject *module, PyObject *directory)
{
	PyObject *names, *file, *path, *first;
	int is_package, yes = 0;

	if (!PyModule_Check(module))
		return 0;
	names = PyModule_GetDict(module);
	file = PyDict_GetItemString(names, "__file__");
	path = PyDict_GetItemString(names, "__path__");
	is_package = path != NULL;
	if (file != NULL && file != Py_None)
		return lies_in(file, directory, is_package ? 2 : 1);
	if (is_package) {
		first = PySequence_GetItem(path, 0);
		yes = first != NULL && lies_in(first, directory, 1);
		Py_XDECREF(first);
		PyErr_Clear();
	}
	return yes;
}

/* Brings home->modules up to date with what has been imported. */
static int
scan(struct home *home, PyObject *modules)
{
	PyObject *names, *name, *top, *module;
	Py_ssize_t dot;
	int failed = 0;

	if (PyDict_GET_SIZE(modules) == home->scanned)
		return 0;
	if ((names = PyDict_Keys(modules)) == NULL)
		return -1;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names) && !failed; i++) {
		name = PyList_GET_ITEM(names, i);
		if (!PyUnicode_Check(name))
			continue;
		dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1);
		top = dot > 0 ? PyUnicode_Substring(name, 0, dot) : Py_NewRef(name);
		module = top == NULL ? NULL : PyDict_GetItemWithError(modules, top);
		if (module != NULL && is_private(module, home->directory))
			failed = PyDict_SetItem(home->modules, name,
			    PyDict_GetItem(modules, name)) == -1;
		Py_XDECREF(top);
	}
	Py_DECREF(names);
	home->scanned = PyDict_GET_SIZE(modules);
	return failed ? -1 : 0;
}

static int
leave(struct home *home)
{
	PyObject *modules = PyImport_GetModuleDict(), *path = PySys_GetObject("path");
	PyObject *name, *module;
	Py_ssize_t at = 0;

	if (scan(home, modules) == -1)
		return -1;
	while (PyDict_Next(home->modules, &at, &name, &module))
		if (PyDict_GetItemWithError(modules, name) == module &&
		    PyDict_DelItem(modules, name) == -1)
			return -1;
	for (Py_ssize_t i = 0; path != NULL && i < PyList_Size(path); i++)
		if (PyList_GET_ITEM(path, i) == home->directory)
			return PySequence_DelItem(path, i);
	PyErr_Clear();
	return 0;
}

int
home_enter(struct home *home)
{
	PyObject *modules, *path;

	if (home == current)
		return 0;
	if (current != NULL && leave(current) == -1)
		return -1;
	current = NULL;
	modules = PyImport_GetModuleDict();
	path = PySys_GetObject("path");
	if (path == NULL || !PyList_Check(path)) {
		PyErr_SetString(PyExc_TypeError, "sys.path is no list");
		return -1;
	}
	if (PyDict_Update(modules, home->modules) == -1 ||
	    PyList_Insert(path, 0, home->directory) == -1)
		return -1;
	current = home;
	return 0;
}

void
home_each_file(void (*visit)(void *context, const char *path), void *context)
{
	PyObject *name, *module, *file;
	const char *path;

	if (current != NULL && scan(current, PyImport_GetModuleDict()) == -1)
		PyErr_Clear();
	for (struct home *home = homes; home != NULL; home = home->next) {
		Py_ssize_t at = 0;

		while (PyDict_Next(home->modules, &at, &name, &module)) {
			file = PyModule_Check(module) ?
			    PyDict_GetItemString(PyModule_GetDict(module), "__file__") : NULL;
			path = file != NULL && PyUnicode_Check(file) ?
			    PyUnicode_AsUTF8(file) : NULL;
			if (path != NULL)
				visit(context, path);
			PyErr_Clear();
		}
	}
}
