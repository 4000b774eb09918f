/* request.c - see request.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "request.h"
#include "sanitized.h"

#define POOL_MAX 64		/* requests kept for the next ones */

static void
request_reset(struct request *r, const struct config_limits *limits)
{
	parser_init(&r->parser, limits->head_bytes);
	memset(&r->head, 0, sizeof(r->head));
	r->head.content_length = -1;
	r->head.fields = r->fields;
	r->head.field_max = (uint32_t)limits->headers;
	r->body_max = limits->body_bytes;
	r->head_done = false;
	r->fed = 0;
	r->ready_ns = 0;
}

/* The buffer is an allocation of its own, then. */
static bool
request_has_grown(const struct request *r)
{
	return r->size > REQUEST_BUFFER;
}

static struct request *
request_make(struct request_pool *pool, size_t headers)
{
	size_t size = sizeof(struct request) + headers * sizeof(struct field);
	/* In one with the buffer: a short request writes to two pages at most. */
	struct request *r = malloc(size + SANITIZED_GAP + REQUEST_BUFFER);

	if (r == NULL)
		return NULL;
	ASAN_POISON_MEMORY_REGION((char *)r + size, SANITIZED_GAP);
	r->buffer = (char *)r + size + SANITIZED_GAP;
	r->size = REQUEST_BUFFER;
	spool_init(&r->body, REQUEST_BODY_MEMORY);
	r->body.spares = &pool->spares;
	return r;
}

static void
request_put(struct request_pool *pool, struct request *r)
{
	r->next = pool->free;
	pool->free = r;
	pool->count++;
}

int
request_pool_fill(struct request_pool *pool, size_t count)
{
	while (pool->count < count) {
		struct request *r = request_make(pool, pool->limits->headers);

		if (r == NULL)
			return -1;
		request_put(pool, r);
	}
	return 0;
}

struct request *
request_new(struct request_pool *pool)
{
	struct request *r = pool->free;

	if (r != NULL) {
		pool->free = r->next;
		pool->count--;
	} else if ((r = request_make(pool, pool->limits->headers)) == NULL) {
		return NULL;
	}
	r->length = 0;
	request_reset(r, pool->limits);
	return r;
}

struct request *
request_new_for(struct request_pool *pool, size_t headers)
{
	struct request *r;

	if (headers <= pool->limits->headers)
		return request_new(pool);
	r = request_make(pool, headers);
	if (r == NULL)
		return NULL;
	r->length = 0;
	request_reset(r, pool->limits);
	r->head.field_max = (uint32_t)headers;
	return r;
}

void
request_free(struct request_pool *pool, struct request *r)
{
	spool_free(&r->body);
	r->body.spares = &pool->spares;
	if (request_has_grown(r)) {
		free(r->buffer);
		free(r);
	} else if (pool->count >= POOL_MAX) {
		free(r);
	} else {
		request_put(pool, r);
	}
}

void
request_next(struct request_pool *pool, struct request *r)
{
	size_t rest = r->length - r->fed;

	if (rest > 0)
		memmove(r->buffer, r->buffer + r->fed, rest);
	r->length = rest;
	if (r->body.length > 0)
		spool_free(&r->body);
	r->body.spares = &pool->spares;
	request_reset(r, pool->limits);
}

int
request_grow(struct request *r, size_t size)
{
	char *grown = realloc(request_has_grown(r) ? r->buffer : NULL, size);

	if (grown == NULL)
		return -1;
	if (!request_has_grown(r))
		memcpy(grown, r->buffer, r->length);
	r->buffer = grown;
	r->size = size;
	return 0;
}

size_t
request_room(struct request *r)
{
	size_t most = r->parser.head_max + REQUEST_BUFFER;

	if (r->length == r->size) {
		if (r->size >= most)
			return 0;
		if (request_grow(r, r->size * 2 < most ? r->size * 2 : most) == -1)
			return 0;
	}
	return r->size - r->length;
}

/* parser_body: takes decoded octets of the body. */
static int
request_take_body(void *context, const char *data, size_t length)
{
	struct request *r = context;

	if ((int64_t)length > r->body_max - r->body.length) {
		r->parser.status = 413;
		r->parser.reason = "the body is longer than limits.body";
		return -1;
	}
	if (spool_write_buffered(&r->body, data, length) == -1) {
		log_error("a request's body cannot be stored in %s: %s", spool_place(),
		    strerror(errno));
		r->parser.status = errno == ENOMEM ? 500 : 507;
		r->parser.reason = "the body could not be stored";
		return -1;
	}
	return 0;
}

/* The head is complete: refuse what can be refused before the body comes. */
static enum parser_result
request_head_done(struct request *r)
{
	r->head_done = true;
	if (r->head.content_length > r->body_max) {
		r->parser.status = 413;
		r->parser.reason = "Content-Length is more than limits.body";
		return PARSER_ERROR;
	}
	return PARSER_HEAD;
}

static enum request_progress
request_result(struct request *r, enum parser_result result)
{
	switch (result) {
	case PARSER_DONE:
		return REQUEST_READY;
	case PARSER_ERROR:
		return REQUEST_REFUSED;
	case PARSER_HEAD:
	case PARSER_MORE:
		break;
	}
	/* A chunk says its size before it comes. */
	if (r->head_done && r->head.chunked &&
	    r->parser.chunked.left > (uint64_t)(r->body_max - r->body.length)) {
		r->parser.status = 413;
		r->parser.reason = "a chunk is longer than limits.body allows";
		return REQUEST_REFUSED;
	}
	/* A client that has begun to send the body does not wait any more. */
	if (r->head_done && r->head.expect_continue && r->body.length == 0 &&
	    r->fed == r->length) {
		r->head.expect_continue = false;
		return REQUEST_CONTINUE;
	}
	return REQUEST_MORE;
}

enum request_progress
request_parse(struct request *r)
{
	enum parser_result result;
	size_t used;

	do {
		result = parser_feed(&r->parser, &r->head, r->buffer,
		    r->buffer + r->fed, r->length - r->fed, &used,
		    request_take_body, r);
		r->fed += used;
		if (result == PARSER_HEAD)
			result = request_head_done(r);
	} while (result == PARSER_HEAD);

	/* Body octets have been taken: only the head stays in the buffer. */
	if (result == PARSER_MORE && r->head_done)
		r->length = r->fed = r->parser.head_length;
	return request_result(r, result);
}

enum request_progress
request_parse_body(struct request *r, const char *data, size_t length)
{
	enum parser_result result;
	size_t used, rest;

	result = parser_feed(&r->parser, &r->head, r->buffer, data, length, &used,
	    request_take_body, r);
	rest = length - used;
	if (result == PARSER_DONE && rest > 0) {
		if (r->length + rest > r->size && request_grow(r, r->length + rest) == -1) {
			r->parser.status = 500;
			r->parser.reason = "out of memory";
			return REQUEST_REFUSED;
		}
		memcpy(r->buffer + r->length, data + used, rest);
		r->length += rest;
	}
	return request_result(r, result);
}
