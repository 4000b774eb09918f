/*
 * hostile.c - does what a servlet that was taken over could do: looks at what
 * a program it starts inherits, writes over all memory that processes share,
 * attacks another process, tries to become root.
 */
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modserver.h"

/* The descriptors of a program started from here: number, then what it is. */
static int
descriptors(servlet *s)
{
	char line[1024];
	FILE *f = popen("for d in /proc/self/fd/*; do echo ${d##*/} $(readlink $d); done", "r");

	if (f == NULL)
		return -1;
	while (fgets(line, sizeof line, f) != NULL)
		rprintf(s, "%s", line);
	return pclose(f);
}

/* Every page that is writable and shared, filled with one octet. */
static int
scribble(servlet *s, int octet)
{
	char line[1024], mode[5];
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to, places[16][2];
	int count = 0, i;

	if (f == NULL)
		return -1;
	while (count < 16 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
		    strcmp(mode, "rw-s") == 0) {
			places[count][0] = from;
			places[count++][1] = to;
		}
	fclose(f);
	rprintf(s, "%d shared\n", count);
	rflush(s);
	for (i = 0; i < count; i++)
		memset((void *)places[i][0], octet, places[i][1] - places[i][0]);
	return 0;
}

static void
tried(servlet *s, const char *what, long result)
{
	rprintf(s, "%s: %s\n", what, result == -1 ? strerrorname_np(errno) : "done");
}

static void
open_of(servlet *s, pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	tried(s, name, fd);
	if (fd != -1)
		close(fd);
}

/* Against another process: a signal that nobody minds, its memory, its descriptors. */
static int
attack(servlet *s, pid_t pid)
{
	static char octet;
	struct iovec here = { &octet, 1 }, there = { &octet, 1 };
	long result;

	tried(s, "kill", kill(pid, 0));
	result = ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	tried(s, "ptrace", result);
	tried(s, "process_vm_readv", process_vm_readv(pid, &here, 1, &there, 1, 0));
	tried(s, "process_vm_writev", process_vm_writev(pid, &here, 1, &there, 1, 0));
	open_of(s, pid, "mem");
	open_of(s, pid, "fd/2");
	return 0;
}

/* Against its own chains. */
static int
rise(servlet *s)
{
	gid_t root = 0;

	tried(s, "setuid", setuid(0));
	tried(s, "setresuid", setresuid((uid_t)-1, 0, (uid_t)-1));
	tried(s, "setgid", setgid(0));
	tried(s, "setgroups", setgroups(1, &root));
	return 0;
}

int
run(servlet *s)
{
	const char *fill = get_arg(s, "fill"), *pid = get_arg(s, "attack");

	set_header(s, "Content-Type", "text/plain");
	if (fill != NULL)
		return scribble(s, atoi(fill));
	if (pid != NULL)
		return attack(s, (pid_t)atoi(pid));
	return get_arg(s, "rise") != NULL ? rise(s) : descriptors(s);
}
