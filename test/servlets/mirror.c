/*
 * mirror.c - says what the server has understood of the request: its line,
 * where it was routed, its fields, its body.  Or, as the arguments ask, makes
 * a response that is hard to frame.
 */
#include <stdlib.h>
#include <string.h>

#include "modserver.h"

static int
show_field(void *context, const char *name, const char *value)
{
	rprintf(context, "%s: <%s>\n", name, value);
	return 0;
}

static int
show(servlet *s)
{
	char piece[4096];
	long long total = 0;
	ssize_t n;

	set_header(s, "Content-Type", "text/plain");
	rprintf(s, "%s %s %s\n", get_method(s), get_target(s), get_protocol(s));
	rprintf(s, "path <%s> info <%s> query <%s>\n", get_path(s), get_path_info(s),
	    get_query(s));
	rprintf(s, "server <%s> %d\n", get_server_name(s), get_server_port(s));
	each_header(s, show_field, s);
	rprintf(s, "body %lld <", get_content_length(s));
	while ((n = rread(s, piece, sizeof piece)) > 0) {
		total += n;
		if (total < 1000)
			rwrite(s, piece, (size_t)n);
	}
	rprintf(s, "> read %lld\n", total);
	return n == 0 ? 0 : -1;
}

/* name:value of an argument, as header. */
static void
set(servlet *s, const char *field, void (*how)(servlet *, const char *, const char *))
{
	char name[200];
	const char *colon;

	if (field == NULL || (colon = strchr(field, ':')) == NULL ||
	    (size_t)(colon - field) >= sizeof name)
		return;
	memcpy(name, field, (size_t)(colon - field));
	name[colon - field] = '\0';
	how(s, name, colon + 1);
}

int
run(servlet *s)
{
	const char *write = get_arg(s, "write"), *status = get_arg(s, "status");
	int n;

	if (write == NULL && status == NULL)
		return show(s);
	if (status != NULL)
		set_status(s, atoi(status));
	set(s, get_arg(s, "set"), set_header);
	set(s, get_arg(s, "add"), add_header);
	set(s, get_arg(s, "add2"), add_header);
	if (get_arg(s, "first") != NULL)
		rflush(s);
	for (n = write != NULL ? atoi(write) : 0; n > 0; n--) {
		rwrite(s, "0123456789", 10);
		if (get_arg(s, "flush") != NULL)
			rflush(s);
	}
	return get_arg(s, "fail") != NULL ? -1 : 0;
}
