/* test_octet.c - what is alike but for the case of letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "octet.h"

static void
only_ascii_letters_have_a_case(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		for (int k = 0; k < 256; k++) {
			char a = (char)i, b = (char)k;
			bool letters = (i ^ k) == 0x20 && ((i | 0x20) >= 'a' && (i | 0x20) <= 'z');

			assert_int_equal(octets_alike(&a, &b, 1), i == k || letters);
		}
	}
}

static void
of_octets_all_count(void **state)
{
	(void)state;
	assert_true(octets_alike("Content-Length", "CONTENT-LENGTH", 14));
	assert_true(octets_alike("hostX", "HOSTY", 4));
	assert_false(octets_alike("hostX", "HOSTY", 5));
	assert_true(octets_alike("a\0B", "A\0b", 3));
	assert_true(octets_alike("", "x", 0));
}

static void
texts_end_alike(void **state)
{
	(void)state;
	assert_true(texts_alike("Date", "date"));
	assert_false(texts_alike("Date", "dates"));
	assert_false(texts_alike("Dates", "date"));
	assert_true(texts_alike("", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_ascii_letters_have_a_case),
		cmocka_unit_test(of_octets_all_count),
		cmocka_unit_test(texts_end_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
