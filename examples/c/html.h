/*
 * html.h - what the example pages share: escaping, and one plain style.
 *
 * A page is html_page(), your markup, then nothing: HTML closes body and
 * main by itself.  Text that is not yours goes through html_escape().
 */
#ifndef HTML_H
#define HTML_H

#include <string.h>

#include "modserver.h"

/* Writes text so that HTML reads it as text, also within "..." and '...'. */
static inline void
html_escape(servlet *s, const char *text)
{
	const char *entity;
	size_t plain;

	for (;;) {
		plain = strcspn(text, "&<>\"'");
		rwrite(s, text, plain);
		text += plain;
		switch (*text++) {
		case '&':  entity = "&amp;";  break;
		case '<':  entity = "&lt;";   break;
		case '>':  entity = "&gt;";   break;
		case '"':  entity = "&quot;"; break;
		case '\'': entity = "&#39;";  break;
		default:   return;	/* the end of the text */
		}
		rwrite(s, entity, strlen(entity));
	}
}

/* Writes a path as the value of href, percent-encoded; of a prefix route its
 * root: "/shop/" for "/shop/" "*". */
static inline void
html_href(servlet *s, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~/";

	for (; *path != '\0' && strcmp(path, "*") != 0; path++)
		if (strchr(plain, *path) != NULL)
			rwrite(s, path, 1);
		else
			rprintf(s, "%%%02X", (unsigned char)*path);
}

static const char html_style[] =
    ":root{color-scheme:light dark;--paper:#fcfbf9;--ink:#21201c;--soft:#6b6860;--line:#e4e1da;--link:#0b5a8a;--hover:#f3f1ec}"
    "@media(prefers-color-scheme:dark){"
    ":root{--paper:#171614;--ink:#e6e3dc;--soft:#9a968c;--line:#33312c;--link:#7cbfe8;--hover:#201f1c}}"
    "*{box-sizing:border-box}"
    "html{background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif;-webkit-text-size-adjust:100%}"
    "body{margin:0 auto;max-width:62rem;padding:clamp(1.5rem,6vw,4.5rem) clamp(1.25rem,5vw,3rem)}"
    "h1{font-size:clamp(1.7rem,5vw,2.4rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 .6rem}"
    "h2{font-size:1rem;margin:2rem 0 .5rem}"
    "p{max-width:38rem;margin:0 0 1rem}"
    "small,footer,th{color:var(--soft);font-size:.875rem;font-weight:400}"
    "a{color:var(--link);text-underline-offset:.2em}"
    "code,pre{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}"
    "pre{white-space:pre-wrap}"
    "table{border-collapse:collapse;width:100%;max-width:42rem;margin:0 0 1.5rem}"
    "th,td{border-bottom:1px solid var(--line);padding:.45rem 1rem .45rem 0;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}"
    "form{display:grid;gap:.9rem;max-width:28rem;margin:0 0 1.5rem}"
    "label{display:grid;gap:.25rem}"
    "input,textarea,button{font:inherit;color:inherit;padding:.5rem .7rem;border:1px solid var(--line);"
    "border-radius:.4rem;background:transparent;min-width:0}"
    "button{justify-self:start;background:var(--ink);color:var(--paper);border-color:var(--ink);cursor:pointer}";

/* The beginning of a page; title is plain text, style more CSS or "". */
static inline void
html_page(servlet *s, const char *title, const char *style)
{
	/* Even if something slips through the escaping, no script of it runs. */
	set_header(s, "Content-Security-Policy",
	    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'");
	rprintf(s, "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
	html_escape(s, title);
	rprintf(s, "</title>\n<style>%s%s</style>\n", html_style, style);
}

#endif
