/*
 * program.h - the parts of the Python module as they see each other.
 *
 * python.c is the table of functions and holds the GIL around everything;
 * the rest is called with the GIL held and by the main thread only.
 *
 *	runtime.c	starts the interpreter: which one, which venv
 *	home.c		a directory's own modules, in front of sys.path
 *	script.c	loads a servlet's file or a "pkg.module:name"
 *	api.c		what a servlet calls: the built-in module `modserver`,
 *	response.c	with its methods that make the response,
 *	each.c		and those that visit several things
 *	error.c		exceptions into the error log
 *	wsgi.c		WSGI applications; wsgi.h has its parts
 *
 * Functions that return int answer 0, or -1 with a Python exception set.
 */
#ifndef PYTHON_PROGRAM_H
#define PYTHON_PROGRAM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "module/module.h"

/* ----------------------------------------------------------------- runtime */

/* Starts the interpreter; the caller holds the GIL afterwards.  0, or -1 and
 * error, in which case there may be no interpreter. */
int runtime_start(const struct module_option *options, size_t count, char *error);

/* "Python 3.11.2, prefix /usr, /usr/lib/libpython3.11.so.1.0" */
const char *runtime_version(void);

/* Around forks of workers: the garbage collector rests in the zygote and leaves
 * what was loaded there alone, so that workers go on sharing its memory. */
void runtime_before_fork(void);
void runtime_after_fork(void);

/* Threads of servlets that are there when the first worker is forked; in that
 * worker: whether somebody must be told that they are not there any more. */
void runtime_note_threads(void);
void runtime_miss_threads(void);

/* Writes out what print has buffered. */
void runtime_flush(void);

/* What the interpreter does at its end: waits for threads; atexit. */
void runtime_end(void);

/* Writes where that thread is, frame by frame.  For a signal handler. */
void runtime_trace(PyThreadState *state, int fd);

/* -------------------------------------------------------------------- home */

/* A directory whose modules belong to the servlets that lie in it. */
struct home;

/* The home of that directory, or NULL and an exception. */
struct home *home_of(const char *directory);

/* Makes it the current one: first on sys.path, and its modules in
 * sys.modules in place of those of other homes.  Free if it is already. */
int home_enter(struct home *home);

/* Visits the files of the modules that were found in homes. */
void home_each_file(void (*visit)(void *context, const char *path), void *context);

/* ------------------------------------------------------------------ script */

/* Loads the file (current home: its directory) and returns its module: a
 * borrowed reference that stays.  The same file is loaded once. */
PyObject *script_load(const char *path);

/* Imports "pkg.module:name" and returns the callable, a new reference; for
 * "pkg.module:name()" what calling it returns. */
PyObject *script_import(const char *path);

/* ------------------------------------------------------------------- error */

/* Logs the current exception with its traceback and clears it: with rlog, or
 * to standard error if s is NULL. */
void error_log(servlet *s);

/* Puts it into error[MODULE_ERROR_MAX] (its end, if it is longer) and clears
 * it. */
void error_text(char *error);

/* Remembers the files that the current exception, which stays, has to do with:
 * those of its traceback and where the syntax is wrong. */
void error_note_files(void);

/* Visits them. */
void error_each_file(void (*visit)(void *context, const char *path), void *context);

/* Keeps what the two need.  Call once. */
int error_open(void);

/* --------------------------------------------------------------------- api */

/* The built-in module `modserver`; for PyImport_AppendInittab(). */
PyObject *api_module(void);

/* A new object that stands for requests: the argument of run(s). */
PyObject *api_servlet_new(void);

/* Binds it to a request, or with NULL to none: then it refuses all calls. */
void api_servlet_bind(PyObject *self, servlet *s);

/* The request it is bound to.  NULL and RuntimeError if there is none, or if
 * this is not the thread that runs servlets. */
servlet *api_request(PyObject *self);

/* The same for a request that another object is bound to. */
servlet *api_usable(servlet *s);

/* Whether this is the thread that runs servlets. */
int api_is_main_thread(void);

/* A str that is UTF-8 for C.  If it holds surrogates (octets that were no
 * UTF-8), `owner` has the encoded form; give it back with text_clear. */
struct text {
	const char *octets;
	Py_ssize_t length;
	PyObject *owner;
	int has_nul;
};
int text_get(struct text *t, PyObject *str);
void text_clear(struct text *t);

/* str of C's UTF-8 (surrogateescape for what is not); None for NULL. */
PyObject *text_new(const char *octets);

/* Methods of Servlet that are in response.c. */
PyObject *api_set_status(PyObject *self, PyObject *status);
PyObject *api_set_header(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_add_header(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_rwrite(PyObject *self, PyObject *object);
PyObject *api_rprintf(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_rlog(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_rflush(PyObject *self, PyObject *unused);
PyObject *api_rsendfile(PyObject *self, PyObject *args, PyObject *named);

/* Methods of Servlet that are in each.c. */
PyObject *api_each_header(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_each_arg(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_each_form(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_each_cookie(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_each_upload(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_each_route(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *api_get_upload(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* Adds Upload and Route to the module. */
int each_add_types(PyObject *module);

/* TypeError unless least <= count <= most. */
int api_check_count(const char *name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most);

/* -------------------------------------------------------------------- wsgi */

/* Prepares for this application, which may be the first.  0, or -1 with an exception. */
int wsgi_open(PyObject *application);

/* Answers the request by the application. */
int wsgi_run(PyObject *application, servlet *s);

#endif
