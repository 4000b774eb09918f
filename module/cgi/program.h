/*
 * program.h - the parts of the CGI module as they see each other.
 *
 * cgi.c is the table, with the options; cgi/environment.c makes a request's
 * meta-variables, cgi/child.c starts and ends the program, cgi/exchange.c
 * carries the octets between it and the client, cgi/head.c reads the head of
 * what it answers.
 */
#ifndef CGI_PROGRAM_H
#define CGI_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "module/module.h"

/* A list of "NAME=value", as execve takes it. */
struct environment {
	char **at;		/* ended by NULL */
	size_t count, room;
};

/* One servlet. */
struct program {
	const char *path;	/* of the file, absolute */
	char *directory;	/* that it is in */
	const char *root;	/* document_root, or NULL */
	bool authorization;	/* whether it sees credentials */
	struct environment configured;	/* PATH, and what the configuration names */
};

/* --------------------------------------------------------- environment.c */

/* Sets a variable, or replaces it.  0, or -1: out of memory. */
int environment_set(struct environment *e, const char *name, const char *value);

/* Everything that the program sees of its request, and what is configured.
 * 0, or -1: out of memory. */
int environment_build(struct environment *e, servlet *s, const struct program *p);

void environment_free(struct environment *e);

/* --------------------------------------------------------------- child.c */

/* A program that runs.  Its pipes' ends here do not block; -1: closed. */
struct child {
	pid_t pid;
	int in, out, err;	/* its standard input, output, error */
};

/* Starts it, the leader of a session of its own, with no other descriptors.
 * Without a body its input is at its end at once.  0, or -1 after having said why. */
int child_start(struct child *c, const struct program *p, const struct environment *e,
    servlet *s, bool has_body);

void child_close(int *fd);

/* Sends a signal to the program and what it has started. */
void child_kill(const struct child *c, int signal_number);

/* Whether it has ended; then it is reaped and *status is as of waitpid(2). */
bool child_ended(struct child *c, int *status);

/* ---------------------------------------------------------------- head.c */

enum head_result {
	HEAD_DONE,		/* a document, or a redirect for the client */
	HEAD_LOCAL,		/* the server answers for another path */
	HEAD_BAD		/* no head of CGI; has been logged */
};

/* Octets of a complete head at data, its empty line included; 0: more to come. */
size_t head_length(const char *data, size_t length);

/* Makes the response's head of it.  The data is written into; with HEAD_LOCAL
 * *location is in it. */
enum head_result head_take(servlet *s, char *data, size_t length, const char **location);

/* ------------------------------------------------------------ exchange.c */

/* Carries the body to the program and its answer to the client until it has
 * ended.  0, or -1 after having said why. */
int exchange_run(servlet *s, struct child *c);

#endif
