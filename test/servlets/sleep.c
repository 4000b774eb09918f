/* sleep.c - sleeps for ?ms=, or until somebody opens the FIFO ?gate= to
 * write, or computes for ?spin= ms unless its client goes, then says which
 * process it was.  With ?flush= the head has left before. */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "modserver.h"

static int
spin(servlet *s, long ms)
{
	struct timespec t;
	long long end;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec * 1000LL + t.tv_nsec / 1000000 + ms;
	while (t.tv_sec * 1000LL + t.tv_nsec / 1000000 < end && is_connected(s)) {
		for (int i = 0; i < 1000; i++)
			clock_gettime(CLOCK_MONOTONIC, &t);
	}
	rprintf(s, "%d\n", (int)getpid());
	return 0;
}

int
run(servlet *s)
{
	const char *text = get_arg(s, "ms"), *computing = get_arg(s, "spin");
	const char *gate = get_arg(s, "gate");
	long ms = text == NULL ? 1000 : atol(text);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (computing != NULL)
		return spin(s, atol(computing));
	if (get_arg(s, "flush") != NULL)
		rflush(s);
	/* Not resumed on EINTR: a server that cuts sleeps short is found out. */
	if ((gate != NULL ? close(open(gate, O_RDONLY)) : nanosleep(&t, NULL)) == -1)
		rprintf(s, "interrupted ");
	rprintf(s, "%d\n", (int)getpid());
	return 0;
}
