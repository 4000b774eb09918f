/*
 * Any octets, as requests on one connection: fed whole, octet by octet and in
 * pieces of seven they give the same requests, the same fields, the same body
 * and the same refusal; and what is accepted keeps what parser.h and head.h
 * promise.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "octet.h"
#include "parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_MAX 1024
#define FIELD_MAX 6

struct outcome {
	enum parser_result result;
	int status;
	bool has_head;
	struct head head;
	struct field fields[FIELD_MAX];
	size_t consumed;
	uint64_t body_hash, body_length;
};

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static int
take(void *context, const char *data, size_t length)
{
	struct outcome *o = context;

	claim(length > 0);
	for (size_t i = 0; i < length; i++)
		o->body_hash = o->body_hash * 31 + (unsigned char)data[i];
	o->body_length += length;
	return 0;
}

/* What head_check() has let pass. */
static void
check_head(const struct head *h, const char *raw, size_t length)
{
	claim(length <= HEAD_MAX && h->field_count <= h->field_max && h->minor <= 1);
	claim(length >= 4 && memcmp(raw + length - 4, "\r\n\r\n", 4) == 0);
	claim(h->target > h->method && h->target_length > 0);
	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct field *f = &h->fields[i];

		claim(f->name_length > 0 && f->name + f->name_length < f->value + 1);
		claim((size_t)f->value + f->value_length + 2 <= length);
		for (uint32_t k = 0; k < f->name_length; k++)
			claim(octet_is_token((unsigned char)raw[f->name + k]));
		for (uint32_t k = 0; k < f->value_length; k++)
			claim(octet_is_field((unsigned char)raw[f->value + k]));
	}
	claim(!h->chunked || (h->minor == 1 && h->content_length == -1));
	claim(h->content_length >= -1);
	claim(h->minor == 0 || head_field(h, raw, "host") != NULL);
}

/* One request from the start of text, step octets at a time. */
static void
parse(struct outcome *o, const char *text, size_t length, size_t step)
{
	struct parser p;
	size_t fed = 0, end = 0, used;

	memset(o, 0, sizeof(*o));
	o->head.fields = o->fields;
	o->head.field_max = FIELD_MAX;
	parser_init(&p, HEAD_MAX);
	do {
		o->result = parser_feed(&p, &o->head, text, text + fed, end - fed, &used, take, o);
		claim(used <= end - fed);
		fed += used;
		if (o->result == PARSER_HEAD) {
			claim(!o->has_head && p.head_length == fed);
			o->has_head = true;
			check_head(&o->head, text, fed);
			continue;
		}
		claim(o->result != PARSER_MORE || fed == end);
		if (o->result != PARSER_MORE || end == length)
			break;
		end = length - end < step ? length : end + step;
	} while (true);
	o->status = p.status;
	o->consumed = fed;
	claim(o->result != PARSER_ERROR || (p.reason != NULL && p.status >= 400));
	claim(o->result != PARSER_DONE || o->has_head);
}

static void
compare(const struct outcome *a, const struct outcome *b)
{
	claim(a->result == b->result && a->status == b->status);
	claim(a->has_head == b->has_head);
	claim(a->body_length == b->body_length && a->body_hash == b->body_hash);
	if (!a->has_head)
		return;
	claim(a->result == PARSER_ERROR || a->consumed == b->consumed);
	claim(a->head.method == b->head.method && a->head.target == b->head.target &&
	    a->head.method_length == b->head.method_length &&
	    a->head.target_length == b->head.target_length &&
	    a->head.minor == b->head.minor && a->head.keep_alive == b->head.keep_alive &&
	    a->head.chunked == b->head.chunked &&
	    a->head.expect_continue == b->head.expect_continue &&
	    a->head.content_length == b->head.content_length &&
	    a->head.field_count == b->head.field_count &&
	    memcmp(a->fields, b->fields, a->head.field_count * sizeof(struct field)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, octets, pieces;
	const char *text = (const char *)data;
	size_t at = 0;

	do {
		parse(&whole, text + at, size - at, size - at > 0 ? size - at : 1);
		parse(&octets, text + at, size - at, 1);
		parse(&pieces, text + at, size - at, 7);
		compare(&whole, &octets);
		compare(&whole, &pieces);
		at += whole.consumed;
	} while (whole.result == PARSER_DONE && at < size);
	return 0;
}
