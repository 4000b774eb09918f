/*
 * board.c - the scoreboard in shared memory.
 *
 * The mapping is one private page, then the shared board.  The private page
 * holds what must not be believed when it comes back from shared memory.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "descriptor.h"

struct board_private {
	size_t size;		/* of the whole mapping */
	size_t slot_count, tally_count;
	int wake_fd, wake_read_fd;
};

static size_t
page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static struct board_private *
board_private(const struct board *b)
{
	return (struct board_private *)(void *)((char *)(uintptr_t)b - page_size());
}

static int
wake_pipe_open(int fds[2])
{
	if (pipe(fds) == -1)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (descriptor_prepare(fds[i]) == -1) {
			int saved = errno;

			close(fds[0]);
			close(fds[1]);
			errno = saved;
			return -1;
		}
	}
	return 0;
}

/* Of one slot, in octets; workers do not write to one cache line. */
static size_t
row_size(size_t tally_count)
{
	size_t line = _Alignof(struct slot);

	return (tally_count * sizeof(struct tally) + line - 1) / line * line;
}

struct board *
board_new(uint32_t slot_count, size_t tally_count)
{
	size_t page = page_size();
	size_t size = sizeof(struct board) +
	    slot_count * (sizeof(struct slot) + row_size(tally_count));
	struct board_private *private;
	struct board *b;
	int fds[2], saved;
	char *map;

	size = page + (size + page - 1) / page * page;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (mmap(map + page, size - page, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		goto fail;
	if (wake_pipe_open(fds) == -1)
		goto fail;

	private = (struct board_private *)(void *)map;
	private->size = size;
	private->slot_count = slot_count;
	private->tally_count = tally_count;
	private->wake_read_fd = fds[0];
	private->wake_fd = fds[1];

	b = (struct board *)(void *)(map + page);
	b->slot_count = slot_count;
	b->wake_read_fd = fds[0];
	return b;

fail:
	saved = errno;
	munmap(map, size);
	errno = saved;
	return NULL;
}

void
board_free(struct board *b)
{
	struct board_private *private;

	if (b == NULL)
		return;
	private = board_private(b);
	close(private->wake_fd);
	close(private->wake_read_fd);
	munmap(private, private->size);
}

struct tally *
board_tallies(const struct board *b, size_t slot)
{
	const struct board_private *private = board_private(b);
	const char *rows = (const char *)(b->slots + private->slot_count);

	if (private->tally_count == 0)
		return NULL;
	return (struct tally *)(uintptr_t)(rows + slot * row_size(private->tally_count));
}

size_t
board_slots_used(const struct board *b)
{
	size_t used = atomic_load(&b->slots_used), most = board_private(b)->slot_count;

	return used < most ? used : most;
}

void
board_read_only(struct board *b)
{
	mprotect(b, board_private(b)->size - page_size(), PROT_READ);
}

/* A slot that was in state `old` is no longer: take it out of the counts. */
static void
board_uncount(struct board *b, uint32_t old)
{
	if (old == SLOT_RUNNING)
		atomic_fetch_sub(&b->busy, 1);
	else if (old == SLOT_IDLE)
		atomic_fetch_sub(&b->idle, 1);
}

void
board_idle(struct board *b, struct slot *s)
{
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_IDLE)
		return;
	board_uncount(b, atomic_exchange(&s->state, SLOT_IDLE));
	atomic_fetch_add(&b->idle, 1);
}

void
board_running(struct board *b, struct slot *s, uint64_t now_ns)
{
	uint32_t busy, peak;

	/* The time first: whoever sees the state must see its time. */
	atomic_store_explicit(&s->since_ns, now_ns, memory_order_release);
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_RUNNING)
		return;
	board_uncount(b, atomic_exchange(&s->state, SLOT_RUNNING));
	busy = atomic_fetch_add(&b->busy, 1) + 1;
	peak = atomic_load_explicit(&b->peak, memory_order_relaxed);
	while (busy > peak &&
	    !atomic_compare_exchange_weak(&b->peak, &peak, busy))
		;
}

void
board_ran(struct slot *s)
{
	atomic_store_explicit(&s->since_ns, 0, memory_order_release);
}

void
board_full(struct board *b, struct slot *s)
{
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_FULL)
		return;
	board_uncount(b, atomic_exchange(&s->state, SLOT_FULL));
	if (atomic_load(&b->idle) == 0)
		board_wake(b);
}

void
board_leaving(struct board *b, struct slot *s)
{
	board_uncount(b, atomic_exchange(&s->state, SLOT_LEAVING));
}

void
board_call(struct board *b)
{
	int saved = errno;

	/* A full pipe means that the zygote has been called already.  The number
	 * is our own: one that another process wrote could be a client's. */
	if (write(board_private(b)->wake_fd, "", 1) == -1)
		errno = saved;
}

void
board_wake(struct board *b)
{
	/* In sequence with what the caller has counted before: the zygote clears
	 * this, then looks at the counts. */
	if (atomic_load(&b->watching) == 0 && atomic_exchange(&b->watching, 1) == 0)
		board_call(b);
}

void
board_take(struct board *b, struct slot *s)
{
	uint32_t at = (uint32_t)(s - b->slots);

	if (at >= atomic_load(&b->slots_used))
		atomic_store(&b->slots_used, at + 1);
	atomic_store(&s->pid, 0);
	atomic_store(&s->since_ns, 0);
	atomic_store(&s->requests, 0);
	atomic_store(&s->connections, 0);
	atomic_store(&s->wants_replacement, 0);
	s->route = s->status = s->head_length = 0;
	s->started_s = 0;
	s->sent_bytes = 0;
	s->logged = s->exited = 0;
	s->request_id[0] = s->remote[0] = s->head[0] = '\0';
	atomic_store(&s->state, SLOT_STARTING);
}

void
board_clear(struct board *b, struct slot *s)
{
	board_uncount(b, atomic_exchange(&s->state, SLOT_FREE));
	atomic_store(&s->pid, 0);
	atomic_store(&s->wants_replacement, 0);
}
