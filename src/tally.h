/*
 * tally.h - what is counted of requests where the configuration has `metrics`.
 *
 * One tally for each route, and one for requests that have none; a row of them
 * for each slot of the scoreboard, in its shared memory.  A row has one writer,
 * the slot's worker (for one that has died its zygote, before the next is
 * forked), so counting is a load and a store in memory that no other worker
 * touches.  Nothing is ever set back: the slot's next worker counts on, so
 * that no count is lost with a worker, and none has to be collected.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#define TALLY_CLASSES 4		/* of statuses: 2xx to 5xx */
#define TALLY_BUCKETS 14	/* of durations; the last one has no bound */

struct tally {
	_Atomic uint64_t responses[TALLY_CLASSES];
	_Atomic uint64_t body_bytes;	/* of responses, without framing */
	_Atomic uint64_t duration_ns;	/* of servlets, in all */
	_Atomic uint64_t durations[TALLY_BUCKETS];	/* how many lasted for no longer than the
							 * bucket's bound, and longer than the last one's */
};

/* The buckets' upper bounds, rising. */
extern const uint64_t tally_bounds_ns[TALLY_BUCKETS - 1];

/* A response of that status (others than 2xx to 5xx count as the nearest). */
void tally_response(struct tally *t, int status, uint64_t body_bytes);

/* A servlet has run for so long. */
void tally_duration(struct tally *t, uint64_t ns);

/* Adds what `from` has, which may grow meanwhile.  The sums are what they are:
 * nothing that stands there is wrong, whoever wrote it. */
void tally_add(struct tally *to, const struct tally *from);

/* One more, by the counter's only writer. */
static inline void
tally_count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

#endif
