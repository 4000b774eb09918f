/*
 * uring.h - several sends in one system call, where the kernel has io_uring(7).
 *
 * A ring is made, used and freed by one thread at a time.  Nothing is ever left
 * to the kernel: each send has been tried when uring_send() returns, as send(2)
 * on a non-blocking socket has.
 */
#ifndef URING_H
#define URING_H

#include <stddef.h>

#define URING_SENDS 64		/* at once, at most */

struct uring_send {
	int fd;
	const void *data;
	size_t length;
	int result;		/* octets sent, -errno, or 0: it has not been tried */
};

struct uring;

/* NULL and errno: there is none, or not for us (ENOSYS, EPERM). */
struct uring *uring_new(void);
void uring_free(struct uring *u);

/* Tries each of them once.  count is 1 to URING_SENDS; no socket stands there twice. */
void uring_send(struct uring *u, struct uring_send *sends, unsigned count);

#endif
