/*
 * form.c - names and values in a query, a form body, cookies; uploads.
 */
#include "form.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "multipart.h"
#include "octet.h"
#include "target.h"

#define FORM_PIECE 32768	/* octets read from the spool at once */

/* ------------------------------------------------------------ urlencoded */

/* Number of non-empty parts between separators, or -1: too many. */
static long
count_parts(const char *text, size_t length, char separator)
{
	const char *end = text + length, *next;
	long count = 0;

	for (; text < end; text = next + 1) {
		next = memchr(text, separator, (size_t)(end - text));
		if (next == NULL)
			next = end;
		if (next > text && ++count > FORM_FIELDS_MAX) {
			errno = E2BIG;
			return -1;
		}
		if (next == end)
			break;
	}
	return count;
}

int
form_parse_urlencoded(struct arena *a, const char *text, size_t length, struct pairs *out)
{
	const char *end, *next, *equals;
	struct pair *pair;
	char *room;
	long count;

	out->at = NULL;
	out->count = 0;
	count = length > 0 ? count_parts(text, length, '&') : 0;
	if (count <= 0)
		return (int)count;
	pair = arena_alloc(a, (size_t)count * sizeof(*pair));
	/* Each name and value is followed by "=", "&" or the end, whose place
	 * its NUL takes: one octet more than the text is enough for all. */
	room = pair != NULL ? arena_alloc(a, length + 1) : NULL;
	if (room == NULL)
		return -1;
	out->at = pair;
	for (end = text + length; out->count < (size_t)count; text = next + (next < end)) {
		next = memchr(text, '&', (size_t)(end - text));
		if (next == NULL)
			next = end;
		if (next == text)
			continue;
		equals = memchr(text, '=', (size_t)(next - text));
		pair->name = room;
		room += target_decode_form(text, (size_t)((equals != NULL ? equals : next) - text),
		    room) + 1;
		pair->value = "";
		if (equals != NULL) {
			pair->value = room;
			room += target_decode_form(equals + 1, (size_t)(next - equals - 1), room) + 1;
		}
		pair++;
		out->count++;
	}
	return 0;
}

/* --------------------------------------------------------------- cookies */

/* Moves both ends over blanks. */
static void
trim(const char **start, const char **end)
{
	while (*start < *end && (**start == ' ' || **start == '\t'))
		(*start)++;
	while (*end > *start && ((*end)[-1] == ' ' || (*end)[-1] == '\t'))
		(*end)--;
}

/* The name=value from start to end.  1; 0: it is none; -1: out of arena. */
static int
read_cookie(struct arena *a, const char *start, const char *end, struct pair *pair)
{
	const char *equals, *name_end, *value;

	equals = memchr(start, '=', (size_t)(end - start));
	if (equals == NULL)
		return 0;
	name_end = equals;
	value = equals + 1;
	trim(&start, &name_end);
	trim(&value, &end);
	if (name_end == start)
		return 0;
	pair->name = arena_copy(a, start, (size_t)(name_end - start));
	pair->value = arena_copy(a, value, (size_t)(end - value));
	return pair->name != NULL && pair->value != NULL ? 1 : -1;
}

int
form_parse_cookies(struct arena *a, const char *text, size_t length, struct pairs *out)
{
	const char *end, *next;
	struct pair *pairs;
	size_t found;
	long count;

	count = length > 0 ? count_parts(text, length, ';') : 0;
	if (count <= 0)
		return (int)count;
	if (out->count + (size_t)count > FORM_FIELDS_MAX) {
		errno = E2BIG;
		return -1;
	}
	pairs = arena_alloc(a, (out->count + (size_t)count) * sizeof(*pairs));
	if (pairs == NULL)
		return -1;
	if (out->count > 0)
		memcpy(pairs, out->at, out->count * sizeof(*pairs));
	found = out->count;
	for (end = text + length; text < end; text = next + 1) {
		next = memchr(text, ';', (size_t)(end - text));
		if (next == NULL)
			next = end;
		switch (read_cookie(a, text, next, &pairs[found])) {
		case 1:
			found++;
			break;
		case -1:
			return -1;
		}
		if (next == end)
			break;
	}
	out->at = pairs;
	out->count = found;
	return 0;
}

const char *
form_find(const struct pairs *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->count; i++) {
		if (strcmp(p->at[i].name, name) == 0)
			return p->at[i].value;
	}
	return NULL;
}

/* ------------------------------------------------------------- multipart */

/* A multipart body being read. */
struct reading {
	struct arena *arena;
	const struct spool *body;
	struct pairs *fields;
	struct uploads *uploads;
	size_t field_room, upload_room;	/* allocated */
	size_t parts;			/* begun so far */
	const char *reason;		/* why a callback stopped */

	/* The part at hand. */
	bool is_file;
	const char *name;
	long long offset, length;	/* its content in the body, so far */
	struct upload upload;		/* fd -1 until an octet has come */
};

/* Makes *at, which holds count elements in *room, hold one more.  0 or -1. */
static int
make_room(struct arena *a, void **at, size_t count, size_t *room, size_t size)
{
	size_t more = *room > 0 ? *room * 2 : 16;
	void *p;

	if (count < *room)
		return 0;
	p = arena_alloc(a, more * size);
	if (p == NULL)
		return -1;
	if (count > 0)
		memcpy(p, *at, count * size);
	*at = p;
	*room = more;
	return 0;
}

static int
stop(struct reading *r, const char *reason)
{
	r->reason = reason;
	return -1;
}

static const char *
keep(struct reading *r, const char *text)
{
	return arena_copy(r->arena, text, strlen(text));
}

static int
part_begin(void *context, const struct multipart_part *part)
{
	struct reading *r = context;
	struct upload *u = &r->upload;

	if (++r->parts > FORM_FIELDS_MAX)
		return stop(r, "too many fields");
	r->offset = part->offset;
	r->length = 0;
	r->is_file = part->file_name != NULL;
	r->name = keep(r, part->name);
	if (r->name == NULL)
		return stop(r, "too large for memory");
	if (!r->is_file)
		return 0;
	u->fd = -1;
	u->size = 0;
	u->field = r->name;
	u->file_name = keep(r, part->file_name);
	u->type = keep(r, part->type != NULL && *part->type != '\0' ?
	    part->type : "application/octet-stream");
	if (u->file_name == NULL || u->type == NULL)
		return stop(r, "too large for memory");
	return 0;
}

static int
upload_open(struct reading *r)
{
	if (r->uploads->count == FORM_UPLOADS_MAX)
		return stop(r, "too many uploads");
	r->upload.fd = spool_file();
	return r->upload.fd != -1 ? 0 : stop(r, "cannot create a temporary file");
}

static int
part_data(void *context, const char *data, size_t length)
{
	struct reading *r = context;
	struct upload *u = &r->upload;
	ssize_t n;

	if (!r->is_file) {
		r->length += (long long)length;
		return 0;
	}
	if (u->fd == -1 && upload_open(r) == -1)
		return -1;
	/* pwrite: the file's own offset is to stay 0. */
	while (length > 0) {
		n = pwrite(u->fd, data, length, (off_t)u->size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return stop(r, "cannot write to a temporary file");
		data += n;
		length -= (size_t)n;
		u->size += n;
	}
	return 0;
}

/* Reads length octets of the body at offset.  0 or -1. */
static int
read_body(const struct spool *body, long long offset, char *to, size_t length)
{
	ssize_t n;

	while (length > 0) {
		n = spool_read(body, offset, to, length);
		if (n <= 0)
			return -1;
		to += n;
		offset += n;
		length -= (size_t)n;
	}
	return 0;
}

static int
upload_end(struct reading *r)
{
	struct uploads *out = r->uploads;
	void *at = out->at;

	if (r->upload.fd == -1) {
		if (*r->upload.file_name == '\0')
			return 0;	/* no file was chosen */
		if (upload_open(r) == -1)
			return -1;
	}
	if (make_room(r->arena, &at, out->count, &r->upload_room, sizeof(*out->at)) == -1)
		return stop(r, "too large for memory");
	out->at = at;
	out->at[out->count++] = r->upload;
	r->upload.fd = -1;	/* belongs to *out now */
	return 0;
}

/* A field's value is one run of octets in the body, fetched from there now
 * that its length is known. */
static int
part_end(void *context)
{
	struct reading *r = context;
	struct pairs *out = r->fields;
	void *at = out->at;
	char *value;

	if (r->is_file)
		return upload_end(r);
	value = arena_alloc(r->arena, (size_t)r->length + 1);
	if (value == NULL ||
	    make_room(r->arena, &at, out->count, &r->field_room, sizeof(*out->at)) == -1)
		return stop(r, "too large for memory");
	if (read_body(r->body, r->offset, value, (size_t)r->length) == -1)
		return stop(r, "cannot read the body");
	value[r->length] = '\0';
	out->at = at;
	out->at[out->count].name = r->name;
	out->at[out->count].value = value;
	out->count++;
	return 0;
}

/* Feeds the body to m.  0 or -1. */
static int
feed_body(struct reading *r, struct multipart *m)
{
	char piece[FORM_PIECE];
	long long at;
	ssize_t n;

	for (at = 0; at < r->body->length; at += n) {
		n = spool_read(r->body, at, piece, sizeof(piece));
		if (n <= 0)
			return stop(r, "cannot read the body");
		if (multipart_feed(m, piece, (size_t)n) == -1)
			return -1;
	}
	return multipart_finish(m);
}

static int
parse_multipart(struct reading *r, const char *boundary)
{
	const struct multipart_receiver to = { part_begin, part_data, part_end, r };
	struct multipart m;

	r->upload.fd = -1;
	multipart_init(&m, boundary, &to);
	if (feed_body(r, &m) == 0)
		return 0;
	if (m.reason != NULL)
		r->reason = m.reason;
	if (r->upload.fd != -1)
		close(r->upload.fd);
	return -1;
}

/* ------------------------------------------------------------- the body */

static int
parse_urlencoded(struct reading *r)
{
	const char *text = r->body->memory;
	size_t length = (size_t)r->body->length;
	char *copy;

	if (r->body->fd != -1) {
		copy = arena_alloc(r->arena, length);
		if (copy == NULL)
			return stop(r, "too large for memory");
		if (read_body(r->body, 0, copy, length) == -1)
			return stop(r, "cannot read the body");
		text = copy;
	}
	if (form_parse_urlencoded(r->arena, text, length, r->fields) == -1)
		return stop(r, errno == E2BIG ? "too many fields" : "too large for memory");
	return 0;
}

static bool
is_urlencoded(const char *content_type)
{
	static const char type[] = "application/x-www-form-urlencoded";
	const size_t n = sizeof(type) - 1;

	while (*content_type == ' ' || *content_type == '\t')
		content_type++;
	return octets_alike(content_type, type, n) &&
	    (content_type[n] == '\0' || strchr("; \t", content_type[n]) != NULL);
}

int
form_parse_body(struct arena *a, const char *content_type, const struct spool *body,
    struct pairs *fields, struct uploads *uploads, const char **reason)
{
	struct reading r = { .arena = a, .body = body, .fields = fields, .uploads = uploads };
	char boundary[MULTIPART_BOUNDARY_MAX + 1];
	int result = 0;

	fields->at = NULL;
	fields->count = 0;
	uploads->at = NULL;
	uploads->count = 0;
	if (content_type == NULL || body->length == 0)
		return 0;
	if (is_urlencoded(content_type)) {
		result = parse_urlencoded(&r);
	} else {
		switch (multipart_boundary(content_type, boundary)) {
		case 1:
			result = parse_multipart(&r, boundary);
			break;
		case -1:
			result = stop(&r, "multipart: no valid boundary in Content-Type");
			break;
		}
	}
	if (result == -1) {
		form_close_uploads(uploads);
		fields->count = 0;
		*reason = r.reason;
	}
	return result;
}

void
form_close_uploads(struct uploads *u)
{
	size_t i;

	for (i = 0; i < u->count; i++)
		close(u->at[i].fd);
	u->count = 0;
}
