/*
 * zygote_spawn.c - how many workers there should be: what spawn.c needs to
 * know is gathered here, and what it decides is done.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "zygote.h"

/* A worker that has been starting for longer is not counted upon. */
#define START_NS 1000000000u

/* fork() has failed (processes, memory): how long until the next try. */
#define FORK_PAUSE_NS 250000000u

#define TICK_MIN_NS 100000000u

#define STILL_ASKED 8	/* workers that have used no processor time, at each look */

/* Looks at the slots.  Fills in what *v has of the workers, but on_processor. */
static void
spawn_look(struct zygote *z, struct spawn_view *v)
{
	uint64_t now = clock_ns();

	memset(v, 0, sizeof(*v));
	v->now_ns = now;
	v->youngest_run_ns = UINT64_MAX;
	for (size_t i = 0; i < z->slot_top; i++) {
		struct zygote_worker *w = &z->workers[i];
		struct slot *s = &z->board->slots[i];
		uint32_t state = atomic_load(&s->state);
		uint64_t since, age;

		if (w->pid == 0)
			continue;
		if (!w->ready && state != SLOT_FREE && state != SLOT_STARTING) {
			w->ready = true;
			z->start_failures = 0;
		}
		if (w->leaving || state == SLOT_LEAVING) {
			v->leaving++;
			continue;
		}
		v->workers++;
		if (state == SLOT_IDLE) {
			v->idle++;
			v->available++;
		} else if (state == SLOT_FULL) {
			v->full++;
		} else if (state == SLOT_STARTING && now - w->started_ns < START_NS) {
			v->starting++;
			v->available++;
		} else if (state == SLOT_RUNNING) {
			since = atomic_load(&s->since_ns);
			age = since != 0 && since < now ? now - since : 0;
			if (age < v->youngest_run_ns)
				v->youngest_run_ns = age;
			if (age < z->limits.patience_ns)
				v->available++;
			else
				v->blocked++;
		}
	}
	atomic_store(&z->board->workers, v->workers);
	z->shut = v->workers == v->full;
}

nfds_t
zygote_watched(const struct zygote *z, struct pollfd *fds)
{
	const struct listeners *l = z->setup->listeners;
	const struct handover_sockets *h = z->setup->handover;
	nfds_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		fds[n++] = (struct pollfd){ .fd = l->at[i].fd, .events = POLLIN };
	if (z->shut)
		fds[n++] = (struct pollfd){ .fd = h->keep[1], .events = POLLIN };
	fds[n++] = (struct pollfd){ .fd = h->run[1], .events = POLLIN };
	return n;
}

/* Whether something waits for a worker now; in *handed_over, which may be
 * NULL, whether in the run socket. */
static bool
spawn_waiting(struct zygote *z, bool *handed_over)
{
	nfds_t n = zygote_watched(z, z->fds);

	if (poll(z->fds, n, 0) <= 0)
		return false;
	if (handed_over != NULL)
		*handed_over = z->fds[n - 1].revents != 0;
	return true;
}

/* Counts workers in a servlet that run or wait for a processor, up to `most`.
 * One that has used no processor time since the last look sleeps, or has
 * waited for a processor all the while.  Of those only `still` are asked, each
 * time others: that keeps a look at 200 sleeping workers cheap. */
static unsigned
spawn_on_processor(struct zygote *z, unsigned still, unsigned most)
{
	unsigned count = 0;

	for (size_t i = 0; i < z->slot_top; i++) {
		size_t at = (z->ask_from + i) % z->slot_top;
		struct zygote_worker *w = &z->workers[at];
		uint64_t used;

		if (w->pid == 0 || atomic_load(&z->board->slots[at].state) != SLOT_RUNNING)
			continue;
		used = processor_time_ns(w->pid);
		if (used != w->processor_ns || still > 0) {
			still -= used == w->processor_ns;
			count += count < most && processor_wanted(w->pid);
		}
		w->processor_ns = used;
	}
	z->ask_from++;
	return count;
}

static void
spawn_view(struct zygote *z, struct spawn_view *v)
{
	uint64_t sent;
	unsigned processors = z->limits.processors;

	spawn_look(z, v);
	v->waiting = spawn_waiting(z, &v->handed_over);
	v->crowded = atomic_exchange(&z->board->crowded, 0) != 0;
	if (v->waiting) {
		sent = atomic_load(&z->board->handed_over_ns);
		if (sent != 0 && sent < v->now_ns)
			v->oldest_wait_ns = v->now_ns - sent;
		v->late = atomic_exchange(&z->board->late, 0) != 0;
		v->spare = processor_spare(&z->use, v->now_ns);
	}
	if (!spawn_asks_processors(&z->spawn, v, &z->limits))
		return;
	v->on_processor = spawn_on_processor(z, STILL_ASKED, processors);
	if (v->waiting && v->on_processor >= processors)
		v->on_processor = spawn_on_processor(z, UINT_MAX, 8 * processors);
}

static void
spawn_fork(struct zygote *z, unsigned count, bool needed)
{
	for (unsigned i = 0; i < count; i++) {
		/* Those that were forked first may have taken it all. */
		if (!needed && i > 0 && !spawn_waiting(z, NULL))
			return;
		if (zygote_fork_worker(z) == -1) {
			if (z->fork_failures++ % 40 == 0)
				log_error("a worker cannot be forked: %s", strerror(errno));
			z->fork_after_ns = clock_ns() + FORK_PAUSE_NS;
			return;
		}
		z->fork_failures = 0;
	}
}

void
zygote_spawn(struct zygote *z)
{
	struct spawn_decision d;
	struct spawn_view v;

	z->look_ns = 0;
	z->watch = false;
	/* More than two rounds only if workers become busy between looking and
	 * sleeping, again and again; then one has come to wake us. */
	for (int round = 0; round < 3; round++) {
		if (clock_ns() < z->fork_after_ns) {
			z->look_ns = z->fork_after_ns;
			return;
		}
		z->fork_after_ns = 0;
		spawn_view(z, &v);
		d = spawn_decide(&z->spawn, &v, &z->limits);
		if (d.fork > 0) {
			spawn_fork(z, d.fork, v.workers < z->limits.min);
			/* They are needed, or will be seen not to be in time. */
			if (v.workers + d.fork > z->high)
				z->high = v.workers + d.fork;
		}
		z->watch = d.watch;
		z->look_ns = d.look_again_ns > 0 ? clock_ns() + d.look_again_ns : 0;
		if (z->fork_after_ns > z->look_ns)
			z->look_ns = z->fork_after_ns;
		if (!d.sleep) {
			atomic_store(&z->board->watching, 1);
			return;
		}
		/* From here on a worker that finds nobody idle wakes us; one that
		 * did just before is seen by looking once more. */
		atomic_store(&z->board->watching, 0);
		spawn_look(z, &v);
		if (v.idle > 0)
			return;
	}
	atomic_store(&z->board->watching, 1);
	z->look_ns = clock_ns() + z->limits.patience_ns;
}

/* A worker that was killed while it counted itself leaves board->idle wrong
 * for ever.  What is in flight differs from tick to tick, an error does not. */
static void
tick_mend(struct zygote *z, unsigned idle)
{
	int drift = (int)(atomic_load(&z->board->idle) - idle);

	if (drift != 0 && drift == z->drift) {
		atomic_fetch_sub(&z->board->idle, (uint32_t)drift);
		drift = 0;
	}
	z->drift = drift;
}

/* The worker that can best be spared: an idle one, that with the fewest
 * connections.  Where processors are short all may be running; then that which
 * began last, for it runs something short.  NULL: none. */
static struct zygote_worker *
tick_choose(struct zygote *z)
{
	struct zygote_worker *idle = NULL, *running = NULL;
	uint32_t fewest = 0;
	uint64_t latest = 0;

	for (size_t i = z->slot_top; i-- > 0;) {
		struct slot *s = &z->board->slots[i];
		uint32_t state = atomic_load(&s->state);
		uint32_t connections = atomic_load(&s->connections);
		uint64_t since = atomic_load(&s->since_ns);

		if (z->workers[i].pid == 0 || z->workers[i].leaving)
			continue;
		if (state == SLOT_IDLE && (idle == NULL || connections < fewest)) {
			idle = &z->workers[i];
			fewest = connections;
		} else if (state == SLOT_RUNNING && (running == NULL || since > latest)) {
			running = &z->workers[i];
			latest = since;
		}
	}
	return idle != NULL ? idle : running;
}

static void
tick_let_go(struct zygote *z, unsigned count)
{
	struct zygote_worker *w;

	while (count-- > 0 && (w = tick_choose(z)) != NULL)
		zygote_tell(z, w, CONTROL_LEAVE);
}

/* Workers that have answered max_requests: the replacement first, where the
 * maximum allows for it. */
static void
tick_replace(struct zygote *z, const struct spawn_view *v)
{
	unsigned alive = v->workers + v->leaving;

	for (size_t i = 0; i < z->slot_top; i++) {
		struct zygote_worker *w = &z->workers[i];

		if (w->pid == 0 || w->leaving ||
		    atomic_load(&z->board->slots[i].wants_replacement) == 0)
			continue;
		if (alive < z->limits.max && clock_ns() >= z->fork_after_ns) {
			spawn_fork(z, 1, true);
			alive++;
		}
		zygote_tell(z, w, CONTROL_LEAVE);
	}
}

/* How many workers the connections need that are there, idle ones too: with
 * the others gone, those that stay must have descriptors for all. */
static unsigned
tick_needed(const struct zygote *z, unsigned workers)
{
	uint64_t connections = 0, each = z->connections_max / 4 * 3 + 1;

	for (size_t i = 0; i < z->slot_top; i++)
		if (z->workers[i].pid != 0)
			connections += atomic_load(&z->board->slots[i].connections);
	connections = (connections + each - 1) / each;
	return connections < workers ? (unsigned)connections : workers;
}

/* A part of the peak has passed. */
static void
tick_close(struct zygote *z, const struct spawn_view *v)
{
	unsigned busy = atomic_load(&z->board->busy);
	unsigned peak = atomic_exchange(&z->board->peak, busy), needed;

	tick_mend(z, v->idle);
	if (peak > v->workers + v->leaving)
		peak = v->workers + v->leaving;
	/* Workers that wait for a processor are not needed, however many they are. */
	if (peak > z->limits.processors + 1)
		peak = spawn_needed(peak, spawn_on_processor(z, UINT_MAX, UINT_MAX),
		    &z->limits);
	if (z->high > peak)
		peak = z->high;
	z->high = 0;
	needed = tick_needed(z, v->workers);
	if (needed > peak)
		peak = needed;
	spawn_peak_add(&z->peak, peak);
	tick_let_go(z, spawn_surplus(&z->peak, v->workers, &z->limits));
}

void
zygote_tick(struct zygote *z, uint64_t now)
{
	uint64_t part = z->limits.idle_timeout_ns / SPAWN_BUCKETS;
	struct spawn_view v;

	spawn_look(z, &v);
	tick_replace(z, &v);
	if (z->tick_ns != 0 && now >= z->tick_ns) {
		z->tick_ns = 0;
		if (z->ticks_due > 0)
			z->ticks_due--;
		tick_close(z, &v);
	}
	/* A server with no more workers than it keeps has no ticks. */
	if (z->tick_ns == 0 && (v.workers > z->limits.min || z->ticks_due > 0 ||
	    z->setup->config->workers.max_requests > 0))
		z->tick_ns = now + (part > TICK_MIN_NS ? part : TICK_MIN_NS);
}
