/* generation.c - see generation.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "generation.h"
#include "log.h"
#include "title.h"
#include "zygote.h"

struct generation *
generation_new(unsigned number, const char *path, const struct generation *old, char **errors)
{
	struct generation *g = calloc(1, sizeof(*g));
	char error[1024];

	*errors = NULL;
	if (g == NULL)
		return NULL;
	g->number = number;
	g->control_fd = -1;
	g->config = config_load(path, errors);
	if (g->config == NULL)
		goto fail;
	if (listeners_open(&g->listeners, old == NULL ? NULL : &old->listeners, g->config,
	    error, sizeof(error)) == -1) {
		if (asprintf(errors, "%s\n", error) == -1)
			*errors = NULL;
		goto fail;
	}
	g->board = board_new(g->config->workers.max + ZYGOTE_SLOTS_SPARE);
	if (g->board != NULL)
		return g;
	if (asprintf(errors, "%s:0: the scoreboard cannot be made: %s\n", path,
	    strerror(errno)) == -1)
		*errors = NULL;
	listeners_close(&g->listeners, old == NULL ? NULL : &old->listeners, true);
fail:
	config_free(g->config);
	free(g);
	return NULL;
}

/* In the new process. */
static void __attribute__((noreturn))
generation_become_zygote(const struct generation *g, const struct handover_sockets *handover,
    int control_fd, int access_log_fd, int terminal_fd, pid_t master)
{
	struct zygote_setup s = {
		.config = g->config, .listeners = &g->listeners, .handover = handover,
		.board = g->board, .generation = g->number, .control_fd = control_fd,
		.access_log_fd = access_log_fd, .terminal_fd = terminal_fd,
		.master = master, .error_log_fd = STDERR_FILENO,
	};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != master)
		_exit(1);
	/* A session of its own: Ctrl-C at the terminal is for the master. */
	setsid();
	if (null != -1)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	title_set("zygote %u", g->number);
	log_open(STDERR_FILENO, "zygote");
	_exit(zygote_run(&s));
}

int
generation_start(struct generation *g, const struct handover_sockets *handover,
    int access_log_fd, int terminal_fd)
{
	pid_t master = getpid();
	int pair[2];

	if (control_open(pair) == -1)
		return -1;
	fflush(NULL);
	g->pid = fork();
	if (g->pid == 0) {
		close(pair[0]);
		generation_become_zygote(g, handover, pair[1], access_log_fd, terminal_fd, master);
	}
	close(pair[1]);
	g->control_fd = pair[0];
	return g->pid == -1 ? -1 : 0;
}

void
generation_free(struct generation *g, const struct generation *kept)
{
	if (g == NULL)
		return;
	if (g->control_fd != -1)
		close(g->control_fd);
	listeners_close(&g->listeners, kept == NULL ? NULL : &kept->listeners, true);
	board_free(g->board);
	config_free(g->config);
	free(g);
}

void
generation_kill(const struct generation *g)
{
	if (g->pid <= 0)
		return;
	kill(-g->pid, SIGKILL);		/* the session that setsid() made */
	kill(g->pid, SIGKILL);
}
