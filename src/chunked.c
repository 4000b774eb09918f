/*
 * chunked.c - the chunked transfer coding, decoded octet by octet.
 */
#include "chunked.h"

#include "octet.h"

enum chunked_state {
	CHUNKED_SIZE,		/* at or in the size */
	CHUNKED_EXTENSION,
	CHUNKED_SIZE_LF,
	CHUNKED_DATA,
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF,
	CHUNKED_TRAILER,	/* at the start of a trailer line */
	CHUNKED_NAME,
	CHUNKED_VALUE,
	CHUNKED_VALUE_LF,
	CHUNKED_LAST_LF,
	CHUNKED_COMPLETE
};

#define SIZE_DIGITS_MAX 16

void
chunked_init(struct chunked *c, size_t trailers_max)
{
	*c = (struct chunked){ .trailers_left = trailers_max };
}

/* NULL, or what is wrong with this octet of a chunk size. */
static const char *
chunked_size(struct chunked *c, unsigned char octet)
{
	int digit = octet_hex(octet);

	if (digit != -1) {
		if (c->digits == SIZE_DIGITS_MAX || c->left > INT64_MAX / 16)
			return "chunk size too large";
		c->left = c->left * 16 + (unsigned)digit;
		c->digits++;
		return NULL;
	}
	if (c->digits == 0 || (octet != '\r' && octet != ';'))
		return "malformed chunk size";
	if (c->left > (uint64_t)INT64_MAX - c->total)
		return "chunked body too large";
	c->digits = 0;
	c->state = octet == ';' ? CHUNKED_EXTENSION : CHUNKED_SIZE_LF;
	return NULL;
}

static const char *
chunked_extension(struct chunked *c, unsigned char octet)
{
	if (octet == '\r') {
		c->state = CHUNKED_SIZE_LF;
		return NULL;
	}
	if (octet >= 0x80 || !octet_is_field(octet))
		return "malformed chunk extension";
	if (++c->extensions > CHUNKED_EXTENSIONS_MAX + c->total / CHUNKED_DATA_PER_EXTENSION)
		return "chunk extensions too long";
	return NULL;
}

/* Trailers are held to the grammar of fields; an octet of theirs. */
static const char *
chunked_trailer(struct chunked *c, unsigned char octet)
{
	static const char malformed[] = "malformed trailer field";

	switch (c->state) {
	case CHUNKED_TRAILER:
		if (octet == '\r')
			c->state = CHUNKED_LAST_LF;
		else if (octet_is_token(octet))
			c->state = CHUNKED_NAME;
		else
			return malformed;
		break;
	case CHUNKED_NAME:
		if (octet == ':')
			c->state = CHUNKED_VALUE;
		else if (!octet_is_token(octet))
			return malformed;
		break;
	case CHUNKED_VALUE:
		if (octet == '\r')
			c->state = CHUNKED_VALUE_LF;
		else if (!octet_is_field(octet))
			return malformed;
		break;
	default:
		if (octet != '\n')
			return malformed;
		c->state = c->state == CHUNKED_LAST_LF ? CHUNKED_COMPLETE : CHUNKED_TRAILER;
		break;
	}
	return NULL;
}

/* An octet that is not data.  NULL, or what is wrong with it. */
static const char *
chunked_octet(struct chunked *c, unsigned char octet)
{
	switch (c->state) {
	case CHUNKED_SIZE:
		return chunked_size(c, octet);
	case CHUNKED_EXTENSION:
		return chunked_extension(c, octet);
	case CHUNKED_SIZE_LF:
		if (octet != '\n')
			return "chunk size line without CRLF";
		c->state = c->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER;
		return NULL;
	case CHUNKED_DATA_CR:
		if (octet != '\r')
			return "chunk data without CRLF";
		c->state = CHUNKED_DATA_LF;
		return NULL;
	case CHUNKED_DATA_LF:
		if (octet != '\n')
			return "chunk data without CRLF";
		c->state = CHUNKED_SIZE;
		return NULL;
	default:
		return chunked_trailer(c, octet);
	}
}

int
chunked_feed(struct chunked *c, const char *data, size_t length, size_t *used,
    chunked_receiver *receiver, void *context, int *status, const char **reason)
{
	size_t i = 0, n;
	const char *wrong;

	while (i < length && c->state != CHUNKED_COMPLETE) {
		if (c->state == CHUNKED_DATA) {
			n = length - i;
			if (n > c->left)
				n = (size_t)c->left;
			*used = i;
			if (receiver(context, data + i, n) == -1)
				return -1;
			i += n;
			c->total += n;
			c->left -= n;
			if (c->left == 0)
				c->state = CHUNKED_DATA_CR;
			continue;
		}
		*used = i;
		wrong = chunked_octet(c, (unsigned char)data[i]);
		if (wrong != NULL) {
			*status = 400;
			*reason = wrong;
			return -1;
		}
		i++;
		/* The empty line that ends the trailers is not one of them. */
		if (c->state >= CHUNKED_NAME && c->state <= CHUNKED_VALUE_LF &&
		    c->trailers_left-- == 0) {
			*status = 431;
			*reason = "trailers too long";
			return -1;
		}
	}
	*used = i;
	return c->state == CHUNKED_COMPLETE;
}
