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

#include "clock.h"

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
	s->spares = NULL;
	s->used = false;
}

void
spool_spares_close(struct spool_spares *spares)
{
	while (spares->count > 0)
		close(spares->fds[--spares->count]);
}

/* Puts the file among the spare ones, if it is nobody else's and there is room. */
static bool
spool_keep_file(struct spool *s)
{
	struct spool_spares *spares = s->spares;

	if (spares == NULL || spares->count == SPOOL_SPARES || s->forks != spares->forks)
		return false;
	if (s->length > SPOOL_SPARE_SIZE && ftruncate(s->fd, SPOOL_SPARE_SIZE) == -1)
		return false;
	spares->fds[spares->count++] = s->fd;
	spares->kept_ms = clock_ms();
	return true;
}

void
spool_free(struct spool *s)
{
	if (s->memory != NULL)	/* nearly never: not even a call */
		free(s->memory);
	if (s->fd != -1 && !spool_keep_file(s))
		close(s->fd);
	spool_init(s, s->memory_max);
}

void
spool_sent(struct spool *s)
{
	s->spares = NULL;
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

/* Writes to the file at an offset.  A full disk may be full of spare files. */
static int
write_at(const struct spool *s, const char *data, size_t length, long long offset)
{
	ssize_t n;

	while (length > 0) {
		n = pwrite(s->fd, data, length, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == ENOSPC || errno == EDQUOT) && s->spares != NULL &&
		    s->spares->count > 0) {
			spool_spares_close(s->spares);
			continue;
		}
		if (n == -1)
			return -1;
		data += n;
		length -= (size_t)n;
		offset += n;
	}
	return 0;
}

/* Opens the file: a spare one, else a new one. */
static int
spool_open(struct spool *s)
{
	if (s->spares != NULL && s->spares->count > 0) {
		s->fd = s->spares->fds[--s->spares->count];
		s->used = true;
	} else {
		s->fd = spool_file();
		s->used = false;
	}
	if (s->spares != NULL)
		s->forks = s->spares->forks;
	return s->fd == -1 ? -1 : 0;
}

/* Writes what is in memory to the file. */
static int
spool_flush(struct spool *s)
{
	bool opened = s->fd == -1;
	size_t length = opened ? (size_t)s->length : s->pending;
	int saved;

	if (opened && spool_open(s) == -1)
		return -1;
	if (write_at(s, s->memory, length, s->length - (long long)length) == -1) {
		saved = errno;
		if (opened) {
			close(s->fd);
			s->fd = -1;
		}
		errno = saved;
		return -1;
	}
	s->pending = 0;
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
		if (spool_flush(s) == -1 || write_at(s, data, length, s->length) == -1)
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
	if ((s->fd == -1 || s->pending + length > SPOOL_BLOCK) && spool_flush(s) == -1)
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
	if (spool_flush(s) == -1)
		return -1;
	if (s->used && ftruncate(s->fd, s->length) == -1)
		return -1;
	s->used = false;
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

/* The file, and where it is. */
static int
spool_file_placed(const char **place)
{
	const char *places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	size_t i;
	int fd = -1;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		*place = places[i];
		fd = spool_file_in(places[i]);
		if (fd != -1 || errno == EMFILE || errno == ENFILE)
			break;
	}
	return fd;
}

int
spool_file(void)
{
	const char *place;

	return spool_file_placed(&place);
}

const char *
spool_place(void)
{
	const char *place;
	int saved = errno, fd = spool_file_placed(&place);

	if (fd != -1)
		close(fd);
	errno = saved;
	return place;
}

bool
spool_misplaced(char *text, size_t size)
{
	const char *wanted = getenv("TMPDIR"), *place, *why = "no absolute path";
	int fd = spool_file_placed(&place);

	if (fd == -1) {
		snprintf(text, size, "no file for what does not fit into memory can be made in TMPDIR, "
		    "/var/tmp or /tmp: %s: requests with large bodies will fail. Set TMPDIR to a "
		    "directory that user %ld may write to", strerror(errno), (long)geteuid());
		return true;
	}
	close(fd);
	if (wanted == NULL || *wanted == '\0' || wanted == place)
		return false;
	if (*wanted == '/') {
		fd = spool_file_in(wanted);
		why = strerror(errno);
		if (fd != -1)
			close(fd);
	}
	snprintf(text, size, "TMPDIR is \"%s\": %s: large bodies and responses are kept in %s. "
	    "Set it to a directory that user %ld may write to", wanted, why, place,
	    (long)geteuid());
	return true;
}
