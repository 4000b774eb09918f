/*
 * library.c - loads a shared library and calls it; see library.h.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"

/* A loaded file.  Two routes to the same file share it, as they share the
 * file's variables: init and cleanup run once. */
struct library {
	struct library *next;
	void *handle;
	const char *path;
	const void *base;	/* where it lies in memory */
	int (*run)(servlet *s);
	int (*init)(servlet *s);
	void (*cleanup)(void);
	void (*inside)(void (*work)(void *), void *argument);	/* or NULL */
	bool initialised;
	bool entered;		/* inside is on the stack */
	bool go_run;		/* run is api/go's: it logs by itself */
};

static struct library *libraries;

/* -------------------------------------------------------------- loading */

/* The function of that name in this very library; one that comes from a
 * library it needs (many have an `init`) is not meant.  NULL: none. */
static void *
own_function(const struct library *l, const char *name)
{
	void *symbol = dlsym(l->handle, name);
	Dl_info info;

	if (symbol == NULL || dladdr(symbol, &info) == 0 || info.dli_fbase != l->base)
		return NULL;
	return symbol;
}

struct place {
	uintptr_t address;
	bool executable;
};

static int
place_look(struct dl_phdr_info *object, size_t size, void *data)
{
	struct place *p = data;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD &&
		    p->address - (object->dlpi_addr + segment->p_vaddr) < segment->p_memsz) {
			p->executable = (segment->p_flags & PF_X) != 0;
			return 1;
		}
	}
	return 0;
}

/* `int run;` exports a symbol of that name as well; it lies among the data. */
static bool
is_data(void *symbol)
{
	struct place p = { .address = (uintptr_t)symbol };

	return dl_iterate_phdr(place_look, &p) != 0 && !p.executable;
}

static const void *
library_base(void *handle)
{
	struct link_map *map;
	Dl_info info;

	/* Its dynamic section lies in it. */
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || dladdr(map->l_ld, &info) == 0)
		return NULL;
	return info.dli_fbase;
}

/* ISO C has no cast from object to function pointer; POSIX has the representation. */
#define SET_FUNCTION(function, at) memcpy(&(function), &(at), sizeof(function))

/* 0, or -1 and error. */
static int
library_entries(struct library *l, char *error)
{
	static const char *const names[] = { "run", "init", "cleanup" };
	static const char *const go_names[] = { GO_RUN, GO_INIT, GO_CLEANUP };
	void *at[3], *inside = own_function(l, GO_INSIDE);

	for (size_t i = 0; i < 3; i++) {
		at[i] = own_function(l, names[i]);
		if (at[i] != NULL && is_data(at[i])) {
			snprintf(error, MODULE_ERROR_MAX, "%s: `%s` is a variable, not a function",
			    l->path, names[i]);
			return -1;
		}
	}
	l->go_run = at[0] == NULL;
	for (size_t i = 0; i < 3; i++)
		if (at[i] == NULL)
			at[i] = own_function(l, go_names[i]);
	if (at[0] == NULL) {
		const char *hint = "";

		if (own_function(l, "_Z3runP7servlet") != NULL)
			hint = "; in C++ declare it extern \"C\"";
		snprintf(error, MODULE_ERROR_MAX,
		    "%s: a servlet exports `int run(servlet *)`, and there is none%s",
		    l->path, hint);
		return -1;
	}
	SET_FUNCTION(l->run, at[0]);
	SET_FUNCTION(l->init, at[1]);
	SET_FUNCTION(l->cleanup, at[2]);
	SET_FUNCTION(l->inside, inside);
	return 0;
}

/* Waits until Go has initialised its packages, so that what goes wrong there
 * goes wrong while loading.  0, or -1 and error. */
static int
library_ready(const struct library *l, char *error)
{
	void *at = own_function(l, GO_READY);
	const char *(*ready)(int handles);
	const char *wrong;

	if (at == NULL)
		return 0;
	SET_FUNCTION(ready, at);
	wrong = ready(l->go_run);
	if (wrong == NULL)
		return 0;
	snprintf(error, MODULE_ERROR_MAX, "%s: %s", l->path, wrong);
	return -1;
}

static struct library *
library_find(void *handle)
{
	struct library *l;

	for (l = libraries; l != NULL; l = l->next)
		if (l->handle == handle)
			return l;
	return NULL;
}

enum module_place
library_place(const char *path)
{
	return elf_is_go(path) ? MODULE_IN_WORKER : MODULE_IN_ZYGOTE;
}

static int
library_options(const struct module_servlet *servlet, char *error)
{
	if (servlet->option_count == 0)
		return 0;
	snprintf(error, MODULE_ERROR_MAX, "a shared library has no option \"%s\"",
	    servlet->options[0].name);
	return -1;
}

int
library_check(const struct module_servlet *servlet, char *error)
{
	static const char *const entries[] = { "run", GO_RUN, NULL };

	if (library_options(servlet, error) == -1)
		return -1;
	return elf_check(servlet->path, entries, error);
}

void *
library_open(const struct module_servlet *servlet, char *error)
{
	struct library *l;
	void *handle;

	if (library_options(servlet, error) == -1)
		return NULL;
	handle = dlopen(servlet->path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "%s", dlerror());
		return NULL;
	}
	l = library_find(handle);
	if (l != NULL)
		return l;
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		snprintf(error, MODULE_ERROR_MAX, "%s: out of memory", servlet->path);
		return NULL;
	}
	l->handle = handle;
	l->path = servlet->path;
	l->base = library_base(handle);
	if (library_entries(l, error) == -1 || library_ready(l, error) == -1) {
		/* Not closed: Go cannot be, and this process ends anyway. */
		free(l);
		return NULL;
	}
	l->next = libraries;
	libraries = l;
	return l;
}

/* -------------------------------------------------------------- running */

int
library_init(void *program, servlet *s)
{
	struct library *l = program;
	int result;

	if (l->initialised || l->init == NULL)
		return 0;
	result = l->init(s);
	if (result != 0) {
		rlog(s, "init returned %d", result);
		return -1;
	}
	l->initialised = true;
	return 0;
}

int
library_run(void *program, servlet *s)
{
	struct library *l = program;
	int result = l->run(s);

	if (result == 0 || l->go_run)
		return result;
	rlog(s, "run returned %d", result);
	return -1;
}

int
library_inside(void *program, void (*work)(void *), void *argument)
{
	struct library *l = program;

	if (l->inside == NULL || l->entered)
		return -1;
	l->entered = true;
	l->inside(work, argument);
	l->entered = false;
	return 0;
}

void
library_close(void *program)
{
	struct library *l = program;

	if (l->cleanup != NULL)
		l->cleanup();
	l->cleanup = NULL;	/* once, however many routes lead here */
}
