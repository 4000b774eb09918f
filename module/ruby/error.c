/*
 * error.c - exceptions into the error log, as Ruby prints them.
 */
#include <stdio.h>
#include <string.h>

#include "program.h"

static VALUE
describe(VALUE exception)
{
	return rb_obj_as_string(prelude_call("describe", 1, exception));
}

/* The text of the current exception, or a substitute.  Clears it. */
static VALUE
take_text(void)
{
	VALUE exception = rb_errinfo(), text;
	int failed = 0;

	rb_set_errinfo(Qnil);
	text = rb_protect(describe, exception, &failed);
	rb_set_errinfo(Qnil);
	return failed ? Qnil : text;
}

static const char *
text_or(VALUE text, const char *substitute, size_t *length)
{
	*length = NIL_P(text) ? strlen(substitute) : (size_t)RSTRING_LEN(text);
	return NIL_P(text) ? substitute : RSTRING_PTR(text);
}

static const char unprintable[] = "an exception that cannot be described";

void
error_log(servlet *s)
{
	VALUE string = take_text();
	size_t length;
	const char *text = text_or(string, unprintable, &length);

	module_log(s, text, length);
	RB_GC_GUARD(string);
}

void
error_text(char *error)
{
	VALUE string = take_text();
	size_t length;
	const char *text = text_or(string, unprintable, &length);

	while (length > 0 && text[length - 1] == '\n')
		length--;
	/* The first line says what is wrong. */
	snprintf(error, MODULE_ERROR_MAX, "%.*s", (int)length, text);
	RB_GC_GUARD(string);
}

static VALUE
exit_status(VALUE exception)
{
	return rb_obj_is_kind_of(exception, rb_eSystemExit) == Qtrue ?
	    rb_funcall(exception, rb_intern("status"), 0) : INT2FIX(1);
}

int
error_status(void)
{
	VALUE exception = rb_errinfo(), status;
	int failed = 0;

	status = rb_protect(exit_status, exception, &failed);
	rb_set_errinfo(exception);
	return failed || !FIXNUM_P(status) ? 1 : FIX2INT(status);
}
