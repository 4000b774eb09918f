/*
 * runtime.c - the interpreter: which one, with which virtual environment.
 *
 * "Which Python is this?" must never be a riddle: it is the one whose
 * libpython this module is linked to, with that installation's own library,
 * whatever PATH says; a virtual environment must have been made by it.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)
/* A worker that leaves waits so long for the threads of its servlets. */
#define THREADS_END_S 30

#define PYTHON_X_Y "python" STRING(PY_MAJOR_VERSION) "." STRING(PY_MINOR_VERSION)

static char libpython[PATH_MAX];
static PyObject *collect_after;	/* gc.get_threshold() as it was */
static PyObject *loaded_threads;	/* those there were at the first fork, or NULL */
/* What faulthandler uses; not every version of Python exports it. */
static void (*dump_traceback)(int fd, PyThreadState *);

/* Puts the message into error, cut if need be.  Returns -1. */
static int refuse(char *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
refuse(char *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, MODULE_ERROR_MAX, format, arguments);
	va_end(arguments);
	return -1;
}

static void
find_libpython(void)
{
	Dl_info info;

	if (dladdr((void *)Py_InitializeFromConfig, &info) == 0 || info.dli_fname == NULL)
		return;
	/* Debian's extension modules do not link libpython: they look for it
	 * among the global symbols. */
	(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	if (realpath(info.dli_fname, libpython) == NULL)
		snprintf(libpython, sizeof(libpython), "%s", info.dli_fname);
	*(void **)&dump_traceback = dlsym(RTLD_DEFAULT, "_Py_DumpTraceback");
}

/* The interpreter program of libpython's own installation. */
static int
find_program(char *program, char *error)
{
	static const char *const usual[] = { "/usr/bin/", "/usr/local/bin/" };
	char *slash = strrchr(libpython, '/');

	/* PREFIX/lib/libpython beside PREFIX/bin/python; Debian has its
	 * libraries a directory further down. */
	if (slash != NULL) {
		snprintf(program, PATH_MAX, "%.*s/../bin/" PYTHON_X_Y,
		    (int)(slash - libpython), libpython);
		if (access(program, X_OK) == 0)
			return 0;
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		snprintf(program, PATH_MAX, "%s" PYTHON_X_Y, usual[i]);
		if (access(program, X_OK) == 0)
			return 0;
	}
	return refuse(error, "no " PYTHON_X_Y " that belongs to %s is installed", libpython);
}

/* venv's interpreter program into `program`; `own` is ours. */
static int
find_venv(const struct module_option *option, const char *own, char *program, char *error)
{
	char venv[PATH_MAX / 2], path[PATH_MAX];
	int length;

	length = option->value[0] == '/' || option->directory == NULL ?
	    snprintf(venv, sizeof(venv), "%s", option->value) :
	    snprintf(venv, sizeof(venv), "%s/%s", option->directory, option->value);
	if ((size_t)length >= sizeof(venv))
		return refuse(error, "venv: the path is too long");
	snprintf(path, sizeof(path), "%s/pyvenv.cfg", venv);
	if (access(path, R_OK) == -1)
		return refuse(error, "venv: \"%s\" is no virtual environment (no %s); "
		    "make one: %s -m venv %s", venv, path, own, venv);
	snprintf(path, sizeof(path), "%s/lib/" PYTHON_X_Y, venv);
	snprintf(program, PATH_MAX, "%s/bin/python3", venv);
	if (access(path, X_OK) == -1 || access(program, X_OK) == -1)
		return refuse(error, "venv: \"%s\" is not one of " PYTHON_X_Y ", which "
		    "this module embeds; make one: %s -m venv %s", venv, own, venv);
	return 0;
}

static int
fail(PyStatus status, char *error)
{
	return refuse(error, "Python does not start: %s%s%s",
	    status.func == NULL ? "" : status.func, status.func == NULL ? "" : ": ",
	    status.err_msg == NULL ? "it wants to exit" : status.err_msg);
}

static int
initialize(const char *program, char *error)
{
	PyPreConfig before;
	PyConfig config;
	PyStatus status;

	/* UTF-8 whatever the locale, and the locale of the process, which is
	 * everybody's, stays as it is. */
	PyPreConfig_InitPythonConfig(&before);
	before.parse_argv = 0;
	before.utf8_mode = 1;
	before.configure_locale = 0;
	status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return fail(status, error);

	PyConfig_InitPythonConfig(&config);
	config.parse_argv = 0;
	config.install_signal_handlers = 0;
	status = PyConfig_SetBytesString(&config, &config.program_name, program);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesString(&config, &config.executable, program);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return PyStatus_Exception(status) ? fail(status, error) : 0;
}

/* sys.name as UTF-8, borrowed; "" if there is none. */
static const char *
sys_text(const char *name)
{
	PyObject *object = PySys_GetObject(name);
	const char *text = object == NULL ? NULL : PyUnicode_AsUTF8(object);

	if (text == NULL)
		PyErr_Clear();
	return text == NULL ? "" : text;
}

/* A venv of another installation of the same version would bring that one's
 * standard library with it: what then fails, fails far from here. */
static int
check_prefix(const char *own, char *error)
{
	const char *base = sys_text("base_prefix");
	char ours[PATH_MAX], real[PATH_MAX], theirs[PATH_MAX];
	char *bin;

	if (realpath(own, real) == NULL || realpath(base, theirs) == NULL)
		return 0;
	snprintf(ours, sizeof(ours), "%s", real);
	bin = strstr(ours, "/bin/");
	if (bin == NULL)
		return 0;
	*bin = '\0';
	if (strcmp(ours, theirs) == 0)
		return 0;
	return refuse(error, "the Python library is that of %s, but this "
	    "module embeds %s of %s (is PYTHONHOME set, or was the virtual environment "
	    "made by another Python? make it with %s -m venv)", theirs, libpython, ours, own);
}

/* No garbage is collected while servlets are loaded: the holes it would leave
 * are where workers allocate, and each such page is copied. */
static int
suspend_collector(void)
{
	PyObject *gc = PyImport_ImportModule("gc"), *result = NULL;

	if (gc != NULL &&
	    (collect_after = PyObject_CallMethod(gc, "get_threshold", NULL)) != NULL)
		result = PyObject_CallMethod(gc, "set_threshold", "i", 0);
	Py_XDECREF(gc);
	Py_XDECREF(result);
	return result == NULL ? -1 : 0;
}

/* A line that is printed is seen at once: standard output is the error log. */
static int
set_line_buffering(void)
{
	PyObject *out = PySys_GetObject("stdout"), *method = NULL, *none = NULL;
	PyObject *named = NULL, *result = NULL;

	if (out == NULL || out == Py_None)
		return 0;
	if ((method = PyObject_GetAttrString(out, "reconfigure")) != NULL &&
	    (none = PyTuple_New(0)) != NULL &&
	    (named = Py_BuildValue("{sO}", "line_buffering", Py_True)) != NULL)
		result = PyObject_Call(method, none, named);
	Py_XDECREF(method);
	Py_XDECREF(none);
	Py_XDECREF(named);
	Py_XDECREF(result);
	return result == NULL ? -1 : 0;
}

int
runtime_start(const struct module_option *options, size_t count, char *error)
{
	char own[PATH_MAX], program[PATH_MAX];
	const struct module_option *venv = NULL;
	PyObject *modserver;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(options[i].name, "venv") != 0)
			return refuse(error, "module python has no option \"%s\"; "
			    "it has: venv", options[i].name);
		venv = &options[i];
	}
	find_libpython();
	if (find_program(own, error) == -1)
		return -1;
	snprintf(program, sizeof(program), "%s", own);
	if (venv != NULL && find_venv(venv, own, program, error) == -1)
		return -1;
	if (PyImport_AppendInittab("modserver", api_module) == -1)
		return refuse(error, "out of memory");
	if (initialize(program, error) == -1 || check_prefix(own, error) == -1)
		return -1;
	/* Imported here because s.rwrite() needs its types even where no servlet
	 * imports it. */
	modserver = PyImport_ImportModule("modserver");
	if (modserver == NULL || set_line_buffering() == -1 || suspend_collector() == -1) {
		error_text(error);
		return -1;
	}
	Py_DECREF(modserver);
	return 0;
}

const char *
runtime_version(void)
{
	static char text[2 * PATH_MAX];
	PyGILState_STATE gil = PyGILState_Ensure();

	snprintf(text, sizeof(text), "Python %.*s, prefix %s, %s",
	    (int)strcspn(Py_GetVersion(), " "), Py_GetVersion(), sys_text("prefix"),
	    libpython);
	PyGILState_Release(gil);
	return text;
}

/* Calls a function without arguments and forgets its answer. */
static void
call(const char *module_name, const char *function)
{
	PyObject *module = PyImport_ImportModule(module_name);
	PyObject *result = module == NULL ? NULL :
	    PyObject_CallMethod(module, function, NULL);

	if (result == NULL)
		error_log(NULL);
	Py_XDECREF(result);
	Py_XDECREF(module);
}

void
runtime_before_fork(void)
{
	static int is_frozen;

	runtime_flush();	/* or each child would print it again */
	if (is_frozen)
		return;
	is_frozen = 1;
	call("gc", "freeze");
}

void
runtime_after_fork(void)
{
	PyObject *gc = PyImport_ImportModule("gc"), *now = NULL, *result = NULL;

	if (gc != NULL && (now = PyObject_CallMethod(gc, "get_threshold", NULL)) != NULL)
		result = PyLong_AsLong(PyTuple_GetItem(now, 0)) != 0 ? Py_NewRef(Py_None) :
		    PyObject_CallMethod(gc, "set_threshold", "(OOO)", PyTuple_GET_ITEM(collect_after, 0),
		    PyTuple_GET_ITEM(collect_after, 1), PyTuple_GET_ITEM(collect_after, 2));
	if (result == NULL)
		error_log(NULL);
	Py_XDECREF(gc);
	Py_XDECREF(now);
	Py_XDECREF(result);
}

/* threading.enumerate() as a list, or NULL: nobody has threads. */
static PyObject *
threads(void)
{
	PyObject *threading = PyDict_GetItemString(PyImport_GetModuleDict(), "threading");
	PyObject *all = threading == NULL ? NULL :
	    PyObject_CallMethod(threading, "enumerate", NULL);

	if (all == NULL || !PyList_Check(all)) {
		PyErr_Clear();
		Py_CLEAR(all);
	}
	return all;
}

void
runtime_note_threads(void)
{
	static int is_noted;

	if (!is_noted)
		loaded_threads = threads();
	else
		Py_CLEAR(loaded_threads);
	is_noted = 1;
}

/* Only the thread that forks goes on in the child.  Who has started others there
 * again has thought of it. */
void
runtime_miss_threads(void)
{
	PyObject *now = loaded_threads == NULL ? NULL : threads(), *name;
	char text[512];
	int at;

	if (now == NULL || PyList_GET_SIZE(now) > 1 || PyList_GET_SIZE(loaded_threads) == 1) {
		Py_XDECREF(now);
		return;
	}
	at = snprintf(text, sizeof(text), "Python threads that were started while servlets were "
	    "loaded do not run in workers (start them in init, or by "
	    "os.register_at_fork(after_in_child=...)):");
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(loaded_threads); i++) {
		PyObject *thread = PyList_GET_ITEM(loaded_threads, i);

		if (thread == PyList_GET_ITEM(now, 0) || at >= (int)sizeof(text))
			continue;
		name = PyObject_GetAttrString(thread, "name");
		if (name != NULL && PyUnicode_Check(name) && PyUnicode_AsUTF8(name) != NULL)
			at += snprintf(text + at, sizeof(text) - (size_t)at, " %s", PyUnicode_AsUTF8(name));
		PyErr_Clear();
		Py_XDECREF(name);
	}
	module_log(NULL, text, strlen(text));
	Py_DECREF(now);
}

void
runtime_flush(void)
{
	static const char *const streams[] = { "stdout", "stderr" };

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		PyObject *stream = PySys_GetObject(streams[i]), *result;

		if (stream == NULL || stream == Py_None)
			continue;
		result = PyObject_CallMethod(stream, "flush", NULL);
		if (result == NULL)
			PyErr_Clear();
		Py_XDECREF(result);
	}
}

void
runtime_trace(PyThreadState *state, int fd)
{
	if (dump_traceback != NULL)
		dump_traceback(fd, state);
}

static void *
give_threads_up(void *unused)
{
	static const char text[] = "Python threads go on after " STRING(THREADS_END_S)
	    " s (they are no daemons): they end with their worker";

	(void)unused;
	sleep(THREADS_END_S);
	module_log(NULL, text, sizeof(text) - 1);
	_exit(0);
}

/* As at the end of any Python program those are waited for that are no daemons:
 * they may have a mail to send.  But not for ever: others need the worker's place. */
static void
end_threads(void)
{
	pthread_t thread;

	if (PyDict_GetItemString(PyImport_GetModuleDict(), "threading") != NULL &&
	    pthread_create(&thread, NULL, give_threads_up, NULL) == 0)
		call("threading", "_shutdown");
}

void
runtime_end(void)
{
	end_threads();
	call("atexit", "_run_exitfuncs");
	runtime_flush();
}
