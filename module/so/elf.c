/*
 * elf.c - what a shared library is, told from its file, without loading it.
 *
 * The file may be anything: every offset in it is checked.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "library.h"

/* A file, mapped for reading. */
struct elf {
	const unsigned char *data;
	size_t size;
	ElfW(Ehdr) head;
	ElfW(Shdr) names;	/* the section with the sections' names */
};

static const void *
elf_at(const struct elf *e, uint64_t offset, uint64_t length)
{
	if (offset > e->size || length > e->size - offset)
		return NULL;
	return e->data + offset;
}

/* 0, or -1 and errno; then elf_unmap(). */
static int
elf_map(struct elf *e, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		errno = ENOEXEC;
		if (S_ISREG(st.st_mode) && st.st_size > 0)
			map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	e->data = map;
	e->size = (size_t)st.st_size;
	return 0;
}

static void
elf_unmap(struct elf *e)
{
	munmap((void *)(uintptr_t)e->data, e->size);
}

static bool
elf_section(const struct elf *e, unsigned i, ElfW(Shdr) *section)
{
	const void *at = elf_at(e, (uint64_t)e->head.e_shoff + (uint64_t)i * sizeof(*section),
	    sizeof(*section));

	if (at == NULL)
		return false;
	memcpy(section, at, sizeof(*section));
	return true;
}

/* Reads the head, and where the sections' names are. */
static bool
elf_has_sections(struct elf *e)
{
	if (e->size < sizeof(e->head))
		return false;
	memcpy(&e->head, e->data, sizeof(e->head));
	return memcmp(e->head.e_ident, ELFMAG, SELFMAG) == 0 &&
	    e->head.e_shentsize == sizeof(e->names) &&
	    elf_section(e, e->head.e_shstrndx, &e->names);
}

/* The text at this offset of a section of texts, or NULL. */
static const char *
elf_text(const struct elf *e, const ElfW(Shdr) *texts, uint64_t offset)
{
	uint64_t left = offset < texts->sh_size ? texts->sh_size - offset : 0;
	const char *text = elf_at(e, (uint64_t)texts->sh_offset + offset, left);

	return text == NULL || memchr(text, '\0', left) == NULL ? NULL : text;
}

static bool
elf_has_go_section(const struct elf *e)
{
	for (unsigned i = 0; i < e->head.e_shnum; i++) {
		ElfW(Shdr) section;
		const char *name;

		if (!elf_section(e, i, &section))
			return false;
		name = elf_text(e, &e->names, section.sh_name);
		if (name != NULL && (strcmp(name, ".go.buildinfo") == 0 ||
		    strcmp(name, ".gopclntab") == 0 || strcmp(name, ".note.go.buildid") == 0))
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

bool
elf_is_go(const char *path)
{
	struct elf e;
	bool go;

	if (elf_map(&e, path) == -1)
		return false;
	go = (elf_has_sections(&e) && elf_has_go_section(&e)) || elf_has_go_buildinfo(&e);
	elf_unmap(&e);
	return go;
}

/* Whether one of the names is among the symbols of this section. */
static bool
elf_exports(const struct elf *e, const ElfW(Shdr) *symbols, const char *const *names)
{
	ElfW(Shdr) texts;
	ElfW(Sym) symbol;

	if (!elf_section(e, symbols->sh_link, &texts))
		return false;
	for (uint64_t at = 0; at + sizeof(symbol) <= symbols->sh_size; at += sizeof(symbol)) {
		const void *data = elf_at(e, (uint64_t)symbols->sh_offset + at, sizeof(symbol));
		const char *name;

		if (data == NULL)
			return false;
		memcpy(&symbol, data, sizeof(symbol));
		if (symbol.st_shndx == SHN_UNDEF)
			continue;
		name = elf_text(e, &texts, symbol.st_name);
		for (size_t i = 0; name != NULL && names[i] != NULL; i++)
			if (strcmp(name, names[i]) == 0)
				return true;
	}
	return false;
}

/* NULL, or what is wrong. */
static const char *
elf_wrong(struct elf *e, const char *const *names)
{
	bool found = false, has_symbols = false;
	ElfW(Shdr) section;

	if (!elf_has_sections(e))
		return "is no shared library";
	if (e->head.e_type != ET_DYN)
		return "is no shared library (build it with -buildmode=c-shared)";
	for (unsigned i = 0; i < e->head.e_shnum && !found; i++) {
		if (!elf_section(e, i, &section) || section.sh_type != SHT_DYNSYM)
			continue;
		has_symbols = true;
		found = elf_exports(e, &section, names);
	}
	return found || !has_symbols ? NULL : "exports no servlet";
}

int
elf_check(const char *path, const char *const *names, char *error)
{
	const char *wrong;
	struct elf e;

	if (elf_map(&e, path) == -1) {
		snprintf(error, MODULE_ERROR_MAX, "%s: %s", path, strerror(errno));
		return -1;
	}
	wrong = elf_wrong(&e, names);
	elf_unmap(&e);
	if (wrong == NULL)
		return 0;
	snprintf(error, MODULE_ERROR_MAX, "%s %s", path, wrong);
	return -1;
}
