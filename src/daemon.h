/*
 * daemon.h - modserver -d: into the background, and back with the outcome.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

/* Returns in the daemon only, with a descriptor for daemon_ready().  The
 * process that was started stays in the foreground until the daemon is ready
 * (exit status 0) or has ended without being so (1).  -1 and errno. */
int daemon_start(void);

/* Descriptors 0 to 2 become /dev/null; 2 stays where it is when it is a
 * regular file ("2>log").  Returns whether standard error is lost. */
bool daemon_detach(void);

void daemon_ready(int fd);

#endif
