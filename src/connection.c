/* connection.c - see connection.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "connection.h"
#include "error_page.h"
#include "log.h"
#include "proxy.h"
#include "response.h"

/* A body or a response that moves on by this much gets its time anew, so that
 * a large one over a slow line ends and a dribbled one does not last. */
#define PROGRESS_STEP 65536

#define CHUNKED_PIECE 65536	/* octets read at once of a body whose end is not known */

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

/* The address as text, "unix" for one that is none; returns its port. */
static uint16_t
address_text(const struct sockaddr *address, char text[CONNECTION_REMOTE_MAX])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

	switch (address->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &v4->sin_addr, text, CONNECTION_REMOTE_MAX);
		return ntohs(v4->sin_port);
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text,
			    CONNECTION_REMOTE_MAX);
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, text, CONNECTION_REMOTE_MAX);
		return ntohs(v6->sin6_port);
	default:
		memcpy(text, "unix", sizeof("unix"));
		return 0;
	}
}

void
connection_set_remote(struct connection *c, const struct sockaddr *address)
{
	c->remote_port = address_text(address, c->remote);
}

void
connection_get_local(const struct connection *c, char text[CONNECTION_REMOTE_MAX])
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	socklen_t length = sizeof(address);

	(void)getsockname(c->fd, (struct sockaddr *)&address, &length);
	(void)address_text((const struct sockaddr *)&address, text);
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

/* Has said all it will: closes when the client has had time to read it. */
static enum connection_next
connection_linger(struct loop *l, struct connection *c)
{
	if (shutdown(c->fd, SHUT_WR) == -1) {
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	c->state = CONNECTION_LINGERING;
	if (c->request != NULL)
		request_free(&l->requests, c->request);
	c->request = NULL;
	loop_deadline(l, c, DEADLINE_LINGER);
	connection_watch(l, c);
	return CONNECTION_WAIT;
}

static enum connection_next
connection_discard(struct loop *l, struct connection *c)
{
	ssize_t n = recv(c->fd, l->scratch, l->scratch_size, 0);

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	return CONNECTION_WAIT;
}

static void
log_refused(struct loop *l, struct connection *c, int status, size_t body_bytes)
{
	const struct request *r = c->request;
	char line[ACCESS_LINE_MAX];
	size_t length;

	if (l->access_log_fd == -1)
		return;
	length = access_log_format_head(c->remote, (int64_t)time(NULL), r == NULL ? "" : r->buffer,
	    r == NULL ? 0 : r->length, status, body_bytes, line);
	loop_access_line(l, line, length);
}

/* Sends octets of ours; what the socket does not take, for it is full of earlier
 * responses, waits in the output.  0, or -1: the client has gone. */
static int
connection_say(struct connection *c, const char *text, size_t length)
{
	struct iovec iov = { .iov_base = (char *)(uintptr_t)text, .iov_len = length };
	ssize_t n = send(c->fd, text, length, MSG_NOSIGNAL);

	if (n == (ssize_t)length)
		return 0;
	if (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK)
		return -1;
	c->output = output_new();
	if (c->output == NULL)
		return -1;
	return output_append(c->output, &iov, 1, n > 0 ? (size_t)n : 0);
}

enum connection_next
connection_refuse(struct loop *l, struct connection *c, int status, const char *reason)
{
	bool head = c->request != NULL && c->request->head.method_length == 4 &&
	    memcmp(c->request->buffer + c->request->head.method, "HEAD", 4) == 0;
	char page[ERROR_PAGE_MAX];
	size_t length = error_page(page, status, response_date(), head);

	log_write(LOG_INFO, "%s: refused with %d: %s", c->remote, status, reason);
	/* No response waits in an output: the next request is read when it has left. */
	if (connection_say(c, page, length) == -1) {
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	log_refused(l, c, status, error_page_body(status, head));
	if (c->output == NULL)
		return connection_linger(l, c);
	c->refused = true;
	return connection_answered(l, c, false);
}

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

static enum connection_next
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

/* The response has left: the next request, or the end. */
static enum connection_next
connection_next_request(struct loop *l, struct connection *c)
{
	struct request *r = c->request;

	output_free(c->output);
	c->output = NULL;
	c->progress = 0;
	c->moved = 0;
	if (!c->keep_alive || (l->stopping && !request_has_more(r))) {
		/* Closing on octets that were not read would reset the connection, and
		 * what the client has not read yet would be lost. */
		if (c->refused || request_has_more(r) ||
		    recv(c->fd, l->scratch, l->scratch_size, 0) > 0)
			return connection_linger(l, c);
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	if (request_has_more(r)) {
		request_next(&l->requests, r);
		loop_deadline(l, c, DEADLINE_HEAD);
		c->state = CONNECTION_HEAD;
		return connection_progress(l, c, request_parse(r));
	}
	request_free(&l->requests, r);
	c->request = NULL;
	c->state = CONNECTION_IDLE;
	loop_deadline(l, c, DEADLINE_KEEPALIVE);
	connection_watch(l, c);
	return CONNECTION_WAIT;
}

enum connection_next
connection_answered(struct loop *l, struct connection *c, bool keep_alive)
{
	c->keep_alive = keep_alive;
	if (output_pending(c->output) > 0) {
		c->state = CONNECTION_WRITING;
		loop_deadline(l, c, DEADLINE_WRITE);
		connection_watch(l, c);
		return CONNECTION_WAIT;
	}
	return connection_next_request(l, c);
}

static enum connection_next
connection_write(struct loop *l, struct connection *c)
{
	uint32_t step;

	switch (output_send(c->output, c->fd, &c->moved)) {
	case 1:
		loop_deadline(l, c, DEADLINE_NONE);
		return connection_next_request(l, c);
	case 0:
		step = (uint32_t)(c->moved / PROGRESS_STEP);
		if (step > c->progress)
			loop_deadline(l, c, DEADLINE_WRITE);
		c->progress = step;
		return CONNECTION_WAIT;
	default:
		connection_close(l, c);
		return CONNECTION_GONE;
	}
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
