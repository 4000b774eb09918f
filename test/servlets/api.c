/*
 * api.c - every function of modserver.h: /api/FUNCTION?... calls it with its
 * arguments and says what it answered, strings as <text> and NULL as (null).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modserver.h"

static int
show(servlet *s, const char *text)
{
	if (text == NULL)
		return rprintf(s, "(null)\n");
	return rprintf(s, "<%s>\n", text);
}

static int
visit(void *context, const char *name, const char *value)
{
	servlet *s = context;

	rprintf(s, "%s=%s\n", name, value);
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

static int
show_upload(void *context, const struct upload *u)
{
	servlet *s = context;
	char piece[8192];
	ssize_t n;

	if (u == NULL)
		return rprintf(s, "(null)\n");
	rprintf(s, "%s|%s|%s|%lld|%s|", u->field, u->file_name, u->type, u->size,
	    lseek(u->fd, 0, SEEK_CUR) == 0 ? "at 0" : "moved");
	while ((n = read(u->fd, piece, sizeof piece)) > 0)
		rwrite(s, piece, (size_t)n);
	rprintf(s, "\n");
	return strcmp(u->field, "stop") == 0 ? 7 : 0;
}

static int
show_route(void *context, const struct route_info *r)
{
	rprintf(context, "%s|%s|%s|%s\n", r->route, r->language, r->description, r->file);
	return strcmp(r->description, "stop") == 0 ? 7 : 0;
}

static int
va(int which, servlet *s, const char *format, ...)
{
	va_list arguments;
	int n = 0;

	va_start(arguments, format);
	if (which == 'p')
		n = vrprintf(s, format, arguments);
	else
		vrlog(s, format, arguments);
	va_end(arguments);
	return n;
}

/* What reads the request; 0 if the function is one of those. */
static int
reads(servlet *s, const char *what, const char *name)
{
	if (strcmp(what, "get_method") == 0)
		return show(s, get_method(s));
	if (strcmp(what, "get_arg") == 0)
		return show(s, get_arg(s, name));
	if (strcmp(what, "get_header") == 0)
		return show(s, get_header(s, name));
	if (strncmp(what, "get_path/", 9) == 0)
		return show(s, get_path(s));
	if (strncmp(what, "get_path_info/", 14) == 0)
		return show(s, get_path_info(s));
	if (strcmp(what, "get_script_name") == 0)
		return show(s, get_script_name(s));
	if (strcmp(what, "get_route") == 0)
		return show(s, get_route(s));
	if (strcmp(what, "get_query") == 0)
		return show(s, get_query(s));
	if (strncmp(what, "get_target", 10) == 0)
		return show(s, get_target(s));
	if (strcmp(what, "get_protocol") == 0)
		return show(s, get_protocol(s));
	if (strcmp(what, "get_scheme") == 0)
		return show(s, get_scheme(s));
	if (strcmp(what, "get_remote") == 0)
		return show(s, get_remote_addr(s)) + rprintf(s, "%d\n", get_remote_port(s));
	if (strcmp(what, "get_server") == 0)
		return show(s, get_server_name(s)) + rprintf(s, "%d\n", get_server_port(s));
	if (strcmp(what, "get_cookie") == 0)
		return show(s, get_cookie(s, name));
	if (strcmp(what, "get_form") == 0)
		return show(s, get_form(s, name));
	if (strcmp(what, "get_content_length") == 0)
		return rprintf(s, "%lld\n", get_content_length(s));
	if (strcmp(what, "get_request_id") == 0)
		return show(s, get_request_id(s));
	if (strcmp(what, "get_upload") == 0)
		return show_upload(s, get_upload(s, name)) + 1;
	return 0;
}

static int
visits(servlet *s, const char *what)
{
	int answer = -1;

	if (strcmp(what, "each_header") == 0)
		answer = each_header(s, visit, s);
	if (strcmp(what, "each_arg") == 0)
		answer = each_arg(s, visit, s);
	if (strcmp(what, "each_form") == 0)
		answer = each_form(s, visit, s);
	if (strcmp(what, "each_cookie") == 0)
		answer = each_cookie(s, visit, s);
	if (strcmp(what, "each_upload") == 0)
		answer = each_upload(s, show_upload, s);
	if (strcmp(what, "each_route") == 0)
		answer = each_route(s, show_route, s);
	return answer == -1 ? 0 : rprintf(s, "answered %d\n", answer);
}

/* The body in steps: 10 octets, rewind, a form lookup in between, the rest. */
static void
read_body(servlet *s)
{
	char piece[4096];
	ssize_t n;

	n = rread(s, piece, 10);
	rprintf(s, "%zd<%.*s>\n", n, (int)n, piece);
	rprintf(s, "rrewind %d\n", rrewind(s));
	n = rread(s, piece, 3);
	rprintf(s, "%zd<%.*s>\n", n, (int)n, piece);
	(void)get_form(s, "x");
	while ((n = rread(s, piece, sizeof piece)) > 0)
		rprintf(s, "%zd<%.*s>\n", n, (int)n, piece);
	rprintf(s, "%zd %zd\n", n, rread(s, piece, sizeof piece));
}

static void
writes(servlet *s, const char *what, const char *name, const char *value)
{
	char nul[] = "a\0b";

	if (strcmp(what, "set_status") == 0) {
		set_status(s, atoi(value));
		rprintf(s, "body\n");
	} else if (strcmp(what, "set_header") == 0) {
		set_header(s, name, "first");
		set_header(s, name, value);	/* NULL: removed */
		rprintf(s, "ok\n");
	} else if (strcmp(what, "add_header") == 0) {
		set_header(s, name, "one");
		add_header(s, name, value);
		rprintf(s, "ok\n");
	} else if (strcmp(what, "rwrite") == 0) {
		rprintf(s, "%zu\n", rwrite(s, nul, 3));
	} else if (strcmp(what, "rprintf") == 0) {
		int n = rprintf(s, "%s-%05d\n", value, 42);

		rprintf(s, "%d %d\n", n, va('p', s, "%s+%x\n", value, 255));
		rprintf(s, "%d 100%%\n", rprintf(s, "as it is\n"));
	} else if (strcmp(what, "rprintf_long") == 0) {
		rprintf(s, "\n%d\n", rprintf(s, "%0*d", atoi(value), 1));
	} else if (strcmp(what, "rlog") == 0) {
		rlog(s, "first %s", value);
		va('l', s, "second %s\nof two lines", value);
		rprintf(s, "%s\n", get_request_id(s));
	} else if (strcmp(what, "is_sent") == 0) {
		int before = is_sent(s);

		rprintf(s, "x\n");
		rflush(s);
		set_status(s, 500);
		set_header(s, "X-Late", "1");
		rprintf(s, "%d %d %d\n", before, is_sent(s), is_connected(s));
	} else if (strcmp(what, "length") == 0) {
		set_header(s, "Content-Length", value);
		rprintf(s, "12345");
	} else if (strcmp(what, "pid") == 0) {
		rprintf(s, "%d\n", (int)getpid());
	} else if (strcmp(what, "nothing") != 0) {
		set_status(s, 404);
		rprintf(s, "no function %s\n", what);
	}
}

int
run(servlet *s)
{
	const char *what = get_path_info(s);
	const char *name = get_arg(s, "name"), *value = get_arg(s, "value");

	what += *what == '/';
	if (get_arg(s, "type") != NULL)
		set_header(s, "Content-Type", get_arg(s, "type"));
	if (reads(s, what, name) || visits(s, what))
		return 0;
	if (strcmp(what, "rread") == 0)
		read_body(s);
	else
		writes(s, what, name, value);
	return 0;
}
