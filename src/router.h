/*
 * router.h - which servlet answers a path: an exact route first, then the
 * longest prefix route.  Built once, read-only, no allocation per request.
 */
#ifndef ROUTER_H
#define ROUTER_H

#include <stddef.h>

struct router;

struct route_match {
	size_t servlet;		/* index given to router_add */
	size_t script_length;	/* octets of the path that are SCRIPT_NAME; the rest is path info */
};

struct router *router_new(void);
void router_free(struct router *r);

/* route: "/x" exact, "/x" "/" "*" prefix ("/" "*": everything).  0, or -1 and
 * errno: EEXIST (the same route twice), EINVAL, ENOMEM. */
int router_add(struct router *r, const char *route, size_t servlet);

/* path: decoded, normalised, of that length.  0 and *match, or -1: no route. */
int router_find(const struct router *r, const char *path, size_t length,
    struct route_match *match);

#endif
