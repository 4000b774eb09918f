/*
 * output.h - octets of a response that its client has not read yet.
 *
 * In memory up to a size, then in an unlinked file, with whole files
 * (rsendfile) at their places in between.  A connection has one only while
 * something waits to be sent.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "spool.h"

#define OUTPUT_MEMORY 65536		/* octets kept in memory */
#define OUTPUT_MAX (1LL << 30)		/* octets spooled before a servlet has to wait */
#define OUTPUT_FILES_MAX 4		/* whole files at once; further ones are copied */
#define OUTPUT_AT_ONCE (1 << 20)	/* octets given to one client before others have their turn */
#define OUTPUT_WINDOW_MIN 16384		/* octets; who can receive less at once is slow */

/* A file's octets, to be sent when spool octet `at` is due. */
struct output_file {
	long long at;
	int fd;				/* ours */
	long long offset, length;	/* what is left of it */
};

struct output {
	struct spool spool;
	long long sent;			/* octets of the spool that are gone */
	unsigned file_count;
	struct output_file files[OUTPUT_FILES_MAX];	/* in order; sent ones are removed */
};

struct output *output_new(void);
void output_free(struct output *o);

/* A response that may be a large one begins: sees to it that the kernel keeps
 * no more than OUTPUT_MEMORY of it for a client whose window is small.  It would
 * keep it in segments of half the window, each with memory of its own: up to
 * 4 MB in thousands of them, which cost more than all the rest. */
void output_begin(int socket_fd);

/* While on, the connection ends with a reset, however it ends: for a response whose
 * end is the connection's, so that its client can tell one that was cut.  It must be
 * off before a good end.  Of a unix socket nothing tells. */
void output_reset_on_close(int socket_fd, bool on);

/* Octets still to be sent. */
long long output_pending(const struct output *o);

/* Appends everything of iov but its first `skip` octets.  0, or -1 and errno. */
int output_append(struct output *o, const struct iovec *iov, int count, size_t skip);

/* Appends a file's octets; duplicates fd.  0, or -1 and errno. */
int output_append_file(struct output *o, int fd, long long offset, long long length);

/* Sends what the socket takes, OUTPUT_AT_ONCE or a little more at most.  1: all is
 * sent, 0: not yet, -1 and errno: the client has gone. *moved is increased by the
 * octets sent. */
int output_send(struct output *o, int socket_fd, long long *moved);

#endif
