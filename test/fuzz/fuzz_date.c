/*
 * Any text as a date, any number as a time: what is accepted is written and
 * read again as the same time.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[DATE_LENGTH + 1], *text = malloc(size + 1);
	time_t t;
	int64_t n = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	t = date_parse(text);
	free(text);
	claim(t >= -1);
	if (t != -1 && t <= 253402300799) {
		date_format(t, out);
		claim(date_parse(out) == t);
	}
	memcpy(&n, data, size < sizeof(n) ? size : sizeof(n));
	date_format((time_t)n, out);
	claim(strlen(out) == DATE_LENGTH && date_parse(out) >= 0);
	claim(n < 0 || n > 253402300799 || date_parse(out) == (time_t)n);
	return 0;
}
