/*
 * intake.h - where a worker's connections come from: the listeners and the
 * handover sockets.
 *
 * It is shut while the worker leaves, while a servlet keeps its main thread,
 * and while descriptors are short (a handed-over connection that is received
 * without a free descriptor for it and for its files would be lost).
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"

struct listeners;
struct worker;

struct intake_listener {
	enum source source;	/* SOURCE_LISTENER; first */
	int fd;
	bool proxy_protocol;
	bool passed;		/* others listen on it after us */
};

struct intake {
	struct intake_listener *listeners;
	size_t listener_count;
	enum source run, keep;		/* SOURCE_RUN, SOURCE_KEEP */
	bool listening, receiving;	/* what of it is in the poller */
	bool new_first;			/* what of it is put there first */
	uint32_t connections_max;	/* as descriptors allow */
	uint64_t paused_until_ms;	/* descriptors were wanting */
	uint64_t complained_ms;		/* when that was last said, 0: never */
};

/* How many connections a process may have, as its descriptors allow. */
uint32_t intake_connections_max(void);

/* In the zygote: shut yet.  0, or -1 and errno. */
int intake_prepare(struct intake *in, const struct listeners *listeners);

void intake_open(struct worker *w);

/* Opens or shuts it as the worker's state demands.  held: by a servlet. */
void intake_update(struct worker *w, bool held);

/* Whether a handed-over connection waits to be received. */
bool intake_waiting(const struct worker *w);

/* Of a worker that stops: accepts what had connected before to listeners of ours. */
void intake_finish(struct worker *w);

/* A listener or a handover socket is readable: takes what is there and runs it. */
void intake_event(struct worker *w, enum source *source);

#endif
