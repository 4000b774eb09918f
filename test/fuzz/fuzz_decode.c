/*
 * Any octets as a path, a query component: decoded as a second reading of
 * RFC 3986 decodes them, segment by segment.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

/* The octet at *at, which it moves: as it is, or as "%XX" says; -1: malformed. */
static int
octet(const char *text, size_t length, size_t *at)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *high, *low;

	if (text[*at] != '%')
		return (unsigned char)text[(*at)++];
	if (length - *at < 3 || text[*at + 1] == '\0' || text[*at + 2] == '\0' ||
	    (high = strchr(digits, text[*at + 1])) == NULL ||
	    (low = strchr(digits, text[*at + 2])) == NULL)
		return -1;
	*at += 3;
	return (int)((high - digits) % 16 * 16 + (low - digits) % 16);
}

/* Every segment, ".." taking the one before it away; the length, or -1. */
static long
path(const char *raw, size_t length, char *out)
{
	char *plain = malloc(length + 1), *segment, *next;
	size_t n = 0, used = 0, at = 0;
	long result = -1;
	int c;

	if (length == 0 || raw[0] != '/')
		goto done;
	while (at < length) {
		c = octet(raw, length, &at);
		if (c <= 0)
			goto done;
		plain[n++] = (char)c;
	}
	plain[n] = '\0';
	for (segment = plain + 1; segment != NULL; segment = next) {
		bool dot, dots;

		next = strchr(segment, '/');
		if (next != NULL)
			*next++ = '\0';
		dot = strcmp(segment, ".") == 0;
		dots = strcmp(segment, "..") == 0;
		if (dots) {
			if (used == 0)
				goto done;
			do
				used--;
			while (out[used] != '/');
		}
		if (!dot && !dots) {
			out[used++] = '/';
			memcpy(out + used, segment, strlen(segment));
			used += strlen(segment);
		} else if (next == NULL) {
			out[used++] = '/';
		}
	}
	result = (long)used;
done:
	free(plain);
	return result;
}

/* "+" is a space, a malformed escape itself. */
static size_t
form(const char *raw, size_t length, char *out)
{
	size_t n = 0, at = 0;

	while (at < length) {
		size_t next = at;
		int c = raw[at] == '%' ? octet(raw, length, &next) : -1;

		if (c == -1) {
			c = raw[at] == '+' ? ' ' : raw[at];
			next = at + 1;
		}
		out[n++] = (char)c;
		at = next;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *raw = (const char *)data;
	char *ours = malloc(size + 2), *theirs = malloc(size + 2);
	long n = target_decode_path(raw, size, ours);

	if (size > 0) {
		claim(n == path(raw, size, theirs));
		claim(n <= 0 || (memcmp(ours, theirs, (size_t)n) == 0 && ours[n] == '\0'));
	}
	n = (long)target_decode_form(raw, size, ours);
	claim((size_t)n == form(raw, size, theirs));
	claim(memcmp(ours, theirs, (size_t)n) == 0 && ours[n] == '\0');
	free(ours);
	free(theirs);
	return 0;
}
