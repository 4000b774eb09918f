/* metrics.c - see metrics.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

/* The entry of a route, or NULL.  `likely`: where it stands unless the
 * configuration has changed. */
static struct metrics_route *
metrics_find(const struct metrics *m, const char *route, size_t likely)
{
	if (likely < m->route_count && strcmp(m->routes[likely].route, route) == 0)
		return &m->routes[likely];
	for (size_t i = 0; i < m->route_count; i++)
		if (strcmp(m->routes[i].route, route) == 0)
			return &m->routes[i];
	return NULL;
}

/* Of the i-th tally of a row. */
static const char *
route_at(const struct config *c, size_t i)
{
	return i == 0 ? "" : c->servlets[i - 1].route;
}

int
metrics_use(struct metrics *m, const struct config *config)
{
	size_t count = config->servlet_count + 1, size = count * sizeof(m->routes[0]);
	struct metrics_route *routes;
	char *text;

	for (size_t i = 0; i < count; i++)
		size += strlen(route_at(config, i)) + 1;
	/* The names behind the table: they outlive the configuration. */
	routes = calloc(1, size);
	if (routes == NULL)
		return -1;
	text = (char *)(routes + count);
	for (size_t i = 0; i < count; i++) {
		const char *route = route_at(config, i);
		const struct metrics_route *known = metrics_find(m, route, i);
		size_t length = strlen(route) + 1;

		routes[i].route = memcpy(text, route, length);
		text += length;
		if (known != NULL)
			tally_add(&routes[i].tally, &known->tally);
	}
	free(m->routes);
	m->routes = routes;
	m->route_count = count;
	return 0;
}

void
metrics_add(struct metrics *m, const struct board *b, const struct config *config)
{
	size_t used = board_slots_used(b);

	m->forks += atomic_load(&b->forks);
	for (int i = 0; i < BOARD_DEATHS; i++)
		m->deaths[i] += atomic_load(&b->deaths[i]);
	for (size_t at = 0; at < used; at++)
		m->overdue += atomic_load(&b->slots[at].overdue);
	if (board_tallies(b, 0) == NULL)
		return;
	for (size_t i = 0; i <= config->servlet_count; i++) {
		struct metrics_route *r = metrics_find(m, route_at(config, i), i);

		for (size_t at = 0; r != NULL && at < used; at++)
			tally_add(&r->tally, &board_tallies(b, at)[i]);
	}
}

void
metrics_look(struct metrics *m, const struct board *b)
{
	size_t used = board_slots_used(b);

	for (size_t at = 0; at < used; at++) {
		uint32_t state = atomic_load(&b->slots[at].state);

		if (state == SLOT_FREE || state > SLOT_LEAVING)
			continue;
		m->workers[state]++;
		m->connections += atomic_load(&b->slots[at].connections);
	}
}

int
metrics_copy(struct metrics *to, const struct metrics *from)
{
	struct metrics_route *routes = to->routes;
	size_t size = (from->route_count + 1) * sizeof(routes[0]);

	if (routes == NULL || to->route_count != from->route_count) {
		routes = realloc(to->routes, size);
		if (routes == NULL)
			return -1;
	}
	*to = *from;
	to->routes = routes;
	memset(routes, 0, size);
	for (size_t i = 0; i < from->route_count; i++) {
		routes[i].route = from->routes[i].route;
		tally_add(&routes[i].tally, &from->routes[i].tally);
	}
	return 0;
}

void
metrics_free(struct metrics *m)
{
	free(m->routes);
	m->routes = NULL;
	m->route_count = 0;
}
