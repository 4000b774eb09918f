/*
 * child.c - answers at once; a process of its own reads the request's body when
 * somebody opens the FIFO ?wait= for writing, and writes it to the file ?to=.
 * Or, with ?back=, has a child that returns that, and says how it has ended; with
 * ?load=, how the one has that it had while it was loaded, where CHILD is set.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modserver.h"

static int loaded = -1;

static int
wait_for(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

__attribute__((constructor)) static void
load(void)
{
	pid_t pid = getenv("CHILD") != NULL ? fork() : -1;

	if (pid > 0)
		loaded = wait_for(pid);
}

static int
read_on(servlet *s)
{
	char piece[10000], part[4096];
	const char *to = get_arg(s, "to");
	int fd;
	ssize_t n;

	fd = open(get_arg(s, "wait"), O_RDONLY);
	if (fd == -1)
		return 1;
	close(fd);
	snprintf(part, sizeof part, "%s.part", to);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	while ((n = rread(s, piece, sizeof piece)) > 0)
		if (write(fd, piece, (size_t)n) != n)
			return 1;
	return close(fd) == -1 || n == -1 || rename(part, to) == -1;
}

int
run(servlet *s)
{
	const char *back = get_arg(s, "back");
	pid_t pid;

	if (get_arg(s, "load") != NULL) {
		rprintf(s, "%d\n", loaded);
		return 0;
	}
	pid = fork();
	if (pid == 0 && back != NULL)
		return atoi(back);
	if (pid == 0)
		_exit(fork() == 0 ? read_on(s) : 0);
	if (pid == -1)
		return -1;
	rprintf(s, "%d\n", wait_for(pid));
	return 0;
}
