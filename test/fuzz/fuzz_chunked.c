/*
 * Any octets as a chunked body: decoded whole and octet by octet, and as the
 * grammar of RFC 9112 reads them, they end at the same place with the same data.
 */
#include <stdlib.h>

#include "chunked.h"
#include "reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRAILERS_MAX 512

struct outcome {
	int result, status;
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
	struct outcome *o = context;

	claim(length > 0);
	for (size_t i = 0; i < length; i++)
		o->hash = o->hash * 31 + (unsigned char)data[i];
	o->length += length;
	return 0;
}

static struct outcome
decode(const char *text, size_t length, size_t step)
{
	struct outcome o = { 0 };
	struct chunked c;
	const char *reason = NULL;
	size_t used, n;

	chunked_init(&c, TRAILERS_MAX);
	while (o.result == 0 && o.used < length) {
		n = length - o.used < step ? length - o.used : step;
		o.result = chunked_feed(&c, text + o.used, n, &used, take, &o, &o.status, &reason);
		claim(used <= n && (o.result != 0 || used == n));
		claim(o.result != -1 || (reason != NULL && (o.status == 400 || o.status == 431)));
		o.used += used;
	}
	claim(c.total <= length && c.extensions <= length);
	return o;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reference r = { .text = (const char *)data, .length = size };
	struct outcome whole = decode(r.text, size, size), octets = decode(r.text, size, 1);
	enum reference_verdict verdict = reference_verdict(&r,
	    reference_chunks(&r, CHUNKED_EXTENSIONS_MAX, CHUNKED_DATA_PER_EXTENSION));

	claim(whole.result == octets.result && whole.used == octets.used &&
	    whole.status == octets.status && whole.length == octets.length &&
	    whole.hash == octets.hash);
	switch (whole.result) {
	case 1:
		claim(verdict == REFERENCE_WHOLE && r.at == whole.used &&
		    r.data_length == whole.length && r.data_hash == whole.hash);
		break;
	case 0:
		claim(verdict == REFERENCE_PART);
		break;
	default:
		/* What will be too long is refused before its end. */
		claim(verdict == REFERENCE_WRONG || verdict == REFERENCE_PART ||
		    (whole.status == 431 && r.trailers > TRAILERS_MAX));
	}
	return 0;
}
