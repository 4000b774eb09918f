/*
 * head_check() trusts nobody: every octet of a head must belong to the
 * request line or to a field, whatever positions the parser came up with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "head.h"
#include "octet.h"

static const char text[] = "GET /x HTTP/1.1\r\nHost: a\r\nB: \t c d\t\r\nE:\r\n\r\n";
static struct field fields[4];
static struct head head;

/* The positions a parser would have found in text. */
static void
fill(void)
{
	memset(fields, 0, sizeof(fields));
	fields[0] = (struct field){ .name = 17, .name_length = 4 };
	fields[1] = (struct field){ .name = 26, .name_length = 1 };
	fields[2] = (struct field){ .name = 37, .name_length = 1 };
	head = (struct head){ .method = 0, .method_length = 3, .target = 4,
		.target_length = 2, .field_count = 3, .field_max = 4, .fields = fields };
}

static int
check(size_t length)
{
	const char *reason = NULL;
	int status = head_check(&head, text, length, &reason);

	if (status != 0)
		assert_non_null(reason);
	return status;
}

static void
complete(void **state)
{
	(void)state;
	fill();
	assert_int_equal(check(sizeof(text) - 1), 0);
	assert_int_equal(head.minor, 1);
	assert_true(head.keep_alive);
	assert_false(head.chunked);
	assert_int_equal(head.content_length, -1);
	assert_int_equal(fields[0].value_length, 1);
	assert_int_equal(fields[1].value_length, 3);
	assert_memory_equal(text + fields[1].value, "c d", 3);
	assert_int_equal(fields[2].value_length, 0);
	assert_ptr_equal(head_field(&head, text, "hOsT"), &fields[0]);
	assert_ptr_equal(head_field(&head, text, "b"), &fields[1]);
	assert_null(head_field(&head, text, "Hos"));
	assert_null(head_field(&head, text, ""));
}

static void
truncated(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		fill();
		assert_int_equal(check(length), 400);
	}
}

/* A parser that skipped something, or saw something that is not there. */
static void
misplaced(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		for (int by = -1; by <= 1; by += 2) {
			fill();
			fields[i].name += (uint32_t)by;
			assert_int_equal(check(sizeof(text) - 1), 400);
			fill();
			fields[i].name_length += (uint32_t)by;
			assert_int_equal(check(sizeof(text) - 1), 400);
		}
	for (uint32_t count = 0; count < 3; count++) {
		fill();
		head.field_count = count;
		assert_int_equal(check(sizeof(text) - 1), 400);
	}
	fill();
	head.field_count = 4;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.method_length = 0;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.method_length = 4;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.method_length = UINT32_MAX;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.target = 5;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.target_length = 1;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.target_length = UINT32_MAX;
	assert_int_equal(check(sizeof(text) - 1), 400);
	fill();
	head.method = UINT32_MAX;
	assert_int_equal(check(sizeof(text) - 1), 400);
}

/* The classes against their definitions, and the scan eight octets at a time
 * against the one octet by octet, at every offset. */
static void
octets(void **state)
{
	char line[24];

	(void)state;
	for (int c = 0; c < 256; c++) {
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z');
		bool field = c == '\t' || (c >= 0x20 && c != 0x7f);

		assert_int_equal(octet_is_token((unsigned char)c),
		    alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL));
		assert_int_equal(octet_is_name((unsigned char)c),
		    alnum || (c != 0 && strchr("-._~!$&'()*+,;=", c) != NULL));
		assert_int_equal(octet_is_field((unsigned char)c), field);
		for (size_t i = 0; i < sizeof(line); i++)
			for (int other = ' '; other < 256; other += 223) {
				memset(line, other, sizeof(line));
				line[i] = (char)c;
				assert_int_equal(octets_are_field(line, sizeof(line)), field);
				assert_true(octets_are_field(line, i));
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete),
		cmocka_unit_test(truncated),
		cmocka_unit_test(misplaced),
		cmocka_unit_test(octets)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
