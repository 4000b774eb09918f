/*
 * program.h - the parts of the Ruby module as they see each other.
 *
 * ruby.c is the table of functions; whatever it calls here that may raise a
 * Ruby exception it calls under rb_protect.  The rest is marked "never raises".
 *
 *	runtime.c	starts Ruby, its signals, its fork
 *	prelude.rb	what is easier said in Ruby: loading files, Bundler, Rack's
 *			input and errors
 *	api.c, each.c	what a servlet calls: Modserver::Servlet, module Modserver
 *	rack_env.c	a request as Rack's env
 *	rack.c		asks a Rack application and sends its answer
 *	error.c		exceptions into the error log
 *
 * A VALUE that outlives a call is registered with the garbage collector
 * (keep); others are found by it on the stack.
 */
#ifndef RUBY_PROGRAM_H
#define RUBY_PROGRAM_H

#include <ruby.h>
#include <ruby/encoding.h>
#include <ruby/thread.h>

#include "module/module.h"

/* ----------------------------------------------------------------- runtime */

/* Starts Ruby and loads the prelude, in which Modserver.report(text) is what
 * writes to the error log.  0, or -1 and error.  Never raises. */
int runtime_start(const struct module_option *options, size_t count,
    VALUE (*report)(VALUE module, VALUE text), char *error);

/* "Ruby 3.1.2, prefix /usr, /usr/lib/libruby-3.1.so.3.1.2".  Never raises. */
const char *runtime_version(void);

/* Installs the handler by which Ruby learns that a child has ended: without
 * it `command` would wait for ever.  Never raises. */
void runtime_take_signals(void);

/* Before the first fork: rubbish is collected, so that workers share what is
 * left.  Never raises. */
void runtime_before_fork(void);

/* fork(2) by way of Process.fork, which keeps Ruby's threads and timers right
 * and calls the hooks of libraries.  Never raises. */
pid_t runtime_fork(void);

/* Calls sleep(argument) without Ruby's lock, so that other threads run; may
 * return without having called it.  Never raises. */
void runtime_idle(void (*sleep)(void *), void *argument);

/* What Ruby does at its end: at_exit.  It is not to be called any more. */
void runtime_end(void);

/* Calls Modserver.name(arguments), which is in the prelude. */
VALUE prelude_call(const char *name, int argc, ...);

/* Keeps the object for ever, where it is (Ruby may compact its heap), and returns it. */
VALUE keep(VALUE object);

/* ------------------------------------------------------------------- error */

/* Logs the current exception with its traceback, with rlog or to standard
 * error if s is NULL, and clears it.  Never raises. */
void error_log(servlet *s);

/* Puts it into error[MODULE_ERROR_MAX] and clears it.  Never raises. */
void error_text(char *error);

/* The status that it means for a process: that of SystemExit, else 1. */
int error_status(void);

/* --------------------------------------------------------------------- api */

/* Defines Modserver::Servlet and the functions of Modserver. */
void api_open(void);

/* The object that stands for this request: the argument of run(s). */
VALUE api_servlet_new(servlet *s);

/* Its request is over: from now on it refuses all calls.  Never raises. */
void api_servlet_end(VALUE self);

/* The request of a Servlet.  RuntimeError if it is over, or if this is not
 * the thread that runs servlets. */
servlet *api_request(VALUE self);

/* The same for any object that belongs to a request. */
servlet *api_check(servlet *s);

/* A String or Symbol as a String. */
VALUE text_of(VALUE object);

/* A String of C's UTF-8; nil for NULL. */
VALUE text_new(const char *octets);

/* The C string, or NULL if there is a NUL among its octets. */
const char *text_c(VALUE string);

/* Methods of Servlet that are in each.c. */
VALUE method_each_header(int argc, VALUE *argv, VALUE self);
VALUE method_each_arg(int argc, VALUE *argv, VALUE self);
VALUE method_each_form(int argc, VALUE *argv, VALUE self);
VALUE method_each_cookie(int argc, VALUE *argv, VALUE self);
VALUE method_each_upload(int argc, VALUE *argv, VALUE self);
VALUE method_each_route(int argc, VALUE *argv, VALUE self);
VALUE method_get_upload(int argc, VALUE *argv, VALUE self);

/* Keeps what they need.  After the prelude. */
void each_open(void);

#endif
