/* held.c - see held.h. */
#include "held.h"

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

void
held_release(struct loop *l)
{
	struct connection *c;

	while ((c = l->held_first) != NULL) {
		l->held_first = c->queue_next;
		if (connection_event(l, c, POLLER_OUT) == CONNECTION_WAIT)
			connection_watch(l, c);
	}
}
