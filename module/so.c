/*
 * so.c - servlets that are shared libraries: C, C++, Rust, Go and whatever
 * else exports C symbols.
 *
 * A library made by Go brings a runtime with threads, which do not survive a
 * fork; it is recognised by its ELF sections, before it is loaded, and loaded
 * in the workers only.
 */
#include "so/library.h"

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.flags = MODULE_KEEPS_SIGNALS,
	.name = "so",
	.place = library_place,
	.check = library_check,
	.open = library_open,
	.init = library_init,
	.run = library_run,
	.inside = library_inside,
	.close = library_close,
};
