/*
 * test_multipart.c - the same parts come out however the body is cut into
 * pieces; what is no multipart/form-data is refused; time is linear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "multipart.h"

#define B "----WebKitFormBoundary7MA4YWxk"
#define DISPOSITION "Content-Disposition: form-data; "

/* Everything a parse reported, as text: "[name|file|type]content;" */
struct record {
	char *at;
	size_t length, room;
	const char *body;	/* to check the offsets against */
	long long offset;	/* of the next octet of content */
	size_t runs;
	int stop_after;		/* callbacks; -1: never */
};

static int
stopped(struct record *r)
{
	return r->stop_after != -1 && r->stop_after-- == 0 ? -1 : 0;
}

static void
add(struct record *r, const char *data, size_t length)
{
	if (r->length + length > r->room) {
		r->room = (r->length + length) * 2;
		r->at = realloc(r->at, r->room);
		assert_non_null(r->at);
	}
	memcpy(r->at + r->length, data, length);
	r->length += length;
}

static int
begin(void *context, const struct multipart_part *part)
{
	struct record *r = context;
	char text[20000];
	int n;

	n = snprintf(text, sizeof(text), "[%s|%s|%s]", part->name,
	    part->file_name != NULL ? part->file_name : "-", part->type != NULL ? part->type : "-");
	add(r, text, (size_t)n);
	r->offset = part->offset;
	return stopped(r);
}

static int
data(void *context, const char *octets, size_t length)
{
	struct record *r = context;

	assert_true(length > 0);
	if (r->body != NULL)
		assert_memory_equal(octets, r->body + r->offset, length);
	r->offset += (long long)length;
	r->runs++;
	add(r, octets, length);
	return stopped(r);
}

static int
end(void *context)
{
	struct record *r = context;

	add(r, ";", 1);
	return stopped(r);
}

/* Feeds body in pieces (0: as it is).  Returns whether it is well-formed;
 * *r has what came of it. */
static int
parse(const char *body, size_t length, size_t piece, struct record *r, struct multipart *m)
{
	const struct multipart_receiver to = { begin, data, end, r };
	size_t n;
	char *copy;

	r->length = 0;
	r->runs = 0;
	r->body = body;
	multipart_init(m, B, &to);
	if (piece == 0)
		piece = length > 0 ? length : 1;
	for (; length > 0; length -= n, body += n) {
		n = piece < length ? piece : length;
		/* Exactly as large as the piece, so that ASan sees its end. */
		copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, body, n);
		if (multipart_feed(m, copy, n) == -1) {
			free(copy);
			assert_int_equal(multipart_feed(m, "x", 1), -1);
			assert_int_equal(multipart_finish(m), -1);
			return -1;
		}
		free(copy);
	}
	return multipart_finish(m);
}

/* Whole, in pieces of 1 to 64, and at every place cut in two. */
static void
check_every_way(const char *body, size_t length, int result, const char *expected, size_t expected_length)
{
	struct record r = { .stop_after = -1 };
	const struct multipart_receiver to = { begin, data, end, &r };
	struct multipart m;
	size_t piece, cut;
	int got;

	for (piece = 0; piece <= 64; piece++) {
		assert_int_equal(parse(body, length, piece, &r, &m), result);
		assert_int_equal(m.reason != NULL, result == -1);
		if (expected != NULL) {
			assert_int_equal(r.length, expected_length);
			assert_memory_equal(r.at, expected, expected_length);
		}
	}
	for (cut = 1; cut < length && length < 5000; cut++) {
		r.length = 0;
		multipart_init(&m, B, &to);
		got = multipart_feed(&m, body, cut);
		if (got == 0)
			got = multipart_feed(&m, body + cut, length - cut);
		if (got == 0)
			got = multipart_finish(&m);
		assert_int_equal(got, result);
		if (expected != NULL) {
			assert_int_equal(r.length, expected_length);
			assert_memory_equal(r.at, expected, expected_length);
		}
	}
	free(r.at);
}

static void
good(const char *body, const char *expected)
{
	check_every_way(body, strlen(body), 0, expected, strlen(expected));
}

static void
bad(const char *body)
{
	check_every_way(body, strlen(body), -1, NULL, 0);
}

/* One part of that head. */
static void
good_head(const char *head, const char *expected)
{
	char body[20000], whole[20000];

	snprintf(body, sizeof(body), "--" B "\r\n%s\r\n\r\nx\r\n--" B "--\r\n", head);
	snprintf(whole, sizeof(whole), "[%s]x;", expected);
	good(body, whole);
}

static void
bad_head(const char *head)
{
	char body[20000];

	snprintf(body, sizeof(body), "--" B "\r\n%s\r\n\r\nx\r\n--" B "--\r\n", head);
	bad(body);
}

static void
bodies_of_parts(void **state)
{
	(void)state;
	good("--" B "\r\n" DISPOSITION "name=\"a\"\r\n\r\n1\r\n"
	    "--" B "\r\n" DISPOSITION "name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\n"
	    "line\r\nline\r\n\r\n--" B "--\r\n",
	    "[a|-|-]1;[f|x.txt|text/plain]line\r\nline\r\n;");
	/* No parts at all, as browsers send an empty FormData. */
	good("--" B "--\r\n", "");
	good("--" B "--", "");
	/* Empty content, with and without the empty line being the delimiter's own. */
	good("--" B "\r\n" DISPOSITION "name=a\r\n\r\n\r\n--" B "--", "[a|-|-];");
	good("--" B "\r\n" DISPOSITION "name=a\r\n\r\n--" B "--", "[a|-|-];");
	good("--" B "\r\n" DISPOSITION "name=a\r\n\r\n--" B "\r\n" DISPOSITION "name=b\r\n\r\n\r\n--" B "--",
	    "[a|-|-];[b|-|-];");
}

static void
preamble_and_epilogue(void **state)
{
	(void)state;
	good("preamble --" B "\r\n\r\n-- x\r\n--" B " \t \r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--\t\r\n"
	    "epilogue\r\n--" B "\r\nmore", "[a|-|-]1;");
	good("\r\n--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--", "[a|-|-]1;");
	good("\r\n\r\r\n--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--garbage", "[a|-|-]1;");
}

/* What looks like a delimiter and is not. */
static void
near_boundaries_are_content(void **state)
{
	static const char content[] = "\r\n--" "----WebKitFormBoundary7MA4YWx" "\r\n-"
	    "\r\r\n\r\n--\r\n--" "----WebKitFormBoundary7MA4YWxK" "\r\r\r\nx--" B "\n--" B "-\r--" B
	    "\r\n -- " B "\r\n-" B "\0\r\n\0--" B "\r\n---" "-";
	static const char head[] = "--" B "\r\n" DISPOSITION "name=f; filename=b\r\n\r\n";
	static const char tail[] = "\r\n--" B "--\r\n";
	char body[2000], expected[2000];
	size_t n = 0, m = 0, length = sizeof(content) - 1, skip;

	(void)state;
	/* Also beginning within it, so that each octet is first once. */
	for (skip = 0; skip < length; skip++) {
		/* At the very start that one is a delimiter indeed. */
		if (strncmp(content + skip, "--" B, 2 + strlen(B)) == 0)
			continue;
		n = m = 0;
		memcpy(body + n, head, sizeof(head) - 1);
		n += sizeof(head) - 1;
		memcpy(body + n, content + skip, length - skip);
		n += length - skip;
		memcpy(body + n, tail, sizeof(tail) - 1);
		n += sizeof(tail) - 1;
		m = (size_t)snprintf(expected, sizeof(expected), "[f|b|-]");
		memcpy(expected + m, content + skip, length - skip);
		m += length - skip;
		expected[m++] = ';';
		check_every_way(body, n, 0, expected, m);
	}
}

static void
malformed_bodies(void **state)
{
	(void)state;
	bad("");
	bad("\r\n");
	bad("--" B);
	bad("--" B "\r\n");
	bad("--" B "-");
	bad("x--" B "--");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B);
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "-");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "\r\n");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\n--" B "--\r\n");
	/* Text behind a boundary, bare LF. */
	bad("--" B "x\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--");
	bad("--" B "\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--");
	bad("--" B " -" "-\r\n");
	bad("--" B "\r\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "--");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "-x");
	bad("--" B "\r\n" DISPOSITION "name=a\n\n1\r\n--" B "--");
	/* No head, a delimiter in the head. */
	bad("--" B "\r\n\r\n1\r\n--" B "--");
	bad("--" B "\r\n--" B "--");
	bad("--" B "\r\n" DISPOSITION "name=a\r\n--" B "--\r\n\r\n");
}

static void
names_as_clients_write_them(void **state)
{
	(void)state;
	good_head(DISPOSITION "name=\"a b\"", "a b|-|-");
	good_head("content-disposition:FORM-DATA;NAME=a;FileName=b", "a|b|-");
	good_head("Content-Disposition: form-data ;  name=a ; filename=\"\"", "a||-");
	good_head(DISPOSITION "name=\"\"", "|-|-");
	good_head(DISPOSITION "name=", "|-|-");
	good_head(DISPOSITION "name=files[]; filename=\"a;b=c.txt\";", "files[]|a;b=c.txt|-");
	good_head(DISPOSITION "filename=x; size=3; name=\"a\"", "a|x|-");
	good_head("X-Other: 1\r\nContent-Transfer-Encoding: binary\r\n" DISPOSITION "name=a\r\nContent-Type:",
	    "a|-|");
	good_head(DISPOSITION "name=a\r\nContent-Type:  text/plain; charset=\"utf-8\" \t", "a|-|text/plain; charset=\"utf-8\"");
	/* Browsers: %22, %0D, %0A and nothing else, backslashes as they are. */
	good_head(DISPOSITION "name=\"a%22b%0D%0Ac\"; filename=\"%22100%.%2e%20%\"", "a\"b\r\nc|\"100%.%2e%20%|-");
	good_head(DISPOSITION "name=a; filename=\"C:\\temp\\new.txt\"", "a|C:\\temp\\new.txt|-");
	good_head(DISPOSITION "name=a; filename=\"back\\\"", "a|back\\|-");
	good_head(DISPOSITION "name=a; filename=\"\\\"", "a|\\|-");
	good_head(DISPOSITION "name=a%22", "a%22|-|-");
	/* curl. */
	good_head(DISPOSITION "name=\"q\\\"q\"; filename=\"b\\\\c\\\"d\"", "q\"q|b\\c\"d|-");
	/* UTF-8, raw and by RFC 8187. */
	good_head(DISPOSITION "name=\"\xc3\xa4\"; filename=\"\xe2\x82\xac.txt\"", "\xc3\xa4|\xe2\x82\xac.txt|-");
	good_head(DISPOSITION "name=a; filename*=UTF-8''%e2%82%AC%20x", "a|\xe2\x82\xac x|-");
	good_head(DISPOSITION "name=a; filename=plain; filename*=utf-8'en'better", "a|better|-");
	good_head(DISPOSITION "name=a; filename*=utf-8''better; filename=plain", "a|better|-");
	good_head(DISPOSITION "name*=utf-8''%C3%A4", "\xc3\xa4|-|-");
	/* Folded, as mail is. */
	good_head("Content-Disposition: form-data;\r\n name=a;\r\n\tfilename=b", "a|b|-");
}

static void
malformed_heads(void **state)
{
	static const char nul[] = "--" B "\r\n" DISPOSITION "name=\"a\0b\"\r\n\r\n1\r\n--" B "--";

	(void)state;
	bad_head("Content-Type: text/plain");
	bad_head(DISPOSITION "filename=a");
	bad_head("Content-Disposition: attachment; name=a");
	bad_head("Content-Disposition: form-datax; name=a");
	bad_head("Content-Disposition: form-data name=a");
	bad_head("Content-Disposition:");
	bad_head(DISPOSITION "name");
	bad_head(DISPOSITION "=a");
	bad_head(DISPOSITION "name=\"a");
	bad_head(DISPOSITION "name=\"a\"b");
	bad_head(DISPOSITION "name=a\"b");
	bad_head(DISPOSITION "name=a; name=b");
	bad_head(DISPOSITION "name=a; filename=a; filename=b");
	bad_head(DISPOSITION "name=a; filename*=utf-8''a; filename*=utf-8''b");
	bad_head(DISPOSITION "name=a; filename*=utf-8'a");
	bad_head(DISPOSITION "name=a; filename*=utf-8''%0");
	bad_head(DISPOSITION "name=a; filename*=utf-8''%zz");
	bad_head(DISPOSITION "name=a; filename*=utf-8''a%00b");
	bad_head(DISPOSITION "name=a\r\n" DISPOSITION "name=a");
	bad_head(DISPOSITION "name=a\r\nContent-Type: a\r\nContent-Type: a");
	bad_head(DISPOSITION "name=a\r\nno colon");
	bad_head(DISPOSITION "name=a\r\nX : 1");
	bad_head(DISPOSITION "name=a\r\n: 1");
	bad_head(" " DISPOSITION "name=a");
	bad_head(DISPOSITION "name=a\x01");
	bad_head(DISPOSITION "name=a\rb");
	bad_head(DISPOSITION "name=a\nb");
	bad_head(DISPOSITION "name=a\r\r\nX: 1");
	check_every_way(nul, sizeof(nul) - 1, -1, NULL, 0);
}

static void
head_is_bounded(void **state)
{
	char head[MULTIPART_HEAD_MAX + 100];
	const char prefix[] = DISPOSITION "name=a\r\nX: ";
	struct record r = { .stop_after = -1 };
	struct multipart m;
	char body[sizeof(head) + 200];
	size_t n;
	int i;

	(void)state;
	for (i = -1; i <= 1; i++) {
		n = MULTIPART_HEAD_MAX - 4 + (size_t)i;
		memset(head, 'x', n);
		memcpy(head, prefix, sizeof(prefix) - 1);
		head[n] = '\0';
		snprintf(body, sizeof(body), "--" B "\r\n%s\r\n\r\n1\r\n--" B "--", head);
		assert_int_equal(parse(body, strlen(body), 0, &r, &m), i <= 0 ? 0 : -1);
		assert_int_equal(parse(body, strlen(body), 1, &r, &m), i <= 0 ? 0 : -1);
	}
	free(r.at);
}

static void
receiver_can_stop(void **state)
{
	static const char body[] = "--" B "\r\n" DISPOSITION "name=a\r\n\r\n1\r\n--" B "\r\n"
	    DISPOSITION "name=b\r\n\r\n2\r\n--" B "--\r\n";
	struct record r = { .stop_after = -1 };
	struct multipart m;
	int after;

	(void)state;
	for (after = 0; after < 7; after++) {
		r.stop_after = after;
		assert_int_equal(parse(body, sizeof(body) - 1, 0, &r, &m), after < 6 ? -1 : 0);
		assert_null(m.reason);
	}
	free(r.at);
}

static void
boundary_parameter(void **state)
{
	static const struct {
		const char *type;
		int result;
		const char *boundary;
	} cases[] = {
		{ "multipart/form-data; boundary=abc", 1, "abc" },
		{ "Multipart/Form-Data;BOUNDARY=\"a b\"", 1, "a b" },
		{ " multipart/form-data ; charset=utf-8 ; boundary=----=_Part_1.2:3/4?,", 1, "----=_Part_1.2:3/4?," },
		{ "multipart/form-data; boundary=\"'()+_,-./:=?\"; x=y", 1, "'()+_,-./:=?" },
		{ "multipart/form-data; boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
		    1, "1234567890123456789012345678901234567890123456789012345678901234567890" },
		{ "multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", -1, NULL },
		{ "multipart/form-data", -1, NULL },
		{ "multipart/form-data;", -1, NULL },
		{ "multipart/form-data; boundary", -1, NULL },
		{ "multipart/form-data; boundary=", -1, NULL },
		{ "multipart/form-data; boundary=\"\"", -1, NULL },
		{ "multipart/form-data; boundary=\"a", -1, NULL },
		{ "multipart/form-data; boundary=\"a \"", -1, NULL },
		{ "multipart/form-data; boundary=a b", -1, NULL },
		{ "multipart/form-data; boundary=a\\b", -1, NULL },
		{ "multipart/form-data; boundary=a; boundary=a", -1, NULL },
		{ "multipart/form-data; boundary=a; boundary=b", -1, NULL },
		{ "multipart/form-data; boundary*=utf-8''a", -1, NULL },
		{ "multipart/form-data; boundary=\xc3\xa4", -1, NULL },
		{ "multipart/form-data boundary=a", -1, NULL },
		{ "multipart/form-data, text/plain; boundary=a", 0, NULL },
		{ "multipart/form-datax; boundary=a", 0, NULL },
		{ "multipart/mixed; boundary=a", 0, NULL },
		{ "text/plain", 0, NULL },
		{ "", 0, NULL },
	};
	char boundary[MULTIPART_BOUNDARY_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(multipart_boundary(cases[i].type, boundary), cases[i].result);
		if (cases[i].result == 1)
			assert_string_equal(boundary, cases[i].boundary);
	}
}

/* Random octets of an alphabet that is all delimiter, against a plain search. */
static void
random_content_against_a_search(void **state)
{
	static const char alphabet[] = "\r\n-" B;
	static const char head[] = "--" B "\r\n" DISPOSITION "name=a\r\n\r\n";
	static const char tail[] = "\r\n--" B "--";
	char body[600], delimiter[] = "\r\n--" B;
	struct record r = { .stop_after = -1 };
	struct multipart m;
	unsigned seed = 1;
	size_t n, i, length;
	int round;

	(void)state;
	for (round = 0; round < 3000; round++) {
		memcpy(body, head, sizeof(head) - 1);
		n = sizeof(head) - 1;
		length = (size_t)round % 200;
		for (i = 0; i < length; i++) {
			seed = seed * 1103515245 + 12345;
			/* Often go on with the delimiter, else anything of the alphabet. */
			if (seed >> 16 & 3 && i > 0 && n > sizeof(head)) {
				const char *p = strchr(delimiter, body[n - 1]);

				body[n++] = p != NULL && p[1] != '\0' ? p[1] : '\r';
			} else {
				body[n++] = alphabet[(seed >> 18) % (sizeof(alphabet) - 1)];
			}
		}
		memcpy(body + n, tail, sizeof(tail) - 1);
		n += sizeof(tail) - 1;
		if (memmem(body + sizeof(head) - 3, n - (sizeof(head) - 3), delimiter, sizeof(delimiter) - 1) !=
		    body + n - (sizeof(tail) - 1))
			continue;
		assert_int_equal(parse(body, n, 1 + (size_t)round % 70, &r, &m), 0);
		assert_int_equal(r.length, 8 + length);
		assert_memory_equal(r.at + 7, body + sizeof(head) - 1, length);
	}
	free(r.at);
}

/* 3 MB of the octets that make most work, in pieces of various size. */
static void
large_contents_take_linear_time(void **state)
{
	static const char *const patterns[] = { "\r", "\r\n", "\r\n--", "\r\n------WebKitFormBoundary7MA4YWx", "x" };
	static const char head[] = "--" B "\r\n" DISPOSITION "name=a; filename=b\r\n\r\n";
	static const char tail[] = "\r\n--" B "--";
	static const size_t pieces[] = { 1, 1000, 32768, 0 };
	const size_t length = 3000000, whole = sizeof(head) - 1 + length + sizeof(tail) - 1;
	char *body = malloc(whole);
	struct record r = { .stop_after = -1 };
	struct multipart m;
	size_t i, k, n;
	uint64_t start;

	(void)state;
	assert_non_null(body);
	memcpy(body, head, sizeof(head) - 1);
	memcpy(body + sizeof(head) - 1 + length, tail, sizeof(tail) - 1);
	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		n = strlen(patterns[i]);
		for (k = 0; k < length; k++)
			body[sizeof(head) - 1 + k] = patterns[i][k % n];
		for (k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
			start = clock_ms();
			assert_int_equal(parse(body, whole, pieces[k], &r, &m), 0);
			assert_int_equal(r.length, 8 + length);
			assert_memory_equal(r.at + 7, body + sizeof(head) - 1, length);
			assert_true(clock_ms() - start < 10000);
			/* Few large runs, not one for each CR. */
			if (pieces[k] != 1)
				assert_true(r.runs <= (pieces[k] == 0 ? 2 : 2 * (length / pieces[k] + 2)));
		}
	}
	free(r.at);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_of_parts),
		cmocka_unit_test(preamble_and_epilogue),
		cmocka_unit_test(near_boundaries_are_content),
		cmocka_unit_test(malformed_bodies),
		cmocka_unit_test(names_as_clients_write_them),
		cmocka_unit_test(malformed_heads),
		cmocka_unit_test(head_is_bounded),
		cmocka_unit_test(receiver_can_stop),
		cmocka_unit_test(boundary_parameter),
		cmocka_unit_test(random_content_against_a_search),
		cmocka_unit_test(large_contents_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
