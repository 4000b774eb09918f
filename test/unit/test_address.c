/* test_address.c - addresses as text. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "address.h"

static void
assert_text(const union address *a, const char *want, uint16_t port)
{
	char text[ADDRESS_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	assert_int_equal(address_text(&a->any, text), port);
	assert_string_equal(text, want);
}

/* Each octet takes each value in each place. */
static void
ipv4_is_as_inet_ntop_writes_it(void **state)
{
	union address a = { .in = { .sin_family = AF_INET, .sin_port = htons(8080) } };
	union address mapped = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(1) } };
	char want[INET_ADDRSTRLEN];

	(void)state;
	mapped.in6.sin6_addr.s6_addr[10] = mapped.in6.sin6_addr.s6_addr[11] = 0xff;
	for (unsigned i = 0; i < 256; i++) {
		uint8_t octets[4] = { (uint8_t)i, (uint8_t)(i + 64), (uint8_t)(i + 128), (uint8_t)(i * 3) };

		memcpy(&a.in.sin_addr, octets, sizeof(octets));
		memcpy(&mapped.in6.sin6_addr.s6_addr[12], octets, sizeof(octets));
		assert_non_null(inet_ntop(AF_INET, octets, want, sizeof(want)));
		assert_text(&a, want, 8080);
		assert_text(&mapped, want, 1);
	}
}

static void
ipv6_and_others(void **state)
{
	union address a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(65535) } };
	union address local = { .un = { .sun_family = AF_UNIX, .sun_path = "/tmp/x" } };

	(void)state;
	assert_text(&a, "::", 65535);
	a.in6.sin6_addr = in6addr_loopback;
	assert_text(&a, "::1", 65535);
	memset(&a.in6.sin6_addr, 0xff, sizeof(a.in6.sin6_addr));
	assert_text(&a, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
	assert_text(&local, "unix", 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_as_inet_ntop_writes_it),
		cmocka_unit_test(ipv6_and_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
