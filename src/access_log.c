/*
 * access_log.c - one whole line per request, combined format:
 *
 *	192.0.2.7 - - [22/Nov/2026:23:59:59 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/7.88.1"
 *
 * An extended line goes on with seconds, the request's id and its route:
 *
 *	... "curl/7.88.1" 0.001234 4321-17 "/shop"
 */
#include "access_log.h"
#include "octet.h"

#include <string.h>
#include <time.h>

/* Octets of each part, escapes included.  What stands between them
 * takes less than FIXED_MAX, so that a line is never left without its end. */
#define REMOTE_MAX 64
#define REQUEST_MAX 2000
#define REFERER_MAX 900
#define AGENT_MAX 900
#define FIXED_MAX 130
#define ID_MAX 40
#define ROUTE_MAX 200
#define EXTENSION_MAX (ID_MAX + ROUTE_MAX + 40)		/* at the expense of the request line */

_Static_assert(REMOTE_MAX + REQUEST_MAX + REFERER_MAX + AGENT_MAX + FIXED_MAX <= ACCESS_LINE_MAX,
    "the parts fit the line");

static char *
put(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n);
	return at + n;
}

/* At least so many digits. */
static char *
put_number(char *at, uint64_t number, int digits)
{
	char text[20];
	int i = sizeof(text);

	do {
		text[--i] = (char)('0' + number % 10);
		number /= 10;
		digits--;
	} while (number > 0 || digits > 0);
	memcpy(at, text + i, sizeof(text) - (size_t)i);
	return at + sizeof(text) - i;
}

/* At most max octets; "-" for nothing. */
static char *
put_escaped(char *at, const char *text, size_t length, size_t max)
{
	static const char digits[] = "0123456789abcdef";
	const char *end = at + max;
	size_t i;

	if (text == NULL || length == 0) {
		*at++ = '-';
		return at;
	}
	for (i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
			if (end - at < 1)
				break;
			*at++ = (char)c;
		} else {
			if (end - at < 4)
				break;
			*at++ = '\\';
			*at++ = 'x';
			*at++ = digits[c >> 4];
			*at++ = digits[c & 15];
		}
	}
	return at;
}

static char *
put_time(char *at, int64_t time_s)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)time_s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		t = 0;
		gmtime_r(&t, &tm);
	}
	at = put_number(at, (uint64_t)tm.tm_mday, 2);
	*at++ = '/';
	at = put(at, months[tm.tm_mon]);
	*at++ = '/';
	at = put_number(at, (uint64_t)(tm.tm_year + 1900), 4);
	*at++ = ':';
	at = put_number(at, (uint64_t)tm.tm_hour, 2);
	*at++ = ':';
	at = put_number(at, (uint64_t)tm.tm_min, 2);
	*at++ = ':';
	at = put_number(at, (uint64_t)tm.tm_sec, 2);
	return put(at, " +0000");
}

static char *
put_extension(char *at, const struct access_extension *x)
{
	*at++ = ' ';
	at = put_number(at, x->duration_ns / 1000000000u, 1);
	*at++ = '.';
	at = put_number(at, x->duration_ns / 1000u % 1000000u, 6);
	*at++ = ' ';
	at = put_escaped(at, x->request_id, x->request_id != NULL ? strlen(x->request_id) : 0,
	    ID_MAX);
	at = put(at, " \"");
	at = put_escaped(at, x->route, x->route != NULL ? strlen(x->route) : 0, ROUTE_MAX);
	*at++ = '"';
	return at;
}

size_t
access_log_format(const struct access_entry *e, char *out)
{
	const char *cr = NULL;
	size_t length = e->request_line_length;
	char *at = out;

	if (e->request_line != NULL && length > 0)
		cr = memchr(e->request_line, '\r', length);
	if (cr != NULL)
		length = (size_t)(cr - e->request_line);

	at = put_escaped(at, e->remote, e->remote != NULL ? strlen(e->remote) : 0, REMOTE_MAX);
	at = put(at, " - - [");
	at = put_time(at, e->time_s);
	at = put(at, "] \"");
	at = put_escaped(at, e->request_line, length,
	    e->extension != NULL ? REQUEST_MAX - EXTENSION_MAX : REQUEST_MAX);
	at = put(at, "\" ");
	at = put_number(at, e->status > 0 ? (uint64_t)e->status : 0, 3);
	*at++ = ' ';
	at = put_number(at, e->body_bytes, 1);
	at = put(at, " \"");
	at = put_escaped(at, e->referer, e->referer_length, REFERER_MAX);
	at = put(at, "\" \"");
	at = put_escaped(at, e->user_agent, e->user_agent_length, AGENT_MAX);
	*at++ = '"';
	if (e->extension != NULL)
		at = put_extension(at, e->extension);
	*at++ = '\n';
	return (size_t)(at - out);
}

/* If the line is that field and it is the first such one, notes its value. */
static void
take_field(const char *line, size_t length, const char *name, const char **value, size_t *value_length)
{
	size_t n = strlen(name);

	if (*value != NULL || length <= n || line[n] != ':' || !octets_alike(line, name, n))
		return;
	line += n + 1;
	length -= n + 1;
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	*value = line;
	*value_length = length;
}

size_t
access_log_format_head(const char *remote, int64_t time_s, const char *head,
    size_t head_length, int status, uint64_t body_bytes,
    const struct access_extension *extension, char *out)
{
	struct access_entry e = { .remote = remote, .time_s = time_s, .status = status,
		.body_bytes = body_bytes, .request_line = head, .extension = extension };
	const char *end = head + head_length, *line, *next, *lf;
	size_t length;

	for (line = head; line < end; line = next) {
		lf = memchr(line, '\n', (size_t)(end - line));
		length = (size_t)((lf != NULL ? lf : end) - line);
		next = lf != NULL ? lf + 1 : end;
		if (length > 0 && line[length - 1] == '\r')
			length--;
		if (line == head) {
			e.request_line_length = length;
			continue;
		}
		if (length == 0)
			break;
		take_field(line, length, "Referer", &e.referer, &e.referer_length);
		take_field(line, length, "User-Agent", &e.user_agent, &e.user_agent_length);
	}
	return access_log_format(&e, out);
}
