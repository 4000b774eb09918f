/*
 * each.c - what there may be several of: fields, uploads, routes.
 *
 * What the server visits is collected first and handed to Lua afterwards:
 * an error that a Lua function raised within the visit would jump over the
 * server's own frames.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "program.h"

/* Files of uploads that garbage may hold open: it does not press for a
 * collection, but descriptors run out. */
#define UPLOADS_MOST 64

static int
count_pair(void *context, const char *name, const char *value)
{
	(void)name;
	(void)value;
	++*(size_t *)context;
	return 0;
}

static int
keep_pair(void *context, const char *name, const char *value)
{
	const char ***next = context;

	*(*next)++ = name;
	*(*next)++ = value;
	return 0;
}

void
api_push_pairs(lua_State *L, servlet *s, api_walk *walk)
{
	size_t count = 0;
	const char **all, **next;

	walk(s, count_pair, &count);
	all = next = lua_newuserdatauv(L, (2 * count + 1) * sizeof(*all), 0);
	walk(s, keep_pair, &next);
	lua_createtable(L, (int)(2 * count), 0);
	for (size_t i = 0; i < 2 * count; i++) {
		lua_pushstring(L, all[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
}

/* The iterator of each: its upvalues are the sequence, how many entries make
 * one step, and the next index. */
static int
next_step(lua_State *L)
{
	int width = (int)lua_tointeger(L, lua_upvalueindex(2));
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));

	lua_pushinteger(L, at + width);
	lua_replace(L, lua_upvalueindex(3));
	for (int i = 0; i < width; i++)
		lua_rawgeti(L, lua_upvalueindex(1), at + i);
	return width;
}

/* With the sequence at the top of the stack: an iterator for the generic for,
 * or, if there is a function at index 2, calls it for each step until it
 * answers something other than nil, false and 0, and returns that or 0. */
static int
each(lua_State *L, int width)
{
	int sequence = lua_gettop(L);
	lua_Integer count = (lua_Integer)lua_rawlen(L, sequence);

	if (sequence < 3 || lua_isnil(L, 2)) {
		lua_pushinteger(L, width);
		lua_pushinteger(L, 1);
		lua_pushcclosure(L, next_step, 3);
		return 1;
	}
	for (lua_Integer i = 1; i <= count; i += width) {
		lua_pushvalue(L, 2);
		for (int k = 0; k < width; k++)
			lua_rawgeti(L, sequence, i + k);
		lua_call(L, width, 1);
		if (lua_toboolean(L, -1) &&
		    !(lua_isinteger(L, -1) && lua_tointeger(L, -1) == 0))
			return 1;
		lua_pop(L, 1);
	}
	lua_pushinteger(L, 0);
	return 1;
}

#define EACH_PAIR(name)							\
	int								\
	api_##name(lua_State *L)					\
	{								\
		api_push_pairs(L, api_servlet(L, 1), name);		\
		return each(L, 2);					\
	}

EACH_PAIR(each_header)
EACH_PAIR(each_arg)
EACH_PAIR(each_form)
EACH_PAIR(each_cookie)

static int
count_upload(void *context, const struct upload *upload)
{
	(void)upload;
	++*(size_t *)context;
	return 0;
}

static int
keep_upload(void *context, const struct upload *upload)
{
	struct upload **next = context;

	*(*next)++ = *upload;
	return 0;
}

static int
count_route(void *context, const struct route_info *route)
{
	(void)route;
	++*(size_t *)context;
	return 0;
}

static int
keep_route(void *context, const struct route_info *route)
{
	struct route_info **next = context;

	*(*next)++ = *route;
	return 0;
}

static int
close_file(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);

	return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Pushes a Lua file that reads the upload from its beginning.  It has a
 * descriptor of its own, so that it may outlive the request.  self is at index 1. */
static void
push_file(lua_State *L, int fd)
{
	const struct self *self = lua_touserdata(L, 1);
	luaL_Stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);
	int own;

	stream->closef = NULL;
	luaL_setmetatable(L, LUA_FILEHANDLE);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own == -1 || (stream->f = fdopen(own, "rb")) == NULL) {
		int reason = errno;

		if (own != -1)
			close(own);
		luaL_error(L, "upload: %s", strerror(reason));
	}
	stream->closef = close_file;
	rewind(stream->f);
	if (++self->program->uploads % UPLOADS_MOST == 0)
		lua_gc(L, LUA_GCCOLLECT, 0);
}

static void
push_upload(lua_State *L, const struct upload *upload)
{
	lua_createtable(L, 0, 6);
	lua_pushstring(L, upload->field);
	lua_setfield(L, -2, "field");
	lua_pushstring(L, upload->file_name);
	lua_setfield(L, -2, "file_name");
	lua_pushstring(L, upload->type);
	lua_setfield(L, -2, "type");
	lua_pushinteger(L, (lua_Integer)upload->size);
	lua_setfield(L, -2, "size");
	lua_pushinteger(L, upload->fd);
	lua_setfield(L, -2, "fd");
	push_file(L, upload->fd);
	lua_setfield(L, -2, "file");
}

int
api_get_upload(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	const char *field = api_check_text(L, 2);
	const struct upload *upload = field == NULL ? NULL : get_upload(s, field);

	if (upload == NULL)
		lua_pushnil(L);
	else
		push_upload(L, upload);
	return 1;
}

int
api_each_upload(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	struct upload *all, *next;
	size_t count = 0;

	each_upload(s, count_upload, &count);
	all = next = lua_newuserdatauv(L, (count + 1) * sizeof(*all), 0);
	each_upload(s, keep_upload, &next);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_upload(L, &all[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
	return each(L, 1);
}

static void
push_route(lua_State *L, const struct route_info *route)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, route->route);
	lua_setfield(L, -2, "route");
	lua_pushstring(L, route->language);
	lua_setfield(L, -2, "language");
	lua_pushstring(L, route->description);
	lua_setfield(L, -2, "description");
	lua_pushstring(L, route->file);
	lua_setfield(L, -2, "file");
}

int
api_each_route(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	struct route_info *all, *next;
	size_t count = 0;

	each_route(s, count_route, &count);
	all = next = lua_newuserdatauv(L, (count + 1) * sizeof(*all), 0);
	each_route(s, keep_route, &next);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		push_route(L, &all[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_remove(L, -2);
	return each(L, 1);
}
