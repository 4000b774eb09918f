/*
 * config_parts.h - what the parts of config.c share; for them alone.
 *
 *	config.c	runs config.lua over a file, within bounds
 *	config_host.c	what config.lua asks of its host
 *	config_take.c	from the data it returns to struct config
 *	config_values.lua	what config.lua checks values with
 *	config_files.lua	how it runs configuration files
 */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include <lauxlib.h>
#include <lua.h>
#include <time.h>

#include "config.h"

/* What a configuration has used so far; the context of its Lua state's allocator. */
struct budget {
	size_t memory;
	long steps;
	clock_t started;	/* clock() */
	int file, line;		/* of the configuration, that ran last */
};

/* Functions for luaL_setfuncs(). */
extern const luaL_Reg config_host[];

/* Lua: (data, light userdata of the struct config, absolute path of the file).
 * Copies all of the data.  Errors are Lua's. */
int config_take(lua_State *L);

#endif
