/* held.c - see held.h. */
#include "held.h"
#include "uring.h"

void
held_together(struct loop *l)
{
	if (!l->uring_tried)
		l->uring = uring_new();
	l->uring_tried = true;
}

enum connection_next
held_add(struct loop *l, struct connection *c, bool keep_alive)
{
	c->keep_alive = keep_alive;
	c->state = CONNECTION_WRITING;
	loop_deadline(l, c, DEADLINE_WRITE);
	c->queue_next = NULL;
	if (l->held_first != NULL)
		l->held_last->queue_next = c;
	else
		l->held_first = c;
	l->held_last = c;
	return CONNECTION_WAIT;
}

void
held_enter(struct loop *l, uint64_t now_ns, uint64_t most_ns)
{
	if (l->held_first != NULL && now_ns - l->held_since_ns > most_ns)
		held_release(l);
	if (l->held_first == NULL)
		l->held_since_ns = now_ns;
}

/* Sends what is in memory, of the first ones, in one system call.  What is left of
 * it, and what is amiss, will be found when they are sent one by one. */
static void
held_send(struct loop *l)
{
	struct connection *connections[URING_SENDS];
	struct uring_send sends[URING_SENDS];
	unsigned count = 0;

	for (struct connection *c = l->held_first; c != NULL && count < URING_SENDS;
	    c = c->queue_next) {
		const struct output *o = c->output;

		if (o->spool.fd != -1 || o->file_count > 0)
			continue;
		connections[count] = c;
		sends[count++] = (struct uring_send){ .fd = c->fd,
		    .data = o->spool.memory + o->sent,
		    .length = (size_t)(o->spool.length - o->sent) };
	}
	if (count < 2)
		return;
	uring_send(l->uring, sends, count);
	for (unsigned i = 0; i < count; i++)
		if (sends[i].result > 0) {
			connections[i]->output->sent += sends[i].result;
			connections[i]->moved += sends[i].result;
		}
}

void
held_release(struct loop *l)
{
	struct connection *c;

	if (l->uring != NULL && l->held_first != NULL)
		held_send(l);

	while ((c = l->held_first) != NULL) {
		l->held_first = c->queue_next;
		if (connection_event(l, c, POLLER_OUT) == CONNECTION_WAIT)
			connection_watch(l, c);
	}
}
