/*
 * arena.h - memory that lives for one request.
 *
 * The worker owns the only arena and resets it between requests.
 * Pointers from it die at arena_reset(); never free() or keep one.
 * A reset keeps one block, so that a steady load allocates nothing.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena;

#define ARENA_ROOM_MIN 256	/* octets */

/* max_bytes bounds all that is allocated between two resets.  NULL if out of memory. */
struct arena *arena_new(size_t max_bytes);

/* The same in so many octets of the caller's, aligned for any type; more is allocated
 * when they do not suffice. */
struct arena *arena_init(void *room, size_t size, size_t max_bytes);

/* Frees what was allocated. */
void arena_free(struct arena *a);
void arena_reset(struct arena *a);

/* Returns n (> 0) bytes aligned for any type, or NULL if the request would
 * pass its limit or memory is out.  Logs nothing. */
void *arena_alloc(struct arena *a, size_t n);

/* A NUL-terminated copy of n octets, or NULL. */
char *arena_copy(struct arena *a, const char *text, size_t n);

#endif
