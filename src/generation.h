/*
 * generation.h - one configuration and the zygote that serves it.
 */
#ifndef GENERATION_H
#define GENERATION_H

#include <stdbool.h>
#include <sys/types.h>

#include "board.h"
#include "config.h"
#include "control.h"
#include "handover.h"
#include "listener.h"

struct generation {
	struct generation *next;	/* older ones that leave */
	unsigned number;
	struct config *config;
	struct listeners listeners;
	struct board *board;
	pid_t pid;
	int control_fd;
	bool serving;			/* CONTROL_READY has come */
};

/* Reads the configuration and opens its listeners, taking over those of `old`
 * (may be NULL).  NULL and *errors, malloc'ed lines as config_load gives them. */
struct generation *generation_new(unsigned number, const char *path,
    const struct generation *old, char **errors);

/* Forks its zygote.  0, or -1 and errno. */
int generation_start(struct generation *g, const struct handover_sockets *handover,
    int access_log_fd, int terminal_fd);

/* Closes what it has, but for the listeners that `kept` has too (may be NULL). */
void generation_free(struct generation *g, const struct generation *kept);

/* Kills the zygote and all that it started. */
void generation_kill(const struct generation *g);

#endif
