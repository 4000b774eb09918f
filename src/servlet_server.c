/* servlet_server.c - the functions of modserver.h, as far as they are about the server: its
 * log and its routes. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "module/module.h"
#include "servlet.h"

void
vrlog(servlet *s, const char *format, va_list arguments)
{
	char text[8192];

	vsnprintf(text, sizeof(text), format, arguments);
	log_write(LOG_ERROR, "request %s %s: %s", s->request_id, s->route->route, text);
	if (s->config->debug)
		debug_note(s, text);
}

void
rlog(servlet *s, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vrlog(s, format, arguments);
	va_end(arguments);
}

void
module_log(servlet *s, const char *text, size_t length)
{
	static const char nul[] = "\\x00";
	char line[8192];
	size_t at, used;

	do {
		for (at = used = 0; at < length && text[at] != '\n'; at++) {
			if (used + sizeof(nul) >= sizeof(line))
				continue;	/* the rest of the line is cut */
			if (text[at] != '\0') {
				line[used++] = text[at];
				continue;
			}
			memcpy(line + used, nul, sizeof(nul) - 1);
			used += sizeof(nul) - 1;
		}
		line[used] = '\0';
		if (s != NULL)
			rlog(s, "%s", line);
		else
			log_write(LOG_ERROR, "%s", line);
		at += at < length;	/* the newline */
		text += at;
		length -= at;
	} while (length > 0);
}

int
each_route(servlet *s, int (*visit)(void *, const struct route_info *), void *context)
{
	size_t i;
	int answer;

	for (i = 0; i < s->config->servlet_count; i++) {
		const struct config_servlet *c = &s->config->servlets[i];
		struct route_info info = {
			.route = c->route,
			.language = s->config->modules[c->module].name,
			.description = c->description,
			.file = c->text,
		};

		if (s->programs->at[i].module == NULL)
			continue;	/* optional, and not there */
		answer = visit(context, &info);
		if (answer != 0)
			return answer;
	}
	return 0;
}
