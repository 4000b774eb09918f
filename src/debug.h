/*
 * debug.h - what debug "on" shows of a request that failed: everything that
 * was logged about it, which for a script is its traceback, and the request.
 *
 * Nothing here is called without debug "on".
 */
#ifndef DEBUG_H
#define DEBUG_H

#include <stdbool.h>

#include "listener.h"

struct servlet;

/* A line of the error log about this request; the oldest DEBUG_MAX octets are kept. */
#define DEBUG_MAX 65536
struct debug_line {
	struct debug_line *next;
	char text[];
};

/* Notes what was logged.  It lives in the request's arena. */
void debug_note(struct servlet *s, const char *text);

/* Makes the response a page with status 500; the head has not been sent.  What
 * came from elsewhere is escaped. */
void debug_page(struct servlet *s);

/* An address that others than this machine may reach, or NULL. */
const struct config_listen *debug_exposed(const struct config *config,
    const struct listeners *listeners);

#endif
