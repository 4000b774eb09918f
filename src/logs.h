/*
 * logs.h - the log files of a configuration, opened by the master before
 * privileges are dropped.
 */
#ifndef LOGS_H
#define LOGS_H

#include <stdbool.h>

#include "config.h"

struct logs {
	int error_fd;	/* STDERR_FILENO where none is configured */
	int access_fd;	/* -1: off */
};

/* Opens (creates, appends).  0, or -1 with the reason, with file and line, in error. */
int logs_open(struct logs *l, const struct config *config, char *error, size_t error_size);

/* Whether logs_open() will fail for the one that this word of the configuration
 * names; then the reason as there.  It touches nothing. */
bool log_cannot_open(const char *word, const struct config_path *log, char *error,
    size_t error_size);

/* In a child of the master: standard output and error are this error log from
 * now on, whose other descriptor is closed, and standard input is empty. */
void logs_become_standard(int error_fd);

/* Closes what logs_open opened. */
void logs_close(struct logs *l);

#endif
