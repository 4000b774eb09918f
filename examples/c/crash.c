/*
 * crash.c - dies in the way you choose, to show that nobody else notices.
 *
 * The client reads 500; the error log has the signal, the route and the
 * request; every other request goes on.
 *
 *	curl -i 'localhost:8080/examples/c/crash.so?how=segv'	# or abort, exit, div
 */
#include <stdlib.h>

#include "html.h"

static void
crash(const char *how)
{
	/* volatile: else the compiler sees through these and takes them out. */
	volatile int *volatile nowhere = NULL;
	volatile int one = 1, zero = 0;

	if (strcmp(how, "segv") == 0)
		*nowhere = 1;
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "exit") == 0)
		exit(3);	/* not a way to end a request either */
	else if (strcmp(how, "div") == 0)
		one = one / zero;	/* SIGFPE on x86; ARM just says 0 */
}

int
run(servlet *s)
{
	const char *how = get_arg(s, "how");

	if (how != NULL)
		crash(how);

	html_page(s, "Crash", "");
	rprintf(s, "<h1>Crash</h1>\n"
	    "<p>Each of these kills the process that answers you. You read 500, the error log\n"
	    "says what happened, and nobody else notices.\n"
	    "<ul>\n"
	    "<li><a href=\"?how=segv\">segv</a> &ndash; writes to address 0\n"
	    "<li><a href=\"?how=abort\">abort</a> &ndash; calls abort()\n"
	    "<li><a href=\"?how=exit\">exit</a> &ndash; calls exit(3)\n"
	    "<li><a href=\"?how=div\">div</a> &ndash; divides by zero\n"
	    "</ul>\n"
	    "<p>You are talking to one that is still alive.\n");
	return 0;
}
