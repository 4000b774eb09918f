/*
 * lua.c - servlets in Lua 5.4.
 *
 * Each servlet has a Lua state of its own, loaded in the zygote.  A servlet
 * file returns a table with a function run(self), and if it likes init(self)
 * and cleanup(); or it returns run itself, or defines them as globals.
 * require finds what lies in the file's own directory first.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "lua/program.h"

#define TRACE_MAX 32	/* frames */

/* A message handler: the error, and where it happened. */
static int
traceback(lua_State *L)
{
	lua_Debug caller;

	luaL_tolstring(L, 1, NULL);
	/* With nothing but the module itself on the stack there is no where. */
	if (lua_getstack(L, 2, &caller)) {
		lua_pushliteral(L, "\n");
		luaL_traceback(L, L, NULL, 1);
		lua_concat(L, 3);
	}
	return 1;
}

/* The error message that a protected call left at the top of the stack. */
static const char *
error_message(lua_State *L)
{
	const char *message = lua_tostring(L, -1);

	return message == NULL ? "an error that is no string" : message;
}

void
program_log(const struct program *p, lua_State *L)
{
	size_t length;
	const char *text = lua_tolstring(L, -1, &length);

	if (text == NULL)
		text = error_message(L), length = strlen(text);
	module_log(p->current, text, length);
}

/* print goes to the error log: there is no terminal to print on. */
static int
print(lua_State *L)
{
	const struct program *p = lua_touserdata(L, lua_upvalueindex(1));
	int count = lua_gettop(L);
	luaL_Buffer line;

	luaL_buffinit(L, &line);
	for (int i = 1; i <= count; i++) {
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&line);
		if (i < count)
			luaL_addchar(&line, '\t');
	}
	luaL_pushresult(&line);
	program_log(p, L);
	return 0;
}

/* os.exit costs the request, not the process that others wait for. */
static int
os_exit(lua_State *L)
{
	return luaL_error(L, "os.exit called in a servlet");
}

/* Puts the servlet's own directory in front of package.path. */
static void
set_package_path(lua_State *L, const char *path)
{
	const char *slash = strrchr(path, '/');
	luaL_Buffer all;

	if (slash == NULL)
		return;
	lua_getglobal(L, LUA_LOADLIBNAME);
	luaL_buffinit(L, &all);
	luaL_addlstring(&all, path, (size_t)(slash - path));
	luaL_addstring(&all, "/?.lua;");
	luaL_addlstring(&all, path, (size_t)(slash - path));
	luaL_addstring(&all, "/?/init.lua;");
	lua_getfield(L, 1, "path");
	luaL_addvalue(&all);
	luaL_pushresult(&all);
	lua_setfield(L, 1, "path");
	lua_settop(L, 0);
}

static void
open_libraries(lua_State *L, struct program *p)
{
	luaL_openlibs(L);
	lua_pushlightuserdata(L, p);
	lua_pushcclosure(L, print, 1);
	lua_setglobal(L, "print");
	lua_getglobal(L, LUA_OSLIBNAME);
	lua_pushcfunction(L, os_exit);
	lua_setfield(L, -2, "exit");
	/* io.write goes where print does; a line must not wait in a buffer. */
	lua_getglobal(L, LUA_IOLIBNAME);
	lua_getfield(L, -1, "stdout");
	lua_getfield(L, -1, "setvbuf");
	lua_insert(L, -2);
	lua_pushliteral(L, "line");
	lua_call(L, 2, 0);
	lua_settop(L, 0);
	set_package_path(L, p->path);
	files_open(L, p);
	api_open(L, p);
}

static int
is_callable(lua_State *L)
{
	if (lua_isfunction(L, -1))
		return 1;
	if (luaL_getmetafield(L, -1, "__call") == LUA_TNIL)
		return 0;
	lua_pop(L, 1);
	return 1;
}

/* A reference to the function of that name in the table at index 1, or
 * LUA_NOREF if there is none. */
static int
refer_function(lua_State *L, const struct program *p, const char *name)
{
	if (lua_getfield(L, 1, name) == LUA_TNIL) {
		lua_pop(L, 1);
		return LUA_NOREF;
	}
	if (!is_callable(L))
		luaL_error(L, "%s: %s is a %s, not a function", p->path, name,
		    luaL_typename(L, -1));
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Everything of open that may raise.  Argument: the program. */
static int
load(lua_State *L)
{
	struct program *p = lua_touserdata(L, 1);

	lua_settop(L, 0);
	open_libraries(L, p);
	if (luaL_loadfile(L, p->path) != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 1);
	if (lua_isfunction(L, 1)) {
		p->run = luaL_ref(L, LUA_REGISTRYINDEX);
		return 0;
	}
	if (!lua_istable(L, 1)) {
		lua_settop(L, 0);
		lua_pushglobaltable(L);
	}
	p->run = refer_function(L, p, "run");
	p->init = refer_function(L, p, "init");
	p->cleanup = refer_function(L, p, "cleanup");
	if (p->run == LUA_NOREF)
		luaL_error(L, "%s returns no table with a function run(self), "
		    "and defines no global one", p->path);
	return 0;
}

static int
module_start(const struct module_option *options, size_t count, char *error)
{
	Dl_info info;

	if (count > 0) {
		snprintf(error, MODULE_ERROR_MAX,
		    "module lua has no option \"%s\" (it has none)", options[0].name);
		return -1;
	}
	/* Debian's Lua libraries in C do not link liblua: they look for it
	 * among the global symbols.  It is never closed. */
	if (dladdr((void *)luaL_newstate, &info) != 0 && info.dli_fname != NULL)
		(void)dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
	return 0;
}

static const char *
module_version(void)
{
	static char text[512];
	char path[400] = "liblua, linked statically";
	Dl_info info;

	if (dladdr((void *)luaL_newstate, &info) != 0 && info.dli_fname != NULL)
		snprintf(path, sizeof(path), "%s", info.dli_fname);
	snprintf(text, sizeof(text), "%s, prefix %s, %s", LUA_RELEASE, LUA_ROOT, path);
	return text;
}

static void *
module_open(const struct module_servlet *servlet, char *error)
{
	struct program *p;

	if (servlet->option_count > 0) {
		snprintf(error, MODULE_ERROR_MAX,
		    "a Lua servlet has no option \"%s\"", servlet->options[0].name);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL || (p->lua = luaL_newstate()) == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "out of memory");
		free(p);
		return NULL;
	}
	p->path = servlet->path;
	p->run = p->init = p->cleanup = LUA_NOREF;
	lua_pushcfunction(p->lua, traceback);
	lua_pushcfunction(p->lua, load);
	lua_pushlightuserdata(p->lua, p);
	if (lua_pcall(p->lua, 1, 0, 1) != LUA_OK) {
		snprintf(error, MODULE_ERROR_MAX, "%s", error_message(p->lua));
		lua_close(p->lua);
		free(p);
		return NULL;
	}
	lua_settop(p->lua, 0);
	return p;
}

/* The protected part of a request.  Arguments: the program and the reference
 * of the function to call. */
static int
serve(lua_State *L)
{
	struct program *p = lua_touserdata(L, 1);

	lua_rawgeti(L, LUA_REGISTRYINDEX, lua_tointeger(L, 2));
	api_push_self(L, p);
	lua_call(L, 1, 3);
	if (wsapi_is_response(L))
		wsapi_respond(L, p->current);
	return 0;
}

static int
call(struct program *p, servlet *s, int function)
{
	lua_State *L = p->lua;
	int failed;

	p->current = s;
	p->serial++;
	lua_pushcfunction(L, traceback);
	lua_pushcfunction(L, serve);
	lua_pushlightuserdata(L, p);
	lua_pushinteger(L, function);
	failed = lua_pcall(L, 2, 0, 1) != LUA_OK;
	if (failed)
		program_log(p, L);
	lua_settop(L, 0);
	p->current = NULL;
	return failed ? -1 : 0;
}

static int
module_init(void *program, servlet *s)
{
	struct program *p = program;

	return p->init == LUA_NOREF ? 0 : call(p, s, p->init);
}

static int
module_run(void *program, servlet *s)
{
	struct program *p = program;

	return call(p, s, p->run);
}

static void
module_close(void *program)
{
	struct program *p = program;
	lua_State *L = p->lua;

	if (p->cleanup != LUA_NOREF) {
		lua_pushcfunction(L, traceback);
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->cleanup);
		if (lua_pcall(L, 0, 0, 1) != LUA_OK)
			program_log(p, L);
	}
	/* Finalizers run, open files are written out. */
	lua_close(L);
	free(p);
}

/* lua_getinfo() fills in our own structure, and does no more for these letters. */
static void
module_trace(void *program, int fd)
{
	struct program *p = program;
	lua_Debug frame;
	char line[512];

	for (int i = 0; i < TRACE_MAX && lua_getstack(p->lua, i, &frame); i++) {
		if (lua_getinfo(p->lua, "Sl", &frame) == 0 || frame.currentline < 0)
			continue;
		snprintf(line, sizeof(line), "  %.400s:%d\n", frame.source[0] == '@' ?
		    frame.source + 1 : frame.short_src, frame.currentline);
		if (write(fd, line, strlen(line)) == -1)
			return;
	}
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.name = "lua",
	.start = module_start,
	.version = module_version,
	.open = module_open,
	.init = module_init,
	.run = module_run,
	.close = module_close,
	.each_file = files_visit,
	.trace = module_trace,
};
