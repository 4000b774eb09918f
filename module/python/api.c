/*
 * api.c - what a Python servlet calls: modserver.h as methods of Servlet,
 * and the same as functions of the built-in module `modserver`.  Those that
 * ask for the request are here; response.c and each.c have the others.
 *
 * The functions are the very methods, taken from their class: a method
 * descriptor called as rwrite(s, "x") does what s.rwrite("x") does.
 *
 * Text is UTF-8, with surrogateescape for octets that are not.  What is
 * missing is None.  A call that fails raises OSError.
 */
#include <string.h>

#include "program.h"

struct servlet_object {
	PyObject_HEAD
	servlet *request;	/* NULL: its request is over */
};

static PyTypeObject servlet_type;
static unsigned long main_thread;

/* ------------------------------------------------------------------ helpers */

int
api_is_main_thread(void)
{
	return PyThread_get_thread_ident() == main_thread;
}

servlet *
api_usable(servlet *s)
{
	if (s == NULL) {
		PyErr_SetString(PyExc_RuntimeError, "the request of this object is over");
		return NULL;
	}
	if (!api_is_main_thread()) {
		PyErr_SetString(PyExc_RuntimeError, "a request may be used "
		    "only by the thread that runs the servlet");
		return NULL;
	}
	return s;
}

servlet *
api_request(PyObject *self)
{
	return api_usable(((struct servlet_object *)self)->request);
}

int
text_get(struct text *t, PyObject *str)
{
	char *octets;

	*t = (struct text){ NULL, 0, NULL, 0 };
	if (!PyUnicode_Check(str)) {
		PyErr_Format(PyExc_TypeError, "expected str, not %.100s", Py_TYPE(str)->tp_name);
		return -1;
	}
	t->octets = PyUnicode_AsUTF8AndSize(str, &t->length);
	if (t->octets == NULL) {
		PyErr_Clear();
		t->owner = PyUnicode_AsEncodedString(str, "utf-8", "surrogateescape");
		if (t->owner == NULL || PyBytes_AsStringAndSize(t->owner, &octets, &t->length) == -1)
			return -1;
		t->octets = octets;
	}
	t->has_nul = (size_t)t->length != strlen(t->octets);
	return 0;
}

void
text_clear(struct text *t)
{
	Py_CLEAR(t->owner);
}

PyObject *
text_new(const char *octets)
{
	if (octets == NULL)
		Py_RETURN_NONE;
	return PyUnicode_DecodeUTF8(octets, (Py_ssize_t)strlen(octets), "surrogateescape");
}

int
api_check_count(const char *name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most)
{
	if (count >= least && count <= most)
		return 0;
	if (least == most)
		PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)",
		    name, most, count);
	else
		PyErr_Format(PyExc_TypeError, "%s() takes at %s %zd arguments (%zd given)", name,
		    count < least ? "least" : "most", count < least ? least : most, count);
	return -1;
}

/* ------------------------------------------------------------------ request */

#define TEXT_OF_REQUEST(name)						\
	static PyObject *						\
	api_##name(PyObject *self, PyObject *unused)			\
	{								\
		servlet *s = api_request(self);				\
									\
		(void)unused;						\
		return s == NULL ? NULL : text_new(name(s));		\
	}

TEXT_OF_REQUEST(get_method)
TEXT_OF_REQUEST(get_path)
TEXT_OF_REQUEST(get_path_info)
TEXT_OF_REQUEST(get_script_name)
TEXT_OF_REQUEST(get_route)
TEXT_OF_REQUEST(get_query)
TEXT_OF_REQUEST(get_target)
TEXT_OF_REQUEST(get_protocol)
TEXT_OF_REQUEST(get_scheme)
TEXT_OF_REQUEST(get_remote_addr)
TEXT_OF_REQUEST(get_server_name)
TEXT_OF_REQUEST(get_request_id)

#define VALUE_OF_REQUEST(name, make)					\
	static PyObject *						\
	api_##name(PyObject *self, PyObject *unused)			\
	{								\
		servlet *s = api_request(self);				\
									\
		(void)unused;						\
		return s == NULL ? NULL : make(name(s));		\
	}

VALUE_OF_REQUEST(get_remote_port, PyLong_FromLong)
VALUE_OF_REQUEST(get_server_port, PyLong_FromLong)
VALUE_OF_REQUEST(get_content_length, PyLong_FromLongLong)
VALUE_OF_REQUEST(is_sent, PyBool_FromLong)
VALUE_OF_REQUEST(is_connected, PyBool_FromLong)

static PyObject *
get_by_name(PyObject *self, PyObject *name, const char *(*get)(servlet *, const char *))
{
	servlet *s = api_request(self);
	PyObject *value;
	struct text t;

	if (s == NULL || text_get(&t, name) == -1)
		return NULL;
	value = text_new(t.has_nul ? NULL : get(s, t.octets));
	text_clear(&t);
	return value;
}

#define TEXT_BY_NAME(name)						\
	static PyObject *						\
	api_##name(PyObject *self, PyObject *key)			\
	{								\
		return get_by_name(self, key, name);			\
	}

TEXT_BY_NAME(get_arg)
TEXT_BY_NAME(get_header)
TEXT_BY_NAME(get_cookie)
TEXT_BY_NAME(get_form)

/* rread(length=-1) */
static PyObject *
api_rread(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);
	Py_ssize_t wanted = -1, taken = 0;
	long long most;
	PyObject *body;
	ssize_t got = 1;

	if (s == NULL || api_check_count("rread", count, 0, 1) == -1)
		return NULL;
	if (count == 1 && (wanted = PyNumber_AsSsize_t(args[0], NULL)) == -1 &&
	    PyErr_Occurred())
		return NULL;
	most = get_content_length(s);
	if (wanted < 0 || wanted > most)
		wanted = (Py_ssize_t)most;
	if ((body = PyBytes_FromStringAndSize(NULL, wanted)) == NULL)
		return NULL;
	while (taken < wanted && (got = rread(s, PyBytes_AS_STRING(body) + taken,
	    (size_t)(wanted - taken))) > 0)
		taken += got;
	if (got == -1) {
		Py_DECREF(body);
		return PyErr_SetFromErrno(PyExc_OSError);
	}
	if (taken < wanted)
		_PyBytes_Resize(&body, taken);
	return body;
}

static PyObject *
api_rrewind(PyObject *self, PyObject *unused)
{
	servlet *s = api_request(self);

	(void)unused;
	if (s == NULL)
		return NULL;
	if (rrewind(s) == -1)
		return PyErr_SetFromErrno(PyExc_OSError);
	Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ Servlet */

#define NONE(name, words) { #name, api_##name, METH_NOARGS, \
	#name "($self, /)\n--\n\n" words }
#define ONE(name, argument, words) { #name, api_##name, METH_O, \
	#name "($self, " argument ", /)\n--\n\n" words }
#define SOME(name, arguments, words) { #name, (PyCFunction)(void (*)(void))api_##name, \
	METH_FASTCALL, #name "($self, " arguments ", /)\n--\n\n" words }

static PyMethodDef methods[] = {
	NONE(get_method, "The method as the client sent it: 'GET', 'POST', ..."),
	ONE(get_arg, "name", "First query argument of that name, decoded; '' if it has no value, "
	    "None if there is none."),
	ONE(get_header, "name", "First header field of that name (any case), or None."),
	NONE(get_path, "The path of the request, percent-decoded."),
	NONE(get_path_info, "What lies below a prefix route, decoded: '/b/c' for the route /a/* "
	    "asked for /a/b/c, '' for the route itself."),
	NONE(get_script_name, "The route's own part of the path."),
	NONE(get_route, "The route as the configuration names it."),
	NONE(get_query, "The query as it came, undecoded, without '?'; '' if there is none."),
	NONE(get_target, "The request target as it came."),
	NONE(get_protocol, "'HTTP/1.1' or 'HTTP/1.0'."),
	NONE(get_scheme, "'http', or 'https' where a trusted proxy says so."),
	NONE(get_remote_addr, "The client's address, without a port; 'unix' for a unix socket."),
	NONE(get_remote_port, "The client's port, 0 where there is none."),
	NONE(get_server_name, "The name by which the client addressed the server."),
	NONE(get_server_port, "The port at which the client addressed the server."),
	ONE(get_cookie, "name", "First cookie of that name, as it came, or None."),
	ONE(get_form, "name", "First field of that name of an urlencoded or multipart body, "
	    "decoded, or None."),
	NONE(get_content_length, "Octets of the request body; 0 if there is none."),
	NONE(get_request_id, "A name for this request; the error log has it in every line about it."),
	SOME(rread, "length=-1", "The next octets of the body as bytes, length at most, all if it is "
	    "negative; b'' at the end."),
	NONE(rrewind, "Goes back to the body's first octet."),
	SOME(each_header, "visit=None", "A list of (name, value) of all header fields, in order; or "
	    "calls visit(name, value)\nfor each until it answers something true, and returns that, "
	    "else 0."),
	SOME(each_arg, "visit=None", "As each_header, of the query arguments."),
	SOME(each_form, "visit=None", "As each_header, of the form's fields."),
	SOME(each_cookie, "visit=None", "As each_header, of the cookies."),
	SOME(each_upload, "visit=None", "A list of all uploads; or calls visit(upload), as "
	    "each_header does."),
	SOME(each_route, "visit=None", "A list of all Routes of this server; or calls visit(route), "
	    "as each_header does."),
	SOME(get_upload, "field", "The first Upload of that form field, or None."),
	ONE(set_status, "status", "Sets the response's status; 200 unless set."),
	SOME(set_header, "name, value", "Sets a header field, replacing those of that name; None "
	    "removes it."),
	SOME(add_header, "name, value", "Adds a header field, keeping those of that name."),
	ONE(rwrite, "buffer", "Appends str (as UTF-8) or a bytes-like object to the response body.\n"
	    "Returns the number of octets, 0 when the client has gone."),
	SOME(rprintf, "format, *args", "Appends format % args."),
	NONE(rflush, "Sends what has been written so far, the head first if need be."),
	{ "rsendfile", (PyCFunction)(void (*)(void))api_rsendfile, METH_VARARGS | METH_KEYWORDS,
	    "rsendfile($self, file, offset=0, length=-1)\n--\n\n"
	    "Appends a part of an open file (or descriptor) to the response, to its end if length "
	    "is -1,\nwithout reading it into Python.  Raises OSError." },
	SOME(rlog, "format, *args", "Writes to the error log: format as it is, or format % args.  The "
	    "line carries the request's id."),
	NONE(is_sent, "Whether the response's head has been sent."),
	NONE(is_connected, "Whether the client is still there."),
	{ NULL, NULL, 0, NULL }
};

static PyTypeObject servlet_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.Servlet",
	.tp_doc = "One request and the response being made for it.",
	.tp_basicsize = sizeof(struct servlet_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_methods = methods,
};

PyObject *
api_servlet_new(void)
{
	struct servlet_object *self;

	main_thread = PyThread_get_thread_ident();
	self = PyObject_New(struct servlet_object, &servlet_type);
	if (self != NULL)
		self->request = NULL;
	return (PyObject *)self;
}

void
api_servlet_bind(PyObject *self, servlet *s)
{
	((struct servlet_object *)self)->request = s;
}

/* ------------------------------------------------------------------- module */

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "modserver",
	.m_doc = "The functions of a modserver servlet: from modserver import *, "
	    "def run(s): rwrite(s, 'hi').\nEach is a method of s as well: s.rwrite('hi').",
	.m_size = -1,
};

PyObject *
api_module(void)
{
	PyObject *module, *method;

	if (PyType_Ready(&servlet_type) == -1 || (module = PyModule_Create(&definition)) == NULL)
		return NULL;
	for (const PyMethodDef *m = methods; m->ml_name != NULL; m++) {
		method = PyObject_GetAttrString((PyObject *)&servlet_type, m->ml_name);
		if (PyModule_AddObjectRef(module, m->ml_name, method) == -1) {
			Py_XDECREF(method);
			Py_DECREF(module);
			return NULL;
		}
		Py_DECREF(method);
	}
	if (PyModule_AddObjectRef(module, "Servlet", (PyObject *)&servlet_type) == -1 ||
	    each_add_types(module) == -1) {
		Py_DECREF(module);
		return NULL;
	}
	return module;
}
