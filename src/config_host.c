/*
 * config_host.c - what config.lua, which opens nothing, asks of its host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_parts.h"
#include "parser.h"

#define FILE_MAX (4 << 20)		/* octets of a configuration file */

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

/* methods(): the names of those that a request can have. */
static int
host_methods(lua_State *L)
{
	const char *name;

	lua_newtable(L);
	for (int i = 0; (name = parser_method_name(i)) != NULL; i++) {
		lua_pushstring(L, name);
		lua_rawseti(L, -2, i + 1);
	}
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

const luaL_Reg config_host[] = {
	{ "read", host_read }, { "exists", host_exists }, { "user", host_user },
	{ "group", host_group }, { "env", host_env }, { "methods", host_methods },
	{ "load", host_load },
	{ "line", host_line }, { "last_line", host_last_line },
	{ "address", host_address },
	{ "string_methods", host_string_methods }, { NULL, NULL },
};
