/*
 * fuzz_cookies.c - Cookie headers, the input's lines one after the other: a
 * name is never empty, nothing has a separator or a blank at its ends, and
 * a refused header changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
check(const char *text)
{
	size_t n = strlen(text);

	if (strchr(text, ';') != NULL || (n > 0 && (is_blank(text[0]) || is_blank(text[n - 1]))))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *line_end;
	struct arena *a = arena_new(1 << 20);
	struct pairs p = { NULL, 0 }, before;
	size_t i;

	if (a == NULL || memchr(data, '\0', size) != NULL) {	/* no header holds one */
		arena_free(a);
		return 0;
	}
	for (; at < end; at = line_end + (line_end < end)) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			line_end = end;
		before = p;
		if (form_parse_cookies(a, at, (size_t)(line_end - at), &p) == -1 &&
		    (p.at != before.at || p.count != before.count))
			abort();
		if (p.count < before.count || p.count > FORM_FIELDS_MAX)
			abort();
	}
	for (i = 0; i < p.count; i++) {
		check(p.at[i].name);
		check(p.at[i].value);
		if (*p.at[i].name == '\0' || strchr(p.at[i].name, '=') != NULL)
			abort();
	}
	arena_free(a);
	return 0;
}
