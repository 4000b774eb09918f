/* output.c - see output.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#endif
#include <unistd.h>

#include "output.h"

#define PIECE 65536		/* octets copied at once where the kernel cannot */

struct output *
output_new(void)
{
	struct output *o = calloc(1, sizeof(*o));

	if (o != NULL)
		spool_init(&o->spool, OUTPUT_MEMORY);
	return o;
}

void
output_free(struct output *o)
{
	unsigned i;

	if (o == NULL)
		return;
	for (i = 0; i < o->file_count; i++)
		close(o->files[i].fd);
	spool_free(&o->spool);
	free(o);
}

void
output_begin(int socket_fd)
{
#ifdef __linux__
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);
	int most = OUTPUT_MEMORY;

	/* Fails where it is no TCP; an older kernel says less. */
	if (getsockopt(socket_fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	    length > offsetof(struct tcp_info, tcpi_snd_wnd) &&
	    info.tcpi_snd_wnd < OUTPUT_WINDOW_MIN)
		setsockopt(socket_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof(most));
#else
	(void)socket_fd;
#endif
}

void
output_reset_on_close(int socket_fd, bool on)
{
	const struct linger l = { .l_onoff = on, .l_linger = 0 };

	setsockopt(socket_fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

long long
output_pending(const struct output *o)
{
	long long pending;
	unsigned i;

	if (o == NULL)
		return 0;
	pending = o->spool.length - o->sent;
	for (i = 0; i < o->file_count; i++)
		pending += o->files[i].length;
	return pending;
}

int
output_append(struct output *o, const struct iovec *iov, int count, size_t skip)
{
	int i;

	for (i = 0; i < count; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		if (spool_write(&o->spool, (const char *)iov[i].iov_base + skip,
		    iov[i].iov_len - skip) == -1)
			return -1;
		skip = 0;
	}
	return 0;
}

/* Copies a file's octets into the spool: when too many files wait. */
static int
output_copy_file(struct output *o, int fd, long long offset, long long length)
{
	char *piece = malloc(PIECE);
	ssize_t n = 0;

	if (piece == NULL)
		return -1;
	while (length > 0) {
		n = pread(fd, piece, length < PIECE ? (size_t)length : PIECE, offset);
		if (n == 0)
			errno = EIO;	/* the file has become shorter */
		if (n <= 0 || spool_write(&o->spool, piece, (size_t)n) == -1)
			break;
		offset += n;
		length -= n;
	}
	free(piece);
	return length == 0 ? 0 : -1;
}

int
output_append_file(struct output *o, int fd, long long offset, long long length)
{
	struct output_file *f;

	if (o->file_count == OUTPUT_FILES_MAX)
		return output_copy_file(o, fd, offset, length);
	f = &o->files[o->file_count];
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (f->fd == -1)
		return -1;
	f->at = o->spool.length;
	f->offset = offset;
	f->length = length;
	o->file_count++;
	return 0;
}

/* Sends a part of a file.  Octets sent, -1 and errno. */
static ssize_t
send_file(int socket_fd, int fd, long long offset, long long length)
{
#ifdef __linux__
	off_t at = offset;

	return sendfile(socket_fd, fd, &at, length < OUTPUT_AT_ONCE ? (size_t)length : OUTPUT_AT_ONCE);
#else
	char piece[PIECE];
	ssize_t n;

	n = pread(fd, piece, length < PIECE ? (size_t)length : PIECE, offset);
	return n <= 0 ? n : send(socket_fd, piece, (size_t)n, MSG_NOSIGNAL);
#endif
}

/* Sends spool octets up to `end`.  Octets sent, -1 and errno. */
static ssize_t
send_spool(struct output *o, int socket_fd, long long end)
{
	if (o->spool.fd == -1)
		return send(socket_fd, o->spool.memory + o->sent,
		    (size_t)(end - o->sent), MSG_NOSIGNAL);
	return send_file(socket_fd, o->spool.fd, o->sent, end - o->sent);
}

static void
drop_first_file(struct output *o)
{
	close(o->files[0].fd);
	o->file_count--;
	memmove(o->files, o->files + 1, o->file_count * sizeof(o->files[0]));
}

int
output_send(struct output *o, int socket_fd, long long *moved)
{
	struct output_file *f = o->files;
	long long most = *moved + OUTPUT_AT_ONCE;
	ssize_t n;

	while (*moved < most) {
		if (o->file_count > 0 && f->at == o->sent) {
			if (f->length == 0) {
				drop_first_file(o);
				continue;
			}
			n = send_file(socket_fd, f->fd, f->offset, f->length);
			if (n > 0) {
				f->offset += n;
				f->length -= n;
			}
		} else {
			long long end = o->file_count > 0 ? f->at : o->spool.length;

			if (o->sent == end)
				return 1;
			n = send_spool(o, socket_fd, end);
			if (n > 0)
				o->sent += n;
		}
		if (n > 0) {
			*moved += n;
		} else if (n == 0) {
			errno = EIO;	/* a file has become shorter than was promised */
			return -1;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return 0;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return output_pending(o) == 0;
}
