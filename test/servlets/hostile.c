/*
 * hostile.c - does what a servlet that was taken over could do: looks at what
 * a program it starts inherits, writes over all memory that processes share.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modserver.h"

/* The descriptors of a program started from here: number, then what it is. */
static int
descriptors(servlet *s)
{
	char line[1024];
	FILE *f = popen("for d in /proc/self/fd/*; do echo ${d##*/} $(readlink $d); done", "r");

	if (f == NULL)
		return -1;
	while (fgets(line, sizeof line, f) != NULL)
		rprintf(s, "%s", line);
	return pclose(f);
}

/* Every page that is writable and shared, filled with one octet. */
static int
scribble(servlet *s, int octet)
{
	char line[1024], mode[5];
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to, places[16][2];
	int count = 0, i;

	if (f == NULL)
		return -1;
	while (count < 16 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
		    strcmp(mode, "rw-s") == 0) {
			places[count][0] = from;
			places[count++][1] = to;
		}
	fclose(f);
	rprintf(s, "%d shared\n", count);
	rflush(s);
	for (i = 0; i < count; i++)
		memset((void *)places[i][0], octet, places[i][1] - places[i][0]);
	return 0;
}

int
run(servlet *s)
{
	const char *fill = get_arg(s, "fill");

	set_header(s, "Content-Type", "text/plain");
	return fill != NULL ? scribble(s, atoi(fill)) : descriptors(s);
}
