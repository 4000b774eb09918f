/* sleep.c - sleeps for ?ms=, then says which process it was. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "modserver.h"

int
run(servlet *s)
{
	const char *text = get_arg(s, "ms");
	long ms = text == NULL ? 1000 : atol(text);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	/* Not resumed on EINTR: a server that cuts sleeps short is found out. */
	if (nanosleep(&t, NULL) == -1)
		rprintf(s, "interrupted ");
	rprintf(s, "%d\n", (int)getpid());
	return 0;
}
