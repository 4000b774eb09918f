/*
 * privilege.h - from root to the configured user.
 */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include <stddef.h>

#include "config.h"

/* Becomes the configuration's user and group for good: supplementary groups,
 * group, user, and verifies that there is no way back.  Without `user`, or
 * when the process is not root's (a line in the log says so), it stays what it
 * is.  0, or -1 with the reason in error. */
int privilege_drop(const struct config *config, char *error, size_t error_size);

#endif
