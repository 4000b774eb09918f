/* crash.c - dies by ?how=, after sending something if ?after=flush. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modserver.h"

/* Recursion without an end, in a way that no compiler can tell. */
static int
overflow(volatile const char *above)
{
	volatile char here[4096];

	here[0] = *above;
	return here[0] == 1 ? 0 : overflow(here) + here[0];
}

int
run(servlet *s)
{
	const char *how = get_arg(s, "how");
	const char *after = get_arg(s, "after");
	volatile int *volatile nowhere = NULL;
	volatile char top = 0, *volatile where = &top;

	if (how == NULL)
		return 0;
	if (after != NULL) {
		rwrite(s, "so far\n", 7);
		if (strcmp(after, "flush") == 0)
			rflush(s);
	}
	if (strcmp(how, "segv") == 0)
		*nowhere = 1;
	else if (strcmp(how, "stack") == 0)
		overflow(where);
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "bus") == 0)
		raise(SIGBUS);
	else if (strcmp(how, "fpe") == 0)
		raise(SIGFPE);
	else if (strcmp(how, "ill") == 0)
		raise(SIGILL);
	else if (strcmp(how, "kill") == 0)
		raise(SIGKILL);
	else if (strcmp(how, "exit") == 0)
		exit(3);
	else if (strcmp(how, "exit0") == 0)
		exit(0);
	else if (strcmp(how, "_exit") == 0)
		_exit(3);
	else if (strcmp(how, "return") == 0)
		return -1;
	return 0;
}
