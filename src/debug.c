/* debug.c - see debug.h. */
#include <string.h>

#include "debug.h"
#include "servlet.h"

static const char page_begin[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<title>500 Internal Server Error</title>\n<style>"
    ":root{color-scheme:light dark;--paper:#fcfbf9;--ink:#21201c;--soft:#6b6860;--line:#e4e1da;"
    "--code:#f3f1ec;--mark:#a3291f}"
    "@media(prefers-color-scheme:dark){:root{--paper:#171614;--ink:#e6e3dc;--soft:#9a968c;"
    "--line:#33312c;--code:#201f1c;--mark:#f0877c}}"
    "*{box-sizing:border-box}"
    "html{background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif;"
    "-webkit-text-size-adjust:100%}"
    "body{margin:0 auto;max-width:70rem;padding:clamp(1.5rem,5vw,3.5rem) clamp(1rem,5vw,3rem)}"
    "h1{font-size:clamp(1.4rem,4vw,2rem);line-height:1.2;margin:0 0 .4rem;color:var(--mark)}"
    "h2{font-size:1rem;margin:2rem 0 .5rem}"
    "p{margin:0;color:var(--soft)}p code{color:var(--ink)}"
    "code,pre,td,th{font-family:ui-monospace,monospace;font-size:.9rem;overflow-wrap:anywhere}"
    "pre{margin:0;padding:1rem;background:var(--code);border-left:3px solid var(--mark);"
    "white-space:pre-wrap;tab-size:4;line-height:1.5}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.3rem 1.5rem .3rem 0;"
    "border-top:1px solid var(--line);font-weight:normal}"
    "th{color:var(--soft);white-space:nowrap}"
    "footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:1rem}"
    "@media(max-width:40rem){th,td{display:block;padding:0;border:0}th{padding-top:.5rem}}"
    "</style>\n";

void
debug_note(struct servlet *s, const char *text)
{
	size_t length = strlen(text) + 1;
	struct debug_line *l;

	if (s->said_bytes + length > DEBUG_MAX)
		return;
	l = arena_alloc(s->arena, sizeof(*l) + length);
	if (l == NULL)
		return;
	memcpy(l->text, text, length);
	l->next = NULL;
	*s->last_said = l;
	s->last_said = &l->next;
	s->said_bytes += length;
}

static void
put(struct servlet *s, const char *markup)
{
	rwrite(s, markup, strlen(markup));
}

/* Text of elsewhere, so that HTML reads it as text wherever it stands. */
static void
put_text(struct servlet *s, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		switch (c) {
		case '&':  put(s, "&amp;");  break;
		case '<':  put(s, "&lt;");   break;
		case '>':  put(s, "&gt;");   break;
		case '"':  put(s, "&quot;"); break;
		case '\'': put(s, "&#39;");  break;
		default:
			if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
				rprintf(s, "\\x%02x", c);
			else
				rwrite(s, text, 1);
		}
	}
}

static void
put_code(struct servlet *s, const char *before, const char *text)
{
	put(s, before);
	put(s, "<code>");
	put_text(s, text);
	put(s, "</code>");
}

static int
put_header(void *context, const char *name, const char *value)
{
	struct servlet *s = context;

	put(s, "<tr><th>");
	put_text(s, name);
	put(s, "<td>");
	put_text(s, value);
	put(s, "\n");
	return 0;
}

void
debug_page(struct servlet *s)
{
	const struct debug_line *l;

	response_error(s->response, 500);
	s->response->length = s->response->body_bytes = 0;
	set_header(s, "Content-Type", "text/html; charset=UTF-8");
	/* Nothing in it runs, should something be escaped wrongly after all. */
	set_header(s, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	set_header(s, "Cache-Control", "no-store");
	put(s, page_begin);
	put(s, "<h1>500 Internal Server Error</h1>\n");
	put_code(s, "<p>", s->route->text);
	put_code(s, " at ", s->route->route);
	put_code(s, " has failed, request ", get_request_id(s));
	put(s, "\n<h2>Error log</h2>\n<pre>");
	for (l = s->said; l != NULL; l = l->next) {
		put_text(s, l->text);
		put(s, "\n");
	}
	put(s, "</pre>\n<h2>Request</h2>\n<p>");
	put_code(s, "", get_method(s));
	put_code(s, " ", get_target(s));
	put_code(s, " ", get_protocol(s));
	put_code(s, " from ", get_remote_addr(s));
	put(s, "\n<h2>Headers</h2>\n<table>\n");
	each_header(s, put_header, s);
	put(s, "</table>\n<footer><p>This page is shown because of <code>debug \"on\"</code> in the "
	    "configuration. Switch it off where others than developers can see it.</footer>\n");
}

static bool
is_loopback(const struct config_listen *l)
{
	return l->family == LISTEN_UNIX || strncmp(l->host, "127.", 4) == 0 ||
	    strcmp(l->host, "::1") == 0;
}

const struct config_listen *
debug_exposed(const struct config *config, const struct listeners *l)
{
	size_t i;

	for (i = 0; config->debug && i < l->count; i++)
		if (!is_loopback(l->at[i].listen))
			return l->at[i].listen;
	return NULL;
}
