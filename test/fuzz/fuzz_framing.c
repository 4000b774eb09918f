/*
 * Any octets as requests on one connection: where each ends, what its body is
 * and whether another may follow is what RFC 9112 says, read a second time by
 * reference.h.  Two readings that differ are how requests are smuggled.
 */
#include <stdlib.h>

#include "parser.h"
#include "reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_MAX 4096
#define FIELD_MAX 20

struct ours {
	enum parser_result result;
	struct parser parser;
	struct head head;
	struct field fields[FIELD_MAX];
	size_t used;
	uint64_t length, hash;
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
	struct ours *o = context;

	for (size_t i = 0; i < length; i++)
		o->hash = o->hash * 31 + (unsigned char)data[i];
	o->length += length;
	return 0;
}

static void
parse(struct ours *o, const char *text, size_t length)
{
	size_t used;

	memset(o, 0, sizeof(*o));
	o->head.fields = o->fields;
	o->head.field_max = FIELD_MAX;
	parser_init(&o->parser, HEAD_MAX);
	do {
		o->result = parser_feed(&o->parser, &o->head, text, text + o->used,
		    length - o->used, &used, take, o);
		o->used += used;
	} while (o->result == PARSER_HEAD);
}

static void
compare_whole(const struct ours *o, const struct reference *r)
{
	claim(o->used == r->at && o->parser.head_length == r->head_length);
	claim(o->length == r->data_length && o->hash == r->data_hash);
	claim(o->head.method_length == r->method_length && o->head.target == r->target &&
	    o->head.target_length == r->target_length && o->head.minor == r->minor &&
	    o->head.field_count == r->fields);
	claim(o->head.chunked == r->chunked);
	claim(o->head.content_length == (r->has_length ? (int64_t)r->body_length : -1));
	claim(o->head.keep_alive == (!r->closes && (r->minor == 1 || r->stays)));
}

/* Whether what the grammar allows may be refused like this. */
static bool
may_refuse(const struct ours *o, const struct reference *r)
{
	switch (o->parser.status) {
	case 414:
	case 431:
		return r->head_length >= HEAD_MAX || r->fields > FIELD_MAX ||
		    r->trailers > HEAD_MAX;
	case 501:
		return true;		/* a method or a coding */
	default:
		/* Its target or Host is not of the form they must have. */
		return strcmp(o->parser.reason, "malformed request target") == 0 ||
		    strcmp(o->parser.reason, "malformed Host") == 0 || r->choice;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ours o;
	const char *text = (const char *)data;
	size_t at = 0;

	do {
		struct reference r = { .text = text + at, .length = size - at };
		enum reference_verdict verdict;

		parse(&o, text + at, size - at);
		verdict = reference_verdict(&r, reference_head(&r) &&
		    reference_body(&r, CHUNKED_EXTENSIONS_MAX, CHUNKED_DATA_PER_EXTENSION));
		if (o.result == PARSER_DONE) {
			claim(verdict == REFERENCE_WHOLE);
			compare_whole(&o, &r);
		} else if (verdict == REFERENCE_WHOLE) {
			claim(o.result == PARSER_ERROR && may_refuse(&o, &r));
		}
		at += o.used;
	} while (o.result == PARSER_DONE && o.head.keep_alive && at < size);
	return 0;
}
