/*
 * held.h - responses that are made, and leave together with the next ones.
 *
 * A response wakes whoever waits for it.  Where that is a process of the same
 * machine, such as a proxy, the wake-up costs more than all else that the kernel
 * does for a short request, and may well take this process's processor away.
 * So while more events of a large batch follow, a small response is held, and
 * those of a few requests leave one right after the other: the first wakes the
 * client, the others find it awake.  And where the kernel has io_uring(7) they
 * leave in one system call, which is worth it from the second one on.
 *
 * They are in CONNECTION_WRITING, watched as before, and nothing has arrived
 * behind their requests.  Whoever does anything else with connections, or waits
 * for events, releases them first: so does the helper when it takes the loop.
 * Those of a worker that crashes are handed over like all that are being written.
 */
#ifndef HELD_H
#define HELD_H

#include "connection.h"

/* From now on they leave in one system call, if there is a way. */
void held_together(struct loop *l);

/* In place of connection_answered(): holds c, whose response is in its output. */
enum connection_next held_add(struct loop *l, struct connection *c, bool keep_alive);

/* Before a servlet: releases what is held, if the first servlet that made some
 * of it was entered longer than most_ns ago. */
void held_enter(struct loop *l, uint64_t now_ns, uint64_t most_ns);

/* Sends what is held. */
void held_release(struct loop *l);

#endif
