/* connection_read.c - what arrives, until a request is complete. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "log.h"
#include "proxy.h"

#define CHUNKED_PIECE 65536	/* octets read at once of a body whose end is not known */

/* Watches a request that is not complete yet, with the deadline of its part. */
static enum connection_next
connection_incomplete(struct loop *l, struct connection *c)
{
	uint32_t step = (uint32_t)(c->request->body.length / PROGRESS_STEP);

	if (!c->request->head_done) {
		if (c->state != CONNECTION_HEAD && c->deadline != DEADLINE_HEAD)
			loop_deadline(l, c, DEADLINE_HEAD);
		c->state = CONNECTION_HEAD;
	} else {
		if (c->state != CONNECTION_BODY || step > c->progress)
			loop_deadline(l, c, DEADLINE_BODY);
		c->state = CONNECTION_BODY;
		c->progress = step;
	}
	connection_watch(l, c);
	return CONNECTION_WAIT;
}

static enum connection_next
connection_continue(struct loop *l, struct connection *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t n = send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL);

	/* A socket that is full of earlier responses takes none of it: then there is
	 * none, and the client sends its body without. */
	if (n != sizeof(text) - 1 && !(n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))) {
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	return connection_incomplete(l, c);
}

enum connection_next
connection_progress(struct loop *l, struct connection *c, enum request_progress progress)
{
	switch (progress) {
	case REQUEST_READY:
		loop_deadline(l, c, DEADLINE_NONE);
		c->state = CONNECTION_READY;
		c->progress = 0;
		return CONNECTION_RUN;
	case REQUEST_CONTINUE:
		return connection_continue(l, c);
	case REQUEST_REFUSED:
		return connection_refuse(l, c, c->request->parser.status,
		    c->request->parser.reason);
	case REQUEST_MORE:
		break;
	}
	return connection_incomplete(l, c);
}

/* recv() into memory; the outcome other than octets in *next. */
static ssize_t
connection_receive(struct loop *l, struct connection *c, char *data, size_t room,
    enum connection_next *next)
{
	ssize_t n;

	do
		n = recv(c->fd, data, room, 0);
	while (n == -1 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		if (c->deadline == DEADLINE_NONE)	/* fresh: its head is due */
			loop_deadline(l, c, DEADLINE_HEAD);
		connection_watch(l, c);
		*next = CONNECTION_WAIT;
		return -1;
	}
	connection_close(l, c);
	*next = CONNECTION_GONE;
	return -1;
}

/* How much of a body is read at once: of one whose end is known nothing that
 * lies behind it, which the request would have to keep. */
static size_t
body_piece(const struct loop *l, const struct request *r)
{
	uint64_t left = r->head.chunked ? CHUNKED_PIECE : r->parser.body_left;

	return left < l->scratch_size ? (size_t)left : l->scratch_size;
}

static enum connection_next
connection_read_body(struct loop *l, struct connection *c)
{
	enum connection_next next;
	ssize_t n = connection_receive(l, c, l->scratch, body_piece(l, c->request), &next);

	if (n == -1)
		return next;
	return connection_progress(l, c,
	    request_parse_body(c->request, l->scratch, (size_t)n));
}

/* The balancer's header comes before the first request. */
static enum connection_next
connection_read_proxy(struct loop *l, struct connection *c)
{
	struct request *r = c->request;
	struct proxy_header header;
	long used = proxy_parse(r->buffer, r->length, &header);

	if (used == -1) {
		log_info("%s: no valid PROXY header where the configuration wants one", c->remote);
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	if (used == 0) {
		if (c->deadline == DEADLINE_NONE)
			loop_deadline(l, c, DEADLINE_HEAD);
		connection_watch(l, c);
		return CONNECTION_WAIT;
	}
	if (header.known)
		connection_set_remote(c, (const struct sockaddr *)&header.source);
	r->length -= (size_t)used;
	memmove(r->buffer, r->buffer + used, r->length);
	c->state = CONNECTION_IDLE;
	return CONNECTION_RUN;		/* go on with what is behind it */
}

enum connection_next
connection_read(struct loop *l, struct connection *c)
{
	enum connection_next next;
	struct request *r = c->request;
	size_t room;
	ssize_t n;

	if (c->state == CONNECTION_BODY)
		return connection_read_body(l, c);
	if (r == NULL) {
		r = c->request = request_new(&l->requests);
		if (r == NULL) {
			connection_close(l, c);
			return CONNECTION_GONE;
		}
	}
	room = request_room(r);
	if (room == 0)
		return connection_refuse(l, c, 431, "no room for the head");
	n = connection_receive(l, c, r->buffer + r->length, room, &next);
	if (n == -1) {
		if (next == CONNECTION_WAIT && r->length == 0) {
			request_free(&l->requests, r);
			c->request = NULL;
		}
		return next;
	}
	r->length += (size_t)n;
	if (c->state == CONNECTION_PROXY) {
		next = connection_read_proxy(l, c);
		if (next != CONNECTION_RUN)
			return next;
	}
	return connection_progress(l, c, request_parse(r));
}
