/*
 * poller_kqueue.c - poller.h on kqueue(2): FreeBSD, OpenBSD, NetBSD, macOS.
 *
 * kqueue watches reading and writing of a descriptor as two filters; here it
 * has one of them at a time.  EV_EOF, which both report, needs no look: the
 * filter is ready then, and the next call on the descriptor tells.
 *
 * There is no counterpart of EPOLLEXCLUSIVE: a shared descriptor wakes
 * everybody, which is correct but costs more.
 */
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "poller.h"

#define KQUEUE_BATCH 64	/* events fetched at once; more are reported by the next wait */

/* Which filter a descriptor has. */
enum watched { WATCHED_NOT, WATCHED_READ, WATCHED_WRITE };

struct poller {
	int fd;
	unsigned char *watched;	/* by descriptor.  A waiting thread does not look here. */
	size_t watched_size;
};

const char poller_name[] = "kqueue";

_Static_assert(sizeof(struct poller) <= POLLER_ROOM, "it fits its room");

struct poller *
poller_init(void *room)
{
	struct poller *p = room;

	*p = (struct poller){ .fd = -1 };
	return p;
}

int
poller_open(struct poller *p)
{
	p->fd = kqueue();
	if (p->fd == -1)
		return -1;
	/* A child of fork() does not inherit it, one of exec() must not. */
	(void)fcntl(p->fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

void
poller_end(struct poller *p)
{
	if (p->fd != -1)
		close(p->fd);
	free(p->watched);
}

static int
watched_reserve(struct poller *p, size_t n)
{
	size_t i, size = p->watched_size == 0 ? 64 : p->watched_size;
	unsigned char *watched;

	if (n <= p->watched_size)
		return 0;
	while (size < n)
		size *= 2;
	watched = realloc(p->watched, size);
	if (watched == NULL)
		return -1;
	for (i = p->watched_size; i < size; i++)
		watched[i] = WATCHED_NOT;
	p->watched = watched;
	p->watched_size = size;
	return 0;
}

static enum watched
watched_of(const struct poller *p, int fd)
{
	if (fd < 0 || (size_t)fd >= p->watched_size)
		return WATCHED_NOT;
	return p->watched[fd];
}

/* From one filter to another, or to the same with other data.  0, or -1 and errno. */
static int
watched_change(struct poller *p, int fd, enum watched before, enum watched after, void *data)
{
	static const short filters[] = {
		[WATCHED_READ] = EVFILT_READ, [WATCHED_WRITE] = EVFILT_WRITE,
	};
	struct kevent changes[2];
	int n = 0;

	if (before != WATCHED_NOT && before != after)
		EV_SET(&changes[n++], (uintptr_t)fd, filters[before], EV_DELETE, 0, 0, NULL);
	if (after != WATCHED_NOT)
		EV_SET(&changes[n++], (uintptr_t)fd, filters[after], EV_ADD, 0, 0, data);
	/* With no room for events, the first change that fails ends the call. */
	if (kevent(p->fd, changes, n, NULL, 0, NULL) == -1)
		return -1;
	p->watched[fd] = (unsigned char)after;
	return 0;
}

static enum watched
watched_for(unsigned events)
{
	return events & POLLER_OUT ? WATCHED_WRITE : WATCHED_READ;
}

int
poller_add(struct poller *p, int fd, unsigned events, void *data)
{
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (watched_of(p, fd) != WATCHED_NOT) {
		errno = EEXIST;
		return -1;
	}
	if (watched_reserve(p, (size_t)fd + 1) == -1)
		return -1;
	return watched_change(p, fd, WATCHED_NOT, watched_for(events), data);
}

/* What poller_set and poller_remove have in common. */
static int
watched_replace(struct poller *p, int fd, enum watched after, void *data)
{
	enum watched before = watched_of(p, fd);

	if (before == WATCHED_NOT) {
		errno = ENOENT;
		return -1;
	}
	return watched_change(p, fd, before, after, data);
}

int
poller_set(struct poller *p, int fd, unsigned events, void *data)
{
	return watched_replace(p, fd, watched_for(events), data);
}

int
poller_remove(struct poller *p, int fd)
{
	return watched_replace(p, fd, WATCHED_NOT, NULL);
}

void
poller_close(struct poller *p, int fd)
{
	poller_remove(p, fd);
	close(fd);
}

/* Waits until the kqueue has something to report.  1, 0: time is up or
 * wake_fd is readable, -1 and errno. */
static int
kqueue_wait_or_wake(const struct poller *p, int timeout_ms, int wake_fd)
{
	struct pollfd fds[2] = {
		{ .fd = wake_fd, .events = POLLIN },
		{ .fd = p->fd, .events = POLLIN },
	};
	int n;

	n = poll(fds, 2, timeout_ms);
	if (n <= 0)
		return n;
	return fds[0].revents == 0;
}

int
poller_wait(struct poller *p, struct poller_event *events, int max,
    int timeout_ms, int wake_fd)
{
	struct kevent ready[KQUEUE_BATCH];
	struct timespec timeout = { 0, 0 };
	int i, n;

	if (max <= 0) {
		errno = EINVAL;
		return -1;
	}
	if (wake_fd >= 0) {
		n = kqueue_wait_or_wake(p, timeout_ms, wake_fd);
		if (n <= 0)
			return n;
		timeout_ms = 0;
	}
	if (timeout_ms > 0) {
		timeout.tv_sec = timeout_ms / 1000;
		timeout.tv_nsec = (long)(timeout_ms % 1000) * 1000000;
	}
	n = kevent(p->fd, NULL, 0, ready, max < KQUEUE_BATCH ? max : KQUEUE_BATCH,
	    timeout_ms < 0 ? NULL : &timeout);
	for (i = 0; i < n; i++) {
		events[i].data = ready[i].udata;
		events[i].events = ready[i].filter == EVFILT_WRITE ? POLLER_OUT : POLLER_IN;
	}
	return n;
}
