/*
 * alike.h - the same but for the case of ASCII letters, as HTTP compares names.
 *
 * strcasecmp() would ask the locale that a servlet has set, and in a Turkish one
 * "CONTENT-LENGTH" is not "Content-Length".
 */
#ifndef ALIKE_H
#define ALIKE_H

#include <stdbool.h>
#include <stddef.h>

static inline unsigned char
alike_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* n octets of each.  Looks no further than the first difference. */
static inline bool
octets_alike(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i] && alike_lower((unsigned char)a[i]) != alike_lower((unsigned char)b[i]))
			return false;
	return true;
}

static inline bool
texts_alike(const char *a, const char *b)
{
	while (*a != '\0' && alike_lower((unsigned char)*a) == alike_lower((unsigned char)*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

#endif
