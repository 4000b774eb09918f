/*
 * wsgi.h - the parts of the WSGI adapter (PEP 3333) as they see each other.
 *
 *	wsgi.c		calls the application and sends what it answers
 *	wsgi_start.c	start_response, write, and the headers they fix
 *	wsgi_environ.c	environ
 *	wsgi_stream.c	wsgi.input, wsgi.errors
 *	wsgi_file.c	wsgi.file_wrapper
 *
 * A process answers one request at a time, so there is one of everything.
 * What the application keeps beyond its request (its input, its
 * start_response) is dead from then on: the next one gets new objects.
 */
#ifndef PYTHON_WSGI_H
#define PYTHON_WSGI_H

#include "program.h"

/* ------------------------------------------------------------------ environ */

/* Prepares what is the same for all requests; once.  errors: wsgi.errors. */
int environ_open(PyObject *errors);

/* A new dict for the request; input: wsgi.input. */
PyObject *environ_new(servlet *s, PyObject *input);

/* ------------------------------------------------------------------ streams */

/* Adds the types below; once. */
int stream_open(void);

/* A wsgi.input; it reads the body of the request it is bound to (NULL: none). */
PyObject *input_new(void);
void input_bind(PyObject *input, servlet *s);

/* The wsgi.errors, whose lines go to the request's log (NULL: the server's).
 * Binding writes out an unfinished line first. */
PyObject *errors_new(void);
void errors_bind(servlet *s);

/* -------------------------------------------------------------------- files */

/* Adds wsgi.file_wrapper; once. */
int file_wrapper_open(void);

/* wsgi.file_wrapper, borrowed. */
PyObject *file_wrapper(void);

/* Whether the answer is a file_wrapper around a regular file that the server
 * can send by itself: its descriptor and where to begin.  What only looks
 * like a file (a GzipFile) is not. */
int file_wrapper_is_file(PyObject *answer, int *fd, long long *offset);

/* ----------------------------------------------------------------- response */

/* What the application has said of its response. */
struct wsgi_response {
	servlet *request;	/* NULL: between requests */
	PyObject *headers;	/* a copy of the list; NULL: start_response was not called */
	long long declared;	/* its Content-Length, or -1 */
	long long written;	/* octets of the body */
	int gone;		/* the client has: nothing more need be made */
};
extern struct wsgi_response wsgi_response;

/* Prepares the two callables for the next request, ends them after it. */
int start_begin(servlet *s);
void start_end(void);

/* start_response of this request, borrowed. */
PyObject *start_response(void);

/* Sends a part of the body.  flush: what comes next may take a while, so the
 * client shall see this now. */
int wsgi_send(PyObject *chunk, int flush);

/* Fixes the length of the body, unless the application has. */
void wsgi_declare(long long length);

#endif
