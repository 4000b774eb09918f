/*
 * response_head.h - the octets of a response's head.
 */
#ifndef RESPONSE_HEAD_H
#define RESPONSE_HEAD_H

#include <sys/uio.h>

#include "response.h"

/* Builds the head of r, whose framing has been chosen, in the arena (no
 * allocation in the common case).  0, or -1: out of arena. */
int response_head_build(struct response *r, struct iovec *head);

#endif
