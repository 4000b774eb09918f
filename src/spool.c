/*
 * spool.c - octets in memory up to a size, in an unlinked file beyond it.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPOOL_MEMORY_MIN 4096	/* first allocation; doubled from there */
#define SPOOL_BLOCK 4096	/* octets held back at most by spool_write_buffered() */

void
spool_init(struct spool *s, size_t memory_max)
{
	s->memory = NULL;
	s->memory_size = 0;
	s->memory_max = memory_max;
	s->length = 0;
	s->fd = -1;
	s->pending = 0;
}

void
spool_free(struct spool *s)
{
	free(s->memory);
	if (s->fd != -1)
		close(s->fd);
	spool_init(s, s->memory_max);
}

/* Room for so many octets, at most memory_max. */
static int
spool_grow(struct spool *s, size_t need)
{
	size_t size = s->memory_size;
	char *p;

	if (need <= size)
		return 0;
	if (size < SPOOL_MEMORY_MIN)
		size = SPOOL_MEMORY_MIN;
	while (size < need)
		size = size > s->memory_max / 2 ? s->memory_max : size * 2;
	if (size > s->memory_max)
		size = s->memory_max;
	p = realloc(s->memory, size);
	if (p == NULL)
		return -1;
	s->memory = p;
	s->memory_size = size;
	return 0;
}

static int
write_at(int fd, const char *data, size_t length, long long offset)
{
	ssize_t n;

	while (length > 0) {
		n = pwrite(fd, data, length, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		length -= (size_t)n;
		offset += n;
	}
	return 0;
}

/* Whether so many octets more stay in memory. */
static bool
stays_in_memory(const struct spool *s, size_t length)
{
	return s->fd == -1 && length <= s->memory_max &&
	    (size_t)s->length <= s->memory_max - length;
}

int
spool_write(struct spool *s, const void *data, size_t length)
{
	if (length == 0)
		return 0;
	if (length > (unsigned long long)(LLONG_MAX - s->length)) {
		errno = EFBIG;
		return -1;
	}
	if (stays_in_memory(s, length)) {
		if (spool_grow(s, (size_t)s->length + length) == -1)
			return -1;
		memcpy(s->memory + s->length, data, length);
	} else {
		/* Octets of a write cut short lie beyond length: nobody reads them. */
		if (spool_to_file(s) == -1 || write_at(s->fd, data, length, s->length) == -1)
			return -1;
		free(s->memory);
		s->memory = NULL;
		s->memory_size = 0;
	}
	s->length += (long long)length;
	return 0;
}

int
spool_write_buffered(struct spool *s, const void *data, size_t length)
{
	char *block;

	if (length == 0 || length >= SPOOL_BLOCK || stays_in_memory(s, length))
		return spool_write(s, data, length);
	if ((s->fd == -1 || s->pending + length > SPOOL_BLOCK) && spool_to_file(s) == -1)
		return -1;
	if (s->pending == 0 && s->memory_size != SPOOL_BLOCK) {
		block = realloc(s->memory, SPOOL_BLOCK);
		if (block == NULL)
			return -1;
		s->memory = block;
		s->memory_size = SPOOL_BLOCK;
	}
	memcpy(s->memory + s->pending, data, length);
	s->pending += length;
	s->length += (long long)length;
	return 0;
}

ssize_t
spool_read(const struct spool *s, long long offset, void *data, size_t length)
{
	long long in_file = s->fd != -1 ? s->length - (long long)s->pending : 0;
	long long left;
	ssize_t n;

	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	if (offset >= s->length)
		return 0;
	left = (offset < in_file ? in_file : s->length) - offset;
	if (length > (unsigned long long)left)
		length = (size_t)left;
	if (length > SSIZE_MAX)
		length = SSIZE_MAX;
	if (offset >= in_file) {
		memcpy(data, s->memory + (offset - in_file), length);
		return (ssize_t)length;
	}
	do
		n = pread(s->fd, data, length, (off_t)offset);
	while (n == -1 && errno == EINTR);
	return n;
}

int
spool_to_file(struct spool *s)
{
	int fd, saved;

	if (s->fd != -1) {
		if (write_at(s->fd, s->memory, s->pending, s->length - (long long)s->pending) == -1)
			return -1;
		s->pending = 0;
		return 0;
	}
	fd = spool_file();
	if (fd == -1)
		return -1;
	if (write_at(fd, s->memory, (size_t)s->length, 0) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	s->fd = fd;
	return 0;
}

/* For file systems without O_TMPFILE. */
static int
spool_file_named(const char *directory)
{
	char path[PATH_MAX];
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/modserver.XXXXXX", directory);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd != -1)
		unlink(path);
	return fd;
}

static int
spool_file_in(const char *directory)
{
#ifdef O_TMPFILE
	int fd;

	fd = open(directory, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (fd != -1 || errno == EMFILE || errno == ENFILE || errno == EACCES || errno == ENOSPC)
		return fd;
#endif
	return spool_file_named(directory);
}

int
spool_file(void)
{
	const char *places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	size_t i;
	int fd = -1;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		fd = spool_file_in(places[i]);
		if (fd != -1 || errno == EMFILE || errno == ENFILE)
			break;
	}
	return fd;
}
