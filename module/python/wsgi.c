/*
 * wsgi.c - calls a WSGI application and sends what it answers.
 *
 * A response is sent piece by piece: PEP 3333 lets no server wait for the
 * next block before the last one is on its way.  Blocks that are there
 * already (a list) and the one that completes the Content-Length leave
 * together.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "wsgi.h"

static PyObject *input;		/* that of the next request, unless somebody keeps it */
static PyObject *close_name;	/* "close" */

/* Whether calling it makes a coroutine: the application is one for ASGI. */
static int
is_asynchronous(PyObject *application)
{
	PyObject *function = PyFunction_Check(application) ? Py_NewRef(application) :
	    PyObject_GetAttrString((PyObject *)Py_TYPE(application), "__call__");
	int answer;

	if (function == NULL)
		PyErr_Clear();
	answer = function != NULL && PyFunction_Check(function) &&
	    (((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE) != 0;
	Py_XDECREF(function);
	return answer;
}

static int
refuse_asynchronous(void)
{
	PyErr_SetString(PyExc_TypeError, "the application is asynchronous (ASGI?): a WSGI "
	    "application is a plain function (the package a2wsgi makes one of it)");
	return -1;
}

int
wsgi_open(PyObject *application)
{
	PyObject *errors;

	if (is_asynchronous(application))
		return refuse_asynchronous();
	if (close_name != NULL)
		return 0;
	if (stream_open() == -1 || file_wrapper_open() == -1 || (errors = errors_new()) == NULL)
		return -1;
	if (environ_open(errors) == -1)
		return -1;
	close_name = PyUnicode_InternFromString("close");
	return close_name == NULL ? -1 : 0;
}

/* ------------------------------------------------------------------ sending */

static int
check_started(void)
{
	if (wsgi_response.headers != NULL)
		return 0;
	PyErr_SetString(PyExc_AssertionError,
	    "WSGI: the application has not called start_response");
	return -1;
}

int
wsgi_send(PyObject *chunk, int flush)
{
	struct wsgi_response *r = &wsgi_response;
	Py_ssize_t length;

	if (!PyBytes_Check(chunk)) {
		PyErr_Format(PyExc_TypeError, "WSGI: a part of the body must be bytes, not %.100s",
		    Py_TYPE(chunk)->tp_name);
		return -1;
	}
	if (check_started() == -1)
		return -1;
	length = PyBytes_GET_SIZE(chunk);
	if (length == 0)
		return 0;
	if (rwrite(r->request, PyBytes_AS_STRING(chunk), (size_t)length) == 0)
		r->gone = 1;
	r->written += length;
	if (flush && r->written != r->declared)
		rflush(r->request);
	return 0;
}

void
wsgi_declare(long long length)
{
	char text[24];

	if (wsgi_response.declared >= 0 || is_sent(wsgi_response.request))
		return;
	snprintf(text, sizeof(text), "%lld", length);
	set_header(wsgi_response.request, "Content-Length", text);
	wsgi_response.declared = length;
}

/* A list or tuple: all of the body is there. */
static int
send_sequence(PyObject *chunks)
{
	long long total = 0;

	if (check_started() == -1)
		return -1;
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(chunks); i++) {
		PyObject *chunk = PySequence_Fast_GET_ITEM(chunks, i);

		if (PyBytes_Check(chunk))	/* else wsgi_send refuses it */
			total += PyBytes_GET_SIZE(chunk);
	}
	if (total > 0 && wsgi_response.written == 0)
		wsgi_declare(total);
	for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(chunks); i++)
		if (wsgi_send(PySequence_Fast_GET_ITEM(chunks, i), 0) == -1)
			return -1;
	return 0;
}

/* Whether len() says that there is one chunk: then its length is the body's. */
static int
is_single(PyObject *chunks)
{
	int single = PyObject_Size(chunks) == 1;

	PyErr_Clear();
	return single;
}

static int
send_iterable(PyObject *chunks)
{
	PyObject *iterator = PyObject_GetIter(chunks), *chunk = NULL;
	int single, failed = 0;

	if (iterator == NULL) {
		if (Py_TYPE(chunks)->tp_iter == NULL)
			PyErr_Format(PyExc_TypeError, "WSGI: the application must return an "
			    "iterable of bytes, not %s", Py_TYPE(chunks)->tp_name);
		return -1;
	}
	single = !PyGen_CheckExact(chunks) && is_single(chunks);
	while (!failed && !wsgi_response.gone && (chunk = PyIter_Next(iterator)) != NULL) {
		if (single && PyBytes_Check(chunk) && wsgi_response.headers != NULL)
			wsgi_declare(PyBytes_GET_SIZE(chunk));
		failed = wsgi_send(chunk, 1);
		Py_DECREF(chunk);
	}
	Py_DECREF(iterator);
	return failed || PyErr_Occurred() ? -1 : check_started();
}

/* A file, without reading it: up to its end or the Content-Length. */
static int
send_file(int fd, long long offset)
{
	struct wsgi_response *r = &wsgi_response;
	struct stat st;
	long long length;

	if (check_started() == -1)
		return -1;
	length = fstat(fd, &st) == 0 ? st.st_size - offset : 0;
	if (r->declared >= 0 && length > r->declared - r->written)
		length = r->declared - r->written;
	if (rsendfile(r->request, fd, offset, length) == 0)
		return 0;
	if (!is_connected(r->request))
		return 0;
	PyErr_SetFromErrno(PyExc_OSError);
	return -1;
}

static int
send(PyObject *answer)
{
	long long offset;
	int fd;

	if (PyList_CheckExact(answer) || PyTuple_CheckExact(answer))
		return send_sequence(answer);
	if (file_wrapper_is_file(answer, &fd, &offset))
		return send_file(fd, offset);
	if (PyCoro_CheckExact(answer))
		return refuse_asynchronous();
	return send_iterable(answer);
}

/* Calls the answer's close, whatever has happened.  What that raises is logged:
 * the response itself is complete. */
static void
close_answer(PyObject *answer)
{
	PyObject *type, *value, *traceback, *close, *result = NULL;

	if (PyList_CheckExact(answer) || PyTuple_CheckExact(answer))
		return;
	PyErr_Fetch(&type, &value, &traceback);
	close = PyObject_GetAttr(answer, close_name);
	if (close != NULL)
		result = PyObject_CallNoArgs(close);
	if (close == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
		PyErr_Clear();
	else if (result == NULL)
		error_log(wsgi_response.request);
	Py_XDECREF(close);
	Py_XDECREF(result);
	PyErr_Restore(type, value, traceback);
}

/* ------------------------------------------------------------------ calling */

static int
begin(servlet *s)
{
	if (input == NULL && (input = input_new()) == NULL)
		return -1;
	input_bind(input, s);
	errors_bind(s);
	return start_begin(s);
}

static void
end(void)
{
	start_end();
	errors_bind(NULL);
	if (input == NULL)
		return;
	input_bind(input, NULL);
	if (Py_REFCNT(input) > 1)
		Py_CLEAR(input);
}

int
wsgi_run(PyObject *application, servlet *s)
{
	PyObject *environ = NULL, *answer = NULL;
	int failed = -1;

	if (begin(s) == 0 && (environ = environ_new(s, input)) != NULL) {
		PyObject *arguments[] = { NULL, environ, start_response() };

		answer = PyObject_Vectorcall(application, arguments + 1,
		    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	}
	if (answer != NULL) {
		failed = send(answer);
		close_answer(answer);
		Py_DECREF(answer);
	}
	if (failed == -1 && wsgi_response.gone && PyErr_ExceptionMatches(PyExc_BrokenPipeError)) {
		PyErr_Clear();	/* write has told the application */
		failed = 0;
	}
	Py_XDECREF(environ);
	end();
	return failed;
}
