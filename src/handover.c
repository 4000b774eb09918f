/* handover.c - see handover.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "handover.h"
#include "log.h"

/* What stands before the octets: buffer, then body, then output, as far as they are in memory. */
struct message {
	uint64_t sent_ns;
	uint64_t ready_ns;
	uint64_t expires_ms;
	uint8_t state, deadline;
	bool keep_alive, refused, ends_by_close;
	uint16_t remote_port;
	char remote[ADDRESS_TEXT_MAX];
	uint32_t progress;
	long long moved;

	/* A request is read within the limits that it began with (head_max is the
	 * parser's), though the receiver's may be lower. */
	uint32_t field_max;
	int64_t body_max;
	bool has_request, head_done, expect_continue, body_in_file;
	struct parser parser;
	size_t buffer_length, fed;
	long long body_length;

	bool has_output, output_in_file;
	long long output_length, output_sent;
	unsigned file_count;
	struct { long long at, offset, length; } files[OUTPUT_FILES_MAX];
};

/* One iovec and descriptor list under construction. */
struct parcel {
	struct iovec iov[4];
	int iov_count;
	int fds[HANDOVER_FDS_MAX];
	int fd_count;
};

static int
pair_open(int pair[2])
{
	int size = HANDOVER_BUFFER, i;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
#ifdef SO_SNDBUFFORCE
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0)
			continue;
#endif
		/* Without privileges the system's limit holds; it serves, only sooner full. */
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return 0;
}

int
handover_open(struct handover_sockets *h)
{
	if (pair_open(h->run) == -1)
		return -1;
	if (pair_open(h->keep) == -1) {
		close(h->run[0]);
		close(h->run[1]);
		return -1;
	}
	return 0;
}

static void
parcel_octets(struct parcel *p, const void *data, size_t length)
{
	if (length == 0)
		return;
	p->iov[p->iov_count].iov_base = (void *)(uintptr_t)data;
	p->iov[p->iov_count++].iov_len = length;
}

/* A spool goes as its file, or as its octets. */
static bool
parcel_spool(struct parcel *p, const struct spool *s)
{
	if (s->fd != -1) {
		p->fds[p->fd_count++] = s->fd;
		return true;
	}
	parcel_octets(p, s->memory, (size_t)s->length);
	return false;
}

/* Of a request that has been answered, whose head the servlet's functions have
 * cut into strings, goes only what arrived behind it. */
static void
parcel_answered(struct parcel *p, struct message *m, const struct request *r)
{
	m->has_request = true;
	m->buffer_length = r->length - r->fed;
	parcel_octets(p, r->buffer + r->fed, m->buffer_length);
}

static void
parcel_request(struct parcel *p, struct message *m, const struct request *r)
{
	m->has_request = true;
	m->head_done = r->head_done;
	m->expect_continue = r->head.expect_continue;
	m->parser = r->parser;
	m->field_max = r->head.field_max;
	m->body_max = r->body_max;
	m->buffer_length = r->length;
	m->fed = r->fed;
	m->ready_ns = r->ready_ns;
	m->body_length = r->body.length;
	parcel_octets(p, r->buffer, r->length);
	m->body_in_file = parcel_spool(p, &r->body);
}

static void
parcel_output(struct parcel *p, struct message *m, const struct output *o)
{
	unsigned i;

	m->has_output = true;
	m->output_length = o->spool.length;
	m->output_sent = o->sent;
	m->output_in_file = parcel_spool(p, &o->spool);
	m->file_count = o->file_count;
	for (i = 0; i < o->file_count; i++) {
		m->files[i].at = o->files[i].at;
		m->files[i].offset = o->files[i].offset;
		m->files[i].length = o->files[i].length;
		p->fds[p->fd_count++] = o->files[i].fd;
	}
}

int
handover_send(int fd, struct connection *c, uint64_t now_ns)
{
	union {
		char room[CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct parcel p = { .iov_count = 0, .fd_count = 0 };
	struct message m = {
		.sent_ns = now_ns, .expires_ms = c->expires_ms, .state = c->state,
		.deadline = c->deadline, .keep_alive = c->keep_alive, .refused = c->refused,
		.ends_by_close = c->ends_by_close, .remote_port = c->remote_port,
		.progress = c->progress, .moved = c->moved,
	};
	struct msghdr h = { .msg_iov = p.iov, .msg_control = control.room };
	bool answered = c->state == CONNECTION_WRITING;
	struct cmsghdr *rights;

	/* A file goes as it is: with what was held back of it. */
	if (c->request != NULL && !answered && c->request->body.fd != -1 &&
	    spool_to_file(&c->request->body) == -1)
		return -1;
	memcpy(m.remote, c->remote, sizeof(m.remote));
	parcel_octets(&p, &m, sizeof(m));
	p.fds[p.fd_count++] = c->fd;
	if (c->request != NULL && answered)
		parcel_answered(&p, &m, c->request);
	else if (c->request != NULL)
		parcel_request(&p, &m, c->request);
	if (c->output != NULL)
		parcel_output(&p, &m, c->output);
	memset(&control, 0, sizeof(control));
	h.msg_iovlen = (size_t)p.iov_count;
	h.msg_controllen = CMSG_SPACE((size_t)p.fd_count * sizeof(int));
	rights = CMSG_FIRSTHDR(&h);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN((size_t)p.fd_count * sizeof(int));
	memcpy(CMSG_DATA(rights), p.fds, (size_t)p.fd_count * sizeof(int));
	for (;;) {
		if (sendmsg(fd, &h, MSG_NOSIGNAL) >= 0) {
			if (c->request != NULL)
				spool_sent(&c->request->body);
			return 0;
		}
		if (errno == EINTR)
			continue;
		if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == EWOULDBLOCK)
			errno = EAGAIN;
		return -1;
	}
}

/* Takes a spool's octets from the message, or its file.  0, or -1. */
static int
unpack_spool(struct spool *s, bool in_file, long long length, const char **at,
    const char *end, const int *fds, int fd_count, int *fd_next)
{
	if (in_file) {
		if (*fd_next >= fd_count)
			return -1;
		spool_free(s);
		spool_init(s, REQUEST_BODY_MEMORY);
		s->fd = fds[(*fd_next)++];
		s->length = length;
		return 0;
	}
	if (length < 0 || length > end - *at)
		return -1;
	if (length > 0 && spool_write(s, *at, (size_t)length) == -1)
		return -1;
	*at += length;
	return 0;
}

/* Parses the head anew: the fields are not in the message. */
static int
unpack_request(struct loop *l, struct connection *c, const struct message *m,
    const char **at, const char *end, const int *fds, int fd_count, int *fd_next)
{
	struct request *r = request_new_for(&l->requests, m->field_max);
	size_t head, used;
	enum parser_result result;

	c->request = r;
	if (r == NULL || m->buffer_length > (size_t)(end - *at) || m->fed > m->buffer_length)
		return -1;
	if (m->buffer_length > r->size && request_grow(r, m->buffer_length) == -1)
		return -1;
	memcpy(r->buffer, *at, m->buffer_length);
	*at += m->buffer_length;
	r->length = m->buffer_length;
	if (c->state == CONNECTION_WRITING)	/* answered: the buffer has what follows it */
		return 0;
	head = m->head_done ? m->parser.head_length : m->fed;
	if (head > r->length)
		return -1;
	r->parser.head_max = m->parser.head_max;
	result = parser_feed(&r->parser, &r->head, r->buffer, r->buffer, head, &used, NULL, NULL);
	if (result != (m->head_done ? PARSER_HEAD : PARSER_MORE))
		return -1;
	r->parser = m->parser;
	/* The head still wants what may have been sent: once is enough. */
	r->head.expect_continue = m->expect_continue;
	r->fed = m->fed;
	r->body_max = m->body_max;
	r->head_done = m->head_done;
	r->ready_ns = m->ready_ns;
	return unpack_spool(&r->body, m->body_in_file, m->body_length, at, end, fds,
	    fd_count, fd_next);
}

static int
unpack_output(struct connection *c, const struct message *m, const char **at,
    const char *end, const int *fds, int fd_count, int *fd_next)
{
	struct output *o = c->output = output_new();
	unsigned i;

	if (o == NULL || unpack_spool(&o->spool, m->output_in_file, m->output_length, at,
	    end, fds, fd_count, fd_next) == -1)
		return -1;
	o->sent = m->output_sent;
	for (i = 0; i < m->file_count && i < OUTPUT_FILES_MAX; i++) {
		if (*fd_next >= fd_count)
			return -1;
		o->files[i].fd = fds[(*fd_next)++];
		o->files[i].at = m->files[i].at;
		o->files[i].offset = m->files[i].offset;
		o->files[i].length = m->files[i].length;
		o->file_count++;
	}
	return 0;
}

static struct connection *
unpack(struct loop *l, const char *data, size_t length, const int *fds, int fd_count,
    uint64_t *sent_ns)
{
	const char *at = data + sizeof(struct message), *end = data + length;
	struct connection *c;
	struct message m;
	int fd_next = 1;

	memcpy(&m, data, sizeof(m));
	c = connection_new(l, fds[0]);
	if (c == NULL)
		goto fail;
	c->state = m.state;
	c->keep_alive = m.keep_alive;
	c->refused = m.refused;
	c->ends_by_close = m.ends_by_close;
	c->remote_port = m.remote_port;
	memcpy(c->remote, m.remote, sizeof(c->remote));
	c->progress = m.progress;
	c->moved = m.moved;
	*sent_ns = m.sent_ns;
	if ((m.has_request && unpack_request(l, c, &m, &at, end, fds, fd_count, &fd_next) == -1) ||
	    (m.has_output && unpack_output(c, &m, &at, end, fds, fd_count, &fd_next) == -1)) {
		connection_close(l, c);
		goto fail;
	}
	if (m.deadline < DEADLINE_COUNT)
		loop_deadline_at(l, c, m.deadline, m.expires_ms);
	return c;
fail:
	while (fd_next < fd_count)
		close(fds[fd_next++]);
	log_error("a handed-over connection could not be taken: it is closed");
	errno = EPROTO;
	return NULL;
}

struct connection *
handover_receive(int fd, struct loop *l, uint64_t *sent_ns)
{
	union {
		char room[CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	/* Most are short: then a new worker has no page to write to for them. */
	struct iovec iov[2] = {
		{ .iov_base = l->note, .iov_len = LOOP_NOTE },
		{ .iov_base = l->scratch + LOOP_NOTE, .iov_len = LOOP_SCRATCH - LOOP_NOTE },
	};
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.room, .msg_controllen = sizeof(control.room) };
	struct cmsghdr *rights;
	int fds[HANDOVER_FDS_MAX], fd_count;
	ssize_t n;

	do
		n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return NULL;
	rights = CMSG_FIRSTHDR(&h);
	if (n < (ssize_t)sizeof(struct message) || rights == NULL ||
	    rights->cmsg_type != SCM_RIGHTS) {
		log_error("a handed-over connection was lost: out of descriptors");
		errno = EPROTO;
		return NULL;
	}
	fd_count = (int)((rights->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(rights), (size_t)fd_count * sizeof(int));
	if (n <= LOOP_NOTE)
		return unpack(l, l->note, (size_t)n, fds, fd_count, sent_ns);
	memcpy(l->scratch, l->note, LOOP_NOTE);
	return unpack(l, l->scratch, (size_t)n, fds, fd_count, sent_ns);
}
