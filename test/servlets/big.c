/*
 * big.c - ?n=OCTETS of a pattern in pieces of ?piece= octets, flushed after
 * each if ?flush=1; with ?file=PATH (a test's own), that file by rsendfile
 * from ?offset= for ?length=.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modserver.h"

#define PERIOD 251	/* octets of the pattern, 0 to 250 */

static long long
number(servlet *s, const char *name, long long otherwise)
{
	const char *text = get_arg(s, name);

	return text == NULL ? otherwise : atoll(text);
}

static int
send_file(servlet *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;

	result = rsendfile(s, fd, number(s, "offset", 0), number(s, "length", -1));
	if (result == -1)
		rprintf(s, "errno %d\n", errno);
	if (get_arg(s, "tail") != NULL)
		rprintf(s, "%s", get_arg(s, "tail"));
	if (fd != -1)
		close(fd);
	return 0;
}

int
run(servlet *s)
{
	long long n = number(s, "n", 0), at;
	size_t piece = (size_t)number(s, "piece", 4096);
	char *buffer;

	set_header(s, "Content-Type", "application/octet-stream");
	if (get_arg(s, "file") != NULL)
		return send_file(s, get_arg(s, "file"));
	if (piece == 0 || (buffer = malloc(PERIOD + piece)) == NULL)
		return -1;
	/* Once: the octets shall cost less than sending them. */
	for (size_t i = 0; i < PERIOD + piece; i++)
		buffer[i] = (char)(i % PERIOD);
	for (at = 0; at < n; at += (long long)piece) {
		size_t size = n - at < (long long)piece ? (size_t)(n - at) : piece;

		if (rwrite(s, buffer + at % PERIOD, size) != size)
			break;
		if (get_arg(s, "flush") != NULL)
			rflush(s);
	}
	free(buffer);
	return 0;
}
