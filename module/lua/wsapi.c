/*
 * wsapi.c - self as a WSAPI environment, and WSAPI's answer.
 *
 * WSAPI (https://keplerproject.github.io/wsapi/) calls run(env) and takes
 * status, headers and an iterator back.  env has the variables of RFC 3875,
 * env.input and env.error.  As with WSAPI's own connectors, a variable that
 * is missing is "", not nil, and PATH_INFO is "/" where nothing else is below
 * the route.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/alike.h"
#include "module/variables.h"
#include "program.h"

/* ------------------------------------------------------------ environment */

/* The others, which need a line of their own. */
static const char *const others[] = {
	"APP_PATH", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTPS",
	"REMOTE_PORT", "SCRIPT_FILENAME", "SERVER_PORT", "SERVER_SOFTWARE",
};

#define OTHERS_COUNT (sizeof(others) / sizeof(others[0]))

/* Whether "FOO_BAR" is the variable of "Foo-Bar".  A field with an underscore
 * in its name has none, so that it cannot pass for another. */
static int
names_field(const char *variable, const char *field)
{
	for (; *variable != '\0' && *field != '\0'; variable++, field++)
		if (variables_char(*field) != *variable)
			return 0;
	return *variable == *field;
}

/* All fields of that variable, joined as RFC 3875, 4.1.18 says. */
static void
push_http_variable(lua_State *L, servlet *s, const char *variable)
{
	const char *glue = variables_glue(variable);
	lua_Integer count;
	luaL_Buffer all;
	int pairs, found = 0;

	api_push_pairs(L, s, each_header);
	pairs = lua_gettop(L);
	count = (lua_Integer)lua_rawlen(L, pairs);
	luaL_buffinit(L, &all);
	for (lua_Integer i = 1; i <= count; i += 2) {
		const char *field;
		int matches;

		lua_rawgeti(L, pairs, i);
		field = lua_tostring(L, -1);
		matches = names_field(variable, field) && !variables_hide(field);
		lua_pop(L, 1);
		if (!matches)
			continue;
		if (found++)
			luaL_addstring(&all, glue);
		lua_rawgeti(L, pairs, i + 1);
		luaL_addvalue(&all);
	}
	luaL_pushresult(&all);
	lua_replace(L, pairs);
}

/* Whether the name is one of CGI's making: "REMOTE_IDENT". */
static int
is_variable(const char *name)
{
	return name[0] >= 'A' && name[0] <= 'Z' &&
	    name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static void
push_length(lua_State *L, servlet *s)
{
	long long length = get_content_length(s);

	if (length == 0 && get_header(s, "Content-Length") == NULL)
		lua_pushliteral(L, "");
	else
		lua_pushfstring(L, "%I", (LUAI_UACINT)length);
}

static void
push_variable(lua_State *L, const struct program *p, const char *name)
{
	servlet *s = p->current;
	const char *slash = strrchr(p->path, '/');
	const char *value = "";

	for (size_t i = 0; i < VARIABLES_COUNT; i++)
		if (strcmp(name, variables[i].name) == 0) {
			value = variables[i].get(s);
			lua_pushstring(L, *value == '\0' && variables[i].get == get_path_info ?
			    "/" : value);
			return;
		}
	if (strncmp(name, "HTTP_", 5) == 0)
		push_http_variable(L, s, name + 5);
	else if (strcmp(name, "CONTENT_LENGTH") == 0)
		push_length(L, s);
	else if (strcmp(name, "SERVER_PORT") == 0)
		lua_pushfstring(L, "%d", get_server_port(s));
	else if (strcmp(name, "REMOTE_PORT") == 0)
		lua_pushfstring(L, "%d", get_remote_port(s));
	else if (strcmp(name, "APP_PATH") == 0)
		lua_pushlstring(L, p->path, slash == NULL ? 0 : (size_t)(slash - p->path));
	else {
		if (strcmp(name, "CONTENT_TYPE") == 0)
			value = get_header(s, "Content-Type");
		else if (strcmp(name, "GATEWAY_INTERFACE") == 0)
			value = "CGI/1.1";
		else if (strcmp(name, "HTTPS") == 0)
			value = strcmp(get_scheme(s), "https") == 0 ? "on" : "";
		else if (strcmp(name, "SCRIPT_FILENAME") == 0)
			value = p->path;
		else if (strcmp(name, "SERVER_SOFTWARE") == 0)
			value = "modserver";
		lua_pushstring(L, value == NULL ? "" : value);
	}
}

/* env.input:read([n]): n octets, or with "a", "*a" or nothing all of them. */
static int
input_read(lua_State *L)
{
	servlet *s = api_servlet(L, lua_upvalueindex(1));

	return api_push_body(L, s,
	    lua_isinteger(L, 2) || lua_type(L, 2) == LUA_TNUMBER ?
	    luaL_checkinteger(L, 2) : LUA_MAXINTEGER);
}

static int
input_rewind(lua_State *L)
{
	return luaL_fileresult(L, rrewind(api_servlet(L, lua_upvalueindex(1))) == 0, NULL);
}

/* env.error:write(...): to the error log. */
static int
error_write(lua_State *L)
{
	const struct self *self = lua_touserdata(L, lua_upvalueindex(1));
	int top = lua_gettop(L);

	(void)api_servlet(L, lua_upvalueindex(1));
	for (int i = 2; i <= top; i++)
		luaL_checkstring(L, i);
	lua_concat(L, top - 1);
	program_log(self->program, L);
	lua_pushboolean(L, 1);
	return 1;
}

static void
add_closure(lua_State *L, const char *name, lua_CFunction function)
{
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

/* Pushes env.input or env.error. */
static void
push_stream(lua_State *L, const struct program *p, int is_input)
{
	lua_newtable(L);
	if (is_input) {
		add_closure(L, "read", input_read);
		add_closure(L, "rewind", input_rewind);
		lua_pushinteger(L, (lua_Integer)get_content_length(p->current));
		lua_setfield(L, -2, "length");
	} else {
		add_closure(L, "write", error_write);
	}
}

void
wsapi_push_field(lua_State *L, const struct program *p, const char *name)
{
	if (is_variable(name))
		push_variable(L, p, name);
	else if (strcmp(name, "input") == 0 || strcmp(name, "error") == 0)
		push_stream(L, p, name[0] == 'i');
	else
		lua_pushnil(L);
}

/* Sets t[name] in the table at the top of the stack. */
static void
add_variable(lua_State *L, const struct program *p, const char *name)
{
	wsapi_push_field(L, p, name);
	lua_setfield(L, -2, name);
}

/* Sets the HTTP_ variable of a header field in the table at the top. */
static void
add_http_variable(lua_State *L, const struct program *p, const char *field)
{
	luaL_Buffer name;

	luaL_buffinit(L, &name);
	luaL_addstring(&name, "HTTP_");
	for (; *field != '\0'; field++)
		luaL_addchar(&name, variables_char(*field));
	luaL_pushresult(&name);
	push_http_variable(L, p->current, lua_tostring(L, -1) + 5);
	lua_rawset(L, -3);
}

void
wsapi_push_all(lua_State *L, const struct program *p)
{
	int all, pairs;
	lua_Integer count;

	lua_newtable(L);
	all = lua_gettop(L);
	for (size_t i = 0; i < VARIABLES_COUNT; i++)
		add_variable(L, p, variables[i].name);
	for (size_t i = 0; i < OTHERS_COUNT; i++)
		add_variable(L, p, others[i]);
	add_variable(L, p, "input");
	add_variable(L, p, "error");
	api_push_pairs(L, p->current, each_header);
	pairs = lua_gettop(L);
	count = (lua_Integer)lua_rawlen(L, pairs);
	for (lua_Integer i = 1; i <= count; i += 2) {
		lua_rawgeti(L, pairs, i);
		lua_pushvalue(L, all);
		if (!variables_hide(lua_tostring(L, -2)))
			add_http_variable(L, p, lua_tostring(L, -2));
		lua_pop(L, 2);
	}
	lua_settop(L, all);
	/* What the servlet has assigned comes last, over the rest. */
	if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) {
		lua_pushnil(L);
		while (lua_next(L, -2) != 0) {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, all);
		}
	}
	lua_settop(L, all);
}

/* ----------------------------------------------------------------- answer */

static int
is_callable(lua_State *L, int index)
{
	if (lua_isfunction(L, index))
		return 1;
	if (luaL_getmetafield(L, index, "__call") == LUA_TNIL)
		return 0;
	lua_pop(L, 1);
	return 1;
}

int
wsapi_is_response(lua_State *L)
{
	int top = lua_gettop(L);
	int status = lua_type(L, top - 2);
	int headers = lua_istable(L, top - 1), iterator = is_callable(L, top);

	if ((status != LUA_TNUMBER && status != LUA_TSTRING) || (!headers && !iterator))
		return 0;
	/* It is meant to be one. */
	if (!headers)
		luaL_error(L, "WSAPI: the headers are a %s, not a table", luaL_typename(L, top - 1));
	if (!iterator)
		luaL_error(L, "WSAPI: the iterator is a %s, not a function", luaL_typename(L, top));
	return 1;
}

/* 200, "200" or "200 OK": the reason is the server's. */
static int
status_of(lua_State *L, int index)
{
	double status;

	if (lua_type(L, index) == LUA_TNUMBER)
		status = (double)lua_tonumber(L, index);
	else
		status = atoi(lua_tostring(L, index));
	if (!(status >= 200 && status <= 599))
		luaL_error(L, "WSAPI: \"%s\" is no status of 200 to 599", lua_tostring(L, index));
	return (int)status;
}

/* The value at the top of the stack, as text without NUL. */
static const char *
header_value(lua_State *L, const char *name)
{
	size_t length;
	const char *value;

	if (lua_isboolean(L, -1)) {
		lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
		lua_replace(L, -2);
	}
	if ((value = lua_tolstring(L, -1, &length)) == NULL)
		luaL_error(L, "WSAPI: header %s is a %s", name, luaL_typename(L, -1));
	if (strlen(value) != length)
		luaL_error(L, "WSAPI: header %s has NUL in it", name);
	return value;
}

/* Sets the header whose name is at -2 and whose value is at -1: a string, or
 * a sequence of them for a repeated field. */
static void
set_one_header(lua_State *L, servlet *s)
{
	const char *name;

	if (lua_type(L, -2) != LUA_TSTRING)
		luaL_error(L, "WSAPI: a header's name is a %s", luaL_typename(L, -2));
	name = lua_tostring(L, -2);
	if (!lua_istable(L, -1)) {
		lua_pushvalue(L, -1);
		set_header(s, name, header_value(L, name));
		lua_pop(L, 1);
		return;
	}
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		add_header(s, name, header_value(L, name));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Sets the headers at that index.  Returns the Content-Length, -1 if none. */
static long long
set_headers(lua_State *L, servlet *s, int headers)
{
	long long length = -1;

	lua_pushnil(L);
	while (lua_next(L, headers) != 0) {
		set_one_header(L, s);
		if (texts_alike(lua_tostring(L, -2), "Content-Length")) {
			lua_pushvalue(L, -1);
			if (lua_tostring(L, -1) != NULL)
				length = atoll(lua_tostring(L, -1));
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	return length;
}

void
wsapi_respond(lua_State *L, servlet *s)
{
	int iterator = lua_gettop(L);
	long long written = 0, announced;
	const char *chunk;
	size_t length;

	set_status(s, status_of(L, iterator - 2));
	announced = set_headers(L, s, iterator - 1);
	for (;;) {
		lua_pushvalue(L, iterator);
		lua_call(L, 0, 1);
		if (!lua_toboolean(L, -1))
			break;
		chunk = lua_tolstring(L, -1, &length);
		if (chunk == NULL)
			luaL_error(L, "WSAPI: the iterator gave a %s", luaL_typename(L, -1));
		if (length > 0 && rwrite(s, chunk, length) == 0)
			break;		/* the client has gone */
		written += (long long)length;
		/* The client sees each piece when it is made; the last one, where
		 * the length tells which it is, leaves with the end. */
		if (length > 0 && written != announced)
			rflush(s);
		lua_pop(L, 1);
	}
}
