/*
 * poller_poll.c - poller.h on POSIX poll(2), for systems with nothing better.
 *
 * The descriptors stand in an array without gaps, as poll() wants them; a
 * map from descriptor to place makes every change O(1).  A wait costs O(n).
 *
 * A waiting thread polls a private copy, because another one may change the
 * arrays meanwhile; the mutex is held while they are changed or copied, so
 * it does not matter how far into poller_wait() the first one has come.
 *
 * poll() has no counterpart of EPOLLEXCLUSIVE: a shared descriptor wakes
 * everybody, which is correct but costs more.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#include "poller.h"

#define NO_SLOT (-1)

/* What is watched: two arrays in step. */
struct watch {
	struct pollfd *fds;
	void **data;
	size_t size;	/* room in both */
};

struct poller {
	pthread_mutex_t mutex;	/* guards all below; never held while waiting */
	struct watch watch;
	size_t count;		/* used in watch */
	int *slot_of_fd;	/* index in watch by descriptor, or NO_SLOT */
	size_t slot_of_fd_size;
	size_t first;		/* where the next report begins, so that nobody starves */

	/* The room for a private copy; NULL while a waiting thread has it.
	 * Kept between waits, so that a wait need not call malloc or free: one
	 * thread may be waiting when another crashes inside malloc. */
	struct watch *spare;
};

const char poller_name[] = "poll";

_Static_assert(sizeof(struct poller) <= POLLER_ROOM, "it fits its room");

struct poller *
poller_init(void *room)
{
	struct poller *p = room;
	int error;

	memset(p, 0, sizeof(*p));
	error = pthread_mutex_init(&p->mutex, NULL);
	if (error != 0) {
		errno = error;
		return NULL;
	}
	return p;
}

int
poller_open(struct poller *p)
{
	(void)p;	/* nothing but memory */
	return 0;
}

static void
copy_free(struct watch *copy)
{
	if (copy == NULL)
		return;
	free(copy->fds);
	free(copy->data);
	free(copy);
}

void
poller_end(struct poller *p)
{
	copy_free(p->spare);
	free(p->watch.fds);
	free(p->watch.data);
	free(p->slot_of_fd);
	pthread_mutex_destroy(&p->mutex);
}

/* Makes room for n entries.  0, or -1 and errno; then nothing is lost. */
static int
watch_reserve(struct watch *w, size_t n)
{
	struct pollfd *fds;
	void **data;
	size_t size = w->size == 0 ? 16 : w->size;

	if (n <= w->size)
		return 0;
	while (size < n)
		size *= 2;
	fds = realloc(w->fds, size * sizeof(*fds));
	if (fds == NULL)
		return -1;
	w->fds = fds;
	data = realloc(w->data, size * sizeof(*data));
	if (data == NULL)
		return -1;
	w->data = data;
	w->size = size;
	return 0;
}

static int
map_reserve(struct poller *p, size_t n)
{
	size_t i, size = p->slot_of_fd_size == 0 ? 64 : p->slot_of_fd_size;
	int *map;

	if (n <= p->slot_of_fd_size)
		return 0;
	while (size < n)
		size *= 2;
	map = realloc(p->slot_of_fd, size * sizeof(*map));
	if (map == NULL)
		return -1;
	for (i = p->slot_of_fd_size; i < size; i++)
		map[i] = NO_SLOT;
	p->slot_of_fd = map;
	p->slot_of_fd_size = size;
	return 0;
}

static short
poll_interest(unsigned events)
{
	return (short)((events & POLLER_IN ? POLLIN : 0) |
	    (events & POLLER_OUT ? POLLOUT : 0));
}

/* The descriptor's place, or NO_SLOT. */
static int
slot_find(const struct poller *p, int fd)
{
	if (fd < 0 || (size_t)fd >= p->slot_of_fd_size)
		return NO_SLOT;
	return p->slot_of_fd[fd];
}

static void
slot_fill(struct poller *p, size_t slot, int fd, unsigned events, void *data)
{
	p->watch.fds[slot] = (struct pollfd){ .fd = fd, .events = poll_interest(events) };
	p->watch.data[slot] = data;
	p->slot_of_fd[fd] = (int)slot;
}

/* The following three do the work of poller_add, _set and _remove; 0 or errno. */

static int
slot_add(struct poller *p, int fd, unsigned events, void *data)
{
	if (fd < 0)
		return EBADF;
	if (slot_find(p, fd) != NO_SLOT)
		return EEXIST;
	if (map_reserve(p, (size_t)fd + 1) == -1 ||
	    watch_reserve(&p->watch, p->count + 1) == -1)
		return ENOMEM;
	slot_fill(p, p->count++, fd, events, data);
	return 0;
}

static int
slot_set(struct poller *p, int fd, unsigned events, void *data)
{
	int slot = slot_find(p, fd);

	if (slot == NO_SLOT)
		return ENOENT;
	slot_fill(p, (size_t)slot, fd, events, data);
	return 0;
}

static int
slot_remove(struct poller *p, int fd)
{
	int slot = slot_find(p, fd);
	size_t last;

	if (slot == NO_SLOT)
		return ENOENT;
	/* The last one takes the place that becomes free. */
	last = --p->count;
	if ((size_t)slot != last) {
		p->watch.fds[slot] = p->watch.fds[last];
		p->watch.data[slot] = p->watch.data[last];
		p->slot_of_fd[p->watch.fds[slot].fd] = slot;
	}
	p->slot_of_fd[fd] = NO_SLOT;
	return 0;
}

/* Releases the mutex; 0, or -1 and errno = error. */
static int
unlock_and_return(struct poller *p, int error)
{
	pthread_mutex_unlock(&p->mutex);
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

int
poller_add(struct poller *p, int fd, unsigned events, void *data)
{
	pthread_mutex_lock(&p->mutex);
	return unlock_and_return(p, slot_add(p, fd, events, data));
}

int
poller_set(struct poller *p, int fd, unsigned events, void *data)
{
	pthread_mutex_lock(&p->mutex);
	return unlock_and_return(p, slot_set(p, fd, events, data));
}

int
poller_remove(struct poller *p, int fd)
{
	pthread_mutex_lock(&p->mutex);
	return unlock_and_return(p, slot_remove(p, fd));
}

void
poller_close(struct poller *p, int fd)
{
	poller_remove(p, fd);
	close(fd);
}

/* A copy of what is watched, with room for one more: the spare one, or a new
 * one while another thread has that.  NULL if out of memory. */
static struct watch *
copy_take(struct poller *p, size_t *count, size_t *first)
{
	struct watch *copy;

	pthread_mutex_lock(&p->mutex);
	copy = p->spare;
	p->spare = NULL;
	if (copy == NULL)
		copy = calloc(1, sizeof(*copy));
	if (copy != NULL && watch_reserve(copy, p->count + 1) == -1) {
		copy_free(copy);
		copy = NULL;
	}
	if (copy != NULL && p->count > 0) {
		memcpy(copy->fds, p->watch.fds, p->count * sizeof(*copy->fds));
		memcpy(copy->data, p->watch.data, p->count * sizeof(*copy->data));
	}
	*count = p->count;
	*first = p->first;
	pthread_mutex_unlock(&p->mutex);
	return copy;
}

static void
copy_give_back(struct poller *p, struct watch *copy, size_t first)
{
	struct watch *surplus;

	pthread_mutex_lock(&p->mutex);
	surplus = p->spare;
	p->spare = copy;
	p->first = first;
	pthread_mutex_unlock(&p->mutex);
	copy_free(surplus);
}

/* Reports what poll() has found among the first count of w; max at most,
 * beginning at *first, which is moved to where the next report begins. */
static int
watch_report(const struct watch *w, size_t count, size_t *first,
    struct poller_event *events, int max)
{
	size_t i, at = *first < count ? *first : 0;
	int n = 0;

	for (i = 0; i < count && n < max; i++) {
		short found = w->fds[at].revents;

		if (found != 0) {
			events[n].data = w->data[at];
			events[n].events = (found & ~POLLOUT ? POLLER_IN : 0u) |
			    (found & ~POLLIN ? POLLER_OUT : 0u);
			n++;
		}
		if (++at == count)
			at = 0;
	}
	*first = at;
	return n;
}

int
poller_wait(struct poller *p, struct poller_event *events, int max,
    int timeout_ms, int wake_fd)
{
	struct watch *copy;
	size_t count, first;
	int n, error;

	if (max <= 0) {
		errno = EINVAL;
		return -1;
	}
	copy = copy_take(p, &count, &first);
	if (copy == NULL) {
		errno = ENOMEM;
		return -1;
	}
	/* Behind the others; poll() refuses more than there may be descriptors. */
	copy->fds[count] = (struct pollfd){ .fd = wake_fd, .events = POLLIN };
	n = poll(copy->fds, (nfds_t)count + (wake_fd >= 0), timeout_ms);
	error = errno;
	if (n > 0)
		n = copy->fds[count].revents != 0 ? 0 :
		    watch_report(copy, count, &first, events, max);
	copy_give_back(p, copy, first);
	errno = error;
	return n;
}
