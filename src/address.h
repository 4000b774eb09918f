/*
 * address.h - addresses as the configuration, the socket calls and people write them.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

#define ADDRESS_TEXT_MAX 46	/* INET6_ADDRSTRLEN */

/* The address as text, "unix" for one of no network; an IPv4 address mapped into IPv6
 * as IPv4.  Returns its port. */
uint16_t address_text(const struct sockaddr *address, char text[ADDRESS_TEXT_MAX]);

/* Returns the address's length, or 0 with errno. */
socklen_t address_make(const struct config_listen *l, union address *a);

/* Whether the two are one address, however written. */
bool address_same(const struct config_listen *a, const struct config_listen *b);

/* Whether one takes what comes to the other, or a part of it, as "0.0.0.0:80" does of
 * "127.0.0.1:80". */
bool address_overlaps(const struct config_listen *a, const struct config_listen *b);

#endif
