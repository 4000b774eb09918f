/*
 * parser.h - HTTP/1.1 request parsing.  parser.c alone knows http-parser.
 *
 * One struct parser per request being received, fed with octets as they
 * arrive.  It is plain data: it may be copied, also into another process of
 * this server, once its head is complete.
 */
#ifndef PARSER_H
#define PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunked.h"
#include "head.h"

enum parser_result {
	PARSER_MORE,	/* all octets used, the request goes on */
	PARSER_HEAD,	/* the head has just become complete; stops behind it */
	PARSER_DONE,	/* the request is complete; stops behind it */
	PARSER_ERROR	/* malformed or too large: see status and reason */
};

struct parser {
	_Alignas(8) unsigned char engine[64];	/* the http_parser, checked by a static assert */
	size_t head_length;	/* octets of the head so far; all of it after PARSER_HEAD */
	size_t head_max;	/* limits.head */
	int status;		/* after PARSER_ERROR: 400, 413, 414, 431, 501, 505 */
	const char *reason;	/* after PARSER_ERROR: constant text for the log */
	uint64_t body_left;	/* octets still to come of a body that is not chunked */
	struct chunked chunked;	/* of one that is */
	unsigned phase;		/* parser.c's own */
	bool fields_dropped;	/* there were more than head->field_max */
};

/* Receives decoded body octets.  0, or -1 to stop with PARSER_ERROR (the
 * receiver has set p->status). */
typedef int parser_body(void *context, const char *data, size_t length);

void parser_init(struct parser *p, size_t head_max);

/* Feeds data[0..length), which directly follows what was fed before.
 *
 * While the head arrives, `raw` is the start of the request's head and data
 * must be the part of it not fed yet (raw + p->head_length); the fields of
 * *head are filled in as they complete.  Up to two empty lines before the
 * request line are skipped; they are part of raw, and of head_length.  When it returns PARSER_HEAD,
 * head_check() has been passed and the caller decides about the body before it
 * feeds on.  After that, `raw` and `head` are not used and data may lie
 * anywhere; body data goes to body(context, ...); trailers are read, bounded
 * and dropped.  A request without a body gives PARSER_HEAD, then PARSER_DONE
 * on the next call, which may be with length 0.  (What goes on reading when
 * the server answers CONNECT, Upgrade or a refused method: nothing.  The first
 * and last are refused, an Upgrade is ignored.)  The result does not depend on
 * how the octets were divided between calls.
 *
 * *used: octets consumed.  After PARSER_DONE what lies behind belongs to the
 * next request.  After PARSER_ERROR nothing more may be fed. */
enum parser_result parser_feed(struct parser *p, struct head *head,
    const char *raw, const char *data, size_t length, size_t *used,
    parser_body *body, void *context);

/* The i-th of all methods that are not refused as unknown; NULL behind the last. */
const char *parser_method_name(int i);

#endif
