/*
 * spawn.c - when to fork a worker and when to let one go.
 *
 * Work waits for one of three reasons, and each has its own answer:
 *
 *   - every worker is asleep in a servlet: fork, doubling the number while
 *     that lasts;
 *   - some were busy for less than patience at every look, and yet what waits
 *     has been waiting for twice the patience (many short blocking requests):
 *     the same;
 *   - the processors are taken, by servlets or by whoever else is on the
 *     machine: forking gains no throughput and costs memory.
 *     One more worker only when no servlet has been entered for a while, so
 *     that a quick request does not wait behind slow computations for ever,
 *     and sooner where work has waited so long that it might be refused.
 *
 * And before any work waits: a worker that its connections alone keep busy gets
 * company, as long as there are processors for it; and where several are asleep
 * in servlets and one alone is left, it gets company too, for the next slow
 * request would take it, and those behind it would wait for a fork.
 */
#include <stddef.h>

#include "spawn.h"

/* Between two decisions at least, and at most while nothing changes. */
#define LOOK_MIN_NS 100000u
#define LOOK_MAX_NS 10000000u

/* Work that waits for so many times the patience though workers look idle gets
 * one more of them; later where that takes processor time from somebody. */
#define BUSY_PATIENCE 4
#define TAKEN_PATIENCE 40

/* So many asleep at once are a load, not one slow request. */
#define SLEEPERS_MIN 2

/* With every processor taken by a servlet, one more worker is forked when
 * none has been entered for so long; with twice as many servlets as processors
 * four times as long, and so on. */
#define RESTRAINT_NS 50000000u
#define RESTRAINT_MAX_NS 3000000000u

static unsigned
min_unsigned(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Never so long that nobody would see how late the work is.  Where it is, it
 * grows only with the number of servlets, so that as many are run at once as
 * computations of that length can bear, and what is quick comes through. */
static uint64_t
restraint_ns(const struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	uint64_t n = RESTRAINT_NS, most = RESTRAINT_MAX_NS;

	if (l->queue_ns > 0 && l->queue_ns / 4 < most)
		most = l->queue_ns / 4;
	n = n * v->on_processor / l->processors;
	if (state->late_ns == 0 || v->now_ns - state->late_ns > l->queue_ns / 2)
		n = n * v->on_processor / l->processors;
	return n < most ? n : most;
}

/* Workers wanted for the work that waits. */
static unsigned
spawn_wanted(const struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	uint64_t waited = v->handed_over ? v->oldest_wait_ns : 0;
	unsigned batch;

	if (v->workers == 0)
		return 1;
	/* Those that start are the remedy: see first what they take. */
	if (v->starting > 0)
		return 0;

	/* Workers that look idle and yet leave work waiting are busy with
	 * their connections: as many of them as processors are of use, where
	 * nobody else has taken those. */
	if (v->workers < l->processors && v->now_ns - state->waiting_since_ns >=
	    (v->spare ? BUSY_PATIENCE : TAKEN_PATIENCE) * l->patience_ns)
		return 1;
	if (v->idle > 0)
		return 0;

	if (v->now_ns - state->short_since_ns > waited)
		waited = v->now_ns - state->short_since_ns;
	if (v->available > 0 && waited < 2 * l->patience_ns)
		return 0;
	if (l->processors > 0 && (v->on_processor >= l->processors ||
	    (!v->spare && 2 * v->on_processor >= v->workers)))
		return v->youngest_run_ns >= restraint_ns(state, v, l);

	batch = state->batch == 0 ? 1 : 2 * state->batch;
	/* Where some work is being taken, the shortage is a part, not the whole. */
	if (v->available > 0)
		batch = min_unsigned(batch, v->workers / 2 + 1);
	return batch;
}

bool
spawn_last_one(const struct spawn_view *v)
{
	return v->available == 1 && v->starting == 0 &&
	    v->workers >= v->available + v->full + v->on_processor + SLEEPERS_MIN;
}

/* Whether connections keep being handed over though most workers are asleep:
 * two of three are blocked, and as few want a processor as handing over takes. */
static bool
spawn_passed_on(const struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	return v->handed_over && v->starting == 0 && state->waiting_since_ns != 0 &&
	    v->now_ns - state->waiting_since_ns >= BUSY_PATIENCE * l->patience_ns &&
	    v->blocked >= 2 * v->workers / 3 && v->on_processor <= v->workers / 3;
}

bool
spawn_asks_processors(const struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	if (!v->waiting)
		return spawn_last_one(v);
	return v->starting == 0 && (v->idle == 0 || spawn_passed_on(state, v, l));
}

/* How long until the next look while something waits. */
static uint64_t
spawn_look_ns(const struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	uint64_t waiting = v->now_ns - state->waiting_since_ns;
	uint64_t look = l->patience_ns;

	/* The moment when the last one that is available ceases to be. */
	if (v->idle == 0 && v->starting == 0 && v->youngest_run_ns < l->patience_ns)
		look = l->patience_ns - v->youngest_run_ns;
	if (waiting / 8 > look)
		look = waiting / 8;
	if (look > LOOK_MAX_NS)
		look = LOOK_MAX_NS;
	return look < LOOK_MIN_NS ? LOOK_MIN_NS : look;
}

/* Nothing waits: where the zygote learns that something does. */
static void
spawn_rest(struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l, struct spawn_decision *d)
{
	state->batch = 0;
	state->waiting_since_ns = state->short_since_ns = 0;
	if (v->idle > 0)
		d->sleep = true;
	else if (v->youngest_run_ns < l->patience_ns)
		/* Most likely it is idle again by then; watching the listeners
		 * would wake us for each connection. */
		d->look_again_ns = spawn_look_ns(state, v, l);
	else
		d->watch = true;
}

struct spawn_decision
spawn_decide(struct spawn_state *state, const struct spawn_view *v,
    const struct spawn_limits *l)
{
	struct spawn_decision d = { 0 };
	unsigned alive = v->workers + v->leaving;
	unsigned room = alive < l->max ? l->max - alive : 0;
	unsigned wanted = 0;

	if (v->late)
		state->late_ns = v->now_ns;
	if (v->workers < l->min)
		d.fork = min_unsigned(l->min - v->workers, room);

	if (v->crowded && v->starting == 0 && v->workers < l->processors && d.fork == 0)
		d.fork = min_unsigned(1, room);

	if (!v->waiting) {
		spawn_rest(state, v, l, &d);
		if (d.fork == 0 && spawn_last_one(v))
			d.fork = min_unsigned(1, room);
		return d;
	}

	if (state->waiting_since_ns == 0)
		state->waiting_since_ns = v->now_ns;
	if (v->idle > 0)
		state->short_since_ns = 0;
	else if (state->short_since_ns == 0)
		state->short_since_ns = v->now_ns;

	wanted = spawn_wanted(state, v, l);
	if (wanted == 0 && spawn_passed_on(state, v, l))
		wanted = v->workers / 8 + 1;
	wanted = min_unsigned(wanted, room);
	if (wanted > 0) {
		state->batch = wanted;
		state->waiting_since_ns = v->now_ns;
		state->short_since_ns = 0;
		if (wanted > d.fork)
			d.fork = wanted;
	}
	/* At the maximum there is nothing to decide until a worker has gone. */
	if (room > 0)
		d.look_again_ns = spawn_look_ns(state, v, l);
	return d;
}

unsigned
spawn_needed(unsigned busy, unsigned on_processor, const struct spawn_limits *l)
{
	unsigned asleep = busy > on_processor ? busy - on_processor : 0;

	if (on_processor < l->processors)
		return busy;
	return min_unsigned(busy, asleep + l->processors + 1);
}

void
spawn_peak_add(struct spawn_peak *p, unsigned peak)
{
	p->at = (p->at + 1) % SPAWN_BUCKETS;
	p->bucket[p->at] = peak;
}

unsigned
spawn_surplus(const struct spawn_peak *p, unsigned workers, const struct spawn_limits *l)
{
	unsigned keep = l->min;

	for (size_t i = 0; i < SPAWN_BUCKETS; i++)
		if (p->bucket[i] > keep)
			keep = p->bucket[i];
	return workers > keep ? workers - keep : 0;
}
