/*
 * file_list.c - the files that a generation's programs were made of.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_list.h"

int
file_list_read(struct file_list *l, int fd)
{
	struct stat st;
	size_t size;
	ssize_t n;

	file_list_free(l);
	if (fstat(fd, &st) == -1)
		return -1;
	size = st.st_size < FILE_LIST_MAX ? (size_t)st.st_size : FILE_LIST_MAX;
	l->octets = calloc(1, size + 1);
	if (l->octets == NULL)
		return -1;
	while (l->length < size) {
		n = pread(fd, l->octets + l->length, size - l->length, (off_t)l->length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		l->length += (size_t)n;
	}
	/* A path that was cut off is none. */
	while (l->length > 0 && l->octets[l->length - 1] != '\0')
		l->length--;
	for (size_t i = 0; i < l->length; i++)
		l->count += l->octets[i] == '\0';
	return 0;
}

int
file_list_add(struct file_list *l, const char *path)
{
	size_t size = strlen(path) + 1;
	char *octets = realloc(l->octets, l->length + size);

	if (octets == NULL)
		return -1;
	memcpy(octets + l->length, path, size);
	l->octets = octets;
	l->length += size;
	l->count++;
	return 0;
}

void
file_list_free(struct file_list *l)
{
	free(l->octets);
	memset(l, 0, sizeof(*l));
}

const char *
file_list_next(const struct file_list *l, const char *at)
{
	const char *next = at == NULL ? l->octets : at + strlen(at) + 1;

	return l->length > 0 && next < l->octets + l->length ? next : NULL;
}
