/*
 * parameter.c - parameters of a media type or a content disposition.
 */
#include "parameter.h"

#include <string.h>

#include "octet.h"

static const char *
skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* The closing quote of a quoted string whose first octet is at s, or NULL. */
static const char *
quoted_end(const char *s, const char *end)
{
	for (; s < end; s++) {
		if (*s == '"')
			return s;
		if (*s != '\\' || s + 1 == end)
			continue;
		/* Browsers do not escape backslashes: a file called a\ comes as
		 * "a\".  So \" is an escaped quote only if another one follows. */
		if (s[1] == '\\' ||
		    (s[1] == '"' && memchr(s + 2, '"', (size_t)(end - s - 2)) != NULL))
			s++;
	}
	return NULL;
}

int
parameter_next(const char **at, const char *end, struct parameter *p)
{
	const char *s = skip_blanks(*at, end);
	bool separated = false;

	while (s < end && *s == ';') {
		s = skip_blanks(s + 1, end);
		separated = true;
	}
	*at = s;
	if (s == end)
		return 0;
	p->name = s;
	while (s < end && octet_is_token((unsigned char)*s))
		s++;
	p->name_length = (size_t)(s - p->name);
	if (!separated || p->name_length == 0 || s == end || *s != '=')
		return -1;
	p->extended = p->name[p->name_length - 1] == '*';
	p->name_length -= p->extended;
	s++;
	p->quoted = s < end && *s == '"';
	if (p->quoted) {
		p->value = s + 1;
		s = quoted_end(p->value, end);
		if (s == NULL)
			return -1;
		p->value_length = (size_t)(s - p->value);
		*at = s + 1;
		return 1;
	}
	p->value = s;
	while (s < end && *s != ';' && *s != ' ' && *s != '\t') {
		if (*s == '"')
			return -1;
		s++;
	}
	p->value_length = (size_t)(s - p->value);
	*at = s;
	return 1;
}

bool
parameter_is(const struct parameter *p, const char *name)
{
	return strlen(name) == p->name_length && octets_alike(p->name, name, p->name_length);
}

/* The octet that the escape at s stands for, or -1: there is none. */
static int
percent(const char *s, const char *end)
{
	int high, low;

	if (end - s < 3 || *s != '%')
		return -1;
	high = octet_hex((unsigned char)s[1]);
	low = octet_hex((unsigned char)s[2]);
	return high == -1 || low == -1 ? -1 : high << 4 | low;
}

/* charset ' language ' percent-encoded (RFC 8187, 3.2.1). */
static int
decode_extended(const char *s, const char *end, char *out)
{
	int i, c;

	for (i = 0; i < 2; i++) {
		s = memchr(s, '\'', (size_t)(end - s));
		if (s == NULL)
			return -1;
		s++;
	}
	for (; s < end; s++) {
		c = (unsigned char)*s;
		if (c == '%') {
			c = percent(s, end);
			s += 2;
		}
		if (c <= 0)
			return -1;
		*out++ = (char)c;
	}
	*out = '\0';
	return 0;
}

int
parameter_decode(const struct parameter *p, char *out)
{
	const char *s = p->value, *end = s + p->value_length;
	int c;

	if (p->extended)
		return decode_extended(s, end, out);
	for (; s < end; s++) {
		if (*s == '\0')
			return -1;
		if (p->quoted && *s == '\\' && s + 1 < end && (s[1] == '"' || s[1] == '\\'))
			s++;
		c = p->quoted ? percent(s, end) : -1;
		if (c == '"' || c == '\r' || c == '\n') {
			*out++ = (char)c;
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
	return 0;
}
