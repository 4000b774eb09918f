/*
 * error.c - exceptions into the error log, as Python prints them.
 */
#include <stdio.h>
#include <string.h>

#include "program.h"

#include <frameobject.h>

static PyObject *format_exception;	/* traceback.format_exception */

int
error_open(void)
{
	/* Now, not when it is needed: then memory may be short, and a servlet's
	 * directory may have a traceback.py. */
	PyObject *module = PyImport_ImportModule("traceback");

	if (module == NULL)
		return -1;
	format_exception = PyObject_GetAttrString(module, "format_exception");
	Py_DECREF(module);
	return format_exception == NULL ? -1 : 0;
}

/* The text of the current exception as bytes, or NULL.  Clears it. */
static PyObject *
format_current(void)
{
	PyObject *type, *value, *traceback, *lines = NULL, *empty, *text = NULL;
	PyObject *octets = NULL;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (format_exception != NULL)
		lines = PyObject_CallFunctionObjArgs(format_exception, type,
		    value == NULL ? Py_None : value,
		    traceback == NULL ? Py_None : traceback, NULL);
	if (lines == NULL) {
		/* Formatting has failed; at least its kind. */
		PyErr_Clear();
		text = type == NULL ? NULL : PyObject_Str(type);
	} else if ((empty = PyUnicode_FromString("")) != NULL) {
		text = PyUnicode_Join(empty, lines);
		Py_DECREF(empty);
	}
	if (text != NULL)
		octets = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
	PyErr_Clear();
	Py_XDECREF(text);
	Py_XDECREF(lines);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return octets;
}

static const char unprintable[] = "an exception that cannot be formatted";

void
error_log(servlet *s)
{
	PyObject *octets = format_current();

	if (octets == NULL)
		module_log(s, unprintable, sizeof(unprintable) - 1);
	else
		module_log(s, PyBytes_AS_STRING(octets), (size_t)PyBytes_GET_SIZE(octets));
	Py_XDECREF(octets);
}

void
error_text(char *error)
{
	static const char cut[] = "...";
	PyObject *octets = format_current();
	const char *text = octets == NULL ? unprintable : PyBytes_AS_STRING(octets);
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (length < MODULE_ERROR_MAX)
		snprintf(error, MODULE_ERROR_MAX, "%.*s", (int)length, text);
	else
		/* The last line says what is wrong. */
		snprintf(error, MODULE_ERROR_MAX, "%s%.*s", cut,
		    (int)(MODULE_ERROR_MAX - sizeof(cut)),
		    text + length - (MODULE_ERROR_MAX - sizeof(cut)));
	Py_XDECREF(octets);
}

/* ------------------------------------------------------------ where it was */

static PyObject *failed_files;	/* set of str */

static void
note_file(PyObject *file)
{
	if (failed_files == NULL)
		failed_files = PySet_New(NULL);
	if (failed_files != NULL && file != NULL && PyUnicode_Check(file))
		PySet_Add(failed_files, file);
}

void
error_note_files(void)
{
	PyObject *type, *value, *traceback, *file;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	for (PyTracebackObject *t = (PyTracebackObject *)traceback; t != NULL; t = t->tb_next) {
		PyCodeObject *code = PyFrame_GetCode(t->tb_frame);

		note_file(code->co_filename);
		Py_DECREF(code);
	}
	if (value != NULL && PyErr_GivenExceptionMatches(type, PyExc_SyntaxError)) {
		file = PyObject_GetAttrString(value, "filename");
		note_file(file);
		Py_XDECREF(file);
	}
	PyErr_Clear();
	PyErr_Restore(type, value, traceback);
}

void
error_each_file(void (*visit)(void *context, const char *path), void *context)
{
	PyObject *files = failed_files == NULL ? NULL : PySequence_List(failed_files);

	for (Py_ssize_t i = 0; files != NULL && i < PyList_GET_SIZE(files); i++) {
		const char *path = PyUnicode_AsUTF8(PyList_GET_ITEM(files, i));

		/* "<frozen importlib>" is none. */
		if (path != NULL && path[0] == '/')
			visit(context, path);
		PyErr_Clear();
	}
	Py_XDECREF(files);
	PyErr_Clear();
}
