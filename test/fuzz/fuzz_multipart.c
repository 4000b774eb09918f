/*
 * fuzz_multipart.c - a multipart body means the same however it is cut into
 * pieces, and the same again through form_parse_body().
 *
 * First octet: size of the pieces; then the Content-Type up to a newline;
 * then the body.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"
#include "multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a parse reported, as one sum; runs of content do not matter, octets do. */
struct sum {
	uint64_t value;
	size_t parts, files;
};

static void
add(struct sum *s, const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		s->value = (s->value ^ (unsigned char)text[i]) * 1099511628211u;
}

static int
begin(void *context, const struct multipart_part *part)
{
	struct sum *s = context;

	s->parts++;
	s->files += part->file_name != NULL;
	add(s, part->name, strlen(part->name) + 1);
	if (part->file_name != NULL)
		add(s, part->file_name, strlen(part->file_name) + 1);
	if (part->type != NULL)
		add(s, part->type, strlen(part->type) + 1);
	add(s, (const char *)&part->offset, sizeof(part->offset));
	return 0;
}

static int
content(void *context, const char *data, size_t length)
{
	if (length == 0)
		abort();
	add(context, data, length);
	return 0;
}

static int
end(void *context)
{
	add(context, ";", 1);
	return 0;
}

static int
parse(const char *boundary, const char *body, size_t length, size_t piece, struct sum *s)
{
	const struct multipart_receiver to = { begin, content, end, s };
	struct multipart m;
	size_t n;

	memset(s, 0, sizeof(*s));
	multipart_init(&m, boundary, &to);
	for (; length > 0; length -= n, body += n) {
		n = piece < length ? piece : length;
		if (multipart_feed(&m, body, n) == -1)
			return -1;
	}
	return multipart_finish(&m);
}

static void
check_form(const char *type, const char *body, size_t length, int result, const struct sum *s)
{
	struct arena *a = arena_new(1 << 20);
	struct uploads uploads;
	struct pairs fields;
	struct spool spool;
	const char *reason;

	spool_init(&spool, length % 2 == 0 ? 0 : 1 << 20);
	if (a == NULL || spool_write(&spool, body, length) == -1)
		abort();
	if (form_parse_body(a, type, &spool, &fields, &uploads, &reason) == 0) {
		if (length > 0 && (result == -1 || fields.count != s->parts - s->files ||
		    uploads.count > s->files))
			abort();
	} else if (result == 0 && s->parts <= FORM_FIELDS_MAX && s->files <= FORM_UPLOADS_MAX &&
	    length < 4096) {
		abort();
	}
	form_close_uploads(&uploads);
	spool_free(&spool);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char boundary[MULTIPART_BOUNDARY_MAX + 1], type[300];
	const char *body, *newline;
	struct sum whole, pieces;
	size_t piece, length;
	int result;

	if (size < 2)
		return 0;
	piece = (size_t)(data[0] % 80) + 1;
	body = (const char *)data + 1;
	newline = memchr(body, '\n', size - 1);
	if (newline == NULL || newline - body >= (long)sizeof(type))
		return 0;
	memcpy(type, body, (size_t)(newline - body));
	type[newline - body] = '\0';
	body = newline + 1;
	length = size - (size_t)(body - (const char *)data);
	if (multipart_boundary(type, boundary) != 1)
		return 0;

	result = parse(boundary, body, length, SIZE_MAX, &whole);
	if (parse(boundary, body, length, piece, &pieces) != result ||
	    pieces.parts != whole.parts)
		abort();
	/* Of a malformed one, how much content is seen before the end may differ. */
	if (result == 0 && pieces.value != whole.value)
		abort();
	check_form(type, body, length, result, &whole);
	return 0;
}
