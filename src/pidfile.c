/*
 * pidfile.c - the master's process id in a file, locked while it lives.
 *
 * The lock belongs to the open file (flock), so that a left-over file of a
 * killed server is known as such, whoever has its process id now.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pidfile.h"

int
pidfile_check(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved;
	char *directory, *slash;
	struct stat st;

	if (fd != -1) {
		bool held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
		bool is_directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

		close(fd);
		if (held || is_directory) {
			errno = held ? EEXIST : EISDIR;
			return -1;
		}
	}
	/* A new file will be made beside it and renamed. */
	directory = strdup(path);
	if (directory == NULL)
		return -1;
	slash = strrchr(directory, '/');
	if (slash != NULL)
		slash[slash == directory] = '\0';
	if (access(slash != NULL ? directory : ".", W_OK | X_OK) == -1) {
		saved = errno;
		free(directory);
		errno = saved;
		return -1;
	}
	free(directory);
	return 0;
}

int
pidfile_open(struct pidfile *p, const char *path)
{
	char *temporary = NULL;
	int saved;

	p->path = NULL;
	p->fd = -1;
	if (path == NULL)
		return 0;
	if (pidfile_check(path) == -1)
		return -1;
	if (asprintf(&temporary, "%s.%ld", path, (long)getpid()) == -1)
		return -1;
	unlink(temporary);
	p->fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (p->fd == -1)
		goto fail;
	if (flock(p->fd, LOCK_EX | LOCK_NB) == -1 ||
	    dprintf(p->fd, "%ld\n", (long)getpid()) < 0 ||
	    (p->path = strdup(path)) == NULL ||
	    rename(temporary, path) == -1)
		goto fail;
	free(temporary);
	return 0;

fail:
	saved = errno;
	if (p->fd != -1) {
		unlink(temporary);
		close(p->fd);
	}
	free(temporary);
	free(p->path);
	p->path = NULL;
	p->fd = -1;
	errno = saved;
	return -1;
}

void
pidfile_close(struct pidfile *p)
{
	struct stat ours, there;

	if (p->path == NULL)
		return;
	if (fstat(p->fd, &ours) == 0 && lstat(p->path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(p->path);
	pidfile_forget(p);
}

void
pidfile_forget(struct pidfile *p)
{
	if (p->fd != -1)
		close(p->fd);
	free(p->path);
	p->path = NULL;
	p->fd = -1;
}
