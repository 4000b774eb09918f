/*
 * index.c - the page at "/": every route that is loaded, by language.
 *
 *	curl localhost:8080/
 *
 * Give a servlet its line with load_servlet { FILE, description = "..." }.
 */
#include <stdio.h>

#include "html.h"

static const char style[] =
    "header{margin-bottom:clamp(2rem,6vw,3.5rem)}"
    "section{border-top:1px solid var(--line);padding:1.4rem 0 1.6rem;display:grid;gap:.6rem 2rem}"
    "h2{margin:0;line-height:1.6}h2 small{display:block}"
    "ul{list-style:none;margin:0;padding:0}"
    "li a{display:grid;gap:0 1.5rem;margin:0 -.75rem;padding:.4rem .75rem;border-radius:.4rem;"
    "color:inherit;text-decoration:none}"
    "li a:hover{background:var(--hover)}"
    "li a:focus-visible{outline:2px solid var(--link)}"
    "li code{color:var(--link)}li span{color:var(--soft)}"
    "footer{border-top:1px solid var(--line);padding-top:1.4rem}"
    "@media(min-width:48rem){section{grid-template-columns:9rem 1fr}"
    "li a{grid-template-columns:minmax(0,2fr) minmax(0,3fr);align-items:baseline}}";

/* Modules whose name is not what people call the language. */
static const struct {
	const char *module, *title, *remark;
} languages[] = {
	{ "so", "C and C++", "and what exports C symbols" },
	{ "lua", "Lua", "" },
	{ "python", "Python", "" },
	{ "ruby", "Ruby", "" },
	{ "go", "Go", "" },
	{ "cgi", "CGI", "any program" },
};

struct page {
	servlet *s;
	const char *language;	/* the section being written */
	size_t at;		/* routes visited by show_language() */
	size_t first;		/* where the language appears first */
};

/* A route as a link: percent-encoded but for what a path may hold; of a
 * prefix route its root, "/shop/" for "/shop/" "*". */
static void
href(servlet *s, const char *route)
{
	for (; *route != '\0' && strcmp(route, "*") != 0; route++)
		if (strchr("/-._~", *route) != NULL || (*route >= '0' && *route <= '9') ||
		    (*route >= 'a' && *route <= 'z') || (*route >= 'A' && *route <= 'Z'))
			rwrite(s, route, 1);
		else
			rprintf(s, "%%%02X", (unsigned char)*route);
}

static int
show_route(void *context, const struct route_info *r)
{
	struct page *page = context;
	servlet *s = page->s;

	if (strcmp(r->language, page->language) != 0)
		return 0;
	rprintf(s, "<li><a href=\"");
	href(s, r->route);
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

static int
show_language(void *context, const struct route_info *r)
{
	struct page *page = context;
	servlet *s = page->s;
	const char *title = r->language, *remark = "";
	size_t i;

	page->language = r->language;
	page->first = 0;
	each_route(s, find_first, page);
	if (page->first != page->at++)
		return 0;	/* its section has been written */
	for (i = 0; i < sizeof languages / sizeof languages[0]; i++)
		if (strcmp(languages[i].module, r->language) == 0) {
			title = languages[i].title;
			remark = languages[i].remark;
		}
	rprintf(s, "<section>\n<h2>");
	html_escape(s, title);
	rprintf(s, "<small>%s</small></h2>\n<ul>\n", remark);
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
	    "<p>It works. These are the servlets that this server has loaded; each runs in\n"
	    "a process of its own when you ask for it.\n</header>\n");
	each_route(s, show_language, &page);
	rprintf(s, "<footer>%zu routes. Add yours to the configuration with <code>load_servlet</code>.\n"
	    "</footer>\n", page.at);
	return 0;
}
