/*
 * spool.h - octets that are kept in memory up to a size and in an unlinked
 * temporary file beyond it: request bodies, uploads, responses on their way
 * to slow clients.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stddef.h>
#include <sys/types.h>

struct spool {
	char *memory;		/* malloc'ed; NULL until something is written */
	size_t memory_size, memory_max;
	long long length;	/* octets written */
	int fd;			/* -1 while all is in memory; then the file holds everything,
				 * but for what spool_write_buffered() holds back */
	size_t pending;		/* octets held back, the last ones; they are in memory */
};

void spool_init(struct spool *s, size_t memory_max);
void spool_free(struct spool *s);

/* Appends.  0, or -1 and errno (ENOSPC, ENOMEM, ...). */
int spool_write(struct spool *s, const void *data, size_t length);

/* The same for many small pieces (chunks of a few octets): what is short is
 * held back and written in larger blocks.  spool_read() sees it; spool_to_file()
 * must be called before the file is used directly or sent elsewhere. */
int spool_write_buffered(struct spool *s, const void *data, size_t length);

/* Octets at an offset: number, 0 at the end, -1 and errno. */
ssize_t spool_read(const struct spool *s, long long offset, void *data, size_t length);

/* Writes what is in memory to the file, so that fd >= 0 and the file holds
 * everything.  Neither allocates nor frees: usable in a crash.  0, or -1 and errno. */
int spool_to_file(struct spool *s);

/* An unlinked temporary file (in $TMPDIR, else /var/tmp, else /tmp), close-on-exec.  -1 and errno. */
int spool_file(void);

#endif
