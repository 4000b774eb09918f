/*
 * runner.h - one request through its servlet.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "connection.h"

/* A request that has waited for longer may have lost its client. */
#define RUNNER_STALE_NS 50000000u

struct worker;

/* Runs the request of a connection that is CONNECTION_READY, by the main thread,
 * and answers it.  *taken: the helper has had the loop meanwhile. */
enum connection_next runner_run(struct worker *w, struct connection *c, bool *taken);

/* The same and on with what the client pipelined, for a while; the rest is queued. */
void runner_serve(struct worker *w, struct connection *c, bool *taken);

/* Before the programs are closed: their `initialised` is as it should be. */
void runner_settle(struct worker *w);

#endif
