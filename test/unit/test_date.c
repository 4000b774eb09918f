/*
 * HTTP dates: written as the C library would, read in all three forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "date.h"

static void
example(void **state)
{
	char out[DATE_LENGTH + 1];

	(void)state;
	date_format(784111777, out);
	assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(date_parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	assert_int_equal(date_parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	assert_int_equal(date_parse("Sun Nov  6 08:49:37 1994"), 784111777);
	assert_int_equal(date_parse("Wed Nov 16 08:49:37 1994"), 784111777 + 864000);
}

/* Against gmtime(), over eight thousand years. */
static void
agrees_with_libc(void **state)
{
	char out[DATE_LENGTH + 1], expected[64];
	struct tm tm;

	(void)state;
	for (int64_t t = 0; t < INT64_C(253402300800); t += 86399 * 31 + 7) {
		time_t time = (time_t)t;

		assert_non_null(gmtime_r(&time, &tm));
		strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		date_format(time, out);
		assert_string_equal(out, expected);
		assert_int_equal(date_parse(out), t);
	}
}

static void
boundaries(void **state)
{
	static const struct { time_t t; const char *text; } dates[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ 951782399, "Mon, 28 Feb 2000 23:59:59 GMT" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ 951868800, "Wed, 01 Mar 2000 00:00:00 GMT" },
		{ 978307199, "Sun, 31 Dec 2000 23:59:59 GMT" },
		{ 4107542399, "Sun, 28 Feb 2100 23:59:59 GMT" },
		{ 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
		{ 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" }
	};
	char out[DATE_LENGTH + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		date_format(dates[i].t, out);
		assert_string_equal(out, dates[i].text);
		assert_int_equal(date_parse(out), dates[i].t);
	}
	date_format(-1, out);
	assert_string_equal(out, dates[0].text);
	date_format(253402300800, out);
	assert_string_equal(out, dates[7].text);
	date_format((time_t)INT64_MAX, out);
	assert_string_equal(out, dates[7].text);
	assert_int_equal(date_parse("Fri, 01-Jan-69 00:00:00 GMT"), -1);	/* short name */
	assert_int_equal(date_parse("Friday, 01-Jan-70 00:00:01 GMT"), 1);
	assert_int_equal(date_parse("Tuesday, 01-Jan-69 00:00:00 GMT"), 3124224000);
	assert_int_equal(date_parse("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
}

static void
malformed(void **state)
{
	static const char *const texts[] = {
		"", "Sun", "Sun,", "Sun, ", "Sunday", "Sunday, ", "x", "0",
		"Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
		"sun, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT", "Sun, 29 Feb 2001 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
		"Wed, 31 Dec 1969 23:59:59 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
		"Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 06 08:49:37 1994 GMT",
		"Sun Nov 6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 GMT;"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (date_parse(texts[i]) != (time_t)-1)
			fail_msg("accepted: %s", texts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example),
		cmocka_unit_test(agrees_with_libc),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(malformed)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
