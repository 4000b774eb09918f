/* logs.c - see logs.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logs.h"

static int
log_file_open(const char *file, const char *word, const char *path, char *error,
    size_t error_size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd == -1)
		snprintf(error, error_size, "%s: %s \"%s\": %s", file, word, path,
		    strerror(errno));
	return fd;
}

int
logs_open(struct logs *l, const struct config *config, char *error, size_t error_size)
{
	l->error_fd = STDERR_FILENO;
	l->access_fd = -1;
	if (config->error_log != NULL) {
		l->error_fd = log_file_open(config->file, "error_log", config->error_log,
		    error, error_size);
		if (l->error_fd == -1)
			return -1;
	}
	if (config->access_log != NULL) {
		l->access_fd = log_file_open(config->file, "access_log", config->access_log,
		    error, error_size);
		if (l->access_fd == -1) {
			logs_close(l);
			return -1;
		}
	}
	return 0;
}

void
logs_close(struct logs *l)
{
	if (l->error_fd > STDERR_FILENO)
		close(l->error_fd);
	if (l->access_fd != -1)
		close(l->access_fd);
	l->error_fd = STDERR_FILENO;
	l->access_fd = -1;
}
