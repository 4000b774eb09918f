/* response_head.c - status line and fields. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "date.h"
#include "octet.h"
#include "response_head.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
	{ 303, "See Other" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 402, "Payment Required" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
	{ 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
	{ 411, "Length Required" }, { 412, "Precondition Failed" },
	{ 413, "Content Too Large" }, { 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" }, { 418, "I'm a Teapot" },
	{ 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
	{ 423, "Locked" }, { 425, "Too Early" }, { 426, "Upgrade Required" },
	{ 428, "Precondition Required" }, { 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" }, { 500, "Internal Server Error" },
	{ 501, "Not Implemented" }, { 502, "Bad Gateway" },
	{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
	{ 511, "Network Authentication Required" },
	{ 203, "Non-Authoritative Information" }, { 205, "Reset Content" },
	{ 207, "Multi-Status" }, { 208, "Already Reported" }, { 226, "IM Used" },
	{ 300, "Multiple Choices" }, { 305, "Use Proxy" }, { 407, "Proxy Authentication Required" },
	{ 424, "Failed Dependency" }, { 506, "Variant Also Negotiates" },
	{ 508, "Loop Detected" },
};

const char *
response_reason(int status)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

const char *
response_date(void)
{
	/* One for each thread: the helper refuses while the main one answers. */
	static _Thread_local char text[DATE_LENGTH + 1];
	static _Thread_local time_t last;
	time_t now = time(NULL);

	if (now != last || text[0] == '\0') {
		date_format(now, text);
		last = now;
	}
	return text;
}

/* A token (RFC 9110, 5.6.2). */
static bool
is_token(const char *name)
{
	if (*name == '\0')
		return false;
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			return false;
	}
	return true;
}

/* Control characters but HTAB would split or spoil the head. */
static bool
is_value(const char *value)
{
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static void
header_remove(struct response *r, const char *name)
{
	struct header **at = &r->headers;

	while (*at != NULL) {
		if (texts_alike((*at)->name, name))
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	r->last_header = at;
}

static const char *
set_content_length(struct response *r, const char *value)
{
	int64_t length = 0;
	const char *p;

	if (value == NULL) {
		r->declared_length = -1;
		return NULL;
	}
	for (p = value; *p >= '0' && *p <= '9' && p - value < 18; p++)
		length = length * 10 + (*p - '0');
	if (p == value || *p != '\0')
		return "Content-Length is not a number";
	r->declared_length = length;
	return NULL;
}

const char *
response_set_header(struct response *r, const char *name, const char *value, bool replace)
{
	struct header *h;

	if (r->head_sent)
		return "the head has been sent";
	if (!is_token(name))
		return "its name is not a token";
	if (value != NULL && !is_value(value))
		return "its value has a control character";
	if (texts_alike(name, "Content-Length"))
		return set_content_length(r, value);
	if (texts_alike(name, "Connection")) {
		if (value == NULL || texts_alike(value, "keep-alive"))
			return NULL;
		if (!texts_alike(value, "close"))
			return "the server alone decides about the connection";
		r->keep_alive = false;
		return NULL;
	}
	if (texts_alike(name, "Transfer-Encoding") || texts_alike(name, "Keep-Alive") ||
	    texts_alike(name, "Upgrade") || texts_alike(name, "Trailer") ||
	    texts_alike(name, "Proxy-Connection"))
		return "the server alone decides about framing";
	if (texts_alike(name, "Content-Type"))
		r->type_removed = value == NULL;
	if (replace || value == NULL)
		header_remove(r, name);
	if (value == NULL)
		return NULL;
	h = arena_alloc(r->arena, sizeof(*h));
	if (h == NULL)
		return "out of memory for this request";
	h->next = NULL;
	h->name_length = strlen(name);
	h->value_length = strlen(value);
	h->name = arena_copy(r->arena, name, h->name_length);
	h->value = arena_copy(r->arena, value, h->value_length);
	if (h->name == NULL || h->value == NULL)
		return "out of memory for this request";
	*r->last_header = h;
	r->last_header = &h->next;
	return NULL;
}

static char *
put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *
put_number(char *at, uint64_t n)
{
	char digits[20];
	size_t length = 0;

	do
		digits[length++] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	while (length > 0)
		*at++ = digits[--length];
	return at;
}

static char *
put_status(char *at, int status)
{
	const char *reason;

	if (status == 200)
		return PUT(at, "HTTP/1.1 200 OK\r\n");
	reason = response_reason(status);
	at = PUT(at, "HTTP/1.1 ");
	at = put_number(at, (uint64_t)status);
	*at++ = ' ';
	at = put(at, reason, strlen(reason));
	return PUT(at, "\r\n");
}

static char *
put_framing(char *at, const struct response *r)
{
	if (r->framing == FRAMING_LENGTH) {
		at = PUT(at, "Content-Length: ");
		at = put_number(at, (uint64_t)r->declared_length);
		at = PUT(at, "\r\n");
	} else if (r->framing == FRAMING_CHUNKED) {
		at = PUT(at, "Transfer-Encoding: chunked\r\n");
	} else if (r->status == 205) {
		/* Unlike 204 and 304 it is framed like any other (RFC 9110, 15.3.6). */
		at = PUT(at, "Content-Length: 0\r\n");
	}
	if (!r->keep_alive)
		at = PUT(at, "Connection: close\r\n");
	else if (r->minor == 0)
		at = PUT(at, "Connection: keep-alive\r\n");
	return PUT(at, "\r\n");
}

int
response_head_build(struct response *r, char room[RESPONSE_HEAD_ROOM], struct iovec *head)
{
	const size_t fixed = 512;	/* status line, Date, Content-Type, framing */
	bool has_type = false, has_date = false;
	const struct header *h;
	size_t size = fixed;
	char *start, *at;

	for (h = r->headers; h != NULL; h = h->next)
		size += h->name_length + h->value_length + 4;
	start = size <= RESPONSE_HEAD_ROOM ? room : arena_alloc(r->arena, size);
	if (start == NULL)
		return -1;
	at = put_status(start, r->status);
	for (h = r->headers; h != NULL; h = h->next) {
		has_type = has_type || texts_alike(h->name, "Content-Type");
		has_date = has_date || texts_alike(h->name, "Date");
		at = put(at, h->name, h->name_length);
		at = PUT(at, ": ");
		at = put(at, h->value, h->value_length);
		at = PUT(at, "\r\n");
	}
	if (!has_date) {
		at = PUT(at, "Date: ");
		at = put(at, response_date(), DATE_LENGTH);
		at = PUT(at, "\r\n");
	}
	if (!has_type && !r->type_removed && r->framing != FRAMING_NONE)
		at = PUT(at, "Content-Type: text/html; charset=UTF-8\r\n");
	at = put_framing(at, r);
	head->iov_base = start;
	head->iov_len = (size_t)(at - start);
	return 0;
}
