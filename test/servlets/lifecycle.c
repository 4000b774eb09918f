/*
 * lifecycle.c - counts init and run in this process, and notes each cleanup
 * in the file that LIFECYCLE names.  init fails while LIFECYCLE.fail exists.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "modserver.h"

static int inits, runs;

int
init(servlet *s)
{
	char name[4096];

	(void)s;
	snprintf(name, sizeof name, "%s.fail", getenv("LIFECYCLE"));
	inits++;
	return access(name, F_OK) == 0 ? -1 : 0;
}

int
run(servlet *s)
{
	rprintf(s, "%d %d %d\n", (int)getpid(), inits, ++runs);
	return 0;
}

void
cleanup(void)
{
	const char *name = getenv("LIFECYCLE");
	FILE *f = name == NULL ? NULL : fopen(name, "a");

	if (f != NULL) {
		fprintf(f, "cleanup %d\n", (int)getpid());
		fclose(f);
	}
}
