/*
 * loop.h - a worker's event loop: its connections, their deadlines, and
 * those that are ready to run.
 *
 * Whoever holds the loop (the main thread, or the helper while a servlet
 * keeps the main thread; see helper.h) may call these, nobody else.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access_lines.h"
#include "board.h"
#include "config.h"
#include "poller.h"
#include "request.h"

struct connection;

/* What the loop waits for; the first member of everything given to the poller. */
enum source {
	SOURCE_CONNECTION,
	SOURCE_LISTENER,	/* worker.c: something to accept */
	SOURCE_RUN,		/* worker.c: handed-over work */
	SOURCE_RUN_ROOM,	/* worker.c: `run` has room again */
	SOURCE_KEEP,		/* worker.c: handed-over idle connections */
	SOURCE_KEEP_ROOM,
	SOURCE_CONTROL		/* worker.c: the zygote speaks */
};

/* Deadlines of one kind all last equally long, so a queue keeps them in order. */
enum deadline {
	DEADLINE_HEAD, DEADLINE_BODY, DEADLINE_KEEPALIVE, DEADLINE_WRITE,
	DEADLINE_LINGER, DEADLINE_COUNT,
	DEADLINE_NONE = DEADLINE_COUNT
};

struct deadline_queue {
	struct connection *first, *last;
	uint32_t duration_ms;	/* 0: no limit */
};

#define LOOP_PIECE (256 * 1024)	/* octets of a body received at once, beside limits.head */

/* Holds any handed-over connection, also of a generation whose limits.head was larger;
 * and most of them, with a request as most are. */
#define LOOP_SCRATCH (LOOP_PIECE + CONFIG_HEAD_MAX)
#define LOOP_NOTE 640

struct loop {
	_Alignas(max_align_t) char poller_room[POLLER_ROOM];
	struct poller *poller;		/* in it */
	const struct config *config;
	struct slot *slot;
	struct tally *tallies;		/* the slot's row; NULL: nothing is counted */
	_Atomic bool stopping;		/* nobody follows: no keep-alive any more */
	uint64_t now_ms;
	struct request_pool requests;
	struct connection *all;		/* every connection */
	struct connection *ready_first, *ready_last;	/* requests waiting for a process */
	bool may_hold;			/* events of the same batch follow, or responses wait: held.h */
	struct connection *held_first, *held_last;	/* their responses leave together */
	uint64_t held_since_ns;
	struct uring *uring;		/* that sends them; NULL: none, or not yet */
	bool uring_tried;
	struct connection *dead;	/* closed in this batch; its events may still name them */
	struct connection *free;
	uint32_t count;			/* of connections */
	struct deadline_queue deadlines[DEADLINE_COUNT];
	struct access_lines access;
	char *scratch;			/* octets being received, LOOP_SCRATCH at most.  Not static:
					 * libgc (Guile) looks for pointers in whatever is */
	size_t scratch_size;		/* of it, for bodies */
	char note[LOOP_NOTE];		/* a short message; last, for the page ends about here */
};

/* Allocates what may be allocated before the worker is forked.  0, or -1 and errno. */
int loop_prepare(struct loop *l, const struct config *config, bool access_log);

/* In the worker: makes the poller.  tallies: the slot's row, or NULL.  0, or -1
 * and errno. */
int loop_open(struct loop *l, struct slot *slot, struct tally *tallies, int access_log_fd);

/* Milliseconds until something expires, -1: nothing does. */
int loop_timeout(const struct loop *l);

/* Closes or refuses the connections whose time is over, closes spare files. */
void loop_expire(struct loop *l);

/* Ends a batch of events: the connections closed in it may be used again now,
 * and what the access log has is written. */
void loop_batch_end(struct loop *l);

/* Puts a connection with a complete request at the end of the ready queue, or
 * back at its front; takes the first. */
void loop_ready_add(struct loop *l, struct connection *c);
void loop_ready_push(struct loop *l, struct connection *c);
struct connection *loop_ready_take(struct loop *l);

/* Starts, restarts or (DEADLINE_NONE) ends a connection's deadline. */
void loop_deadline(struct loop *l, struct connection *c, enum deadline kind);

/* The same with the time at which it ends: for one that began in another process,
 * whose limits may have been others.  0: there was none, and it begins now. */
void loop_deadline_at(struct loop *l, struct connection *c, enum deadline kind,
    uint64_t expires_ms);

#endif
