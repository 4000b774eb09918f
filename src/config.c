/*
 * config.c - from a configuration file to struct config.
 *
 * Runs config.lua, which knows the vocabulary, over the file, and copies the
 * plain data it returns.  The file's own code sees nothing but that
 * vocabulary; its time and memory are bounded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "config_lua.h"

#define MEMORY_MAX (64u << 20)		/* octets that a configuration may use */
#define STEPS_MAX 20000000		/* virtual machine instructions: about a quarter of a second */
#define STEPS_AT_ONCE 100
#define PROCESSOR_SECONDS 4		/* for steps that are long: large texts, sorting */
#define FILE_MAX (4 << 20)		/* octets of a configuration file */

struct budget {
	size_t memory;
	long steps;
	clock_t started;	/* clock() */
	int file, line;		/* of the configuration, that ran last */
};

static void *
budget_alloc(void *context, void *old, size_t old_size, size_t size)
{
	struct budget *b = context;
	void *new;

	if (old == NULL)
		old_size = 0;
	if (size == 0) {
		free(old);
		b->memory -= old_size;
		return NULL;
	}
	if (size > old_size && b->memory + (size - old_size) > MEMORY_MAX)
		return NULL;
	new = realloc(old, size);
	if (new != NULL)
		b->memory = b->memory - old_size + size;
	return new;
}

static void
budget_hook(lua_State *L, lua_Debug *ar)
{
	struct budget *b;

	lua_getallocf(L, (void **)&b);
	if (ar->event == LUA_HOOKLINE) {
		lua_getinfo(L, "S", ar);
		if (ar->source[0] == '=' && ar->source[1] >= '0' && ar->source[1] <= '9') {
			b->file = atoi(ar->source + 1);
			b->line = ar->currentline;
		}
		return;
	}
	b->steps += STEPS_AT_ONCE;
	if (b->steps <= STEPS_MAX && clock() - b->started <= PROCESSOR_SECONDS * CLOCKS_PER_SEC)
		return;
	luaL_where(L, 0);
	lua_pushliteral(L, "the configuration runs too long: an endless loop?");
	lua_concat(L, 2);
	lua_error(L);
}

/* ------------------------------------------- what config.lua asks of its host */

static int
host_read(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	FILE *file = fopen(path, "re");
	luaL_Buffer buffer;
	size_t length = 0, n;
	struct stat st;

	if (file == NULL || fstat(fileno(file), &st) == -1) {
		lua_pushnil(L);
		lua_pushstring(L, strerror(errno));
		if (file != NULL)
			fclose(file);
		return 2;
	}
	if (S_ISDIR(st.st_mode) || st.st_size > FILE_MAX) {
		fclose(file);
		lua_pushnil(L);
		lua_pushstring(L, S_ISDIR(st.st_mode) ? "it is a directory" : "it is too large");
		return 2;
	}
	luaL_buffinit(L, &buffer);
	while ((n = fread(luaL_prepbuffer(&buffer), 1, LUAL_BUFFERSIZE, file)) > 0 &&
	    length < FILE_MAX) {
		luaL_addsize(&buffer, n);
		length += n;
	}
	fclose(file);
	luaL_pushresult(&buffer);
	return 1;
}

static int
host_exists(lua_State *L)
{
	struct stat st;

	lua_pushboolean(L, stat(luaL_checkstring(L, 1), &st) == 0);
	return 1;
}

static int
host_user(lua_State *L)
{
	const struct passwd *user = getpwnam(luaL_checkstring(L, 1));

	if (user == NULL)
		return 0;
	lua_pushinteger(L, (lua_Integer)user->pw_uid);
	lua_pushinteger(L, (lua_Integer)user->pw_gid);
	return 2;
}

static int
host_group(lua_State *L)
{
	const struct group *group = getgrnam(luaL_checkstring(L, 1));

	if (group == NULL)
		return 0;
	lua_pushinteger(L, (lua_Integer)group->gr_gid);
	return 1;
}

static int
host_env(lua_State *L)
{
	lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
	return 1;
}

/* load(text, number, environment): text only, never precompiled chunks. */
static int
host_load(lua_State *L)
{
	size_t length;
	const char *text = luaL_checklstring(L, 1, &length);
	char name[32];

	snprintf(name, sizeof(name), "=%lld", (long long)luaL_checkinteger(L, 2));
	if (luaL_loadbufferx(L, text, length, name, "t") != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	lua_pushvalue(L, 3);
	lua_setupvalue(L, -2, 1);
	return 1;
}

/* line(): number and line of the configuration file that runs. */
static int
host_line(lua_State *L)
{
	lua_Debug ar;
	int level;

	for (level = 0; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.source[0] == '=' && ar.source[1] >= '0' && ar.source[1] <= '9') {
			lua_pushinteger(L, atoi(ar.source + 1));
			lua_pushinteger(L, ar.currentline);
			return 2;
		}
	}
	return 0;
}

/* last_line(): the same of what ran last, after an error without a place. */
static int
host_last_line(lua_State *L)
{
	struct budget *b;

	lua_getallocf(L, (void **)&b);
	if (b->file == 0)
		return 0;
	lua_pushinteger(L, b->file);
	lua_pushinteger(L, b->line);
	return 2;
}

static int
host_address(lua_State *L)
{
	const char *text = luaL_checkstring(L, 1);
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) == 1)
		lua_pushliteral(L, "inet");
	else if (inet_pton(AF_INET6, text, address) == 1)
		lua_pushliteral(L, "inet6");
	else
		lua_pushnil(L);
	return 1;
}

/* string_methods(table): what texts answer to, as in ("x"):upper(). */
static int
host_string_methods(lua_State *L)
{
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "__index");
	/* Nobody gets at it through getmetatable, which is not in scope anyway. */
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	return 0;
}

static const luaL_Reg host_functions[] = {
	{ "read", host_read }, { "exists", host_exists }, { "user", host_user },
	{ "group", host_group }, { "env", host_env }, { "load", host_load },
	{ "line", host_line }, { "last_line", host_last_line },
	{ "address", host_address },
	{ "string_methods", host_string_methods }, { NULL, NULL },
};

/* ------------------------------------------------ from plain data to structs */

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

/* Called with config.lua's data on the stack and the struct as light userdata. */
static int
config_take(lua_State *L)
{
	struct config *c = lua_touserdata(L, 2);

	lua_settop(L, 1);
	luaL_checkstack(L, 20, NULL);
	TAKE_LIST(L, c, "listens", c->listens, c->listen_count, take_listen);
	TAKE_LIST(L, c, "trusted_proxies", c->trusted_proxies, c->trusted_proxy_count,
	    take_network);
	TAKE_LIST(L, c, "modules", c->modules, c->module_count, take_module);
	TAKE_LIST(L, c, "servlets", c->servlets, c->servlet_count, take_servlet);
	take_numbers(L, c);
	take_user(L, c);
	c->access_log = field_text(L, c, "access_log");
	c->error_log = field_text(L, c, "error_log");
	c->pidfile = field_text(L, c, "pidfile");
	c->reload = field_boolean(L, "reload");
	c->debug = field_boolean(L, "debug");
	c->files = take_texts(L, c, "files", &c->file_count);
	return 0;
}

/* ------------------------------------------------------------------- reading */

/* Runs config.lua: main file's absolute path and its name for messages.  Leaves
 * data and mistakes on the stack, or an error. */
static int
config_run(lua_State *L)
{
	const char *path = lua_tostring(L, 1), *name = lua_tostring(L, 2);

	luaL_requiref(L, "_G", luaopen_base, 1);
	luaL_requiref(L, "string", luaopen_string, 1);
	luaL_requiref(L, "table", luaopen_table, 1);
	luaL_requiref(L, "math", luaopen_math, 1);
	if (luaL_loadbufferx(L, (const char *)config_lua, sizeof(config_lua),
	    "=config.lua", "t") != LUA_OK)
		return lua_error(L);
	luaL_newlib(L, host_functions);
	lua_pushstring(L, path);
	lua_setfield(L, -2, "main");
	lua_getglobal(L, "pcall");
	lua_setfield(L, -2, "call");
	lua_pushstring(L, name);
	lua_sethook(L, budget_hook, LUA_MASKCOUNT | LUA_MASKLINE, STEPS_AT_ONCE);
	lua_call(L, 2, 2);
	lua_sethook(L, NULL, 0, 0);
	return 2;
}

/* A malloc'ed text, one line for each; NULL when there are none. */
static char *
join_mistakes(lua_State *L)
{
	luaL_Buffer buffer;
	size_t i, length, count = (size_t)lua_rawlen(L, -1);
	const char *joined;
	int list = lua_absindex(L, -1);
	char *text;

	if (count == 0)
		return NULL;
	luaL_buffinit(L, &buffer);
	for (i = 1; i <= count; i++) {
		lua_rawgeti(L, list, (lua_Integer)i);
		luaL_addvalue(&buffer);
		luaL_addchar(&buffer, '\n');
	}
	luaL_pushresult(&buffer);
	joined = lua_tolstring(L, -1, &length);
	text = malloc(length + 1);
	if (text == NULL) {
		luaL_error(L, "out of memory");
		return NULL;	/* not reached */
	}
	/* What is quoted from the file may hold NUL, which would cut the rest off. */
	for (i = 0; i < length; i++)
		text[i] = joined[i] != '\0' ? joined[i] : '?';
	text[length] = '\0';
	lua_pop(L, 1);
	return text;
}

static char *
format_error(const char *path, const char *what)
{
	char *text;

	return asprintf(&text, "%s: %s\n", path, what) == -1 ? NULL : text;
}

/* The directory of an absolute path. */
static const char *
directory_of(lua_State *L, struct config *c, const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);
	char *directory = keep(L, c, length + 2);

	memcpy(directory, path, length > 0 ? length : 1);
	return directory;
}

/* Runs in protected mode: path, name, config. Returns the mistakes as light
 * userdata, NULL for none. */
static int
config_build(lua_State *L)
{
	struct config *c = lua_touserdata(L, 3);
	char *mistakes;

	lua_pushcfunction(L, config_run);
	lua_pushvalue(L, 1);
	lua_pushvalue(L, 2);
	lua_call(L, 2, 2);
	mistakes = join_mistakes(L);
	lua_pop(L, 1);
	if (mistakes == NULL) {
		lua_pushcfunction(L, config_take);
		lua_insert(L, -2);
		lua_pushlightuserdata(L, c);
		lua_call(L, 2, 0);
		c->file = keep_text(L, c, 1);
		c->directory = directory_of(L, c, c->file);
	}
	lua_pushlightuserdata(L, mistakes);
	return 1;
}

struct config *
config_load(const char *path, char **errors)
{
	struct config *c = calloc(1, sizeof(*c));
	struct budget budget = { .started = clock() };
	lua_State *L = lua_newstate(budget_alloc, &budget);
	char absolute[PATH_MAX];

	*errors = NULL;
	if (c == NULL || L == NULL) {
		*errors = format_error(path, "out of memory");
	} else if (realpath(path, absolute) == NULL) {
		*errors = format_error(path, strerror(errno));
	} else {
		lua_pushcfunction(L, config_build);
		lua_pushstring(L, absolute);
		lua_pushstring(L, path);
		lua_pushlightuserdata(L, c);
		if (lua_pcall(L, 3, 1, 0) == LUA_OK)
			*errors = lua_touserdata(L, -1);
		else
			*errors = format_error(path, lua_tostring(L, -1));
	}
	if (L != NULL)
		lua_close(L);
	if (*errors == NULL)
		return c;
	config_free(c);
	return NULL;
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
