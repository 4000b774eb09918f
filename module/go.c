/*
 * go.c - servlets built by `go build -buildmode=c-shared`.
 *
 * The same as so.c, which takes them as well, under a name of its own; and
 * whatever is loaded here is loaded in the workers.
 */
#include "so/library.h"

static enum module_place
go_place(const char *path)
{
	(void)path;
	return MODULE_IN_WORKER;
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.flags = MODULE_KEEPS_SIGNALS,
	.name = "go",
	.place = go_place,
	.check = library_check,
	.open = library_open,
	.init = library_init,
	.run = library_run,
	.inside = library_inside,
	.close = library_close,
};
