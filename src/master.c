/*
 * master.c - starts, reloads and stops the server.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "log.h"
#include "master.h"
#include "notify.h"
#include "signals.h"
#include "title.h"
#include "version.h"
#include "watch.h"

/* Descriptors asked for, where the hard limit allows: one per connection. */
#define DESCRIPTORS 65536u

/* Signals, watched files, two control sockets. */
#define POLL_MAX 4

void
master_problem(struct master *m, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Until it is open, the error log is what the terminal is. */
	if (m->log_fd != -1 || m->terminal_fd == -1)
		log_error("%s", text);
	if (m->terminal_fd != -1)
		dprintf(m->terminal_fd, "%s\n", text);
}

void
master_use_log(struct master *m, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy == -1)
		return;
	log_open(copy, "master");
	if (m->log_fd != -1)
		close(m->log_fd);
	m->log_fd = copy;
}

/* ------------------------------------------------------- signals */

static void
master_reap(struct master *m)
{
	siginfo_t info;
	int status;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 || info.si_pid == 0)
			return;
		/* While it is unburied its number is nobody else's: what is left of
		 * a zygote that did not end well ends here. */
		if ((info.si_code != CLD_EXITED || info.si_status != 0) &&
		    master_knows(m, info.si_pid))
			kill(-info.si_pid, SIGKILL);
		if (waitpid(info.si_pid, &status, 0) == info.si_pid)
			master_lost(m, info.si_pid, status);
	}
}

static void
generation_stop(struct generation *g, bool now)
{
	if (now || g->state == GENERATION_LOADING)
		generation_kill(g);
	else if (g->control_fd != -1)
		master_let_go(g, CONTROL_STOP);
}

static void
master_stop(struct master *m, bool now)
{
	notify_send("STOPPING=1");
	log_info(now ? "stopping now" : "stopping: what was accepted is finished first");
	m->stopping = true;
	if (m->candidate != NULL) {
		generation_kill(m->candidate);
		/* While it is known which of them are the current one's, too. */
		generation_close(m->candidate, m->current, true);
	}
	for (struct generation *g = m->leaving; g != NULL; g = g->next)
		generation_stop(g, now);
	if (m->current == NULL)
		return;
	/* Nobody new is let in; the file of a unix socket is gone at once. */
	listeners_close(&m->current->listeners, NULL, true);
	generation_stop(m->current, now);
	if (m->current->state == GENERATION_WAITING) {
		generation_free(m->current, NULL, true);
		m->current = NULL;
	}
}

static void
master_reopen_logs(struct master *m)
{
	int failed = 0;

	if (m->candidate != NULL)
		failed |= generation_reopen_logs(m->candidate);
	for (struct generation *g = m->leaving; g != NULL; g = g->next)
		failed |= generation_reopen_logs(g);
	if (m->current != NULL) {
		failed |= generation_reopen_logs(m->current);
		master_use_log(m, m->current->logs.error_fd);
	}
	m->metrics.stale = true;
	if (failed)
		log_error("not all logs have been opened again: the old files are used on");
	else
		log_info("logs reopened");
}

static void
master_signals(struct master *m)
{
	bool stop;

	signals_drain();
	if (signals_taken(SIGINT))
		master_stop(m, true);
	stop = signals_taken(SIGTERM);
	if ((signals_taken(SIGQUIT) || stop) && !m->stopping)
		master_stop(m, false);
	if (signals_taken(SIGUSR1))
		master_reopen_logs(m);
	if (signals_taken(SIGHUP) && !m->stopping)
		master_reload(m);
	if (signals_taken(SIGCHLD))
		master_reap(m);
}

/* ------------------------------------------------------------- the loop */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

static uint64_t
generation_due(const struct generation *g)
{
	return g->state == GENERATION_WAITING ? g->restart_ns : g->kill_ns;
}

/* What the clock demands of this generation. */
static void
generation_tick(struct master *m, struct generation *g, uint64_t now)
{
	if (g == NULL)
		return;
	if (g->state == GENERATION_WAITING && now >= g->restart_ns &&
	    master_start_zygote(m, g) == -1)
		g->restart_ns = now + SECOND_NS;
	if (g->kill_ns != 0 && now >= g->kill_ns) {
		log_error("generation %u %s", g->number, g->state == GENERATION_LOADING ?
		    "takes too long to load and is given up" :
		    "has not left in time and is killed");
		g->kill_ns = 0;
		g->given_up = g->state == GENERATION_LOADING;
		generation_kill(g);
	}
}

static void
master_wait(struct master *m)
{
	struct pollfd fds[POLL_MAX];
	uint64_t now = clock_ns(), due = earlier(m->settle_ns, m->metrics.restart_ns), wait;
	struct timespec t;
	nfds_t n = 0;

	fds[n++] = (struct pollfd){ .fd = signals_fd(), .events = POLLIN };
	if (m->watch != NULL && watch_fd(m->watch) != -1)
		fds[n++] = (struct pollfd){ .fd = watch_fd(m->watch), .events = POLLIN };
	else if (m->watch != NULL)
		due = earlier(due, now + WATCH_POLL_MS * 1000000ull);
	for (int i = 0; i < 2; i++) {
		struct generation *g = i == 0 ? m->current : m->candidate;

		if (g == NULL)
			continue;
		due = earlier(due, generation_due(g));
		/* One that is READY says nothing more but its death, and that is
		 * SIGCHLD's to tell. */
		if (g->control_fd != -1 && g->state == GENERATION_LOADING)
			fds[n++] = (struct pollfd){ .fd = g->control_fd, .events = POLLIN };
	}
	for (struct generation *g = m->leaving; g != NULL; g = g->next)
		due = earlier(due, generation_due(g));
	wait = due > now ? due - now : 0;
	t.tv_sec = (time_t)(wait / SECOND_NS);
	t.tv_nsec = (long)(wait % SECOND_NS);
	ppoll(fds, n, due != 0 ? &t : NULL, NULL);
}

static void
master_look_at_files(struct master *m, uint64_t now)
{
	const char *changed;

	if (m->watch == NULL || m->stopping)
		return;
	changed = watch_changed(m->watch);
	if (changed != NULL) {
		log_info("%s has changed", changed);
		m->settle_ns = now + WATCH_SETTLE_MS * 1000000ull;
	}
	if (m->settle_ns != 0 && now >= m->settle_ns && m->current != NULL) {
		m->settle_ns = 0;
		master_reload(m);
	}
}

static int
master_serve(struct master *m)
{
	while (m->current != NULL || m->candidate != NULL || m->leaving != NULL) {
		uint64_t now;

		master_metrics_renew(m);
		master_wait(m);
		/* READY before death: who says it and dies has served. */
		master_listen(m, m->candidate);
		master_listen(m, m->current);
		master_signals(m);
		now = clock_ns();
		generation_tick(m, m->current, now);
		generation_tick(m, m->candidate, now);
		for (struct generation *g = m->leaving; g != NULL; g = g->next)
			generation_tick(m, g, now);
		master_look_at_files(m, now);
		if (m->reload_wanted && m->candidate == NULL && m->current != NULL &&
		    !m->stopping)
			master_reload(m);
	}
	return m->status;
}

/* ------------------------------------------------------------- starting */

/* Every connection is a descriptor. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int
master_prepare(struct master *m, const struct config *c, bool daemon)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGCHLD };

	if (c->pidfile.path != NULL && pidfile_check(c->pidfile.path) == -1) {
		master_problem(m, "%s:%d: pidfile \"%s\": %s", c->pidfile.place.file,
		    c->pidfile.place.line, c->pidfile.path,
		    errno == EEXIST ? "a running server holds it" : strerror(errno));
		return -1;
	}
	if (daemon && (m->daemon_fd = daemon_start()) == -1) {
		master_problem(m, "cannot become a daemon: %s", strerror(errno));
		return -1;
	}
	if (c->error_log.path != NULL || daemon)
		m->terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (daemon && daemon_detach() && c->error_log.path == NULL) {
		dprintf(m->terminal_fd, "%s: warning: a daemon without error_log: "
		    "what it has to say is lost\n", c->file);
	} else if (daemon && c->error_log.path == NULL) {
		close(m->terminal_fd);	/* a file, which the error log is */
		m->terminal_fd = -1;
	}
	raise_descriptor_limit();
	signals_child();	/* whatever was inherited */
	if (signals_open(signals, sizeof(signals) / sizeof(signals[0])) == -1 ||
	    handover_open(&m->handover) == -1) {
		master_problem(m, "%s: cannot start: %s", c->file, strerror(errno));
		return -1;
	}
	return 0;
}

int
master_run(struct config *config, const char *path, bool daemon)
{
	struct master m = { .terminal_fd = -1, .daemon_fd = -1, .log_fd = -1,
	    .pidfile.fd = -1, .metrics.turn_fd = -1 };
	char error[1024];
	int status;

	log_open(STDERR_FILENO, "master");
	/* Before anything is forked: they are this process's. */
	if (passed_take(&m.passed, error, sizeof(error)) == -1) {
		master_problem(&m, "%s: %s", config->file, error);
		config_free(config);
		return 1;
	}
	if (master_prepare(&m, config, daemon) == -1) {
		config_free(config);
		return 1;
	}
	title_set("master %s", path);
	m.tried_since = watch_now();
	if (master_load(&m, config) == -1) {
		pidfile_close(&m.pidfile);
		return 1;
	}
	log_info("modserver %s starts with %s", MODSERVER_VERSION, m.candidate->config->file);
	m.metrics.sum.started_s = (int64_t)time(NULL);
	status = master_serve(&m);
	master_metrics_end(&m);
	watch_free(m.watch);
	file_list_free(&m.served);
	file_list_free(&m.tried);
	pidfile_close(&m.pidfile);
	log_info("stopped");
	return status;
}
