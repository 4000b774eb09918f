/*
 * config.c - from a configuration file to struct config.
 *
 * Runs config.lua, which knows the vocabulary, over the file, and has the
 * plain data it returns copied.  The file's own code sees nothing but that
 * vocabulary; its time and memory are bounded.
 */
#include <errno.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_files_lua.h"
#include "config_lua.h"
#include "config_parts.h"
#include "config_values_lua.h"

#define MEMORY_MAX (64u << 20)		/* octets that a configuration may use */
#define STEPS_MAX 20000000		/* virtual machine instructions: about a quarter of a second */
#define STEPS_AT_ONCE 100
#define PROCESSOR_SECONDS 4		/* for steps that are long: large texts, sorting */

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
	/* The file ends here; what comes after has a tenth as much again. */
	b->steps = STEPS_MAX / 10 * 9;
	b->started = clock() - PROCESSOR_SECONDS * CLOCKS_PER_SEC / 10 * 9;
	luaL_where(L, 0);
	lua_pushliteral(L, "the configuration runs too long: an endless loop?");
	lua_concat(L, 2);
	lua_error(L);
}

/* Pushes a chunk of the program's own. */
static void
push_chunk(lua_State *L, const unsigned char *text, size_t length, const char *name)
{
	if (luaL_loadbufferx(L, (const char *)text, length, name, "t") != LUA_OK)
		lua_error(L);
}

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
	push_chunk(L, config_lua, sizeof(config_lua), "=config.lua");
	lua_newtable(L);
	luaL_setfuncs(L, config_host, 0);
	lua_pushstring(L, path);
	lua_setfield(L, -2, "main");
	lua_getglobal(L, "pcall");
	lua_setfield(L, -2, "call");
	lua_pushstring(L, name);
	push_chunk(L, config_values_lua, sizeof(config_values_lua), "=config_values.lua");
	lua_call(L, 0, 1);
	push_chunk(L, config_files_lua, sizeof(config_files_lua), "=config_files.lua");
	lua_pushvalue(L, -4);
	lua_pushvalue(L, -3);
	lua_call(L, 2, 1);
	/* host, name, values, files */
	lua_sethook(L, budget_hook, LUA_MASKCOUNT | LUA_MASKLINE, STEPS_AT_ONCE);
	lua_call(L, 4, 2);
	lua_sethook(L, NULL, 0, 0);
	return 2;
}

/* A malloc'ed text, one line for each; NULL when there are none. */
static char *
join_mistakes(lua_State *L)
{
	luaL_Buffer buffer;
	size_t i, count = (size_t)lua_rawlen(L, -1);
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
	text = strdup(lua_tostring(L, -1));
	if (text == NULL) {
		luaL_error(L, "out of memory");
		return NULL;	/* not reached */
	}
	lua_pop(L, 1);
	return text;
}

static char *
format_error(const char *path, const char *what)
{
	char *text;

	return asprintf(&text, "%s: %s\n", path, what) == -1 ? NULL : text;
}

/* Adds the files of the data on top of the stack. */
static void
note_files(lua_State *L, struct file_list *files)
{
	lua_getfield(L, -1, "files");
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		if (file_list_add(files, lua_tostring(L, -1)) == -1)
			luaL_error(L, "out of memory");
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

/* Runs in protected mode: path, name, config, list of files or NULL. Returns the
 * mistakes as light userdata, NULL for none. */
static int
config_build(lua_State *L)
{
	struct file_list *files = lua_touserdata(L, 4);
	void *c = lua_touserdata(L, 3);
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
		lua_pushvalue(L, 1);
		lua_call(L, 3, 0);
	} else if (files != NULL) {
		note_files(L, files);
	}
	lua_pushlightuserdata(L, mistakes);
	return 1;
}

struct config *
config_load(const char *path, char **errors, struct file_list *files)
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
		lua_pushlightuserdata(L, files);
		if (lua_pcall(L, 4, 1, 0) == LUA_OK)
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
