/*
 * poller_kqueue.c - poller.h on kqueue(2): FreeBSD, OpenBSD, NetBSD, macOS.
 *
 * kqueue watches reading and writing of a descriptor as two filters, which
 * report separately; poller_wait() joins them, since whoever handles the
 * first of two events may free what the second points to.
 *
 * A descriptor watched for nothing but HANGUP has its reading filter in an
 * edge-triggered form (EV_CLEAR) with a low-water mark that no data reaches,
 * so that it reports the end only, and once.  (A thread left waiting may
 * swallow that one report; reading, writing or a deadline then tells.)
 * EV_ADD does not change that flag of a filter that is there: going from one
 * form to the other takes an EV_DELETE in between.
 *
 * There is no counterpart of EPOLLEXCLUSIVE: a shared descriptor wakes
 * everybody, which is correct but costs more.
 */
#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "poller.h"

#define KQUEUE_BATCH 256	/* events fetched at once; more are reported by the next wait */

/* What is registered for a descriptor; a bit set, 0: not added. */
enum {
	FILTER_READ = 1,
	FILTER_WRITE = 2,
	FILTER_HANGUP = 4	/* the edge-triggered reading filter */
};

struct poller {
	int fd;
	unsigned char *filters;	/* by descriptor.  A waiting thread does not look here. */
	size_t filters_size;
};

const char poller_name[] = "kqueue";

struct poller *
poller_new(void)
{
	struct poller *p;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->fd = kqueue();
	if (p->fd == -1) {
		free(p);
		return NULL;
	}
	/* A child of fork() does not inherit it, one of exec() must not. */
	(void)fcntl(p->fd, F_SETFD, FD_CLOEXEC);
	return p;
}

void
poller_free(struct poller *p)
{
	if (p == NULL)
		return;
	close(p->fd);
	free(p->filters);
	free(p);
}

static int
filters_reserve(struct poller *p, size_t n)
{
	size_t i, size = p->filters_size == 0 ? 64 : p->filters_size;
	unsigned char *filters;

	if (n <= p->filters_size)
		return 0;
	while (size < n)
		size *= 2;
	filters = realloc(p->filters, size);
	if (filters == NULL)
		return -1;
	for (i = p->filters_size; i < size; i++)
		filters[i] = 0;
	p->filters = filters;
	p->filters_size = size;
	return 0;
}

static unsigned char
filters_of(const struct poller *p, int fd)
{
	if (fd < 0 || (size_t)fd >= p->filters_size)
		return 0;
	return p->filters[fd];
}

/* Registers `after` where `before` is registered.  0, or -1 and errno. */
static int
filters_change(struct poller *p, int fd, unsigned before, unsigned after, void *data)
{
	struct kevent changes[4];
	int n = 0;
	unsigned gone = before & ~after;
	uintptr_t ident = (uintptr_t)fd;

	if (gone & (FILTER_READ | FILTER_HANGUP))
		EV_SET(&changes[n++], ident, EVFILT_READ, EV_DELETE, 0, 0, NULL);
	if (gone & FILTER_WRITE)
		EV_SET(&changes[n++], ident, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
	/* Also what is there already: its data may be another. */
	if (after & FILTER_READ)
		EV_SET(&changes[n++], ident, EVFILT_READ, EV_ADD, 0, 0, data);
	if (after & FILTER_HANGUP)
		EV_SET(&changes[n++], ident, EVFILT_READ, EV_ADD | EV_CLEAR,
		    NOTE_LOWAT, INT_MAX, data);
	if (after & FILTER_WRITE)
		EV_SET(&changes[n++], ident, EVFILT_WRITE, EV_ADD, 0, 0, data);

	/* Changes are made in this order; with no room for events, the first
	 * that fails ends the call. */
	if (kevent(p->fd, changes, n, NULL, 0, NULL) == -1)
		return -1;
	p->filters[fd] = (unsigned char)after;
	return 0;
}

static unsigned
filters_wanted(unsigned events)
{
	unsigned filters = 0;

	if (events & POLLER_IN)
		filters |= FILTER_READ;
	if (events & POLLER_OUT)
		filters |= FILTER_WRITE;
	return filters != 0 ? filters : FILTER_HANGUP;
}

int
poller_add(struct poller *p, int fd, unsigned events, void *data)
{
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (filters_of(p, fd) != 0) {
		errno = EEXIST;
		return -1;
	}
	if (filters_reserve(p, (size_t)fd + 1) == -1)
		return -1;
	return filters_change(p, fd, 0, filters_wanted(events), data);
}

int
poller_set(struct poller *p, int fd, unsigned events, void *data)
{
	unsigned before = filters_of(p, fd);

	if (before == 0) {
		errno = ENOENT;
		return -1;
	}
	return filters_change(p, fd, before, filters_wanted(events), data);
}

int
poller_remove(struct poller *p, int fd)
{
	unsigned before = filters_of(p, fd);

	if (before == 0) {
		errno = ENOENT;
		return -1;
	}
	return filters_change(p, fd, before, 0, NULL);
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

/* What one kevent says, as POLLER_ bits; 0: nothing that was asked for. */
static unsigned
kevent_meaning(const struct kevent *k)
{
	/* EV_EOF with an error in fflags: the connection is no more.  EV_EOF of
	 * the reading filter alone is the client's FIN, which reading tells. */
	bool dead = (k->flags & EV_ERROR) || ((k->flags & EV_EOF) && k->fflags != 0);

	if (k->filter == EVFILT_WRITE) {
		if (k->flags & EV_EOF)
			dead = true;
		return POLLER_OUT | (dead ? POLLER_HANGUP : 0u);
	}
	if (k->flags & EV_CLEAR)	/* watched for nothing but HANGUP */
		return dead ? POLLER_HANGUP : 0;
	return POLLER_IN | (dead ? POLLER_HANGUP : 0u);
}

/* Joins what the two filters of a descriptor report, and leaves out what was
 * not asked for.  Returns the number of events, n at most. */
static int
kevents_join(const struct kevent *ready, int n, struct poller_event *events)
{
	uintptr_t ident[KQUEUE_BATCH];	/* whose events they are */
	int i, j, reading, found = 0;

	for (i = 0; i < n; i++) {
		unsigned meaning = kevent_meaning(&ready[i]);

		if (ready[i].filter == EVFILT_WRITE || meaning == 0)
			continue;
		ident[found] = ready[i].ident;
		events[found++] = (struct poller_event){ ready[i].udata, meaning };
	}
	reading = found;
	for (i = 0; i < n; i++) {
		if (ready[i].filter != EVFILT_WRITE)
			continue;
		for (j = 0; j < reading && ident[j] != ready[i].ident; j++)
			;
		if (j == reading) {
			j = found++;
			events[j] = (struct poller_event){ ready[i].udata, 0 };
		}
		events[j].events |= kevent_meaning(&ready[i]);
	}
	return found;
}

int
poller_wait(struct poller *p, struct poller_event *events, int max,
    int timeout_ms, int wake_fd)
{
	struct kevent ready[KQUEUE_BATCH];
	struct timespec timeout = { 0, 0 };
	int n;

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
	return n <= 0 ? n : kevents_join(ready, n, events);
}
