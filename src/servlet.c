/* servlet.c - the functions of modserver.h, as far as they are about the request. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "servlet.h"

/* Values at most; those nearest to us count. */
#define FORWARDED_MAX 32

/* The last values of the fields of that name. */
static struct forwarded_list
forwarded_values(const struct servlet *s, const char *name, struct forwarded_value *values)
{
	const struct request *r = s->request;
	size_t length = strlen(name), at = FORWARDED_MAX;
	uint32_t i;

	for (i = r->head.field_count; i > 0 && at > 0; i--) {
		const struct field *f = &r->fields[i - 1];

		if (f->name_length == length &&
		    strncasecmp(r->buffer + f->name, name, length) == 0)
			values[--at] = (struct forwarded_value){ r->buffer + f->value,
			    f->value_length };
	}
	return (struct forwarded_list){ values + at, FORWARDED_MAX - at };
}

void
servlet_find_client(struct servlet *s)
{
	struct forwarded_value fors[FORWARDED_MAX], protos[FORWARDED_MAX];
	struct forwarded_list addresses, schemes;
	const struct config *c = s->config;

	memcpy(s->client.address, s->connection->remote, sizeof(s->client.address));
	s->client.port = s->connection->remote_port;
	s->client.https = false;
	if (c->trusted_proxy_count == 0)
		return;
	addresses = forwarded_values(s, "X-Forwarded-For", fors);
	schemes = forwarded_values(s, "X-Forwarded-Proto", protos);
	forwarded_find(c->trusted_proxies, c->trusted_proxy_count, &addresses, &schemes,
	    &s->client);
}

/* What has been made of the request so far is made anew when asked for. */
static void
servlet_forget(struct servlet *s)
{
	s->script_name = NULL;
	s->query = NULL;
	s->host = NULL;
	s->args_parsed = s->form_parsed = s->cookies_parsed = false;
	s->uploads.count = 0;
	s->body_at = 0;
}

void
servlet_begin(struct servlet *s)
{
	struct request *r = s->request;
	char *raw = r->buffer;
	uint32_t i;

	raw[r->head.method + r->head.method_length] = '\0';
	raw[r->head.target + r->head.target_length] = '\0';
	for (i = 0; i < r->head.field_count; i++) {
		const struct field *f = &r->fields[i];

		raw[f->name + f->name_length] = '\0';
		raw[f->value + f->value_length] = '\0';
	}
	s->method = raw + r->head.method;
	s->target_text = raw + r->head.target;
	s->redirect = NULL;
	s->said = NULL;
	s->last_said = &s->said;
	s->said_bytes = 0;
	servlet_forget(s);
}

/* Fields about a body that is not there. */
static bool
is_about_body(const char *name)
{
	return strncasecmp(name, "Content-", 8) == 0 ||
	    strcasecmp(name, "Transfer-Encoding") == 0;
}

void
servlet_redirect(struct servlet *s)
{
	struct request *r = s->request;
	uint32_t i, kept = 0;

	servlet_end(s);
	if (strcmp(s->method, "HEAD") != 0)
		s->method = "GET";
	s->target_text = s->redirect;
	s->redirect = NULL;
	for (i = 0; i < r->head.field_count; i++)
		if (!is_about_body(r->buffer + r->fields[i].name))
			r->fields[kept++] = r->fields[i];
	r->head.field_count = kept;
	spool_free(&r->body);
	servlet_forget(s);
}

void
servlet_end(struct servlet *s)
{
	if (s->uploads.count > 0)
		form_close_uploads(&s->uploads);
	s->uploads.count = 0;
}

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
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "localhost";

	s->port = 0;
	if (getsockname(s->connection->fd, (struct sockaddr *)&address, &length) == 0) {
		if (address.ss_family == AF_INET) {
			const struct sockaddr_in *v4 = (const void *)&address;

			inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
			s->port = ntohs(v4->sin_port);
		} else if (address.ss_family == AF_INET6) {
			const struct sockaddr_in6 *v6 = (const void *)&address;

			inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
			s->port = ntohs(v6->sin6_port);
		}
	}
	s->host = arena_copy(s->arena, text, strlen(text));
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
	if (colon != NULL && memchr(colon, ']', (size_t)(text + length - colon)) == NULL) {
		s->port = atoi(colon + 1);
		length = (size_t)(colon - text);
	} else {
		s->port = strcmp(get_scheme(s), "https") == 0 ? 443 : 80;
	}
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
	char *text = arena_alloc(s->arena, CONNECTION_REMOTE_MAX);

	if (text == NULL)
		return "";
	connection_get_local(s->connection, text);
	return text;
}

const char *
get_request_id(servlet *s)
{
	return s->request_id;
}

/* ------------------------------------------------- arguments, forms, cookies */

static const struct pairs *
servlet_args(servlet *s)
{
	if (!s->args_parsed) {
		s->args_parsed = true;
		if (form_parse_urlencoded(s->arena, get_target(s) + s->target.query,
		    s->target.query_length, &s->args) == -1) {
			s->args.count = 0;
			rlog(s, "the query has too many arguments: all ignored");
		}
	}
	return &s->args;
}

static const struct pairs *
servlet_cookies(servlet *s)
{
	uint32_t i;

	if (s->cookies_parsed)
		return &s->cookies;
	s->cookies_parsed = true;
	s->cookies.count = 0;
	s->cookies.at = NULL;
	for (i = 0; i < s->request->head.field_count; i++) {
		const struct field *f = &s->request->fields[i];

		if (strcasecmp(raw_at(s, f->name), "Cookie") == 0 &&
		    form_parse_cookies(s->arena, raw_at(s, f->value), f->value_length,
		    &s->cookies) == -1)
			rlog(s, "too many cookies: the rest is ignored");
	}
	return &s->cookies;
}

static void
servlet_parse_form(servlet *s)
{
	const char *type = get_header(s, "Content-Type"), *reason = "";

	if (s->form_parsed)
		return;
	s->form_parsed = true;
	s->form.count = 0;
	s->uploads.count = 0;
	if (type != NULL && form_parse_body(s->arena, type, &s->request->body, &s->form,
	    &s->uploads, &reason) == -1) {
		form_close_uploads(&s->uploads);
		s->form.count = s->uploads.count = 0;
		rlog(s, "the form in the body is ignored: %s", reason);
	}
}

static int
visit_pairs(const struct pairs *p, modserver_visit *visit, void *context)
{
	size_t i;
	int answer;

	for (i = 0; i < p->count; i++) {
		answer = visit(context, p->at[i].name, p->at[i].value);
		if (answer != 0)
			return answer;
	}
	return 0;
}

const char *
get_arg(servlet *s, const char *name)
{
	return form_find(servlet_args(s), name);
}

int
each_arg(servlet *s, modserver_visit *visit, void *context)
{
	return visit_pairs(servlet_args(s), visit, context);
}

const char *
get_cookie(servlet *s, const char *name)
{
	return form_find(servlet_cookies(s), name);
}

int
each_cookie(servlet *s, modserver_visit *visit, void *context)
{
	return visit_pairs(servlet_cookies(s), visit, context);
}

const char *
get_form(servlet *s, const char *name)
{
	servlet_parse_form(s);
	return form_find(&s->form, name);
}

int
each_form(servlet *s, modserver_visit *visit, void *context)
{
	servlet_parse_form(s);
	return visit_pairs(&s->form, visit, context);
}

const struct upload *
get_upload(servlet *s, const char *field)
{
	size_t i;

	servlet_parse_form(s);
	for (i = 0; i < s->uploads.count; i++)
		if (strcmp(s->uploads.at[i].field, field) == 0)
			return &s->uploads.at[i];
	return NULL;
}

int
each_upload(servlet *s, int (*visit)(void *, const struct upload *), void *context)
{
	size_t i;
	int answer;

	servlet_parse_form(s);
	for (i = 0; i < s->uploads.count; i++) {
		answer = visit(context, &s->uploads.at[i]);
		if (answer != 0)
			return answer;
	}
	return 0;
}

/* --------------------------------------------------------------------- body */

long long
get_content_length(servlet *s)
{
	return s->request->body.length;
}

ssize_t
rread(servlet *s, void *buffer, size_t length)
{
	ssize_t n = spool_read(&s->request->body, s->body_at, buffer, length);

	if (n > 0)
		s->body_at += n;
	return n;
}

int
rrewind(servlet *s)
{
	s->body_at = 0;
	return 0;
}

int
each_route(servlet *s, int (*visit)(void *, const struct route_info *), void *context)
{
	size_t i;
	int answer;

	for (i = 0; i < s->config->servlet_count; i++) {
		const struct config_servlet *c = &s->config->servlets[i];
		struct route_info info = {
			.route = c->route,
			.language = s->config->modules[c->module].name,
			.description = c->description,
			.file = c->text,
		};

		if (s->programs->at[i].module == NULL)
			continue;	/* optional, and not there */
		answer = visit(context, &info);
		if (answer != 0)
			return answer;
	}
	return 0;
}
