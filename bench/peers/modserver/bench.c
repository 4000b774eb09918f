/*
 * bench.c - /bench/sleep?ms=N, /bench/download?file=PATH, /bench/upload.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "modserver.h"

static void
sleep_ms(servlet *s)
{
	const char *text = get_arg(s, "ms");
	long ms = text != NULL ? atol(text) : 0;
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
	rprintf(s, "Hello, world!\n");
}

static int
download(servlet *s)
{
	const char *file = get_arg(s, "file");
	int fd, result;

	fd = open(file != NULL ? file : "", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	set_header(s, "Content-Type", "application/octet-stream");
	result = rsendfile(s, fd, 0, -1);
	close(fd);
	return result;
}

static int
upload(servlet *s)
{
	static char buffer[65536];
	long long total = 0;
	ssize_t n;

	while ((n = rread(s, buffer, sizeof(buffer))) > 0)
		total += n;
	rprintf(s, "%lld\n", total);
	return n == -1 ? -1 : 0;
}

int
run(servlet *s)
{
	const char *what = get_path_info(s);

	if (strcmp(what, "/download") == 0)
		return download(s);
	if (strcmp(what, "/upload") == 0)
		return upload(s);
	sleep_ms(s);
	return 0;
}
