/*
 * PROXY headers of both versions, whole, in pieces and malformed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

#include "proxy.h"

static struct proxy_header header;

/* Parses every leading part first: none of them may be complete, and none may
 * be malformed when the whole is not. */
static long
parse_octets(const char *text, size_t length)
{
	long whole = proxy_parse(text, length, &header), n;
	struct proxy_header part;

	for (size_t i = 0; i < length; i++) {
		char *copy = malloc(i > 0 ? i : 1);

		memcpy(copy, text, i);
		n = proxy_parse(copy, i, &part);
		free(copy);
		if (whole > 0 && (long)i >= whole)
			assert_int_equal(n, whole);
		else if (whole >= 0)
			assert_int_equal(n, 0);
		else
			assert_true(n <= 0);
	}
	return whole;
}

#define parse(text) parse_octets(text, sizeof(text) - 1)

static void
assert_address(const struct sockaddr_storage *address, const char *text, int port)
{
	char out[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, out, sizeof(out));
		assert_int_equal(ntohs(in->sin_port), port);
	} else {
		assert_int_equal(address->ss_family, AF_INET6);
		inet_ntop(AF_INET6, &in6->sin6_addr, out, sizeof(out));
		assert_int_equal(ntohs(in6->sin6_port), port);
	}
	assert_string_equal(out, text);
}

static void
version_1(void **state)
{
	(void)state;
	assert_int_equal(parse("PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\nGET /"), 42);
	assert_int_equal(header.known, 1);
	assert_address(&header.source, "192.0.2.7", 40000);
	assert_address(&header.destination, "192.0.2.1", 443);
	assert_true(parse("PROXY TCP6 2001:db8::7 ::1 65535 0\r\n") > 0);
	assert_address(&header.source, "2001:db8::7", 65535);
	assert_address(&header.destination, "::1", 0);
	assert_int_equal(parse("PROXY UNKNOWN\r\n"), 15);
	assert_int_equal(header.known, 0);
	assert_true(parse("PROXY UNKNOWN ffff::1 ffff::1 1 2\r\n") > 0);
	assert_int_equal(header.known, 0);
	/* The longest there can be. */
	assert_int_equal(parse("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), 107);
}

static void
version_1_malformed(void **state)
{
	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n"), -1);
	assert_int_equal(parse("proxy TCP4"), -1);
	assert_int_equal(parse("PROXY\r\n"), -1);
	assert_int_equal(parse("PROXY \r\n"), -1);
	assert_int_equal(parse("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 2x\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 ::1 ::1 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4\r\n 1.2.3.4 1 2\r\n"), -1);
	assert_int_equal(parse("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r"), 0);
	assert_int_equal(parse("PROXY UNKNOWN fffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"), -1);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET "\x21\x11\0\x0c" "\xc0\0\2\7" "\xc0\0\2\1" "\x9c\x40" "\1\xbb"
#define ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0"

static void
version_2(void **state)
{
	char text[600];

	(void)state;
	assert_int_equal(parse(SIGNATURE INET "GET /"), 28);
	assert_int_equal(header.known, 1);
	assert_address(&header.source, "192.0.2.7", 40000);
	assert_address(&header.destination, "192.0.2.1", 443);
	/* With a TLV behind the addresses. */
	assert_int_equal(parse(SIGNATURE "\x21\x11\0\x10" "\1\2\3\4" "\5\6\7\x8" "\0\1" "\0\2"
	    "\x04\0\1x"), 32);
	assert_address(&header.source, "1.2.3.4", 1);
	assert_int_equal(parse(SIGNATURE "\x21\x21\0\x24" ZEROS "\0\0\0\1" ZEROS "\0\0\0\2"
	    "\0\3" "\0\4"), 52);
	assert_address(&header.source, "::1", 3);
	assert_address(&header.destination, "::2", 4);
	/* LOCAL, and families we need not know. */
	assert_int_equal(parse(SIGNATURE "\x20\0\0\0"), 16);
	assert_int_equal(header.known, 0);
	assert_int_equal(parse(SIGNATURE "\x20\x11\0\x0c" ZEROS), 28);
	assert_int_equal(header.known, 0);
	assert_int_equal(parse(SIGNATURE "\x21\0\0\2xx"), 18);
	assert_int_equal(header.known, 0);

	memset(text, 'p', sizeof(text));
	memcpy(text, SIGNATURE "\x21\x31\0\xd8", 16);
	assert_int_equal(parse_octets(text, 16 + 216), 16 + 216);
	assert_int_equal(header.source.ss_family, AF_UNIX);
	assert_int_equal(((struct sockaddr_un *)&header.source)->sun_path[0], 'p');
	/* The longest that is taken. */
	memcpy(text, SIGNATURE "\x20\0\2\x08", 16);
	assert_int_equal(parse_octets(text, PROXY_HEADER_MAX), PROXY_HEADER_MAX);
	memcpy(text, SIGNATURE "\x20\0\2\x09", 16);
	assert_int_equal(parse_octets(text, PROXY_HEADER_MAX + 1), -1);
}

static void
version_2_malformed(void **state)
{
	(void)state;
	assert_int_equal(parse("\r\n\r\n\0\r\nQUIT\r"), -1);
	assert_int_equal(parse("\r\n\r\nGET"), -1);
	assert_int_equal(parse(SIGNATURE "\x11\x11\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x22\x11\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x31\x11\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x41\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x13\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x11\0\x0b" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x21\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x31\0\x0c" ZEROS), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x11\xff\xff"), -1);
	assert_int_equal(parse(SIGNATURE "\x21\x11\0\x0d" ZEROS), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_1_malformed),
		cmocka_unit_test(version_2),
		cmocka_unit_test(version_2_malformed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
