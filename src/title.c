/*
 * title.c - what ps shows.
 *
 * The kernel lays argv and the environment out as one run of strings, and ps
 * reads what lies there.  We move both elsewhere and write into their room.
 */
#include "title.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* The room; no title is shown while it is NULL. */
static char *title_room;
static size_t title_size;	/* of argv and environment together */
static size_t title_arguments;	/* of argv alone */
static size_t title_used;	/* octets that may not be zero */

/* The copies, never freed: argv and environ point into them. */
/* "used": nothing reads them, and they are what keeps the copies from being lost. */
static char **argv_copy __attribute__((used)), **environ_copy __attribute__((used));

/* Where the run of strings that starts at `from` ends: behind the last one
 * that follows its predecessor directly. */
static char *
strings_end(char **strings, char *from)
{
	for (; *strings != NULL && *strings == from; strings++)
		from += strlen(from) + 1;
	return from;
}

/* A copy of the array and its strings, all in one allocation, or NULL. */
static char **
strings_copy(char **strings)
{
	size_t i, count = 0, length = 0, n;
	char **copy, *at;

	for (; strings[count] != NULL; count++)
		length += strlen(strings[count]) + 1;
	copy = malloc((count + 1) * sizeof(*copy) + length);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + count + 1);
	for (i = 0; i < count; i++) {
		n = strlen(strings[i]) + 1;
		copy[i] = memcpy(at, strings[i], n);
		at += n;
	}
	copy[count] = NULL;
	return copy;
}

void
title_init(int argc, char **argv)
{
	char *end;
	int i;

	if (argc < 1 || title_room != NULL)
		return;
	argv_copy = strings_copy(argv);
	environ_copy = strings_copy(environ);
	if (argv_copy == NULL || environ_copy == NULL)
		return;		/* the title stays as it is */

	end = strings_end(argv, argv[0]);
	title_room = argv[0];
	title_arguments = (size_t)(end - argv[0]);
	title_size = (size_t)(strings_end(environ, end) - argv[0]);
	title_used = title_size;

	/* Both keep their meaning for whoever holds them: Go finds its environment
	 * behind argv. */
	for (i = 0; argv[i] != NULL; i++)
		argv[i] = argv_copy[i];
	for (i = 0; environ[i] != NULL; i++)
		environ[i] = environ_copy[i];
	environ = environ_copy;
#ifdef __GLIBC__
	/* These point into argv[0]; assert() and error() print them. */
	program_invocation_short_name = argv[0] +
	    (program_invocation_short_name - program_invocation_name);
	program_invocation_name = argv[0];
#endif
}

/* A worker's title has no directive, and printf's functions would have each worker
 * touch a dozen pages that it has no other use for. */
static void
title_write(char *at, size_t size, const char *format, va_list arguments)
{
	size_t length = strlen(format);

	if (strchr(format, '%') == NULL && length < size)
		memcpy(at, format, length + 1);
	else
		vsnprintf(at, size, format, arguments);
}

void
title_set(const char *format, ...)
{
	static const char prefix[] = "modserver: ";
	size_t length = sizeof(prefix) - 1;
	va_list arguments;

	if (title_room == NULL || title_size <= sizeof(prefix))
		return;
	/* What stood there before. */
	memset(title_room, 0, title_used);
	title_room[title_arguments - 1] = '\0';
	memcpy(title_room, prefix, length);
	va_start(arguments, format);
	title_write(title_room + length, title_size - length, format, arguments);
	va_end(arguments);

	/* Linux shows all of argv's room, zeros included, unless its last octet
	 * is not zero: then it shows one string that starts there. */
	length = strlen(title_room);
	title_used = length;
	if (length + 1 < title_arguments)
		title_room[title_arguments - 1] = '.';
}
