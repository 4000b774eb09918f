/*
 * module_load.h - finds and loads one language module.
 *
 * They lie in module/ beside the binary (build tree), else in
 * PREFIX/lib/modserver.
 */
#ifndef MODULE_LOAD_H
#define MODULE_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "../module/module.h"

#define MODULE_PATH_MAX 2048

/* Directories that are searched, in order; NULL at the end. */
const char *const *module_directories(void);

/* The file of module `name` ("lua"), in out.  0, or -1: there is none. */
int module_find(const char *name, char out[MODULE_PATH_MAX]);

/* Loads it.  NULL and error if it is not there, cannot be loaded, or was built
 * for another version of module.h.  It is not started. */
const struct module *module_load(const char *name, char *error);

/* The compiled-in directory (the build gives it to program.c). */
extern const char program_module_directory[];

#endif
