/*
 * test_spawn.c - the fork decision over simulated time: as many workers as
 * the work needs, soon, and not more.
 *
 * The simulation: clients in a closed loop put requests into one queue; idle
 * workers take from it.  A request uses the processor outside of the servlet
 * (io), inside of it (cpu), and sleeps in it.  Processors are shared equally by
 * what wants them; a fork and a worker's start cost processor time too.
 *
 * Where handing a connection over has a price, a client's next request goes to
 * the worker that has answered its last, and into the queue only when that one
 * has been in a servlet for longer than patience.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spawn.h"

#define US 1000ull
#define MS 1000000ull
#define SECOND 1000000000ull
#define STEP (20 * US)
#define WORKERS_MAX 512
#define CLIENTS_MAX 1024

struct profile {
	uint64_t io, cpu, sleep;	/* of one request, ns */
	uint64_t think;			/* of the client, between requests */
	uint64_t handover;		/* processor time, of the taker; 0: any worker will do */
};

enum state { GONE, STARTING, IDLE, RUNNING };

struct worker {
	enum state state;
	uint64_t io, cpu, sleep;	/* left of the current request */
	uint64_t think;
	uint64_t since;			/* servlet entered */
	unsigned client;
	bool busy;			/* has a request, in io or in the servlet */
	bool leaving;			/* when that is answered */
};

struct sim {
	struct spawn_limits limits;
	struct spawn_state state;
	struct spawn_peak peak;
	uint64_t now, look, tick;	/* look, tick: 0 not set */
	bool watch, asleep;
	unsigned forks_left;		/* of the batch being forked */
	uint64_t fork_left;		/* processor time the current fork still needs */
	unsigned high, board_peak;
	uint64_t window, left_over;	/* steps of it, and processor time nobody wanted in them */
	unsigned elsewhere;		/* processors that others have taken */
	bool spare;
	struct worker workers[WORKERS_MAX];
	unsigned used;			/* of these; the others have always been GONE */
	uint64_t ready_at[CLIENTS_MAX];	/* UINT64_MAX: being served */
	struct worker *home[CLIENTS_MAX];	/* where its connection is; NULL: nowhere yet */
	struct profile profile[CLIENTS_MAX];
	unsigned clients;
	unsigned queue[CLIENTS_MAX];	/* clients, oldest first */
	unsigned queued;
	uint64_t queued_at[CLIENTS_MAX];
	/* What a test looks at. */
	unsigned most, batches[64], batch_count;
	uint64_t done, slowest;
	bool late;
};

static struct sim *
sim_new(unsigned min, unsigned max)
{
	struct sim *s = test_calloc(1, sizeof(*s));

	s->limits = (struct spawn_limits){ .min = min, .max = max, .processors = 2,
	    .patience_ns = MS, .idle_timeout_ns = 5 * SECOND };
	s->now = SECOND;
	s->look = s->now;
	return s;
}

static void
sim_clients(struct sim *s, unsigned count, struct profile p)
{
	for (unsigned i = 0; i < count; i++) {
		s->profile[s->clients] = p;
		s->ready_at[s->clients++] = s->now + i * 2 * US;
	}
}

/* No new requests from now on. */
static void
sim_quiet(struct sim *s)
{
	for (unsigned i = 0; i < s->clients; i++)
		s->profile[i].think = 3600 * SECOND;
	for (unsigned i = 0; i < s->clients; i++)
		if (s->ready_at[i] != UINT64_MAX)
			s->ready_at[i] = UINT64_MAX - 1;
}

static unsigned
sim_count(const struct sim *s, enum state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->used; i++)
		n += s->workers[i].state == state;
	return n;
}

static unsigned
sim_workers(const struct sim *s)
{
	return s->used - sim_count(s, GONE);
}

static unsigned
sim_staying(const struct sim *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->used; i++)
		n += s->workers[i].state != GONE && !s->workers[i].leaving;
	return n;
}

static unsigned
sim_on_processor(const struct sim *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->used; i++)
		n += s->workers[i].state == RUNNING && s->workers[i].cpu > 0;
	return n;
}

static void
sim_view(const struct sim *s, struct spawn_view *v)
{
	memset(v, 0, sizeof(*v));
	v->now_ns = s->now;
	v->youngest_run_ns = UINT64_MAX;
	for (unsigned i = 0; i < s->used; i++) {
		const struct worker *w = &s->workers[i];
		uint64_t age = s->now - w->since;

		if (w->leaving) {
			v->leaving += w->state != GONE;
			continue;
		}
		v->workers += w->state != GONE;
		v->idle += w->state == IDLE;
		v->starting += w->state == STARTING;
		if (w->state == RUNNING && age < v->youngest_run_ns)
			v->youngest_run_ns = age;
		v->available += w->state == IDLE || w->state == STARTING ||
		    (w->state == RUNNING && age < s->limits.patience_ns);
		v->blocked += w->state == RUNNING && age >= s->limits.patience_ns;
	}
	v->waiting = s->queued > 0;
	v->handed_over = v->waiting && s->profile[s->queue[0]].handover > 0;
	v->late = s->late;
	v->spare = s->spare;
	v->on_processor = sim_on_processor(s);
}

static void
sim_look(struct sim *s)
{
	struct spawn_view v;
	struct spawn_decision d;

	sim_view(s, &v);
	s->late = false;
	d = spawn_decide(&s->state, &v, &s->limits);
	if (d.fork > 0) {
		s->forks_left = d.fork;
		s->fork_left = 300 * US;
		if (s->batch_count < 64)
			s->batches[s->batch_count++] = d.fork;
		if (v.workers + d.fork > s->high)
			s->high = v.workers + d.fork;
	}
	assert_true(v.workers + d.fork <= s->limits.max);
	s->watch = d.watch;
	s->asleep = d.sleep;
	s->look = d.look_again_ns > 0 ? s->now + d.look_again_ns : 0;
}

static void
sim_tick(struct sim *s)
{
	unsigned busy = sim_count(s, RUNNING), surplus;
	unsigned peak = spawn_needed(s->board_peak, sim_on_processor(s), &s->limits);

	s->board_peak = busy;
	if (s->high > peak)
		peak = s->high;
	s->high = 0;
	spawn_peak_add(&s->peak, peak);
	surplus = spawn_surplus(&s->peak, sim_staying(s), &s->limits);
	for (unsigned i = 0; i < s->used && surplus > 0; i++) {
		if (s->workers[i].state == IDLE && !s->workers[i].busy) {
			s->workers[i].state = GONE;
			surplus--;
		}
	}
	for (unsigned i = 0; i < s->used && surplus > 0; i++) {
		if (s->workers[i].state != GONE && !s->workers[i].leaving) {
			s->workers[i].leaving = true;
			surplus--;
		}
	}
}

static void
sim_zygote(struct sim *s, uint64_t got)
{
	if (s->forks_left > 0) {
		if (s->fork_left > got) {
			s->fork_left -= got;
			return;
		}
		for (unsigned i = 0; i < WORKERS_MAX; i++) {
			if (s->workers[i].state == GONE) {
				memset(&s->workers[i], 0, sizeof(s->workers[i]));
				s->workers[i].state = STARTING;
				s->workers[i].io = 700 * US;
				if (i >= s->used)
					s->used = i + 1;
				break;
			}
		}
		s->fork_left = 300 * US;
		s->forks_left--;
		/* As spawn_fork() does: the rest of a batch only if work waits. */
		if (s->queued == 0 && sim_workers(s) >= s->limits.min)
			s->forks_left = 0;
		return;
	}
	if (s->tick == 0 && sim_workers(s) > s->limits.min)
		s->tick = s->now + s->limits.idle_timeout_ns / SPAWN_BUCKETS;
	if (s->tick != 0 && s->now >= s->tick) {
		s->tick = 0;
		sim_tick(s);
		sim_look(s);
	} else if ((s->look != 0 && s->now >= s->look) || (s->watch && s->queued > 0))
		sim_look(s);
}

static void
sim_serve(struct sim *s, struct worker *w, unsigned client)
{
	const struct profile *p = &s->profile[client];

	w->client = client;
	w->io = p->io;
	if (s->home[client] != NULL && s->home[client] != w)
		w->io += p->handover;
	s->home[client] = w;
	w->cpu = p->cpu;
	w->sleep = p->sleep;
	w->think = p->think;
	w->busy = true;
}

static void
sim_take(struct sim *s, struct worker *w)
{
	uint64_t waited = s->now - s->queued_at[0];
	unsigned client = s->queue[0];

	if (waited > s->slowest)
		s->slowest = waited;
	s->late = s->late || (s->limits.queue_ns > 0 && waited > s->limits.queue_ns / 4);
	s->queued--;
	memmove(s->queue, s->queue + 1, s->queued * sizeof(s->queue[0]));
	memmove(s->queued_at, s->queued_at + 1, s->queued * sizeof(s->queued_at[0]));
	sim_serve(s, w, client);
}

/* A client has sent a request. */
static void
sim_arrive(struct sim *s, unsigned client)
{
	struct worker *home = s->home[client];

	if (home != NULL && s->profile[client].handover > 0 && home->state != GONE) {
		if (home->state == IDLE && !home->busy) {
			s->ready_at[client] = UINT64_MAX;
			sim_serve(s, home, client);
			return;
		}
		if (home->state != RUNNING || s->now - home->since < s->limits.patience_ns)
			return;		/* it waits there */
	}
	s->ready_at[client] = UINT64_MAX;
	s->queued_at[s->queued] = s->now;
	s->queue[s->queued++] = client;
}

/* A worker lives through `step` of time and `got` of processor. */
static void
sim_worker(struct sim *s, struct worker *w, uint64_t step, uint64_t got)
{
	if (w->state == STARTING || (w->state == IDLE && w->busy)) {
		w->io = w->io > got ? w->io - got : 0;
		if (w->io > 0)
			return;
		if (w->state == STARTING) {
			w->state = IDLE;
			return;
		}
		w->state = RUNNING;
		w->since = s->now;
		if (sim_count(s, RUNNING) > s->board_peak)
			s->board_peak = sim_count(s, RUNNING);
		if (s->asleep && sim_count(s, IDLE) == 0) {
			s->asleep = false;	/* board_wake() */
			s->look = s->now;
		}
		return;
	}
	if (w->state != RUNNING)
		return;
	/* helper_hold() */
	if (s->asleep && s->now - w->since >= s->limits.patience_ns &&
	    s->now - w->since < s->limits.patience_ns + step && sim_count(s, IDLE) <= 1) {
		s->asleep = false;
		s->look = s->now;
	}
	if (w->cpu > 0)
		w->cpu = w->cpu > got ? w->cpu - got : 0;
	else
		w->sleep = w->sleep > step ? w->sleep - step : 0;
	if (w->cpu > 0 || w->sleep > 0)
		return;
	w->state = w->leaving ? GONE : IDLE;
	w->busy = false;
	s->ready_at[w->client] = s->now + w->think;
	s->done++;
}

static void
sim_step(struct sim *s)
{
	unsigned wanting = s->forks_left > 0, running;
	uint64_t got = STEP;

	for (unsigned i = 0; i < s->clients; i++)
		if (s->now >= s->ready_at[i])
			sim_arrive(s, i);
	for (unsigned i = 0; i < s->used; i++) {
		struct worker *w = &s->workers[i];

		if (w->state == IDLE && !w->busy && s->queued > 0)
			sim_take(s, w);
		wanting += w->state == STARTING || (w->state == IDLE && w->busy) ||
		    (w->state == RUNNING && w->cpu > 0);
	}
	wanting += s->elsewhere;
	if (wanting > s->limits.processors)
		got = STEP * s->limits.processors / wanting;
	else
		s->left_over += (s->limits.processors - wanting) * STEP;
	s->window += STEP;
	if (s->window >= 50 * MS) {
		s->spare = s->left_over >= s->window / 2;
		s->window = s->left_over = 0;
	}
	sim_zygote(s, got);
	for (unsigned i = 0; i < s->used; i++)
		if (s->workers[i].state != GONE)
			sim_worker(s, &s->workers[i], STEP, got);
	running = sim_workers(s);
	if (running > s->most)
		s->most = running;
	s->now += STEP;
}

static void
sim_run(struct sim *s, uint64_t time)
{
	for (uint64_t end = s->now + time; s->now < end;)
		sim_step(s);
}

/* Runs until there are so many workers; returns how long it took. */
static uint64_t
sim_until(struct sim *s, unsigned workers, uint64_t most)
{
	uint64_t begin = s->now;

	while (sim_workers(s) < workers && s->now - begin < most)
		sim_step(s);
	return s->now - begin;
}

/* ------------------------------------------------------------- the tests */

static void
an_idle_server_keeps_the_minimum_and_sleeps(void **unused)
{
	struct sim *s = sim_new(3, 100);

	(void)unused;
	sim_run(s, SECOND);
	assert_int_equal(sim_workers(s), 3);
	/* Nothing but a connection wakes it. */
	assert_true(s->asleep || s->watch);
	assert_int_equal(s->look, 0);
	assert_int_equal(s->tick, 0);
	test_free(s);
}

static void
without_a_minimum_the_first_request_gets_a_worker(void **unused)
{
	struct sim *s = sim_new(0, 100);

	(void)unused;
	sim_run(s, 100 * MS);
	assert_int_equal(sim_workers(s), 0);
	assert_true(s->watch);
	sim_clients(s, 1, (struct profile){ 10 * US, 10 * US, 0, 3600 * SECOND, 0 });
	sim_run(s, 10 * MS);
	assert_int_equal(s->done, 1);
	/* And it leaves again. */
	sim_run(s, 8 * SECOND);
	assert_int_equal(sim_workers(s), 0);
	test_free(s);
}

static void
blocked_clients_get_a_worker_each_in_doubling_batches(void **unused)
{
	struct sim *s = sim_new(1, 512);
	uint64_t took;

	(void)unused;
	sim_run(s, 100 * MS);
	s->batch_count = 0;
	sim_clients(s, 200, (struct profile){ 20 * US, 20 * US, SECOND, 0, 0 });
	took = sim_until(s, 200, SECOND);
	print_message("200 blocked clients: %llu ms\n", (unsigned long long)(took / MS));
	/* 200 forks and starts cost 100 ms of two processors' time. */
	assert_true(took < 250 * MS);
	sim_run(s, 100 * MS);
	assert_in_range(sim_workers(s), 200, 256);
	for (unsigned i = 1; i < 6; i++)
		assert_int_equal(s->batches[i], 2 * s->batches[i - 1]);
	test_free(s);
}

static void
one_blocked_worker_delays_the_next_request_by_little(void **unused)
{
	struct sim *s = sim_new(1, 512);

	(void)unused;
	sim_run(s, 100 * MS);
	sim_clients(s, 1, (struct profile){ 20 * US, 20 * US, 10 * SECOND, 0, 0 });
	sim_run(s, 100 * MS);
	sim_clients(s, 1, (struct profile){ 20 * US, 20 * US, 0, 3600 * SECOND, 0 });
	sim_run(s, 50 * MS);
	assert_int_equal(s->done, 1);
	assert_true(s->slowest < 5 * MS);
	assert_int_equal(sim_workers(s), 2);
	test_free(s);
}

static void
fast_servlets_keep_few(unsigned clients)
{
	struct sim *s = sim_new(1, 256);

	sim_clients(s, clients, (struct profile){ 10 * US, 5 * US, 0, 0, 0 });
	sim_run(s, 3 * SECOND);
	print_message("fast servlets, %u clients: %u workers at most, %llu requests/s\n", clients,
	    s->most, (unsigned long long)(s->done / 3));
	assert_in_range(sim_workers(s), 2, 3);
	assert_true(s->most <= 3);
	test_free(s);
}

static void
fast_servlets(void **unused)
{
	(void)unused;
	fast_servlets_keep_few(64);
	fast_servlets_keep_few(512);
}

static void
short_computations_use_the_processors_and_no_more(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 64, (struct profile){ 10 * US, 200 * US, 0, 0, 0 });
	sim_run(s, 3 * SECOND);
	print_message("200 us computations: %u workers, %llu requests/s\n", sim_workers(s),
	    (unsigned long long)(s->done / 3));
	assert_in_range(sim_workers(s), 2, 3);
	assert_true(s->done > 3 * 8500);
	test_free(s);
}

/* A client on the same machine that takes one of two processors. */
static void
taken_processors_are_left_to_others(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	s->elsewhere = 1;
	/* Two thirds of what one worker can do, in bursts. */
	sim_clients(s, 256, (struct profile){ 10 * US, 5 * US, 0, 15 * MS, 0 });
	sim_run(s, 3 * SECOND);
	print_message("beside a busy client: %u workers, %llu requests/s\n", sim_workers(s),
	    (unsigned long long)(s->done / 3));
	assert_int_equal(sim_workers(s), 1);
	s->elsewhere = 0;
	sim_clients(s, 64, (struct profile){ 10 * US, 200 * US, 0, 0, 0 });
	sim_run(s, SECOND);
	assert_in_range(sim_workers(s), 2, 3);
	test_free(s);
}

static void
long_computations_are_restrained(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 64, (struct profile){ 10 * US, 100 * MS, 0, 0, 0 });
	sim_run(s, 5 * SECOND);
	print_message("100 ms computations: %u workers\n", sim_workers(s));
	assert_in_range(sim_workers(s), 2, 12);
	test_free(s);
}

static void
a_quick_request_passes_long_computations(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 2, (struct profile){ 10 * US, 10 * SECOND, 0, 0, 0 });
	sim_run(s, 500 * MS);
	sim_clients(s, 1, (struct profile){ 10 * US, 10 * US, 0, 10 * MS, 0 });
	sim_run(s, SECOND);
	print_message("behind two long computations: %llu ms\n",
	    (unsigned long long)(s->slowest / MS));
	assert_true(s->slowest < 200 * MS);
	assert_true(s->done > 50);
	test_free(s);
}

/* What might be refused for its age ends the restraint, or not quite. */
static void
long_computations_do_not_have_others_refused(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	s->limits.queue_ns = 10 * SECOND;
	sim_clients(s, 16, (struct profile){ 10 * US, 60 * SECOND, 0, 0, 0 });
	sim_run(s, 12 * SECOND);
	print_message("16 long computations: all begun after %llu ms\n",
	    (unsigned long long)(s->slowest / MS));
	assert_int_equal(s->queued, 0);
	assert_true(s->slowest < s->limits.queue_ns);
	assert_in_range(sim_workers(s), 16, 20);
	test_free(s);

	/* As long a wait, because there are too many: then no crowd helps. */
	s = sim_new(1, 256);
	s->limits.queue_ns = 4 * SECOND;
	sim_clients(s, 200, (struct profile){ 10 * US, 500 * MS, 0, 0, 0 });
	sim_run(s, 20 * SECOND);
	print_message("200 clients on 500 ms computations: %u workers\n", sim_workers(s));
	assert_in_range(sim_workers(s), 2, 50);
	test_free(s);
}

static void
short_sleeps_are_not_starved(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	/* Workers busy for less than patience always look available. */
	sim_clients(s, 64, (struct profile){ 20 * US, 20 * US, 5 * MS, 0, 0 });
	sim_run(s, SECOND);
	s->done = 0;
	sim_run(s, SECOND);
	print_message("64 clients on 5 ms: %u workers, %llu requests/s\n", sim_workers(s),
	    (unsigned long long)s->done);
	assert_true(s->done > 11000);
	assert_in_range(sim_workers(s), 60, 100);
	test_free(s);
}

static void
computations_that_are_handed_over_use_no_more(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 64, (struct profile){ 20 * US, 2 * MS, 0, 0, 200 * US });
	sim_run(s, 3 * SECOND);
	print_message("2 ms computations: %u workers, %llu requests/s\n", sim_workers(s),
	    (unsigned long long)(s->done / 3));
	assert_in_range(sim_workers(s), 2, 4);
	test_free(s);
}

/* Where many sleep and some compute, those that compute get no more than as many
 * again. */
static void
sleepers_are_no_reason_to_crowd_the_processors(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 20, (struct profile){ 20 * US, 20 * US, 10 * SECOND, 0, 200 * US });
	sim_run(s, 200 * MS);
	sim_clients(s, 64, (struct profile){ 20 * US, 2 * MS, 0, 0, 200 * US });
	sim_run(s, 3 * SECOND);
	print_message("2 ms computations beside twenty sleepers: %u workers\n", sim_workers(s));
	assert_in_range(sim_workers(s), 22, 40);
	test_free(s);
}

static void
never_more_than_the_maximum(void **unused)
{
	struct sim *s = sim_new(1, 10);

	(void)unused;
	sim_clients(s, 200, (struct profile){ 20 * US, 20 * US, 50 * MS, 0, 0 });
	sim_run(s, SECOND);
	assert_int_equal(s->most, 10);
	assert_int_equal(sim_workers(s), 10);
	/* The clock stands still there, and goes on when there is room. */
	sim_quiet(s);
	sim_run(s, 8 * SECOND);
	assert_int_equal(sim_workers(s), 1);
	sim_clients(s, 5, (struct profile){ 20 * US, 20 * US, SECOND, 0, 0 });
	sim_run(s, 100 * MS);
	assert_in_range(sim_workers(s), 5, 8);
	test_free(s);
}

static void
surplus_leaves_after_the_idle_timeout(void **unused)
{
	struct sim *s = sim_new(2, 256);

	(void)unused;
	sim_clients(s, 40, (struct profile){ 20 * US, 20 * US, SECOND, 3600 * SECOND, 0 });
	sim_run(s, 1500 * MS);
	assert_int_equal(s->done, 40);
	assert_true(sim_workers(s) >= 40);
	sim_run(s, 3 * SECOND);
	assert_true(sim_workers(s) >= 40);
	sim_run(s, 4500 * MS);
	assert_int_equal(sim_workers(s), 2);
	test_free(s);
}

static void
scattered_traffic_keeps_no_surplus(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 60, (struct profile){ 20 * US, 20 * US, 100 * MS, 3600 * SECOND, 0 });
	sim_run(s, SECOND);
	assert_true(sim_workers(s) >= 60);
	/* From now on one short request each 20 ms: any of the 60 may take it. */
	sim_clients(s, 1, (struct profile){ 20 * US, 20 * US, MS, 20 * MS, 0 });
	sim_run(s, 7500 * MS);
	print_message("scattered traffic: %u workers left\n", sim_workers(s));
	assert_in_range(sim_workers(s), 1, 3);
	test_free(s);
}

static void
what_was_forked_for_sleeps_leaves_under_computations(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	/* Sixty workers, and then a load that would keep any number busy: few
	 * must stay, nearly as if it had begun with one. */
	sim_clients(s, 60, (struct profile){ 20 * US, 20 * US, 300 * MS, 3600 * SECOND, 0 });
	sim_run(s, 200 * MS);
	assert_true(sim_workers(s) >= 60);
	sim_clients(s, 64, (struct profile){ 10 * US, 200 * US, 0, 0, 0 });
	sim_run(s, 9 * SECOND);
	print_message("computations after sleeps: %u workers\n", sim_workers(s));
	assert_in_range(sim_workers(s), 2, 10);
	test_free(s);
}

static void
a_few_sleeps_beside_fast_ones(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 60, (struct profile){ 10 * US, 10 * US, 0, 30 * MS, 0 });
	sim_clients(s, 4, (struct profile){ 10 * US, 10 * US, 100 * MS, 20 * MS, 0 });
	sim_run(s, 3 * SECOND);
	print_message("four that sleep beside sixty: %u workers, slowest wait %llu us\n",
	    sim_workers(s), (unsigned long long)(s->slowest / US));
	assert_in_range(sim_workers(s), 4, 12);
	s->slowest = 0;
	sim_run(s, SECOND);
	assert_true(s->slowest < 2 * MS);
	test_free(s);
}

/* One more slow request at a time, and always somebody there for what comes
 * between: nothing has to wait for a fork. */
static void
growing_sleeps_make_nobody_wait(void **unused)
{
	struct sim *s = sim_new(1, 256);

	(void)unused;
	sim_clients(s, 2, (struct profile){ 10 * US, 10 * US, SECOND, 0, 0 });
	sim_clients(s, 8, (struct profile){ 10 * US, 10 * US, 0, MS, 0 });
	sim_run(s, 100 * MS);
	s->slowest = 0;
	for (unsigned i = 0; i < 10; i++) {
		sim_clients(s, 1, (struct profile){ 10 * US, 10 * US, SECOND, 0, 0 });
		sim_run(s, 20 * MS);
	}
	print_message("twelve that sleep: %u workers, slowest wait %llu us\n", sim_workers(s),
	    (unsigned long long)(s->slowest / US));
	assert_true(s->slowest < 200 * US);
	assert_in_range(sim_workers(s), 13, 16);
	test_free(s);
}

static void
company_for_one_that_is_never_done(void **unused)
{
	struct spawn_state state = { 0 };
	struct spawn_limits limits = { .min = 1, .max = 8, .processors = 2, .patience_ns = MS };
	struct spawn_view v = { .now_ns = SECOND, .workers = 1, .idle = 1, .available = 1,
	    .youngest_run_ns = UINT64_MAX, .crowded = true };

	(void)unused;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 1);
	limits.max = 1;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	limits.max = 8;
	v.starting = 1;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.starting = 0;
	v.workers = v.idle = v.available = 2;	/* as many as there are processors */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
}

static void
company_for_the_last_one(void **unused)
{
	struct spawn_state state = { 0 };
	struct spawn_limits limits = { .min = 1, .max = 8, .processors = 2, .patience_ns = MS };
	struct spawn_view v = { .now_ns = SECOND, .workers = 3, .idle = 1, .available = 1,
	    .youngest_run_ns = 10 * MS };
	struct spawn_decision d = spawn_decide(&state, &v, &limits);

	(void)unused;
	assert_int_equal(d.fork, 1);
	assert_true(d.sleep);
	v.on_processor = 1;		/* one computes, one sleeps */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.on_processor = 0;
	v.full = 1;			/* one holds its connections, one sleeps */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.full = 0;
	v.workers = 2;			/* a single slow request */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.workers = 8;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
}

/* With fewer workers than connections some of these are always on their way,
 * which alone may take the processors and keep some worker looking idle. */
static void
sleepers_that_hand_over_get_a_few_more_at_a_time(void **unused)
{
	struct spawn_state state = { 0 };
	struct spawn_limits limits = { .min = 1, .max = 99, .processors = 2, .patience_ns = MS };
	struct spawn_view v = { .now_ns = SECOND, .workers = 50, .idle = 1, .available = 5,
	    .blocked = 45, .on_processor = 4, .youngest_run_ns = 100 * US, .waiting = true,
	    .handed_over = true, .oldest_wait_ns = MS };

	(void)unused;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.now_ns += 10 * MS;
	assert_true(spawn_asks_processors(&state, &v, &limits));
	assert_in_range(spawn_decide(&state, &v, &limits).fork, 1, 10);
	/* Not the next at once. */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.now_ns += 10 * MS;
	v.on_processor = 30;		/* what blocks is computing */
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.on_processor = 4;
	v.blocked = 20;			/* half of them are at work */
	assert_false(spawn_asks_processors(&state, &v, &limits));
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
}

static void
leaving_workers_count_against_the_maximum(void **unused)
{
	struct spawn_state state = { 0 };
	struct spawn_limits limits = { .min = 1, .max = 4, .processors = 2, .patience_ns = MS };
	struct spawn_view v = { .now_ns = SECOND, .workers = 2, .leaving = 2, .waiting = true,
	    .youngest_run_ns = 10 * MS };
	struct spawn_decision d = spawn_decide(&state, &v, &limits);

	(void)unused;
	assert_int_equal(d.fork, 0);
	assert_false(d.watch);
	v.leaving = 1;
	d = spawn_decide(&state, &v, &limits);
	assert_int_equal(d.fork, 1);
}

static void
more_workers_than_the_maximum_do_no_harm(void **unused)
{
	struct spawn_state state = { 0 };
	struct spawn_limits limits = { .min = 5, .max = 4, .processors = 2, .patience_ns = 0 };
	struct spawn_view v = { .now_ns = SECOND, .workers = 9, .leaving = UINT32_MAX / 4,
	    .waiting = true, .handed_over = true, .oldest_wait_ns = UINT64_MAX };
	struct spawn_peak peak = { { UINT32_MAX, 0, 3 }, 2 };

	(void)unused;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	assert_int_equal(spawn_surplus(&peak, 9, &limits), 0);
}

/* What the board says of handed-over connections outlives the last of them. */
static void
a_stale_wait_forks_nobody(void **unused)
{
	struct spawn_limits limits = { .min = 1, .max = 9, .processors = 2, .patience_ns = MS };
	struct spawn_state state = { 0 };
	struct spawn_view v = { .now_ns = SECOND, .workers = 2, .available = 1,
	    .waiting = true, .oldest_wait_ns = SECOND };

	(void)unused;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 0);
	v.handed_over = true;
	assert_int_equal(spawn_decide(&state, &v, &limits).fork, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_server_keeps_the_minimum_and_sleeps),
		cmocka_unit_test(without_a_minimum_the_first_request_gets_a_worker),
		cmocka_unit_test(blocked_clients_get_a_worker_each_in_doubling_batches),
		cmocka_unit_test(one_blocked_worker_delays_the_next_request_by_little),
		cmocka_unit_test(fast_servlets),
		cmocka_unit_test(short_computations_use_the_processors_and_no_more),
		cmocka_unit_test(taken_processors_are_left_to_others),
		cmocka_unit_test(long_computations_are_restrained),
		cmocka_unit_test(a_quick_request_passes_long_computations),
		cmocka_unit_test(long_computations_do_not_have_others_refused),
		cmocka_unit_test(short_sleeps_are_not_starved),
		cmocka_unit_test(computations_that_are_handed_over_use_no_more),
		cmocka_unit_test(sleepers_are_no_reason_to_crowd_the_processors),
		cmocka_unit_test(never_more_than_the_maximum),
		cmocka_unit_test(surplus_leaves_after_the_idle_timeout),
		cmocka_unit_test(scattered_traffic_keeps_no_surplus),
		cmocka_unit_test(what_was_forked_for_sleeps_leaves_under_computations),
		cmocka_unit_test(a_few_sleeps_beside_fast_ones),
		cmocka_unit_test(growing_sleeps_make_nobody_wait),
		cmocka_unit_test(company_for_the_last_one),
		cmocka_unit_test(company_for_one_that_is_never_done),
		cmocka_unit_test(sleepers_that_hand_over_get_a_few_more_at_a_time),
		cmocka_unit_test(leaving_workers_count_against_the_maximum),
		cmocka_unit_test(more_workers_than_the_maximum_do_no_harm),
		cmocka_unit_test(a_stale_wait_forks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
