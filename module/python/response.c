/*
 * response.c - the methods of Servlet that make the response, and rlog.
 */
#include <limits.h>

#include "program.h"

PyObject *
api_set_status(PyObject *self, PyObject *status)
{
	servlet *s = api_request(self);
	long number;

	if (s == NULL)
		return NULL;
	number = PyLong_AsLong(status);
	if (number == -1 && PyErr_Occurred())
		return NULL;
	set_status(s, number < 0 || number > INT_MAX ? 0 : (int)number);
	Py_RETURN_NONE;
}

/* value NULL: remove. */
static PyObject *
give_header(servlet *s, PyObject *name, PyObject *value,
    void (*give)(servlet *, const char *, const char *))
{
	struct text n, v = { NULL, 0, NULL, 0 };

	if (text_get(&n, name) == -1)
		return NULL;
	if (value != NULL && text_get(&v, value) == -1) {
		text_clear(&n);
		return NULL;
	}
	if (n.has_nul || v.has_nul)
		rlog(s, "header refused: %s has NUL in it", n.octets);
	else
		give(s, n.octets, v.octets);
	text_clear(&n);
	text_clear(&v);
	Py_RETURN_NONE;
}

PyObject *
api_set_header(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);

	if (s == NULL || api_check_count("set_header", count, 2, 2) == -1)
		return NULL;
	return give_header(s, args[0], args[1] == Py_None ? NULL : args[1], set_header);
}

PyObject *
api_add_header(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);

	if (s == NULL || api_check_count("add_header", count, 2, 2) == -1)
		return NULL;
	return give_header(s, args[0], args[1], add_header);
}

static PyObject *
write_object(servlet *s, PyObject *object)
{
	size_t taken;

	if (PyUnicode_Check(object)) {
		struct text t;

		if (text_get(&t, object) == -1)
			return NULL;
		taken = rwrite(s, t.octets, (size_t)t.length);
		text_clear(&t);
	} else {
		Py_buffer view;

		if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) == -1)
			return NULL;
		taken = rwrite(s, view.buf, (size_t)view.len);
		PyBuffer_Release(&view);
	}
	return PyLong_FromSize_t(taken);
}

PyObject *
api_rwrite(PyObject *self, PyObject *object)
{
	servlet *s = api_request(self);

	return s == NULL ? NULL : write_object(s, object);
}

/* format % arguments; a single dict serves %(name)s. */
static PyObject *
format(PyObject *const *args, Py_ssize_t count)
{
	PyObject *values, *text;

	if (count == 2 && PyDict_Check(args[1]))
		return PyUnicode_Format(args[0], args[1]);
	if ((values = PyTuple_New(count - 1)) == NULL)
		return NULL;
	for (Py_ssize_t i = 1; i < count; i++)
		PyTuple_SET_ITEM(values, i - 1, Py_NewRef(args[i]));
	text = PyUnicode_Format(args[0], values);
	Py_DECREF(values);
	return text;
}

PyObject *
api_rprintf(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);
	PyObject *text, *written;

	if (s == NULL || api_check_count("rprintf", count, 1, PY_SSIZE_T_MAX) == -1)
		return NULL;
	if ((text = format(args, count)) == NULL)
		return NULL;
	written = write_object(s, text);
	Py_DECREF(text);
	return written;
}

/* rlog(text) as it is, rlog(format, ...) formatted, as logging does it. */
PyObject *
api_rlog(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);
	PyObject *text;
	struct text t;

	if (s == NULL || api_check_count("rlog", count, 1, PY_SSIZE_T_MAX) == -1)
		return NULL;
	text = count == 1 ? Py_NewRef(args[0]) : format(args, count);
	if (text == NULL || text_get(&t, text) == -1) {
		Py_XDECREF(text);
		return NULL;
	}
	module_log(s, t.octets, (size_t)t.length);
	text_clear(&t);
	Py_DECREF(text);
	Py_RETURN_NONE;
}

PyObject *
api_rflush(PyObject *self, PyObject *unused)
{
	servlet *s = api_request(self);

	(void)unused;
	if (s == NULL)
		return NULL;
	rflush(s);
	Py_RETURN_NONE;
}

PyObject *
api_rsendfile(PyObject *self, PyObject *args, PyObject *named)
{
	static char *names[] = { "file", "offset", "length", NULL };
	servlet *s = api_request(self);
	long long offset = 0, length = -1;
	PyObject *file;
	int fd;

	if (s == NULL ||
	    !PyArg_ParseTupleAndKeywords(args, named, "O|LL:rsendfile", names, &file,
	    &offset, &length) || (fd = PyObject_AsFileDescriptor(file)) == -1)
		return NULL;
	if (rsendfile(s, fd, offset, length) == -1)
		return PyErr_SetFromErrno(PyExc_OSError);
	Py_RETURN_NONE;
}
