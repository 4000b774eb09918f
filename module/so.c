/*
 * so.c - servlets that are shared libraries: C, C++, Rust, Go and whatever
 * else exports C symbols.
 *
 * A library made by Go brings a runtime with threads, which do not survive a
 * fork; it is recognised by its ELF sections, before it is loaded, and loaded
 * in the workers only.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.h"

/* The entry that api/go exports for a servlet that has no run of its own. */
#define GO_RUN "modserver_go_run"

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
	bool initialised;
};

static struct library *libraries;

/* ------------------------------------------------------------ Go or not */

/* An ELF file of this machine's class, mapped for reading. */
struct elf {
	const unsigned char *data;
	size_t size;
};

static const void *
elf_at(const struct elf *e, uint64_t offset, uint64_t length)
{
	if (offset > e->size || length > e->size - offset)
		return NULL;
	return e->data + offset;
}

static bool
elf_has_go_section(const struct elf *e)
{
	ElfW(Ehdr) head;
	ElfW(Shdr) names, section;
	const void *at;

	if (e->size < sizeof(head))
		return false;
	memcpy(&head, e->data, sizeof(head));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_shentsize != sizeof(section))
		return false;
	at = elf_at(e, (uint64_t)head.e_shoff + (uint64_t)head.e_shstrndx * sizeof(names),
	    sizeof(names));
	if (at == NULL)
		return false;
	memcpy(&names, at, sizeof(names));
	for (unsigned i = 0; i < head.e_shnum; i++) {
		const char *name;
		size_t left;

		at = elf_at(e, (uint64_t)head.e_shoff + (uint64_t)i * sizeof(section),
		    sizeof(section));
		if (at == NULL)
			return false;
		memcpy(&section, at, sizeof(section));
		if (section.sh_name >= names.sh_size)
			continue;
		left = names.sh_size - section.sh_name;
		name = elf_at(e, (uint64_t)names.sh_offset + section.sh_name, left);
		if (name == NULL || memchr(name, '\0', left) == NULL)
			continue;
		if (strcmp(name, ".go.buildinfo") == 0 || strcmp(name, ".gopclntab") == 0 ||
		    strcmp(name, ".note.go.buildid") == 0)
			return true;
	}
	return false;
}

/* Section names may have been stripped; Go's build information begins with
 * this, aligned to 16 octets (debug/buildinfo). */
static bool
elf_has_go_buildinfo(const struct elf *e)
{
	static const char magic[] = "\xff Go buildinf:";

	for (size_t i = 0; i + 32 <= e->size; i += 16)
		if (memcmp(e->data + i, magic, sizeof(magic) - 1) == 0 &&
		    (e->data[i + 14] == 4 || e->data[i + 14] == 8))
			return true;
	return false;
}

static enum module_place
so_place(const char *path)
{
	enum module_place place = MODULE_IN_ZYGOTE;
	struct elf e = { NULL, 0 };
	struct stat st;
	void *map;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	/* What cannot be read is reported by open. */
	if (fd == -1)
		return MODULE_IN_ZYGOTE;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			e.data = map;
			e.size = (size_t)st.st_size;
			if (elf_has_go_section(&e) || elf_has_go_buildinfo(&e))
				place = MODULE_IN_WORKER;
			munmap(map, e.size);
		}
	}
	close(fd);
	return place;
}

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

/* `int run;` exports a symbol of that name as well. */
static bool
is_data(void *symbol)
{
#ifdef __GLIBC__
	const ElfW(Sym) *entry = NULL;
	Dl_info info;

	return dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT) != 0 &&
	    entry != NULL && (entry->st_info & 0xf) == STT_OBJECT;
#else
	(void)symbol;
	return false;
#endif
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

/* 0, or -1 and error. */
static int
library_entries(struct library *l, char *error)
{
	static const char *const names[] = { "run", "init", "cleanup" };
	void *at[3];

	for (size_t i = 0; i < 3; i++) {
		at[i] = own_function(l, names[i]);
		if (at[i] != NULL && is_data(at[i])) {
			snprintf(error, MODULE_ERROR_MAX, "%s: `%s` is a variable, not a function",
			    l->path, names[i]);
			return -1;
		}
	}
	if (at[0] == NULL)
		at[0] = own_function(l, GO_RUN);
	if (at[0] == NULL) {
		const char *hint = "";

		if (own_function(l, "_Z3runP7servlet") != NULL)
			hint = "; in C++ declare it extern \"C\"";
		snprintf(error, MODULE_ERROR_MAX,
		    "%s: a servlet exports `int run(servlet *)`, and there is none%s",
		    l->path, hint);
		return -1;
	}
	/* ISO C has no cast from object to function pointer; POSIX has the representation. */
	memcpy(&l->run, &at[0], sizeof(l->run));
	memcpy(&l->init, &at[1], sizeof(l->init));
	memcpy(&l->cleanup, &at[2], sizeof(l->cleanup));
	return 0;
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

static void *
so_open(const struct module_servlet *servlet, char *error)
{
	struct library *l;
	void *handle;

	if (servlet->option_count > 0) {
		snprintf(error, MODULE_ERROR_MAX, "a shared library has no option \"%s\"",
		    servlet->options[0].name);
		return NULL;
	}
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
	if (library_entries(l, error) == -1) {
		/* Not closed: Go cannot be, and this process ends anyway. */
		free(l);
		return NULL;
	}
	l->next = libraries;
	libraries = l;
	return l;
}

/* -------------------------------------------------------------- running */

static int
so_init(void *program, servlet *s)
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

static int
so_run(void *program, servlet *s)
{
	struct library *l = program;
	int result = l->run(s);

	if (result == 0)
		return 0;
	rlog(s, "run returned %d", result);
	return -1;
}

static void
so_close(void *program)
{
	struct library *l = program;

	if (l->cleanup != NULL)
		l->cleanup();
	l->cleanup = NULL;	/* once, however many routes lead here */
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.flags = MODULE_KEEPS_SIGNALS,
	.name = "so",
	.place = so_place,
	.open = so_open,
	.init = so_init,
	.run = so_run,
	.close = so_close,
};
