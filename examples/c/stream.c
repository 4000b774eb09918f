/*
 * stream.c - a response that arrives piece by piece.
 *
 * rflush() sends what has been written so far; is_connected() tells when
 * to stop because nobody listens any more.
 *
 *	curl -N 'localhost:8080/examples/c/stream.so?interval=0.5&count=10'
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "modserver.h"

/* The argument as a number within bounds, `otherwise` when there is none,
 * -1 when it is no such number (nan fails both comparisons). */
static double
number(servlet *s, const char *name, double least, double most, double otherwise)
{
	const char *text = get_arg(s, name);
	char *end;
	double x;

	if (text == NULL || *text == '\0')
		return otherwise;
	x = strtod(text, &end);
	return *end == '\0' && x >= least && x <= most ? x : -1;
}

static void
wait_for(double seconds)
{
	struct timespec t;

	t.tv_sec = (time_t)seconds;
	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}

int
run(servlet *s)
{
	double interval = number(s, "interval", 0.01, 60, 1);
	double count = number(s, "count", 1, 10000, 5);
	int i;

	set_header(s, "Content-Type", "text/plain; charset=UTF-8");
	if (interval < 0 || count < 0) {
		set_status(s, 400);
		rprintf(s, "interval is 0.01 to 60 seconds, count 1 to 10000\n");
		return 0;
	}
	set_header(s, "Cache-Control", "no-store");
	set_header(s, "X-Accel-Buffering", "no");	/* nginx in front: pass it on at once */
	set_header(s, "X-Content-Type-Options", "nosniff");	/* browsers: do not wait for more */

	for (i = 1; i <= (int)count; i++) {
		if (i > 1)
			wait_for(interval);
		if (!is_connected(s)) {
			rlog(s, "stream: the client left after %d of %d", i - 1, (int)count);
			return 0;
		}
		rprintf(s, "%d of %d\n", i, (int)count);
		rflush(s);
	}
	return 0;
}
