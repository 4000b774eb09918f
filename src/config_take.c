/*
 * config_take.c - from the plain data of config.lua to struct config.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"

/* Everything allocated for one configuration, to be freed together. */
struct kept {
	struct kept *next;
	_Alignas(max_align_t) char room[];
};

/* Zeroed memory that lives as long as the configuration.  The Lua state's
 * panic-free way out of memory exhaustion is its own error. */
static void *
keep(lua_State *L, struct config *c, size_t size)
{
	struct kept *k = calloc(1, sizeof(*k) + size);

	if (k == NULL) {
		luaL_error(L, "out of memory");
		return NULL;	/* not reached */
	}
	k->next = c->memory;
	c->memory = k;
	return k->room;
}

static const char *
keep_text(lua_State *L, struct config *c, int index)
{
	size_t length;
	const char *text = lua_tolstring(L, index, &length);
	char *copy;

	if (text == NULL)
		return NULL;
	copy = keep(L, c, length + 1);
	memcpy(copy, text, length);
	return copy;
}

/* Fields of the table on top of the stack. */

static const char *
field_text(lua_State *L, struct config *c, const char *name)
{
	const char *text;

	lua_getfield(L, -1, name);
	text = lua_isstring(L, -1) ? keep_text(L, c, -1) : NULL;
	lua_pop(L, 1);
	return text;
}

static long long
field_integer(lua_State *L, const char *name)
{
	long long value;

	lua_getfield(L, -1, name);
	value = (long long)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return value;
}

static double
field_number(lua_State *L, const char *name)
{
	double value;

	lua_getfield(L, -1, name);
	value = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return value;
}

static bool
field_boolean(lua_State *L, const char *name)
{
	bool value;

	lua_getfield(L, -1, name);
	value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

/* Seconds as milliseconds; what is more than nothing stays so. */
static uint32_t
field_ms(lua_State *L, const char *name)
{
	double ms = field_number(L, name) * 1000;

	if (ms > 0 && ms < 1)
		return 1;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static struct config_place
field_place(lua_State *L, struct config *c)
{
	struct config_place place = { field_text(L, c, "file"), (int)field_integer(L, "line") };

	return place;
}

/* Pushes the list of that name and answers its length. */
static size_t
push_list(lua_State *L, const char *name)
{
	lua_getfield(L, -1, name);
	return (size_t)lua_rawlen(L, -1);
}

static const char **
take_texts(lua_State *L, struct config *c, const char *name, size_t *count)
{
	const char **texts;
	size_t i;

	*count = push_list(L, name);
	texts = keep(L, c, (*count + 1) * sizeof(texts[0]));
	for (i = 0; i < *count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		texts[i] = keep_text(L, c, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return texts;
}

static struct module_option *
take_options(lua_State *L, struct config *c, size_t *count)
{
	const char *directory = field_text(L, c, "directory");
	struct module_option *options;
	size_t i;

	*count = push_list(L, "options");
	options = keep(L, c, (*count + 1) * sizeof(options[0]));
	for (i = 0; i < *count; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i + 1);
		options[i].name = field_text(L, c, "name");
		options[i].value = field_text(L, c, "value");
		options[i].directory = directory;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return options;
}

static enum listen_family
take_family(lua_State *L, struct config *c)
{
	const char *family = field_text(L, c, "family");

	return strcmp(family, "unix") == 0 ? LISTEN_UNIX :
	    strcmp(family, "inet6") == 0 ? LISTEN_INET6 : LISTEN_INET;
}

static void
take_network(lua_State *L, struct config *c, struct config_network *n)
{
	n->family = take_family(L, c);
	n->prefix = (unsigned)field_integer(L, "prefix");
	if (n->family != LISTEN_UNIX)
		inet_pton(n->family == LISTEN_INET ? AF_INET : AF_INET6,
		    field_text(L, c, "address"), n->address);
}

static void
take_listen(lua_State *L, struct config *c, struct config_listen *l)
{
	l->place = field_place(L, c);
	l->text = field_text(L, c, "text");
	l->family = take_family(L, c);
	l->host = field_text(L, c, "host");
	l->port = (uint16_t)field_integer(L, "port");
	l->backlog = (int)field_integer(L, "backlog");
	l->proxy_protocol = field_boolean(L, "proxy_protocol");
}

static void
take_module(lua_State *L, struct config *c, struct config_module *m)
{
	m->place = field_place(L, c);
	m->name = field_text(L, c, "name");
	m->extensions = take_texts(L, c, "extensions", &m->extension_count);
	m->optional = field_boolean(L, "optional");
	m->options = take_options(L, c, &m->option_count);
}

static void
take_servlet(lua_State *L, struct config *c, struct config_servlet *s)
{
	s->place = field_place(L, c);
	s->text = field_text(L, c, "text");
	s->route = field_text(L, c, "route");
	s->description = field_text(L, c, "description");
	s->module = (size_t)field_integer(L, "module") - 1;
	s->optional = field_boolean(L, "optional");
	s->timeout_ms = field_ms(L, "timeout");
	s->methods = field_text(L, c, "methods");
	s->servlet.path = field_text(L, c, "path");
	s->servlet.route = s->route;
	s->servlet.directory = field_text(L, c, "directory");
	s->servlet.options = take_options(L, c, &s->servlet.option_count);
}

static void
take_numbers(lua_State *L, struct config *c)
{
	lua_getfield(L, -1, "workers");
	c->workers.min = (unsigned)field_integer(L, "min");
	c->workers.max = (unsigned)field_integer(L, "max");
	c->workers.idle_timeout_ms = field_ms(L, "idle_timeout");
	c->workers.max_requests = (uint64_t)field_integer(L, "max_requests");
	c->workers.patience_ns = (uint64_t)(field_number(L, "patience") * 1e9);
	lua_pop(L, 1);
	lua_getfield(L, -1, "timeouts");
	c->timeouts.head = field_ms(L, "head");
	c->timeouts.body = field_ms(L, "body");
	c->timeouts.keepalive = field_ms(L, "keepalive");
	c->timeouts.write = field_ms(L, "write");
	c->timeouts.queue = field_ms(L, "queue");
	c->timeouts.request = field_ms(L, "request");
	c->timeouts.drain = field_ms(L, "drain");
	lua_pop(L, 1);
	lua_getfield(L, -1, "limits");
	c->limits.head_bytes = (size_t)field_integer(L, "head");
	c->limits.headers = (size_t)field_integer(L, "headers");
	c->limits.body_bytes = field_integer(L, "body");
	lua_pop(L, 1);
}

static void
take_user(lua_State *L, struct config *c)
{
	lua_getfield(L, -1, "user");
	if (lua_istable(L, -1)) {
		c->has_user = true;
		c->user_name = field_text(L, c, "name");
		c->group_name = field_text(L, c, "group");
		c->uid = (uid_t)field_integer(L, "uid");
		c->gid = (gid_t)field_integer(L, "gid");
	}
	lua_pop(L, 1);
}

static struct config_path
take_path(lua_State *L, struct config *c, const char *name)
{
	struct config_path p = { .path = NULL };

	lua_getfield(L, -1, name);
	if (lua_istable(L, -1)) {
		p.place = field_place(L, c);
		p.path = field_text(L, c, "path");
	}
	lua_pop(L, 1);
	return p;
}

/* Fills one array of the configuration from a list of tables. */
#define TAKE_LIST(L, c, name, array, count, take) do { \
	size_t i_; \
	\
	(count) = push_list(L, name); \
	(array) = keep(L, c, ((count) + 1) * sizeof((array)[0])); \
	for (i_ = 0; i_ < (count); i_++) { \
		lua_rawgeti(L, -1, (lua_Integer)i_ + 1); \
		take(L, c, &(array)[i_]); \
		lua_pop(L, 1); \
	} \
	lua_pop(L, 1); \
} while (0)

/* The directory of an absolute path. */
static const char *
directory_of(lua_State *L, struct config *c, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);
	char *directory = keep(L, c, length + 2);

	memcpy(directory, path, length > 0 ? length : 1);
	return directory;
}

int
config_take(lua_State *L)
{
	struct config *c = lua_touserdata(L, 2);

	c->file = keep_text(L, c, 3);
	c->directory = directory_of(L, c, c->file);
	lua_settop(L, 1);
	luaL_checkstack(L, 20, NULL);
	TAKE_LIST(L, c, "listens", c->listens, c->listen_count, take_listen);
	TAKE_LIST(L, c, "metrics", c->metrics, c->metrics_count, take_listen);
	TAKE_LIST(L, c, "trusted_proxies", c->trusted_proxies, c->trusted_proxy_count,
	    take_network);
	TAKE_LIST(L, c, "modules", c->modules, c->module_count, take_module);
	TAKE_LIST(L, c, "servlets", c->servlets, c->servlet_count, take_servlet);
	take_numbers(L, c);
	take_user(L, c);
	c->access_log = take_path(L, c, "access_log");
	c->access_extended = field_boolean(L, "access_extended");
	c->error_log = take_path(L, c, "error_log");
	c->pidfile = take_path(L, c, "pidfile");
	c->reload = field_boolean(L, "reload");
	c->debug = field_boolean(L, "debug");
	c->files = take_texts(L, c, "files", &c->file_count);
	return 0;
}

void
config_free(struct config *c)
{
	struct kept *k;

	if (c == NULL)
		return;
	while ((k = c->memory) != NULL) {
		c->memory = k->next;
		free(k);
	}
	free(c);
}
