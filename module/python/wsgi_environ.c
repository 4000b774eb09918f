/*
 * wsgi_environ.c - environ: the variables of CGI and those of PEP 3333.
 *
 * Each request gets a copy of one dict, which has all the keys in place.
 * Keys of header fields, and values that come again and again (the method,
 * Host, User-Agent), are kept as objects from request to request.
 *
 * As PEP 3333 demands, text is str whose characters are the octets (latin-1).
 */
#include <stdio.h>
#include <string.h>

#include "module/alike.h"
#include "wsgi.h"

#define FIELDS 128		/* header fields whose objects are kept; a power of two */
#define FIELD_NAME_MAX 40	/* of a name that is kept */
#define VALUE_MAX 256		/* octets of a value that is kept */

static PyObject *template;

/* Variables that are a text the server has. */
static struct variable {
	const char *name;
	const char *(*get)(servlet *);
	PyObject *key, *last;	/* the value of the request before */
} variables[] = {
	{ "REQUEST_METHOD", get_method, NULL, NULL },
	{ "QUERY_STRING", get_query, NULL, NULL },
	{ "RAW_URI", get_target, NULL, NULL },		/* as gunicorn calls it */
	{ "REQUEST_URI", get_target, NULL, NULL },	/* as Apache and uWSGI do */
	{ "SERVER_NAME", get_server_name, NULL, NULL },
	{ "SERVER_PROTOCOL", get_protocol, NULL, NULL },
	{ "REMOTE_ADDR", get_remote_addr, NULL, NULL },
	{ "wsgi.url_scheme", get_scheme, NULL, NULL },
};

/* The others. */
static struct variable server_port, remote_port, script_name, path_info, input_key,
    content_type, content_length;

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum field_kind {
	FIELD_PLAIN,	/* HTTP_NAME */
	FIELD_TYPE,	/* CONTENT_TYPE */
	FIELD_LENGTH,	/* tells that there is a body: CONTENT_LENGTH */
	FIELD_HIDDEN
};

struct field {
	char name[FIELD_NAME_MAX];
	enum field_kind kind;
	PyObject *key, *last;
};

static struct field fields[FIELDS];

/* What the header fields are collected into. */
struct collection {
	PyObject *environ;
	int has_body;
};

static PyObject *
latin1(const char *octets)
{
	return PyUnicode_DecodeLatin1(octets, (Py_ssize_t)strlen(octets), NULL);
}

/* str of the octets: *last if it is the same, else a new one that is kept
 * there.  A borrowed reference that lives until the next call for `last`. */
static PyObject *
value_of(PyObject **last, const char *octets)
{
	PyObject *value;

	if (*last != NULL && strcmp((const char *)PyUnicode_1BYTE_DATA(*last), octets) == 0)
		return *last;
	value = latin1(octets);
	if (value != NULL)
		Py_XSETREF(*last, value);
	return value;
}

static int
set(PyObject *environ, struct variable *v, const char *octets)
{
	PyObject *value = value_of(&v->last, octets);

	return value == NULL ? -1 : PyDict_SetItem(environ, v->key, value);
}

static int
set_number(PyObject *environ, struct variable *v, long long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", number);
	return set(environ, v, text);
}

/* ------------------------------------------------------------ header fields */

static enum field_kind
field_kind(const char *name)
{
	if (texts_alike(name, "Content-Type"))
		return FIELD_TYPE;
	/* The body has been decoded, so its length is known and its coding gone. */
	if (texts_alike(name, "Content-Length") ||
	    texts_alike(name, "Transfer-Encoding"))
		return FIELD_LENGTH;
	/* X_Real would pass for X-Real, and HTTP_PROXY is a setting of many
	 * libraries. */
	if (strchr(name, '_') != NULL || texts_alike(name, "Proxy"))
		return FIELD_HIDDEN;
	return FIELD_PLAIN;
}

/* HTTP_ACCEPT_LANGUAGE for Accept-Language. */
static PyObject *
field_key(const char *name)
{
	size_t length = strlen(name);
	PyObject *key = PyUnicode_New((Py_ssize_t)length + 5, 127);
	char *at;

	if (key == NULL)
		return NULL;
	at = (char *)PyUnicode_1BYTE_DATA(key);
	memcpy(at, "HTTP_", 5);
	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		at[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	return key;
}

static int
field_make(struct field *f, const char *name)
{
	f->kind = field_kind(name);
	f->key = NULL;
	f->last = NULL;
	if (f->kind == FIELD_PLAIN && (f->key = field_key(name)) == NULL)
		return -1;
	return 0;
}

static void
field_clear(struct field *f)
{
	f->name[0] = '\0';
	Py_CLEAR(f->key);
	Py_CLEAR(f->last);
}

/* The kept field of that name; *other is made for one that cannot be kept. */
static struct field *
field_of(const char *name, struct field *other)
{
	unsigned hash = 0;
	size_t length;
	struct field *f;

	for (length = 0; name[length] != '\0'; length++)
		hash = hash * 31 + (unsigned char)name[length];
	if (length >= FIELD_NAME_MAX)
		return field_make(other, name) == -1 ? NULL : other;
	f = &fields[(hash ^ hash >> 7) % FIELDS];
	if (strcmp(f->name, name) == 0)
		return f;
	field_clear(f);
	if (field_make(f, name) == -1)
		return NULL;
	memcpy(f->name, name, length + 1);
	return f;
}

/* A field that is repeated: one value, as RFC 9110, 5.3 and RFC 6265, 5.4 say. */
static int
field_join(PyObject *environ, PyObject *key, PyObject *value)
{
	int is_cookie = PyUnicode_CompareWithASCIIString(key, "HTTP_COOKIE") == 0;
	PyObject *joined = PyUnicode_FromFormat(is_cookie ? "%U; %U" : "%U,%U",
	    PyDict_GetItemWithError(environ, key), value);
	int failed = joined == NULL ? -1 : PyDict_SetItem(environ, key, joined);

	Py_XDECREF(joined);
	return failed;
}

static int
field_add(PyObject *environ, PyObject *key, PyObject *value)
{
	Py_ssize_t before = PyDict_GET_SIZE(environ);

	if (PyDict_SetDefault(environ, key, value) == NULL)
		return -1;
	return PyDict_GET_SIZE(environ) == before ? field_join(environ, key, value) : 0;
}

static int
collect(void *context, const char *name, const char *octets)
{
	struct collection *c = context;
	struct field other = { .key = NULL }, *f = field_of(name, &other);
	PyObject *value;
	int failed = -1;

	if (f == NULL)
		return -1;
	if (f->kind == FIELD_PLAIN) {
		value = f == &other || strlen(octets) > VALUE_MAX ? latin1(octets) :
		    Py_XNewRef(value_of(&f->last, octets));
		if (value != NULL)
			failed = field_add(c->environ, f->key, value);
		Py_XDECREF(value);
		field_clear(&other);
		return failed;
	}
	c->has_body |= f->kind == FIELD_LENGTH;
	/* Of a repeated Content-Type the first counts, as everywhere here. */
	if (f->kind != FIELD_TYPE || PyDict_Contains(c->environ, content_type.key) != 0)
		return 0;
	return set(c->environ, &content_type, octets);
}

/* ------------------------------------------------------------------ environ */

/* SCRIPT_NAME is the route's part of the path and PATH_INFO the rest.  A slash
 * at the end of an exact route belongs to the latter: SCRIPT_NAME is never "/". */
static int
set_path(PyObject *environ, servlet *s)
{
	const char *name = get_script_name(s), *info = get_path_info(s);
	size_t length = strlen(name);
	PyObject *shorter;
	int failed;

	if (length == 0 || name[length - 1] != '/')
		return set(environ, &script_name, name) == -1 ? -1 :
		    set(environ, &path_info, info);
	if ((shorter = PyUnicode_DecodeLatin1(name, (Py_ssize_t)length - 1, NULL)) == NULL)
		return -1;
	failed = PyDict_SetItem(environ, script_name.key, shorter);
	Py_DECREF(shorter);
	return failed == -1 ? -1 : set(environ, &path_info, "/");
}

PyObject *
environ_new(servlet *s, PyObject *input)
{
	struct collection c = { PyDict_Copy(template), 0 };

	if (c.environ == NULL)
		return NULL;
	for (size_t i = 0; i < COUNT(variables); i++)
		if (set(c.environ, &variables[i], variables[i].get(s)) == -1)
			goto fail;
	if (set_path(c.environ, s) == -1 ||
	    set_number(c.environ, &server_port, get_server_port(s)) == -1 ||
	    set_number(c.environ, &remote_port, get_remote_port(s)) == -1 ||
	    PyDict_SetItem(c.environ, input_key.key, input) == -1 ||
	    each_header(s, collect, &c) != 0)
		goto fail;
	if (c.has_body && set_number(c.environ, &content_length, get_content_length(s)) == -1)
		goto fail;
	if (strcmp(get_scheme(s), "https") == 0 &&
	    PyDict_SetItemString(c.environ, "HTTPS", PyUnicode_InternFromString("on")) == -1)
		goto fail;
	return c.environ;

fail:
	Py_DECREF(c.environ);
	return NULL;
}

static int
open_variable(struct variable *v, const char *name)
{
	v->name = name;
	v->key = PyUnicode_InternFromString(name);
	return v->key == NULL ? -1 : 0;
}

/* Puts value, which it takes over, into the template. */
static int
constant(const char *name, PyObject *value)
{
	PyObject *key = PyUnicode_InternFromString(name);
	int failed = key == NULL || value == NULL ? -1 : PyDict_SetItem(template, key, value);

	Py_XDECREF(key);
	Py_XDECREF(value);
	return failed;
}

int
environ_open(PyObject *errors)
{
	static const struct {
		struct variable *variable;
		const char *name;
	} others[] = {
		{ &server_port, "SERVER_PORT" }, { &remote_port, "REMOTE_PORT" },
		{ &script_name, "SCRIPT_NAME" }, { &path_info, "PATH_INFO" },
		{ &input_key, "wsgi.input" },
		/* Those that not every request has. */
		{ &content_type, "CONTENT_TYPE" }, { &content_length, "CONTENT_LENGTH" },
	};

	if ((template = PyDict_New()) == NULL)
		return -1;
	for (size_t i = 0; i < COUNT(variables); i++)
		if (open_variable(&variables[i], variables[i].name) == -1 ||
		    PyDict_SetItem(template, variables[i].key, Py_None) == -1)
			return -1;
	for (size_t i = 0; i < COUNT(others); i++)
		if (open_variable(others[i].variable, others[i].name) == -1 ||
		    (i < COUNT(others) - 2 &&
		    PyDict_SetItem(template, others[i].variable->key, Py_None) == -1))
			return -1;
	/* A process answers one request at a time, and there are several. */
	return constant("wsgi.version", Py_BuildValue("(ii)", 1, 0)) == -1 ||
	    constant("wsgi.errors", Py_NewRef(errors)) == -1 ||
	    constant("wsgi.multithread", PyBool_FromLong(0)) == -1 ||
	    constant("wsgi.multiprocess", PyBool_FromLong(1)) == -1 ||
	    constant("wsgi.run_once", PyBool_FromLong(0)) == -1 ||
	    constant("wsgi.input_terminated", PyBool_FromLong(1)) == -1 ||
	    constant("wsgi.file_wrapper", Py_NewRef(file_wrapper())) == -1 ||
	    constant("SERVER_SOFTWARE", PyUnicode_FromString("modserver")) == -1 ||
	    constant("GATEWAY_INTERFACE", PyUnicode_FromString("CGI/1.1")) == -1 ? -1 : 0;
}
