/*
 * spawn.h - when to fork a worker and when to let one go.
 *
 * Pure functions of a snapshot of the scoreboard and the time.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <stdbool.h>
#include <stdint.h>

struct spawn_limits {
	unsigned min, max;	/* workers */
	unsigned processors;
	uint64_t patience_ns;
	uint64_t idle_timeout_ns;
	uint64_t queue_ns;	/* what waits for longer is refused; 0: nothing is */
};

/* What the zygote saw. */
struct spawn_view {
	uint64_t now_ns;
	unsigned workers;	/* alive, leaving ones not counted */
	unsigned leaving;
	unsigned idle;		/* in their loop */
	unsigned starting;
	unsigned full;		/* in their loop, but take nothing new */
	unsigned available;	/* starting or idle, or running for less than patience */
	unsigned blocked;	/* running for longer, asleep or not */
	unsigned on_processor;	/* in a servlet and not asleep in the kernel */
	uint64_t youngest_run_ns;	/* time since a servlet was last entered, of those
					 * running; UINT64_MAX: none runs */
	bool waiting;		/* a listener or the run socket is readable, or the keep
				 * socket where nobody could take anything from it */
	bool late;		/* since the last look some work had to wait for a quarter of queue_ns */
	bool crowded;		/* a worker is never done with its connections, while some
				 * processor has nothing to do */
	bool spare;		/* some processor has nothing to do */
	bool handed_over;	/* the run socket is */
	uint64_t oldest_wait_ns;	/* age of the oldest connection in it, 0: unknown; what it
					 * says after the last one has been taken is stale */
};

/* Kept by the zygote between decisions; all zero at first. */
struct spawn_state {
	unsigned batch;		/* size of the last batch while a shortage lasts, else 0 */
	uint64_t waiting_since_ns;	/* something has been waiting at every look since, 0: not */
	uint64_t late_ns;	/* when work was last seen to be late, 0: never */
	uint64_t short_since_ns;	/* and no worker was idle at any of them, 0: not */
};

struct spawn_decision {
	unsigned fork;		/* workers to fork now */
	bool watch;		/* wait until a listener or the run socket is readable */
	bool sleep;		/* nothing to look for until a worker wakes the zygote */
	uint64_t look_again_ns;	/* decide again after so long; 0: only when woken */
};

struct spawn_decision spawn_decide(struct spawn_state *state,
    const struct spawn_view *view, const struct spawn_limits *limits);

/* Whether spawn_decide() will look at on_processor, which is dear to count. */
bool spawn_asks_processors(const struct spawn_state *state, const struct spawn_view *view,
    const struct spawn_limits *limits);

/* Whether one worker alone is left for whatever comes, beside several asleep in
 * servlets. */
bool spawn_last_one(const struct spawn_view *view);

/* How many workers are needed where `busy` were in a servlet at once and
 * `on_processor` of them were not asleep: what waits for a processor gains
 * nothing from a process of its own. */
unsigned spawn_needed(unsigned busy, unsigned on_processor, const struct spawn_limits *limits);

/* The peak number of workers needed at once over the last idle_timeout,
 * in SPAWN_BUCKETS equal parts. */
#define SPAWN_BUCKETS 5

struct spawn_peak {
	unsigned bucket[SPAWN_BUCKETS];
	unsigned at;
};

/* Closes the current part with the peak seen in it. */
void spawn_peak_add(struct spawn_peak *p, unsigned peak);

/* How many of `workers` are surplus. */
unsigned spawn_surplus(const struct spawn_peak *p, unsigned workers,
    const struct spawn_limits *limits);

#endif
