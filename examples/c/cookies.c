/*
 * cookies.c - counts visits with one cookie, remembers the first with another.
 *
 * Two cookies are two Set-Cookie fields: add_header(), as set_header() would
 * replace the first.  A cookie is the client's word: this one is read as a
 * number within bounds, and worth no more than that.
 *
 *	curl -c jar -b jar localhost:8080/examples/c/cookies.so	# and again
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "html.h"

#define VISITS_MAX 1000000

/* The cookie as a number from 0 to most; 0 when it is missing or anything else. */
static long long
number_cookie(servlet *s, const char *name, long long most)
{
	const char *text = get_cookie(s, name);
	char *end;
	long long n;

	if (text == NULL || *text == '\0')
		return 0;
	n = strtoll(text, &end, 10);
	return *end == '\0' && n >= 0 && n <= most ? n : 0;
}

static void
set_cookie(servlet *s, const char *name, long long value)
{
	char field[128];

	snprintf(field, sizeof field,
	    "%s=%lld; Max-Age=31536000; HttpOnly; SameSite=Lax", name, value);
	add_header(s, "Set-Cookie", field);
}

int
run(servlet *s)
{
	long long now = (long long)time(NULL);
	long long visits = number_cookie(s, "visits", VISITS_MAX - 1) + 1;
	long long first = number_cookie(s, "first", now);

	if (first == 0)
		first = now;
	set_cookie(s, "visits", visits);
	set_cookie(s, "first", first);
	set_header(s, "Cache-Control", "no-store");

	html_page(s, "Cookies", "");
	rprintf(s, "<h1>Visit %lld</h1>\n"
	    "<p>The first was %lld seconds ago. <a href=\"?\">Once more</a>.\n",
	    visits, now - first);
	return 0;
}
