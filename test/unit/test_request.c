/*
 * test_request.c - a request's buffer grows to the limit of a head and no further, its
 * body is bounded and stored, and what came behind it is kept for the next one.
 */
#include <sys/resource.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request.h"
#include "sanitized.h"

#define HEAD_MAX 30000
#define BODY_MAX 200000

static const struct config_limits limits = {
	.head_bytes = HEAD_MAX, .headers = 10, .body_bytes = BODY_MAX,
};

static struct request *
begin(struct request_pool *pool)
{
	struct request *r;

	*pool = (struct request_pool){ .limits = &limits };
	r = request_new(pool);
	assert_non_null(r);
	return r;
}

static void
end(struct request_pool *pool, struct request *r)
{
	if (r != NULL)
		request_free(pool, r);
	while ((r = pool->free) != NULL) {
		pool->free = r->next;
		free(r);
	}
}

/* As a connection reads a head: what there is room for, until it is more than that. */
static enum request_progress
arrive(struct request *r, const char *data, size_t length)
{
	enum request_progress progress = REQUEST_MORE;

	while (length > 0 && progress == REQUEST_MORE) {
		size_t room = request_room(r);
		size_t n = length < room ? length : room;

		assert_true(room > 0);
		memcpy(r->buffer + r->length, data, n);
		r->length += n;
		data += n;
		length -= n;
		progress = request_parse(r);
	}
	return progress;
}

static enum request_progress
arrive_text(struct request *r, const char *text)
{
	return arrive(r, text, strlen(text));
}

/* GET with a field so long that the head has so many octets. */
static char *
head_of(size_t length)
{
	static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
	char *text = malloc(length + 1);

	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + length - 4, "\r\n\r\n", 5);
	return text;
}

static void
a_head_grows_to_its_limit(void **state)
{
	static const size_t lengths[] = { REQUEST_BUFFER - 1, REQUEST_BUFFER, REQUEST_BUFFER + 1,
		2 * REQUEST_BUFFER + 1, HEAD_MAX, HEAD_MAX + 1, HEAD_MAX + 2 * REQUEST_BUFFER };
	struct request_pool pool;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct request *r = begin(&pool);
		char *text = head_of(lengths[i]);
		enum request_progress progress = arrive(r, text, lengths[i]);

		if (lengths[i] <= HEAD_MAX) {
			assert_int_equal(progress, REQUEST_READY);
			assert_int_equal(r->head.field_count, 2);
			assert_memory_equal(r->buffer, text, lengths[i]);
		} else {
			assert_int_equal(progress, REQUEST_REFUSED);
			assert_int_equal(r->parser.status, 431);
		}
		assert_true(r->size <= HEAD_MAX + REQUEST_BUFFER);
		/* One that has grown is no one to keep. */
		request_free(&pool, r);
		assert_int_equal(pool.count, lengths[i] <= REQUEST_BUFFER ? 1 : 0);
		end(&pool, NULL);
		free(text);
	}
}

/* Requests behind the first one may fill the buffer; then there is no room until they are served. */
static void
no_room_beyond_the_limit(void **state)
{
	struct request_pool pool;
	struct request *r = begin(&pool);
	size_t room, filled = 0;

	(void)state;
	while ((room = request_room(r)) > 0) {
		memset(r->buffer + r->length, 'x', room);
		r->length += room;
		filled += room;
	}
	assert_int_equal(filled, HEAD_MAX + REQUEST_BUFFER);
	end(&pool, r);
}

static void
a_body_is_bounded(void **state)
{
	static const struct {
		const char *text;
		enum request_progress progress;
	} cases[] = {
		{ "Content-Length: 200001\r\n\r\n", REQUEST_REFUSED },
		{ "Content-Length: 200000\r\n\r\n", REQUEST_MORE },
		{ "Content-Length: 200001\r\nExpect: 100-continue\r\n\r\n", REQUEST_REFUSED },
		{ "Content-Length: 200000\r\nExpect: 100-continue\r\n\r\n", REQUEST_CONTINUE },
		{ "Transfer-Encoding: chunked\r\n\r\n30d41\r\n", REQUEST_REFUSED },
		{ "Transfer-Encoding: chunked\r\n\r\n30d40\r\n", REQUEST_MORE },
		{ "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n30d40\r\n", REQUEST_REFUSED },
		{ "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n30d3f\r\n", REQUEST_MORE },
	};
	struct request_pool pool;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request *r = begin(&pool);
		char text[200];

		snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: a\r\n%s", cases[i].text);
		assert_int_equal(arrive_text(r, text), cases[i].progress);
		if (cases[i].progress == REQUEST_REFUSED)
			assert_int_equal(r->parser.status, 413);
		end(&pool, r);
	}
}

/* Whatever came behind the end of a body is the next request's, however much it is. */
static void
what_is_behind_is_kept(void **state)
{
	struct request_pool pool;
	struct request *r = begin(&pool);
	size_t body = 100000, behind = 3 * REQUEST_BUFFER;
	char *data = malloc(body + behind), *text = head_of(behind);
	char octets[2];

	(void)state;
	assert_non_null(data);
	memset(data, 'b', body);
	memcpy(data + body, text, behind);
	assert_int_equal(arrive_text(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"),
	    REQUEST_MORE);
	assert_int_equal(request_parse_body(r, data, 60000), REQUEST_MORE);
	assert_int_equal(request_parse_body(r, data + 60000, body + behind - 60000), REQUEST_READY);
	assert_int_equal(r->body.length, 100000);
	assert_int_equal(spool_read(&r->body, 99999, octets, sizeof(octets)), 1);
	assert_int_equal(octets[0], 'b');
	assert_true(request_has_more(r));

	request_next(&pool, r);
	assert_int_equal(r->body.length, 0);
	assert_int_equal(r->length, behind);
	assert_memory_equal(r->buffer, text, behind);
	assert_int_equal(request_parse(r), REQUEST_READY);
	assert_false(request_has_more(r));
	end(&pool, r);
	free(data);
	free(text);
}

/* A full disk, a limit of file sizes: refused, and not the client's fault. */
static void
a_body_that_cannot_be_stored(void **state)
{
	struct rlimit before, none = { 0, 0 };
	struct request_pool pool;
	struct request *r = begin(&pool);
	char *data = calloc(1, BODY_MAX);

	(void)state;
	assert_non_null(data);
	assert_int_equal(arrive_text(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"),
	    REQUEST_MORE);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(request_parse_body(r, data, BODY_MAX), REQUEST_REFUSED);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r->parser.status, 507);
	end(&pool, r);
	free(data);
}

static void
some_are_kept_for_the_next_ones(void **state)
{
	struct request_pool pool;
	struct request *r[100];
	size_t i;

	(void)state;
	r[0] = begin(&pool);
	for (i = 1; i < 100; i++)
		assert_non_null(r[i] = request_new(&pool));
	for (i = 0; i < 100; i++)
		request_free(&pool, r[i]);
	assert_in_range(pool.count, 1, 99);
	i = pool.count;
	r[0] = request_new(&pool);
	assert_int_equal(pool.count, i - 1);
	assert_int_equal(r[0]->length, 0);
	end(&pool, r[0]);
}

#ifdef ADDRESS_SANITIZED
static void
a_field_too_many_is_reported(void **state)
{
	struct request_pool pool;
	struct request *r = begin(&pool);

	(void)state;
	assert_false(__asan_address_is_poisoned(&r->fields[limits.headers - 1]));
	assert_true(__asan_address_is_poisoned(&r->fields[limits.headers]));
	assert_true(__asan_address_is_poisoned(r->buffer - 1));
	assert_false(__asan_address_is_poisoned(r->buffer));
	end(&pool, r);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_grows_to_its_limit),
		cmocka_unit_test(no_room_beyond_the_limit),
		cmocka_unit_test(a_body_is_bounded),
		cmocka_unit_test(what_is_behind_is_kept),
		cmocka_unit_test(a_body_that_cannot_be_stored),
		cmocka_unit_test(some_are_kept_for_the_next_ones),
#ifdef ADDRESS_SANITIZED
		cmocka_unit_test(a_field_too_many_is_reported),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
