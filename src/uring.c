/*
 * uring.c - see uring.h.  Without a library, for so little is needed of it: a
 * queue of submissions that we fill, and one of completions that we empty; how
 * they lie in memory is in io_uring_setup(2).
 */
#include <errno.h>
#include <stdlib.h>

#include "uring.h"

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#define HAVE_URING
#endif
#endif

#ifdef HAVE_URING
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One mapping for both queues, and (Linux 5.7, in which sends were new) no
 * operation that is put off: what would have to wait fails. */
#define FEATURES (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_FAST_POLL)

struct uring {
	int fd;
	void *queues;
	size_t queues_size;
	struct io_uring_sqe *submissions;	/* URING_SENDS of them */
	const struct io_uring_cqe *completions;	/* more than that; how many, less one: */
	uint32_t completions_mask;
	_Atomic uint32_t *submitted;		/* the first queue's end, which we move, */
	const _Atomic uint32_t *taken;		/* and its beginning, which the kernel does */
	const _Atomic uint32_t *completed;	/* the other's end, which the kernel moves, */
	_Atomic uint32_t *seen;			/* and its beginning, which we do */
};

/* 0, or -1 and errno. */
static int
uring_map(struct uring *u, const struct io_uring_params *p)
{
	size_t size = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	char *at;

	u->queues_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	if (u->queues_size < size)
		u->queues_size = size;
	at = mmap(NULL, u->queues_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd,
	    IORING_OFF_SQ_RING);
	if (at == MAP_FAILED)
		return -1;
	u->queues = at;
	u->submissions = mmap(NULL, URING_SENDS * sizeof(u->submissions[0]),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
	if (u->submissions == MAP_FAILED) {
		munmap(u->queues, u->queues_size);
		return -1;
	}
	u->completions = (const struct io_uring_cqe *)(const void *)(at + p->cq_off.cqes);
	u->completions_mask = p->cq_entries - 1;
	u->submitted = (_Atomic uint32_t *)(void *)(at + p->sq_off.tail);
	u->taken = (const _Atomic uint32_t *)(void *)(at + p->sq_off.head);
	u->completed = (const _Atomic uint32_t *)(void *)(at + p->cq_off.tail);
	u->seen = (_Atomic uint32_t *)(void *)(at + p->cq_off.head);
	/* The queue of submissions is one of numbers; each place has its own for ever. */
	for (uint32_t i = 0; i < p->sq_entries; i++)
		((uint32_t *)(void *)(at + p->sq_off.array))[i] = i;
	return 0;
}

struct uring *
uring_new(void)
{
	struct io_uring_params p = { 0 };
	struct uring *u = malloc(sizeof(*u));
	int saved;

	if (u == NULL)
		return NULL;
	u->fd = (int)syscall(SYS_io_uring_setup, URING_SENDS, &p);
	if (u->fd != -1) {
		errno = ENOSYS;
		if ((p.features & FEATURES) == FEATURES && p.sq_entries == URING_SENDS &&
		    uring_map(u, &p) == 0)
			return u;
		saved = errno;
		close(u->fd);
		errno = saved;
	}
	free(u);
	return NULL;
}

void
uring_free(struct uring *u)
{
	if (u == NULL)
		return;
	munmap(u->submissions, URING_SENDS * sizeof(u->submissions[0]));
	munmap(u->queues, u->queues_size);
	close(u->fd);
	free(u);
}

/* Has the kernel try what stands in the queue, and waits until it has: it does so at
 * once, but the memory must not go while there is the least doubt.  How many it
 * has taken. */
static unsigned
uring_enter(struct uring *u, unsigned count)
{
	uint32_t seen = atomic_load_explicit(u->seen, memory_order_relaxed);
	long taken;

	do
		taken = syscall(SYS_io_uring_enter, u->fd, count, count, IORING_ENTER_GETEVENTS,
		    NULL, 0);
	while (taken == -1 && errno == EINTR);
	if (taken <= 0)
		return 0;
	while (atomic_load_explicit(u->completed, memory_order_acquire) - seen < (uint32_t)taken)
		(void)syscall(SYS_io_uring_enter, u->fd, 0, (unsigned)taken,
		    IORING_ENTER_GETEVENTS, NULL, 0);
	return (unsigned)taken;
}

void
uring_send(struct uring *u, struct uring_send *sends, unsigned count)
{
	uint32_t at = atomic_load_explicit(u->submitted, memory_order_relaxed);
	uint32_t seen = atomic_load_explicit(u->seen, memory_order_relaxed);

	for (unsigned i = 0; i < count; i++) {
		u->submissions[(at + i) % URING_SENDS] = (struct io_uring_sqe){
			.opcode = IORING_OP_SEND,
			.fd = sends[i].fd,
			.addr = (uintptr_t)sends[i].data,
			.len = (uint32_t)sends[i].length,
			.msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT,
			.user_data = i,
		};
		sends[i].result = 0;
	}
	atomic_store_explicit(u->submitted, at + count, memory_order_release);
	for (unsigned taken = uring_enter(u, count); taken > 0; taken--, seen++) {
		const struct io_uring_cqe *c = &u->completions[seen & u->completions_mask];

		sends[c->user_data].result = c->res;
	}
	atomic_store_explicit(u->seen, seen, memory_order_release);
	/* What it has not taken is not to be taken later. */
	atomic_store_explicit(u->submitted,
	    atomic_load_explicit(u->taken, memory_order_acquire), memory_order_release);
}

#else

struct uring {
	int none;
};

struct uring *
uring_new(void)
{
	errno = ENOSYS;
	return NULL;
}

void
uring_free(struct uring *u)
{
	free(u);
}

void
uring_send(struct uring *u, struct uring_send *sends, unsigned count)
{
	(void)u;
	for (unsigned i = 0; i < count; i++)
		sends[i].result = 0;
}
#endif
