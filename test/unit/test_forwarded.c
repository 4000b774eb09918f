/*
 * Who the client is behind proxies, trusted or not, whatever the fields hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "forwarded.h"

/* 127.0.0.1, 10.0.0.0/8, 192.0.2.128/25, 2001:db8::/33, unix */
static const struct config_network trusted[] = {
	{ LISTEN_INET, { 127, 0, 0, 1 }, 32 },
	{ LISTEN_INET, { 10 }, 8 },
	{ LISTEN_INET, { 192, 0, 2, 128 }, 25 },
	{ LISTEN_INET6, { 0x20, 0x01, 0x0d, 0xb8 }, 33 },
	{ LISTEN_UNIX, { 0 }, 0 },
};

#define TRUSTED trusted, sizeof(trusted) / sizeof(trusted[0])

static struct forwarded_client client;

/* Fields are separated by "|". */
static size_t
split(const char *text, struct forwarded_value *values)
{
	size_t count = 0;

	while (text != NULL) {
		values[count].at = text;
		values[count].length = strcspn(text, "|");
		text = text[values[count].length] == '|' ? text + values[count].length + 1 : NULL;
		count++;
	}
	return count;
}

static void
find(const char *peer, const char *addresses, const char *schemes)
{
	struct forwarded_value fors[8], protos[8];
	struct forwarded_list a = { fors, split(addresses, fors) };
	struct forwarded_list s = { protos, split(schemes, protos) };

	memset(&client, 0, sizeof(client));
	strcpy(client.address, peer);
	client.port = 4711;
	forwarded_find(TRUSTED, &a, &s, &client);
}

#define is(peer, addresses, expected) do { \
	find(peer, addresses, NULL); \
	assert_string_equal(client.address, expected); \
} while (0)

static void
test_networks(void **state)
{
	static const char *const in[] = { "127.0.0.1", "10.0.0.0", "10.255.255.255",
	    "192.0.2.128", "192.0.2.255", "2001:db8::1", "2001:db8:7fff::", "unix" };
	static const char *const out[] = { "127.0.0.2", "9.255.255.255", "11.0.0.0",
	    "192.0.2.127", "2001:db8:8000::", "2001:db9::", "::1", "", "10", "::ffff:10.0.0.1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		assert_true(forwarded_trusts(TRUSTED, in[i]));
	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		assert_false(forwarded_trusts(TRUSTED, out[i]));
	assert_false(forwarded_trusts(NULL, 0, "unix"));
}

static void
test_who(void **state)
{
	(void)state;
	/* Nobody's word but a trusted proxy's. */
	is("203.0.113.9", "198.51.100.1", "203.0.113.9");
	is("127.0.0.1", NULL, "127.0.0.1");
	is("127.0.0.1", "198.51.100.1", "198.51.100.1");
	is("unix", " 198.51.100.1\t", "198.51.100.1");
	/* The rightmost that is not trusted, however many fields there are. */
	is("127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1");
	is("127.0.0.1", "1.1.1.1,198.51.100.1,10.1.2.3", "198.51.100.1");
	is("127.0.0.1", "1.1.1.1|198.51.100.1|10.1.2.3, 10.9.9.9", "198.51.100.1");
	is("127.0.0.1", "|1.1.1.1,,198.51.100.1, ,|, 10.1.2.3,", "198.51.100.1");
	/* All of them trusted: the farthest. */
	is("127.0.0.1", "10.0.0.2, 10.0.0.1", "10.0.0.2");
	/* What is no address ends the list. */
	is("127.0.0.1", "1.1.1.1, unknown", "127.0.0.1");
	is("127.0.0.1", "1.1.1.1, <script>, 10.0.0.5", "10.0.0.5");
	is("127.0.0.1", "unix, 10.0.0.5", "10.0.0.5");
	is("127.0.0.1", "", "127.0.0.1");
	is("127.0.0.1", ",", "127.0.0.1");
}

static void
test_spellings(void **state)
{
	(void)state;
	is("unix", "198.51.100.1:81", "198.51.100.1");
	assert_int_equal(client.port, 81);
	is("unix", "198.51.100.1", "198.51.100.1");
	assert_int_equal(client.port, 0);
	is("unix", "[2001:DB9:0::7]:443", "2001:db9::7");
	assert_int_equal(client.port, 443);
	is("unix", "[2001:db9::7]", "2001:db9::7");
	is("unix", "2001:db9::7", "2001:db9::7");
	is("unix", "::ffff:198.51.100.1", "198.51.100.1");
	is("unix", "1.1.1.1, ::ffff:10.0.0.1", "1.1.1.1");
	is("unix", "198.51.100.1:65536", "unix");
	is("unix", "198.51.100.1:x", "unix");
	is("unix", "[2001:db9::7", "unix");
	is("unix", "[2001:db9::7]x", "unix");
	is("unix", "198.51.100", "unix");
	is("unix", "0123456789012345678901234567890123456789012345678901234567890123456789", "unix");
	assert_int_equal(client.port, 4711);
}

#define is_https(peer, addresses, schemes) (find(peer, addresses, schemes), client.https)

static void
test_scheme(void **state)
{
	(void)state;
	assert_true(is_https("unix", "198.51.100.1", "https"));
	assert_true(is_https("unix", NULL, "HTTPS"));
	assert_false(is_https("unix", "198.51.100.1", "http"));
	assert_false(is_https("unix", "198.51.100.1", "httpsx"));
	assert_false(is_https("unix", "198.51.100.1", NULL));
	assert_false(is_https("203.0.113.9", "198.51.100.1", "https"));
	/* What the client wrote stands to the left. */
	assert_false(is_https("unix", "1.1.1.1, 198.51.100.1", "https, http"));
	/* The hop of the client, or the one word that all hops passed on. */
	assert_true(is_https("unix", "198.51.100.1, 10.0.0.1", "https, http"));
	assert_true(is_https("unix", "198.51.100.1, 10.0.0.1", "https"));
	assert_false(is_https("unix", "198.51.100.1, 10.0.0.1", "https, http, http"));
	assert_true(is_https("unix", "198.51.100.1", "http|https"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
