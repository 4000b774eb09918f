/*
 * module_load.c - finds and loads one language module.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "module_load.h"

/* The directory of this very program, or "." if the system does not tell. */
static void
directory_of_program(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (n == -1)	/* FreeBSD with procfs */
		n = readlink("/proc/curproc/file", out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		snprintf(out, size, ".");
	else
		*slash = '\0';
}

const char *const *
module_directories(void)
{
	static const char *directories[3];

	if (directories[0] == NULL) {
		char directory[MODULE_PATH_MAX - 16], beside[MODULE_PATH_MAX];

		directory_of_program(directory, sizeof(directory));
		snprintf(beside, sizeof(beside), "%s/module", directory);
		directories[0] = strdup(beside);
		directories[1] = program_module_directory;
	}
	return directories;
}

int
module_find(const char *name, char out[MODULE_PATH_MAX])
{
	const char *const *d;

	for (d = module_directories(); *d != NULL; d++) {
		int n = snprintf(out, MODULE_PATH_MAX, "%s/%s.so", *d, name);

		if (n > 0 && n < MODULE_PATH_MAX && access(out, R_OK) == 0)
			return 0;
	}
	return -1;
}

const struct module *
module_load(const char *name, char *error)
{
	const char *const *d = module_directories();
	const struct module *m;
	char path[MODULE_PATH_MAX];
	void *handle;

	if (module_find(name, path) == -1) {
		snprintf(error, MODULE_ERROR_MAX, "module \"%s\" is not installed: no %s.so in %s or %s",
		    name, name, d[0], d[1]);
		return NULL;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "module \"%s\" cannot be loaded: %s", name, dlerror());
		return NULL;
	}
	m = dlsym(handle, "modserver_module");
	if (m == NULL) {
		snprintf(error, MODULE_ERROR_MAX,
		    "%s is not a module: it exports no modserver_module", path);
		goto fail;
	}
	if (m->abi != MODULE_ABI) {
		snprintf(error, MODULE_ERROR_MAX,
		    "%s is built for version %u of module.h, this server has %u: build it anew",
		    path, m->abi, MODULE_ABI);
		goto fail;
	}
	if (m->name == NULL || m->open == NULL || m->run == NULL) {
		snprintf(error, MODULE_ERROR_MAX,
		    "%s lacks name, open or run in its table", path);
		goto fail;
	}
	return m;

fail:
	dlclose(handle);
	return NULL;
}
