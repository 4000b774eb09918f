/*
 * Requests are parsed the same way however their octets arrive, and what
 * http-parser lets pass (see DESIGN) is refused with the right status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "parser.h"

#define FIELD_MAX 8
#define HEAD_MAX 512
#define BODY_MAX 65536

/* One request as the server would see it. */
struct outcome {
	enum parser_result result;	/* MORE, DONE or ERROR */
	int status;
	const char *reason;
	bool has_head;
	struct head head;
	struct field fields[FIELD_MAX];
	struct parser parser;
	size_t consumed;
	size_t body_length;
	char body[BODY_MAX];
};

static int
take(void *context, const char *data, size_t length)
{
	struct outcome *o = context;

	assert_true(length > 0);
	assert_true(o->body_length + length <= BODY_MAX);
	memcpy(o->body + o->body_length, data, length);
	o->body_length += length;
	return 0;
}

/* Parses one request from text, handing over step octets at a time; the
 * first piece has first octets. */
static void
parse(struct outcome *o, const char *text, size_t length, size_t first, size_t step)
{
	size_t fed = 0, end, used;
	char *copy = NULL;

	memset(o, 0, offsetof(struct outcome, body));
	o->head.fields = o->fields;
	o->head.field_max = FIELD_MAX;
	parser_init(&o->parser, HEAD_MAX);
	end = first < length ? first : length;
	do {
		/* The buffer may move between calls; nothing lies behind it. */
		free(copy);
		copy = malloc(end > 0 ? end : 1);
		assert_non_null(copy);
		memcpy(copy, text, end);
		o->result = parser_feed(&o->parser, &o->head, copy, copy + fed, end - fed,
		    &used, take, o);
		assert_true(used <= end - fed);
		fed += used;
		if (o->result == PARSER_HEAD) {
			assert_false(o->has_head);
			assert_int_equal(o->parser.head_length, fed);
			o->has_head = true;
			continue;
		}
		if (o->result != PARSER_MORE)
			break;
		assert_int_equal(fed, end);
		if (end == length)
			break;
		end = length - end < step ? length : end + step;
	} while (1);
	o->consumed = fed;
	o->status = o->parser.status;
	o->reason = o->parser.reason;
	if (o->result == PARSER_ERROR) {
		assert_non_null(o->reason);
		assert_int_equal(parser_feed(&o->parser, &o->head, text, text, 0, &used,
		    take, o), PARSER_ERROR);
	}
	free(copy);
}

static void
assert_same(const struct outcome *a, const struct outcome *b, const char *text)
{
	if (a->result != b->result || a->status != b->status)
		fail_msg("%d %d %s, in pieces %d %d %s: %s", a->result, a->status, a->reason,
		    b->result, b->status, b->reason, text);
	assert_int_equal(a->has_head, b->has_head);
	assert_int_equal(a->body_length, b->body_length);
	assert_memory_equal(a->body, b->body, a->body_length);
	if (!a->has_head)
		return;
	assert_int_equal(a->consumed, b->consumed);
	assert_int_equal(a->head.method, b->head.method);
	assert_int_equal(a->head.method_length, b->head.method_length);
	assert_int_equal(a->head.target, b->head.target);
	assert_int_equal(a->head.target_length, b->head.target_length);
	assert_int_equal(a->head.field_count, b->head.field_count);
	assert_memory_equal(a->fields, b->fields, a->head.field_count * sizeof(struct field));
}

static struct outcome whole, pieces;

/* Parses at once, octet by octet, and in every possible two pieces. */
static struct outcome *
parse_all_ways(const char *text, size_t length)
{
	parse(&whole, text, length, length, length);
	parse(&pieces, text, length, 0, 1);
	assert_same(&whole, &pieces, text);
	parse(&pieces, text, length, 2, 3);
	assert_same(&whole, &pieces, text);
	for (size_t i = 0; i < length && length < 300; i++) {
		parse(&pieces, text, length, i, length);
		assert_same(&whole, &pieces, text);
	}
	return &whole;
}

/* The status a request is refused with, 0 when it is complete, -1 when it
 * is not. */
static int
status_of_octets(const char *text, size_t length)
{
	struct outcome *o = parse_all_ways(text, length);

	if (o->result == PARSER_ERROR)
		return o->status;
	if (o->result == PARSER_MORE)
		return -1;
	/* DONE must be exactly at the end of what these tests send. */
	assert_int_equal(o->consumed, length);
	return 0;
}

#define status_of(text) status_of_octets(text, sizeof(text) - 1)

#define HOST "Host: x\r\n"
#define GET(fields) "GET / HTTP/1.1\r\n" HOST fields "\r\n"
#define GET10(fields) "GET / HTTP/1.0\r\n" fields "\r\n"
#define POST(body) "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n" body

static void
request_line(void **state)
{
	(void)state;
	assert_int_equal(status_of(GET("")), 0);
	assert_int_equal(status_of("M-SEARCH * HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("GET http://h:80/a?b HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("PATCH /a%20b?c=d&e[]=\"f\" HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /  HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1 \r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of(" GET / HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / http/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1,1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/01.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET / XTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("SOURCE / ICE/1.0\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /\x01 HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("GET /\r\n\r\n"), 400);	/* HTTP/0.9 */
	assert_int_equal(status_of("\x16\x03\x01\x02\x00\x01\x00"), 400);	/* TLS */
}

static void
versions(void **state)
{
	(void)state;
	assert_int_equal(status_of(GET10("")), 0);
	assert_int_equal(whole.head.minor, 0);
	assert_int_equal(status_of("GET / HTTP/2.0\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("GET / HTTP/0.9\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("GET / HTTP/9.9\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("GET / HTTP/1.2\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("GET / HTTP/0.0\r\n" HOST "\r\n"), 505);
}

static void
methods(void **state)
{
	(void)state;
	assert_int_equal(status_of("BREW / HTTP/1.1\r\n"), 501);
	assert_int_equal(status_of("GETX /"), 501);
	assert_int_equal(status_of("GE /"), 501);
	assert_int_equal(status_of("get /"), 501);
	assert_int_equal(status_of("PRI * HTTP/2.0\r\n\r\n"), 501);
	assert_int_equal(status_of("!#$%&'*+-.^_`|~ /"), 501);
	assert_int_equal(status_of("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"), 501);
	assert_int_equal(status_of("XXXX"), -1);
	assert_int_equal(status_of("G{T /"), 400);
	assert_int_equal(status_of("G\0T /"), 400);
	assert_int_equal(status_of("X\r\n"), 400);
	assert_int_equal(status_of("GET\r\n"), 400);
	assert_int_equal(status_of("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n"), 501);
}

static void
empty_lines_before(void **state)
{
	(void)state;
	assert_int_equal(status_of("\r\n" GET("")), 0);
	assert_int_equal(whole.head.method, 2);
	assert_int_equal(status_of("\r\n\r\n" GET("")), 0);
	assert_int_equal(whole.head.method, 4);
	assert_int_equal(status_of("\r\n\r\n\r\n" GET("")), 400);
	assert_int_equal(status_of("\n" GET("")), 400);
	assert_int_equal(status_of("\r" GET("")), 400);
	assert_int_equal(status_of("\r\n\n" GET("")), 400);
	assert_int_equal(status_of("\r\n\r\n"), -1);
	assert_int_equal(status_of(""), -1);
}

static void
assert_field(const char *text, unsigned i, const char *name, const char *value)
{
	const struct field *f = &whole.fields[i];

	assert_true(i < whole.head.field_count);
	assert_int_equal(f->name_length, strlen(name));
	assert_memory_equal(text + f->name, name, f->name_length);
	assert_int_equal(f->value_length, strlen(value));
	assert_memory_equal(text + f->value, value, f->value_length);
}

static void
fields(void **state)
{
	static const char text[] = GET("A: b\r\nEmpty:\r\nBlank: \t \r\n"
	    "Trimmed: \t v  w \t\r\nUtf: \xc3\xa4\r\na:b:c\r\n");
	const struct field *f;

	(void)state;
	assert_int_equal(status_of(text), 0);
	assert_int_equal(whole.head.field_count, 7);
	assert_field(text, 0, "Host", "x");
	assert_field(text, 1, "A", "b");
	assert_field(text, 2, "Empty", "");
	assert_field(text, 3, "Blank", "");
	assert_field(text, 4, "Trimmed", "v  w");
	assert_field(text, 5, "Utf", "\xc3\xa4");
	assert_field(text, 6, "a", "b:c");
	f = head_field(&whole.head, text, "a");
	assert_ptr_equal(f, &whole.fields[1]);
	assert_null(head_field(&whole.head, text, "absent"));
}

static void
fields_malformed(void **state)
{
	(void)state;
	assert_int_equal(status_of(GET("A : b\r\n")), 400);
	assert_int_equal(status_of(GET(": b\r\n")), 400);
	assert_int_equal(status_of(GET("A\r\n")), 400);
	assert_int_equal(status_of(GET("A b: c\r\n")), 400);
	assert_int_equal(status_of(GET("A\0: c\r\n")), 400);
	assert_int_equal(status_of(GET("A(: c\r\n")), 400);
	assert_int_equal(status_of(GET("A\xe4: c\r\n")), 400);
	assert_int_equal(status_of(GET("A: b\n")), 400);
	assert_int_equal(status_of(GET("A: b\rC: d\r\n")), 400);
	assert_int_equal(status_of(GET("A: b\r\r\n")), 400);
	assert_int_equal(status_of(GET("A: b\r\n c\r\n")), 400);	/* folded */
	assert_int_equal(status_of(GET("A:\r\n c\r\n")), 400);
	assert_int_equal(status_of(GET("A: b\r\n\tc\r\n")), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\n " HOST "\r\n"), 400);
	assert_int_equal(status_of(GET("A: \0b\r\n")), 400);
	assert_int_equal(status_of(GET("A:\0b\r\n")), 400);
	assert_int_equal(status_of(GET("A: b\0\r\n")), 400);
	assert_int_equal(status_of(GET("A: \x01\r\n")), 400);
	assert_int_equal(status_of(GET("A: 0123456789\x7f\r\n")), 400);
	assert_int_equal(status_of(GET("A: 0123456789\x0b" "0123456789\r\n")), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\n" HOST "\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: x\n\n"), 400);
}

static void
hosts(void **state)
{
	(void)state;
	assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0);
	assert_int_equal(status_of(GET(HOST)), 400);
	assert_int_equal(status_of(GET10(HOST)), 0);
	assert_int_equal(status_of(GET10(HOST HOST)), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nhOST:\t[::1]:80 \r\n\r\n"), 0);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400);
}

static void
keep_alive(void **state)
{
	(void)state;
#define KEEPS(text, expected) do { \
	assert_int_equal(status_of(text), 0); \
	assert_int_equal(whole.head.keep_alive, expected); \
} while (0)
	KEEPS(GET(""), true);
	KEEPS(GET("Connection: close\r\n"), false);
	KEEPS(GET("Connection: CLOSE\t\r\n"), false);
	KEEPS(GET("connection:\tfoo ,\tClose , bar\r\n"), false);
	KEEPS(GET("Connection: ,,close\r\n"), false);
	KEEPS(GET("Connection: foo\r\nConnection: close\r\n"), false);
	KEEPS(GET("Connection: closed\r\n"), true);
	KEEPS(GET("Connection: close;q\r\n"), true);
	KEEPS(GET("Connection: keep-alive, close\r\n"), false);
	KEEPS(GET("Proxy-Connection: close\r\n"), true);
	KEEPS(GET("Upgrade: h2c\r\nConnection: Upgrade\r\n"), true);
	KEEPS(GET10(""), false);
	KEEPS(GET10("Connection: Keep-Alive\r\n"), true);
	KEEPS(GET10("Connection: keep-alive, close\r\n"), false);
	KEEPS(GET10("Proxy-Connection: keep-alive\r\n"), false);
}

static void
content_length(void **state)
{
	(void)state;
#define LENGTH(value) "POST / HTTP/1.1\r\n" HOST "Content-Length:" value "\r\n\r\n"
	assert_int_equal(status_of(LENGTH(" 3") "abc"), 0);
	assert_int_equal(whole.body_length, 3);
	assert_int_equal(status_of(LENGTH("003 ") "abc"), 0);
	assert_int_equal(status_of(LENGTH(" 0")), 0);
	assert_int_equal(whole.head.content_length, 0);
	assert_int_equal(status_of(LENGTH(" 3") "ab"), -1);
	assert_int_equal(status_of(GET("")), 0);
	assert_int_equal(whole.head.content_length, -1);
	assert_int_equal(status_of(LENGTH("")), 400);
	assert_int_equal(status_of(LENGTH(" ")), 400);
	assert_int_equal(status_of(LENGTH(" -1")), 400);
	assert_int_equal(status_of(LENGTH(" +1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 0x1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1 1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1,1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1, 1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1\r\nContent-Length: 1") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1\r\nContent-Length: 2") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 1\r\nContent-Length : 2") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 9223372036854775807")), -1);
	assert_true(whole.head.content_length == INT64_MAX);
	assert_int_equal(status_of(LENGTH(" 9223372036854775808")), 400);
	assert_int_equal(status_of(LENGTH(" 18446744073709551615")), 400);
	assert_int_equal(status_of(LENGTH(" 18446744073709551617") "a"), 400);
	assert_int_equal(status_of(LENGTH(" 99999999999999999999999")), 400);
}

static void
transfer_encoding(void **state)
{
	(void)state;
#define CODING(value) "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:" value "\r\n\r\n"
#define LAST "0\r\n\r\n"
	assert_int_equal(status_of(CODING(" chunked") LAST), 0);
	assert_int_equal(status_of(CODING("\tChunKED ") LAST), 0);
	assert_int_equal(status_of(CODING(" gzip, chunked")), 501);
	assert_int_equal(status_of(CODING(" identity, chunked")), 501);
	assert_int_equal(status_of(CODING(" identity")), 501);
	assert_int_equal(status_of(CODING(" gzip;q=\"a b\"")), 501);
	assert_int_equal(status_of(CODING(" xchunked")), 501);
	assert_int_equal(status_of(CODING("")), 400);
	assert_int_equal(status_of(CODING(" chunked,")), 400);
	assert_int_equal(status_of(CODING(" ,chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked, chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked, x, chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked, gzip")), 400);
	assert_int_equal(status_of(CODING(" chunked;x")), 400);
	assert_int_equal(status_of(CODING(" \"chunked\"")), 400);
	assert_int_equal(status_of(CODING(" \x0b" "chunked")), 400);
	assert_int_equal(status_of(CODING("\r\n chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked\r\nTransfer-Encoding: chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked\r\nTransfer-Encoding: gzip")), 400);
	assert_int_equal(status_of(CODING(" gzip\r\nTransfer-Encoding: chunked")), 400);
	assert_int_equal(status_of(CODING(" chunked\r\nContent-Length: 3")), 400);
	assert_int_equal(status_of(CODING(" chunked\r\nContent-Length: 0")), 400);
	assert_int_equal(status_of("POST / HTTP/1.1\r\n" HOST
	    "Content-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\n"), 400);
	assert_int_equal(status_of("POST / HTTP/1.0\r\n" HOST
	    "Transfer-Encoding: chunked\r\n\r\n"), 400);
	assert_int_equal(status_of("POST / HTTP/1.1\r\n" HOST
	    "Transfer-Encoding : chunked\r\n\r\n"), 400);
}

static void
expect(void **state)
{
	(void)state;
#define EXPECT(version, fields) "POST / HTTP/1." version "\r\n" HOST fields "\r\n"
	(void)status_of(EXPECT("1", "Expect: 100-Continue\r\nContent-Length: 1\r\n"));
	assert_true(whole.head.expect_continue);
	(void)status_of(EXPECT("1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
	assert_true(whole.head.expect_continue);
	(void)status_of(EXPECT("1", "Expect: 100-continue\r\nContent-Length: 0\r\n"));
	assert_false(whole.head.expect_continue);
	(void)status_of(EXPECT("1", "Expect: 100-continue\r\n"));
	assert_false(whole.head.expect_continue);
	(void)status_of(EXPECT("0", "Expect: 100-continue\r\nContent-Length: 1\r\n"));
	assert_false(whole.head.expect_continue);
	(void)status_of(EXPECT("1", "Expect: tea\r\nContent-Length: 1\r\n"));
	assert_false(whole.head.expect_continue);
}

static void
chunks(void **state)
{
	(void)state;
	assert_int_equal(status_of(POST("0\r\n\r\n")), 0);
	assert_int_equal(whole.body_length, 0);
	assert_int_equal(status_of(POST("5\r\nhello\r\nA\r\n, world!!!\r\n000\r\n\r\n")), 0);
	assert_int_equal(whole.body_length, 15);
	assert_memory_equal(whole.body, "hello, world!!!", 15);
	assert_int_equal(status_of(POST("1\r\n\n\r\n1\r\n\r\r\n0\r\n\r\n")), 0);
	assert_memory_equal(whole.body, "\n\r", 2);
	assert_int_equal(status_of(POST("0000000000000001\r\na\r\n0\r\n\r\n")), 0);
	assert_int_equal(status_of(POST("5\r\nhel")), -1);

	assert_int_equal(status_of(POST("00000000000000001\r\na\r\n0\r\n\r\n")), 400);
	assert_int_equal(status_of(POST("\r\n")), 400);
	assert_int_equal(status_of(POST(";x\r\n")), 400);
	assert_int_equal(status_of(POST("+1\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("-1\r\na\r\n")), 400);
	assert_int_equal(status_of(POST(" 1\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("1 \r\na\r\n")), 400);
	assert_int_equal(status_of(POST("5 zzz\r\nhello\r\n")), 400);
	assert_int_equal(status_of(POST("0x1\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("g\r\n")), 400);
	assert_int_equal(status_of(POST("1\na\r\n")), 400);
	assert_int_equal(status_of(POST("1\ra\r\n")), 400);
	assert_int_equal(status_of(POST("1\r\nab\r\n")), 400);
	assert_int_equal(status_of(POST("1\r\na\n0\r\n\r\n")), 400);
	assert_int_equal(status_of(POST("1\r\na\r0\r\n\r\n")), 400);
	assert_int_equal(status_of(POST("0\r\n\n")), 400);
	assert_int_equal(status_of(POST("7fffffffffffffff\r\n")), -1);
	assert_int_equal(status_of(POST("8000000000000000\r\n")), 400);
	assert_int_equal(status_of(POST("ffffffffffffffff\r\n")), 400);
	assert_int_equal(status_of(POST("1\r\na\r\n7fffffffffffffff\r\n")), 400);
}

static void
chunk_extensions(void **state)
{
	static char text[40000];
	size_t n;

	(void)state;
	assert_int_equal(status_of(POST("1;a=\"b c\";\td\r\na\r\n0;e\r\n\r\n")), 0);
	assert_int_equal(status_of(POST("1;a\nb\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("1;a\0\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("1;a\x7f\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("1;a\xe4\r\na\r\n")), 400);
	assert_int_equal(status_of(POST("1;\"a\r\nb\"\r\n")), 400);

	/* Bounded in all, not for each chunk. */
	n = (size_t)sprintf(text, POST(""));
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(text + n, "1;xyz\r\na\r\n");
	n += (size_t)sprintf(text + n, LAST);
	assert_int_equal(status_of_octets(text, n), 0);
	n = (size_t)sprintf(text, POST(""));
	for (int i = 0; i < 1000; i++)
		n += (size_t)sprintf(text + n, "1;xyzuv\r\na\r\n");
	assert_int_equal(status_of_octets(text, n), 400);
	assert_string_equal(whole.reason, "chunk extensions too long");

	/* A body of one-octet chunks is fine. */
	n = (size_t)sprintf(text, POST(""));
	for (int i = 0; i < 6000; i++)
		n += (size_t)sprintf(text + n, "1\r\na\r\n");
	n += (size_t)sprintf(text + n, LAST);
	assert_int_equal(status_of_octets(text, n), 0);
	assert_int_equal(whole.body_length, 6000);
}

static void
trailers(void **state)
{
	char text[HEAD_MAX + 200];
	size_t n;

	(void)state;
#define TRAILER(text) POST("1\r\na\r\n0\r\n" text "\r\n")
	assert_int_equal(status_of(TRAILER("A: b\r\nConnection: close\r\nC:\r\n")), 0);
	assert_true(whole.head.keep_alive);
	assert_int_equal(whole.head.field_count, 2);
	assert_int_equal(status_of(TRAILER("A : b\r\n")), 400);
	assert_int_equal(status_of(TRAILER("A: b\n")), 400);
	assert_int_equal(status_of(TRAILER("A: b\r\n c\r\n")), 400);
	assert_int_equal(status_of(TRAILER(": b\r\n")), 400);
	assert_int_equal(status_of(TRAILER("A\r\n")), 400);
	assert_int_equal(status_of(TRAILER("A: \0\r\n")), 400);
	assert_int_equal(status_of(TRAILER("GET / HTTP/1.1\r\n")), 400);
	n = (size_t)sprintf(text, POST("0\r\n"));
	n += (size_t)sprintf(text + n, "A: %0*d\r\n\r\n", HEAD_MAX - 4, 0);
	assert_int_equal(status_of_octets(text, n), 0);
	n = (size_t)sprintf(text, POST("0\r\n"));
	n += (size_t)sprintf(text + n, "A: %0*d\r\n\r\n", HEAD_MAX + 1, 0);
	assert_int_equal(status_of_octets(text, n), 431);
}

static void
limits(void **state)
{
	char text[HEAD_MAX * 2];
	int n;

	(void)state;
	n = sprintf(text, "GET /%0*d", HEAD_MAX, 0);
	assert_int_equal(status_of_octets(text, (size_t)n), 414);
	n = sprintf(text, "GET / HTTP/1.1\r\nA: %0*d", HEAD_MAX, 0);
	assert_int_equal(status_of_octets(text, (size_t)n), 431);
	/* Exactly the limit, and one more. */
	n = sprintf(text, GET("A: %0*d\r\n"), HEAD_MAX - 32, 0);
	assert_int_equal(n, HEAD_MAX);
	assert_int_equal(status_of_octets(text, (size_t)n), 0);
	n = sprintf(text, GET("A: %0*d\r\n"), HEAD_MAX - 31, 0);
	assert_int_equal(status_of_octets(text, (size_t)n), 431);
	assert_int_equal(status_of(GET("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\n")), 0);
	assert_int_equal(status_of(GET("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n")), 431);
}

/* What lies behind a request is left alone, whatever the request says. */
static void
pipelining(void **state)
{
	static const char *const requests[] = {
		GET(""), GET("Connection: close\r\n"), GET10(""),
		GET("Upgrade: websocket\r\nConnection: upgrade\r\n"),
		POST("1\r\na\r\n0\r\nConnection: close\r\n\r\n"),
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nGET ",
		"POST / HTTP/1.1\r\n" HOST "Upgrade: x\r\nConnection: upgrade\r\n"
		    "Content-Length: 4\r\n\r\nGET "
	};
	char text[1024];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		length = strlen(requests[i]);
		snprintf(text, sizeof(text), "%s%s", requests[i], GET(""));
		parse_all_ways(text, strlen(text));
		assert_int_equal(whole.result, PARSER_DONE);
		assert_int_equal(whole.consumed, length);
		parse(&pieces, text, strlen(text), 0, 1);
		assert_int_equal(pieces.consumed, length);
	}
}

/* A copy of the parser goes on where the original stood. */
static void
copied(void **state)
{
	static const char text[] = POST("5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n");
	struct parser copy;
	size_t used, fed;

	(void)state;
	parse(&whole, text, sizeof(text) - 1 - 15, 0, 1);
	assert_int_equal(whole.result, PARSER_MORE);
	fed = whole.consumed;
	memcpy(&copy, &whole.parser, sizeof(copy));
	memset(&whole.parser, 0xff, sizeof(whole.parser));
	assert_int_equal(parser_feed(&copy, NULL, NULL, text + fed, sizeof(text) - 1 - fed,
	    &used, take, &whole), PARSER_DONE);
	assert_int_equal(whole.body_length, 8);
	assert_memory_equal(whole.body, "helloabc", 8);
	assert_int_equal(parser_feed(&copy, NULL, NULL, text, 5, &used, take, &whole),
	    PARSER_DONE);
	assert_int_equal(used, 0);
}

/* Takes nothing, and says which status that means. */
static int
refuse(void *context, const char *data, size_t length)
{
	(void)data;
	(void)length;
	((struct parser *)context)->status = 507;
	return -1;
}

static void
receiver_stops(void **state)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na", POST("1\r\na\r\n")
	};
	struct field table[FIELD_MAX];
	struct head head = { .fields = table, .field_max = FIELD_MAX };
	struct parser p;
	size_t used, length;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		length = strlen(requests[i]);
		parser_init(&p, HEAD_MAX);
		assert_int_equal(parser_feed(&p, &head, requests[i], requests[i], length, &used,
		    refuse, &p), PARSER_HEAD);
		assert_int_equal(parser_feed(&p, NULL, NULL, requests[i] + used, length - used,
		    &used, refuse, &p), PARSER_ERROR);
		assert_int_equal(p.status, 507);
		assert_non_null(p.reason);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_line),
		cmocka_unit_test(versions),
		cmocka_unit_test(methods),
		cmocka_unit_test(empty_lines_before),
		cmocka_unit_test(fields),
		cmocka_unit_test(fields_malformed),
		cmocka_unit_test(hosts),
		cmocka_unit_test(keep_alive),
		cmocka_unit_test(content_length),
		cmocka_unit_test(transfer_encoding),
		cmocka_unit_test(expect),
		cmocka_unit_test(chunks),
		cmocka_unit_test(chunk_extensions),
		cmocka_unit_test(trailers),
		cmocka_unit_test(limits),
		cmocka_unit_test(pipelining),
		cmocka_unit_test(copied),
		cmocka_unit_test(receiver_stops)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
