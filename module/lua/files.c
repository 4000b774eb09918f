/*
 * files.c - the files that a servlet's file has required from its own
 * directory, which reload "on" watches.
 */
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

struct file {
	struct file *next;
	char path[];
};

static struct file *files;	/* of all servlets */

/* Out of memory: then it is not watched. */
static void
note(const char *path)
{
	struct file *f;

	for (f = files; f != NULL; f = f->next)
		if (strcmp(f->path, path) == 0)
			return;
	if ((f = malloc(sizeof(*f) + strlen(path) + 1)) == NULL)
		return;
	strcpy(f->path, path);
	f->next = files;
	files = f;
}

/* In place of the searcher that looks in package.path: notes the file before
 * it is loaded, so that one with a mistake in it is known as well.
 * Upvalues: that searcher, the table package, the program. */
static int
search(lua_State *L)
{
	const struct program *p = lua_touserdata(L, lua_upvalueindex(3));
	const char *slash = strrchr(p->path, '/'), *path;

	lua_settop(L, 1);
	lua_getfield(L, lua_upvalueindex(2), "searchpath");
	lua_pushvalue(L, 1);
	lua_getfield(L, lua_upvalueindex(2), "path");
	lua_call(L, 2, 1);
	path = lua_tostring(L, -1);
	if (path != NULL && slash != NULL &&
	    strncmp(path, p->path, (size_t)(slash - p->path) + 1) == 0)
		note(path);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, LUA_MULTRET);
	return lua_gettop(L);
}

void
files_open(lua_State *L, struct program *p)
{
	int top = lua_gettop(L);

	lua_getglobal(L, LUA_LOADLIBNAME);
	lua_getfield(L, -1, "searchers");
	lua_rawgeti(L, -1, 2);
	lua_pushvalue(L, -3);
	lua_pushlightuserdata(L, p);
	lua_pushcclosure(L, search, 3);
	lua_rawseti(L, -2, 2);
	lua_settop(L, top);
}

void
files_visit(void (*visit)(void *context, const char *path), void *context)
{
	for (const struct file *f = files; f != NULL; f = f->next)
		visit(context, f->path);
}
