/*
 * guile.c - servlets in Scheme, run by Guile 3.0.
 *
 * Guile and all servlets are loaded in the zygote.  Its collector follows a
 * fork by itself (pthread_atfork); a thread does not, so Guile is kept from
 * starting any, for marking or for finalizers.  Each servlet file is compiled
 * when it is loaded, into a module of its own.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guile/program.h"

#include <libguile/bdw-gc.h>

#include "guile_prelude.h"

struct program {
	SCM run, init, cleanup;		/* procedures or #f */
};

/* Of the prelude: they raise nothing, but answer what the log is to say. */
static SCM load_servlet, call_servlet, call_cleanup, after_fork, imported_files;

/* ----------------------------------------------------------------- start */

static SCM
procedure(const char *name)
{
	return scm_permanent_object(scm_variable_ref(scm_c_lookup(name)));
}

static void
define_module(void *unused)
{
	SCM code = scm_c_make_bytevector(sizeof(guile_prelude));

	(void)unused;
	api_open();
	memcpy(SCM_BYTEVECTOR_CONTENTS(code), guile_prelude, sizeof(guile_prelude));
	scm_call_0(scm_call_1(scm_c_public_ref("system vm loader", "load-thunk-from-memory"), code));
	each_open();
	load_servlet = procedure("load-servlet");
	call_servlet = procedure("call-servlet");
	call_cleanup = procedure("call-cleanup");
	after_fork = procedure("after-fork");
	imported_files = procedure("imported-files");
}

/* What is called through the barrier answers itself; an exception or a
 * continuation that would leave it is shown on standard error, and NULL. */
static void *
start(void *unused)
{
	(void)unused;
	(void)scm_c_define_module("modserver", define_module, NULL);
	return &load_servlet;
}

static int
module_start(const struct module_option *options, size_t count, char *error)
{
	if (count > 0) {
		snprintf(error, MODULE_ERROR_MAX,
		    "module guile has no option \"%s\" (it has none)", options[0].name);
		return -1;
	}
	GC_set_markers_count(1);
	scm_set_automatic_finalization_enabled(0);
	scm_init_guile();
	if (scm_c_with_continuation_barrier(start, NULL) == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "Guile does not start; the log says why");
		return -1;
	}
	return 0;
}

static void *
describe(void *text)
{
	char library[PATH_MAX] = "", *version = scm_to_utf8_string(scm_version());
	char *prefix = scm_to_utf8_string(scm_c_eval_string("(assq-ref %guile-build-info 'prefix)"));
	Dl_info info;

	if (dladdr((void *)scm_init_guile, &info) != 0 && info.dli_fname != NULL &&
	    realpath(info.dli_fname, library) == NULL)
		snprintf(library, sizeof(library), "%s", info.dli_fname);
	snprintf(text, 2 * PATH_MAX, "Guile %s, prefix %s, %s", version, prefix, library);
	free(version);
	free(prefix);
	return text;
}

static const char *
module_version(void)
{
	static char text[2 * PATH_MAX] = "Guile";

	(void)scm_c_with_continuation_barrier(describe, text);
	return text;
}

/* --------------------------------------------------------------- loading */

struct loading {
	const char *path;
	struct program *program;
	char *error;
};

static void *
load(void *argument)
{
	struct loading *l = argument;
	SCM answer = scm_call_1(load_servlet, scm_from_locale_string(l->path));
	char *text;

	api_end(scm_is_string(answer));
	if (scm_is_string(answer)) {
		text = scm_to_utf8_stringn(answer, NULL);
		snprintf(l->error, MODULE_ERROR_MAX, "%s", text);
		free(text);
		return NULL;
	}
	scm_gc_protect_object(answer);
	l->program->run = scm_car(answer);
	l->program->init = scm_cadr(answer);
	l->program->cleanup = scm_caddr(answer);
	return l->program;
}

static void *
module_open(const struct module_servlet *servlet, char *error)
{
	struct loading l = { servlet->path, NULL, error };

	if (servlet->option_count > 0) {
		snprintf(error, MODULE_ERROR_MAX,
		    "a Guile servlet has no option \"%s\"", servlet->options[0].name);
		return NULL;
	}
	if ((l.program = calloc(1, sizeof(*l.program))) == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "out of memory");
		return NULL;
	}
	snprintf(error, MODULE_ERROR_MAX, "it could not be loaded");
	if (scm_c_with_continuation_barrier(load, &l) == NULL) {
		free(l.program);
		return NULL;
	}
	return l.program;
}

/* --------------------------------------------------------------- running */

struct call {
	SCM procedure;
	servlet *s;		/* NULL: of cleanup */
};

static void *
call(void *argument)
{
	struct call *c = argument;
	SCM failure = c->s == NULL ? scm_call_1(call_cleanup, c->procedure) :
	    scm_call_2(call_servlet, c->procedure, api_begin(c->s));

	if (scm_is_string(failure)) {
		api_log(failure);
		return NULL;
	}
	return c;
}

static int
answer(SCM procedure, servlet *s)
{
	struct call c = { procedure, s };
	int failed = scm_c_with_continuation_barrier(call, &c) == NULL;

	api_end(failed);
	return failed ? -1 : 0;
}

static int
module_init(void *program, servlet *s)
{
	const struct program *p = program;

	return scm_is_false(p->init) ? 0 : answer(p->init, s);
}

static int
module_run(void *program, servlet *s)
{
	const struct program *p = program;

	return answer(p->run, s);
}

static void
module_close(void *program)
{
	const struct program *p = program;

	if (scm_is_true(p->cleanup))
		(void)answer(p->cleanup, NULL);
}

/* ------------------------------------------------------------ the process */

static void *
call_after_fork(void *unused)
{
	(void)unused;
	return scm_call_0(after_fork);
}

static void
module_after_fork_child(void)
{
	(void)scm_c_with_continuation_barrier(call_after_fork, NULL);
}

struct idle {
	void (*sleep)(void *);
	void *argument;
};

static void *
sleep_outside(void *argument)
{
	struct idle *idle = argument;

	idle->sleep(idle->argument);
	return NULL;
}

/* So that the collector need not stop this thread, if others go on. */
static void
module_idle(void (*sleep)(void *), void *argument)
{
	struct idle idle = { sleep, argument };

	scm_run_finalizers();
	(void)scm_without_guile(sleep_outside, &idle);
}

struct visiting {
	void (*visit)(void *context, const char *path);
	void *context;
};

static void *
visit_files(void *argument)
{
	struct visiting *v = argument;

	for (SCM files = scm_call_0(imported_files); scm_is_pair(files); files = SCM_CDR(files)) {
		char *path = scm_to_locale_string(SCM_CAR(files));

		v->visit(v->context, path);
		free(path);
	}
	return v;
}

static void
module_each_file(void (*visit)(void *context, const char *path), void *context)
{
	struct visiting v = { visit, context };

	(void)scm_c_with_continuation_barrier(visit_files, &v);
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.name = "guile",
	.start = module_start,
	.version = module_version,
	.open = module_open,
	.init = module_init,
	.run = module_run,
	.close = module_close,
	.after_fork_child = module_after_fork_child,
	.idle = module_idle,
	.each_file = module_each_file,
};
