/*
 * response_head.h - the octets of a response's head.
 */
#ifndef RESPONSE_HEAD_H
#define RESPONSE_HEAD_H

#include <sys/uio.h>

#include "response.h"

#define RESPONSE_HEAD_ROOM 2048	/* enough for nearly every head */

/* Builds the head of r, whose framing has been chosen, in that room, or in the arena
 * if it is longer.  0, or -1: out of arena. */
int response_head_build(struct response *r, char room[RESPONSE_HEAD_ROOM], struct iovec *head);

#endif
