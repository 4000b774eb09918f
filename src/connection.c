/* connection.c - a connection comes, is watched, goes on and goes. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "connection.h"

static void
count_connections(struct loop *l)
{
	atomic_store_explicit(&l->slot->connections, l->count, memory_order_relaxed);
}

struct connection *
connection_new(struct loop *l, int fd)
{
	struct connection *c = l->free;

	if (c != NULL) {
		l->free = c->queue_next;
	} else if ((c = malloc(sizeof(*c))) == NULL) {
		close(fd);
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->source = SOURCE_CONNECTION;
	c->fd = fd;
	c->state = CONNECTION_IDLE;
	c->deadline = DEADLINE_NONE;
	c->next = l->all;
	if (l->all != NULL)
		l->all->previous = c;
	l->all = c;
	l->count++;
	count_connections(l);
	return c;
}

void
connection_close(struct loop *l, struct connection *c)
{
	if (c->watched != 0)
		poller_close(l->poller, c->fd);
	else
		close(c->fd);
	c->watched = 0;
	c->fd = -1;
	loop_deadline(l, c, DEADLINE_NONE);
	if (c->request != NULL)
		request_free(&l->requests, c->request);
	c->request = NULL;
	output_free(c->output);
	c->output = NULL;
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		l->all = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	l->count--;
	count_connections(l);
	c->queue_next = l->dead;
	l->dead = c;
}

void
connection_set_remote(struct connection *c, const struct sockaddr *address)
{
	c->remote_port = address_text(address, c->remote);
}

uint16_t
connection_get_local(const struct connection *c, char text[ADDRESS_TEXT_MAX])
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	socklen_t length = sizeof(address);

	(void)getsockname(c->fd, (struct sockaddr *)&address, &length);
	return address_text((const struct sockaddr *)&address, text);
}

void
connection_watch(struct loop *l, struct connection *c)
{
	unsigned wanted = c->state == CONNECTION_WRITING ? POLLER_OUT : POLLER_IN;

	if (c->watched == wanted)
		return;
	if (c->watched == 0)
		poller_add(l->poller, c->fd, wanted, c);
	else
		poller_set(l->poller, c->fd, wanted, c);
	c->watched = (uint8_t)wanted;
}

void
connection_unwatch(struct loop *l, struct connection *c)
{
	if (c->watched != 0)
		poller_remove(l->poller, c->fd);
	c->watched = 0;
}

enum connection_next
connection_event(struct loop *l, struct connection *c, unsigned events)
{
	(void)events;		/* an error shows at the next call on the socket */
	switch (c->state) {
	case CONNECTION_PROXY:
	case CONNECTION_IDLE:
	case CONNECTION_HEAD:
	case CONNECTION_BODY:
		return connection_read(l, c);
	case CONNECTION_WRITING:
		return connection_write(l, c);
	case CONNECTION_LINGERING:
		return connection_discard(l, c);
	default:
		return CONNECTION_WAIT;
	}
}

void
connection_expired(struct loop *l, struct connection *c)
{
	switch (c->deadline) {
	case DEADLINE_HEAD:
		if (c->state == CONNECTION_HEAD) {
			connection_refuse(l, c, 408, "the head did not arrive in time");
			return;
		}
		break;
	case DEADLINE_BODY:
		connection_refuse(l, c, 408, "the body did not arrive in time");
		return;
	default:
		break;
	}
	connection_close(l, c);
}
