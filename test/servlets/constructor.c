/* constructor.c - crashes while it is being loaded. */
#include "modserver.h"

__attribute__((constructor)) static void
crash(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
}

int
run(servlet *s)
{
	(void)s;
	return 0;
}
