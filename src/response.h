/*
 * response.h - the response being made: status, fields, body, framing
 * (RFC 9112, 6).  A worker has one and uses it for every request in turn.
 *
 * The head leaves as late as possible: with the whole body when that fits
 * the buffer (then it has a Content-Length), else when the buffer is full or
 * flushed.  What the socket does not take goes to an output that the
 * connection drains.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "output.h"

#define RESPONSE_BUFFER 65536
#define RESPONSE_SMALL 384

struct header {
	struct header *next;
	const char *name, *value;
	size_t name_length, value_length;
};

enum response_framing {
	FRAMING_NONE,		/* no body: HEAD, 204, 205, 304 */
	FRAMING_LENGTH,
	FRAMING_CHUNKED,
	FRAMING_CLOSE		/* ended by closing: HTTP/1.0 */
};

struct response {
	/* What it answers; set by response_begin. */
	struct arena *arena;
	int fd;
	struct output **output;		/* the connection's, NULL while nothing waits */
	uint32_t write_timeout_ms;
	int minor;			/* of the request's version */
	bool head_method;		/* HEAD */
	bool keep_alive;		/* wanted by the client; what comes of it after finish */

	const _Atomic bool *stopping;	/* by the caller: if so, it is the connection's last; or NULL */
	bool hold;			/* by the caller: a small one goes to the output, not to the socket */
	int status;
	bool status_set;	/* by the servlet: then writing nothing is no 204 */
	struct header *headers, **last_header;
	bool type_removed;	/* by the servlet: no default Content-Type either */
	bool head_sent, broken;		/* broken: the client has gone or the framing is lost: cut */
	bool unread;			/* all is sent that there is to send, and the client has gone */
	enum response_framing framing;	/* once the head is sent */
	int64_t declared_length;	/* Content-Length of the servlet, -1: none */
	uint64_t body_bytes;		/* written by the servlet */
	uint64_t sent_bytes;		/* of them, given to the socket or the output */

	char *buffer;			/* size octets, length of them filled: first the small one,
					 * so that a new process writes to one page less */
	size_t size, length;
	char *large;			/* RESPONSE_BUFFER octets */
	int file_fd;			/* a file behind the buffer, before the head is sent; -1 */
	long long file_offset, file_length;
	char small[RESPONSE_SMALL];
};

/* 0, or -1 and errno. */
int response_init(struct response *r);

void response_begin(struct response *r, struct arena *arena, int fd,
    struct output **output, int minor, bool head_method, bool keep_alive);

/* As modserver.h says of rwrite, rflush, rsendfile. */
size_t response_write(struct response *r, const char *data, size_t length);
void response_flush(struct response *r);
int response_sendfile(struct response *r, int fd, long long offset, long long length);

void response_set_status(struct response *r, int status);

/* Why a header was refused, or NULL: it has been set. */
const char *response_set_header(struct response *r, const char *name,
    const char *value, bool replace);

/* Replaces whatever was made by a plain page for this status; if the head has
 * gone already, breaks the response off. */
void response_error(struct response *r, int status);

/* Drops what was written, before the head is sent: another one begins. */
void response_cancel(struct response *r);

/* Sends nothing more: the connection is to be closed as it is. */
void response_cut(struct response *r);

/* Ends the response.  failed: the servlet did; then 500 or a cut.  Returns a
 * constant text when the servlet's framing was wrong (for the log), else NULL. */
const char *response_finish(struct response *r, bool failed);

/* The Date header's value now; recomputed when the second changes. */
const char *response_date(void);

/* "Not Found"; "" for an unknown one. */
const char *response_reason(int status);

#endif
