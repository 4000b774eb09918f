/*
 * worker.h - the worker: accepts, reads, parses, routes, runs, writes.
 *
 * The rooms of a worker, all under `struct worker`:
 *	intake.c	where connections come from
 *	connection.c	a connection's states; loop.c all of them
 *	runner.c	one request through its servlet
 *	helper.c	the loop, while a servlet keeps the main thread
 *	siblings.c	giving connections to other workers
 *	crash.c		when a servlet crashes
 */
#ifndef WORKER_H
#define WORKER_H

#include "arena.h"
#include "board.h"
#include "config.h"
#include "control.h"
#include "handover.h"
#include "helper.h"
#include "intake.h"
#include "listener.h"
#include "loop.h"
#include "processor.h"
#include "program.h"
#include "response.h"
#include "router.h"
#include "servlet.h"

/* What a worker inherits from its zygote. */
struct worker_setup {
	const struct config *config;
	struct programs *programs;
	const struct router *router;
	const struct handover_sockets *handover;
	struct board *board;
	struct slot *slot;
	struct tally *tallies;	/* the slot's, or NULL */
	int control_fd;		/* control.h; its end means that the zygote is gone */
	int access_log_fd;	/* -1: off */
};

enum worker_leaving {
	WORKER_STAYS,
	WORKER_LEAVES,		/* siblings stay: they get the connections */
	WORKER_STOPS		/* nobody stays: what was accepted is answered first */
};

enum worker_sharing { SHARING_UNKNOWN, SHARING_NO, SHARING_YES };

/* Connections made before fork, and their requests: one for the servlet, and what
 * the helper reads meanwhile.  A thread's first malloc() makes it a heap of its own,
 * which costs more than many a request. */
#define WORKER_CONNECTIONS 3

#define WORKER_ARENA 512	/* octets: enough for most requests */

/* What a new worker writes to first stands together: each page of it costs a fault. */
struct worker {
	const struct worker_setup *setup;
	struct intake intake;
	struct helper helper;
	struct arena *arena;
	struct response response;
	struct servlet servlet;
	enum source control;		/* SOURCE_CONTROL, in the poller */
	enum worker_leaving leaving;
	struct program *prepared;	/* the last one that was; it does not know it yet, for most
					 * workers have but one, and write to its page for nothing */
	uint64_t request_count;
	uint64_t batch_ns;		/* clock_ns() when the present batch of events was fetched */
	uint64_t pace_ns;		/* from one servlet to the next, within a batch */
	uint64_t calm_ns;		/* since when no servlet is taken to be slow */
	uint8_t quick;			/* slow servlets until those to come are taken to be slow */
	bool ran;			/* a servlet, since a connection was last given away */
	bool is_copy;			/* this process was forked by a servlet */
	enum worker_sharing sharing;	/* in this batch */
	uint32_t processors;
	struct processor_use use;
	struct connection connections[WORKER_CONNECTIONS];
	_Alignas(max_align_t) char arena_room[WORKER_ARENA];
	struct loop loop;
};

/* In the zygote, once: makes what every worker needs and may be made before fork,
 * for what a new process touches costs it a page fault, and its first malloc()
 * several.  0, or -1 and errno. */
int worker_prepare(const struct config *config, const struct listeners *listeners,
    bool access_log);

/* The whole life of a worker process; returns its exit status. */
int worker_run(const struct worker_setup *setup);

/* One event, by whoever holds the loop. */
void worker_event(struct worker *w, const struct poller_event *event);

#endif
