/*
 * sleep.c - sleeps, as a servlet does that waits for a database.
 *
 * Blocking is fine here: other requests run in other processes.  Forty of
 * these at once take about as long as one:
 *
 *	curl 'localhost:8080/examples/c/sleep.so?s=0.1'
 *	time seq 40 | xargs -P 40 -I{} curl -s localhost:8080/examples/c/sleep.so
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "modserver.h"

#define SECONDS_MAX 3600

int
run(servlet *s)
{
	const char *text = get_arg(s, "s");
	struct timespec t;
	double seconds = 1;
	char *end;

	set_header(s, "Content-Type", "text/plain; charset=UTF-8");
	if (text != NULL && *text != '\0') {
		seconds = strtod(text, &end);
		if (*end != '\0' || !(seconds >= 0 && seconds <= SECONDS_MAX)) {
			set_status(s, 400);
			rprintf(s, "s is a number of seconds, 0 to %d\n", SECONDS_MAX);
			return 0;
		}
	}
	t.tv_sec = (time_t)seconds;
	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;	/* t is what remains */
	rprintf(s, "slept %g s\n", seconds);
	return 0;
}
