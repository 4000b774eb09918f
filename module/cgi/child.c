/*
 * child.c - a program as a process of its own.
 *
 * vfork(2), because a worker may be large and fork copies its page tables: the
 * child borrows the worker's memory until it executes, and the worker's main
 * thread stands still meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "program.h"

/* Descriptors that are closed one by one where close_range(2) is missing. */
#define DESCRIPTORS_MAX 65536

/* What the child needs, and what it says if it cannot execute. */
struct launch {
	const char *path, *directory;
	char *const *environment;
	int fds[3];		/* its 0, 1, 2; all above 2 */
	pid_t parent;
	volatile int error;
	const char *volatile failed;
};

static void
close_others(void)
{
#ifdef CLOSE_RANGE_CLOEXEC
	if (close_range(3, ~0u, 0) == 0)
		return;
#endif
	for (int fd = 3; fd < DESCRIPTORS_MAX; fd++)
		close(fd);
}

/* In the child, with the parent's memory: nothing but system calls. */
static _Noreturn void
launch_child(struct launch *l)
{
	char *arguments[] = { (char *)l->path, NULL };
	sigset_t none;

	setsid();
#ifdef __linux__
	/* Whoever kills the worker kills its program. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != l->parent)
		_exit(127);
	for (int i = 0; i < 3; i++)
		dup2(l->fds[i], i);
	close_others();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	l->failed = l->directory;
	if (chdir(l->directory) == 0) {
		l->failed = l->path;
		execve(l->path, arguments, l->environment);
	}
	l->error = errno;
	_exit(127);
}

static pid_t
launch(struct launch *l)
{
	sigset_t all, before;
	pid_t pid;

	/* A handler must not run in the child: it would run in our memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = vfork();	/* NOLINT: a fork would copy the page tables of all that is loaded */
	if (pid == 0)
		launch_child(l);	/* NOLINT: system calls alone */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

void
child_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
child_close_all(struct child *c)
{
	child_close(&c->in);
	child_close(&c->out);
	child_close(&c->err);
}

/* A pipe: the child's end (above 2, so that dup2 cannot overwrite it), and
 * ours, which does not block. */
static int
open_pipe(int *childs, int *ours, bool child_reads)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	*ours = ends[child_reads ? 1 : 0];
	*childs = fcntl(ends[child_reads ? 0 : 1], F_DUPFD_CLOEXEC, 3);
	close(ends[child_reads ? 0 : 1]);
	return *childs == -1 || fcntl(*ours, F_SETFL, O_NONBLOCK) == -1 ? -1 : 0;
}

static int
open_null(int *childs)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	*childs = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return *childs == -1 ? -1 : 0;
}

static const char *
launch_hint(const struct launch *l)
{
	if (l->failed != l->path)
		return "";
	if (l->error == ENOENT)
		return "; the interpreter that its first line names is not there";
	if (l->error == ENOEXEC)
		return "; a script begins with \"#!\" and its interpreter";
	return "";
}

int
child_start(struct child *c, const struct program *p, const struct environment *e,
    servlet *s, bool has_body)
{
	struct launch l = { .path = p->path, .directory = p->directory,
	    .environment = e->at, .fds = { -1, -1, -1 }, .parent = getpid() };

	*c = (struct child){ -1, -1, -1, -1 };
	if ((has_body ? open_pipe(&l.fds[0], &c->in, true) : open_null(&l.fds[0])) == 0 &&
	    open_pipe(&l.fds[1], &c->out, false) == 0 &&
	    open_pipe(&l.fds[2], &c->err, false) == 0)
		c->pid = launch(&l);
	if (c->pid == -1)
		rlog(s, "%s cannot be started: %s", p->path, strerror(errno));
	for (int i = 0; i < 3; i++)
		child_close(&l.fds[i]);
	if (c->pid != -1 && l.error == 0)
		return 0;
	if (c->pid != -1) {
		rlog(s, "%s cannot be executed: %s: %s%s", p->path, l.failed,
		    strerror(l.error), launch_hint(&l));
		waitpid(c->pid, NULL, 0);
	}
	child_close_all(c);
	return -1;
}

void
child_kill(const struct child *c, int signal_number)
{
	/* It is not reaped yet, so nobody else can have its number. */
	if (kill(-c->pid, signal_number) == -1)
		kill(c->pid, signal_number);
}

bool
child_ended(struct child *c, int *status)
{
	pid_t pid;

	*status = 0;
	do
		pid = waitpid(c->pid, status, WNOHANG);
	while (pid == -1 && errno == EINTR);
	return pid != 0;
}
