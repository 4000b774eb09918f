/*
 * descriptor.h - what each descriptor of ours is, where it cannot be made so
 * at once.
 */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <fcntl.h>

/* Makes it non-blocking and close-on-exec.  0, or -1 and errno. */
static inline int
descriptor_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

#endif
