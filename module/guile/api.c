/*
 * api.c - what a Scheme servlet calls: modserver.h as procedures, with a
 * hyphen for each underscore.
 *
 * Text is UTF-8, a body is a bytevector.  What is missing is #f.  A call that
 * fails raises a system-error.  No procedure holds memory of its own while it
 * calls what may raise.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

static pthread_t main_thread;
static servlet *current;	/* the request being answered, or NULL */
static scm_t_bits serial;	/* of that request, in this process */
static scm_t_bits servlet_tag;	/* an object that holds a serial */
static int is_copy;		/* this process was forked by a servlet */
static SCM display;

/* ------------------------------------------------------------------ helpers */

servlet *
api_request(SCM s, const char *caller)
{
	SCM_ASSERT_TYPE(SCM_SMOB_PREDICATE(servlet_tag, s), s, SCM_ARG1, caller, "servlet");
	if (current == NULL || SCM_SMOB_DATA(s) != serial)
		scm_misc_error(caller, "the request of this servlet object is over", SCM_EOL);
	if (!pthread_equal(pthread_self(), main_thread))
		scm_misc_error(caller,
		    "a request may be used only by the thread that runs the servlet", SCM_EOL);
	return current;
}

SCM
text_new(const char *octets)
{
	const char *end = octets;

	if (octets == NULL)
		return SCM_BOOL_F;
	while (*end != '\0' && (unsigned char)*end < 0x80)
		end++;
	if (*end == '\0')
		return scm_from_latin1_stringn(octets, (size_t)(end - octets));
	return scm_from_stringn(octets, strlen(octets), "UTF-8", SCM_FAILED_CONVERSION_QUESTION_MARK);
}

char *
text_c(SCM text, int position, const char *caller)
{
	size_t length;
	char *octets;

	if (scm_is_symbol(text))
		text = scm_symbol_to_string(text);
	SCM_ASSERT_TYPE(scm_is_string(text), text, position, caller, "string");
	octets = scm_to_utf8_stringn(text, &length);
	if (strlen(octets) == length)
		return octets;
	free(octets);
	return NULL;
}

/* ---------------------------------------------------------- servlets that fork */

static void
note_fork(void)
{
	is_copy = current != NULL;
}

static SCM
api_is_copy(void)
{
	return scm_from_bool(is_copy);
}

/* ---------------------------------------------------------------------- log */

static void
log_text(const char *text, size_t length)
{
	module_log(pthread_equal(pthread_self(), main_thread) ? current : NULL, text, length);
}

void
api_log(SCM text)
{
	size_t length;
	char *octets = scm_to_utf8_stringn(text, &length);

	log_text(octets, length);
	free(octets);
}

/* (log-line s text) */
static SCM
api_log_line(SCM s, SCM text)
{
	(void)api_request(s, "rlog");
	SCM_ASSERT_TYPE(scm_is_string(text), text, SCM_ARG2, "rlog", "string");
	api_log(text);
	return SCM_UNSPECIFIED;
}

/* What was displayed and has no newline yet. */
static struct { char text[1024]; size_t length; } output;

static void
output_end(void)
{
	if (output.length > 0)
		log_text(output.text, output.length);
	output.length = 0;
}

/* (log-output text): a line is logged when it is complete. */
static SCM
api_log_output(SCM text)
{
	size_t length;
	char *octets = scm_to_utf8_stringn(text, &length);

	for (size_t i = 0; i < length; i++) {
		if (octets[i] == '\n' && output.length == 0)
			log_text("", 0);
		if (octets[i] == '\n' || output.length == sizeof(output.text))
			output_end();
		if (octets[i] != '\n')
			output.text[output.length++] = octets[i];
	}
	free(octets);
	return SCM_UNSPECIFIED;
}

/* ------------------------------------------------------------------ request */

#define ANSWER(name, hyphened, make)						\
	static SCM								\
	api_##name(SCM s)							\
	{									\
		return make(name(api_request(s, hyphened)));			\
	}

ANSWER(get_method, "get-method", text_new)
ANSWER(get_path, "get-path", text_new)
ANSWER(get_path_info, "get-path-info", text_new)
ANSWER(get_script_name, "get-script-name", text_new)
ANSWER(get_route, "get-route", text_new)
ANSWER(get_query, "get-query", text_new)
ANSWER(get_target, "get-target", text_new)
ANSWER(get_protocol, "get-protocol", text_new)
ANSWER(get_scheme, "get-scheme", text_new)
ANSWER(get_remote_addr, "get-remote-addr", text_new)
ANSWER(get_remote_port, "get-remote-port", scm_from_int)
ANSWER(get_server_name, "get-server-name", text_new)
ANSWER(get_server_port, "get-server-port", scm_from_int)
ANSWER(get_content_length, "get-content-length", scm_from_long_long)
ANSWER(get_request_id, "get-request-id", text_new)
ANSWER(is_sent, "is-sent", scm_from_bool)
ANSWER(is_connected, "is-connected", scm_from_bool)

#define LOOK_UP(name, hyphened)							\
	static SCM								\
	api_##name(SCM s, SCM key)						\
	{									\
		servlet *r = api_request(s, hyphened);				\
		char *k = text_c(key, SCM_ARG2, hyphened);			\
		const char *value = k == NULL ? NULL : name(r, k);		\
										\
		free(k);							\
		return text_new(value);						\
	}

LOOK_UP(get_arg, "get-arg")
LOOK_UP(get_header, "get-header")
LOOK_UP(get_cookie, "get-cookie")
LOOK_UP(get_form, "get-form")

/* (rread s [count]): a bytevector, the end-of-file object at the end. */
static SCM
api_rread(SCM s, SCM count)
{
	servlet *r = api_request(s, "rread");
	size_t wanted = (size_t)get_content_length(r), taken = 0;
	ssize_t got = 1;
	SCM body, part;

	if (!SCM_UNBNDP(count) && scm_to_size_t(count) <= wanted) {
		wanted = scm_to_size_t(count);
		if (wanted == 0)
			return scm_c_make_bytevector(0);
	}
	body = scm_c_make_bytevector(wanted);
	while (taken < wanted && (got = rread(r,
	    (char *)SCM_BYTEVECTOR_CONTENTS(body) + taken, wanted - taken)) > 0)
		taken += (size_t)got;
	if (got == -1)
		scm_syserror("rread");
	if (taken == 0)
		return SCM_EOF_VAL;
	if (taken == wanted)
		return body;
	part = scm_c_make_bytevector(taken);
	memcpy(SCM_BYTEVECTOR_CONTENTS(part), SCM_BYTEVECTOR_CONTENTS(body), taken);
	return part;
}

static SCM
api_rrewind(SCM s)
{
	if (rrewind(api_request(s, "rrewind")) == -1)
		scm_syserror("rrewind");
	return SCM_UNSPECIFIED;
}

/* ----------------------------------------------------------------- response */

static SCM
api_set_status(SCM s, SCM status)
{
	servlet *r = api_request(s, "set-status");

	set_status(r, scm_to_int(status));
	return SCM_UNSPECIFIED;
}

static SCM
give_header(SCM s, SCM name, SCM value, const char *caller,
    void (*give)(servlet *, const char *, const char *))
{
	servlet *r = api_request(s, caller);
	int removes = give == set_header && scm_is_false(value);
	char *n, *v = NULL;

	if (scm_is_number(value))
		value = scm_number_to_string(value, SCM_UNDEFINED);
	SCM_ASSERT_TYPE(removes || scm_is_string(value), value, SCM_ARG3, caller, "string");
	n = text_c(name, SCM_ARG2, caller);
	if (!removes)
		v = text_c(value, SCM_ARG3, caller);
	if (n == NULL || (v == NULL && !removes))
		rlog(r, "header refused: %s has NUL in it", n == NULL ? "a name" : n);
	else
		give(r, n, v);
	free(n);
	free(v);
	return SCM_UNSPECIFIED;
}

static SCM
api_set_header(SCM s, SCM name, SCM value)
{
	return give_header(s, name, value, "set-header", set_header);
}

static SCM
api_add_header(SCM s, SCM name, SCM value)
{
	return give_header(s, name, value, "add-header", add_header);
}

/* (rwrite s part ...): strings and bytevectors as they are, anything else as
 * display shows it. */
static SCM
api_rwrite(SCM s, SCM parts)
{
	servlet *r = api_request(s, "rwrite");
	size_t length, total = 0;

	for (; scm_is_pair(parts); parts = SCM_CDR(parts)) {
		SCM part = SCM_CAR(parts);
		char *octets;

		if (scm_is_bytevector(part)) {
			total += rwrite(r, (const char *)SCM_BYTEVECTOR_CONTENTS(part),
			    SCM_BYTEVECTOR_LENGTH(part));
			continue;
		}
		if (!scm_is_string(part))
			part = scm_object_to_string(part, display);
		octets = scm_to_utf8_stringn(part, &length);
		total += rwrite(r, octets, length);
		free(octets);
	}
	return scm_from_size_t(total);
}

/* (rwrite-part s octets start count), of response-port. */
static SCM
api_rwrite_part(SCM s, SCM octets, SCM start, SCM count)
{
	rwrite(api_request(s, "response-port"),
	    (const char *)SCM_BYTEVECTOR_CONTENTS(octets) + scm_to_size_t(start),
	    scm_to_size_t(count));
	return SCM_UNSPECIFIED;
}

static SCM
api_rflush(SCM s)
{
	rflush(api_request(s, "rflush"));
	return SCM_UNSPECIFIED;
}

/* (rsendfile s port-or-descriptor [offset [length]]) */
static SCM
api_rsendfile(SCM s, SCM file, SCM offset, SCM length)
{
	servlet *r = api_request(s, "rsendfile");
	int fd = scm_to_int(scm_is_integer(file) ? file : scm_fileno(file));
	long long from = SCM_UNBNDP(offset) ? 0 : scm_to_long_long(offset);
	long long count = SCM_UNBNDP(length) ? -1 : scm_to_long_long(length);

	if (rsendfile(r, fd, from, count) == -1)
		scm_syserror("rsendfile");
	return SCM_UNSPECIFIED;
}

/* --------------------------------------------------------------------- open */

#define ONE(name, function)	{ name, 1, 0, 0, (scm_t_subr)(function) }
#define TWO(name, function)	{ name, 2, 0, 0, (scm_t_subr)(function) }
#define ONE_OR_TWO(name, function)	{ name, 1, 1, 0, (scm_t_subr)(function) }

static const struct {
	const char *name;
	int required, optional, rest;
	scm_t_subr function;
} procedures[] = {
	ONE("get-method", api_get_method), ONE("get-path", api_get_path),
	ONE("get-path-info", api_get_path_info), ONE("get-script-name", api_get_script_name),
	ONE("get-route", api_get_route), ONE("get-query", api_get_query),
	ONE("get-target", api_get_target), ONE("get-protocol", api_get_protocol),
	ONE("get-scheme", api_get_scheme), ONE("get-remote-addr", api_get_remote_addr),
	ONE("get-remote-port", api_get_remote_port), ONE("get-server-name", api_get_server_name),
	ONE("get-server-port", api_get_server_port), ONE("get-request-id", api_get_request_id),
	ONE("get-content-length", api_get_content_length), ONE("is-sent", api_is_sent),
	ONE("is-connected", api_is_connected), TWO("get-arg", api_get_arg),
	TWO("get-header", api_get_header), TWO("get-cookie", api_get_cookie),
	TWO("get-form", api_get_form), TWO("get-upload", api_get_upload),
	ONE_OR_TWO("rread", api_rread), ONE("rrewind", api_rrewind),
	ONE_OR_TWO("each-header", api_each_header), ONE_OR_TWO("each-arg", api_each_arg),
	ONE_OR_TWO("each-form", api_each_form), ONE_OR_TWO("each-cookie", api_each_cookie),
	ONE_OR_TWO("each-upload", api_each_upload), ONE_OR_TWO("each-route", api_each_route),
	TWO("set-status", api_set_status), { "set-header", 3, 0, 0, (scm_t_subr)api_set_header },
	{ "add-header", 3, 0, 0, (scm_t_subr)api_add_header },
	{ "rwrite", 1, 0, 1, (scm_t_subr)api_rwrite }, ONE("rflush", api_rflush),
	{ "rsendfile", 2, 2, 0, (scm_t_subr)api_rsendfile },
};

void
api_open(void)
{
	if (pthread_atfork(NULL, NULL, note_fork) != 0)
		scm_misc_error("modserver", "out of memory", SCM_EOL);
	main_thread = pthread_self();
	servlet_tag = scm_make_smob_type("servlet", 0);
	display = scm_permanent_object(scm_variable_ref(scm_c_lookup("display")));
	for (size_t i = 0; i < sizeof(procedures) / sizeof(procedures[0]); i++) {
		scm_c_define_gsubr(procedures[i].name, procedures[i].required,
		    procedures[i].optional, procedures[i].rest, procedures[i].function);
		scm_c_export(procedures[i].name, NULL);
	}
	scm_c_define_gsubr("rwrite-part", 4, 0, 0, (scm_t_subr)api_rwrite_part);
	scm_c_define_gsubr("is-copy", 0, 0, 0, (scm_t_subr)api_is_copy);
	scm_c_define_gsubr("log-line", 2, 0, 0, (scm_t_subr)api_log_line);
	scm_c_define_gsubr("log-output", 1, 0, 0, (scm_t_subr)api_log_output);
}

SCM
api_begin(servlet *s)
{
	current = s;
	return scm_new_smob(servlet_tag, ++serial);
}

void
api_end(int failed)
{
	output_end();
	/* A servlet's child that has come back from run must not go on as a second
	 * worker with the first one's connections. */
	if (is_copy)
		_exit(failed ? 1 : 0);
	current = NULL;
}
