/*
 * file_list.h - the files that a generation's programs were made of, or those of
 * a configuration with mistakes.
 *
 * For reload "on" the zygote, which has loaded them, tells the master, which
 * watches them: a list of paths in an unlinked file, each ended by NUL, whose
 * descriptor goes with CONTROL_FILES.
 */
#ifndef FILE_LIST_H
#define FILE_LIST_H

#include <stddef.h>

/* Octets of a list that are read at most; the rest is not watched. */
#define FILE_LIST_MAX (1 << 20)

struct file_list {
	char *octets;		/* NULL: empty */
	size_t length;
	size_t count;
};

/* Replaces the list by what the file holds.  0, or -1 and errno, and it is empty. */
int file_list_read(struct file_list *l, int fd);

/* Adds a path.  0, or -1 and errno. */
int file_list_add(struct file_list *l, const char *path);

void file_list_free(struct file_list *l);

/* The path behind `at`, the first one for NULL; NULL at the end. */
const char *file_list_next(const struct file_list *l, const char *at);

#endif
