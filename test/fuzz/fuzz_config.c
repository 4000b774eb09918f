/*
 * Any text as a configuration file: it is either a configuration with what it
 * must have, or a list of mistakes with file and line; in bounded time.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "file_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/fuzz_config.XXXXXX";
static char path[sizeof(directory) + 2];

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static void
remove_all(void)
{
	unlink(path);
	rmdir(directory);
}

/* A directory of its own, so that a relative path finds nothing but the file. */
static void
prepare(void)
{
	if (path[0] != '\0')
		return;
	claim(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/c", directory);
	atexit(remove_all);
}

static void
check_config(const struct config *c)
{
	claim(c->listen_count >= 1 && strcmp(c->file, path) == 0 && c->file_count >= 1);
	claim(c->workers.max >= 1 && c->workers.max >= c->workers.min);
	claim(c->limits.head_bytes > 0 && c->limits.headers > 0 && c->limits.body_bytes >= 0);
	for (size_t i = 0; i < c->servlet_count; i++) {
		claim(c->servlets[i].route[0] == '/');
		claim(c->servlets[i].module < c->module_count);
	}
}

/* FILE:LINE: what is wrong, or FILE: what is wrong. */
static void
check_errors(const char *errors)
{
	const char *line, *end;

	claim(*errors != '\0');
	for (line = errors; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		claim(end != NULL && end > line);
		claim(memchr(line, ':', (size_t)(end - line)) != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file_list files = { .count = 0 };
	struct config *c;
	char *errors = NULL;
	int fd;

	prepare();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	claim(fd != -1 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	c = config_load(path, &errors, &files);
	claim((c != NULL) != (errors != NULL));
	claim(c == NULL || files.count == 0);
	file_list_free(&files);
	if (c != NULL)
		check_config(c);
	else
		check_errors(errors);
	config_free(c);
	free(errors);
	return 0;
}
