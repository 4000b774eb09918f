/*
 * index.c - the page at "/": every route that is loaded, by language.
 *
 *	curl localhost:8080/
 *
 * Give a servlet its line with load_servlet { FILE, description = "..." }.
 */
#include "html.h"

static const char style[] =
    "header{margin-bottom:clamp(2rem,6vw,3rem)}"
    "section{border-top:1px solid var(--line);padding:1.2rem 0;display:grid;gap:.6rem 2rem}"
    "h2{margin:0;line-height:1.6}h2::first-letter{text-transform:uppercase}"
    "ul{list-style:none;margin:-.3rem 0;padding:0}"
    "li a{display:grid;gap:0 1.5rem;margin:0 -.75rem;padding:.3rem .75rem;border-radius:.4rem;"
    "color:inherit;text-decoration:none}"
    "li a:hover{background:var(--hover)}li a:focus-visible{outline:2px solid var(--link)}"
    "li code{color:var(--link)}li span{color:var(--soft)}"
    "footer{border-top:1px solid var(--line);padding-top:1.4rem}"
    "@media(min-width:48rem){section{grid-template-columns:9rem 1fr}"
    "li a{grid-template-columns:minmax(0,2fr) minmax(0,3fr);align-items:baseline}}";

struct page {
	servlet *s;
	const char *language;	/* the section being written */
	size_t first;		/* place of the language's first route */
	size_t at;		/* routes visited by show_language() */
};

static int
show_route(void *context, const struct route_info *r)
{
	struct page *page = context;
	servlet *s = page->s;

	if (strcmp(r->language, page->language) != 0)
		return 0;
	rprintf(s, "<li><a href=\"");
	html_href(s, r->route);
	rprintf(s, "\"><code>");
	html_escape(s, r->route);
	rprintf(s, "</code> <span>");
	html_escape(s, *r->description != '\0' ? r->description : r->file);
	rprintf(s, "</span></a>\n");
	return 0;
}

static int
find_first(void *context, const struct route_info *r)
{
	struct page *page = context;

	if (strcmp(r->language, page->language) == 0)
		return 1;
	page->first++;
	return 0;
}

/* Writes a section when the route is the first of its language. */
static int
show_language(void *context, const struct route_info *r)
{
	struct page *page = context;
	servlet *s = page->s;
	const char *language = r->language;

	page->language = language;
	page->first = 0;
	each_route(s, find_first, page);
	if (page->first != page->at++)
		return 0;
	rprintf(s, "<section>\n<h2>");
	html_escape(s, strcmp(language, "so") == 0 ? "C and C++" :
	    strcmp(language, "cgi") == 0 ? "CGI" : language);
	rprintf(s, "</h2>\n<ul>\n");
	each_route(s, show_route, page);
	rprintf(s, "</ul>\n</section>\n");
	return 0;
}

int
run(servlet *s)
{
	struct page page = { s, "", 0, 0 };

	html_page(s, "modserver", style);
	rprintf(s, "<header>\n<h1>modserver</h1>\n"
	    "<p>These are the servlets it has loaded. Each request has a process to itself while\n"
	    "it runs: a servlet may block, or crash, and nobody else notices.\n</header>\n");
	each_route(s, show_language, &page);
	rprintf(s, "<footer>%zu routes. Add yours with <code>load_servlet</code>.</footer>\n", page.at);
	return 0;
}
