/*
 * listener.h - the sockets connections arrive at: bound here, or passed by who
 * started us.  Owned by the master, inherited by zygotes and workers; they
 * survive reloads.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "passed.h"

struct listener {
	int fd;			/* non-blocking, close-on-exec */
	const struct config_listen *listen;	/* of the current generation */
	const struct passed_socket *passed;	/* NULL: it is ours alone.  Others, such as
				 * the next server, go on listening when we stop */
};

struct listeners {
	struct listener *at;
	size_t count;
};

/* Listens on every address of the configuration, or, if that has none of its
 * own, on all that were passed.  A listener of `old` with the same address is
 * taken over, never bound anew (old may be NULL; it is left as it is), and a
 * passed socket that has the address is used.  One that no address is for is
 * refused: its clients would wait for ever.  Returns 0, or -1 with the reason,
 * with file and line, in error (of error_size octets); then nothing new stays
 * open.  A unix socket that nobody answers at is replaced, a live one refused. */
int listeners_open(struct listeners *l, const struct listeners *old,
    const struct passed *passed, const struct config *config, char *error, size_t error_size);

/* The same of one address, whatever was passed. */
int listeners_open_one(struct listeners *l, const struct listeners *old,
    const struct config_listen *address, char *error, size_t error_size);

/* The listener of that address, or NULL (in may be NULL). */
const struct listener *listeners_find(const struct listeners *in,
    const struct config_listen *address);

/* One that takes what comes to that address, or a part of it, as "0.0.0.0:80" does
 * of "127.0.0.1:80"; or NULL (in may be NULL). */
const struct listener *listeners_overlap(const struct listeners *in,
    const struct config_listen *address);

/* Closes those that `kept` does not have (kept may be NULL: all); the file of a
 * unix socket of ours is removed with it if `unlink_files`. */
void listeners_close(struct listeners *l, const struct listeners *kept, bool unlink_files);

#endif
