/*
 * zygote.h - the zygote: loads a generation's programs and keeps its workers.
 *
 * It reads no octet from a client.  Its rooms, all under `struct zygote`:
 *	zygote.c	the main loop, what the master tells it, leaving
 *	zygote_worker.c	forking a worker, its first steps, its death
 *	zygote_spawn.c	how many workers there should be
 *	zygote_report.c	what is said of a worker that died
 */
#ifndef ZYGOTE_H
#define ZYGOTE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "config.h"
#include "control.h"
#include "handover.h"
#include "listener.h"
#include "processor.h"
#include "program.h"
#include "router.h"
#include "spawn.h"

/* Slots beyond workers.max, for those that die while others start. */
#define ZYGOTE_SLOTS_SPARE 16

/* What a zygote inherits from the master. */
struct zygote_setup {
	const struct config *config;
	const struct listeners *listeners;
	const struct handover_sockets *handover;
	struct board *board;
	unsigned generation;
	pid_t master;
	int control_fd;
	int error_log_fd;
	int access_log_fd;	/* -1: off */
	int terminal_fd;	/* of the first generation, problems are shown here too; -1: not */
};

/* What the zygote itself knows of the worker in the slot of the same index;
 * unlike the slot it can be relied upon. */
struct zygote_worker {
	pid_t pid;		/* 0: none */
	int control_fd;
	bool leaving;		/* has been told to */
	bool ready;		/* has been in its loop */
	bool killed;		/* by us, and that has been reported */
	uint64_t started_ns;
	uint64_t processor_ns;	/* its processor time at the last look */
	uint64_t overtime_of_ns;	/* since_ns of the request that was told so */
	uint64_t overtime_ns;	/* when */
};

enum zygote_state { ZYGOTE_SERVES, ZYGOTE_LEAVES, ZYGOTE_STOPS };

struct zygote {
	const struct zygote_setup *setup;
	struct programs *programs;
	struct router *router;
	struct board *board;
	struct zygote_worker *workers;	/* slot_count */
	size_t slot_count;
	size_t slot_top;		/* no worker at this index or above */
	enum zygote_state state;

	/* Each is a time of clock_ns(), 0: not set. */
	uint64_t look_ns;		/* decide about forking again */
	uint64_t tick_ns;		/* close a part of the peak, let surplus go */
	uint64_t overtime_look_ns;	/* look for requests over their time */
	uint64_t kill_ns;		/* end of drain */
	uint64_t deaf_ns;		/* stop listening */
	uint64_t fork_after_ns;		/* backing off */

	bool watch;			/* wait for what waits for a worker too */
	bool shut;			/* no worker that stays could take a connection */
	unsigned start_failures;	/* in a row */
	unsigned fork_failures;
	struct spawn_limits limits;
	struct spawn_state spawn;
	struct spawn_peak peak;
	struct processor_use use;
	size_t ask_from;		/* spawn_on_processor()'s next first */
	unsigned high;			/* most workers wanted in this part of the peak */
	int drift;			/* of board->idle at the last tick */
	unsigned ticks_due;		/* ticks wanted though nothing else asks for them */
	uint32_t shortest_timeout_ms;	/* of any servlet, 0: none */
	uint32_t connections_max;	/* of a worker */
	struct pollfd *fds;
	int wake_fd;
};

/* The whole life of a zygote; returns its exit status.  In a process that
 * the master has just forked. */
int zygote_run(const struct zygote_setup *setup);

/* ------------------------------------------------------ zygote_worker.c */

/* Forks one.  0, or -1 and errno. */
int zygote_fork_worker(struct zygote *z);

/* Reports and forgets the dead. */
void zygote_reap(struct zygote *z);

/* Tells one or all to leave, and says so once. */
void zygote_tell(struct zygote *z, struct zygote_worker *w, enum control_message m);
void zygote_tell_all(struct zygote *z, enum control_message m);

/* Those whose request is over its time get CRASH_OVERTIME, and a second later
 * are killed.  Sets overtime_look_ns. */
void zygote_enforce_timeouts(struct zygote *z, uint64_t now_ns);

/* Reports what each worker is doing and kills it. */
void zygote_kill_all(struct zygote *z);

/* ------------------------------------------------------- zygote_spawn.c */

/* Where something that waits for a worker shows; the last of them is the run
 * socket.  fds: room for the listeners and two.  Returns their number. */
nfds_t zygote_watched(const struct zygote *z, struct pollfd *fds);

/* Decides how many workers to fork and forks them; sets look_ns and watch. */
void zygote_spawn(struct zygote *z);

/* Once per part of the peak: lets surplus workers go, replaces those that
 * have answered their share. */
void zygote_tick(struct zygote *z, uint64_t now_ns);

/* ------------------------------------------------------ zygote_report.c */

/* A worker has died of this waitpid() status: one line in the error log,
 * and the access line it could not write. */
void zygote_report_death(const struct zygote *z, size_t at, int status);

/* "worker 12 WHAT: in servlet ..." of a worker that is in a servlet, or
 * "worker 12 WHAT". */
void zygote_report_running(const struct zygote *z, size_t at, const char *what);

#endif
