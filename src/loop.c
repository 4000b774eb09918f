/* loop.c - see loop.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "connection.h"
#include "loop.h"

#define LINGER_MS 5000

int
loop_prepare(struct loop *l, const struct config *config, bool access_log)
{
	const struct config_timeouts *t = &config->timeouts;

	memset(l, 0, sizeof(*l));
	l->config = config;
	l->requests.limits = &config->limits;
	l->deadlines[DEADLINE_HEAD].duration_ms = t->head;
	l->deadlines[DEADLINE_BODY].duration_ms = t->body;
	l->deadlines[DEADLINE_KEEPALIVE].duration_ms = t->keepalive;
	l->deadlines[DEADLINE_WRITE].duration_ms = t->write;
	l->deadlines[DEADLINE_LINGER].duration_ms = LINGER_MS;
	l->scratch_size = LOOP_PIECE + config->limits.head_bytes;
	/* Pages that nothing comes to cost nothing. */
	l->scratch = malloc(LOOP_SCRATCH);
	l->poller = poller_init(l->poller_room);
	if (l->scratch == NULL || l->poller == NULL)
		return -1;
	return access_lines_prepare(&l->access, access_log);
}

int
loop_open(struct loop *l, struct slot *slot, struct tally *tallies, int access_log_fd)
{
	l->slot = slot;
	l->tallies = tallies;
	access_lines_open(&l->access, access_log_fd);
	l->now_ms = clock_ms();
	return poller_open(l->poller);
}

int
loop_timeout(const struct loop *l)
{
	uint64_t next = UINT64_MAX;
	int i;

	for (i = 0; i < DEADLINE_COUNT; i++) {
		const struct deadline_queue *q = &l->deadlines[i];

		if (q->duration_ms > 0 && q->first != NULL && q->first->expires_ms < next)
			next = q->first->expires_ms;
	}
	if (l->requests.spares.count > 0 && l->requests.spares.kept_ms + SPOOL_SPARE_MS < next)
		next = l->requests.spares.kept_ms + SPOOL_SPARE_MS;
	if (next == UINT64_MAX)
		return -1;
	if (next <= l->now_ms)
		return 0;
	/* One more, so that waking up a little early does not wait again. */
	return next - l->now_ms >= INT_MAX ? INT_MAX : (int)(next - l->now_ms) + 1;
}

void
loop_expire(struct loop *l)
{
	struct connection *c;
	int i;

	if (l->requests.spares.count > 0 &&
	    l->now_ms >= l->requests.spares.kept_ms + SPOOL_SPARE_MS)
		spool_spares_close(&l->requests.spares);
	for (i = 0; i < DEADLINE_COUNT; i++) {
		struct deadline_queue *q = &l->deadlines[i];

		if (q->duration_ms == 0)
			continue;
		while ((c = q->first) != NULL && c->expires_ms <= l->now_ms) {
			connection_expired(l, c);
			if (q->first == c)	/* it was given more time, at the queue's end */
				break;
		}
	}
}

static void
deadline_leave(struct loop *l, struct connection *c)
{
	struct deadline_queue *q;

	if (c->deadline == DEADLINE_NONE)
		return;
	q = &l->deadlines[c->deadline];
	if (c->deadline_previous != NULL)
		c->deadline_previous->deadline_next = c->deadline_next;
	else
		q->first = c->deadline_next;
	if (c->deadline_next != NULL)
		c->deadline_next->deadline_previous = c->deadline_previous;
	else
		q->last = c->deadline_previous;
	c->deadline = DEADLINE_NONE;
}

void
loop_deadline_at(struct loop *l, struct connection *c, enum deadline kind,
    uint64_t expires_ms)
{
	struct deadline_queue *q = &l->deadlines[kind];
	uint64_t latest = l->now_ms + q->duration_ms;
	struct connection *before;

	deadline_leave(l, c);
	if (q->duration_ms == 0)
		expires_ms = 0;
	else if (expires_ms == 0 || expires_ms > latest)
		expires_ms = latest;
	before = q->last;
	/* Nearly always it is the last to expire. */
	while (before != NULL && before->expires_ms > expires_ms)
		before = before->deadline_previous;
	c->deadline = (uint8_t)kind;
	c->expires_ms = expires_ms;
	c->deadline_previous = before;
	c->deadline_next = before != NULL ? before->deadline_next : q->first;
	if (before != NULL)
		before->deadline_next = c;
	else
		q->first = c;
	if (c->deadline_next != NULL)
		c->deadline_next->deadline_previous = c;
	else
		q->last = c;
}

void
loop_deadline(struct loop *l, struct connection *c, enum deadline kind)
{
	deadline_leave(l, c);
	if (kind != DEADLINE_NONE)
		loop_deadline_at(l, c, kind, 0);
}

void
loop_ready_add(struct loop *l, struct connection *c)
{
	if (c->request->ready_ns == 0)
		c->request->ready_ns = clock_ns();
	c->queue_next = NULL;
	if (l->ready_last != NULL)
		l->ready_last->queue_next = c;
	else
		l->ready_first = c;
	l->ready_last = c;
}

void
loop_ready_push(struct loop *l, struct connection *c)
{
	c->queue_next = l->ready_first;
	if (l->ready_first == NULL)
		l->ready_last = c;
	l->ready_first = c;
}

struct connection *
loop_ready_take(struct loop *l)
{
	struct connection *c = l->ready_first;

	if (c == NULL)
		return NULL;
	l->ready_first = c->queue_next;
	if (l->ready_first == NULL)
		l->ready_last = NULL;
	return c;
}

void
loop_batch_end(struct loop *l)
{
	struct connection *c;

	while ((c = l->dead) != NULL) {
		l->dead = c->queue_next;
		c->queue_next = l->free;
		l->free = c;
	}
	access_lines_write(&l->access);
	access_lines_tell(&l->access);
}
