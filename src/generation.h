/*
 * generation.h - one configuration in force, and the zygote that serves it.
 *
 * The master owns generations: one that serves, perhaps one that is loading to
 * take its place, and those that are leaving.
 */
#ifndef GENERATION_H
#define GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "config.h"
#include "control.h"
#include "handover.h"
#include "listener.h"
#include "logs.h"

enum generation_state {
	GENERATION_LOADING,	/* its zygote has not said READY yet */
	GENERATION_SERVING,
	GENERATION_LEAVING,
	GENERATION_WAITING	/* its zygote has died; the next starts at restart_ns */
};

struct generation {
	struct generation *next;	/* of those that leave */
	unsigned number;		/* of its zygote; a new one with each */
	enum generation_state state;
	struct config *config;
	struct listeners listeners;
	struct listeners metrics;	/* one at most */
	struct logs logs;
	struct board *board;
	pid_t pid;			/* of the zygote, 0: none */
	int control_fd;			/* -1: none */
	uint64_t started_ns;
	uint64_t served_ns;		/* when it said READY */
	uint64_t kill_ns;		/* when it is killed unless it has gone, 0: not */
	bool given_up;			/* it took too long to load, and was killed */
	uint64_t restart_ns;
	unsigned restarts;		/* in a row, without a minute's service between */
};

/* Takes the configuration over, opens its logs, then its listeners (those of
 * `old`, which may be NULL, where the address is the same; passed ones).  NULL
 * with the reason in error; the configuration is then freed. */
struct generation *generation_new(struct config *config, const struct generation *old,
    const struct passed *passed, char *error, size_t error_size);

/* Closes its listeners but those that `kept` (may be NULL) has; the files of the
 * others that are unix sockets are removed if unlink_files. */
void generation_close(struct generation *g, const struct generation *kept, bool unlink_files);

/* The same, and ends what is left of it: never a process, so that must have been
 * reaped. */
void generation_free(struct generation *g, const struct generation *kept, bool unlink_files);

/* Forks its zygote, as number `number`.  terminal_fd as in zygote.h.  In the
 * child in_child(context, g) is called first, to let go what is the master's.
 * 0, or -1 and errno. */
int generation_start(struct generation *g, unsigned number,
    const struct handover_sockets *handover, int terminal_fd,
    void (*in_child)(void *context, struct generation *self), void *context);

/* The zygote has been reaped: forgets it and its board. */
void generation_ended(struct generation *g);

/* SIGKILL to the zygote and all that descends from it. */
void generation_kill(struct generation *g);

/* Opens the log files anew and hands them down.  0, or -1: that is logged, and the
 * old files are used on. */
int generation_reopen_logs(struct generation *g);

/* What its zygote died of while loading, as "FILE:LINE: ...", into text.
 * Returns 0 if the zygote has said so itself. */
int generation_failure(const struct generation *g, int status, char *text, size_t size);

#endif
