/*
 * target.h - the request target (RFC 9112, 3.2; RFC 3986), taken apart.  Pure.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Offsets and lengths within the target. */
struct target {
	size_t path, path_length;	/* raw; "/" when an absolute form has none */
	size_t query, query_length;	/* without "?"; length 0 when none */
	size_t authority, authority_length;	/* of an absolute form, host[:port] */
	bool absolute;
	bool asterisk;			/* "*": OPTIONS only */
};

/* 0, or the status to refuse with (400; 501 for CONNECT).  Only visible
 * ASCII and no "#" may be in a target; in an absolute form only http and
 * https, an authority as below, no user information. */
int target_split(const char *text, size_t length, const char *method,
    size_t method_length, struct target *t);

/* Whether text is host [":" port] (RFC 9110, 4.2; RFC 3986, 3.2.2): an IPv6
 * address in brackets, or a non-empty name or IPv4 address; port up to 65535. */
bool target_is_authority(const char *text, size_t length);

/* Percent-decodes the path once, then resolves its "." and ".." segments (an
 * encoded slash or dot counts as one, so that nothing decoded later can climb);
 * repeated slashes stay.  Into out (length + 2 octets, at least 2),
 * NUL-terminated; an empty path gives "/".  Returns the decoded length, or -1:
 * no leading "/", a bad escape, an encoded NUL, or above the root. */
long target_decode_path(const char *raw, size_t length, char *out);

/* Decodes "+" and %XX of a query or form component into out (length + 1
 * octets), NUL-terminated; a malformed escape stays as it is.  Returns the
 * decoded length. */
size_t target_decode_form(const char *raw, size_t length, char *out);

#endif
