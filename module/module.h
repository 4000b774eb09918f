/*
 * module.h - what a language module is to the server, and all it sees of it.
 *
 * A module is a shared library (module/NAME.so) that exports one table:
 *
 *	const struct module modserver_module = { .abi = MODULE_ABI, ... };
 *
 * The server calls its functions from one thread only, the main one.
 * No exception, longjmp or panic may leave any of them.  None may exit,
 * and none may change a signal's disposition for good: the server puts
 * dispositions back after start and open (see MODULE_KEEPS_SIGNALS).
 *
 * Where errors are text, `error` holds MODULE_ERROR_MAX octets; write a
 * NUL-terminated message there, several lines if the language has a
 * traceback.  The server logs it with file and line of the configuration.
 */
#ifndef MODULE_H
#define MODULE_H

#include "modserver.h"

/* Raised when this structure or the meaning of a function changes.  A
 * module of another version is refused. */
#define MODULE_ABI 5u

#define MODULE_ERROR_MAX 4096

/* What run answers when the client must not take what it got for all there is. */
#define MODULE_CUT (-2)

/* Where a program must be loaded. */
enum module_place {
	MODULE_IN_ZYGOTE,	/* once, before fork: workers share its memory */
	MODULE_IN_WORKER	/* in each worker, at its first request: for runtimes
				 * that start threads and do not survive fork */
};

/* One option of load_module { ... } that is not the server's own.  One that is
 * a table comes as several: each of its values under the same name, each of its
 * named fields as "NAME.FIELD". */
struct module_option {
	const char *name;
	const char *value;	/* numbers and booleans as text: "1", "true" */
	const char *directory;	/* of the configuration file that says so, absolute:
				 * what a path among the options is relative to */
};

/* What the configuration says of one servlet.  Lives as long as the process. */
struct module_servlet {
	const char *path;	/* of the file, absolute; or "pkg.module:name" as written */
	const char *route;	/* "/hello", "/shop" + "/" + "*" */
	const char *directory;	/* of the configuration file, absolute */
	const struct module_option *options;	/* unknown fields of load_servlet { } */
	size_t option_count;
};

enum module_flag {
	MODULE_KEEPS_SIGNALS = 1	/* handlers for SEGV, BUS, FPE and URG that open
					 * installs stay (Go needs them) */
};

struct module {
	unsigned abi;		/* MODULE_ABI; first: it protects the rest */
	unsigned flags;		/* of enum module_flag */
	const char *name;	/* "lua": what the index page and the logs call it */

	/* Starts the runtime; called once per generation, in the zygote, before
	 * any open (for a program of MODULE_IN_WORKER the runtime starts in its
	 * open).  An option it does not know is an error.  0, or -1 and error.
	 * May be NULL when there are no options. */
	int (*start)(const struct module_option *options, size_t count, char *error);

	/* One line for the log at start: version, prefix, path of the runtime.
	 * Called after start.  May be NULL. */
	const char *(*version)(void);

	/* Where this file must be loaded, without loading it.  NULL: in the zygote. */
	enum module_place (*place)(const char *path);

	/* Of a program of MODULE_IN_WORKER: what can be told of it without loading
	 * it, so that mistakes keep the server from starting.  0, or -1 and error.
	 * May be NULL. */
	int (*check)(const struct module_servlet *servlet, char *error);

	/* Loads one servlet.  Returns the module's own handle, or NULL and error. */
	void *(*open)(const struct module_servlet *servlet, char *error);

	/* The servlet's init, once per process before the first run there.  0, or
	 * -1: it failed and has logged why with rlog; the request is answered
	 * 500 and the next one tries again.  May be NULL. */
	int (*init)(void *program, servlet *s);

	/* Answers one request.  0, or -1: failed, has logged why with rlog; or
	 * MODULE_CUT: nothing more is sent, and the connection ends here. */
	int (*run)(void *program, servlet *s);

	/* The servlet's cleanup, in a process that ran its init, before it exits. */
	void (*close)(void *program);

	/* Around every fork of a worker: before and after_parent in the zygote,
	 * after_child in the new worker.  May be NULL. */
	void (*before_fork)(void);
	void (*after_fork_parent)(void);
	void (*after_fork_child)(void);

	/* For a runtime that must fork by itself (Ruby): as fork(2).  At most one
	 * loaded module may have it.  NULL otherwise. */
	pid_t (*fork)(void);

	/* A worker waits for requests: calls sleep(argument) with the runtime's
	 * lock released, so that threads which a servlet has started go on.  May
	 * return without having called it.  NULL: nothing to release. */
	void (*idle)(void (*sleep)(void *), void *argument);

	/* For a runtime that is slow to enter from a thread it has not started (Go):
	 * calls work(argument), which is the life of the worker from now on, from
	 * inside the runtime, where run is entered at less cost.  For a program of
	 * MODULE_IN_WORKER, once it is open; work returns when the worker ends or
	 * another program has been opened.  0, or -1 without having called it, if
	 * there is nothing to enter.  May be NULL. */
	int (*inside)(void *program, void (*work)(void *), void *argument);

	/* For reload "on", once after all opens, also if one has failed: visits
	 * the files that programs were made of besides those of the
	 * configuration, absolute: what they have imported from directories of
	 * their own (not what is installed), and where a failed one is to be
	 * mended.  When one of them changes, the server reloads.  May be NULL. */
	void (*each_file)(void (*visit)(void *context, const char *path), void *context);

	/* Run has crashed, or is over its time: writes to fd where the program is in
	 * its own language, a line for each frame, the innermost first.  Called from
	 * a signal handler, in the thread that called run, and neither takes locks nor
	 * allocates; should it crash, nothing is lost but the rest of it.  May be NULL. */
	void (*trace)(void *program, int fd);
};

/* Lets the server answer for another local path instead: target is a path
 * with perhaps a query ("/a?b=c").  What has been written is dropped, and once
 * run has returned 0 the target's servlet runs, for a GET request without a
 * body (RFC 3875, 6.2.2).  0, or -1 after a line in the log: too late. */
MODSERVER_API int module_redirect(servlet *s, const char *target);

/* Our own address on the connection that the request came over, which may be a
 * proxy's: "192.0.2.1", "::1", or "unix".  Lives as long as the request.  And its
 * port, 0 where there is none. */
MODSERVER_API const char *module_server_addr(servlet *s);
MODSERVER_API int module_server_port(servlet *s);

/* Writes a text of any number of lines to the error log: with the request's id,
 * as rlog() does, or without if s is NULL.  NUL shows as \x00. */
MODSERVER_API void module_log(servlet *s, const char *text, size_t length);

/* The one symbol a module exports. */
extern MODSERVER_API const struct module modserver_module;

#endif
