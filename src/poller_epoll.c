/*
 * poller_epoll.c - poller.h on Linux's epoll(7).
 *
 * A poller is nothing but the epoll descriptor: no state in user space, so
 * a thread left waiting shares nothing with the one that uses the poller.
 * EPOLLRDHUP is not asked for: a client that has shut down its sending side
 * still wants its response, and reading tells the rest.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "poller.h"

#define EPOLL_BATCH 64	/* events fetched at once; more are reported by the next wait */

struct poller {
	int fd;
};

const char poller_name[] = "epoll";

_Static_assert(sizeof(struct poller) <= POLLER_ROOM, "it fits its room");

struct poller *
poller_init(void *room)
{
	struct poller *p = room;

	p->fd = -1;
	return p;
}

int
poller_open(struct poller *p)
{
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	return p->fd == -1 ? -1 : 0;
}

void
poller_end(struct poller *p)
{
	if (p->fd != -1)
		close(p->fd);
}

static struct epoll_event
epoll_interest(unsigned events, void *data)
{
	struct epoll_event e = { .data.ptr = data };

	if (events & POLLER_IN)
		e.events |= EPOLLIN;
	if (events & POLLER_OUT)
		e.events |= EPOLLOUT;
	if (events & POLLER_SHARED)
		e.events |= EPOLLEXCLUSIVE;
	return e;
}

int
poller_add(struct poller *p, int fd, unsigned events, void *data)
{
	struct epoll_event e = epoll_interest(events, data);

	return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e);
}

int
poller_set(struct poller *p, int fd, unsigned events, void *data)
{
	struct epoll_event e = epoll_interest(events, data);

	return epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &e);
}

int
poller_remove(struct poller *p, int fd)
{
	return epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

void
poller_close(struct poller *p, int fd)
{
	(void)p;
	close(fd);	/* the last descriptor of a socket takes it out, see epoll(7) */
}

/* Waits until the epoll descriptor has something to report.  1, 0: time is
 * up or wake_fd is readable, -1 and errno. */
static int
epoll_wait_or_wake(const struct poller *p, int timeout_ms, int wake_fd)
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
	struct epoll_event ready[EPOLL_BATCH];
	int i, n;

	if (wake_fd >= 0) {
		n = epoll_wait_or_wake(p, timeout_ms, wake_fd);
		if (n <= 0)
			return n;
		timeout_ms = 0;
	}
	n = epoll_wait(p->fd, ready, max < EPOLL_BATCH ? max : EPOLL_BATCH, timeout_ms);
	for (i = 0; i < n; i++) {
		events[i].data = ready[i].data.ptr;
		events[i].events = 0;
		if (ready[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			events[i].events |= POLLER_IN;
		if (ready[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			events[i].events |= POLLER_OUT;
	}
	return n;
}
