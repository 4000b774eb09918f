/*
 * access_lines.h - a worker's lines on their way into the access log: kept
 * until a batch of events ends, then written at once.
 */
#ifndef ACCESS_LINES_H
#define ACCESS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_lines {
	int fd;			/* -1: off */
	bool in_pieces;		/* it is no file: a pipe */
	char *octets;		/* not written yet */
	size_t length;
	bool torn;		/* the last line in the file has no end */
	int error;		/* why the last of them could not be written, or 0 */
	bool told;		/* that one, in the error log */
	uint64_t lost;		/* lines, since it went wrong */
};

/* Off yet.  wanted: there will be a log.  0, or -1: out of memory. */
int access_lines_prepare(struct access_lines *a, bool wanted);

/* The log, or another one under the same descriptor. */
void access_lines_open(struct access_lines *a, int fd);

/* Keeps a line, its newline included, unless there is no log. */
void access_lines_add(struct access_lines *a, const char *line, size_t length);

/* Writes what is kept; what a full disk does not take is lost.  Async-signal-safe. */
void access_lines_write(struct access_lines *a);

/* Tells the error log when lines begin to be lost, and when no more are. */
void access_lines_tell(struct access_lines *a);

#endif
