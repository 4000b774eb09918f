/* access_lines.c - see access_lines.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access_lines.h"
#include "log.h"

#define ROOM (64 * 1024)	/* octets kept at most */

int
access_lines_prepare(struct access_lines *a, bool wanted)
{
	memset(a, 0, sizeof(*a));
	a->fd = -1;
	if (wanted)
		a->octets = malloc(ROOM);
	return wanted && a->octets == NULL ? -1 : 0;
}

void
access_lines_open(struct access_lines *a, int fd)
{
	struct stat st;

	a->fd = fd;
	a->in_pieces = fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode));
	a->torn = false;
}

/* How much is written at once.  A file takes it all; lines in a pipe stay whole
 * if they are in one piece of PIPE_BUF. */
static size_t
access_piece(const struct access_lines *a, const char *lines, size_t length)
{
	const char *newline;

	if (!a->in_pieces || length <= PIPE_BUF)
		return length;
	newline = memrchr(lines, '\n', PIPE_BUF);
	return newline != NULL ? (size_t)(newline + 1 - lines) : PIPE_BUF;
}

/* 0, or an error number. */
static int
access_put(struct access_lines *a, const char *octets, size_t length, size_t *done)
{
	ssize_t n;

	while (*done < length) {
		n = write(a->fd, octets + *done,
		    access_piece(a, octets + *done, length - *done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? EIO : errno;
		*done += (size_t)n;
	}
	return 0;
}

/* A full disk must not stop the server: what it does not take is lost. */
void
access_lines_write(struct access_lines *a)
{
	const char *lines = a->octets, *at, *end = lines + a->length;
	size_t done = 0, newline = 0;

	if (a->length == 0)
		return;
	a->error = a->torn ? access_put(a, "\n", 1, &newline) : 0;
	if (a->error == 0)
		a->error = access_put(a, lines, a->length, &done);
	if (done > 0 || newline > 0)
		a->torn = done > 0 && lines[done - 1] != '\n';
	for (at = lines + done; at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		a->lost++;
	a->length = 0;
}

/* Apart, for a crash writes lines too and must not log. */
void
access_lines_tell(struct access_lines *a)
{
	if (a->error != 0 && !a->told) {
		log_error("the access log cannot be written, lines are lost: %s",
		    strerror(a->error));
		a->told = true;
	} else if (a->error == 0 && a->lost > 0) {
		log_warning("the access log is written again; lines lost: %llu",
		    (unsigned long long)a->lost);
		a->told = false;
		a->lost = 0;
	}
}

void
access_lines_add(struct access_lines *a, const char *line, size_t length)
{
	if (a->fd == -1)
		return;
	if (a->length + length > ROOM)
		access_lines_write(a);
	memcpy(a->octets + a->length, line, length);
	a->length += length;
}
