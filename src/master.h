/*
 * master.h - the master: owns the listeners, starts and supervises zygotes,
 * handles signals.  It loads no user code and reads no octet from a client.
 *
 *	HUP		reload		TERM, QUIT	stop, finishing what was accepted
 *	USR1		reopen logs	INT		stop now
 *
 *	master.c	starting, stopping, the loop
 *	master_reload.c	generations that load, take over, die
 *	master_metrics.c	what outlives them, and who tells it
 */
#ifndef MASTER_H
#define MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "config.h"
#include "file_list.h"
#include "generation.h"
#include "handover.h"
#include "metrics.h"
#include "passed.h"
#include "pidfile.h"

#define SECOND_NS 1000000000u

struct watch;

struct master_metrics {
	struct metrics sum;		/* of what has ended, and of the master itself */
	pid_t pid;			/* of the process that answers, 0: none */
	int turn_fd;			/* our end of metrics.h's; -1 */
	bool stale;			/* we know more than it does */
	uint64_t restart_ns;		/* when the next is forked, 0: not set */
};

struct master {
	struct generation *current;	/* serves, or waits for a new zygote */
	struct generation *candidate;	/* loads, to become the current one */
	struct generation *leaving;	/* linked by next */
	struct handover_sockets handover;
	struct passed passed;
	struct pidfile pidfile;
	struct master_metrics metrics;
	struct watch *watch;		/* NULL: reload "off" */
	struct file_list served;	/* what the current generation was made of */
	struct file_list tried;		/* and the one that was last loaded */
	struct timespec tried_since;	/* when that began, by watch_now() */
	uint64_t settle_ns;		/* a watched file has changed: reload then */
	unsigned numbers;		/* zygotes started so far */
	int log_fd;			/* our own copy of the current error log; -1 */
	int terminal_fd;		/* problems of the start are shown here too; -1 */
	int daemon_fd;			/* who started us waits here; -1 */
	bool reload_wanted;		/* as soon as there is no candidate */
	bool stopping;
	int status;			/* of exit */
};

/* The whole life of a server: 0 after a stop that was asked for, 1 if it could
 * not start (the reason is on the error log and on standard error).  Takes the
 * configuration over; path is what the user called it. */
int master_run(struct config *config, const char *path, bool daemon);

/* A problem that keeps the server from starting, or a generation from serving. */
void master_problem(struct master *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Logs to a copy of fd from now on. */
void master_use_log(struct master *m, int fd);

/* ------------------------------------------------------ master_reload.c */

/* Takes the configuration over and begins to load it as the candidate.  0, or
 * -1 when that was reported. */
int master_load(struct master *m, struct config *config);

/* Reads the configuration file again and loads it; later, if one is loading. */
void master_reload(struct master *m);

/* Starts a zygote for a generation that has none.  0, or -1 when that was reported. */
int master_start_zygote(struct master *m, struct generation *g);

/* Takes what the generation's zygote has said: READY, FILES.  g may be NULL. */
void master_listen(struct master *m, struct generation *g);

/* A zygote has been reaped. */
void master_lost(struct master *m, pid_t pid, int status);

/* Whether pid is that of a zygote of ours. */
bool master_knows(const struct master *m, pid_t pid);

/* Tells its zygote to leave or stop, and bounds the time for it. */
void master_let_go(struct generation *g, enum control_message how);

/* ----------------------------------------------------- master_metrics.c */

/* Sees to it that the process that answers, if there is to be one, knows what we
 * know.  Before each wait. */
void master_metrics_renew(struct master *m);

/* Whether the process that has been reaped was that one. */
bool master_metrics_lost(struct master *m, pid_t pid, int status);

/* Lets go of it: in another child of the master, or when it has ended. */
void master_metrics_forget(struct master *m);

/* The server has ended. */
void master_metrics_end(struct master *m);

#endif
