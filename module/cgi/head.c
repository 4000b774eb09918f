/*
 * head.c - the head of a program's answer (RFC 3875, 6).
 *
 * As with other servers, lines end in LF or CRLF; a status line in place of
 * Status is understood, as nph- programs send it.
 */
#include <stdlib.h>
#include <string.h>

#include "module/alike.h"
#include "program.h"

/* What a head says beyond fields to be passed on. */
struct parsed {
	int status;		/* 0: not said */
	const char *location;	/* NULL: none */
};

size_t
head_length(const char *data, size_t length)
{
	const char *line = data, *end = data + length, *newline;

	while (line < end && (newline = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if (newline == line || (newline == line + 1 && *line == '\r'))
			return (size_t)(newline + 1 - data);
		line = newline + 1;
	}
	return 0;
}

/* "404 Not Found": 404; 0 if it is no status of a final response. */
static int
status_number(const char *text)
{
	char *end;
	long status = strtol(text, &end, 10);

	return end == text + 3 && (*end == '\0' || *end == ' ') && status >= 200 &&
	    status <= 599 ? (int)status : 0;
}

static bool
take_status(servlet *s, struct parsed *p, const char *text)
{
	p->status = status_number(text);
	if (p->status == 0)
		rlog(s, "\"%.100s\" is no status: expected three digits, 200 to 599", text);
	return p->status != 0;
}

static bool
take_field(servlet *s, struct parsed *p, char *line)
{
	char *colon = strchr(line, ':'), *value;

	if (colon == NULL || colon == line) {
		rlog(s, "\"%.100s\" is no header field: expected \"Name: value\", and an "
		    "empty line behind the last", line);
		return false;
	}
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	if (texts_alike(line, "Status"))
		return take_status(s, p, value);
	if (texts_alike(line, "Location"))
		p->location = value;
	else if (texts_alike(line, "Content-Type"))
		set_header(s, line, value);
	else
		add_header(s, line, value);
	return true;
}

/* Ends the line at data and answers where the next begins. */
static char *
cut_line(char *data)
{
	char *newline = strchr(data, '\n'), *end = newline;

	while (end > data && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return newline + 1;
}

enum head_result
head_take(servlet *s, char *data, size_t length, const char **location)
{
	struct parsed p = { 0, NULL };
	char *end = data + length, *next;
	bool first = true;

	if (memchr(data, '\0', length) != NULL) {
		rlog(s, "the program's head has NUL in it");
		return HEAD_BAD;
	}
	for (char *line = data; line < end; line = next, first = false) {
		next = cut_line(line);
		if (next == end)
			break;		/* the empty line */
		if (first && strncmp(line, "HTTP/1.", 7) == 0) {
			if (!take_status(s, &p, line + strcspn(line, " ") +
			    (strchr(line, ' ') != NULL)))
				return HEAD_BAD;
		} else if (!take_field(s, &p, line)) {
			return HEAD_BAD;
		}
	}
	*location = p.location;
	if (p.location != NULL && p.location[0] == '/' && p.status == 0)
		return HEAD_LOCAL;
	if (p.location != NULL)
		set_header(s, "Location", p.location);
	set_status(s, p.status != 0 ? p.status : p.location != NULL ? 302 : 200);
	return HEAD_DONE;
}
