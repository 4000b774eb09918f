/* servlet.c - a request from where it is a servlet's to where it is not; see servlet.h. */
#include <string.h>

#include "octet.h"
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
		    octets_alike(r->buffer + f->name, name, length))
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
	return octets_alike(name, "Content-", 8) ||
	    texts_alike(name, "Transfer-Encoding");
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
	r->body.spares = NULL;	/* the loop's, which may be the helper's now */
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
