/*
 * wsgi_stream.c - wsgi.input and wsgi.errors.
 */
#include "wsgi.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_BUFFER 16384	/* octets that readline reads ahead */
#define ERRORS_LINE 4096	/* a longer line of wsgi.errors is broken */

/* -------------------------------------------------------------- wsgi.input */

struct input {
	PyObject_HEAD
	servlet *request;	/* NULL: it is over */
	long long left;		/* octets that rread has not given yet */
	char *buffer;		/* of INPUT_BUFFER octets, once a line was read */
	size_t at, end;		/* what is read ahead */
};

static PyTypeObject input_type;

/* The next octets, at most `wanted` of them (< 0: all). */
static PyObject *
input_take(struct input *in, Py_ssize_t wanted)
{
	size_t ahead = in->end - in->at;
	Py_ssize_t taken;
	ssize_t got = 1;
	PyObject *octets;

	if (wanted < 0 || wanted > in->left + (long long)ahead)
		wanted = (Py_ssize_t)(in->left + (long long)ahead);
	if ((octets = PyBytes_FromStringAndSize(NULL, wanted)) == NULL)
		return NULL;
	taken = (size_t)wanted < ahead ? wanted : (Py_ssize_t)ahead;
	if (taken > 0)
		memcpy(PyBytes_AS_STRING(octets), in->buffer + in->at, (size_t)taken);
	in->at += (size_t)taken;
	while (taken < wanted && (got = rread(in->request, PyBytes_AS_STRING(octets) + taken,
	    (size_t)(wanted - taken))) > 0) {
		taken += got;
		in->left -= got;
	}
	if (got == -1) {
		Py_DECREF(octets);
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	if (taken < wanted)
		_PyBytes_Resize(&octets, taken);
	return octets;
}

/* Reads ahead; what was is used up.  0 at the end. */
static int
input_fill(struct input *in)
{
	ssize_t got;

	if (in->buffer == NULL && (in->buffer = malloc(INPUT_BUFFER)) == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	in->at = in->end = 0;
	if ((got = rread(in->request, in->buffer, INPUT_BUFFER)) == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	in->left -= got;
	in->end = (size_t)got;
	return got > 0;
}

/* A line with its end, at most `most` octets of it (< 0: all). */
static PyObject *
input_line(struct input *in, Py_ssize_t most)
{
	PyObject *line = NULL;
	Py_ssize_t length = 0;

	while (most != length) {
		const char *start, *newline;
		size_t piece;

		if (in->at == in->end) {
			int more = input_fill(in);

			if (more == -1) {
				Py_XDECREF(line);
				return NULL;
			}
			if (more == 0)
				break;
		}
		start = in->buffer + in->at;
		piece = in->end - in->at;
		if (most >= 0 && piece > (size_t)(most - length))
			piece = (size_t)(most - length);
		newline = memchr(start, '\n', piece);
		if (newline != NULL)
			piece = (size_t)(newline - start) + 1;
		if (line == NULL)
			line = PyBytes_FromStringAndSize(start, (Py_ssize_t)piece);
		else if (_PyBytes_Resize(&line, length + (Py_ssize_t)piece) == 0)
			memcpy(PyBytes_AS_STRING(line) + length, start, piece);
		if (line == NULL)
			return NULL;
		length += (Py_ssize_t)piece;
		in->at += piece;
		if (newline != NULL)
			break;
	}
	return line != NULL ? line : PyBytes_FromStringAndSize(NULL, 0);
}

/* The optional size of read, readline and readlines; -1 if there is none. */
static int
input_size(struct input *in, const char *name, PyObject *const *args, Py_ssize_t count,
    Py_ssize_t *size)
{
	*size = -1;
	if (api_usable(in->request) == NULL || api_check_count(name, count, 0, 1) == -1)
		return -1;
	if (count == 1 && args[0] != Py_None)
		*size = PyNumber_AsSsize_t(args[0], NULL);
	return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
input_read(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	Py_ssize_t size;

	return input_size((struct input *)self, "read", args, count, &size) == -1 ? NULL :
	    input_take((struct input *)self, size);
}

static PyObject *
input_readline(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	Py_ssize_t size;

	return input_size((struct input *)self, "readline", args, count, &size) == -1 ? NULL :
	    input_line((struct input *)self, size);
}

static PyObject *
input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	Py_ssize_t hint, total = 0;
	PyObject *lines, *line = NULL;

	if (input_size((struct input *)self, "readlines", args, count, &hint) == -1 ||
	    (lines = PyList_New(0)) == NULL)
		return NULL;
	while ((hint <= 0 || total < hint) &&
	    (line = input_line((struct input *)self, -1)) != NULL &&
	    PyBytes_GET_SIZE(line) > 0 && PyList_Append(lines, line) == 0) {
		total += PyBytes_GET_SIZE(line);
		Py_CLEAR(line);
	}
	Py_XDECREF(line);
	if (PyErr_Occurred())
		Py_CLEAR(lines);
	return lines;
}

static PyObject *
input_next(PyObject *self)
{
	PyObject *line;

	if (api_usable(((struct input *)self)->request) == NULL ||
	    (line = input_line((struct input *)self, -1)) == NULL)
		return NULL;
	if (PyBytes_GET_SIZE(line) == 0)
		Py_CLEAR(line);
	return line;
}

static void
input_dealloc(PyObject *self)
{
	free(((struct input *)self)->buffer);
	PyObject_Free(self);
}

#define INPUT(name, arguments, words) { #name, (PyCFunction)(void (*)(void))input_##name, \
	METH_FASTCALL, #name "($self, " arguments ", /)\n--\n\n" words }

static PyMethodDef input_methods[] = {
	INPUT(read, "size=-1", "The next octets of the body, all of them if size is negative."),
	INPUT(readline, "size=-1", "The next line of the body, or size octets of it."),
	INPUT(readlines, "hint=-1", "A list of lines, of about hint octets."),
	{ NULL, NULL, 0, NULL }
};

static PyTypeObject input_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.Input",
	.tp_doc = "The body of a request; it ends where the body ends.",
	.tp_basicsize = sizeof(struct input),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = input_dealloc,
	.tp_methods = input_methods,
	.tp_iter = PyObject_SelfIter,
	.tp_iternext = input_next,
};

PyObject *
input_new(void)
{
	struct input *in = PyObject_New(struct input, &input_type);

	if (in != NULL) {
		in->buffer = NULL;
		input_bind((PyObject *)in, NULL);
	}
	return (PyObject *)in;
}

void
input_bind(PyObject *self, servlet *s)
{
	struct input *in = (struct input *)self;

	in->request = s;
	in->left = s == NULL ? 0 : get_content_length(s);
	in->at = in->end = 0;
}

/* ------------------------------------------------------------- wsgi.errors */

static PyTypeObject errors_type;

/* The line that has been begun; threads of the application write as well, but
 * only under the GIL. */
static struct {
	servlet *request;
	size_t length;
	char line[ERRORS_LINE];
} errors;

static void
errors_end_line(void)
{
	/* A request is the main thread's. */
	module_log(api_is_main_thread() ? errors.request : NULL, errors.line, errors.length);
	errors.length = 0;
}

static void
errors_put(const char *text, size_t length)
{
	for (; length > 0; text++, length--) {
		if (*text == '\n' || errors.length == sizeof(errors.line))
			errors_end_line();
		if (*text != '\n')
			errors.line[errors.length++] = *text;
	}
}

static PyObject *
errors_write(PyObject *self, PyObject *str)
{
	struct text t;

	(void)self;
	if (text_get(&t, str) == -1)
		return NULL;
	errors_put(t.octets, (size_t)t.length);
	text_clear(&t);
	return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(str));
}

static PyObject *
errors_writelines(PyObject *self, PyObject *lines)
{
	PyObject *iterator = PyObject_GetIter(lines), *line, *written;

	while (iterator != NULL && (line = PyIter_Next(iterator)) != NULL) {
		written = errors_write(self, line);
		Py_DECREF(line);
		if (written == NULL)
			break;
		Py_DECREF(written);
	}
	Py_XDECREF(iterator);
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
errors_flush(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	if (errors.length > 0)
		errors_end_line();
	Py_RETURN_NONE;
}

static PyMethodDef errors_methods[] = {
	{ "write", errors_write, METH_O, "write($self, str, /)\n--\n\nAppends to the error log." },
	{ "writelines", errors_writelines, METH_O,
	    "writelines($self, lines, /)\n--\n\nAppends each of them to the error log." },
	{ "flush", errors_flush, METH_NOARGS,
	    "flush($self, /)\n--\n\nEnds a line that was begun." },
	{ NULL, NULL, 0, NULL }
};

static PyTypeObject errors_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.Errors",
	.tp_doc = "The error log, line by line, with the request's id.",
	.tp_basicsize = sizeof(PyObject),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_methods = errors_methods,
};

PyObject *
errors_new(void)
{
	return PyObject_New(PyObject, &errors_type);
}

void
errors_bind(servlet *s)
{
	if (errors.length > 0)
		errors_end_line();
	errors.request = s;
}

int
stream_open(void)
{
	return PyType_Ready(&input_type) == -1 ? -1 : PyType_Ready(&errors_type);
}
