/* logs.c - see logs.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "logs.h"

static void
log_problem(const char *word, const struct config_path *log, char *error, size_t error_size)
{
	snprintf(error, error_size, "%s:%d: %s \"%s\": %s", log->place.file, log->place.line, word,
	    log->path, strerror(errno));
}

static int
log_file_open(const char *word, const struct config_path *log, char *error, size_t error_size)
{
	int fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd == -1)
		log_problem(word, log, error, error_size);
	return fd;
}

int
logs_open(struct logs *l, const struct config *config, char *error, size_t error_size)
{
	l->error_fd = STDERR_FILENO;
	l->access_fd = -1;
	if (config->error_log.path != NULL) {
		l->error_fd = log_file_open("error_log", &config->error_log, error, error_size);
		if (l->error_fd == -1)
			return -1;
	}
	if (config->access_log.path != NULL) {
		l->access_fd = log_file_open("access_log", &config->access_log, error,
		    error_size);
		if (l->access_fd == -1) {
			logs_close(l);
			return -1;
		}
	}
	return 0;
}

/* Whether it could be opened, or made in its directory.  -1 and errno. */
static int
log_file_check(const char *path)
{
	char directory[PATH_MAX];
	size_t length = (size_t)(strrchr(path, '/') - path);
	struct stat st;

	if (stat(path, &st) == 0) {
		errno = EISDIR;
		return S_ISDIR(st.st_mode) ? -1 : faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
	}
	if (errno != ENOENT)
		return -1;
	if (length >= sizeof(directory)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(directory, path, length);
	directory[length] = '\0';
	return faccessat(AT_FDCWD, length > 0 ? directory : "/", W_OK | X_OK, AT_EACCESS);
}

bool
log_cannot_open(const char *word, const struct config_path *log, char *error,
    size_t error_size)
{
	if (log->path == NULL || log_file_check(log->path) == 0)
		return false;
	log_problem(word, log, error, error_size);
	return true;
}

void
logs_become_standard(int error_fd)
{
	int null;

	if (error_fd > STDERR_FILENO) {
		dup2(error_fd, STDERR_FILENO);
		/* Else it would still be the old file after the logs are reopened. */
		close(error_fd);
	}
	dup2(STDERR_FILENO, STDOUT_FILENO);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null != -1) {
		dup2(null, STDIN_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
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
