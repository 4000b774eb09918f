/*
 * kqueue.c - a stand-in for kqueue(2), so that on Linux the tests run over
 * poller_kqueue.c and the server's other code for systems that are not Linux.
 *
 * It is no proof of what a BSD's kernel does.  It does what FreeBSD's manual
 * page says of the part that the server uses: the filters READ and WRITE,
 * level-triggered.  As there, a kqueue is not inherited by a child of fork(),
 * threads may share one, and the kqueue's descriptor is itself readable while
 * it has something to report.  Unlike there, closing a descriptor that another
 * process has open as well does not remove its filters (poller.h demands that
 * they be removed before), `data` is not filled in, and of an error there is
 * only EV_EOF.
 *
 * Behind a kqueue is an epoll descriptor, and a table of the filters.
 */
#include <sys/epoll.h>
#include <sys/event.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KQUEUES_MAX 16		/* of one process at once */
#define BATCH 128

enum { READ, WRITE, FILTERS };

/* The filters of one descriptor. */
struct knote {
	bool on[FILTERS];
	void *udata[FILTERS];
};

struct kq {
	int fd;			/* of the epoll; 0: none */
	struct knote *notes;	/* by descriptor */
	size_t size;
};

static struct kq kqueues[KQUEUES_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;	/* guards all of it */

static void
fork_before(void)
{
	pthread_mutex_lock(&mutex);
}

static void
fork_parent(void)
{
	pthread_mutex_unlock(&mutex);
}

static void
fork_child(void)
{
	for (int i = 0; i < KQUEUES_MAX; i++) {
		if (kqueues[i].fd > 0)
			close(kqueues[i].fd);
		free(kqueues[i].notes);
	}
	memset(kqueues, 0, sizeof(kqueues));
	pthread_mutex_unlock(&mutex);
}

static void
install(void)
{
	pthread_atfork(fork_before, fork_parent, fork_child);
}

/* Its place in the table; NULL: it is no kqueue. */
static struct kq *
kq_find(int fd)
{
	for (int i = 0; i < KQUEUES_MAX; i++)
		if (kqueues[i].fd == fd)
			return &kqueues[i];
	errno = EBADF;
	return NULL;
}

int
kqueue(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct kq *q;
	int fd;

	pthread_once(&once, install);
	fd = epoll_create1(0);
	if (fd == -1)
		return -1;
	pthread_mutex_lock(&mutex);
	/* A number that is given again was closed in between. */
	q = kq_find(fd);
	if (q == NULL)
		q = kq_find(0);
	if (q != NULL) {
		free(q->notes);
		*q = (struct kq){ .fd = fd };
	}
	pthread_mutex_unlock(&mutex);
	if (q == NULL) {
		close(fd);
		errno = EMFILE;
		return -1;
	}
	return fd;
}

static int
notes_reserve(struct kq *q, size_t n)
{
	size_t size = q->size == 0 ? 64 : q->size;
	struct knote *notes;

	if (n <= q->size)
		return 0;
	while (size < n)
		size *= 2;
	notes = realloc(q->notes, size * sizeof(*notes));
	if (notes == NULL)
		return -1;
	memset(notes + q->size, 0, (size - q->size) * sizeof(*notes));
	q->notes = notes;
	q->size = size;
	return 0;
}

/* Makes the epoll watch what the descriptor's filters ask for. */
static int
note_apply(struct kq *q, int fd)
{
	const struct knote *note = &q->notes[fd];
	struct epoll_event e = { .data.fd = fd };

	if (note->on[READ])
		e.events |= EPOLLIN | EPOLLRDHUP;
	if (note->on[WRITE])
		e.events |= EPOLLOUT;
	if (e.events == 0)
		return epoll_ctl(q->fd, EPOLL_CTL_DEL, fd, NULL);
	if (epoll_ctl(q->fd, EPOLL_CTL_MOD, fd, &e) == 0)
		return 0;
	return errno == ENOENT ? epoll_ctl(q->fd, EPOLL_CTL_ADD, fd, &e) : -1;
}

/* One change.  0, or -1 and errno. */
static int
change(struct kq *q, const struct kevent *k)
{
	int filter = k->filter == EVFILT_READ ? READ : WRITE;
	struct knote *note, before;

	if ((k->filter != EVFILT_READ && k->filter != EVFILT_WRITE) || k->fflags != 0 ||
	    (k->flags != EV_ADD && k->flags != EV_DELETE)) {
		errno = EINVAL;
		return -1;
	}
	if (k->ident > INT_MAX) {
		errno = EBADF;
		return -1;
	}
	if (notes_reserve(q, (size_t)k->ident + 1) == -1)
		return -1;
	note = &q->notes[k->ident];
	before = *note;
	if (k->flags == EV_DELETE && !note->on[filter]) {
		errno = ENOENT;
		return -1;
	}
	note->on[filter] = k->flags == EV_ADD;
	note->udata[filter] = k->udata;
	if (note_apply(q, (int)k->ident) == 0)
		return 0;
	*note = before;
	return -1;
}

/* What the epoll says of a descriptor, as one or two events; their number. */
static int
report(const struct kq *q, const struct epoll_event *e, struct kevent *events, int room)
{
	static const struct {
		short name;
		uint32_t ready, end;
	} filters[FILTERS] = {
		[READ] = { EVFILT_READ, EPOLLIN, EPOLLRDHUP | EPOLLHUP | EPOLLERR },
		[WRITE] = { EVFILT_WRITE, EPOLLOUT, EPOLLHUP | EPOLLERR },
	};
	const struct knote *note = &q->notes[e->data.fd];
	int n = 0;

	for (int i = 0; i < FILTERS && n < room; i++) {
		if (!note->on[i] || !(e->events & (filters[i].ready | filters[i].end)))
			continue;
		EV_SET(&events[n], (uintptr_t)e->data.fd, filters[i].name,
		    e->events & filters[i].end ? EV_EOF : 0, 0, 0, note->udata[i]);
		n++;
	}
	return n;
}

static int64_t
clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Collects what is ready now. */
static int
collect(int kq, struct kevent *events, int event_count)
{
	/* Half as many: a descriptor may have two. */
	int most = event_count / 2 > 0 ? event_count / 2 : 1, found = 0, n;
	struct epoll_event ready[BATCH];
	struct kq *q;

	pthread_mutex_lock(&mutex);
	q = kq_find(kq);
	n = q == NULL ? -1 : epoll_wait(kq, ready, most < BATCH ? most : BATCH, 0);
	for (int i = 0; i < n; i++)
		found += report(q, &ready[i], events + found, event_count - found);
	pthread_mutex_unlock(&mutex);
	return n == -1 ? -1 : found;
}

int
kevent(int kq, const struct kevent *changes, int change_count,
    struct kevent *events, int event_count, const struct timespec *timeout)
{
	int64_t until = 0, left = -1;
	struct epoll_event unused;
	struct kq *q;
	int i, n;

	pthread_mutex_lock(&mutex);
	q = kq_find(kq);
	for (i = 0; q != NULL && i < change_count; i++)
		if (change(q, &changes[i]) == -1)
			break;
	pthread_mutex_unlock(&mutex);
	if (q == NULL || i < change_count)
		return -1;	/* the server asks for no EV_ERROR */
	if (event_count == 0)
		return 0;
	if (timeout != NULL)
		until = clock_ms() + timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000;
	for (;;) {
		n = collect(kq, events, event_count);
		if (n != 0)
			return n;
		if (timeout != NULL && (left = until - clock_ms()) <= 0)
			return 0;
		/* Not under the mutex; level-triggered, so this takes nothing away. */
		if (epoll_wait(kq, &unused, 1, left > INT_MAX ? INT_MAX : (int)left) == -1)
			return -1;
	}
}
