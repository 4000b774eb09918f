/*
 * check.c - modserver -t: is this configuration good?
 *
 * The throwaway process sends each problem through a pipe, ended by a NUL, and
 * keeps in shared memory what it is loading.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "crash.h"
#include "logs.h"
#include "module_load.h"
#include "pidfile.h"
#include "privilege.h"
#include "program.h"
#include "signals.h"

/* All loading of one try, and when no other is begun. */
#define CHECK_MAX_MS 60000u
#define TRIES_MAX_MS 300000u

#define PROBLEMS_MAX (1024 * 1024)	/* octets of problems that are kept */

struct check {
	struct config config;		/* a copy, without what has crashed */
	uint64_t started_ms;
	_Atomic uint32_t *loading;
	char *problems;			/* those printed so far, each ended by a NUL */
	size_t length;
	unsigned count;
};

static void
check_problem(struct check *k, const char *text)
{
	size_t size = strlen(text) + 1;

	/* A second try meets the first one's problems again. */
	for (size_t at = 0; at < k->length; at += strlen(k->problems + at) + 1)
		if (strcmp(k->problems + at, text) == 0)
			return;
	k->count++;
	fprintf(stderr, "%s\n", text);
	if (size > PROBLEMS_MAX - k->length)
		return;
	memcpy(k->problems + k->length, text, size);
	k->length += size;
}

/* ------------------------------------------------ the throwaway process */

static void
child_report(void *context, const char *text)
{
	int fd = *(int *)context;
	size_t left = strlen(text) + 1;

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n == -1 && errno != EINTR)
			_exit(1);
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
}

static _Noreturn void
child(struct check *k, int fd)
{
	char error[256];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null != -1)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	signals_child();
	if (privilege_drop(&k->config, error, sizeof(error)) == -1)
		child_report(&fd, error);
	else
		programs_check(&k->config, k->loading, child_report, &fd);
	fflush(NULL);
	_exit(0);
}

/* ---------------------------------------------------------- its watcher */

/* Prints what arrives until the end, or until time is up (-1). */
static int
check_read(struct check *k, int fd)
{
	char text[65536];
	uint64_t end = clock_ms() + CHECK_MAX_MS;
	size_t length = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_ms();
		ssize_t n;
		char *nul;

		if (now >= end)
			return -1;
		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		n = read(fd, text + length, sizeof(text) - 1 - length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		length += (size_t)n;
		while ((nul = memchr(text, '\0', length)) != NULL) {
			check_problem(k, text);
			length -= (size_t)(nul + 1 - text);
			memmove(text, nul + 1, length);
		}
		if (length == sizeof(text) - 1)
			length = 0;	/* no problem is that long */
	}
}

static void
leave_out_servlet(struct config *c, size_t i)
{
	c->servlet_count--;
	memmove(&c->servlets[i], &c->servlets[i + 1],
	    (c->servlet_count - i) * sizeof(c->servlets[0]));
}

/* With the servlets that need it. */
static void
leave_out_module(struct config *c, size_t module)
{
	for (size_t i = c->servlet_count; i-- > 0;) {
		if (c->servlets[i].module == module)
			leave_out_servlet(c, i);
		else if (c->servlets[i].module > module)
			c->servlets[i].module--;
	}
	c->module_count--;
	memmove(&c->modules[module], &c->modules[module + 1],
	    (c->module_count - module) * sizeof(c->modules[0]));
}

/* Leaves what was being loaded out of the next try. */
static void
check_leave_out(struct check *k, const char *kind, const char *name, int line)
{
	struct config *c = &k->config;
	bool servlet = strcmp(kind, "servlet") == 0;

	for (size_t i = c->servlet_count; servlet && i-- > 0;)
		if (c->servlets[i].text == name && c->servlets[i].place.line == line)
			leave_out_servlet(c, i);
	for (size_t i = c->module_count; !servlet && i-- > 0;)
		if (c->modules[i].name == name && c->modules[i].place.line == line)
			leave_out_module(c, i);
}

/* The process has ended.  Whether another try makes sense. */
static bool
check_ended(struct check *k, int status, bool late)
{
	struct config_place place;
	const char *kind, *name;
	char text[1024], how[96];

	if (!late && WIFEXITED(status) && atomic_load(k->loading) == 0)
		return false;
	if (late)
		snprintf(how, sizeof(how), "does not come to an end in %u s of loading",
		    CHECK_MAX_MS / 1000);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "crashed while loading: %s",
		    crash_signal_name(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "called exit(%d) while loading", WEXITSTATUS(status));
	if (!program_loading_what(&k->config, atomic_load(k->loading), &place, &kind, &name)) {
		snprintf(text, sizeof(text), "%s: the process that loads %s", k->config.file, how);
		check_problem(k, text);
		return false;
	}
	if (strcmp(kind, "servlet") == 0)
		snprintf(text, sizeof(text), "%s:%d: %s %s", place.file, place.line, name, how);
	else
		snprintf(text, sizeof(text), "%s:%d: %s %s %s", place.file, place.line, kind,
		    name, how);
	check_problem(k, text);
	check_leave_out(k, kind, name, place.line);
	if (clock_ms() - k->started_ms < TRIES_MAX_MS)
		return true;
	snprintf(text, sizeof(text), "%s: after %u s nothing else is looked for", k->config.file,
	    TRIES_MAX_MS / 1000);
	check_problem(k, text);
	return false;
}

/* One try.  Returns whether another one makes sense. */
static bool
check_try(struct check *k)
{
	int fds[2], status = 0, late;
	pid_t pid;

	if (pipe(fds) == -1)
		goto fail;
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	atomic_store(k->loading, 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child(k, fds[1]);
	}
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		goto fail;
	}
	late = check_read(k, fds[0]);
	if (late != 0) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	close(fds[0]);
	return check_ended(k, status, late != 0);

fail:
	fprintf(stderr, "%s: cannot be checked: %s\n", k->config.file, strerror(errno));
	k->count++;
	return false;
}

/* The files that the master writes. */
static void
check_files(struct check *k)
{
	const struct config_path *pidfile = &k->config.pidfile;
	char text[1024];

	if (log_cannot_open("error_log", &k->config.error_log, text, sizeof(text)))
		check_problem(k, text);
	if (log_cannot_open("access_log", &k->config.access_log, text, sizeof(text)))
		check_problem(k, text);
	/* The server that this configuration is for may be running. */
	if (pidfile->path == NULL || pidfile_check(pidfile->path) == 0 || errno == EEXIST)
		return;
	snprintf(text, sizeof(text), "%s:%d: pidfile \"%s\": %s", pidfile->place.file,
	    pidfile->place.line, pidfile->path, strerror(errno));
	check_problem(k, text);
}

/* Memory of its own for what will be left out of.  0, or -1. */
static int
check_copy(struct check *k)
{
	struct config *c = &k->config;
	size_t servlets = c->servlet_count * sizeof(c->servlets[0]);
	size_t modules = c->module_count * sizeof(c->modules[0]);
	void *from[] = { c->servlets, c->modules };

	c->servlets = malloc(servlets + 1);
	c->modules = malloc(modules + 1);
	k->problems = malloc(PROBLEMS_MAX);
	k->loading = mmap(NULL, sizeof(*k->loading), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->servlets == NULL || c->modules == NULL || k->problems == NULL ||
	    k->loading == MAP_FAILED)
		return -1;
	if (servlets > 0)
		memcpy(c->servlets, from[0], servlets);
	if (modules > 0)
		memcpy(c->modules, from[1], modules);
	return 0;
}

unsigned
check_config(const struct config *config)
{
	struct check k = { .config = *config, .started_ms = clock_ms() };

	if (check_copy(&k) == -1) {
		fprintf(stderr, "%s: cannot be checked: out of memory\n", config->file);
		k.count = 1;
	} else {
		check_files(&k);
		while (check_try(&k))
			;
	}
	free(k.config.servlets);
	free(k.config.modules);
	free(k.problems);
	if (k.loading != MAP_FAILED)
		munmap((void *)k.loading, sizeof(*k.loading));
	return k.count;
}

/* -------------------------------------------------------------- modules */

/* In a process of its own: a runtime that is broken must not end the list. */
static void
list_module(const char *name, const char *path)
{
	char error[MODULE_ERROR_MAX] = "";
	const struct module *m;
	const char *version = NULL;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		m = module_load(name, error);
		if (m != NULL && m->start != NULL && m->start(NULL, 0, error) != 0)
			m = NULL;
		if (m != NULL && m->version != NULL)
			version = m->version();
		if (m == NULL)
			printf("  %-8s %s: unusable: %s\n", name, path, error);
		else
			printf("  %-8s %s%s%s\n", name, path, version != NULL ? ": " : "",
			    version != NULL ? version : "");
		fflush(stdout);
		_exit(0);
	}
	if (pid != -1 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("  %-8s %s: unusable: crashed: %s\n", name, path,
		    crash_signal_name(WTERMSIG(status)));
}

void
check_list_modules(void)
{
	const char *const *directory = module_directories();

	for (; *directory != NULL; directory++) {
		struct dirent **names;
		int count = scandir(*directory, &names, NULL, alphasort);

		for (int i = 0; i < count; i++) {
			char path[MODULE_PATH_MAX], name[256];
			size_t length = strlen(names[i]->d_name);

			if (length > 3 && length < sizeof(name) &&
			    strcmp(names[i]->d_name + length - 3, ".so") == 0) {
				memcpy(name, names[i]->d_name, length - 3);
				name[length - 3] = '\0';
				/* Of two with one name the first is loaded. */
				if (module_find(name, path) == 0 && strncmp(path, *directory,
				    strlen(*directory)) == 0)
					list_module(name, path);
			}
			free(names[i]);
		}
		if (count >= 0)
			free(names);
	}
}
