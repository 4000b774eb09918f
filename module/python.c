/*
 * python.c - servlets in Python 3, and WSGI applications.
 *
 * The interpreter and all servlets are loaded in the zygote, so that workers
 * share their memory.  Each servlet file is a module of its own in the one
 * interpreter.  The GIL is held while one of the functions below runs and
 * released when it returns: threads that a servlet has started go on while
 * the worker waits for its next request.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/program.h"

struct program {
	struct program *next;
	struct home *home;
	PyObject *module;	/* NULL for "pkg.module:name" */
	PyObject *run;		/* run(s), or NULL */
	PyObject *application;	/* WSGI, if there is no run */
	PyObject *init, *cleanup;	/* or NULL */
	PyObject *self;		/* what run is called with, from request to request */
	int initialised;	/* in this process */
};

static struct program *programs;
static PyThreadState *main_state;	/* while the GIL is released */
static servlet *current;		/* the request being answered */
static int is_copy;			/* this process was forked by a servlet */

static void
take_gil(void)
{
	PyEval_RestoreThread(main_state);
}

static void
release_gil(void)
{
	main_state = PyEval_SaveThread();
}

/* ------------------------------------------------------------------- fork */

static void
module_before_fork(void)
{
	take_gil();
	runtime_before_fork();
	PyOS_BeforeFork();
	runtime_note_threads();
}

static void
module_after_fork_parent(void)
{
	PyOS_AfterFork_Parent();
	release_gil();
}

static void
module_after_fork_child(void)
{
	PyOS_AfterFork_Child();
	runtime_after_fork();
	runtime_miss_threads();
	release_gil();
}

/* Called by the interpreter in every child that it forks. */
static PyObject *
note_fork(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	if (current != NULL)
		is_copy = 1;
	Py_RETURN_NONE;
}

static PyMethodDef note_fork_method = { "note_fork", note_fork, METH_NOARGS, NULL };

static int
watch_forks(void)
{
	PyObject *os = PyImport_ImportModule("os"), *function = NULL, *registry = NULL;
	PyObject *none = PyTuple_New(0), *named = NULL, *result = NULL;

	if (os != NULL && none != NULL &&
	    (function = PyCFunction_New(&note_fork_method, NULL)) != NULL &&
	    (named = Py_BuildValue("{sO}", "after_in_child", function)) != NULL &&
	    (registry = PyObject_GetAttrString(os, "register_at_fork")) != NULL)
		result = PyObject_Call(registry, none, named);
	Py_XDECREF(os);
	Py_XDECREF(none);
	Py_XDECREF(function);
	Py_XDECREF(named);
	Py_XDECREF(registry);
	Py_XDECREF(result);
	return result == NULL ? -1 : 0;
}

/* A servlet has called os.fork() and its child has come back from run: it must
 * not go on as a second worker with the first one's connections. */
static void
end_copy(int failed)
{
	int status = 0;

	if (failed) {
		status = 1;
		if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
			PyObject *type, *value, *traceback, *code;

			PyErr_Fetch(&type, &value, &traceback);
			PyErr_NormalizeException(&type, &value, &traceback);
			code = PyObject_GetAttrString(value, "code");
			if (code == Py_None)
				status = 0;
			else if (code != NULL && PyLong_Check(code))
				status = (int)(PyLong_AsLong(code) & 255);
			PyErr_Clear();
		} else {
			error_log(current);
		}
	}
	runtime_flush();
	_exit(status);
}

/* ------------------------------------------------------------------ loading */

static int
module_start(const struct module_option *options, size_t count, char *error)
{
	if (runtime_start(options, count, error) == -1)
		return -1;
	if (watch_forks() == -1 || error_open() == -1) {
		error_text(error);
		release_gil();
		return -1;
	}
	release_gil();
	return 0;
}

/* The module's function of that name, or NULL without an exception.  What a
 * star import has brought is not meant: it is callable, but not the servlet's. */
static PyObject *
function_of(PyObject *module, const char *name)
{
	PyObject *function = PyDict_GetItemString(PyModule_GetDict(module), name);

	if (function == NULL || !PyCallable_Check(function))
		return NULL;
	Py_INCREF(function);
	return function;
}

static int
find_functions(struct program *p, const char *path)
{
	p->run = function_of(p->module, "run");
	if (p->run != NULL) {
		p->init = function_of(p->module, "init");
		p->cleanup = function_of(p->module, "cleanup");
		return 0;
	}
	/* An application's functions of those names are its own business. */
	p->application = function_of(p->module, "application");
	if (p->application == NULL)
		p->application = function_of(p->module, "app");
	if (p->application != NULL)
		return wsgi_open(p->application);
	PyErr_Format(PyExc_AttributeError, "%s defines neither run(s) "
	    "nor a WSGI application called application or app", path);
	return -1;
}

static int
load_file(struct program *p, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));

	if (directory == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	p->home = home_of(directory);
	free(directory);
	if (p->home == NULL || home_enter(p->home) == -1 ||
	    (p->module = script_load(path)) == NULL)
		return -1;
	return find_functions(p, path);
}

static int
load_application(struct program *p, const struct module_servlet *servlet)
{
	p->home = home_of(servlet->directory);
	if (p->home == NULL || home_enter(p->home) == -1)
		return -1;
	p->application = script_import(servlet->path);
	return p->application == NULL ? -1 : wsgi_open(p->application);
}

static void
program_free(struct program *p)
{
	Py_XDECREF(p->run);
	Py_XDECREF(p->application);
	Py_XDECREF(p->init);
	Py_XDECREF(p->cleanup);
	Py_XDECREF(p->self);
	free(p);
}

static void *
module_open(const struct module_servlet *servlet, char *error)
{
	struct program *p;
	int loaded;

	if (servlet->option_count > 0) {
		snprintf(error, MODULE_ERROR_MAX, "a Python servlet has no option \"%s\"",
		    servlet->options[0].name);
		return NULL;
	}
	if ((p = calloc(1, sizeof(*p))) == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "out of memory");
		return NULL;
	}
	take_gil();
	loaded = (p->self = api_servlet_new()) == NULL ? -1 :
	    servlet->path[0] == '/' ? load_file(p, servlet->path) :
	    load_application(p, servlet);
	if (loaded == -1) {
		error_note_files();
		error_text(error);
		program_free(p);
		p = NULL;
	} else {
		p->next = programs;
		programs = p;
	}
	runtime_flush();
	release_gil();
	return p;
}

/* ------------------------------------------------------------------ running */

static int
call(struct program *p, PyObject *function)
{
	PyObject *result = PyObject_CallOneArg(function, p->self);
	int is_coroutine;

	if (result == NULL)
		return -1;
	is_coroutine = PyCoro_CheckExact(result);
	Py_DECREF(result);
	if (!is_coroutine)
		return 0;
	PyErr_SetString(PyExc_TypeError,
	    "a servlet's function must be a plain one, not async def");
	return -1;
}

/* Calls function with self for the request; NULL: the application. */
static int
answer(struct program *p, PyObject *function, servlet *s)
{
	int failed;

	take_gil();
	current = s;
	api_servlet_bind(p->self, s);
	failed = home_enter(p->home) == -1 ? -1 :
	    function != NULL ? call(p, function) : wsgi_run(p->application, s);
	if (is_copy)
		end_copy(failed);
	if (failed)
		error_log(s);
	api_servlet_bind(p->self, NULL);
	if (Py_REFCNT(p->self) > 1) {
		/* Somebody keeps it: it must not come alive with the next request. */
		PyObject *fresh = api_servlet_new();

		if (fresh != NULL)
			Py_SETREF(p->self, fresh);
		else
			PyErr_Clear();
	}
	current = NULL;
	release_gil();
	return failed;
}

/* Another route's program with the same module, if it was initialised here. */
static int
is_module_initialised(const struct program *p)
{
	for (const struct program *o = programs; o != NULL; o = o->next)
		if (o != p && o->initialised && o->module != NULL && o->module == p->module)
			return 1;
	return 0;
}

static int
module_init(void *program, servlet *s)
{
	struct program *p = program;

	if (p->init != NULL && !is_module_initialised(p) && answer(p, p->init, s) == -1)
		return -1;
	p->initialised = 1;
	return 0;
}

static int
module_run(void *program, servlet *s)
{
	struct program *p = program;

	return answer(p, p->run, s);
}

static void
module_each_file(void (*visit)(void *context, const char *path), void *context)
{
	take_gil();
	home_each_file(visit, context);
	error_each_file(visit, context);
	release_gil();
}

static void
module_close(void *program)
{
	struct program *p = program;
	int last = 1;

	take_gil();
	p->initialised = 0;
	/* Of a module on several routes the last one cleans up. */
	if (p->cleanup != NULL && !is_module_initialised(p)) {
		PyObject *result = home_enter(p->home) == -1 ? NULL :
		    PyObject_CallNoArgs(p->cleanup);

		if (result == NULL)
			error_log(NULL);
		Py_XDECREF(result);
	}
	for (const struct program *o = programs; o != NULL; o = o->next)
		last = last && !o->initialised;
	if (last)
		runtime_end();
	release_gil();
}

static void
module_trace(void *program, int fd)
{
	(void)program;
	runtime_trace(main_state, fd);
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.name = "python",
	.start = module_start,
	.version = runtime_version,
	.open = module_open,
	.init = module_init,
	.run = module_run,
	.close = module_close,
	.before_fork = module_before_fork,
	.after_fork_parent = module_after_fork_parent,
	.after_fork_child = module_after_fork_child,
	.each_file = module_each_file,
	.trace = module_trace,
};
