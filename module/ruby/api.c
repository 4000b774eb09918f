/*
 * api.c - what a Ruby servlet calls: modserver.h as methods of Servlet, and
 * the same as functions of the module Modserver, which a servlet's file has
 * at its top level: rwrite(s, "x") does what s.rwrite("x") does.
 *
 * Text is UTF-8 (a String that is none stays as it is), a body ASCII-8BIT.
 * What is missing is nil.  A call that fails raises a SystemCallError.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "program.h"

static pthread_t main_thread;
static VALUE servlet_class;

/* The object's data is the request itself; NULL: it is over. */
static const rb_data_type_t servlet_type = {
	.wrap_struct_name = "Modserver::Servlet",
	.flags = RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_WB_PROTECTED,
};

/* ------------------------------------------------------------------ helpers */

servlet *
api_check(servlet *s)
{
	if (s == NULL)
		rb_raise(rb_eRuntimeError, "the request of this servlet object is over");
	if (!pthread_equal(pthread_self(), main_thread))
		rb_raise(rb_eThreadError,
		    "a request may be used only by the thread that runs the servlet");
	return s;
}

servlet *
api_request(VALUE self)
{
	return api_check(rb_check_typeddata(self, &servlet_type));
}

VALUE
text_of(VALUE object)
{
	return RB_SYMBOL_P(object) ? rb_sym2str(object) : rb_str_to_str(object);
}

VALUE
text_new(const char *octets)
{
	return octets == NULL ? Qnil : rb_utf8_str_new_cstr(octets);
}

const char *
text_c(VALUE string)
{
	/* Ruby may hold a part of another string, with no NUL behind it. */
	return memchr(RSTRING_PTR(string), '\0', (size_t)RSTRING_LEN(string)) != NULL ? NULL :
	    StringValueCStr(string);
}

/* ------------------------------------------------------------------ request */

#define METHOD(name) static VALUE method_##name(int argc, VALUE *argv, VALUE self)

/* A method without arguments whose answer `make` turns into an object. */
#define ANSWER(name, make)						\
	METHOD(name)							\
	{								\
		(void)argv;						\
		rb_check_arity(argc, 0, 0);				\
		return make(name(api_request(self)));			\
	}

#define BOOL(value) ((value) ? Qtrue : Qfalse)

ANSWER(get_method, text_new)
ANSWER(get_path, text_new)
ANSWER(get_path_info, text_new)
ANSWER(get_script_name, text_new)
ANSWER(get_route, text_new)
ANSWER(get_query, text_new)
ANSWER(get_target, text_new)
ANSWER(get_protocol, text_new)
ANSWER(get_scheme, text_new)
ANSWER(get_remote_addr, text_new)
ANSWER(get_server_name, text_new)
ANSWER(get_request_id, text_new)
ANSWER(get_remote_port, INT2FIX)
ANSWER(get_server_port, INT2FIX)
ANSWER(get_content_length, LL2NUM)
ANSWER(is_sent, BOOL)
ANSWER(is_connected, BOOL)

/* A method that looks something up by its name. */
#define LOOK_UP(name)							\
	METHOD(name)							\
	{								\
		servlet *s = api_request(self);				\
		const char *key;					\
		VALUE string;						\
									\
		rb_check_arity(argc, 1, 1);				\
		string = text_of(argv[0]);				\
		key = text_c(string);					\
		return key == NULL ? Qnil : text_new(name(s, key));	\
	}

LOOK_UP(get_arg)
LOOK_UP(get_header)
LOOK_UP(get_cookie)
LOOK_UP(get_form)

/* As IO#read does it: nil at the end, but "" without a length. */
METHOD(rread)
{
	servlet *s = api_request(self);
	long long most = get_content_length(s);
	long length, wanted, taken = 0;
	ssize_t got = 1;
	VALUE body;

	rb_check_arity(argc, 0, 1);
	length = argc == 0 || NIL_P(argv[0]) ? -1 : NUM2LONG(argv[0]);
	wanted = length < 0 || length > most ? (long)most : length;
	body = rb_str_buf_new(wanted);
	while (taken < wanted &&
	    (got = rread(s, RSTRING_PTR(body) + taken, (size_t)(wanted - taken))) > 0)
		taken += got;
	if (got == -1)
		rb_sys_fail("rread");
	rb_str_set_len(body, taken);
	return taken == 0 && length > 0 ? Qnil : body;
}

METHOD(rrewind)
{
	(void)argv;
	rb_check_arity(argc, 0, 0);
	if (rrewind(api_request(self)) == -1)
		rb_sys_fail("rrewind");
	return Qnil;
}

/* ----------------------------------------------------------------- response */

METHOD(set_status)
{
	servlet *s = api_request(self);
	long status;

	rb_check_arity(argc, 1, 1);
	status = NUM2LONG(argv[0]);
	set_status(s, status < 0 || status > INT_MAX ? 0 : (int)status);
	return Qnil;
}

static VALUE
give_header(servlet *s, VALUE name, VALUE value,
    void (*give)(servlet *, const char *, const char *))
{
	const char *n, *v = NULL;

	name = text_of(name);
	n = text_c(name);
	if (!NIL_P(value)) {
		value = rb_obj_as_string(value);
		v = text_c(value);
	}
	if (n == NULL || (v == NULL && !NIL_P(value)))
		rlog(s, "header refused: %s has NUL in it", RSTRING_PTR(name));
	else
		give(s, n, v);
	RB_GC_GUARD(name);
	RB_GC_GUARD(value);
	return Qnil;
}

METHOD(set_header)
{
	rb_check_arity(argc, 2, 2);
	return give_header(api_request(self), argv[0], argv[1], set_header);
}

METHOD(add_header)
{
	rb_check_arity(argc, 2, 2);
	return give_header(api_request(self), argv[0], argv[1], add_header);
}

static size_t
write_string(servlet *s, VALUE string)
{
	size_t taken;

	string = rb_obj_as_string(string);
	taken = rwrite(s, RSTRING_PTR(string), (size_t)RSTRING_LEN(string));
	RB_GC_GUARD(string);
	return taken;
}

METHOD(rwrite)
{
	servlet *s = api_request(self);
	size_t taken = 0;

	for (int i = 0; i < argc; i++)
		taken += write_string(s, argv[i]);
	return SIZET2NUM(taken);
}

METHOD(rprintf)
{
	servlet *s = api_request(self);

	rb_check_arity(argc, 1, UNLIMITED_ARGUMENTS);
	return SIZET2NUM(write_string(s, rb_f_sprintf(argc, argv)));
}

/* rlog(text) as it is, rlog(format, ...) formatted. */
METHOD(rlog)
{
	servlet *s = api_request(self);
	VALUE text;

	rb_check_arity(argc, 1, UNLIMITED_ARGUMENTS);
	text = argc == 1 ? rb_obj_as_string(argv[0]) : rb_f_sprintf(argc, argv);
	module_log(s, RSTRING_PTR(text), (size_t)RSTRING_LEN(text));
	RB_GC_GUARD(text);
	return Qnil;
}

METHOD(rflush)
{
	(void)argv;
	rb_check_arity(argc, 0, 0);
	rflush(api_request(self));
	return Qnil;
}

/* rsendfile(file, offset = 0, length = -1): an IO or a descriptor. */
METHOD(rsendfile)
{
	servlet *s = api_request(self);
	VALUE fd;
	long long offset, length;

	rb_check_arity(argc, 1, 3);
	fd = RB_INTEGER_TYPE_P(argv[0]) ? argv[0] :
	    rb_funcall(argv[0], rb_intern("fileno"), 0);
	offset = argc > 1 && !NIL_P(argv[1]) ? NUM2LL(argv[1]) : 0;
	length = argc > 2 && !NIL_P(argv[2]) ? NUM2LL(argv[2]) : -1;
	if (rsendfile(s, NUM2INT(fd), offset, length) == -1)
		rb_sys_fail("rsendfile");
	return Qnil;
}

/* ------------------------------------------------------------------ Servlet */

#define EVERY(DO)							\
	DO(get_method) DO(get_arg) DO(get_header) DO(get_path)		\
	DO(get_path_info) DO(get_script_name) DO(get_route)		\
	DO(get_query) DO(get_target) DO(get_protocol) DO(get_scheme)	\
	DO(get_remote_addr) DO(get_remote_port) DO(get_server_name)	\
	DO(get_server_port) DO(get_cookie) DO(get_form)			\
	DO(get_content_length) DO(get_request_id) DO(rread) DO(rrewind)	\
	DO(each_header) DO(each_arg) DO(each_form) DO(each_cookie)	\
	DO(each_upload) DO(each_route) DO(get_upload) DO(set_status)	\
	DO(set_header) DO(add_header) DO(rwrite) DO(rprintf) DO(rflush)	\
	DO(rsendfile) DO(rlog) DO(is_sent) DO(is_connected)

/* function(s, ...) is s.method(...). */
#define FUNCTION(name)								\
	static VALUE								\
	function_##name(int argc, VALUE *argv, VALUE self)			\
	{									\
		(void)self;							\
		rb_check_arity(argc, 1, UNLIMITED_ARGUMENTS);			\
		return method_##name(argc - 1, argv + 1, argv[0]);		\
	}

EVERY(FUNCTION)

VALUE
api_servlet_new(servlet *s)
{
	return TypedData_Wrap_Struct(servlet_class, &servlet_type, s);
}

void
api_servlet_end(VALUE self)
{
	RTYPEDDATA_DATA(self) = NULL;
}

void
api_open(void)
{
	VALUE module = rb_define_module("Modserver");

	main_thread = pthread_self();
	servlet_class = keep(rb_define_class_under(module, "Servlet", rb_cObject));
	rb_undef_alloc_func(servlet_class);
#define DEFINE(name)								\
	rb_define_method(servlet_class, #name, method_##name, -1);		\
	rb_define_module_function(module, #name, function_##name, -1);
	EVERY(DEFINE)
}
