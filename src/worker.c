/* worker.c - see worker.h. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "crash.h"
#include "held.h"
#include "log.h"
#include "runner.h"
#include "siblings.h"
#include "signals.h"
#include "uring.h"
#include "worker.h"

#define BATCH 64	/* events fetched at once */

/* So many at once, and the worker is busy: who is answered a little later has
 * waited for longer than that, and the client has other answers to work on. */
#define BUSY_BATCH 8

/* A client that gets responses at shorter intervals is awake anyway. */
#define AWAKE_NS 20000u

/* After a servlet was slow no short batch is answered in one for so long, for those
 * before the next slow one would wait; and for a moment after those of a batch took
 * longer than QUICK_NS each. */
#define CALM_NS 1000000000u
#define QUICK_NS 100000u
#define MOMENT_NS 10000000u

/* A batch that takes so many times the patience is shared even where all
 * processors are taken. */
#define SHARE_PATIENCE 10

/* The process's one worker; pthread_atfork has no argument to pass it. */
static struct worker worker;

/* A child of a servlet's may go on reading the request's body. */
static void
worker_forks(void)
{
	/* The zygote writes to no page for it. */
	if (worker.setup != NULL)
		atomic_fetch_add(&worker.loop.requests.spares.forks, 1);
}

/* In a process that a servlet forked: the connections are the worker's. */
static void
worker_forked_child(void)
{
	struct connection *c;
	size_t i;

	if (worker.setup == NULL)
		return;		/* the zygote's child: a worker itself */
	for (c = worker.loop.all; c != NULL; c = c->next)
		close(c->fd);
	for (i = 0; i < worker.intake.listener_count; i++)
		close(worker.intake.listeners[i].fd);
	spool_spares_close(&worker.loop.requests.spares);
	uring_free(worker.loop.uring);
	worker.loop.uring = NULL;
	close(worker.setup->control_fd);
	worker.loop.held_first = NULL;
	worker.response.broken = true;
	worker.is_copy = true;
	signals_forked();
}

int
worker_prepare(const struct config *config, const struct listeners *listeners,
    bool access_log)
{
	struct worker *w = &worker;

	if (crash_prepare(w) == -1 || intake_prepare(&w->intake, listeners) == -1)
		return -1;
	w->control = SOURCE_CONTROL;
	w->quick = 1;
	w->processors = processor_count();
	w->arena = arena_init(w->arena_room, sizeof(w->arena_room), SERVLET_ARENA_MAX);
	if (response_init(&w->response) == -1)
		return -1;
	w->response.write_timeout_ms = config->timeouts.write;
	w->servlet.config = config;
	w->servlet.response = &w->response;
	w->servlet.arena = w->arena;
	helper_init(&w->helper, w, config->workers.patience_ns);
	if (pthread_atfork(worker_forks, NULL, worker_forked_child) != 0)
		return -1;
	if (loop_prepare(&w->loop, config, access_log) == -1)
		return -1;
	for (size_t i = 0; i < WORKER_CONNECTIONS; i++) {
		w->connections[i].queue_next = w->loop.free;
		w->loop.free = &w->connections[i];
	}
	return request_pool_fill(&w->loop.requests, WORKER_CONNECTIONS);
}

static int
worker_init(struct worker *w, const struct worker_setup *setup)
{
	w->setup = setup;
	if (loop_open(&w->loop, setup->slot, setup->tallies, setup->access_log_fd) == -1)
		return -1;
	w->servlet.programs = setup->programs;
	if (poller_add(w->loop.poller, setup->control_fd, POLLER_IN, &w->control) == -1)
		return -1;
	intake_open(w);
	crash_arm();
	return 0;
}

/* Nobody follows: idle connections have nothing to wait for, unless a request has
 * come that was not read yet. */
static void
worker_stop(struct worker *w)
{
	enum connection_next then;
	struct connection *c, *next;

	w->loop.stopping = true;
	for (c = w->loop.all; c != NULL; c = next) {
		next = c->next;
		then = CONNECTION_WAIT;
		if (c->state == CONNECTION_IDLE)
			then = connection_read(&w->loop, c);
		if (then == CONNECTION_RUN)
			siblings_run(w, c);
		else if (then == CONNECTION_WAIT &&
		    (c->state == CONNECTION_IDLE || c->state == CONNECTION_LINGERING))
			connection_close(&w->loop, c);
	}
}

static void
worker_leave(struct worker *w, enum worker_leaving how)
{
	bool held = helper_in_servlet(&w->helper);

	if (w->leaving == WORKER_STOPS)
		return;
	w->leaving = how;
	if (!held)
		board_leaving(w->setup->board, w->setup->slot);
	intake_update(w, held);
	if (how != WORKER_STOPS)
		return;
	worker_stop(w);
	intake_finish(w);
}

static void
worker_use_logs(struct worker *w, const int *fds, int count)
{
	if (count > 0) {
		dup2(fds[0], STDOUT_FILENO);
		dup2(fds[0], STDERR_FILENO);
		close(fds[0]);
	}
	if (count > 1) {
		if (w->loop.access.fd != -1)
			dup3(fds[1], w->loop.access.fd, O_CLOEXEC);
		access_lines_open(&w->loop.access, w->loop.access.fd);
		close(fds[1]);
	}
}

static void
worker_control(struct worker *w)
{
	int fds[2], count = 0;

	switch (control_receive(w->setup->control_fd, fds, &count)) {
	case CONTROL_LEAVE:
		worker_leave(w, WORKER_LEAVES);
		break;
	case CONTROL_STOP:
		worker_leave(w, WORKER_STOPS);
		break;
	case CONTROL_LOGS:
		worker_use_logs(w, fds, count);
		break;
	case CONTROL_EOF:
	case CONTROL_ERROR:
		crash_disarm();	/* the zygote has gone, and the server with it */
		_exit(0);
	default:
		break;
	}
}

/* Whether another worker would do good: it is idle or could be forked, and has
 * a processor, or this one is slow enough that requests are better off taking
 * turns. */
static bool
worker_help_exists(struct worker *w)
{
	struct board *b = w->setup->board;

	if (atomic_load_explicit(&b->idle, memory_order_relaxed) == 0 &&
	    atomic_load_explicit(&b->workers, memory_order_relaxed) >= w->processors)
		return false;
	return processor_spare(&w->use, w->batch_ns) ||
	    clock_ns() - w->batch_ns >= SHARE_PATIENCE * w->helper.patience_ns;
}

/* Whether the next ready connection had better go to a sibling, for this worker
 * has been busy with one batch for longer than patience.  Every second one
 * goes, so that both have work; where it has gone it stays. */
static bool
worker_shares(struct worker *w)
{
	if (!w->ran || w->leaving != WORKER_STAYS ||
	    atomic_load_explicit(&w->helper.entered_ns, memory_order_relaxed) <
	    w->batch_ns + w->helper.patience_ns)
		return false;
	if (w->sharing == SHARING_UNKNOWN)
		w->sharing = worker_help_exists(w) ? SHARING_YES : SHARING_NO;
	w->ran = false;
	return w->sharing == SHARING_YES;
}

/* Whether a connection with a large body had better go to a sibling.  It is work
 * even between its requests, so one after the other goes from a worker that is
 * never done as long as there is a processor to spare: to one that is idle, and
 * where there is none the zygote makes one. */
static bool
worker_unloads(struct worker *w, const struct connection *c)
{
	struct board *b = w->setup->board;
	uint32_t own;

	if (c->request->body.fd == -1 || w->loop.count == 1 || w->leaving != WORKER_STAYS ||
	    !processor_spare(&w->use, w->batch_ns) || !w->use.busy)
		return false;
	/* It counts itself, unless it has run a servlet in this batch. */
	own = atomic_load(&w->setup->slot->state) == SLOT_IDLE;
	if (atomic_load(&b->idle) > own)
		return true;
	if (atomic_load(&b->workers) < w->processors && atomic_exchange(&b->crowded, 1) == 0)
		board_wake(b);
	return false;
}

void
worker_event(struct worker *w, const struct poller_event *event)
{
	struct connection *c = event->data;
	enum source source = *(enum source *)event->data;
	bool taken = false;

	if (source != SOURCE_CONNECTION)
		held_release(&w->loop);
	switch (source) {
	case SOURCE_CONNECTION:
		if (c->fd == -1)	/* closed earlier in this batch */
			return;
		if (connection_event(&w->loop, c, event->events) != CONNECTION_RUN)
			return;
		if (helper_in_servlet(&w->helper) || worker_shares(w) || worker_unloads(w, c))
			siblings_run(w, c);
		else
			runner_serve(w, c, &taken);
		break;
	case SOURCE_LISTENER:
	case SOURCE_RUN:
	case SOURCE_KEEP:
		intake_event(w, event->data);
		break;
	case SOURCE_RUN_ROOM:
	case SOURCE_KEEP_ROOM:
		siblings_room(w, (int)source);
		break;
	case SOURCE_CONTROL:
		worker_control(w);
		break;
	}
}

/* Runs what stands ready: pipelined requests, and what came while the helper
 * had the loop. */
static void
worker_run_ready(struct worker *w)
{
	struct connection *c, *last = w->loop.ready_last;
	bool taken = false;

	while (!taken && (c = loop_ready_take(&w->loop)) != NULL) {
		runner_serve(w, c, &taken);
		if (c == last)
			break;
	}
}

/* Whether the responses to a batch of so many events leave together (held.h). */
static bool
worker_holds(struct worker *w, int n)
{
	if (!w->helper.started)
		return false;
	if (n >= BUSY_BATCH)
		held_together(&w->loop);
	return (n >= BUSY_BATCH && w->pace_ns >= AWAKE_NS) ||
	    (n > 1 && w->loop.uring != NULL && w->batch_ns >= w->calm_ns);
}

/* After a batch: what is to be expected of the next ones.  slow: the helper had
 * the loop. */
static void
worker_judge(struct worker *w, int n, bool slow)
{
	uint64_t now = clock_ns(), calm = now;

	if (slow)
		calm += CALM_NS;
	else if (now - w->batch_ns > (uint64_t)n * QUICK_NS)
		calm += MOMENT_NS;
	if (calm > w->calm_ns)
		w->calm_ns = calm;
}

static void
worker_batch(struct worker *w, const struct poller_event *events, int n)
{
	uint64_t takeovers = w->helper.takeovers;
	bool holds = worker_holds(w, n);
	int i;

	/* Events fetched before the helper had the loop are stale; whatever still
	 * holds is reported again. */
	for (i = 0; i < n && w->helper.takeovers == takeovers; i++) {
		w->loop.may_hold = holds && (i + 1 < n || w->loop.held_first != NULL);
		worker_event(w, &events[i]);
	}
	w->loop.may_hold = false;
	held_release(&w->loop);
	worker_run_ready(w);
	if (w->loop.uring != NULL)
		worker_judge(w, n, w->helper.takeovers != takeovers);
	loop_expire(&w->loop);
	loop_batch_end(&w->loop);
	if (w->intake.paused_until_ms != 0 && w->loop.now_ms >= w->intake.paused_until_ms)
		w->intake.paused_until_ms = 0;
	intake_update(w, false);
	if (w->leaving == WORKER_LEAVES)
		siblings_keep_all(w);
	if (w->leaving != WORKER_STAYS)
		board_leaving(w->setup->board, w->setup->slot);
	else if (w->intake.listening)
		board_idle(w->setup->board, w->setup->slot);
	else
		board_full(w->setup->board, w->setup->slot);
}

/* Whether there is nothing left to do.  A worker that stops answers first what
 * its siblings have handed over. */
static bool
worker_done(struct worker *w)
{
	if (w->leaving == WORKER_STAYS || w->loop.count > 0)
		return false;
	return w->leaving == WORKER_LEAVES || !intake_waiting(w);
}

/* Tells the zygote that this worker has answered as many as it should. */
static void
worker_count(struct worker *w)
{
	uint64_t most = w->setup->config->workers.max_requests;

	if (most == 0 || w->request_count < most ||
	    atomic_load(&w->setup->slot->wants_replacement) != 0)
		return;
	atomic_store(&w->setup->slot->wants_replacement, 1);
	board_call(w->setup->board);
}

static int
worker_timeout(const struct worker *w)
{
	int timeout = loop_timeout(&w->loop);

	if (w->loop.ready_first != NULL)
		return 0;
	if (w->intake.paused_until_ms != 0 && (timeout == -1 || timeout > 100))
		return 100;
	return timeout;
}

/* One wait for events, with the locks of interpreters released. */
struct worker_wait {
	struct worker *w;
	int count;
	struct poller_event events[BATCH];
};

static void
worker_sleep(void *argument)
{
	struct worker_wait *wait = argument;

	wait->count = poller_wait(wait->w->loop.poller, wait->events, BATCH,
	    worker_timeout(wait->w), -1);
}

/* Until the worker ends, or has opened a program that it is better inside of. */
static void
worker_live(void *argument)
{
	struct worker_wait *wait = argument;
	struct worker *w = wait->w;
	const struct programs *programs = w->setup->programs;

	while (!worker_done(w) && !programs->opened) {
		wait->count = 0;
		programs_idle(programs, worker_sleep, wait);
		w->batch_ns = clock_ns();
		w->sharing = SHARING_UNKNOWN;
		w->loop.now_ms = w->batch_ns / 1000000u;
		worker_batch(w, wait->events, wait->count > 0 ? wait->count : 0);
		worker_count(w);
	}
}

int
worker_run(const struct worker_setup *setup)
{
	struct worker *w = &worker;
	struct worker_wait wait = { .w = w };

	if (worker_init(w, setup) == -1) {
		log_error("a worker could not start: %s", strerror(errno));
		return 1;
	}
	board_idle(setup->board, setup->slot);
	while (!worker_done(w))
		programs_inside(setup->programs, worker_live, &wait);
	runner_settle(w);
	programs_close(setup->programs);
	return 0;
}
