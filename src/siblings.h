/*
 * siblings.h - giving connections to the other workers.
 */
#ifndef SIBLINGS_H
#define SIBLINGS_H

#include <stdbool.h>

struct worker;
struct connection;

/* Gives a connection whose request is ready to whoever is free.  If that is not
 * possible now it stays, in the ready queue, and is tried again when there is room. */
void siblings_run(struct worker *w, struct connection *c);

/* Gives an idle connection to whoever is free, with what its client will have sent
 * until then.  False: it stays. */
bool siblings_pass(struct worker *w, struct connection *c);

/* Gives away what waits in the ready queue, as far as there is room. */
void siblings_run_all(struct worker *w);

/* Of a worker that leaves: gives every connection away, as far as there is room. */
void siblings_keep_all(struct worker *w);

/* Of a worker that has crashed: the same for every connection but the one that
 * runs, without malloc, and waiting for room for less than a second. */
void siblings_evacuate(struct worker *w);

/* The socket has room again. */
void siblings_room(struct worker *w, int source);

/* Stops watching for room (the main thread has the loop again). */
void siblings_unwatch(struct worker *w);

#endif
