/*
 * daemon.c - modserver -d: into the background, and back with the outcome.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"

static _Noreturn void
await(int fd)
{
	char octet;
	ssize_t n;

	do
		n = read(fd, &octet, 1);
	while (n == -1 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

int
daemon_start(void)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) == -1)
		return -1;
	if (fcntl(fds[1], F_SETFD, FD_CLOEXEC) == -1 || (pid = fork()) == -1) {
		int saved = errno;

		close(fds[0]);
		close(fds[1]);
		errno = saved;
		return -1;
	}
	if (pid > 0) {
		close(fds[1]);
		await(fds[0]);
	}
	close(fds[0]);
	if (setsid() == -1)
		_exit(1);
	/* Not a session leader any more: no terminal can become ours. */
	pid = fork();
	if (pid != 0)
		_exit(pid == -1 ? 1 : 0);
	return fds[1];
}

bool
daemon_detach(void)
{
	bool lost = true;
	struct stat st;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return false;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		lost = false;
	else
		dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	return lost;
}

void
daemon_ready(int fd)
{
	/* Whoever waited may have gone; that is its business. */
	if (write(fd, "", 1) == -1)
		errno = 0;
	close(fd);
}
