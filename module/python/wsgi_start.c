/*
 * wsgi_start.c - start_response and write.
 *
 * Nothing is sent before the first octet of the body: until then an
 * application that fails can call start_response again, with exc_info.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "module/alike.h"
#include "wsgi.h"

#define TOKEN "!#$%&'*+-.^_`|~0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* One of the two callables that a request has. */
struct callable {
	PyObject_HEAD
	vectorcallfunc call;
	int is_over;
};

static PyTypeObject callable_type;
static struct callable *start, *write_;
struct wsgi_response wsgi_response;

/* The request of a callable, or NULL and RuntimeError. */
static servlet *
request_of(PyObject *self)
{
	return api_usable(((struct callable *)self)->is_over ? NULL : wsgi_response.request);
}

/* ------------------------------------------------------------------ headers */

/* The octets of a str, or NULL and an exception: they must be latin-1, with no
 * control character but a tab. */
static const char *
octets_of(PyObject *str, const char *what)
{
	const unsigned char *at;
	Py_ssize_t length;

	if (!PyUnicode_Check(str)) {
		PyErr_Format(PyExc_TypeError, "WSGI: %s must be str, not %.100s", what,
		    Py_TYPE(str)->tp_name);
		return NULL;
	}
	if (PyUnicode_READY(str) == -1)
		return NULL;
	if (PyUnicode_KIND(str) != PyUnicode_1BYTE_KIND) {
		PyErr_Format(PyExc_ValueError, "WSGI: %s %R is not latin-1", what, str);
		return NULL;
	}
	at = PyUnicode_1BYTE_DATA(str);
	length = PyUnicode_GET_LENGTH(str);
	for (Py_ssize_t i = 0; i < length; i++)
		if ((at[i] < ' ' && at[i] != '\t') || at[i] == 0x7f) {
			PyErr_Format(PyExc_ValueError, "WSGI: %s %R has a control character",
			    what, str);
			return NULL;
		}
	return (const char *)at;
}

/* What is between two neighbours on the way only: the server's business. */
static int
is_hop_by_hop(const char *name, size_t length)
{
	static const char *const names[] = { "TE", "Upgrade", "Trailer", "Trailers",
	    "Connection", "Keep-Alive", "Transfer-Encoding", "Proxy-Authenticate",
	    "Proxy-Authorization" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == length && texts_alike(name, names[i]))
			return 1;
	return 0;
}

static int
check_name(PyObject *str, const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || strspn(name, TOKEN) != length) {
		PyErr_Format(PyExc_ValueError, "WSGI: %R is no name of a header", str);
		return -1;
	}
	if (is_hop_by_hop(name, length)) {
		PyErr_Format(PyExc_ValueError, "WSGI: the header %s is hop-by-hop, "
		    "and not for an application to set", name);
		return -1;
	}
	return 0;
}

static int
declare(const char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length > 18 || strspn(value, "0123456789") != length) {
		PyErr_Format(PyExc_ValueError, "WSGI: Content-Length %s is no number", value);
		return -1;
	}
	wsgi_response.declared = atoll(value);
	return 0;
}

/* Gives (name, value) to the server.  has_type is set by a Content-Type. */
static int
add_one(servlet *s, PyObject *pair, int *has_type)
{
	const char *name, *value;

	if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
		PyErr_Format(PyExc_TypeError, "WSGI: a header must be a tuple of name "
		    "and value, not %R", pair);
		return -1;
	}
	if ((name = octets_of(PyTuple_GET_ITEM(pair, 0), "a header's name")) == NULL ||
	    check_name(PyTuple_GET_ITEM(pair, 0), name) == -1 ||
	    (value = octets_of(PyTuple_GET_ITEM(pair, 1), name)) == NULL)
		return -1;
	if (texts_alike(name, "Content-Length") && declare(value) == -1)
		return -1;
	*has_type |= texts_alike(name, "Content-Type");
	add_header(s, name, value);
	return 0;
}

/* Takes back what an earlier start_response has set. */
static void
forget(servlet *s)
{
	PyObject *headers = wsgi_response.headers;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
		PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(headers, i), 0);

		set_header(s, (const char *)PyUnicode_1BYTE_DATA(name), NULL);
	}
	wsgi_response.declared = -1;
	Py_CLEAR(wsgi_response.headers);
}

static int
add_all(servlet *s, PyObject *headers)
{
	int has_type = 0;

	if (!PyList_Check(headers)) {
		PyErr_Format(PyExc_TypeError, "WSGI: the headers must be a list, not a %.100s",
		    Py_TYPE(headers)->tp_name);
		return -1;
	}
	/* A copy: the application may go on changing its own. */
	wsgi_response.headers = PyList_New(0);
	if (wsgi_response.headers == NULL)
		return -1;
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
		PyObject *pair = PyList_GET_ITEM(headers, i);

		if (add_one(s, pair, &has_type) == -1 ||
		    PyList_Append(wsgi_response.headers, pair) == -1) {
			forget(s);
			return -1;
		}
	}
	if (!has_type)
		set_header(s, "Content-Type", NULL);	/* no default either */
	return 0;
}

/* ----------------------------------------------------------- start_response */

/* The number of "404 Not Found", or -1. */
static int
status_of(PyObject *str)
{
	const char *status = octets_of(str, "the status");
	int number;

	if (status == NULL)
		return -1;
	number = strspn(status, "0123456789") == 3 && (status[3] == ' ' || status[3] == '\0') ?
	    atoi(status) : 0;
	if (number >= 200 && number <= 599)
		return number;
	PyErr_Format(PyExc_ValueError, "WSGI: the status must be like '200 OK', "
	    "with 200 to 599, not %R", str);
	return -1;
}

/* Called again: right only with exc_info, and too late once the head is sent. */
static int
start_again(servlet *s, PyObject *exc_info)
{
	if (exc_info == Py_None) {
		PyErr_SetString(PyExc_AssertionError, "WSGI: start_response was called "
		    "a second time, without exc_info");
		return -1;
	}
	if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3 ||
	    !PyExceptionClass_Check(PyTuple_GET_ITEM(exc_info, 0))) {
		PyErr_SetString(PyExc_TypeError, "WSGI: exc_info must be that of sys.exc_info()");
		return -1;
	}
	if (is_sent(s) || wsgi_response.written > 0) {
		PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);

		PyErr_Restore(Py_NewRef(PyTuple_GET_ITEM(exc_info, 0)),
		    Py_NewRef(PyTuple_GET_ITEM(exc_info, 1)),
		    traceback == Py_None ? NULL : Py_NewRef(traceback));
		return -1;
	}
	forget(s);
	return 0;
}

static PyObject *
call_start(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
	Py_ssize_t count = PyVectorcall_NARGS(flags);
	Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
	PyObject *exc_info = Py_None;
	servlet *s = request_of(self);
	int status;

	if (s == NULL || api_check_count("start_response", count + named, 2, 3) == -1)
		return NULL;
	if (count < 2 || (named == 1 && PyUnicode_CompareWithASCIIString(
	    PyTuple_GET_ITEM(names, 0), "exc_info") != 0)) {
		PyErr_SetString(PyExc_TypeError,
		    "start_response(status, headers, exc_info=None) takes the first two by position");
		return NULL;
	}
	if (count + named == 3)
		exc_info = args[2];
	if (wsgi_response.headers != NULL && start_again(s, exc_info) == -1)
		return NULL;
	if ((status = status_of(args[0])) == -1 || add_all(s, args[1]) == -1)
		return NULL;
	set_status(s, status);
	return Py_NewRef(write_);
}

/* write(octets), for applications that cannot be iterables.  Raises BrokenPipeError
 * when the client has gone, for they would go on. */
static PyObject *
call_write(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
	Py_ssize_t count = PyVectorcall_NARGS(flags);

	if (request_of(self) == NULL || api_check_count("write",
	    count + (names == NULL ? 0 : PyTuple_GET_SIZE(names)), 1, 1) == -1)
		return NULL;
	if (wsgi_send(args[0], 1) == -1)
		return NULL;
	if (wsgi_response.gone) {
		errno = EPIPE;
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	Py_RETURN_NONE;
}

/* --------------------------------------------------------------- lifetime */

static PyTypeObject callable_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.start_response",
	.tp_doc = "start_response(status, headers, exc_info=None) of PEP 3333, or the write "
	    "that it returns.",
	.tp_basicsize = sizeof(struct callable),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL |
	    Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_vectorcall_offset = offsetof(struct callable, call),
	.tp_call = PyVectorcall_Call,
};

static int
begin(struct callable **c, vectorcallfunc call)
{
	if (*c == NULL) {
		if (PyType_Ready(&callable_type) == -1 ||
		    (*c = PyObject_New(struct callable, &callable_type)) == NULL)
			return -1;
		(*c)->call = call;
	}
	(*c)->is_over = 0;
	return 0;
}

static void
end(struct callable **c)
{
	if (*c == NULL)
		return;
	(*c)->is_over = 1;
	if (Py_REFCNT(*c) > 1)	/* somebody keeps it */
		Py_CLEAR(*c);
}

int
start_begin(servlet *s)
{
	wsgi_response = (struct wsgi_response){ .request = s, .declared = -1 };
	return begin(&start, call_start) == -1 || begin(&write_, call_write) == -1 ? -1 : 0;
}

void
start_end(void)
{
	end(&start);
	end(&write_);
	Py_CLEAR(wsgi_response.headers);
	wsgi_response.request = NULL;
}

PyObject *
start_response(void)
{
	return (PyObject *)start;
}
