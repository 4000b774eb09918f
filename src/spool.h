/*
 * spool.h - octets that are kept in memory up to a size and in an unlinked
 * temporary file beyond it: request bodies, uploads, responses on their way
 * to slow clients.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Files of spools that have ended, kept for the next ones: overwriting the pages
 * of a file takes a quarter of the time that new pages take.  Only for what is
 * read with spool_read(): pages that sendfile() has given to a socket must not
 * change. */
#define SPOOL_SPARES 2			/* files kept at most, */
#define SPOOL_SPARE_SIZE (16LL << 20)	/* octets of each, */
#define SPOOL_SPARE_MS 1000		/* and so long after the last one was put there */

struct spool_spares {
	int fds[SPOOL_SPARES];
	unsigned count;
	uint64_t kept_ms;	/* clock_ms() when the last one was put there */
	_Atomic unsigned forks;	/* of this process: a child reads on in the files of its time */
};

struct spool {
	char *memory;		/* malloc'ed; NULL until something is written */
	size_t memory_size, memory_max;
	long long length;	/* octets written */
	int fd;			/* -1 while all is in memory; then the file holds everything,
				 * but for what spool_write_buffered() holds back */
	size_t pending;		/* octets held back, the last ones; they are in memory */
	struct spool_spares *spares;	/* where the file comes from and goes; NULL: it is made
				 * and closed; set after spool_init() */
	unsigned forks;		/* spares->forks when the file was opened */
	bool used;		/* beyond length the file may have octets of an earlier spool */
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
 * everything, and nothing else.  Neither allocates nor frees: usable in a crash.
 * 0, or -1 and errno. */
int spool_to_file(struct spool *s);

/* The file has been sent to another process: it is not to be written to again. */
void spool_sent(struct spool *s);

/* Closes the spare files. */
void spool_spares_close(struct spool_spares *spares);

/* An unlinked temporary file (in $TMPDIR, else /var/tmp, else /tmp), close-on-exec.  -1 and errno. */
int spool_file(void);

/* The directory where such files are made now, for a message; errno stays. */
const char *spool_place(void);

/* Whether $TMPDIR is none for this process's files, or nothing is; then what, where
 * instead and what to do about it, in text. */
bool spool_misplaced(char *text, size_t size);

#endif
