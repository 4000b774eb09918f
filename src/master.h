/*
 * master.h - the process that never changes: reads the configuration, binds,
 * starts generations, handles signals.  Loads no user code and reads no octet
 * from a client.
 */
#ifndef MASTER_H
#define MASTER_H

#include <stdbool.h>

/* Serves until it is told to stop; returns the exit status. */
int master_run(const char *config_path, bool daemonize);

#endif
