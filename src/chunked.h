/*
 * chunked.h - the chunked transfer coding (RFC 9112, 7.1), decoded.  Pure.
 *
 * Not left to http-parser: it lets a chunk extension contain any octet but
 * CR, bounds neither extensions nor trailers in all, and reports trailers as
 * if they were header fields.  What is read one way here and another way by
 * a proxy in front is how requests are smuggled, so this decoder accepts the
 * grammar and nothing beside it:
 *
 *	chunk size	1 to 16 hexadecimal digits, at most 2^63-1, then CRLF or ";"
 *	extension	visible octets, SP and HTAB, then CRLF; all together at most
 *			CHUNKED_EXTENSIONS_MAX octets, and one for each
 *			CHUNKED_DATA_PER_EXTENSION octets of data
 *	chunk data	its octets, then CRLF
 *	trailers	fields as in a head, at most trailers_max octets; dropped
 *
 * Plain data: may be copied at any time, also into another process.
 */
#ifndef CHUNKED_H
#define CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#define CHUNKED_EXTENSIONS_MAX 4096
#define CHUNKED_DATA_PER_EXTENSION 16

struct chunked {
	uint64_t left;		/* octets that the current chunk still has */
	uint64_t total;		/* octets of data so far */
	uint64_t extensions;	/* octets of extensions so far */
	uint64_t trailers_left;	/* octets that trailers may still have */
	uint8_t state;
	uint8_t digits;		/* of the current chunk size */
};

/* Receives decoded octets.  0, or -1 to stop. */
typedef int chunked_receiver(void *context, const char *data, size_t length);

void chunked_init(struct chunked *c, size_t trailers_max);

/* Decodes data[0..length).  1: the body is complete, *used octets belong to
 * it; 0: all used, more needed; -1: refused, with *status 400 or 431 and
 * *reason a constant text, or, when the receiver stopped, both left alone. */
int chunked_feed(struct chunked *c, const char *data, size_t length, size_t *used,
    chunked_receiver *receiver, void *context, int *status, const char **reason);

#endif
