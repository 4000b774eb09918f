/*
 * listener.h - the sockets connections arrive at.  Owned by the master,
 * inherited by zygotes and workers; they survive reloads.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

struct listener {
	int fd;			/* non-blocking, close-on-exec */
	const struct config_listen *listen;	/* of the current generation */
};

struct listeners {
	struct listener *at;
	size_t count;
};

/* Binds and listens on every address of the configuration.  A listener of
 * `old` with the same address is taken over, never bound anew (old may be
 * NULL; it is left as it is).  Returns 0, or -1 with the reason, with file
 * and line, in error (of error_size octets); then nothing new stays open.
 * A unix socket that nobody answers at is replaced, a live one refused. */
int listeners_open(struct listeners *l, const struct listeners *old,
    const struct config *config, char *error, size_t error_size);

/* The listener of that address, or NULL (in may be NULL). */
const struct listener *listeners_find(const struct listeners *in,
    const struct config_listen *address);

/* Closes those that `kept` does not have (kept may be NULL: all); a unix
 * socket's file is removed with it if `unlink_files`. */
void listeners_close(struct listeners *l, const struct listeners *kept, bool unlink_files);

#endif
