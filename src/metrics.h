/*
 * metrics.h - what the server tells of itself: counts and states, in one place.
 *
 *	metrics.c	the sums, and what boards add to them
 *	metrics_text.c	as text for Prometheus and its like
 *	metrics_server.c	the process that answers who asks
 *	master_metrics.c	the master's part: the process, and what has ended
 *
 * Boards are written by workers and are not believed: numbers are all that is
 * read there, within bounds that are known otherwise.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "board.h"
#include "config.h"
#include "tally.h"

struct metrics_route {
	const char *route;	/* "" for what no route answered */
	struct tally tally;
};

struct metrics {
	/* Since the server started: these never fall. */
	uint64_t forks;			/* workers started */
	uint64_t deaths[BOARD_DEATHS];	/* and ended otherwise than they should, by cause */
	uint64_t overdue;		/* requests refused after timeouts.queue */
	uint64_t zygote_deaths;
	uint64_t reloads, reloads_failed;
	struct metrics_route *routes;	/* of the configuration in force, behind the one of "" */
	size_t route_count;

	/* As it is now. */
	int64_t started_s;
	unsigned generation;		/* 0: none serves yet */
	unsigned workers_max;
	uint64_t workers[SLOT_LEAVING + 1];	/* by state */
	uint64_t connections;
};

/* From now on the routes are those of this configuration; what was counted of one
 * that there was before is kept.  0, or -1 and errno: nothing has changed. */
int metrics_use(struct metrics *m, const struct config *config);

/* Adds what has been counted in a board of that configuration.  Of a route that
 * m has not, nothing. */
void metrics_add(struct metrics *m, const struct board *b, const struct config *config);

/* Adds the states of the board's workers. */
void metrics_look(struct metrics *m, const struct board *b);

/* A copy, into memory that is used again, for as long as the original is not
 * changed; *to is all zero at first.  0, or -1 and errno. */
int metrics_copy(struct metrics *to, const struct metrics *from);

void metrics_free(struct metrics *m);

/* ------------------------------------------------------- metrics_text.c */

enum metrics_format {
	METRICS_OPENMETRICS,	/* OpenMetrics 1.0 */
	METRICS_PROMETHEUS	/* Prometheus' text format 0.0.4 */
};

/* Which of the two answers an Accept field of that value (NULL: there is none). */
enum metrics_format metrics_choose(const char *accept);

/* Its media type. */
const char *metrics_type(enum metrics_format format);

/* Writes all of it. */
void metrics_write(const struct metrics *m, enum metrics_format format, FILE *out);

/* ----------------------------------------------------- metrics_server.c */

struct metrics_setup {
	const struct config *config;
	int listen_fd;
	int turn_fd;		/* of a pair.  At its end the process stops to listen, closes it,
				 * finishes what it has accepted, and ends */
	int before_fd;		/* the other end of the one before it, -1: there is none.  Until
				 * that has closed its own, it does not listen */
	int error_log_fd;
	pid_t master;
	/* Makes *now what is to be told; 0, or -1 and errno. */
	int (*look)(void *context, struct metrics *now);
	void *context;
};

/* The whole life of the process that answers, which the master has just forked.
 * Becomes the configured user, and closes all descriptors but these. */
_Noreturn void metrics_serve(const struct metrics_setup *setup);

#endif
