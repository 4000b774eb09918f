/*
 * generation.c - one configuration in force, and the zygote that serves it.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "generation.h"
#include "log.h"
#include "program.h"
#include "zygote.h"

/* For requests, and for metrics. */
static int
generation_listen(struct generation *g, const struct generation *old,
    const struct passed *passed, char *error, size_t error_size)
{
	const struct listeners *old_listeners = old != NULL ? &old->listeners : NULL;
	const struct listeners *old_metrics = old != NULL ? &old->metrics : NULL;
	const struct config_listen *metrics = g->config->metrics;
	const struct listener *same;

	if (listeners_open(&g->listeners, old_listeners, passed, g->config, error,
	    error_size) == -1)
		return -1;
	if (g->config->metrics_count == 0)
		return 0;
	/* The configuration compares no more than what is written. */
	same = listeners_overlap(&g->listeners, metrics);
	if (same != NULL)
		snprintf(error, error_size, "%s:%d: metrics \"%s\": %s:%d listens there",
		    metrics->place.file, metrics->place.line, metrics->text,
		    same->listen->place.file, same->listen->place.line);
	else if (listeners_open_one(&g->metrics, old_metrics, metrics, error, error_size) == 0)
		return 0;
	listeners_close(&g->listeners, old_listeners, true);
	return -1;
}

struct generation *
generation_new(struct config *config, const struct generation *old,
    const struct passed *passed, char *error, size_t error_size)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (g == NULL) {
		snprintf(error, error_size, "%s: out of memory", config->file);
		config_free(config);
		return NULL;
	}
	g->config = config;
	g->control_fd = -1;
	if (logs_open(&g->logs, config, error, error_size) == -1)
		goto fail;
	if (generation_listen(g, old, passed, error, error_size) == -1) {
		logs_close(&g->logs);
		goto fail;
	}
	return g;

fail:
	config_free(config);
	free(g);
	return NULL;
}

void
generation_close(struct generation *g, const struct generation *kept, bool unlink_files)
{
	listeners_close(&g->listeners, kept != NULL ? &kept->listeners : NULL, unlink_files);
	listeners_close(&g->metrics, kept != NULL ? &kept->metrics : NULL, unlink_files);
}

void
generation_free(struct generation *g, const struct generation *kept, bool unlink_files)
{
	if (g == NULL)
		return;
	generation_close(g, kept, unlink_files);
	logs_close(&g->logs);
	if (g->control_fd != -1)
		close(g->control_fd);
	board_free(g->board);
	config_free(g->config);
	free(g);
}

int
generation_start(struct generation *g, unsigned number,
    const struct handover_sockets *handover, int terminal_fd,
    void (*in_child)(void *context, struct generation *self), void *context)
{
	pid_t master = getpid(), pid;
	int pair[2], saved;

	g->board = board_new(g->config->workers.max + ZYGOTE_SLOTS_SPARE,
	    g->config->metrics_count > 0 ? g->config->servlet_count + 1 : 0);
	if (g->board == NULL)
		return -1;
	if (control_open(pair) == -1)
		goto fail;
	g->number = number;
	pid = fork();
	if (pid == 0) {
		struct zygote_setup setup = {
			.config = g->config, .listeners = &g->listeners,
			.handover = handover, .board = g->board,
			.generation = number, .master = master, .control_fd = pair[1],
			.error_log_fd = g->logs.error_fd,
			.access_log_fd = g->logs.access_fd, .terminal_fd = terminal_fd,
		};

		close(pair[0]);
		unsetenv("NOTIFY_SOCKET");
		in_child(context, g);
		_exit(zygote_run(&setup));
	}
	saved = errno;
	close(pair[1]);
	errno = saved;
	if (pid == -1) {
		close(pair[0]);
		goto fail;
	}
	g->pid = pid;
	g->control_fd = pair[0];
	g->state = GENERATION_LOADING;
	g->started_ns = clock_ns();
	g->kill_ns = g->served_ns = 0;
	return 0;

fail:
	saved = errno;
	board_free(g->board);
	g->board = NULL;
	errno = saved;
	return -1;
}

void
generation_ended(struct generation *g)
{
	g->pid = 0;
	close(g->control_fd);
	g->control_fd = -1;
	board_free(g->board);
	g->board = NULL;
	g->kill_ns = 0;
}

void
generation_kill(struct generation *g)
{
	if (g->pid <= 0)
		return;
	/* Its process group, once it has made one. */
	kill(-g->pid, SIGKILL);
	kill(g->pid, SIGKILL);
}

int
generation_reopen_logs(struct generation *g)
{
	struct logs new;
	char error[1024];
	int fds[2], count = 0, answer = 0;

	if (g->config->error_log.path == NULL && g->config->access_log.path == NULL)
		return 0;
	if (logs_open(&new, g->config, error, sizeof(error)) == -1) {
		log_error("%s", error);
		return -1;
	}
	fds[count++] = new.error_fd;
	if (new.access_fd != -1)
		fds[count++] = new.access_fd;
	if (g->control_fd != -1 && control_send(g->control_fd, CONTROL_LOGS, fds, count) == -1) {
		log_error("generation %u cannot be given the new logs: %s", g->number,
		    strerror(errno));
		answer = -1;
	}
	/* Over the old numbers, which are in use. */
	if (new.error_fd != g->logs.error_fd && g->logs.error_fd > STDERR_FILENO)
		dup3(new.error_fd, g->logs.error_fd, O_CLOEXEC);
	if (new.access_fd != -1)
		dup3(new.access_fd, g->logs.access_fd, O_CLOEXEC);
	logs_close(&new);
	return answer;
}

int
generation_failure(const struct generation *g, int status, char *text, size_t size)
{
	const char *kind, *name;
	struct config_place place;
	bool loading = program_loading_what(g->config, atomic_load(&g->board->loading),
	    &place, &kind, &name);

	if (!loading && WIFEXITED(status) && WEXITSTATUS(status) == 1)
		return 0;
	if (g->given_up && loading)
		snprintf(text, size, "%s:%d: %s %s was still being loaded", place.file, place.line,
		    kind, name);
	else if (WIFSIGNALED(status) && loading)
		snprintf(text, size, "%s:%d: %s %s crashed while loading: %s", place.file,
		    place.line, kind, name, crash_signal_name(WTERMSIG(status)));
	else if (WIFSIGNALED(status))
		snprintf(text, size, "%s: the zygote died of %s", g->config->file,
		    crash_signal_name(WTERMSIG(status)));
	else if (loading)
		snprintf(text, size, "%s:%d: %s %s called exit(%d) while loading", place.file,
		    place.line, kind, name, WEXITSTATUS(status));
	else
		snprintf(text, size, "%s: the zygote exited with status %d", g->config->file,
		    WEXITSTATUS(status));
	return 1;
}
