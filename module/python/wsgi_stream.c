/*
 * wsgi_stream.c - wsgi.input, wsgi.errors and wsgi.file_wrapper.
 */
#include "wsgi.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <structmember.h>
#include <sys/stat.h>

#define INPUT_BUFFER 16384	/* octets that readline reads ahead */
#define ERRORS_LINE 4096	/* a longer line of wsgi.errors is broken */
#define FILE_BLOCK 65536	/* what file_wrapper reads at once unless told */
#define FILE_DEPTH 4		/* wrappers around a file that are looked into */

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

/* ------------------------------------------------------- wsgi.file_wrapper */

struct wrapper {
	PyObject_HEAD
	PyObject *file;
	Py_ssize_t block;
};

static PyObject *
wrapper_make(PyTypeObject *type, PyObject *args, PyObject *named)
{
	static char *names[] = { "filelike", "blksize", NULL };
	PyObject *file;
	Py_ssize_t block = FILE_BLOCK;
	struct wrapper *w;

	if (!PyArg_ParseTupleAndKeywords(args, named, "O|n:file_wrapper", names, &file, &block) ||
	    (w = (struct wrapper *)type->tp_alloc(type, 0)) == NULL)
		return NULL;
	w->file = Py_NewRef(file);
	w->block = block > 0 ? block : FILE_BLOCK;
	return (PyObject *)w;
}

static void
wrapper_dealloc(PyObject *self)
{
	Py_XDECREF(((struct wrapper *)self)->file);
	Py_TYPE(self)->tp_free(self);
}

static PyObject *
wrapper_next(PyObject *self)
{
	struct wrapper *w = (struct wrapper *)self;
	PyObject *block = PyObject_CallMethod(w->file, "read", "n", w->block);

	/* b"", or "" of a file that was opened as text: the end. */
	if (block != NULL && PyObject_Size(block) == 0)
		Py_CLEAR(block);
	return block;
}

static PyObject *
wrapper_close(PyObject *self, PyObject *unused)
{
	PyObject *close = PyObject_GetAttrString(((struct wrapper *)self)->file, "close"), *result;

	(void)unused;
	if (close == NULL) {
		if (!PyErr_ExceptionMatches(PyExc_AttributeError))
			return NULL;
		PyErr_Clear();
		Py_RETURN_NONE;
	}
	result = PyObject_CallNoArgs(close);
	Py_DECREF(close);
	return result;
}

static PyMethodDef wrapper_methods[] = {
	{ "close", wrapper_close, METH_NOARGS, "close($self, /)\n--\n\nCloses the file." },
	{ NULL, NULL, 0, NULL }
};

static PyMemberDef wrapper_members[] = {
	{ "filelike", T_OBJECT_EX, offsetof(struct wrapper, file), READONLY, "the file" },
	{ NULL, 0, 0, 0, NULL }
};

static PyTypeObject wrapper_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.file_wrapper",
	.tp_doc = "file_wrapper(filelike, blksize=65536)\n--\n\nAn iterable over a binary file; "
	    "returned as it is, a real file is sent by the kernel.",
	.tp_basicsize = sizeof(struct wrapper),
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_new = wrapper_make,
	.tp_dealloc = wrapper_dealloc,
	.tp_iter = PyObject_SelfIter,
	.tp_iternext = wrapper_next,
	.tp_methods = wrapper_methods,
	.tp_members = wrapper_members,
};

PyObject *
file_wrapper(void)
{
	return (PyObject *)&wrapper_type;
}

/* io.BufferedReader, io.BufferedRandom and io.FileIO: what they give is what
 * the file has.  The fileno of others (gzip) need not mean that. */
static PyObject *file_types;

/* The real file in it, a new reference, or NULL without an exception.
 * Temporary files and Django's have theirs in an attribute. */
static PyObject *
real_file(PyObject *file)
{
	int is_real = 0;

	Py_INCREF(file);
	for (int depth = 0; depth < FILE_DEPTH; depth++) {
		is_real = PyObject_IsInstance(file, file_types);
		if (is_real != 0)
			break;
		Py_SETREF(file, PyObject_GetAttrString(file, "file"));
		if (file == NULL)
			break;
	}
	if (is_real != 1)
		Py_CLEAR(file);
	PyErr_Clear();
	return file;
}

int
file_wrapper_is_file(PyObject *answer, int *fd, long long *offset)
{
	PyObject *file, *at = NULL;
	struct stat st;
	int yes = 0;

	if (!Py_IS_TYPE(answer, &wrapper_type) ||
	    (file = real_file(((struct wrapper *)answer)->file)) == NULL)
		return 0;
	*fd = PyObject_AsFileDescriptor(file);
	/* Not the descriptor's own position: a buffered file is ahead of it. */
	if (*fd != -1 && fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (at = PyObject_CallMethod(file, "tell", NULL)) != NULL) {
		*offset = PyLong_AsLongLong(at);
		yes = *offset >= 0 && *offset <= st.st_size;
	}
	Py_XDECREF(at);
	Py_DECREF(file);
	PyErr_Clear();
	return yes;
}

int
stream_open(void)
{
	static const char *const names[] = { "BufferedReader", "BufferedRandom", "FileIO" };
	PyObject *io = PyImport_ImportModule("io");

	if (io == NULL || PyType_Ready(&input_type) == -1 || PyType_Ready(&errors_type) == -1 ||
	    PyType_Ready(&wrapper_type) == -1 || (file_types = PyTuple_New(3)) == NULL)
		return -1;
	for (Py_ssize_t i = 0; i < 3; i++) {
		PyObject *type = PyObject_GetAttrString(io, names[i]);

		if (type == NULL)
			return -1;
		PyTuple_SET_ITEM(file_types, i, type);
	}
	Py_DECREF(io);
	return 0;
}
