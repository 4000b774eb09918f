/*
 * error.c - exceptions into the error log, as Python prints them.
 */
#include <stdio.h>
#include <string.h>

#include "program.h"

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

void
error_log(servlet *s)
{
	PyObject *octets = format_current();
	const char *text = octets == NULL ?
	    "an exception that cannot be formatted" : PyBytes_AS_STRING(octets);
	size_t length;

	for (; *text != '\0'; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		if (s != NULL)
			rlog(s, "%.*s", (int)length, text);
		else
			fprintf(stderr, "%.*s\n", (int)length, text);
	}
	Py_XDECREF(octets);
}

void
error_text(char *error)
{
	static const char cut[] = "...";
	PyObject *octets = format_current();
	const char *text = octets == NULL ?
	    "an exception that cannot be formatted" : PyBytes_AS_STRING(octets);
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
