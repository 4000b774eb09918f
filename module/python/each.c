/*
 * each.c - what there may be several of: fields, uploads, routes.
 *
 * What the server visits is collected into a list first and handed to the
 * servlet afterwards, which may do what it likes while it looks at it.
 */
#include <fcntl.h>
#include <unistd.h>

#include "program.h"

#include <structmember.h>

/* A request's upload.  `file` has a descriptor of its own and may outlive the
 * request; it is made when it is first asked for. */
struct upload_object {
	PyObject_HEAD
	PyObject *field, *file_name, *type, *file;
	long long size;
	int fd;		/* the server's */
	int own;	/* file's; -1 once file has it */
};

static PyTypeObject upload_type;
static PyTypeObject route_type;

/* ---------------------------------------------------------------- walking */

/* Appends to the list and gives up the item.  Non-zero if it fails. */
static int
append(PyObject *list, PyObject *item)
{
	int failed = item == NULL || PyList_Append(list, item) == -1;

	Py_XDECREF(item);
	return failed;
}

static int
append_pair(void *list, const char *name, const char *value)
{
	PyObject *n = text_new(name), *v = text_new(value), *pair = NULL;

	if (n != NULL && v != NULL)
		pair = PyTuple_Pack(2, n, v);
	Py_XDECREF(n);
	Py_XDECREF(v);
	return append(list, pair);
}

/* Calls visit for each item of the list (with the members of a tuple) until
 * it answers something true.  Gives up the list. */
static PyObject *
visit_all(PyObject *list, PyObject *visit, int is_pairs)
{
	PyObject *answer = NULL;
	int is_true = 0;

	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
		PyObject *item = PyList_GET_ITEM(list, i);

		answer = is_pairs ? PyObject_Call(visit, item, NULL) :
		    PyObject_CallOneArg(visit, item);
		if (answer == NULL || (is_true = PyObject_IsTrue(answer)) != 0)
			break;
		Py_CLEAR(answer);
	}
	if (is_true == -1)
		Py_CLEAR(answer);
	Py_DECREF(list);
	return answer == NULL && !PyErr_Occurred() ? PyLong_FromLong(0) : answer;
}

/* The list, or what the visit function among the arguments makes of it. */
static PyObject *
finish(PyObject *list, int failed, PyObject *const *args, Py_ssize_t count, int is_pairs)
{
	if (failed) {
		Py_DECREF(list);
		return NULL;
	}
	if (count == 0 || args[0] == Py_None)
		return list;
	return visit_all(list, args[0], is_pairs);
}

/* The request, and a list to fill, for a function each_... */
static servlet *
begin(PyObject *self, const char *name, Py_ssize_t count, PyObject **list)
{
	servlet *s = api_request(self);

	if (s == NULL || api_check_count(name, count, 0, 1) == -1 ||
	    (*list = PyList_New(0)) == NULL)
		return NULL;
	return s;
}

#define EACH_PAIR(name)								\
	PyObject *								\
	api_##name(PyObject *self, PyObject *const *args, Py_ssize_t count)	\
	{									\
		PyObject *list;							\
		servlet *s = begin(self, #name, count, &list);			\
										\
		return s == NULL ? NULL :					\
		    finish(list, name(s, append_pair, list), args, count, 1);	\
	}

EACH_PAIR(each_header)
EACH_PAIR(each_arg)
EACH_PAIR(each_form)
EACH_PAIR(each_cookie)

/* ---------------------------------------------------------------- uploads */

static PyObject *
upload_new(const struct upload *u)
{
	struct upload_object *self = PyObject_New(struct upload_object, &upload_type);

	if (self == NULL)
		return NULL;
	self->file = NULL;
	self->size = u->size;
	self->fd = u->fd;
	self->own = -1;
	self->field = text_new(u->field);
	self->file_name = text_new(u->file_name);
	self->type = text_new(u->type);
	if (self->field == NULL || self->file_name == NULL || self->type == NULL)
		Py_CLEAR(self);
	else if ((self->own = fcntl(u->fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		PyErr_SetFromErrno(PyExc_OSError);
		Py_CLEAR(self);
	}
	return (PyObject *)self;
}

static void
upload_dealloc(PyObject *object)
{
	struct upload_object *self = (struct upload_object *)object;

	Py_XDECREF(self->field);
	Py_XDECREF(self->file_name);
	Py_XDECREF(self->type);
	Py_XDECREF(self->file);
	if (self->own != -1)
		close(self->own);
	PyObject_Free(self);
}

static PyObject *
upload_file(PyObject *object, void *unused)
{
	struct upload_object *self = (struct upload_object *)object;

	(void)unused;
	if (self->file == NULL) {
		if (lseek(self->own, 0, SEEK_SET) == -1)
			return PyErr_SetFromErrno(PyExc_OSError);
		self->file = PyFile_FromFd(self->own, NULL, "rb", -1, NULL, NULL, NULL, 1);
		if (self->file == NULL)
			return NULL;
		self->own = -1;
	}
	return Py_NewRef(self->file);
}

static PyObject *
upload_read(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *file, *octets;

	if (api_check_count("read", count, 0, 1) == -1 ||
	    (file = upload_file(self, NULL)) == NULL)
		return NULL;
	octets = count == 0 ? PyObject_CallMethod(file, "read", NULL) :
	    PyObject_CallMethod(file, "read", "O", args[0]);
	Py_DECREF(file);
	return octets;
}

static PyMemberDef upload_members[] = {
	{ "field", T_OBJECT_EX, offsetof(struct upload_object, field), READONLY,
	    "name of the form's field" },
	{ "file_name", T_OBJECT_EX, offsetof(struct upload_object, file_name), READONLY,
	    "as the client sent it: never use it as a path" },
	{ "type", T_OBJECT_EX, offsetof(struct upload_object, type), READONLY,
	    "media type of the part" },
	{ "size", T_LONGLONG, offsetof(struct upload_object, size), READONLY, "octets" },
	{ "fd", T_INT, offsetof(struct upload_object, fd), READONLY,
	    "descriptor, the server's: valid until run returns" },
	{ NULL, 0, 0, 0, NULL }
};

static PyGetSetDef upload_getters[] = {
	{ "file", upload_file, NULL, "a binary file that reads the upload", NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static PyMethodDef upload_methods[] = {
	{ "read", (PyCFunction)(void (*)(void))upload_read, METH_FASTCALL,
	    "read($self, size=-1, /)\n--\n\nfile.read(size)" },
	{ NULL, NULL, 0, NULL }
};

static PyTypeObject upload_type = {
	PyVarObject_HEAD_INIT(NULL, 0)
	.tp_name = "modserver.Upload",
	.tp_doc = "A file uploaded in a multipart/form-data body.",
	.tp_basicsize = sizeof(struct upload_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_dealloc = upload_dealloc,
	.tp_members = upload_members,
	.tp_getset = upload_getters,
	.tp_methods = upload_methods,
};

static int
append_upload(void *list, const struct upload *u)
{
	return append(list, upload_new(u));
}

PyObject *
api_each_upload(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *list;
	servlet *s = begin(self, "each_upload", count, &list);

	return s == NULL ? NULL :
	    finish(list, each_upload(s, append_upload, list), args, count, 0);
}

PyObject *
api_get_upload(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	servlet *s = api_request(self);
	const struct upload *u;
	struct text t;

	if (s == NULL || api_check_count("get_upload", count, 1, 1) == -1 ||
	    text_get(&t, args[0]) == -1)
		return NULL;
	u = t.has_nul ? NULL : get_upload(s, t.octets);
	text_clear(&t);
	if (u == NULL)
		Py_RETURN_NONE;
	return upload_new(u);
}

/* ----------------------------------------------------------------- routes */

static PyStructSequence_Field route_fields[] = {
	{ "route", "as configured: '/hello', '/shop/*'" },
	{ "language", "the module's name: 'so', 'lua', 'python', ..." },
	{ "description", "of the configuration, or ''" },
	{ "file", "as configured" },
	{ NULL, NULL }
};

static PyStructSequence_Desc route_description = {
	"modserver.Route", "A servlet that this server has loaded.", route_fields, 4
};

static int
append_route(void *list, const struct route_info *r)
{
	const char *const texts[] = { r->route, r->language, r->description, r->file };
	PyObject *route = PyStructSequence_New(&route_type), *text;

	for (int i = 0; route != NULL && i < 4; i++) {
		if ((text = text_new(texts[i])) == NULL)
			Py_CLEAR(route);
		else
			PyStructSequence_SET_ITEM(route, i, text);
	}
	return append(list, route);
}

PyObject *
api_each_route(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
	PyObject *list;
	servlet *s = begin(self, "each_route", count, &list);

	return s == NULL ? NULL :
	    finish(list, each_route(s, append_route, list), args, count, 0);
}

/* ------------------------------------------------------------------ types */

int
each_add_types(PyObject *module)
{
	if (PyType_Ready(&upload_type) == -1 ||
	    PyStructSequence_InitType2(&route_type, &route_description) == -1 ||
	    PyModule_AddObjectRef(module, "Upload", (PyObject *)&upload_type) == -1)
		return -1;
	return PyModule_AddObjectRef(module, "Route", (PyObject *)&route_type);
}
