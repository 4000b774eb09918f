/* descriptor.c - see descriptor.h. */
#include <fcntl.h>
#include <unistd.h>

#include "descriptor.h"

#define DESCRIPTORS_MAX 65536	/* closed one by one where close_range(2) is missing */

int
descriptor_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void
descriptors_close(int first, int last)
{
	if (first > last)
		return;
#ifdef CLOSE_RANGE_CLOEXEC
	if (close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
#endif
	for (int fd = first; fd <= last; fd++)
		close(fd);
}

void
descriptors_close_but(const int *kept, size_t count)
{
	int first = STDERR_FILENO + 1, next;

	do {
		next = DESCRIPTORS_MAX + 1;
		for (size_t i = 0; i < count; i++)
			if (kept[i] >= first && kept[i] < next)
				next = kept[i];
		descriptors_close(first, next - 1);
		first = next + 1;
	} while (next <= DESCRIPTORS_MAX);
}
