/* echo.c - gives the body back; ?count=1 only says how long it was. */
#include "modserver.h"

int
run(servlet *s)
{
	static char piece[100000];	/* no multiple of any buffer of the server */
	long long total = 0;
	ssize_t n;

	set_header(s, "Content-Type", "application/octet-stream");
	while ((n = rread(s, piece, sizeof piece)) > 0) {
		total += n;
		if (get_arg(s, "count") == NULL)
			rwrite(s, piece, (size_t)n);
	}
	if (get_arg(s, "count") != NULL)
		rprintf(s, "%lld %lld\n", total, get_content_length(s));
	else if (total == 0)
		rflush(s);	/* an empty 200, not a 204 */
	return n == 0 ? 0 : -1;
}
