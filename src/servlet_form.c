/* servlet_form.c - the functions of modserver.h, as far as they are about arguments, cookies,
 * forms, uploads and the body: what is parsed when it is asked for. */
#include <string.h>

#include "octet.h"
#include "servlet.h"

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
	const char *raw = s->request->buffer;
	uint32_t i;

	if (s->cookies_parsed)
		return &s->cookies;
	s->cookies_parsed = true;
	s->cookies.count = 0;
	s->cookies.at = NULL;
	for (i = 0; i < s->request->head.field_count; i++) {
		const struct field *f = &s->request->fields[i];

		if (texts_alike(raw + f->name, "Cookie") &&
		    form_parse_cookies(s->arena, raw + f->value, f->value_length,
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
