/* siblings.c - see siblings.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "connection.h"
#include "log.h"
#include "siblings.h"
#include "spool.h"
#include "worker.h"

/* What a crashed worker's connections may take to leave, in all; the crash
 * handler waits a little longer. */
#define EVACUATE_NS 900000000u
#define EVACUATE_POLL_MS 2

static enum source run_room = SOURCE_RUN_ROOM, keep_room = SOURCE_KEEP_ROOM;
static bool watching_run, watching_keep;

static void
watch_room(struct worker *w, bool *watching, int fd, enum source *source)
{
	if (!*watching && poller_add(w->loop.poller, fd, POLLER_OUT, source) == 0)
		*watching = true;
}

static void
unwatch_room(struct worker *w, bool *watching, int fd)
{
	if (*watching)
		poller_remove(w->loop.poller, fd);
	*watching = false;
}

/* One that is too large as octets goes as a file. */
static int
send_smaller(int fd, struct connection *c, uint64_t now_ns)
{
	if (handover_send(fd, c, now_ns) == 0)
		return 0;
	if (errno != EMSGSIZE)
		return -1;
	if (c->request != NULL && c->request->body.length > 0 &&
	    spool_to_file(&c->request->body) == -1)
		return -1;
	if (c->output != NULL && spool_to_file(&c->output->spool) == -1)
		return -1;
	return handover_send(fd, c, now_ns);
}

/* 0: given away and gone, -1: try again when there is room. */
static int
give(struct worker *w, int fd, struct connection *c)
{
	connection_unwatch(&w->loop, c);
	if (send_smaller(fd, c, clock_ns()) == -1) {
		if (errno == EAGAIN)
			return -1;
		log_error("a connection could not be handed over: %s", strerror(errno));
	}
	connection_close(&w->loop, c);
	return 0;
}

/* Somebody must take what waits in `run`. */
static void
announce(struct board *b)
{
	uint64_t none = 0;

	atomic_compare_exchange_strong(&b->handed_over_ns, &none, clock_ns());
	if (atomic_load(&b->idle) == 0)
		board_wake(b);
}

static int
give_run(struct worker *w, struct connection *c)
{
	if (w->setup->config->workers.max == 1 && w->leaving == WORKER_STAYS)
		return -1;		/* nobody else will ever come */
	if (give(w, w->setup->handover->run[0], c) == -1) {
		watch_room(w, &watching_run, w->setup->handover->run[0], &run_room);
		return -1;
	}
	announce(w->setup->board);
	return 0;
}

void
siblings_run(struct worker *w, struct connection *c)
{
	connection_unwatch(&w->loop, c);
	c->request->ready_ns = clock_ns();
	if (w->loop.ready_first != NULL || give_run(w, c) == -1)
		loop_ready_add(&w->loop, c);
}

bool
siblings_pass(struct worker *w, struct connection *c)
{
	if (w->setup->config->workers.max == 1 || w->leaving != WORKER_STAYS)
		return false;
	if (give(w, w->setup->handover->run[0], c) == -1) {
		connection_watch(&w->loop, c);
		return false;
	}
	announce(w->setup->board);
	return true;
}

void
siblings_run_all(struct worker *w)
{
	while (w->loop.ready_first != NULL) {
		struct connection *c = w->loop.ready_first;

		/* Taken off first: give_run frees it. */
		loop_ready_take(&w->loop);
		if (give_run(w, c) == -1) {
			loop_ready_push(&w->loop, c);
			return;
		}
	}
	unwatch_room(w, &watching_run, w->setup->handover->run[0]);
}

void
siblings_keep_all(struct worker *w)
{
	struct connection *c, *next;

	for (c = w->loop.all; c != NULL; c = next) {
		next = c->next;
		if (c->state == CONNECTION_RUNNING || c->state == CONNECTION_READY)
			continue;
		if (give(w, w->setup->handover->keep[0], c) == -1) {
			connection_watch(&w->loop, c);
			watch_room(w, &watching_keep, w->setup->handover->keep[0], &keep_room);
			return;
		}
	}
	unwatch_room(w, &watching_keep, w->setup->handover->keep[0]);
}

/* Sends it to its own socket, else to the other, whose receivers do the same
 * with it; waits for room until then. */
static void
evacuate(const struct handover_sockets *h, struct connection *c, uint64_t until_ns)
{
	bool ready = c->state == CONNECTION_READY;
	struct pollfd p[2] = {
		{ .fd = ready ? h->run[0] : h->keep[0], .events = POLLOUT },
		{ .fd = ready ? h->keep[0] : h->run[0], .events = POLLOUT },
	};
	uint64_t now = clock_ns();

	while (handover_send(p[0].fd, c, now) == -1 && errno == EAGAIN &&
	    handover_send(p[1].fd, c, now) == -1 && errno == EAGAIN && now < until_ns) {
		/* There may be room for this one long before there is for poll(). */
		poll(p, 2, EVACUATE_POLL_MS);
		now = clock_ns();
	}
}

void
siblings_evacuate(struct worker *w)
{
	uint64_t until = clock_ns() + EVACUATE_NS;
	struct connection *c;

	for (c = w->loop.all; c != NULL; c = c->next)
		if (c->state == CONNECTION_READY)
			evacuate(w->setup->handover, c, until);
	announce(w->setup->board);
	for (c = w->loop.all; c != NULL; c = c->next)
		if (c->state != CONNECTION_READY && c->state != CONNECTION_RUNNING)
			evacuate(w->setup->handover, c, until);
	announce(w->setup->board);
}

void
siblings_room(struct worker *w, int source)
{
	if (source == SOURCE_RUN_ROOM)
		siblings_run_all(w);
	else
		siblings_keep_all(w);
}

void
siblings_unwatch(struct worker *w)
{
	unwatch_room(w, &watching_run, w->setup->handover->run[0]);
}
