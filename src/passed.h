/*
 * passed.h - listening sockets that whoever started us has bound and passes on,
 * as systemd does for a socket unit (sd_listen_fds(3)'s protocol).
 *
 * The master keeps them as long as it lives, so that a reload finds them again;
 * listeners are duplicates of them.
 */
#ifndef PASSED_H
#define PASSED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "config.h"

#define PASSED_MAX 64	/* sockets */

struct passed_socket {
	int fd;				/* non-blocking, close-on-exec */
	bool dual;			/* every address of IPv6, and of IPv4 too */
	struct config_listen listen;	/* its address, as a configuration would say it */
	char host[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char text[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
	char name[64];			/* of LISTEN_FDNAMES, such as the unit's; or "unknown" */
};

struct passed {
	size_t count;
	struct passed_socket at[PASSED_MAX];
};

/* Takes what the environment says was passed to this process; nothing of it
 * stays there for servlets.  0, or -1 with the reason in error: something that
 * is no listening stream socket. */
int passed_take(struct passed *p, char *error, size_t error_size);

/* The one that takes this address's connections, or NULL. */
const struct passed_socket *passed_find(const struct passed *p, const struct config_listen *address);

/* Whether they suit the configuration: they are for requests, and each must have a
 * listen unless `all` are listened on.  0, or -1 with the reason in error. */
int passed_check(const struct passed *p, const struct config *config, bool all, char *error,
    size_t error_size);

/* In a process that has what it needs of them. */
void passed_close(struct passed *p);

#endif
