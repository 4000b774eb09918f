/*
 * target.c - the request target, taken apart and decoded.
 */
#include "target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "octet.h"

/* reg-name and IPv4address (RFC 3986, 3.2.2): octet_is_name() and %XX. */
static bool
target_is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			if (length - i < 3 || octet_hex((unsigned char)text[i + 1]) == -1 ||
			    octet_hex((unsigned char)text[i + 2]) == -1)
				return false;
			i += 2;
			continue;
		}
		if (!octet_is_name(c))
			return false;
	}
	return length > 0;
}

static bool
target_is_port(const char *text, size_t length)
{
	unsigned port = 0;

	for (size_t i = 0; i < length; i++) {
		if (!octet_is_digit((unsigned char)text[i]))
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

bool
target_is_authority(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr binary;
	const char *end, *colon;
	size_t n;

	if (length > 0 && text[0] == '[') {
		end = memchr(text, ']', length);
		if (end == NULL)
			return false;
		n = (size_t)(end - text) - 1;
		if (n >= sizeof(address) || memchr(text, '\0', length) != NULL)
			return false;
		memcpy(address, text + 1, n);
		address[n] = '\0';
		if (inet_pton(AF_INET6, address, &binary) != 1)
			return false;
		n += 2;
		return n == length || (text[n] == ':' &&
		    target_is_port(text + n + 1, length - n - 1));
	}
	colon = memchr(text, ':', length);
	n = colon != NULL ? (size_t)(colon - text) : length;
	return target_is_name(text, n) &&
	    (colon == NULL || target_is_port(colon + 1, length - n - 1));
}

/* scheme "://" authority path-abempty [ "?" query ] (RFC 9110, 4.2) */
static int
target_split_absolute(const char *text, size_t length, struct target *t)
{
	size_t scheme, end;

	if (length > 7 && octets_alike(text, "http://", 7))
		scheme = 7;
	else if (length > 8 && octets_alike(text, "https://", 8))
		scheme = 8;
	else
		return 400;
	for (end = scheme; end < length && text[end] != '/' && text[end] != '?'; end++)
		;
	if (!target_is_authority(text + scheme, end - scheme))
		return 400;
	t->absolute = true;
	t->authority = scheme;
	t->authority_length = end - scheme;
	t->path = end;
	return 0;
}

int
target_split(const char *text, size_t length, const char *method, size_t method_length,
    struct target *t)
{
	const char *mark;
	size_t path_end;
	bool options = method_length == 7 && memcmp(method, "OPTIONS", 7) == 0;
	int status;

	*t = (struct target){ 0 };
	if (method_length == 7 && memcmp(method, "CONNECT", 7) == 0)
		return 501;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f ||
		    text[i] == '#')
			return 400;
	if (length == 1 && text[0] == '*') {
		t->asterisk = true;
		return options ? 0 : 400;
	}
	if (length == 0)
		return 400;
	if (text[0] != '/') {
		status = target_split_absolute(text, length, t);
		if (status != 0)
			return status;
	}
	mark = memchr(text + t->path, '?', length - t->path);
	path_end = mark != NULL ? (size_t)(mark - text) : length;
	t->path_length = path_end - t->path;
	if (mark != NULL) {
		t->query = path_end + 1;
		t->query_length = length - t->query;
	}
	if (t->path_length == 0) {
		/* RFC 9112, 3.2.4: what a proxy turns into "*" */
		t->asterisk = options && mark == NULL;
		/* The "/" before the authority serves as the path. */
		t->path = t->authority - 1;
		t->path_length = 1;
	}
	return 0;
}

/* Resolves dot segments (RFC 3986, 5.2.4) in place; text begins with "/".
 * The new length, or -1 when it would climb above the root. */
static long
target_resolve(char *text, size_t length)
{
	size_t from = 0, to = 0, n;

	while (from < length) {
		/* A segment: its "/" and what follows up to the next. */
		const char *next = memchr(text + from + 1, '/', length - from - 1);
		bool last = next == NULL;

		n = (last ? length : (size_t)(next - text)) - from;
		if (n == 2 && text[from + 1] == '.') {
			if (last)
				text[to++] = '/';
		} else if (n == 3 && text[from + 1] == '.' && text[from + 2] == '.') {
			if (to == 0)
				return -1;
			while (text[--to] != '/')
				;
			if (last)
				text[to++] = '/';
		} else {
			memmove(text + to, text + from, n);
			to += n;
		}
		from += n;
	}
	text[to] = '\0';
	return (long)to;
}

long
target_decode_path(const char *raw, size_t length, char *out)
{
	size_t n = 0;
	bool dots = false;

	if (length == 0) {
		memcpy(out, "/", 2);
		return 1;
	}
	if (raw[0] != '/')
		return -1;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)raw[i];

		if (c == '%') {
			int high, low;

			if (length - i < 3)
				return -1;
			high = octet_hex((unsigned char)raw[i + 1]);
			low = octet_hex((unsigned char)raw[i + 2]);
			if (high == -1 || low == -1)
				return -1;
			c = (unsigned char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return -1;
		if (c == '.' && out[n - 1] == '/')
			dots = true;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return dots ? target_resolve(out, n) : (long)n;
}

size_t
target_decode_form(const char *raw, size_t length, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		char c = raw[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%' && length - i >= 3) {
			int high = octet_hex((unsigned char)raw[i + 1]);
			int low = octet_hex((unsigned char)raw[i + 2]);

			if (high != -1 && low != -1) {
				c = (char)(high * 16 + low);
				i += 2;
			}
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return n;
}
