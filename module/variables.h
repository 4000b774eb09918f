/*
 * variables.h - the meta-variables of RFC 3875, for modules whose interface
 * has them: which are a text that the server has ready, and which header
 * fields become HTTP_ variables.
 */
#ifndef VARIABLES_H
#define VARIABLES_H

#include <string.h>

#include "alike.h"
#include "module.h"

struct variable {
	const char *name;
	const char *(*get)(servlet *s);
};

static const struct variable variables[] = {
	{ "PATH_INFO", get_path_info },
	{ "QUERY_STRING", get_query },
	{ "REMOTE_ADDR", get_remote_addr },
	{ "REMOTE_HOST", get_remote_addr },	/* 4.1.9: where no name is looked up */
	{ "REQUEST_METHOD", get_method },
	{ "REQUEST_SCHEME", get_scheme },
	{ "REQUEST_URI", get_target },
	{ "SCRIPT_NAME", get_script_name },
	{ "SERVER_ADDR", module_server_addr },
	{ "SERVER_NAME", get_server_name },
	{ "SERVER_PROTOCOL", get_protocol },
	{ "UNIQUE_ID", get_request_id },
};

#define VARIABLES_COUNT (sizeof(variables) / sizeof(variables[0]))

/* Whether the field has no HTTP_ variable: Proxy because libraries take
 * HTTP_PROXY for their own setting; names with an underscore because they could
 * pass for others; the rest because the server has dealt with them. */
static inline int
variables_hide(const char *field)
{
	return texts_alike(field, "Proxy") ||
	    texts_alike(field, "Content-Type") ||
	    texts_alike(field, "Content-Length") ||
	    texts_alike(field, "Transfer-Encoding") ||
	    strchr(field, '_') != NULL;
}

/* A field's character as it is in its variable's name: "Foo-Bar", "FOO_BAR". */
static inline char
variables_char(char c)
{
	if (c == '-')
		return '_';
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Between the values of a repeated field (4.1.18; RFC 6265, 5.4). */
static inline const char *
variables_glue(const char *name)
{
	return strcmp(name, "COOKIE") == 0 ? "; " : ", ";
}

#endif
