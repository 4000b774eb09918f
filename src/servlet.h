/*
 * servlet.h - the request as modserver.h shows it to a servlet.
 *
 * The functions of modserver.h are in a file for each of its parts:
 *	servlet_request.c	what the request's head says
 *	servlet_form.c		arguments, cookies, forms, uploads, the body
 *	servlet_response.c	the response
 *	servlet_server.c	the log, the routes
 */
#ifndef SERVLET_H
#define SERVLET_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "board.h"
#include "config.h"
#include "connection.h"
#include "debug.h"
#include "form.h"
#include "forwarded.h"
#include "modserver.h"
#include "program.h"
#include "response.h"
#include "target.h"

/* Octets that one request may allocate: fields, forms, response headers. */
#define SERVLET_ARENA_MAX (16 << 20)

struct servlet {
	const struct config *config;
	const struct programs *programs;
	const struct config_servlet *route;
	struct connection *connection;
	struct request *request;
	struct response *response;
	struct arena *arena;
	char request_id[SLOT_ID_MAX];
	struct forwarded_client client;	/* of servlet_find_client */
	struct target target;
	const char *path;		/* decoded, in the arena */
	size_t path_length, script_length;
	const char *method, *target_text;
	const char *redirect;		/* target to be answered instead, or NULL */
	const char *script_name;	/* NULL until asked for; so are those below */
	const char *query, *host;
	int port;
	struct debug_line *said, **last_said;	/* logged about it; with debug "on" only */
	size_t said_bytes;
	struct pairs args, form, cookies;
	struct uploads uploads;
	bool args_parsed, form_parsed, cookies_parsed;
	long long body_at;		/* next octet for rread */
};

/* Whom the request is from: the connection's other end or, where that is a
 * trusted proxy, whom it names.  Before servlet_begin(). */
void servlet_find_client(struct servlet *s);

/* Makes the request's texts NUL-terminated in place.  After this the raw head
 * is spoilt: it can be neither parsed again nor handed over. */
void servlet_begin(struct servlet *s);

/* Turns the request into what module_redirect() asks for: a GET (a HEAD stays
 * one) without a body.  Its target has to be routed then. */
void servlet_redirect(struct servlet *s);

/* Releases what a request used beyond the arena. */
void servlet_end(struct servlet *s);

#endif
