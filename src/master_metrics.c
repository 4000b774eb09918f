/*
 * master_metrics.c - the master's part in metrics: it has what outlives a
 * generation, and starts the process that answers (metrics_server.c).
 *
 * That process has what the master knew when it was forked, and the boards of
 * the generations there were then, which it goes on seeing even when the master
 * has let them go.  Whenever the master knows more, a reload has ended for
 * instance, another process takes its place, but not before that has stopped to
 * listen: nobody is told less than before.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "log.h"
#include "master.h"

#define RESTART_NS SECOND_NS	/* after it has died */

/* Whose word counts: the generation that serves, at the start the one that loads. */
static struct generation *
metrics_generation(const struct master *m)
{
	return m->current != NULL ? m->current : m->candidate;
}

static int
metrics_look_at_all(void *context, struct metrics *now)
{
	const struct master *m = context;
	const struct generation *first = metrics_generation(m), *g;

	if (metrics_copy(now, &m->metrics.sum) == -1)
		return -1;
	now->generation = m->current != NULL ? m->current->number : 0;
	now->workers_max = first->config->workers.max;
	if (first->board != NULL) {
		metrics_add(now, first->board, first->config);
		metrics_look(now, first->board);
	}
	for (g = m->leaving; g != NULL; g = g->next) {
		metrics_add(now, g->board, g->config);
		metrics_look(now, g->board);
	}
	return 0;
}

static _Noreturn void
metrics_begin(struct master *m, pid_t master, int turn_fd, int before_fd)
{
	const struct generation *first = metrics_generation(m), *g;
	const struct metrics_setup setup = {
		.config = first->config, .listen_fd = first->metrics.at[0].fd,
		.turn_fd = turn_fd, .before_fd = before_fd,
		.error_log_fd = first->logs.error_fd,
		.master = master, .look = metrics_look_at_all, .context = m,
	};

	if (first->board != NULL)
		board_read_only(first->board);
	for (g = m->leaving; g != NULL; g = g->next)
		board_read_only(g->board);
	metrics_serve(&setup);
}

/* before_fd: of the process whose place it takes, or -1. */
static int
metrics_start(struct master *m, int before_fd)
{
	pid_t master = getpid(), pid;
	int pair[2];

	if (control_open(pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		metrics_begin(m, master, pair[1], before_fd);
	close(pair[1]);
	if (pid == -1) {
		close(pair[0]);
		return -1;
	}
	m->metrics.pid = pid;
	m->metrics.turn_fd = pair[0];
	return 0;
}

void
master_metrics_forget(struct master *m)
{
	if (m->metrics.turn_fd != -1)
		close(m->metrics.turn_fd);
	m->metrics.turn_fd = -1;
	m->metrics.pid = 0;
}

void
master_metrics_renew(struct master *m)
{
	const struct generation *g = metrics_generation(m);
	uint64_t restart = m->metrics.restart_ns;
	int before = m->metrics.turn_fd;

	/* The one there is sees the last requests answered as well. */
	if (m->stopping || g == NULL ||
	    (!m->metrics.stale && (restart == 0 || clock_ns() < restart)))
		return;
	m->metrics.stale = false;
	m->metrics.restart_ns = 0;
	m->metrics.turn_fd = -1;
	m->metrics.pid = 0;
	if (before != -1)
		shutdown(before, SHUT_WR);
	if (g->metrics.count > 0 && metrics_start(m, before) == -1) {
		log_error("metrics are not served: %s", strerror(errno));
		m->metrics.restart_ns = clock_ns() + RESTART_NS;
	}
	if (before != -1)
		close(before);
}

bool
master_metrics_lost(struct master *m, pid_t pid, int status)
{
	if (pid != m->metrics.pid)
		return false;
	if (WIFSIGNALED(status))
		log_error("the metrics process died of %s", crash_signal_name(WTERMSIG(status)));
	else
		log_error("the metrics process exited with status %d", WEXITSTATUS(status));
	master_metrics_forget(m);
	m->metrics.restart_ns = clock_ns() + RESTART_NS;
	return true;
}

void
master_metrics_end(struct master *m)
{
	pid_t pid = m->metrics.pid;

	master_metrics_forget(m);
	if (pid != 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	metrics_free(&m->metrics.sum);
}
