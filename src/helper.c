/* helper.c - see helper.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include "clock.h"
#include "held.h"
#include "log.h"
#include "processor.h"
#include "siblings.h"
#include "worker.h"

/* A main thread that computes, or was preempted, is given this many times the
 * patience: where the processors are taken, changing hands only adds work. */
#define COMPUTE_PATIENCE 5

/* So many servlets between two looks: the worker is in full swing, and looking
 * again is cheaper than being woken for each. */
#define FULL_SWING 8

/* Then it looks once in patience if it had to take over lately, and less and less
 * often if not: down to once in so many, in steps of the part given. */
#define SWING_PATIENCE 4
#define SWING_STEP 256

#define BATCH 16	/* events handled before the main thread is looked after */

#define DESCRIPTORS 1024	/* that fit the table before it has to grow */

static enum turn_state
turn_state(uint64_t turn)
{
	return (enum turn_state)(turn & 3);
}

static uint64_t
turn_with(uint64_t turn, enum turn_state state)
{
	return (turn & ~(uint64_t)3) | state;
}

void
helper_init(struct helper *h, struct worker *w, uint64_t patience_ns)
{
	memset(h, 0, sizeof(*h));
	h->worker = w;
	h->patience_ns = patience_ns;
	h->timer_fd = -1;
	pthread_mutex_init(&h->mutex, NULL);
}

static int
helper_open(struct helper *h)
{
	if (pipe2(h->kick_fds, O_NONBLOCK | O_CLOEXEC) == -1)
		return -1;
#ifdef __linux__
	h->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (h->timer_fd == -1) {
		close(h->kick_fds[0]);
		close(h->kick_fds[1]);
		return -1;
	}
#endif
	return 0;
}

/* Where the table of descriptors of a process with threads grows, Linux waits
 * until every processor has let go of the old one (RCU): some ten milliseconds,
 * at 64, 128, 256 connections and so on.  So it grows before there are threads. */
static void
helper_make_room(const struct helper *h)
{
	int fd = fcntl(h->kick_fds[0], F_DUPFD_CLOEXEC, DESCRIPTORS - 1);

	if (fd != -1)
		close(fd);
}

static void
helper_kick(struct helper *h)
{
	ssize_t n = write(h->kick_fds[1], "", 1);

	(void)n;	/* a full pipe wakes as well */
}

static void
drain(int fd)
{
	char octets[64];

	while (read(fd, octets, sizeof(octets)) == (ssize_t)sizeof(octets))
		continue;
}

/* The helper wakes after so long.  Where there is no timer descriptor, the
 * main thread's kick makes it look and it waits by itself. */
static void
helper_arm(struct helper *h, uint64_t after_ns)
{
#ifdef __linux__
	struct itimerspec t = {
		.it_value.tv_sec = (time_t)(after_ns / 1000000000u),
		.it_value.tv_nsec = (long)(after_ns % 1000000000u),
	};

	timerfd_settime(h->timer_fd, 0, &t, NULL);
#else
	(void)after_ns;
	helper_kick(h);
#endif
}

bool
helper_enter(struct helper *h, uint64_t now_ns, bool alone)
{
	uint64_t turn = atomic_load_explicit(&h->turn, memory_order_relaxed);

	atomic_store_explicit(&h->entered_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit(&h->alone, alone, memory_order_relaxed);
	atomic_store(&h->turn, turn_with(turn + 4, TURN_SERVLET));
	if (!h->started || alone)
		return false;
	if (!atomic_load(&h->armed)) {
		atomic_store(&h->armed, true);
		helper_arm(h, h->patience_ns);
	}
	return true;
}

/* The main thread takes the loop back, unless another thread has crashed
 * meanwhile: then the process is about to die, and the loop is the helper's. */
static void
helper_take_back(struct helper *h, uint64_t turn)
{
	uint64_t held = turn_with(turn, TURN_HELPER);

	atomic_store(&h->wanted, true);
	pthread_mutex_lock(&h->mutex);
	atomic_store(&h->wanted, false);
	if (atomic_compare_exchange_strong(&h->turn, &held, turn_with(turn, TURN_LOOP)))
		return;
	pthread_mutex_unlock(&h->mutex);
	for (;;)
		pause();
}

bool
helper_leave(struct helper *h)
{
	uint64_t turn = atomic_load_explicit(&h->turn, memory_order_relaxed);
	uint64_t mine = turn_with(turn, TURN_SERVLET);

	if (atomic_compare_exchange_strong(&h->turn, &mine, turn_with(turn, TURN_LOOP)))
		return false;
	helper_take_back(h, turn);
	h->worker->loop.now_ms = clock_ms();
	siblings_unwatch(h->worker);
	intake_update(h->worker, false);
	pthread_mutex_unlock(&h->mutex);
	helper_kick(h);
	return true;
}

bool
helper_in_servlet(struct helper *h)
{
	/* A crashed one too: the helper, in the midst of an event, must not take
	 * itself for the main thread and run what has become ready. */
	return turn_state(atomic_load(&h->turn)) != TURN_LOOP;
}

bool
helper_crash(struct helper *h)
{
	uint64_t turn = atomic_load(&h->turn);

	do {
		if (turn_state(turn) == TURN_LOOP)
			return false;
	} while (!atomic_compare_exchange_strong(&h->turn, &turn, turn_with(turn, TURN_CRASHED)));
	return true;
}

void
helper_evacuate(struct helper *h)
{
	const struct timespec millisecond = { .tv_nsec = 1000000 };
	int i;

	if (!h->started)
		return;
	helper_kick(h);
	for (i = 0; i < 1000 && !atomic_load(&h->evacuated); i++)
		nanosleep(&millisecond, NULL);
}

static void
helper_batch(struct helper *h, uint64_t turn, const struct poller_event *events, int n)
{
	struct worker *w = h->worker;
	int i;

	w->loop.now_ms = clock_ms();
	for (i = 0; i < n; i++) {
		if (atomic_load(&h->wanted) || atomic_load(&h->turn) != turn)
			break;
		worker_event(w, &events[i]);
	}
	if (atomic_load(&h->turn) == turn) {
		loop_expire(&w->loop);
		if (w->leaving == WORKER_LEAVES)
			siblings_keep_all(w);
	}
	loop_batch_end(&w->loop);
}

/* Holds the loop until the servlet returns or crashes.  The mutex is held on
 * entry and on return. */
static void
helper_hold(struct helper *h, uint64_t turn)
{
	struct poller_event events[BATCH];
	struct worker *w = h->worker;
	int n, timeout;

	h->takeovers++;
	held_release(&w->loop);
	connection_unwatch(&w->loop, w->servlet.connection);
	intake_update(w, true);
	siblings_run_all(w);
	/* This worker accepts no more: if all are so, or one alone is left, somebody
	 * must see to what comes. */
	if (atomic_load(&w->setup->board->idle) <= 1)
		board_wake(w->setup->board);
	while (atomic_load(&h->turn) == turn) {
		w->loop.now_ms = clock_ms();
		timeout = loop_timeout(&w->loop);
		pthread_mutex_unlock(&h->mutex);
		n = poller_wait(w->loop.poller, events, BATCH, timeout, h->kick_fds[0]);
		pthread_mutex_lock(&h->mutex);
		if (atomic_load(&h->turn) == turn)
			helper_batch(h, turn, events, n > 0 ? n : 0);
	}
}

/* A servlet has run for longer than patience: take the loop if it still does. */
static void
helper_take(struct helper *h, uint64_t turn)
{
	uint64_t held = turn_with(turn, TURN_HELPER);

	/* A kick that came since the helper woke is about an earlier turn; left
	 * there it would end every wait of this one at once. */
	drain(h->kick_fds[0]);
	pthread_mutex_lock(&h->mutex);
	if (atomic_compare_exchange_strong(&h->turn, &turn, held))
		helper_hold(h, held);
	pthread_mutex_unlock(&h->mutex);
}

/* Looks no more by itself, unless a servlet was entered just now, which may
 * have seen `armed`.  Returns as helper_look(). */
static uint64_t
helper_rest(struct helper *h, uint64_t turn)
{
	if (!atomic_load(&h->armed))
		return 0;
	atomic_store(&h->armed, false);
	return atomic_load(&h->turn) == turn ? 0 : h->patience_ns;
}

/* How long until the next look at a worker in full swing. */
static uint64_t
helper_swing(struct helper *h)
{
	if (h->swing_takeovers != h->takeovers || h->swing_ns == 0) {
		h->swing_takeovers = h->takeovers;
		h->swing_ns = h->patience_ns;
	} else if (h->swing_ns < SWING_PATIENCE * h->patience_ns) {
		h->swing_ns += h->patience_ns / SWING_STEP;
	}
	return h->swing_ns;
}

/* Looks at the turn; returns how long until it wants to look again, 0: when woken. */
static uint64_t
helper_look(struct helper *h)
{
	uint64_t turn = atomic_load(&h->turn), age;
	bool swing = turn - h->looked > FULL_SWING << 2;

	h->looked = turn;
	switch (turn_state(turn)) {
	case TURN_CRASHED:
		pthread_mutex_lock(&h->mutex);
		if (!atomic_load(&h->evacuated))
			siblings_evacuate(h->worker);
		atomic_store(&h->evacuated, true);
		pthread_mutex_unlock(&h->mutex);
		return 0;
	case TURN_SERVLET:
		if (atomic_load_explicit(&h->alone, memory_order_relaxed))
			return helper_rest(h, turn);
		age = clock_ns() - atomic_load(&h->entered_ns);
		if ((int64_t)age < (int64_t)h->patience_ns && swing)
			return helper_swing(h);
		if ((int64_t)age < (int64_t)h->patience_ns)
			return (int64_t)age < 0 ? h->patience_ns : h->patience_ns - age;
		if (age < COMPUTE_PATIENCE * h->patience_ns && processor_wanted(getpid()))
			return h->patience_ns;
		atomic_store(&h->armed, false);
		helper_take(h, turn);
		/* Whatever comes next arms the timer itself, unless it came before
		 * `armed` was cleared: a crash, or a servlet entered meanwhile. */
		return h->patience_ns;
	default:
		if (swing && atomic_load(&h->armed))
			return helper_swing(h);
		return helper_rest(h, turn);
	}
}

static void *
helper_main(void *context)
{
	struct helper *h = context;
	struct pollfd p[2] = {
		{ .fd = h->kick_fds[0], .events = POLLIN },
		{ .fd = h->timer_fd, .events = POLLIN },
	};
	struct timespec wait;
	uint64_t again;

	for (;;) {
		again = helper_look(h);
		wait.tv_sec = (time_t)(again / 1000000000u);
		wait.tv_nsec = (long)(again % 1000000000u);
		if (ppoll(p, h->timer_fd == -1 ? 1 : 2, again > 0 ? &wait : NULL, NULL) <= 0)
			continue;
		if (p[0].revents != 0)
			drain(h->kick_fds[0]);
		if (h->timer_fd != -1 && p[1].revents != 0)
			drain(h->timer_fd);
	}
	return NULL;
}

void
helper_start(struct helper *h)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	int error;

	if (h->started || h->failed)
		return;
	if (helper_open(h) == -1) {
		log_error("the helper thread has no descriptors: %s", strerror(errno));
		h->failed = true;
		return;
	}
	helper_make_room(h);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	error = pthread_create(&h->thread, &attributes, helper_main, h);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0) {
		/* It goes on without: other connections wait for a slow servlet. */
		log_error("the helper thread could not be made: %s", strerror(error));
		h->failed = true;
		return;
	}
	h->started = true;
}
