/*
 * head.c - what a request's head says, held to RFC 9110 and 9112.
 *
 * The check does not trust what has been parsed before: it lays the request
 * line and the fields over the raw octets like tiles.  Every octet must belong
 * to one of them, with exactly the separators of the grammar in between, so
 * that nothing a lenient parser skipped (bare LF, folded lines, whitespace
 * before a colon, a second space) can go unseen.
 */
#include "head.h"

#include <string.h>

#include "octet.h"
#include "target.h"

/* What the fields said, before they are weighed against each other. */
struct framing {
	unsigned hosts;
	unsigned lengths;
	unsigned codings;
	bool close, keep_alive;
};

static bool
head_equal(const char *text, size_t length, const char *word)
{
	return strlen(word) == length && octets_alike(text, word, length);
}

const struct field *
head_field(const struct head *h, const char *raw, const char *name)
{
	size_t length = strlen(name);

	for (uint32_t i = 0; i < h->field_count; i++) {
		const struct field *f = &h->fields[i];

		if (f->name_length == length &&
		    octets_alike(raw + f->name, name, length))
			return f;
	}
	return NULL;
}

/* Request line: method SP target SP HTTP-version CRLF (RFC 9112, 3).
 * Sets *end behind it. */
static int
head_check_line(struct head *h, const char *raw, size_t length, size_t *end,
    const char **reason)
{
	static const char version[] = "HTTP/";
	size_t at;

	*reason = "malformed request line";
	for (at = h->method; at < (size_t)h->method + h->method_length; at++)
		if (at >= length || !octet_is_token((unsigned char)raw[at]))
			return 400;
	if (h->method_length == 0 || at >= length || raw[at] != ' ' || h->target != at + 1)
		return 400;
	*reason = "malformed request target";
	for (at++; at < (size_t)h->target + h->target_length; at++)
		if (at >= length || (unsigned char)raw[at] <= ' ' ||
		    (unsigned char)raw[at] >= 0x7f)
			return 400;
	*reason = "malformed request line";
	/* SP HTTP/x.y CR LF is 11 octets */
	if (h->target_length == 0 || length - at < 11 || raw[at] != ' ' ||
	    memcmp(raw + at + 1, version, 5) != 0 ||
	    !octet_is_digit((unsigned char)raw[at + 6]) || raw[at + 7] != '.' ||
	    !octet_is_digit((unsigned char)raw[at + 8]) ||
	    raw[at + 9] != '\r' || raw[at + 10] != '\n')
		return 400;
	*end = at + 11;
	h->minor = (uint8_t)(raw[at + 8] - '0');
	if (raw[at + 6] != '1' || h->minor > 1) {
		*reason = "unsupported HTTP version";
		return 505;
	}
	return 0;
}

/* One field line: name ":" OWS value OWS CRLF (RFC 9112, 5), at *at.  Sets
 * the field's value without the whitespace around it, and *at behind it. */
static bool
head_check_field(struct field *f, const char *raw, size_t length, size_t *at)
{
	size_t start, end, i;
	const char *lf;

	if (f->name != *at || f->name_length == 0 || length - *at <= f->name_length)
		return false;
	for (i = f->name; i < (size_t)f->name + f->name_length; i++)
		if (!octet_is_token((unsigned char)raw[i]))
			return false;
	if (raw[i] != ':')
		return false;
	start = i + 1;
	lf = memchr(raw + start, '\n', length - start);
	if (lf == NULL || lf == raw + start || lf[-1] != '\r')
		return false;
	end = (size_t)(lf - raw) - 1;
	*at = end + 2;
	if (!octets_are_field(raw + start, end - start))
		return false;
	while (start < end && (raw[start] == ' ' || raw[start] == '\t'))
		start++;
	while (end > start && (raw[end - 1] == ' ' || raw[end - 1] == '\t'))
		end--;
	f->value = (uint32_t)start;
	f->value_length = (uint32_t)(end - start);
	return true;
}

/* The next element of a comma-separated list (RFC 9110, 5.6.1), empty ones
 * skipped.  Its length, 0 at the end. */
static size_t
head_list_next(const char **text, const char *end, const char **element)
{
	const char *p = *text, *stop;

	while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
		p++;
	*element = p;
	while (p < end && *p != ',')
		p++;
	*text = p;
	for (stop = p; stop > *element && (stop[-1] == ' ' || stop[-1] == '\t'); stop--)
		;
	return (size_t)(stop - *element);
}

/* RFC 9110, 7.6.1.  Options we do not know are for others. */
static void
head_connection(struct framing *framing, const char *value, size_t length)
{
	const char *element, *end = value + length;
	size_t n;

	while ((n = head_list_next(&value, end, &element)) > 0) {
		if (head_equal(element, n, "close"))
			framing->close = true;
		else if (head_equal(element, n, "keep-alive"))
			framing->keep_alive = true;
	}
}

/* RFC 9112, 6.1: "chunked", once, is all we serve.  Another coding in front
 * of it, or alone, is one we do not implement; "chunked" that is not last
 * or repeated, and whatever is no list of tokens, is malformed. */
static int
head_coding(struct head *h, struct framing *framing, const char *value, size_t length,
    const char **reason)
{
	const char *element, *end = value + length;
	size_t n, i;
	bool unknown = false;

	*reason = "malformed transfer coding";
	if (framing->codings++ > 0)
		return 400;
	if (head_equal(value, length, "chunked")) {
		h->chunked = true;
		return 0;
	}
	while ((n = head_list_next(&value, end, &element)) > 0) {
		if (h->chunked)
			return 400;
		for (i = 0; i < n && octet_is_token((unsigned char)element[i]); i++)
			;
		if (i < n && (i == 0 || (element[i] != ';' && element[i] != ' ')))
			return 400;
		if (head_equal(element, i, "chunked")) {
			if (i < n)
				return 400;
			h->chunked = true;
		} else {
			unknown = true;
		}
	}
	if (!unknown)
		return 400;
	*reason = "unknown transfer coding";
	return 501;
}

/* RFC 9110, 8.6: digits.  Repeated ones are refused, equal or not. */
static int
head_length(struct head *h, struct framing *framing, const char *value, size_t length,
    const char **reason)
{
	uint64_t n = 0;
	unsigned digit;

	*reason = "malformed Content-Length";
	if (framing->lengths++ > 0 || length == 0)
		return 400;
	for (size_t i = 0; i < length; i++) {
		if (!octet_is_digit((unsigned char)value[i]))
			return 400;
		digit = (unsigned)(value[i] - '0');
		if (n > ((uint64_t)INT64_MAX - digit) / 10) {
			*reason = "Content-Length too large";
			return 400;
		}
		n = n * 10 + digit;
	}
	h->content_length = (int64_t)n;
	return 0;
}

/* Fields that say how the message is framed and where it goes. */
static int
head_weigh(struct head *h, struct framing *framing, const struct field *f,
    const char *raw, const char **reason)
{
	const char *name = raw + f->name, *value = raw + f->value;
	size_t length = f->value_length;

	switch (f->name_length) {
	case 4:
		if (!head_equal(name, 4, "Host"))
			return 0;
		if (framing->hosts++ > 0) {
			*reason = "Host repeated";
			return 400;
		}
		if (length > 0 && !target_is_authority(value, length)) {
			*reason = "malformed Host";
			return 400;
		}
		return 0;
	case 6:
		if (head_equal(name, 6, "Expect") && head_equal(value, length, "100-continue"))
			h->expect_continue = true;
		return 0;
	case 10:
		if (head_equal(name, 10, "Connection"))
			head_connection(framing, value, length);
		return 0;
	case 14:
		if (!head_equal(name, 14, "Content-Length"))
			return 0;
		return head_length(h, framing, value, length, reason);
	case 17:
		if (!head_equal(name, 17, "Transfer-Encoding"))
			return 0;
		return head_coding(h, framing, value, length, reason);
	default:
		return 0;
	}
}

/* What the fields say together. */
static int
head_settle(struct head *h, const struct framing *framing, const char **reason)
{
	/* RFC 9112, 3.2 */
	if (h->minor == 1 && framing->hosts == 0) {
		*reason = "Host missing";
		return 400;
	}
	/* RFC 9112, 6.1: both of these are how requests are smuggled. */
	if (framing->codings > 0 && framing->lengths > 0) {
		*reason = "Content-Length beside Transfer-Encoding";
		return 400;
	}
	if (framing->codings > 0 && h->minor == 0) {
		*reason = "Transfer-Encoding in HTTP/1.0";
		return 400;
	}
	/* RFC 9112, 9.3 */
	h->keep_alive = !framing->close && (h->minor == 1 || framing->keep_alive);
	/* RFC 9110, 10.1.1: not from 1.0, and pointless without content. */
	if (h->minor == 0 || (!h->chunked && h->content_length <= 0))
		h->expect_continue = false;
	return 0;
}

int
head_check(struct head *h, const char *raw, size_t length, const char **reason)
{
	struct framing framing = { 0 };
	size_t at;
	int status, refused = 0;
	const char *why = NULL;

	h->keep_alive = h->chunked = h->expect_continue = false;
	h->content_length = -1;
	status = head_check_line(h, raw, length, &at, reason);
	if (status != 0)
		return status;
	for (uint32_t i = 0; i < h->field_count; i++) {
		if (!head_check_field(&h->fields[i], raw, length, &at)) {
			*reason = "malformed header field";
			return 400;
		}
		/* That the head is malformed counts for more than an unknown
		 * coding, so the rest is looked at before refusing. */
		status = head_weigh(h, &framing, &h->fields[i], raw, &why);
		if (status != 0 && refused != 400) {
			refused = status;
			*reason = why;
		}
	}
	if (length - at != 2 || raw[at] != '\r' || raw[at + 1] != '\n') {
		*reason = "malformed header field";
		return 400;
	}
	status = head_settle(h, &framing, &why);
	if (status != 0 && refused != 400) {
		refused = status;
		*reason = why;
	}
	if (refused == 0 && head_equal(raw + h->method, h->method_length, "CONNECT")) {
		*reason = "CONNECT is for proxies";
		return 501;
	}
	return refused;
}
