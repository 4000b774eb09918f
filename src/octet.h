/*
 * octet.h - the character classes of RFC 9110 and RFC 3986.  Independent of
 * the locale.
 */
#ifndef OCTET_H
#define OCTET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "module/alike.h"

/* tchar: what method and field names are made of. */
static inline bool
octet_is_token(unsigned char c)
{
	/* One bit for each of the 128 ASCII octets. */
	static const uint32_t token[4] = {
		0x00000000,	/* controls */
		0x03ff6cfa,	/* ! # $ % & ' * + - . 0-9 */
		0xc7fffffe,	/* A-Z ^ _ */
		0x57ffffff	/* ` a-z | ~ */
	};

	return c < 128 && (token[c >> 5] >> (c & 31) & 1);
}

/* What a host name is made of, beside %XX (RFC 3986, 3.2.2): unreserved and
 * sub-delims. */
static inline bool
octet_is_name(unsigned char c)
{
	static const uint32_t name[4] = {
		0x00000000,
		0x2bff7fd2,	/* ! $ & ' ( ) * + , - . 0-9 ; = */
		0x87fffffe,	/* A-Z _ */
		0x47fffffe	/* a-z ~ */
	};

	return c < 128 && (name[c >> 5] >> (c & 31) & 1);
}

/* What a field value is made of: HTAB, SP, visible, obs-text. */
static inline bool
octet_is_field(unsigned char c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static inline bool
octet_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, or -1. */
static inline int
octet_hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Whether all n octets may stand in a field value; eight at a time. */
static inline bool
octets_are_field(const char *text, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t word, del;
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		memcpy(&word, text + i, 8);
		del = word ^ ones * 0x7f;
		/* No octet below SP and none equal to DEL (exact as a whole:
		 * a borrow can only come from an octet that is one). */
		if ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & high) {
			for (size_t k = i; k < i + 8; k++)
				if (!octet_is_field((unsigned char)text[k]))
					return false;
		}
	}
	for (; i < n; i++)
		if (!octet_is_field((unsigned char)text[i]))
			return false;
	return true;
}

#endif
