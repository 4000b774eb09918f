/*
 * head.h - a request's head: the raw octets and what they say.
 *
 * Filled by parser.c as octets arrive; head_check() then refuses what the
 * parser is too lenient about (RFC 9110 and 9112, section by section in
 * head.c).  Positions are offsets into the raw head, so that the buffer may
 * move while the head is arriving.
 */
#ifndef HEAD_H
#define HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
	uint32_t name, name_length;
	uint32_t value, value_length;	/* surrounding whitespace not included */
};

struct head {
	uint32_t method, method_length;
	uint32_t target, target_length;
	uint8_t minor;			/* HTTP/1.minor */
	bool keep_alive;		/* what the client asked for and the version allows */
	bool chunked;
	bool expect_continue;
	int64_t content_length;		/* -1: none given */
	uint32_t field_count;
	uint32_t field_max;
	struct field *fields;		/* field_max of them, the owner's */
};

/* Case-insensitive; the first such field, or NULL. */
const struct field *head_field(const struct head *h, const char *raw, const char *name);

/* raw: the head's octets from the first of the request line through the empty
 * line, length of them, as received.  0 if it may be served, else the status
 * to refuse it with (400, 501, 505 ...) and *reason a constant text for the
 * log.  Sets keep_alive, chunked, expect_continue, content_length. */
int head_check(struct head *h, const char *raw, size_t length, const char **reason);

#endif
