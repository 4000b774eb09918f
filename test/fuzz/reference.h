/*
 * reference.h - what a request is by the letter of RFC 9112, for the fuzz
 * targets that compare.  Written from the grammar, one function for each rule,
 * and shares nothing with src/: it looks at a whole text and never resumes.
 *
 * Where the RFC leaves a choice it takes the one of test/http/README.md; where
 * our server may refuse what the grammar allows, it says so in `choice`.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum reference_verdict { REFERENCE_WHOLE, REFERENCE_PART, REFERENCE_WRONG };

struct reference {
	const char *text;
	size_t length, at;
	bool part;		/* the text ended where more was needed */

	/* What was found. */
	size_t method_length, target, target_length;
	unsigned minor;
	size_t fields;
	bool chunked, has_length, closes, stays, choice;
	uint64_t body_length;	/* announced */
	size_t head_length;
	uint64_t data_length, data_hash;
	uint64_t extensions, trailers;
};

static inline int
reference_peek(struct reference *r)
{
	if (r->at == r->length) {
		r->part = true;
		return -1;
	}
	return (unsigned char)r->text[r->at];
}

/* Exactly this text. */
static inline bool
reference_is(struct reference *r, const char *what)
{
	for (; *what != '\0'; what++, r->at++)
		if (reference_peek(r) != (unsigned char)*what)
			return false;
	return true;
}

static inline bool
reference_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: tchar */
static inline bool
reference_tchar(int c)
{
	return reference_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c > 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static inline bool
reference_token(struct reference *r, size_t *length)
{
	size_t start = r->at;

	while (reference_tchar(reference_peek(r)))
		r->at++;
	*length = r->at - start;
	return *length > 0;
}

static inline char
reference_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the text is that word, in any case. */
static inline bool
reference_word(const char *text, size_t length, const char *word)
{
	if (strlen(word) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (reference_lower(text[i]) != word[i])
			return false;
	return true;
}

/* request-line = method SP request-target SP HTTP-version CRLF */
static inline bool
reference_line(struct reference *r)
{
	if (!reference_token(r, &r->method_length) || !reference_is(r, " "))
		return false;
	r->target = r->at;
	while (reference_peek(r) > 0x20 && reference_peek(r) < 0x7f)
		r->at++;
	r->target_length = r->at - r->target;
	if (r->target_length == 0 || !reference_is(r, " HTTP/1."))
		return false;
	if (reference_peek(r) != '0' && reference_peek(r) != '1')
		return false;
	r->minor = (unsigned)(r->text[r->at++] - '0');
	return reference_is(r, "\r\n");
}

/* Connection = #connection-option */
static inline void
reference_connection(struct reference *r, const char *value, size_t length)
{
	size_t start = 0, end, from, to;

	for (; start <= length; start = end + 1) {
		for (end = start; end < length && value[end] != ','; end++)
			;
		for (from = start; from < end && strchr(" \t", value[from]) != NULL; from++)
			;
		for (to = end; to > from && strchr(" \t", value[to - 1]) != NULL; to--)
			;
		r->closes |= reference_word(value + from, to - from, "close");
		r->stays |= reference_word(value + from, to - from, "keep-alive");
	}
}

/* Content-Length = 1*DIGIT, once, below 2^63 */
static inline bool
reference_content_length(struct reference *r, const char *value, size_t length)
{
	if (r->has_length || length == 0)
		return false;
	r->has_length = true;
	for (size_t i = 0; i < length; i++) {
		if (!reference_digit(value[i]))
			return false;
		if (r->body_length > (INT64_MAX - (uint64_t)(value[i] - '0')) / 10)
			return false;
		r->body_length = r->body_length * 10 + (uint64_t)(value[i] - '0');
	}
	return true;
}

/* field-line = field-name ":" OWS field-value OWS; false also for a framing
 * that is refused. */
static inline bool
reference_field(struct reference *r, bool trailer, unsigned *hosts)
{
	size_t name = r->at, name_length, value, end;
	bool good = true;

	if (!reference_token(r, &name_length) || !reference_is(r, ":"))
		return false;
	value = r->at;
	while (reference_peek(r) == '\t' || (reference_peek(r) >= 0x20 && reference_peek(r) != 0x7f))
		r->at++;
	end = r->at;
	if (!reference_is(r, "\r\n"))
		return false;
	if (trailer)
		return true;
	while (value < end && strchr(" \t", r->text[value]) != NULL)
		value++;
	while (end > value && strchr(" \t", r->text[end - 1]) != NULL)
		end--;
	if (reference_word(r->text + name, name_length, "host")) {
		(*hosts)++;	/* what it may hold is fuzz_target's */
	} else if (reference_word(r->text + name, name_length, "connection")) {
		reference_connection(r, r->text + value, end - value);
	} else if (reference_word(r->text + name, name_length, "content-length")) {
		good = reference_content_length(r, r->text + value, end - value);
		/* The engine takes no tab around it. */
		r->choice |= memchr(r->text + name, '\t', r->at - name) != NULL;
	} else if (reference_word(r->text + name, name_length, "transfer-encoding")) {
		good = !r->chunked && reference_word(r->text + value, end - value, "chunked");
		r->chunked = true;
	} else if (name_length > 17 &&
	    reference_word(r->text + name, 17, "transfer-encoding")) {
		r->choice = true;	/* nor such a name beside a Content-Length */
	}
	return good;
}

/* chunk-size = 1*HEXDIG, at most 16, and all data below 2^63 */
static inline bool
reference_chunk_size(struct reference *r, uint64_t *size)
{
	unsigned digits = 0;
	int c;

	for (*size = 0;; r->at++, digits++) {
		c = reference_peek(r);
		if (reference_digit(c))
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else if (c >= 'A' && c <= 'F')
			c -= 'A' - 10;
		else
			break;
		if (digits == 16 || *size >> 59 != 0)
			return false;
		*size = *size << 4 | (uint64_t)c;
	}
	return digits > 0 && *size <= INT64_MAX - r->data_length;
}

/* chunk-ext, of which the server reads nothing: visible, SP and HTAB. */
static inline bool
reference_extension(struct reference *r)
{
	int c = reference_peek(r);

	if (c != ';')
		return true;
	for (r->at++; (c = reference_peek(r)) == '\t' || (c >= 0x20 && c < 0x7f); r->at++)
		r->extensions++;
	return true;
}

/* chunked-body = *chunk last-chunk trailer-section CRLF */
static inline bool
reference_chunks(struct reference *r, uint64_t extensions_max, uint64_t data_for_one)
{
	unsigned hosts = 0;
	uint64_t size;
	size_t start;

	do {
		if (!reference_chunk_size(r, &size) || !reference_extension(r))
			return false;
		if (r->extensions > extensions_max + r->data_length / data_for_one)
			return r->part = false;
		if (!reference_is(r, "\r\n"))
			return false;
		for (uint64_t i = 0; i < size; i++, r->at++) {
			if (reference_peek(r) == -1)
				return false;
			r->data_hash = r->data_hash * 31 + (unsigned char)r->text[r->at];
		}
		r->data_length += size;
		if (size > 0 && !reference_is(r, "\r\n"))
			return false;
	} while (size > 0);
	start = r->at;
	while (reference_tchar(reference_peek(r)))
		if (!reference_field(r, true, &hosts))
			return false;
	r->trailers = r->at - start;
	return reference_is(r, "\r\n");
}

static inline bool
reference_head(struct reference *r)
{
	unsigned hosts = 0;

	/* RFC 9112, 2.2: empty lines in front, two of them. */
	for (int i = 0; i < 2 && reference_peek(r) == '\r'; i++)
		if (!reference_is(r, "\r\n"))
			return false;
	if (!reference_line(r))
		return false;
	for (; reference_tchar(reference_peek(r)); r->fields++)
		if (!reference_field(r, false, &hosts))
			return false;
	if (!reference_is(r, "\r\n"))
		return false;
	r->head_length = r->at;
	/* RFC 9112, 3.2 and 6.1 */
	return (hosts == 1 || (hosts == 0 && r->minor == 0)) &&
	    !(r->chunked && (r->has_length || r->minor == 0));
}

static inline bool
reference_body(struct reference *r, uint64_t extensions_max, uint64_t data_for_one)
{
	if (r->chunked)
		return reference_chunks(r, extensions_max, data_for_one);
	for (; r->data_length < r->body_length; r->data_length++, r->at++) {
		if (reference_peek(r) == -1)
			return false;
		r->data_hash = r->data_hash * 31 + (unsigned char)r->text[r->at];
	}
	return true;
}

static inline enum reference_verdict
reference_verdict(const struct reference *r, bool good)
{
	return good ? REFERENCE_WHOLE : r->part && r->at == r->length ?
	    REFERENCE_PART : REFERENCE_WRONG;
}

#endif
