/*
 * wsgi_file.c - wsgi.file_wrapper, and which files the server sends by itself.
 */
#include "wsgi.h"

#include <stddef.h>
#include <structmember.h>
#include <sys/stat.h>

#define FILE_BLOCK 65536	/* what it reads at once unless told */
#define FILE_DEPTH 4		/* wrappers around a file that are looked into */

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
file_wrapper_open(void)
{
	static const char *const names[] = { "BufferedReader", "BufferedRandom", "FileIO" };
	PyObject *io = PyImport_ImportModule("io");

	if (io == NULL || PyType_Ready(&wrapper_type) == -1 ||
	    (file_types = PyTuple_New(3)) == NULL)
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
