/*
 * proxy.h - the PROXY protocol header, versions 1 and 2, that a load
 * balancer sends before the first request.  Pure.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stddef.h>
#include <sys/socket.h>

#define PROXY_HEADER_MAX 536	/* a longer one is refused */

struct proxy_header {
	int known;		/* 0: "UNKNOWN" or LOCAL: keep the socket's own addresses */
	struct sockaddr_storage source, destination;
};

/* Returns the octets of a complete header, 0: more needed, -1: malformed. */
long proxy_parse(const char *data, size_t length, struct proxy_header *out);

#endif
