/*
 * parameter.h - the parameters of a media type or a content disposition
 * (RFC 9110, 5.6.6): "; name=value; name="quoted value"; name*=UTF-8''v%C3%A4lue".
 * Pure.  Understands quoted strings as clients really write them (see
 * parameter_decode), and RFC 8187's form with an asterisk.
 */
#ifndef PARAMETER_H
#define PARAMETER_H

#include <stdbool.h>
#include <stddef.h>

struct parameter {
	const char *name;	/* in the text, an asterisk at its end not included */
	size_t name_length;
	const char *value;	/* in the text, without its quotes, not decoded */
	size_t value_length;
	bool quoted, extended;	/* extended: had the asterisk */
};

/* The parameter at *at, which must stand before a ";" (or at the end); moves
 * *at behind it.  1; 0 at the end; -1 malformed. */
int parameter_next(const char **at, const char *end, struct parameter *p);

/* Whether the name is that one, in any case. */
bool parameter_is(const struct parameter *p, const char *name);

/* The meaning of the value into out (value_length + 1 octets; may be where
 * the value is), NUL-terminated.  In a quoted value \" and \\ lose their
 * backslash (curl), any other backslash stays (a Windows path), and %22, %0D
 * and %0A are decoded (browsers encode these three and nothing else).  An
 * extended value loses its charset and language and is percent-decoded; the
 * octets are not converted.  0, or -1: malformed, or holds a NUL. */
int parameter_decode(const struct parameter *p, char *out);

#endif
