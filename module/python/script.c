/*
 * script.c - loads a servlet's file, or imports "pkg.module:name".
 */
#include <string.h>

#include "program.h"

/* __file__ of a module, borrowed, or NULL without an exception. */
static PyObject *
file_of(PyObject *module)
{
	return module != NULL && PyModule_Check(module) ?
	    PyDict_GetItemString(PyModule_GetDict(module), "__file__") : NULL;
}

/* The name under which the file's module goes in sys.modules: hello for
 * hello.py, so that pickle, dataclasses and neighbours find it; _servlet_time
 * for a time.py, which would else pass for Python's own.  `loaded` is set if
 * the file is there already: its neighbour may have imported it. */
static PyObject *
module_name(PyObject *path, const char *octets, PyObject **loaded)
{
	const char *base = strrchr(octets, '/') + 1;
	PyObject *name, *there, *file;

	name = PyUnicode_DecodeUTF8(base, (Py_ssize_t)strcspn(base, "."), "surrogateescape");
	for (int prefixed = 0; name != NULL; prefixed++) {
		there = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
		file = file_of(there);
		*loaded = NULL;
		if (file != NULL && PyUnicode_Check(file) && PyUnicode_Compare(file, path) == 0)
			*loaded = there;
		if (there == NULL || *loaded != NULL)
			return name;
		Py_SETREF(name, prefixed > 0 ? PyUnicode_FromFormat("%U_%d", name, prefixed) :
		    PyUnicode_FromFormat("_servlet_%U", name));
	}
	return NULL;
}

/* module_from_spec(spec_from_file_location(name, path, loader=...)) */
static PyObject *
new_module(PyObject *name, PyObject *path, PyObject *loader)
{
	PyObject *util = PyImport_ImportModule("importlib.util");
	PyObject *locate = NULL, *args = NULL, *named = NULL, *spec = NULL, *module = NULL;

	if (util != NULL &&
	    (locate = PyObject_GetAttrString(util, "spec_from_file_location")) != NULL &&
	    (args = PyTuple_Pack(2, name, path)) != NULL &&
	    (named = Py_BuildValue("{sO}", "loader", loader)) != NULL &&
	    (spec = PyObject_Call(locate, args, named)) != NULL)
		module = PyObject_CallMethod(util, "module_from_spec", "O", spec);
	Py_XDECREF(util);
	Py_XDECREF(locate);
	Py_XDECREF(args);
	Py_XDECREF(named);
	Py_XDECREF(spec);
	return module;
}

/* Runs the file's code in the module.  Not by the loader's exec_module: that
 * would put importlib's own frames into the traceback of every mistake. */
static int
execute(PyObject *module, PyObject *name, PyObject *loader)
{
	PyObject *code = PyObject_CallMethod(loader, "get_code", "O", name);
	PyObject *names = PyModule_GetDict(module), *result = NULL;
	PyObject *type, *value, *traceback;

	if (code == NULL) {
		PyErr_Fetch(&type, &value, &traceback);
		Py_XDECREF(traceback);
		PyErr_Restore(type, value, NULL);
		return -1;
	}
	/* As exec() does; much of C looks for it there. */
	if (PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0)
		result = PyEval_EvalCode(code, names, names);
	Py_DECREF(code);
	Py_XDECREF(result);
	return result == NULL ? -1 : 0;
}

static PyObject *
new_loader(PyObject *name, PyObject *path, const char *octets)
{
	size_t length = strlen(octets);
	int is_compiled = length > 4 && strcmp(octets + length - 4, ".pyc") == 0;
	PyObject *machinery = PyImport_ImportModule("importlib.machinery"), *loader;

	if (machinery == NULL)
		return NULL;
	loader = PyObject_CallMethod(machinery,
	    is_compiled ? "SourcelessFileLoader" : "SourceFileLoader", "OO", name, path);
	Py_DECREF(machinery);
	return loader;
}

PyObject *
script_load(const char *octets)
{
	PyObject *path = PyUnicode_DecodeFSDefault(octets), *modules, *loaded = NULL;
	PyObject *name = path == NULL ? NULL : module_name(path, octets, &loaded);
	PyObject *loader = NULL, *module = NULL;

	modules = PyImport_GetModuleDict();
	if (name != NULL && loaded != NULL) {
		module = Py_NewRef(loaded);
	} else if (name != NULL && (loader = new_loader(name, path, octets)) != NULL &&
	    (module = new_module(name, path, loader)) != NULL &&
	    (PyDict_SetItem(modules, name, module) == -1 ||
	    execute(module, name, loader) == -1)) {
		PyObject *type, *value, *traceback;

		PyErr_Fetch(&type, &value, &traceback);
		if (PyDict_DelItem(modules, name) == -1)
			PyErr_Clear();
		PyErr_Restore(type, value, traceback);
		Py_CLEAR(module);
	}
	Py_XDECREF(path);
	Py_XDECREF(name);
	Py_XDECREF(loader);
	return module;	/* kept for ever: what is loaded is never unloaded */
}

PyObject *
script_import(const char *path)
{
	const char *colon = strchr(path, ':');
	PyObject *module_name, *object, *names, *name;
	size_t length = colon == NULL ? 0 : strlen(colon + 1);
	int is_factory = length > 2 && strcmp(colon + length - 1, "()") == 0;

	if (colon == NULL || colon == path || length == 0) {
		PyErr_Format(PyExc_ValueError,
		    "\"%s\" is neither a file nor \"package.module:name\"", path);
		return NULL;
	}
	module_name = PyUnicode_DecodeUTF8(path, colon - path, NULL);
	object = module_name == NULL ? NULL : PyImport_Import(module_name);
	if (object != NULL) {
		/* PyImport_Import answers with the module itself, not its package. */
		names = PyUnicode_DecodeUTF8(colon + 1,
		    (Py_ssize_t)(is_factory ? length - 2 : length), NULL);
		name = names == NULL ? NULL : PyObject_CallMethod(names, "split", "s", ".");
		for (Py_ssize_t i = 0; name != NULL && object != NULL && i < PyList_GET_SIZE(name); i++)
			Py_SETREF(object, PyObject_GetAttr(object, PyList_GET_ITEM(name, i)));
		if (name == NULL)
			Py_CLEAR(object);
		Py_XDECREF(name);
		Py_XDECREF(names);
	}
	Py_XDECREF(module_name);
	if (object != NULL && is_factory)
		Py_SETREF(object, PyObject_CallNoArgs(object));
	if (object != NULL && !PyCallable_Check(object)) {
		PyErr_Format(PyExc_TypeError, "%s is a %s, no WSGI application", path,
		    Py_TYPE(object)->tp_name);
		Py_CLEAR(object);
	}
	return object;
}
