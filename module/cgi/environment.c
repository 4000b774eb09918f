/* environment.c - the meta-variables of a request (RFC 3875, 4.1). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/alike.h"
#include "module/variables.h"
#include "program.h"

/* The place of the variable whose name is the first length octets, or NULL. */
static char **
environment_find(const struct environment *e, const char *name, size_t length)
{
	for (size_t i = 0; i < e->count; i++)
		if (strncmp(e->at[i], name, length) == 0 && e->at[i][length] == '=')
			return &e->at[i];
	return NULL;
}

/* Takes over an allocated "NAME=value"; replaces one of that name. */
static int
environment_put(struct environment *e, char *entry)
{
	char **old;

	if (entry == NULL)
		return -1;
	old = environment_find(e, entry, strcspn(entry, "="));
	if (old != NULL) {
		free(*old);
		*old = entry;
		return 0;
	}
	if (e->count + 2 > e->room) {
		size_t room = e->room == 0 ? 64 : e->room * 2;
		char **at = realloc(e->at, room * sizeof(at[0]));

		if (at == NULL) {
			free(entry);
			return -1;
		}
		e->at = at;
		e->room = room;
	}
	e->at[e->count++] = entry;
	e->at[e->count] = NULL;
	return 0;
}

static char *
join(const char *a, const char *b, const char *c, const char *d)
{
	char *text;

	return asprintf(&text, "%s%s%s%s", a, b, c, d) == -1 ? NULL : text;
}

int
environment_set(struct environment *e, const char *name, const char *value)
{
	return environment_put(e, join(name, "=", value, ""));
}

struct fields {
	struct environment *e;
	bool authorization;
};

/* 4.1.18: credentials are the server's, unless it is told that they are the program's. */
static bool
is_credential(const char *field)
{
	return texts_alike(field, "Authorization") ||
	    texts_alike(field, "Proxy-Authorization");
}

/* A header field as HTTP_NAME; a repeated one is joined to what is there. */
static int
visit_field(void *context, const char *field, const char *value)
{
	const struct fields *f = context;
	struct environment *e = f->e;
	char name[256] = "HTTP_";
	size_t length = strlen(field);
	char **old;

	/* A longer name, or one with other characters, no program looks for. */
	if (variables_hide(field) || (is_credential(field) && !f->authorization) ||
	    length >= sizeof(name) - 5 ||
	    field[strspn(field, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz")] != '\0')
		return 0;
	for (size_t i = 0; i <= length; i++)
		name[5 + i] = variables_char(field[i]);
	old = environment_find(e, name, 5 + length);
	return environment_put(e, old == NULL ? join(name, "=", value, "") :
	    join(*old, variables_glue(name + 5), value, ""));
}

/* The path and query of the target, without the "http://host" of one in
 * absolute form. */
static const char *
request_uri(servlet *s)
{
	const char *target = get_target(s), *host;

	if (target[0] == '/' || (host = strstr(target, "://")) == NULL)
		return target;
	host += 3;
	return host[strcspn(host, "/?")] == '/' ? strchr(host, '/') : "/";
}

static int
set_number(struct environment *e, const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	return environment_set(e, name, text);
}

static int
set_body(struct environment *e, servlet *s)
{
	const char *type = get_header(s, "Content-Type");
	int failed = 0;

	if (type != NULL)
		failed |= environment_set(e, "CONTENT_TYPE", type);
	/* A chunked body has been decoded: its length is known. */
	if (get_content_length(s) > 0 || get_header(s, "Content-Length") != NULL)
		failed |= set_number(e, "CONTENT_LENGTH", get_content_length(s));
	return failed;
}

static int
set_paths(struct environment *e, servlet *s, const struct program *p)
{
	int failed = environment_set(e, "SCRIPT_FILENAME", p->path);
	char *translated;

	if (p->root == NULL)
		return failed;
	failed |= environment_set(e, "DOCUMENT_ROOT", p->root);
	if (get_path_info(s)[0] != '\0') {
		translated = join(p->root, get_path_info(s), "", "");
		failed |= translated == NULL ? -1 :
		    environment_set(e, "PATH_TRANSLATED", translated);
		free(translated);
	}
	return failed;
}

int
environment_build(struct environment *e, servlet *s, const struct program *p)
{
	struct fields fields = { e, p->authorization };
	int failed = 0;

	for (size_t i = 0; i < VARIABLES_COUNT; i++) {
		const char *value = variables[i].get(s);

		/* 4.1.5: without extra path there is no PATH_INFO. */
		if (value[0] != '\0' || variables[i].get != get_path_info)
			failed |= environment_set(e, variables[i].name, value);
	}
	failed |= environment_set(e, "GATEWAY_INTERFACE", "CGI/1.1");
	failed |= environment_set(e, "SERVER_SOFTWARE", "modserver");
	failed |= environment_set(e, "REQUEST_URI", request_uri(s));
	failed |= set_number(e, "SERVER_PORT", get_server_port(s));
	if (get_remote_port(s) > 0)
		failed |= set_number(e, "REMOTE_PORT", get_remote_port(s));
	if (strcmp(get_scheme(s), "https") == 0)
		failed |= environment_set(e, "HTTPS", "on");
	failed |= set_body(e, s);
	failed |= set_paths(e, s, p);
	failed |= each_header(s, visit_field, &fields);
	for (size_t i = 0; i < p->configured.count; i++)
		failed |= environment_put(e, strdup(p->configured.at[i]));
	return failed == 0 ? 0 : -1;
}

void
environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->at[i]);
	free(e->at);
	*e = (struct environment){ NULL, 0, 0 };
}
