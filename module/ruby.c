/*
 * ruby.c - servlets in Ruby, and Rack applications.
 *
 * Ruby and all servlets are loaded in the zygote, so that workers share their
 * memory; every worker is forked by Ruby itself (runtime.c says why).  Each
 * servlet file is a module of its own, its functions those of one object.
 * A worker waits for requests without Ruby's lock: threads that a servlet has
 * started go on meanwhile.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ruby/rack.h"

#include <ruby/debug.h>		/* after ruby.h */

#define TRACE_MAX 64	/* frames */

struct program {
	struct program *next;
	const char *path;
	VALUE object;		/* with the functions, or the Rack application */
	int is_rack, has_init, has_cleanup;
	int initialised;	/* in this process */
};

static struct program *programs;
static servlet *current;		/* the request being answered */
static int is_copy;			/* this process was forked by a servlet */
static int has_signals;			/* Ruby has its own in this process */

/* ------------------------------------------------------------------- fork */

static void
note_fork(void)
{
	is_copy = current != NULL;
	has_signals = 0;
}

/* A servlet has forked and its child has come back from run: it must not go on
 * as a second worker with the first one's connections. */
static void
end_copy(int failed)
{
	int status = failed ? error_status() : 0;

	if (failed && rb_obj_is_kind_of(rb_errinfo(), rb_eSystemExit) != Qtrue)
		error_log(current);
	_exit(status & 255);
}

/* ------------------------------------------------------------------ loading */

/* What rack.errors is given. */
static VALUE
report(VALUE module, VALUE text)
{
	(void)module;
	StringValue(text);
	module_log(current, RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
	return Qnil;
}

static int
module_start(const struct module_option *options, size_t count, char *error)
{
	if (runtime_start(options, count, report, error) == -1)
		return -1;
	if (pthread_atfork(NULL, NULL, note_fork) != 0) {
		snprintf(error, MODULE_ERROR_MAX, "out of memory");
		return -1;
	}
	return 0;
}

static int
is_config_ru(const char *path)
{
	size_t length = strlen(path);

	return length > 3 && strcmp(path + length - 3, ".ru") == 0;
}

static VALUE
load(VALUE argument)
{
	struct program *p = (struct program *)argument;
	VALUE path = rb_external_str_new_cstr(p->path);

	p->object = keep(prelude_call(p->is_rack ? "load_rack" : "load_file", 1, path));
	if (p->is_rack)
		return Qnil;
	p->has_init = rb_obj_respond_to(p->object, rb_intern("init"), 1);
	p->has_cleanup = rb_obj_respond_to(p->object, rb_intern("cleanup"), 1);
	return Qnil;
}

/* The program of another route with the same file: they share all. */
static const struct program *
loaded_already(const char *path)
{
	for (const struct program *p = programs; p != NULL; p = p->next)
		if (strcmp(p->path, path) == 0)
			return p;
	return NULL;
}

static void *
module_open(const struct module_servlet *servlet, char *error)
{
	const struct program *same = loaded_already(servlet->path);
	struct program *p;
	int failed = 0;

	if (servlet->option_count > 0) {
		snprintf(error, MODULE_ERROR_MAX, "a Ruby servlet has no option \"%s\"",
		    servlet->options[0].name);
		return NULL;
	}
	if ((p = calloc(1, sizeof(*p))) == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "out of memory");
		return NULL;
	}
	if (same != NULL) {
		*p = *same;
	} else {
		p->path = servlet->path;
		p->is_rack = is_config_ru(p->path);
		runtime_take_signals();
		rb_protect(load, (VALUE)p, &failed);
	}
	if (failed) {
		error_text(error);
		free(p);
		return NULL;
	}
	p->next = programs;
	return programs = p;
}

/* ------------------------------------------------------------------ running */

struct call {
	struct program *p;
	ID function;
	VALUE self;
	servlet *s;
};

static VALUE
call(VALUE argument)
{
	struct call *c = (struct call *)argument;

	if (c->p->is_rack) {
		rack_answer(c->p->object, c->s);
		return Qnil;
	}
	c->self = api_servlet_new(c->s);
	return rb_funcallv(c->p->object, c->function, 1, &c->self);
}

/* Calls function(s), or the Rack application, for the request. */
static int
answer(struct program *p, ID function, servlet *s)
{
	struct call c = { p, function, Qnil, s };
	int failed = 0;

	if (!has_signals)
		runtime_take_signals();
	has_signals = 1;
	current = s;
	rb_protect(call, (VALUE)&c, &failed);
	if (is_copy)
		end_copy(failed);
	if (!NIL_P(c.self))
		api_servlet_end(c.self);
	if (failed)
		error_log(s);
	current = NULL;
	return failed ? -1 : 0;
}

/* Another route's program with the same object, if it was initialised here. */
static int
is_initialised(const struct program *p)
{
	for (const struct program *o = programs; o != NULL; o = o->next)
		if (o != p && o->initialised && o->object == p->object)
			return 1;
	return 0;
}

static int
module_init(void *program, servlet *s)
{
	struct program *p = program;

	if (p->has_init && !is_initialised(p) && answer(p, rb_intern("init"), s) == -1)
		return -1;
	p->initialised = 1;
	return 0;
}

static int
module_run(void *program, servlet *s)
{
	return answer(program, rb_intern("run"), s);
}

static VALUE
call_cleanup(VALUE object)
{
	return rb_funcall(object, rb_intern("cleanup"), 0);
}

static void
module_close(void *program)
{
	struct program *p = program;
	int failed = 0, last = 1;

	p->initialised = 0;
	/* Of a file on several routes the last one cleans up. */
	if (p->has_cleanup && !is_initialised(p))
		rb_protect(call_cleanup, p->object, &failed);
	if (failed)
		error_log(NULL);
	for (const struct program *o = programs; o != NULL; o = o->next)
		last = last && !o->initialised;
	if (last)
		runtime_end();
}

struct visiting {
	void (*visit)(void *context, const char *path);
	void *context;
};

static VALUE
visit_files(VALUE argument)
{
	struct visiting *v = (struct visiting *)argument;
	VALUE files = prelude_call("files", 0);

	for (long i = 0; i < RARRAY_LEN(files); i++) {
		VALUE path = rb_ary_entry(files, i);

		v->visit(v->context, StringValueCStr(path));
	}
	RB_GC_GUARD(files);
	return Qnil;
}

static void
module_each_file(void (*visit)(void *context, const char *path), void *context)
{
	struct visiting v = { visit, context };
	int failed = 0;

	rb_protect(visit_files, (VALUE)&v, &failed);
	if (failed)
		error_log(NULL);
}

/* What profilers use, in handlers of signals as well. */
static void
module_trace(void *program, int fd)
{
	VALUE frames[TRACE_MAX], path, label;
	int lines[TRACE_MAX], count = rb_profile_frames(0, TRACE_MAX, frames, lines);
	char line[512];

	(void)program;
	for (int i = 0; i < count; i++) {
		path = rb_profile_frame_path(frames[i]);
		label = rb_profile_frame_label(frames[i]);
		if (!RB_TYPE_P(path, T_STRING) || !RB_TYPE_P(label, T_STRING))
			continue;
		snprintf(line, sizeof(line), "  %.300s:%d:in `%.150s'\n", RSTRING_PTR(path),
		    lines[i], RSTRING_PTR(label));
		if (write(fd, line, strlen(line)) == -1)
			return;
	}
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.name = "ruby",
	.start = module_start,
	.version = runtime_version,
	.open = module_open,
	.init = module_init,
	.run = module_run,
	.close = module_close,
	.before_fork = runtime_before_fork,
	.fork = runtime_fork,
	.idle = runtime_idle,
	.each_file = module_each_file,
	.trace = module_trace,
};
