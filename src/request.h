/*
 * request.h - a request while it arrives and until it has been answered.
 *
 * Holds the raw octets (head, then what a pipelining client sent behind it),
 * the parser's state, the head taken apart and the body.  A connection has
 * one only from a request's first octet to its answer: an idle connection
 * costs nothing of this.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "head.h"
#include "parser.h"
#include "spool.h"

/* Octets of input read at once before a head is complete. */
#define REQUEST_BUFFER 8192

/* Octets of a body kept in memory; a longer one goes to an unlinked file. */
#define REQUEST_BODY_MEMORY 65536

struct request {
	struct request *next;	/* in the pool */
	struct parser parser;
	struct head head;
	struct spool body;
	char *buffer;		/* size octets, length of them filled, fed of them parsed; behind
				 * fields, until it grows */
	size_t size, length, fed;
	int64_t body_max;	/* limits.body */
	bool head_done;
	uint64_t ready_ns;	/* clock_ns() since when it waits for a process; 0: it does not */
	struct field fields[];	/* limits.headers at least */
};

/* Requests that were used and wait to be used again, so that a steady load allocates nothing. */
struct request_pool {
	struct request *free;
	size_t count;
	const struct config_limits *limits;
	struct spool_spares spares;	/* for bodies */
};

/* Puts so many in the pool ahead of their use.  0, or -1: out of memory. */
int request_pool_fill(struct request_pool *pool, size_t count);

/* NULL when out of memory. */
struct request *request_new(struct request_pool *pool);

/* The same for so many fields, where limits.headers is less. */
struct request *request_new_for(struct request_pool *pool, size_t headers);

/* Keeps the memory for the next one, and perhaps the body's file. */
void request_free(struct request_pool *pool, struct request *r);

/* Forgets the answered request but keeps what arrived behind it. */
void request_next(struct request_pool *pool, struct request *r);

/* Room for more input behind buffer + length: at least one octet, or 0 when
 * the head is as long as it may get. */
size_t request_room(struct request *r);

/* Makes the buffer larger: so large.  0, or -1: out of memory. */
int request_grow(struct request *r, size_t size);

enum request_progress {
	REQUEST_MORE,		/* incomplete */
	REQUEST_CONTINUE,	/* incomplete, and the client waits for 100 (Continue) */
	REQUEST_READY,		/* complete */
	REQUEST_REFUSED		/* parser.status says how */
};

/* Parses what lies between fed and length of the buffer. */
enum request_progress request_parse(struct request *r);

/* Parses body octets that lie elsewhere (head_done must be true); what is
 * left behind the request's end is appended to the buffer. */
enum request_progress request_parse_body(struct request *r, const char *data, size_t length);

/* Whether the client may have sent the next request already. */
static inline bool
request_has_more(const struct request *r)
{
	return r->length > r->fed;
}

#endif
