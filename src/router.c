/*
 * router.c - exact and prefix routes in one hash table.
 *
 * A lookup runs over the path once: the hash of each of its leading parts that
 * ends at a segment boundary comes for free on the way, so that neither the
 * number of routes nor a path of thousands of segments makes it slower.
 */
#include "router.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits.  The keys in the table are the configuration's, so a
 * client cannot make them collide. */
#define HASH_START UINT64_C(14695981039346656037)
#define HASH_FACTOR UINT64_C(1099511628211)

struct route {
	struct route *next;	/* in the same bucket */
	uint64_t hash;
	size_t servlet;
	size_t length;
	bool prefix;
	char text[];		/* a prefix route's without the last two octets */
};

struct router {
	struct route **buckets;
	size_t bucket_count;	/* a power of two */
	size_t count;
	size_t longest;		/* route's length */
	bool prefixes;
};

#define BUCKETS_MIN 64

struct router *
router_new(void)
{
	struct router *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->bucket_count = BUCKETS_MIN;
	r->buckets = calloc(r->bucket_count, sizeof(*r->buckets));
	if (r->buckets == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
router_free(struct router *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->bucket_count; i++)
		for (struct route *route = r->buckets[i], *next; route != NULL; route = next) {
			next = route->next;
			free(route);
		}
	free(r->buckets);
	free(r);
}

static uint64_t
router_hash(const char *text, size_t length)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * HASH_FACTOR;
	return hash;
}

static struct route **
router_bucket(const struct router *r, uint64_t hash)
{
	/* The low bits of FNV are its weakest. */
	return &r->buckets[(hash ^ hash >> 32) & (r->bucket_count - 1)];
}

static const struct route *
router_lookup(const struct router *r, const char *text, size_t length, uint64_t hash,
    bool prefix)
{
	for (const struct route *route = *router_bucket(r, hash); route != NULL;
	    route = route->next)
		if (route->hash == hash && route->prefix == prefix &&
		    route->length == length && memcmp(route->text, text, length) == 0)
			return route;
	return NULL;
}

static int
router_grow(struct router *r)
{
	struct router larger = *r;

	larger.bucket_count = r->bucket_count * 2;
	larger.buckets = calloc(larger.bucket_count, sizeof(*larger.buckets));
	if (larger.buckets == NULL)
		return -1;
	for (size_t i = 0; i < r->bucket_count; i++)
		for (struct route *route = r->buckets[i], *next; route != NULL; route = next) {
			struct route **bucket = router_bucket(&larger, route->hash);

			next = route->next;
			route->next = *bucket;
			*bucket = route;
		}
	free(r->buckets);
	*r = larger;
	return 0;
}

/* Whether a path can ever be that: paths have no dot segments left. */
static bool
router_can_match(const char *route, size_t length)
{
	const char *end = route + length, *next;

	if (route[0] != '/' && length > 0)
		return false;
	for (const char *p = route; p < end; p = next) {
		size_t n;

		next = memchr(p + 1, '/', (size_t)(end - p) - 1);
		if (next == NULL)
			next = end;
		n = (size_t)(next - p);
		if ((n == 2 && p[1] == '.') || (n == 3 && p[1] == '.' && p[2] == '.'))
			return false;
	}
	return memchr(route, '*', length) == NULL;
}

int
router_add(struct router *r, const char *text, size_t servlet)
{
	size_t length = strlen(text);
	bool prefix = length >= 2 && strcmp(text + length - 2, "/*") == 0;
	struct route *route, **bucket;
	uint64_t hash;

	if (prefix)
		length -= 2;
	if (text[0] != '/' || !router_can_match(text, length)) {
		errno = EINVAL;
		return -1;
	}
	hash = router_hash(text, length);
	if (router_lookup(r, text, length, hash, prefix) != NULL) {
		errno = EEXIST;
		return -1;
	}
	if (r->count >= r->bucket_count && router_grow(r) == -1)
		return -1;
	route = malloc(sizeof(*route) + length + 1);
	if (route == NULL)
		return -1;
	bucket = router_bucket(r, hash);
	*route = (struct route){ .next = *bucket, .hash = hash, .servlet = servlet,
		.length = length, .prefix = prefix };
	memcpy(route->text, text, length);
	route->text[length] = '\0';
	*bucket = route;
	r->count++;
	if (length > r->longest)
		r->longest = length;
	if (prefix)
		r->prefixes = true;
	return 0;
}

int
router_find(const struct router *r, const char *path, size_t length,
    struct route_match *match)
{
	const struct route *best = NULL, *route;
	uint64_t hash = HASH_START;

	/* Nothing beyond the longest route can be part of a match. */
	for (size_t i = 0; i <= r->longest; i++) {
		if (r->prefixes && (i == length || path[i] == '/')) {
			route = router_lookup(r, path, i, hash, true);
			if (route != NULL)
				best = route;
		}
		if (i == length) {
			route = router_lookup(r, path, length, hash, false);
			if (route != NULL)
				best = route;
			break;
		}
		hash = (hash ^ (unsigned char)path[i]) * HASH_FACTOR;
	}
	if (best == NULL)
		return -1;
	match->servlet = best->servlet;
	match->script_length = best->length;
	return 0;
}
