/*
 * program.h - the parts of the Lua module as they see each other.
 *
 * lua.c loads servlets and runs them, lua/api.c and lua/each.c are what a
 * servlet calls, lua/wsapi.c makes the same argument a WSAPI environment,
 * lua/files.c knows what was required.
 *
 * A servlet's argument `self` is a userdata that is made anew for each
 * request; one that was kept from an earlier request is refused.  So a
 * servlet can do nothing to a request that is not its own.
 */
#ifndef LUA_PROGRAM_H
#define LUA_PROGRAM_H

#include <lauxlib.h>
#include <lua.h>

#include "module/module.h"

/* The metatable of self, in the registry. */
#define SELF_TYPE "servlet"

/* One servlet: a Lua state of its own. */
struct program {
	lua_State *lua;
	const char *path;	/* of the file */
	servlet *current;	/* the request being answered, or NULL */
	unsigned long serial;	/* of that request, in this process */
	int run, init, cleanup;	/* references in the registry, or LUA_NOREF */
	unsigned uploads;	/* whose files were opened */
};

/* What self points at. */
struct self {
	struct program *program;
	unsigned long serial;
};

/* Makes the metatable of self.  Raises on lack of memory. */
void api_open(lua_State *L, struct program *p);

/* Pushes a self for the current request. */
void api_push_self(lua_State *L, struct program *p);

/* The request behind self at that index; raises a Lua error if that is no
 * self, or one whose request is over. */
servlet *api_servlet(lua_State *L, int index);

/* The string at that index, which must be one; NULL if there is NUL in it,
 * so that C cannot take it whole. */
const char *api_check_text(lua_State *L, int index);

/* Visits name and value of something: each_header() and its like. */
typedef int api_walk(servlet *s, modserver_visit *visit, void *context);

/* Pushes a sequence { name, value, name, value, ... } of what walk visits. */
void api_push_pairs(lua_State *L, servlet *s, api_walk *walk);

/* Methods of self that are in each.c. */
int api_each_header(lua_State *L);
int api_each_arg(lua_State *L);
int api_each_form(lua_State *L);
int api_each_cookie(lua_State *L);
int api_each_upload(lua_State *L);
int api_each_route(lua_State *L);
int api_get_upload(lua_State *L);

/* Pushes the next octets of the body, n at most: nil at its end; nil, a
 * message and errno on an error.  Returns how many values it pushed. */
int api_push_body(lua_State *L, servlet *s, lua_Integer n);

/* Writes the string at the top of the stack to the error log, with the id of the
 * request if there is one. */
void program_log(const struct program *p, lua_State *L);

/* Pushes the variable of that name: of RFC 3875, or an HTTP_ one, input or
 * error; "" for one that is missing but has such a name, else nil.  self is
 * at index 1, and the fields assigned to it are cached there. */
void wsapi_push_field(lua_State *L, const struct program *p, const char *name);

/* Pushes a table of all variables there are. */
void wsapi_push_all(lua_State *L, const struct program *p);

/* Whether status, headers and iterator lie at the top of the stack.  Raises an
 * error if that is meant but one of them is missing. */
int wsapi_is_response(lua_State *L);

/* Sends them.  Raises what the iterator raises. */
void wsapi_respond(lua_State *L, servlet *s);

/* Notes from now on what is required from the servlet's directory. */
void files_open(lua_State *L, struct program *p);

/* Visits the files that were noted, of all servlets. */
void files_visit(void (*visit)(void *context, const char *path), void *context);

#endif
