/*
 * forwarded.h - who the client is, as trusted proxies tell it in
 * X-Forwarded-For and X-Forwarded-Proto.  Pure.
 *
 * Each proxy appends the address that it was connected from, so the list is
 * true from its right end as far as those who wrote it are trusted, and no
 * farther: the client is the rightmost address that is not a trusted proxy's.
 * Forwarded (RFC 7239) is not looked at: a proxy that sets the one passes on
 * what a client wrote into the other.
 */
#ifndef FORWARDED_H
#define FORWARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "config.h"

/* The value of a header field. */
struct forwarded_value {
	const char *at;
	size_t length;
};

/* The values of a field in the order in which they came. */
struct forwarded_list {
	const struct forwarded_value *values;
	size_t count;
};

struct forwarded_client {
	char address[ADDRESS_TEXT_MAX];
	uint16_t port;		/* 0: not known */
	bool https;
};

/* Whether the address ("192.0.2.7", "2001:db8::7", "unix") is a trusted proxy's. */
bool forwarded_trusts(const struct config_network *networks, size_t count,
    const char *address);

/* client is who the connection is from, and becomes who the request is from. */
void forwarded_find(const struct config_network *networks, size_t count,
    const struct forwarded_list *addresses, const struct forwarded_list *schemes,
    struct forwarded_client *client);

#endif
