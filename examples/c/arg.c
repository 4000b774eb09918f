/*
 * arg.c - arguments of the query: one by name, then all of them.
 *
 * They are decoded but not trusted: every one goes through html_escape(),
 * and none is ever a format of rprintf().
 *
 *	curl 'localhost:8080/examples/c/arg.so?name=Ada+Lovelace&x=%3Cb%3E'
 */
#include "html.h"

static int
show(void *context, const char *name, const char *value)
{
	servlet *s = context;

	rprintf(s, "<tr><td>");
	html_escape(s, name);
	rprintf(s, "<td>");
	html_escape(s, value);
	rprintf(s, "\n");
	return 0;	/* go on; anything else would stop the walk */
}

int
run(servlet *s)
{
	const char *name = get_arg(s, "name");

	html_page(s, "Arguments", "");
	rprintf(s, "<h1>Hello, ");
	html_escape(s, name != NULL && *name != '\0' ? name : "stranger");
	rprintf(s, "!</h1>\n<p>The query is <code>");
	html_escape(s, get_query(s));
	rprintf(s, "</code>. Try <a href=\"?name=Ada+Lovelace&amp;x=1&amp;x=2\">another</a>.\n"
	    "<table>\n<tr><th>name<th>value\n");
	each_arg(s, show, s);
	rprintf(s, "</table>\n");
	return 0;
}
