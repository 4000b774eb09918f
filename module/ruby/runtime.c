/*
 * runtime.c - Ruby itself: its start and end, its signals, its fork.
 *
 * Ruby keeps timers and pipes of its own for threads, signals and children,
 * and only a fork through Process.fork carries them over.  Its main thread is
 * the one that starts it, and holds the lock unless runtime_idle is called.
 */
#include <sys/wait.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rack.h"
#include "ruby_prelude.h"

static VALUE modserver;		/* module Modserver */
static struct sigaction sigchld;	/* Ruby's own */
static VALUE (*report)(VALUE module, VALUE text);

VALUE
keep(VALUE object)
{
	rb_gc_register_mark_object(object);
	return object;
}

VALUE
prelude_call(const char *name, int argc, ...)
{
	VALUE argv[4];
	va_list arguments;

	va_start(arguments, argc);
	for (int i = 0; i < argc; i++)
		argv[i] = va_arg(arguments, VALUE);
	va_end(arguments);
	return rb_funcallv(modserver, rb_intern(name), argc, argv);
}

/* ------------------------------------------------------------------- start */

static VALUE
open_all(VALUE gemfile)
{
	VALUE prelude;

	prelude = rb_utf8_str_new((const char *)ruby_prelude, sizeof(ruby_prelude));
	rb_funcall(rb_mKernel, rb_intern("eval"), 4, prelude,
	    rb_const_get(rb_cObject, rb_intern("TOPLEVEL_BINDING")),
	    rb_str_new_cstr("<internal:modserver>"), INT2FIX(1));
	modserver = keep(rb_const_get(rb_cObject, rb_intern("Modserver")));
	rb_define_singleton_method(modserver, "report", report, 1);
	api_open();
	each_open();
	rack_open();
	return prelude_call("start", 1, gemfile);
}

/* What ruby would do with this command line.  Ruby keeps and writes to it. */
static int
run_nothing(void)
{
	static char line[] = "modserver\0-e\0";
	static char *argv[] = { line, line + sizeof("modserver"),
	    line + sizeof("modserver") + sizeof("-e") - 1, NULL };
	void *node = ruby_options(3, argv);
	int status = 0;

	if (!ruby_executable_node(node, &status))
		return status == 0 ? 1 : status;
	return ruby_exec_node(node);
}

static int
find_gemfile(const struct module_option *options, size_t count, char *path, size_t size,
    char *error)
{
	int length = 0;

	path[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const struct module_option *o = &options[i];

		if (strcmp(o->name, "gemfile") != 0) {
			snprintf(error, MODULE_ERROR_MAX, "module ruby has no option \"%s\"; "
			    "it has: gemfile", o->name);
			return -1;
		}
		length = o->value[0] == '/' || o->directory == NULL ?
		    snprintf(path, size, "%s", o->value) :
		    snprintf(path, size, "%s/%s", o->directory, o->value);
		if ((size_t)length >= size || access(path, R_OK) == -1) {
			snprintf(error, MODULE_ERROR_MAX, "gemfile: \"%s\" cannot be read: %s",
			    o->value, strerror(errno));
			return -1;
		}
	}
	return 0;
}

int
runtime_start(const struct module_option *options, size_t count,
    VALUE (*errors)(VALUE module, VALUE text), char *error)
{
	char gemfile[PATH_MAX];
	Dl_info info;
	VALUE path;
	int failed = 0;

	if (find_gemfile(options, count, gemfile, sizeof(gemfile), error) == -1)
		return -1;
	/* Extensions that do not link libruby look for it among the global symbols. */
	if (dladdr((void *)ruby_setup, &info) != 0 && info.dli_fname != NULL)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	/* On Linux Ruby finds the bottom of the main thread's stack itself; the
	 * address tells it that this is the thread. */
	ruby_init_stack((VALUE *)(void *)&path);
	failed = ruby_setup();
	if (failed == 0)
		failed = run_nothing();
	if (failed != 0) {
		snprintf(error, MODULE_ERROR_MAX, "Ruby does not start (%d); is RUBYOPT set?", failed);
		return -1;
	}
	sigaction(SIGCHLD, NULL, &sigchld);
	report = errors;
	path = gemfile[0] == '\0' ? Qnil : rb_str_new_cstr(gemfile);
	rb_protect(open_all, path, &failed);
	if (failed != 0) {
		error_text(error);
		return -1;
	}
	return 0;
}

const char *
runtime_version(void)
{
	static char text[2 * PATH_MAX];
	char library[PATH_MAX] = "";
	VALUE version;
	Dl_info info;
	int failed = 0;

	version = rb_eval_string_protect(
	    "\"Ruby #{RUBY_VERSION}, prefix #{RbConfig::CONFIG['prefix']}\"", &failed);
	if (failed)
		rb_set_errinfo(Qnil);
	if (dladdr((void *)ruby_setup, &info) != 0 && info.dli_fname != NULL &&
	    realpath(info.dli_fname, library) == NULL)
		snprintf(library, sizeof(library), "%s", info.dli_fname);
	snprintf(text, sizeof(text), "%s, %s", failed ? "Ruby" : RSTRING_PTR(version), library);
	RB_GC_GUARD(version);
	return text;
}

/* ----------------------------------------------------------------- signals */

void
runtime_take_signals(void)
{
	sigaction(SIGCHLD, &sigchld, NULL);
}

/* -------------------------------------------------------------------- fork */

static VALUE
collect(VALUE unused)
{
	/* What survives three collections counts as old, and is not touched again. */
	for (int i = 0; i < 4; i++)
		rb_gc_start();
	return unused;
}

void
runtime_before_fork(void)
{
	static int is_collected;
	int failed = 0;

	if (!is_collected)
		rb_protect(collect, Qnil, &failed);
	is_collected = 1;
	if (failed)
		error_log(NULL);
}

/* Ruby goes on trying for ever where there can be no more processes, and the
 * zygote would reap none meanwhile: so this is found out before.  0 or -1 and errno. */
static int
try_fork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	if (pid == -1)
		return -1;
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	return 0;
}

static VALUE
call_fork(VALUE unused)
{
	(void)unused;
	return rb_funcall(rb_mProcess, rb_intern("fork"), 0);
}

pid_t
runtime_fork(void)
{
	VALUE pid;
	int failed = 0;

	if (try_fork() == -1)
		return -1;
	pid = rb_protect(call_fork, Qnil, &failed);
	if (failed) {
		error_log(NULL);
		errno = EAGAIN;
		return -1;
	}
	return NIL_P(pid) ? 0 : (pid_t)FIX2INT(pid);
}

/* -------------------------------------------------------------------- idle */

struct idle {
	void (*sleep)(void *);
	void *argument;
};

static void *
idle_sleep(void *argument)
{
	struct idle *idle = argument;

	idle->sleep(idle->argument);
	return NULL;
}

static VALUE
idle_release(VALUE argument)
{
	if (rb_thread_alone())
		idle_sleep((void *)argument);
	else
		rb_thread_call_without_gvl(idle_sleep, (void *)argument, RUBY_UBF_IO, NULL);
	rb_thread_check_ints();
	return Qnil;
}

void
runtime_idle(void (*sleep)(void *), void *argument)
{
	struct idle idle = { sleep, argument };
	int failed = 0;

	rb_protect(idle_release, (VALUE)&idle, &failed);
	if (failed)
		error_log(NULL);	/* of a thread that aborts all, a trap */
}

void
runtime_end(void)
{
	ruby_cleanup(0);
}
