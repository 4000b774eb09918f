/* connection_write.c - the answer leaves; then comes the next request, or the end. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "access_log.h"
#include "connection.h"
#include "error_page.h"
#include "log.h"
#include "response.h"

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

enum connection_next
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
	static const struct access_extension none;	/* no servlet has run */
	size_t before = r == NULL ? 0 : r->head.method;	/* empty lines */
	char line[ACCESS_LINE_MAX];
	size_t length;

	if (l->access.fd == -1)
		return;
	length = access_log_format_head(c->remote, (int64_t)time(NULL),
	    r == NULL ? "" : r->buffer + before, r == NULL ? 0 : r->length - before, status, body_bytes,
	    l->config->access_extended ? &none : NULL, line);
	access_lines_add(&l->access, line, length);
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
	if (l->tallies != NULL)
		tally_response(&l->tallies[0], status, error_page_body(status, head));
	if (c->output == NULL)
		return connection_linger(l, c);
	c->refused = true;
	return connection_answered(l, c, false);
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
		if (c->ends_by_close)
			output_reset_on_close(c->fd, false);
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

enum connection_next
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
