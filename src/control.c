/*
 * control.c - messages from parent to child over a socket pair.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "descriptor.h"

#define CONTROL_FDS_MAX 2

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

union control_buffer {
	struct cmsghdr align;
	char octets[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
};

#ifdef SOCK_CLOEXEC
int
control_open(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}
#else
int
control_open(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	if (descriptor_prepare(pair[0]) == -1 || descriptor_prepare(pair[1]) == -1) {
		int saved = errno;

		close(pair[0]);
		close(pair[1]);
		errno = saved;
		return -1;
	}
	return 0;
}
#endif

int
control_send(int fd, enum control_message message, const int *fds, int fd_count)
{
	char octet = (char)message;
	struct iovec io = { .iov_base = &octet, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	union control_buffer buffer;
	ssize_t n;

	if (fds == NULL)
		fd_count = 0;
	if (fd_count < 0 || fd_count > CONTROL_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (fd_count > 0) {
		size_t length = (size_t)fd_count * sizeof(int);
		struct cmsghdr *c;

		memset(&buffer, 0, sizeof(buffer));
		m.msg_control = buffer.octets;
		m.msg_controllen = CMSG_SPACE(length);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(length);
		memcpy(CMSG_DATA(c), fds, length);
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n == -1 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

/* Takes the descriptors out of a received message; those that do not fit into
 * fds are closed. */
static int
take_descriptors(struct msghdr *m, int fds[2])
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count < CONTROL_FDS_MAX) {
				fcntl(fd, F_SETFD, FD_CLOEXEC);
				fds[count++] = fd;
			} else
				close(fd);
		}
	}
	return count;
}

enum control_message
control_receive(int fd, int fds[2], int *fd_count)
{
	char octet = 0;
	struct iovec io = { .iov_base = &octet, .iov_len = 1 };
	union control_buffer buffer;
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1,
	    .msg_control = buffer.octets, .msg_controllen = sizeof(buffer.octets) };
	ssize_t n;

	*fd_count = 0;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return CONTROL_NONE;
		/* The other side died with messages of ours unread. */
		return errno == ECONNRESET ? CONTROL_EOF : CONTROL_ERROR;
	}
	*fd_count = take_descriptors(&m, fds);
	if (n == 0)
		return CONTROL_EOF;
	return octet == 0 ? CONTROL_ERROR : (enum control_message)octet;
}

enum control_message
control_peek(int fd)
{
	char octet;

	if (recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return CONTROL_NONE;
	return (enum control_message)octet;
}
