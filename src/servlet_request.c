/* servlet_request.c - the functions of modserver.h, as far as they are about the request's head. */
#include <stdlib.h>
#include <string.h>

#include "module/module.h"
#include "servlet.h"

static const char *
raw_at(const servlet *s, uint32_t offset)
{
	return s->request->buffer + offset;
}

const char *
get_method(servlet *s)
{
	return s->method;
}

const char *
get_target(servlet *s)
{
	return s->target_text;
}

const char *
get_protocol(servlet *s)
{
	return s->request->head.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

const char *
get_header(servlet *s, const char *name)
{
	const struct field *f = head_field(&s->request->head, s->request->buffer, name);

	return f == NULL ? NULL : raw_at(s, f->value);
}

int
each_header(servlet *s, modserver_visit *visit, void *context)
{
	uint32_t i;
	int answer;

	for (i = 0; i < s->request->head.field_count; i++) {
		const struct field *f = &s->request->fields[i];

		answer = visit(context, raw_at(s, f->name), raw_at(s, f->value));
		if (answer != 0)
			return answer;
	}
	return 0;
}

const char *
get_path(servlet *s)
{
	return s->path;
}

const char *
get_path_info(servlet *s)
{
	size_t length = strlen(s->route->route);

	/* An exact route is all script name. */
	if (length < 2 || strcmp(s->route->route + length - 2, "/*") != 0)
		return "";
	return s->path + s->script_length;
}

const char *
get_script_name(servlet *s)
{
	size_t length = strlen(get_path_info(s));

	if (s->script_name == NULL)
		s->script_name = arena_copy(s->arena, s->path, s->path_length - length);
	return s->script_name == NULL ? "" : s->script_name;
}

const char *
get_route(servlet *s)
{
	return s->route->route;
}

const char *
get_query(servlet *s)
{
	if (s->query == NULL)
		s->query = arena_copy(s->arena, get_target(s) + s->target.query,
		    s->target.query_length);
	return s->query == NULL ? "" : s->query;
}

const char *
get_scheme(servlet *s)
{
	return s->client.https ? "https" : "http";
}

const char *
get_remote_addr(servlet *s)
{
	return s->client.address;
}

int
get_remote_port(servlet *s)
{
	return s->client.port;
}

/* The address the connection arrived at. */
static void
servlet_local_address(servlet *s)
{
	char text[ADDRESS_TEXT_MAX];
	const char *host = text;

	s->port = connection_get_local(s->connection, text);
	if (strcmp(text, "unix") == 0)
		host = "localhost";
	s->host = arena_copy(s->arena, host, strlen(host));
}

/* Host, or the authority of an absolute target, taken apart. */
static void
servlet_find_host(servlet *s)
{
	const char *text, *colon;
	size_t length;

	if (s->target.absolute) {
		text = get_target(s) + s->target.authority;
		length = s->target.authority_length;
	} else {
		text = get_header(s, "Host");
		length = text == NULL ? 0 : strlen(text);
	}
	if (length == 0) {
		servlet_local_address(s);
		return;
	}
	colon = memrchr(text, ':', length);
	if (colon != NULL && memchr(colon, ']', (size_t)(text + length - colon)) != NULL)
		colon = NULL;	/* within the address */
	/* A port that is empty is none (RFC 3986, 3.2.3). */
	if (colon != NULL && colon + 1 < text + length)
		s->port = atoi(colon + 1);
	else
		s->port = strcmp(get_scheme(s), "https") == 0 ? 443 : 80;
	if (colon != NULL)
		length = (size_t)(colon - text);
	s->host = arena_copy(s->arena, text, length);
}

const char *
get_server_name(servlet *s)
{
	if (s->host == NULL)
		servlet_find_host(s);
	return s->host == NULL ? "" : s->host;
}

int
get_server_port(servlet *s)
{
	if (s->host == NULL)
		servlet_find_host(s);
	return s->port;
}

const char *
module_server_addr(servlet *s)
{
	char *text = arena_alloc(s->arena, ADDRESS_TEXT_MAX);

	if (text == NULL)
		return "";
	(void)connection_get_local(s->connection, text);
	return text;
}

int
module_server_port(servlet *s)
{
	char text[ADDRESS_TEXT_MAX];

	return connection_get_local(s->connection, text);
}

const char *
get_request_id(servlet *s)
{
	return s->request_id;
}
