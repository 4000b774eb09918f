/*
 * form.h - names and values in a query, a form body, cookies; uploads.
 * Pure but for uploads, which are spooled.
 */
#ifndef FORM_H
#define FORM_H

#include <stddef.h>

#include "arena.h"
#include "modserver.h"
#include "spool.h"

struct pair {
	const char *name, *value;	/* in the arena, NUL-terminated */
};

struct pairs {
	struct pair *at;	/* in the arena */
	size_t count;
};

struct uploads {
	struct upload *at;	/* in the arena; each fd open until form_close_uploads */
	size_t count;
};

/* Fields of one query, form or Cookie header at most (uploads are fields too);
 * further ones are an error. */
#define FORM_FIELDS_MAX 1000

/* Uploads of one form at most: each takes a descriptor. */
#define FORM_UPLOADS_MAX 100

/* "a=1&b=x+y" -> decoded pairs in order.  Empty ones ("a&&b") are left out; "a"
 * is "a=".  A value with %00 reads as ending there.  0, or -1: out of arena
 * (ENOMEM), or too many (E2BIG); then *out is empty. */
int form_parse_urlencoded(struct arena *a, const char *text, size_t length, struct pairs *out);

/* Cookie header's value: "a=1; b=2" (RFC 6265, 4.2).  Appends to out, what is
 * not name=value left out.  0, or -1 as above; then *out is as it was. */
int form_parse_cookies(struct arena *a, const char *text, size_t length, struct pairs *out);

/* First value of that name, or NULL. */
const char *form_find(const struct pairs *p, const char *name);

/* A body of that Content-Type: urlencoded or multipart/form-data (RFC 7578,
 * RFC 2046).  Reads it from the spool piece by piece.  A part with a file name
 * is an upload, another one a field; a file input that was left empty (no
 * file name and no octets) is neither.  0 (also for other types, NULL, and an
 * empty body: nothing found), or -1, *reason a constant text, nothing found. */
int form_parse_body(struct arena *a, const char *content_type, const struct spool *body,
    struct pairs *fields, struct uploads *uploads, const char **reason);

void form_close_uploads(struct uploads *u);

#endif
