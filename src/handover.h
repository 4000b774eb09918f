/*
 * handover.h - a connection on its way from one worker to another.
 *
 * Two SOCK_SEQPACKET pairs, made by the master and inherited by everybody,
 * across generations: `run` carries connections whose request is ready to
 * run, or will be when there is somebody to run it (siblings_pass), `keep`
 * those that wait for their client (idle, or a request or response half way)
 * and whose worker leaves.  A message is the connection's descriptors (socket,
 * spool file, files being sent) as SCM_RIGHTS and its state as octets.
 * Sending calls no malloc, so that a crashing worker may.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stdint.h>

#include "output.h"

struct connection;
struct loop;

struct handover_sockets {
	int run[2];	/* [0]: send here, [1]: receive here */
	int keep[2];
};

/* Descriptors that come with a connection at most: the socket, the body's file, the
 * output's, files being sent. */
#define HANDOVER_FDS_MAX (3 + OUTPUT_FILES_MAX)

/* Octets the sockets are asked to hold. */
#define HANDOVER_BUFFER (4 << 20)

/* 0, or -1 and errno. */
int handover_open(struct handover_sockets *h);

/* Sends the connection; our descriptors of it stay open.  0, or -1 and errno:
 * EAGAIN when there is no room just now (too many descriptors under way
 * included), EMSGSIZE when it is too large. */
int handover_send(int fd, struct connection *c, uint64_t now_ns);

/* Receives one into the loop, not watched.  *sent_ns: when it was sent.  NULL
 * and errno: EAGAIN: there was none; otherwise the connection is lost. */
struct connection *handover_receive(int fd, struct loop *l, uint64_t *sent_ns);

#endif
