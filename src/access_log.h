/*
 * access_log.h - one whole line per request, in combined format or extended.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include <stddef.h>
#include <stdint.h>

#define ACCESS_LINE_MAX 4000	/* octets of a line, its newline included; longer parts are cut */

/* What an extended line has behind the combined one. */
struct access_extension {
	uint64_t duration_ns;
	const char *request_id;		/* or NULL */
	const char *route;		/* or NULL */
};

struct access_entry {
	const char *remote;		/* address, NUL-terminated */
	int64_t time_s;			/* time(2) of the request */
	const char *request_line;	/* raw, request_line_length octets; cut at its CR */
	size_t request_line_length;
	int status;
	uint64_t body_bytes;		/* of the response */
	const char *referer;		/* raw values, or NULL */
	size_t referer_length;
	const char *user_agent;
	size_t user_agent_length;
	const struct access_extension *extension;	/* NULL: combined */
};

/* Formats one line into out (ACCESS_LINE_MAX octets).  Quotes, backslashes and
 * octets outside 0x20-0x7e are written as \xNN.  Returns its length. Pure. */
size_t access_log_format(const struct access_entry *e, char *out);

/* The same from a raw head (as a slot has it), for a request that its worker could not log. */
size_t access_log_format_head(const char *remote, int64_t time_s, const char *head,
    size_t head_length, int status, uint64_t body_bytes,
    const struct access_extension *extension, char *out);

#endif
