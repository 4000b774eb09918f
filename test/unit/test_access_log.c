/*
 * test_access_log.c - combined and extended format: always one whole line, whatever the
 * client sent, also from a raw head that was cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "access_log.h"

#define WHEN 1795391999		/* 2026-11-22 23:59:59 UTC */

static char out[ACCESS_LINE_MAX + 1];

/* Formats, and checks what holds for every line. */
static const char *
format(const struct access_entry *e)
{
	size_t i, n, quotes = 0;

	memset(out, 1, sizeof(out));
	n = access_log_format(e, out);
	assert_true(n > 0 && n <= ACCESS_LINE_MAX);
	assert_int_equal(out[n - 1], '\n');
	for (i = 0; i + 1 < n; i++) {
		assert_in_range(out[i], 0x20, 0x7e);
		quotes += out[i] == '"';
	}
	assert_int_equal(quotes, e->extension != NULL ? 8 : 6);
	out[n] = '\0';
	return out;
}

static void
ordinary_line(void **state)
{
	struct access_entry e = { .remote = "2001:db8::7", .time_s = WHEN,
		.request_line = "GET /a?b=c HTTP/1.1\r\nHost: x", .request_line_length = 28,
		.status = 200, .body_bytes = 12345678901, .referer = "http://a/", .referer_length = 9,
		.user_agent = "curl/7.88.1", .user_agent_length = 11 };

	(void)state;
	assert_string_equal(format(&e), "2001:db8::7 - - [22/Nov/2026:23:59:59 +0000] "
	    "\"GET /a?b=c HTTP/1.1\" 200 12345678901 \"http://a/\" \"curl/7.88.1\"\n");
}

static void
nothing_is_a_dash(void **state)
{
	struct access_entry e = { .time_s = 0, .status = 408 };

	(void)state;
	assert_string_equal(format(&e),
	    "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 408 0 \"-\" \"-\"\n");
	e.remote = "";
	e.referer = e.user_agent = e.request_line = "";
	assert_string_equal(format(&e),
	    "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 408 0 \"-\" \"-\"\n");
}

static void
extended_line(void **state)
{
	struct access_extension x = { .duration_ns = 61000012999, .request_id = "4321-17",
		.route = "/a\"b" };
	struct access_entry e = { .remote = "::1", .time_s = WHEN, .status = 200, .extension = &x };

	(void)state;
	assert_string_equal(format(&e), "::1 - - [22/Nov/2026:23:59:59 +0000] \"-\" 200 0 \"-\" "
	    "\"-\" 61.000012 4321-17 \"/a\\x22b\"\n");
	x = (struct access_extension){ 0 };
	assert_string_equal(format(&e), "::1 - - [22/Nov/2026:23:59:59 +0000] \"-\" 200 0 \"-\" "
	    "\"-\" 0.000000 - \"-\"\n");
}

static void
odd_octets_are_escaped(void **state)
{
	struct access_entry e = { .remote = "unix", .time_s = WHEN, .status = 400,
		.request_line = "GET /\"\\\x1b\n\xff HTTP/1.1", .request_line_length = 19,
		.user_agent = "a\0b\t", .user_agent_length = 4 };

	(void)state;
	assert_string_equal(format(&e), "unix - - [22/Nov/2026:23:59:59 +0000] "
	    "\"GET /\\x22\\x5c\\x1b\\x0a\\xff HTTP/1.1\" 400 0 \"-\" \"a\\x00b\\x09\"\n");
}

static void
long_parts_are_cut(void **state)
{
	size_t n;
	int fill;

	(void)state;
	for (fill = 0; fill < 256; fill += 51) {
		for (n = 100; n < 40000; n = n * 2 + 1) {
			char *text = malloc(n + 1);
			struct access_entry e = { .remote = text, .time_s = INT64_MAX,
				.request_line = text, .request_line_length = n, .status = 2147483647,
				.body_bytes = UINT64_MAX, .referer = text, .referer_length = n,
				.user_agent = text, .user_agent_length = n };

			struct access_extension x = { .duration_ns = UINT64_MAX,
				.request_id = text, .route = text };

			assert_non_null(text);
			memset(text, fill, n);
			text[n] = '\0';
			format(&e);
			e.time_s = INT64_MIN;
			e.status = -5;
			format(&e);
			e.extension = &x;
			format(&e);
			free(text);
		}
	}
}

static void
raw_head(void **state)
{
	static const char *const cases[][2] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\nuser-AGENT:\t x y \t\r\nReferer:\r\n\r\nUser-Agent: no",
		    "\"GET / HTTP/1.1\" 500 7 \"-\" \"x y\"\n" },
		{ "GET / HTTP/1.1\r\nReferer: a\r\nReferer: b\r\nX-User-Agent: z\r\nUser-Agent",
		    "\"GET / HTTP/1.1\" 500 7 \"a\" \"-\"\n" },
		{ "GET / HTTP/1.1\r\nUser-Agent: cut he", "\"GET / HTTP/1.1\" 500 7 \"-\" \"cut he\"\n" },
		{ "GET / HTT", "\"GET / HTT\" 500 7 \"-\" \"-\"\n" },
		{ "GET / HTTP/1.1\nUser-Agent: lf\n", "\"GET / HTTP/1.1\" 500 7 \"-\" \"lf\"\n" },
		{ "", "\"-\" 500 7 \"-\" \"-\"\n" },
		{ "\n", "\"-\" 500 7 \"-\" \"-\"\n" },
		{ "\r\n\r\n", "\"-\" 500 7 \"-\" \"-\"\n" },
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Exactly as large as the head, so that ASan sees its end. */
		size_t length = strlen(cases[i][0]);
		char *head = malloc(length > 0 ? length : 1);

		assert_non_null(head);
		memcpy(head, cases[i][0], length);
		n = access_log_format_head("::1", WHEN, head, length, 500, 7, NULL, out);
		out[n] = '\0';
		assert_memory_equal(out, "::1 - - [22/Nov/2026:23:59:59 +0000] ", 37);
		assert_string_equal(out + 37, cases[i][1]);
		free(head);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_line),
		cmocka_unit_test(nothing_is_a_dash),
		cmocka_unit_test(extended_line),
		cmocka_unit_test(odd_octets_are_escaped),
		cmocka_unit_test(long_parts_are_cut),
		cmocka_unit_test(raw_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
