/*
 * api.c - what a Lua servlet calls: modserver.h as methods of self.
 *
 * Strings are binary both ways.  What is missing is nil.  A function that
 * fails returns nil, a message and errno, as Lua's own io functions do.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <lualib.h>

#include "program.h"

servlet *
api_servlet(lua_State *L, int index)
{
	const struct self *self = luaL_checkudata(L, index, SELF_TYPE);

	if (self->program->current == NULL || self->serial != self->program->serial)
		luaL_argerror(L, index, "its request is over");
	return self->program->current;
}

const char *
api_check_text(lua_State *L, int index)
{
	size_t length;
	const char *text = luaL_checklstring(L, index, &length);

	return strlen(text) == length ? text : NULL;
}

/* ---------------------------------------------------------------- request */

#define STRING_OF_REQUEST(name)						\
	static int							\
	api_##name(lua_State *L)					\
	{								\
		lua_pushstring(L, name(api_servlet(L, 1)));		\
		return 1;						\
	}

STRING_OF_REQUEST(get_method)
STRING_OF_REQUEST(get_path)
STRING_OF_REQUEST(get_path_info)
STRING_OF_REQUEST(get_script_name)
STRING_OF_REQUEST(get_route)
STRING_OF_REQUEST(get_query)
STRING_OF_REQUEST(get_target)
STRING_OF_REQUEST(get_protocol)
STRING_OF_REQUEST(get_scheme)
STRING_OF_REQUEST(get_remote_addr)
STRING_OF_REQUEST(get_server_name)
STRING_OF_REQUEST(get_request_id)

#define NUMBER_OF_REQUEST(name)						\
	static int							\
	api_##name(lua_State *L)					\
	{								\
		lua_pushinteger(L, name(api_servlet(L, 1)));		\
		return 1;						\
	}

NUMBER_OF_REQUEST(get_remote_port)
NUMBER_OF_REQUEST(get_server_port)
NUMBER_OF_REQUEST(get_content_length)

#define STRING_BY_NAME(name)						\
	static int							\
	api_##name(lua_State *L)					\
	{								\
		servlet *s = api_servlet(L, 1);				\
		const char *key = api_check_text(L, 2);			\
									\
		lua_pushstring(L, key == NULL ? NULL : name(s, key));	\
		return 1;						\
	}

STRING_BY_NAME(get_arg)
STRING_BY_NAME(get_header)
STRING_BY_NAME(get_cookie)
STRING_BY_NAME(get_form)

int
api_push_body(lua_State *L, servlet *s, lua_Integer n)
{
	lua_Integer most = (lua_Integer)get_content_length(s);
	luaL_Buffer body;
	size_t taken = 0, wanted;
	char *room;
	ssize_t got;

	if (n <= 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	wanted = (size_t)(n < most ? n : most);
	if (wanted == 0) {
		lua_pushnil(L);
		return 1;
	}
	room = luaL_buffinitsize(L, &body, wanted);
	while (taken < wanted && (got = rread(s, room + taken, wanted - taken)) != 0) {
		if (got < 0)
			return luaL_fileresult(L, 0, NULL);
		taken += (size_t)got;
	}
	luaL_pushresultsize(&body, taken);
	if (taken == 0)
		lua_pushnil(L);
	return 1;
}

/* self:rread([n]): without n all that is left. */
static int
api_rread(lua_State *L)
{
	servlet *s = api_servlet(L, 1);

	return api_push_body(L, s, luaL_optinteger(L, 2, LUA_MAXINTEGER));
}

static int
api_rrewind(lua_State *L)
{
	return luaL_fileresult(L, rrewind(api_servlet(L, 1)) == 0, NULL);
}

/* --------------------------------------------------------------- response */

static int
api_set_status(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	lua_Integer status = luaL_checkinteger(L, 2);

	luaL_argcheck(L, status >= 0 && status <= INT_MAX, 2, "no status");
	set_status(s, (int)status);
	return 0;
}

static int
header(lua_State *L, void (*give)(servlet *, const char *, const char *), int may_remove)
{
	servlet *s = api_servlet(L, 1);
	const char *name = api_check_text(L, 2), *value = NULL;

	if (!may_remove || !lua_isnoneornil(L, 3)) {
		value = api_check_text(L, 3);
		if (value == NULL)
			name = NULL;
	}
	if (name == NULL)
		rlog(s, "header refused: %s has NUL in it", lua_tostring(L, 2));
	else
		give(s, name, value);
	return 0;
}

static int
api_set_header(lua_State *L)
{
	return header(L, set_header, 1);
}

static int
api_add_header(lua_State *L)
{
	return header(L, add_header, 0);
}

/* self:rwrite(...): each a string or a number, as io.write takes them. */
static int
api_rwrite(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	int top = lua_gettop(L);
	size_t length, total = 0;
	const char *text;

	luaL_checkany(L, 2);
	for (int i = 2; i <= top; i++) {
		text = luaL_checklstring(L, i, &length);
		total += rwrite(s, text, length);
	}
	lua_pushinteger(L, (lua_Integer)total);
	return 1;
}

/* Replaces format and what follows by string.format of them. */
static const char *
format(lua_State *L, size_t *length)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 2);
	lua_call(L, lua_gettop(L) - 2, 1);
	return luaL_checklstring(L, 2, length);
}

static int
api_rprintf(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	size_t length;
	const char *text;

	luaL_checkstring(L, 2);
	text = format(L, &length);
	lua_pushinteger(L, (lua_Integer)rwrite(s, text, length));
	return 1;
}

/* self:rlog(text), or self:rlog(format, ...). */
static int
api_rlog(lua_State *L)
{
	const struct self *self = luaL_checkudata(L, 1, SELF_TYPE);
	size_t length;

	(void)api_servlet(L, 1);
	luaL_checkstring(L, 2);
	if (lua_gettop(L) > 2)
		(void)format(L, &length);
	program_log(self->program, L);
	return 0;
}

static int
api_rflush(lua_State *L)
{
	rflush(api_servlet(L, 1));
	return 0;
}

/* self:rsendfile(file [, offset [, length]]): a Lua file or a descriptor. */
static int
api_rsendfile(lua_State *L)
{
	servlet *s = api_servlet(L, 1);
	luaL_Stream *stream = luaL_testudata(L, 2, LUA_FILEHANDLE);
	lua_Integer offset = luaL_optinteger(L, 3, 0);
	lua_Integer length = luaL_optinteger(L, 4, -1);
	int fd;

	if (stream != NULL) {
		luaL_argcheck(L, stream->closef != NULL, 2, "a closed file");
		fflush(stream->f);
		fd = fileno(stream->f);
	} else {
		lua_Integer number = luaL_checkinteger(L, 2);

		luaL_argcheck(L, number >= 0 && number <= INT_MAX, 2, "no descriptor");
		fd = (int)number;
	}
	return luaL_fileresult(L, rsendfile(s, fd, offset, length) == 0, NULL);
}

static int
api_is_sent(lua_State *L)
{
	lua_pushboolean(L, is_sent(api_servlet(L, 1)));
	return 1;
}

static int
api_is_connected(lua_State *L)
{
	lua_pushboolean(L, is_connected(api_servlet(L, 1)));
	return 1;
}

/* ------------------------------------------------------------------- self */

static const luaL_Reg methods[] = {
	{ "get_method", api_get_method }, { "get_arg", api_get_arg },
	{ "get_header", api_get_header }, { "get_path", api_get_path },
	{ "get_path_info", api_get_path_info }, { "get_script_name", api_get_script_name },
	{ "get_route", api_get_route }, { "get_query", api_get_query },
	{ "get_target", api_get_target }, { "get_protocol", api_get_protocol },
	{ "get_scheme", api_get_scheme }, { "get_remote_addr", api_get_remote_addr },
	{ "get_remote_port", api_get_remote_port },
	{ "get_server_name", api_get_server_name },
	{ "get_server_port", api_get_server_port }, { "get_cookie", api_get_cookie },
	{ "get_form", api_get_form }, { "get_content_length", api_get_content_length },
	{ "get_request_id", api_get_request_id }, { "get_upload", api_get_upload },
	{ "rread", api_rread }, { "read_body", api_rread }, { "rrewind", api_rrewind },
	{ "each_header", api_each_header }, { "each_arg", api_each_arg },
	{ "each_form", api_each_form }, { "each_cookie", api_each_cookie },
	{ "each_upload", api_each_upload }, { "each_route", api_each_route },
	{ "set_status", api_set_status }, { "set_header", api_set_header },
	{ "add_header", api_add_header }, { "rwrite", api_rwrite },
	{ "rprintf", api_rprintf }, { "rflush", api_rflush },
	{ "rsendfile", api_rsendfile }, { "rlog", api_rlog },
	{ "is_sent", api_is_sent }, { "is_connected", api_is_connected },
	{ NULL, NULL },
};

/* self[key]: a method, what was assigned, else a variable of WSAPI. */
static int
self_index(lua_State *L)
{
	const struct self *self;

	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
		return 1;
	self = luaL_checkudata(L, 1, SELF_TYPE);
	if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) {
		lua_pushvalue(L, 2);
		if (lua_rawget(L, -2) != LUA_TNIL)
			return 1;
	}
	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	(void)api_servlet(L, 1);
	lua_settop(L, 2);
	wsapi_push_field(L, self->program, lua_tostring(L, 2));
	return 1;
}

/* self[key] = value: kept until the request is over. */
static int
self_newindex(lua_State *L)
{
	luaL_checkudata(L, 1, SELF_TYPE);
	if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) {
		lua_newtable(L);
		lua_pushvalue(L, -1);
		lua_setiuservalue(L, 1, 1);
		lua_replace(L, 4);
	}
	lua_insert(L, 2);
	lua_rawset(L, 2);
	return 0;
}

static int
self_pairs(lua_State *L)
{
	const struct self *self = luaL_checkudata(L, 1, SELF_TYPE);

	(void)api_servlet(L, 1);
	lua_getglobal(L, "next");
	wsapi_push_all(L, self->program);
	lua_pushnil(L);
	return 3;
}

void
api_open(lua_State *L, struct program *p)
{
	(void)p;
	luaL_newmetatable(L, SELF_TYPE);
	luaL_newlibtable(L, methods);
	lua_getglobal(L, LUA_STRLIBNAME);
	lua_getfield(L, -1, "format");
	lua_remove(L, -2);
	luaL_setfuncs(L, methods, 1);
	lua_pushcclosure(L, self_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, self_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushcfunction(L, self_pairs);
	lua_setfield(L, -2, "__pairs");
	lua_pop(L, 1);
}

void
api_push_self(lua_State *L, struct program *p)
{
	struct self *self = lua_newuserdatauv(L, sizeof(*self), 1);

	self->program = p;
	self->serial = p->serial;
	luaL_setmetatable(L, SELF_TYPE);
}
