/*
 * arena.c - memory that lives for one request.
 *
 * Blocks in a list, the newest first; allocation moves a pointer through
 * the newest one.  A reset keeps the largest block of reasonable size, so
 * that after a few requests a steady load fits the one block it has.
 *
 * Under AddressSanitizer what is not allocated is poisoned, so that reading
 * a stale pointer or beyond an allocation is reported here too.
 */
#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sanitized.h"

#define ARENA_ALIGN 16
#define ARENA_BLOCK_MIN (16 * 1024)	/* the first block that is allocated */
#define ARENA_BLOCK_MAX (256 * 1024)	/* blocks double up to here; none larger is kept */

_Static_assert(ARENA_ALIGN % _Alignof(max_align_t) == 0, "aligned for any type");

struct block {
	struct block *next;
	size_t size;		/* octets of data */
	_Alignas(ARENA_ALIGN) char data[];
};

/* In one piece with the first block, so that using it writes to one page. */
struct arena {
	char *at, *end;		/* free room of the newest block */
	size_t left;		/* of max_bytes */
	size_t max_bytes;
	struct block *blocks;	/* newest first, at least one */
	bool allocated;		/* by arena_new() */
	_Alignas(ARENA_ALIGN) char first[];
};

static struct block *
block_init(void *at, size_t size)
{
	struct block *b = at;

	b->next = NULL;
	b->size = size;
	ASAN_POISON_MEMORY_REGION(b->data, size);
	return b;
}

static void
block_free(const struct arena *a, struct block *b)
{
	ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
	if ((char *)b != a->first)
		free(b);
}

static void
arena_use(struct arena *a, struct block *b)
{
	b->next = a->blocks;
	a->blocks = b;
	a->at = b->data;
	a->end = b->data + b->size;
}

struct arena *
arena_init(void *room, size_t size, size_t max_bytes)
{
	struct arena *a = room;

	assert(size >= ARENA_ROOM_MIN);
	if (max_bytes > SIZE_MAX / 4)
		max_bytes = SIZE_MAX / 4;
	/* What is charged are multiples of ARENA_ALIGN. */
	a->max_bytes = (max_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	a->left = a->max_bytes;
	a->blocks = NULL;
	a->allocated = false;
	arena_use(a, block_init(a->first, size - sizeof(*a) - sizeof(struct block)));
	return a;
}

struct arena *
arena_new(size_t max_bytes)
{
	size_t size = sizeof(struct arena) + sizeof(struct block) + ARENA_BLOCK_MIN;
	struct arena *a = malloc(size);

	if (a == NULL)
		return NULL;
	arena_init(a, size, max_bytes);
	a->allocated = true;
	return a;
}

void
arena_free(struct arena *a)
{
	struct block *b, *next;

	if (a == NULL)
		return;
	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		block_free(a, b);
	}
	if (a->allocated)
		free(a);
}

/* Frees all blocks but the one worth keeping. */
static void
arena_shrink(struct arena *a)
{
	struct block *b, *next, *kept = NULL;

	for (b = a->blocks; b != NULL; b = b->next) {
		if (b->size <= ARENA_BLOCK_MAX && (kept == NULL || b->size > kept->size))
			kept = b;
	}
	assert(kept != NULL);	/* the first block is never larger */
	for (b = a->blocks; b != NULL; b = next) {
		next = b->next;
		if (b != kept)
			block_free(a, b);
	}
	a->blocks = NULL;
	arena_use(a, kept);
}

void
arena_reset(struct arena *a)
{
	if (a->blocks->next != NULL)
		arena_shrink(a);
	a->at = a->blocks->data;
	a->left = a->max_bytes;
	ASAN_POISON_MEMORY_REGION(a->blocks->data, a->blocks->size);
}

/* A new block with room for n octets at least.  What is left of the old one is lost. */
static int
arena_grow(struct arena *a, size_t n)
{
	size_t size = a->blocks->size * 2;
	void *at;

	if (size < ARENA_BLOCK_MIN)
		size = ARENA_BLOCK_MIN;
	if (size > ARENA_BLOCK_MAX)
		size = ARENA_BLOCK_MAX;
	if (size < n)
		size = n;
	at = malloc(sizeof(struct block) + size);
	if (at == NULL)
		return -1;
	arena_use(a, block_init(at, size));
	return 0;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t room;
	void *p;

	if (n > a->left)
		goto full;
	room = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (room > a->left)
		goto full;
	if (room + SANITIZED_GAP > (size_t)(a->end - a->at) && arena_grow(a, room + SANITIZED_GAP) == -1)
		return NULL;
	a->left -= room;
	p = a->at;
	a->at += room + SANITIZED_GAP;
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
full:
	errno = ENOMEM;
	return NULL;
}

char *
arena_copy(struct arena *a, const char *text, size_t n)
{
	char *copy;

	if (n == SIZE_MAX) {
		errno = ENOMEM;
		return NULL;
	}
	copy = arena_alloc(a, n + 1);
	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}
