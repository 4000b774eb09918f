/*
 * connection.h - one client connection: a state machine over a
 * non-blocking socket.
 *
 *	PROXY -> IDLE -> HEAD -> BODY -> READY -> RUNNING -> WRITING -> IDLE ...
 *	                                                        \-> LINGERING
 *
 * Nothing here runs a servlet: a request that is complete makes the functions
 * below answer CONNECTION_RUN, and whoever holds the loop decides who runs it.
 *
 *	connection.c		comes, is watched, goes on and goes
 *	connection_read.c	what arrives, until a request is complete
 *	connection_write.c	the answer leaves; the next request, or the end
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "address.h"
#include "loop.h"
#include "output.h"

enum connection_state {
	CONNECTION_PROXY,	/* waits for the PROXY header */
	CONNECTION_IDLE,	/* no octet of a request yet */
	CONNECTION_HEAD,
	CONNECTION_BODY,
	CONNECTION_READY,	/* request complete */
	CONNECTION_RUNNING,
	CONNECTION_WRITING,	/* the response is being drained */
	CONNECTION_LINGERING	/* closed by us, waits for the client to close (RFC 9112, 9.6) */
};

/* A body or a response that moves on by this much gets its time anew, so that
 * a large one over a slow line ends and a dribbled one does not last. */
#define PROGRESS_STEP 65536

struct connection {
	enum source source;	/* SOURCE_CONNECTION; first, see loop.h */
	int fd;			/* -1 once closed */
	uint8_t state;		/* enum connection_state */
	uint8_t watched;	/* POLLER_IN or POLLER_OUT it is watched for; 0: not in the poller */
	uint8_t deadline;	/* enum deadline */
	bool keep_alive;	/* after the response */
	bool refused;		/* the response is a refusal: the client may be sending still */
	bool ends_by_close;	/* the response: until it has left, closing resets */
	uint16_t remote_port;
	char remote[ADDRESS_TEXT_MAX];
	uint32_t progress;	/* 64 KiB steps of the body or the response so far */
	long long moved;	/* octets of the response drained */
	uint64_t expires_ms;
	struct request *request;	/* NULL while idle */
	struct output *output;		/* NULL unless something waits to be written */
	struct connection *next, *previous;			/* of all */
	struct connection *deadline_next, *deadline_previous;
	struct connection *queue_next;				/* ready, held, dead or free */
};

enum connection_next {
	CONNECTION_WAIT,	/* nothing to do */
	CONNECTION_RUN,		/* state READY: the caller runs it, queues it or gives it away */
	CONNECTION_GONE		/* closed */
};

/* Takes over fd, which is non-blocking.  Not watched yet.  NULL: out of memory, fd is closed. */
struct connection *connection_new(struct loop *l, int fd);

/* Closes our descriptor (another process may have one): the last thing done with c. */
void connection_close(struct loop *l, struct connection *c);

/* Notes the client's address as text. */
struct sockaddr;
void connection_set_remote(struct connection *c, const struct sockaddr *address);

/* Asks the system for our own address, as text; "unix" for a unix socket.  Returns its port. */
uint16_t connection_get_local(const struct connection *c, char text[ADDRESS_TEXT_MAX]);

/* The socket is ready. */
enum connection_next connection_event(struct loop *l, struct connection *c, unsigned events);

/* Its deadline has passed. */
void connection_expired(struct loop *l, struct connection *c);

/* Watches for its present state, or not at all. */
void connection_watch(struct loop *l, struct connection *c);
void connection_unwatch(struct loop *l, struct connection *c);

/* ---------------------------------------------------- connection_read.c */

/* Reads what is there and goes on: for a fresh connection, before it is watched. */
enum connection_next connection_read(struct loop *l, struct connection *c);

/* Goes on after so much of a request has been parsed. */
enum connection_next connection_progress(struct loop *l, struct connection *c,
    enum request_progress progress);

/* --------------------------------------------------- connection_write.c */

/* The response has been made; keep_alive as it says there. */
enum connection_next connection_answered(struct loop *l, struct connection *c, bool keep_alive);

/* Answers with a plain error page and closes after the client has read it. */
enum connection_next connection_refuse(struct loop *l, struct connection *c, int status,
    const char *reason);

/* WRITING: sends more of the response. */
enum connection_next connection_write(struct loop *l, struct connection *c);

/* LINGERING: reads what the client still sends, for nobody. */
enum connection_next connection_discard(struct loop *l, struct connection *c);

#endif
