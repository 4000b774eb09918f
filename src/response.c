/* response.c - see response.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "date.h"
#include "log.h"
#include "response.h"
#include "response_head.h"

int
response_init(struct response *r)
{
	memset(r, 0, sizeof(*r));
	r->file_fd = -1;
	r->large = malloc(RESPONSE_BUFFER);
	return r->large == NULL ? -1 : 0;
}

void
response_begin(struct response *r, struct arena *arena, int fd,
    struct output **output, int minor, bool head_method, bool keep_alive)
{
	r->arena = arena;
	r->fd = fd;
	r->output = output;
	r->minor = minor;
	r->head_method = head_method;
	r->keep_alive = keep_alive;
	r->stopping = NULL;
	r->hold = false;
	r->status = 200;
	r->status_set = false;
	r->headers = NULL;
	r->last_header = &r->headers;
	r->type_removed = false;
	r->head_sent = false;
	r->broken = r->unread = false;
	r->framing = FRAMING_NONE;
	r->declared_length = -1;
	r->body_bytes = 0;
	r->sent_bytes = 0;
	r->buffer = r->small;
	r->size = sizeof(r->small);
	r->length = 0;
	r->file_fd = -1;
}

void
response_set_status(struct response *r, int status)
{
	if (r->head_sent)
		return;
	r->status = status;
	r->status_set = true;
}

static bool
status_has_no_body(int status)
{
	return status < 200 || status == 204 || status == 205 || status == 304;
}

static void
response_forget_file(struct response *r)
{
	if (r->file_fd != -1)
		close(r->file_fd);
	r->file_fd = -1;
}

/* Sends what the socket takes of the output.  Octets that have been sent stay in
 * the spool, so it ends when they all have; a servlet that has filled OUTPUT_MAX
 * of it waits for that.  0, or -1 and errno: the client has gone. */
static int
response_send_output(struct response *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLOUT };
	long long moved = 0;
	int timeout = r->write_timeout_ms > 0 ? (int)r->write_timeout_ms : -1, all;

	while ((all = output_send(*r->output, r->fd, &moved)) == 0 &&
	    (*r->output)->spool.length > OUTPUT_MAX) {
		if (poll(&p, 1, timeout) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
	}
	if (all == 1) {
		output_free(*r->output);
		*r->output = NULL;
	}
	return all == -1 ? -1 : 0;
}

/* Copies a few octets together, behind the head where it was built: that is cheaper
 * than sending a vector of them.  Returns how many pieces there are then. */
static int
join(char room[RESPONSE_HEAD_ROOM], struct iovec *iov, int count)
{
	size_t total = 0;
	char *at = room;
	int i;

	for (i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (total > RESPONSE_HEAD_ROOM)
		return count;
	for (i = 0; i < count; i++) {
		if (iov[i].iov_base != at)
			memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	iov[0] = (struct iovec){ .iov_base = room, .iov_len = total };
	return 1;
}

/* Octets that the socket has taken, -1 and errno. */
static ssize_t
send_all(int fd, struct iovec *iov, int count)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	ssize_t n;

	do
		n = count == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL) :
		    sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : n;
}

/* Neither the client nor the servlet is to blame: a full disk, no descriptor. */
static void
response_unkept(struct response *r)
{
	log_error("a response cannot be kept for its client in %s: %s", spool_place(),
	    strerror(errno));
	r->broken = true;
}

/* Sends iov, or queues it (or its rest) behind what waits already.  final: the
 * response ends with it. */
static void
response_send(struct response *r, struct iovec *iov, int count, bool final)
{
	bool waits = *r->output != NULL;
	size_t total = 0;
	ssize_t n = 0;
	int i;

	if (r->broken)
		return;
	for (i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (!waits && (!r->hold || !final || total > RESPONSE_HEAD_ROOM))
		n = send_all(r->fd, iov, count);
	if (n == (ssize_t)total)
		return;
	if (n == -1) {
		r->broken = true;
		return;
	}
	if (!waits)
		*r->output = output_new();
	if (*r->output == NULL || output_append(*r->output, iov, count, (size_t)n) == -1)
		response_unkept(r);
	else if (waits && response_send_output(r) == -1)
		r->broken = true;
}

/* Queues the file and sends what the socket takes of it. */
static void
response_send_file(struct response *r, int fd, long long offset, long long length)
{
	if (r->broken || length == 0)
		return;
	if (*r->output == NULL)
		*r->output = output_new();
	if (*r->output == NULL || output_append_file(*r->output, fd, offset, length) == -1)
		response_unkept(r);
	else if (response_send_output(r) == -1)
		r->broken = true;
}

/* Decides how the body will be framed, when the head must go. */
static void
response_choose_framing(struct response *r, bool final)
{
	int64_t length = (int64_t)r->length + (r->file_fd != -1 ? r->file_length : 0);

	if (r->stopping != NULL && *r->stopping)
		r->keep_alive = false;
	if (status_has_no_body(r->status)) {
		r->framing = FRAMING_NONE;
		r->declared_length = -1;
	} else if (r->declared_length >= 0) {
		r->framing = FRAMING_LENGTH;
	} else if (final && !r->head_method) {
		r->framing = FRAMING_LENGTH;
		r->declared_length = length;
	} else if (final) {
		/* HEAD: what GET would have said; unknown if the servlet wrote nothing. */
		r->framing = r->body_bytes > 0 ? FRAMING_LENGTH : FRAMING_NONE;
		r->declared_length = r->body_bytes > 0 ? (int64_t)r->body_bytes : -1;
	} else if (r->minor >= 1) {
		r->framing = FRAMING_CHUNKED;
	} else {
		r->framing = FRAMING_CLOSE;
	}
	if (r->framing == FRAMING_CLOSE && !r->head_method)
		r->keep_alive = false;
	/* More has been written than was promised: the last one says so. */
	if (r->framing == FRAMING_LENGTH && !r->head_method &&
	    r->body_bytes > (uint64_t)r->declared_length)
		r->keep_alive = false;
}

/* Takes `length` octets off what the Content-Length still allows. */
static size_t
response_allowed(struct response *r, size_t length)
{
	uint64_t left;

	if (r->framing != FRAMING_LENGTH)
		return length;
	left = (uint64_t)r->declared_length - r->sent_bytes;
	return length < left ? length : (size_t)left;
}

/* Of one to whom nothing more will be sent, so that no error tells: in a response
 * to HEAD, or beyond the Content-Length. */
static bool
client_has_left(const struct response *r)
{
	char octet;
	ssize_t n;

	if (!r->head_method && r->framing != FRAMING_NONE &&
	    (r->framing != FRAMING_LENGTH || r->sent_bytes < (uint64_t)r->declared_length))
		return false;
	n = recv(r->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n == -1 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Sends the head (if it has not been) and the buffer; the last chunk if final. */
static void
response_commit(struct response *r, bool final)
{
	char room[RESPONSE_HEAD_ROOM], size[32];
	struct iovec iov[4];
	size_t length;
	int count = 0;

	if (!r->head_sent) {
		response_choose_framing(r, final);
		if (response_head_build(r, room, &iov[0]) == -1) {
			log_error("a response is cut: its header fields find no room: %s",
			    strerror(errno));
			r->broken = true;
			return;
		}
		count = 1;
		r->head_sent = true;
		if (!final || r->file_fd != -1)
			output_begin(r->fd);
		if (r->framing == FRAMING_CLOSE && !r->head_method)
			output_reset_on_close(r->fd, true);
	}
	length = r->head_method || r->framing == FRAMING_NONE ? 0 :
	    response_allowed(r, r->length);
	if (r->framing == FRAMING_CHUNKED && length > 0) {
		iov[count].iov_base = size;
		iov[count++].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", length);
	}
	if (length > 0) {
		iov[count].iov_base = r->buffer;
		iov[count++].iov_len = length;
		r->sent_bytes += length;
	}
	if (r->framing == FRAMING_CHUNKED && !r->head_method) {
		const char *end = length > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n";
		size_t end_length = length > 0 ? 2 : 0;

		if (final)
			end_length += 5;
		iov[count].iov_base = (char *)(uintptr_t)end;
		iov[count++].iov_len = end_length;
	}
	r->length = 0;
	if (count > 0)
		response_send(r, iov, join(room, iov, count), final);
	else if (!final)
		r->unread = client_has_left(r);
}

/* Sends the file behind what has been committed. */
static void
response_commit_file(struct response *r, int fd, long long offset, long long length)
{
	struct iovec iov;
	char size[32];

	if (r->head_method || r->framing == FRAMING_NONE)
		return;
	length = (long long)response_allowed(r, (size_t)length);
	if (length == 0)
		return;
	r->sent_bytes += (uint64_t)length;
	if (r->framing == FRAMING_CHUNKED) {
		iov.iov_base = size;
		iov.iov_len = (size_t)snprintf(size, sizeof(size), "%llx\r\n", length);
		response_send(r, &iov, 1, false);
	}
	response_send_file(r, fd, offset, length);
	if (r->framing == FRAMING_CHUNKED) {
		iov.iov_base = (char *)(uintptr_t)"\r\n";
		iov.iov_len = 2;
		response_send(r, &iov, 1, false);
	}
}

/* The file set aside can wait no longer: something comes behind it. */
static void
response_commit_waiting_file(struct response *r)
{
	response_commit(r, false);
	response_commit_file(r, r->file_fd, r->file_offset, r->file_length);
	response_forget_file(r);
}

static void
response_enlarge(struct response *r)
{
	if (r->buffer == r->large)
		return;
	memcpy(r->large, r->small, r->length);
	r->buffer = r->large;
	r->size = RESPONSE_BUFFER;
}

size_t
response_write(struct response *r, const char *data, size_t length)
{
	size_t done = 0;

	if (r->broken || r->unread || length == 0)
		return 0;
	if (r->file_fd != -1)
		response_commit_waiting_file(r);
	r->body_bytes += length;
	if (length > r->size - r->length)
		response_enlarge(r);
	while (done < length) {
		size_t room = r->size - r->length;
		size_t piece = length - done < room ? length - done : room;

		if (piece == 0) {
			response_commit(r, false);
			if (r->broken || r->unread)
				return 0;
			continue;
		}
		memcpy(r->buffer + r->length, data + done, piece);
		r->length += piece;
		done += piece;
	}
	return length;
}

void
response_flush(struct response *r)
{
	if (r->broken)
		return;
	if (r->file_fd != -1)
		response_commit_waiting_file(r);
	else if (r->length > 0 || !r->head_sent)
		response_commit(r, false);
}

int
response_sendfile(struct response *r, int fd, long long offset, long long length)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode) || offset < 0 || offset > st.st_size ||
	    length < -1 || length > st.st_size - offset) {
		errno = EINVAL;
		return -1;
	}
	if (length == -1)
		length = st.st_size - offset;
	if (r->broken) {
		errno = EPIPE;
		return -1;
	}
	if (r->file_fd != -1)
		response_commit_waiting_file(r);
	/* Perhaps it is all there is: then it gets a Content-Length. */
	if (!r->head_sent && (r->file_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) == -1)
		return -1;
	r->body_bytes += (uint64_t)length;
	if (!r->head_sent) {
		r->file_offset = offset;
		r->file_length = length;
		return 0;
	}
	response_commit(r, false);
	response_commit_file(r, fd, offset, length);
	if (r->broken)
		errno = EPIPE;
	return r->broken ? -1 : 0;
}

void
response_cancel(struct response *r)
{
	response_forget_file(r);
}

void
response_error(struct response *r, int status)
{
	response_forget_file(r);
	if (r->head_sent) {
		r->broken = true;
		return;
	}
	r->status = status;
	r->status_set = true;
	r->headers = NULL;
	r->last_header = &r->headers;
	r->declared_length = -1;
	response_set_header(r, "Content-Type", "text/plain; charset=UTF-8", true);
	r->length = (size_t)snprintf(r->buffer, r->size, "%d %s\n", status,
	    response_reason(status));
	r->body_bytes = r->length;
}

void
response_cut(struct response *r)
{
	r->broken = true;
}

const char *
response_finish(struct response *r, bool failed)
{
	const char *wrong = NULL;

	if (failed)
		response_error(r, 500);
	if (!r->head_sent && !r->broken) {
		if (r->body_bytes == 0 && r->file_fd == -1 && !r->status_set &&
		    r->declared_length < 0 && !r->head_method)
			r->status = 204;
		if (r->file_fd != -1) {
			response_commit(r, true);
			response_commit_file(r, r->file_fd, r->file_offset, r->file_length);
		} else {
			response_commit(r, true);
		}
	} else if (!r->broken) {
		response_commit(r, true);
	}
	response_forget_file(r);
	if (r->framing == FRAMING_LENGTH && !r->head_method && !r->broken &&
	    r->body_bytes != (uint64_t)r->declared_length) {
		wrong = r->body_bytes < (uint64_t)r->declared_length ?
		    "the servlet wrote less than its Content-Length" :
		    "the servlet wrote more than its Content-Length";
		r->keep_alive = false;
		if (r->body_bytes < (uint64_t)r->declared_length)
			r->broken = true;
	}
	if (r->broken)
		r->keep_alive = false;
	return wrong;
}
