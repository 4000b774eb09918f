/* master.c - see master.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "crash.h"
#include "generation.h"
#include "log.h"
#include "logs.h"
#include "master.h"
#include "notify.h"
#include "pidfile.h"
#include "program.h"
#include "signals.h"
#include "title.h"
#include "version.h"
#include "watch.h"
#include "zygote.h"

#define RESTART_MS 1000u		/* after a zygote died, doubling */
#define RESTART_MAX_MS 30000u
#define STOP_GRACE_MS 2000u		/* beyond drain, before everything is killed */

struct master {
	const char *config_path;
	struct handover_sockets handover;
	struct generation *current;	/* serving; NULL only before the first and after a crash */
	struct generation *loading;	/* the next one, not ready yet */
	struct generation *leaving;	/* earlier ones that finish */
	unsigned generations;
	struct logs logs;
	struct pidfile pidfile;
	struct watch *watch;
	bool reload_again;		/* asked for while one was loading */
	bool stopping, failed;
	uint64_t kill_at_ms;		/* end of drain, 0: none */
	uint64_t restart_at_ms;		/* 0: nothing to restart */
	uint64_t restart_ms;
	int parent_fd;			/* daemon: the waiting parent; -1 */
	int terminal_fd;		/* until the first generation serves; -1: stderr is it */
};

/* ----------------------------------------------------------------- messages */

/* Several lines, each a line of the log. */
static void
log_lines(const char *lines)
{
	const char *end;

	for (; *lines != '\0'; lines = end + 1) {
		end = strchr(lines, '\n');
		log_error("%.*s", (int)(end - lines), lines);
		if (end[1] == '\0')
			break;
	}
}

/* Where people look: http://0.0.0.0:8080/ */
static void
log_listeners(const struct config *c)
{
	size_t i;

	for (i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listens[i];

		if (l->family == LISTEN_UNIX)
			log_info("listening on unix:%s", l->host);
		else
			log_info(l->family == LISTEN_INET6 ? "listening on http://[%s]:%u/" :
			    "listening on http://%s:%u/", l->host, (unsigned)l->port);
	}
}

/* The daemon's parent leaves with this status. */
static void
master_tell_parent(struct master *m, char status)
{
	ssize_t n;

	if (m->terminal_fd != -1)
		close(m->terminal_fd);
	m->terminal_fd = -1;
	if (m->parent_fd == -1)
		return;
	n = write(m->parent_fd, &status, 1);
	(void)n;
	close(m->parent_fd);
	m->parent_fd = -1;
}

/* --------------------------------------------------------------- generations */

static void
master_watch(struct master *m)
{
	const struct config *c = m->current->config;
	const char **paths;
	size_t i, count = 0;

	if (!c->reload) {
		watch_free(m->watch);
		m->watch = NULL;
		return;
	}
	if (m->watch == NULL && (m->watch = watch_new()) == NULL) {
		log_error("reload \"on\" does not work: %m");
		return;
	}
	paths = malloc((c->file_count + c->servlet_count) * sizeof(paths[0]));
	if (paths == NULL)
		return;
	for (i = 0; i < c->file_count; i++)
		paths[count++] = c->files[i];
	for (i = 0; i < c->servlet_count; i++)
		paths[count++] = c->servlets[i].servlet.path;
	if (watch_files(m->watch, paths, count) == -1)
		log_error("reload \"on\" does not work: %m");
	free(paths);
}

static void
master_send(const struct generation *g, enum control_message message, const int *fds, int count)
{
	if (g != NULL && g->control_fd != -1 &&
	    control_send(g->control_fd, message, fds, count) == -1 && errno != EPIPE)
		log_error("generation %u does not listen: %m", g->number);
}

/* Uses the logs of a configuration from now on; 0, or -1 and told. */
static int
master_use_logs(struct master *m, const struct config *c)
{
	struct logs logs;
	char error[1024];

	if (logs_open(&logs, c, error, sizeof(error)) == -1) {
		log_error("%s", error);
		return -1;
	}
	if (logs.error_fd != -1) {
		dup2(logs.error_fd, STDERR_FILENO);
		dup2(logs.error_fd, STDOUT_FILENO);
	}
	logs_close(&m->logs);
	m->logs = logs;
	return 0;
}

static void
master_reload(struct master *m)
{
	struct generation *g;
	char *errors;

	m->reload_again = m->loading != NULL;
	if (m->loading != NULL || m->stopping)
		return;
	notify_send("RELOADING=1");
	g = generation_new(++m->generations, m->config_path, m->current, &errors);
	if (g == NULL) {
		log_lines(errors == NULL ? "out of memory\n" : errors);
		log_error("the configuration is not used; what served goes on");
		free(errors);
		notify_send("READY=1");
		return;
	}
	if (master_use_logs(m, g->config) == -1 ||
	    generation_start(g, &m->handover, m->logs.access_fd, -1) == -1) {
		log_error("generation %u cannot start: %m; what served goes on", g->number);
		generation_free(g, m->current);
		return;
	}
	log_info("loading generation %u", g->number);
	m->loading = g;
}

/* Its zygote has loaded everything: it serves, and the one before leaves. */
static void
master_ready(struct master *m, struct generation *g)
{
	struct generation *old = m->current;

	g->serving = true;
	m->current = g;
	m->loading = NULL;
	m->restart_ms = 0;
	m->restart_at_ms = 0;
	if (old != NULL) {
		listeners_close(&old->listeners, &g->listeners, true);
		master_send(old, CONTROL_LEAVE, NULL, 0);
		old->next = m->leaving;
		m->leaving = old;
	} else {
		log_listeners(g->config);
	}
	log_info("generation %u serves %zu route%s", g->number, g->config->servlet_count,
	    g->config->servlet_count == 1 ? "" : "s");
	master_tell_parent(m, 0);
	notify_send("READY=1\nMAINPID=%ld", (long)getpid());
	master_watch(m);
	if (m->reload_again)
		master_reload(m);
}

/* ------------------------------------------------------------------- deaths */

static void
master_log_crash(const struct generation *g, int status)
{
	const char *kind, *name;
	struct config_place place;

	if (!WIFSIGNALED(status))
		return;		/* it has said why */
	if (program_loading_what(g->config, atomic_load(&g->board->loading), &place, &kind, &name))
		log_error("%s:%d: %s %s crashed while loading: %s", place.file, place.line, kind,
		    name, crash_signal_name(WTERMSIG(status)));
	else
		log_error("the zygote of generation %u died of %s", g->number,
		    crash_signal_name(WTERMSIG(status)));
}

static void
master_loading_died(struct master *m, int status)
{
	struct generation *g = m->loading;

	master_log_crash(g, status);
	m->loading = NULL;
	generation_free(g, m->current);
	if (m->current == NULL && m->restart_ms == 0) {
		m->failed = m->stopping = true;
		return;
	}
	if (m->current == NULL) {	/* a restart that failed */
		m->restart_ms = m->restart_ms * 2 < RESTART_MAX_MS ? m->restart_ms * 2 : RESTART_MAX_MS;
		m->restart_at_ms = clock_ms() + m->restart_ms;
		return;
	}
	log_error("generation %u could not load: generation %u goes on", g == NULL ? 0 :
	    m->generations, m->current->number);
	notify_send("READY=1");
	if (m->reload_again)
		master_reload(m);
}

/* Never expected: nobody but an administrator kills a zygote. */
static void
master_current_died(struct master *m, int status)
{
	struct generation *g = m->current;

	master_log_crash(g, status);
	if (!WIFSIGNALED(status))
		log_error("the zygote of generation %u left", g->number);
	generation_kill(g);
	if (m->restart_ms == 0)
		m->restart_ms = RESTART_MS;
	m->restart_at_ms = clock_ms() + (g->serving ? 0 : m->restart_ms);
	g->pid = 0;
	g->serving = false;
	close(g->control_fd);
	g->control_fd = -1;
}

static void
master_restart(struct master *m)
{
	struct generation *g = m->current;

	m->restart_at_ms = 0;
	if (m->stopping || g == NULL)
		return;
	board_free(g->board);
	g->board = board_new(g->config->workers.max + ZYGOTE_SLOTS_SPARE);
	if (g->board == NULL ||
	    generation_start(g, &m->handover, m->logs.access_fd, -1) == -1) {
		log_error("the zygote cannot be started again: %m");
		m->restart_at_ms = clock_ms() + RESTART_MAX_MS;
		return;
	}
	log_info("generation %u starts again", g->number);
}

static void
master_reap(struct master *m)
{
	struct generation **at, *g;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (m->loading != NULL && m->loading->pid == pid) {
			master_loading_died(m, status);
			continue;
		}
		if (m->current != NULL && m->current->pid == pid) {
			if (m->stopping)
				m->current->pid = 0;
			else
				master_current_died(m, status);
			continue;
		}
		for (at = &m->leaving; *at != NULL && (*at)->pid != pid; at = &(*at)->next)
			continue;
		if ((g = *at) != NULL) {
			*at = g->next;
			log_info("generation %u has left", g->number);
			/* Its listeners were closed when the next one took over. */
			g->listeners.count = 0;
			generation_free(g, NULL);
		}
	}
}

/* ------------------------------------------------------------------ signals */

static void
master_each(struct master *m, void (*act)(struct master *, struct generation *))
{
	struct generation *g;

	if (m->current != NULL)
		act(m, m->current);
	if (m->loading != NULL)
		act(m, m->loading);
	for (g = m->leaving; g != NULL; g = g->next)
		act(m, g);
}

static void
stop_generation(struct master *m, struct generation *g)
{
	(void)m;
	master_send(g, CONTROL_STOP, NULL, 0);
}

static void
kill_generation(struct master *m, struct generation *g)
{
	(void)m;
	generation_kill(g);
}

static void
master_stop(struct master *m, const char *why)
{
	const struct config *c = m->current == NULL ? NULL : m->current->config;

	if (m->stopping)
		return;
	log_info("stopping: %s", why);
	notify_send("STOPPING=1");
	m->stopping = true;
	if (m->loading != NULL)
		generation_kill(m->loading);
	master_each(m, stop_generation);
	if (c != NULL && c->timeouts.drain > 0)
		m->kill_at_ms = clock_ms() + c->timeouts.drain + STOP_GRACE_MS;
}

static void
send_logs(struct master *m, struct generation *g)
{
	int fds[2] = { STDERR_FILENO, m->logs.access_fd };

	master_send(g, CONTROL_LOGS, fds, m->logs.access_fd == -1 ? 1 : 2);
}

static void
master_signals(struct master *m)
{
	if (signals_taken(SIGCHLD))
		master_reap(m);
	if (signals_taken(SIGINT)) {
		master_stop(m, "signal INT, now");
		master_each(m, kill_generation);
	}
	if (signals_taken(SIGTERM))
		master_stop(m, "signal TERM");
	if (signals_taken(SIGQUIT))
		master_stop(m, "signal QUIT");
	if (signals_taken(SIGHUP)) {
		log_info("signal HUP: reload");
		master_reload(m);
	}
	if (signals_taken(SIGUSR1) && m->current != NULL &&
	    master_use_logs(m, m->current->config) == 0) {
		master_each(m, send_logs);
		log_info("signal USR1: the logs have been opened anew");
	}
}

/* --------------------------------------------------------------------- loop */

static void
master_control(struct master *m, struct generation *g)
{
	int fds[2], count;

	while (control_receive(g->control_fd, fds, &count) == CONTROL_READY) {
		if (g == m->loading)
			master_ready(m, g);
		else
			g->serving = true;	/* started again */
	}
}

static bool
master_done(const struct master *m)
{
	return m->stopping && m->loading == NULL && m->leaving == NULL &&
	    (m->current == NULL || m->current->pid == 0);
}

static int
master_timeout(const struct master *m)
{
	uint64_t now = clock_ms(), at = m->kill_at_ms;

	if (m->restart_at_ms != 0 && (at == 0 || m->restart_at_ms < at))
		at = m->restart_at_ms;
	if (m->watch != NULL && watch_fd(m->watch) == -1 && (at == 0 || now + WATCH_POLL_MS < at))
		at = now + WATCH_POLL_MS;
	if (at == 0)
		return -1;
	return at <= now ? 0 : (int)(at - now);
}

static void
master_look_after(struct master *m)
{
	const char *path;
	uint64_t now = clock_ms();

	if (m->watch != NULL && (path = watch_changed(m->watch)) != NULL) {
		log_info("%s has changed: reload", path);
		master_reload(m);
	}
	if (m->restart_at_ms != 0 && now >= m->restart_at_ms)
		master_restart(m);
	if (m->kill_at_ms != 0 && now >= m->kill_at_ms) {
		master_each(m, kill_generation);
		m->kill_at_ms = now + STOP_GRACE_MS;
	}
}

/* A file that changes goes on changing for a while: a compiler writes. */
static void
master_settle(const struct master *m, struct pollfd *p)
{
	if (m->watch != NULL && p->revents != 0) {
		const struct timespec t = { .tv_nsec = WATCH_SETTLE_MS * 1000000L };

		nanosleep(&t, NULL);
	}
}

static void
master_loop(struct master *m)
{
	struct pollfd p[4];

	while (!master_done(m)) {
		p[0].fd = signals_fd();
		p[1].fd = m->loading != NULL ? m->loading->control_fd : -1;
		p[2].fd = m->current != NULL && !m->current->serving ? m->current->control_fd : -1;
		p[3].fd = m->watch != NULL ? watch_fd(m->watch) : -1;
		for (int i = 0; i < 4; i++) {
			p[i].events = POLLIN;
			p[i].revents = 0;
		}
		if (poll(p, 4, master_timeout(m)) > 0)
			master_settle(m, &p[3]);
		signals_drain();
		if (p[2].revents != 0)
			master_control(m, m->current);
		if (p[1].revents != 0 && m->loading != NULL)
			master_control(m, m->loading);
		master_signals(m);
		master_look_after(m);
	}
}

/* -------------------------------------------------------------------- start */

/* The child goes on as the daemon; the parent waits until it serves. */
static void
master_daemonize(struct master *m)
{
	char status = 1;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
		log_error("cannot become a daemon: %m");
		exit(1);
	}
	if (pid > 0) {
		close(fds[1]);
		if (read(fds[0], &status, 1) != 1)
			status = 1;
		_exit(status);
	}
	close(fds[0]);
	m->parent_fd = fds[1];
	m->terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	setsid();
	if (fork() > 0)
		_exit(0);	/* no controlling terminal can be acquired any more */
}

static int
master_open_pidfile(struct master *m, const struct config *c)
{
	if (pidfile_open(&m->pidfile, c->pidfile) == 0)
		return 0;
	log_error("pidfile %s: %s", c->pidfile,
	    errno == EEXIST ? "held by a server that runs" : strerror(errno));
	return -1;
}

static int
master_start(struct master *m, bool daemonize)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1, SIGCHLD };
	struct generation *g;
	char *errors;

	g = generation_new(++m->generations, m->config_path, NULL, &errors);
	if (g == NULL) {
		fputs(errors == NULL ? "out of memory\n" : errors, stderr);
		free(errors);
		return -1;
	}
	m->loading = g;
	if (handover_open(&m->handover) == -1) {
		log_error("socketpair: %m");
		return -1;
	}
	if (g->config->pidfile != NULL && pidfile_held(g->config->pidfile)) {
		log_error("pidfile %s: held by a server that runs", g->config->pidfile);
		return -1;
	}
	if (daemonize)
		master_daemonize(m);
	log_info("modserver %s, process %ld, %s", MODSERVER_VERSION, (long)getpid(), m->config_path);
	if (master_use_logs(m, g->config) == -1 || master_open_pidfile(m, g->config) == -1)
		return -1;
	title_set("master %s", m->config_path);
	if (signals_open(signals, sizeof(signals) / sizeof(signals[0])) == -1 ||
	    generation_start(g, &m->handover, m->logs.access_fd, m->terminal_fd) == -1) {
		log_error("cannot start: %m");
		return -1;
	}
	return 0;
}

int
master_run(const char *config_path, bool daemonize)
{
	struct master m;
	char *path;

	memset(&m, 0, sizeof(m));
	m.logs.error_fd = m.logs.access_fd = -1;
	m.pidfile.fd = -1;
	m.parent_fd = m.terminal_fd = -1;
	m.config_path = config_path;
	log_open(STDERR_FILENO, "master");
	/* The directory may be another one by the time of a reload. */
	path = daemonize ? realpath(config_path, NULL) : NULL;
	if (path != NULL)
		m.config_path = path;
	if (master_start(&m, daemonize) == -1) {
		m.failed = true;
		if (m.loading != NULL)
			generation_free(m.loading, NULL);
		m.loading = NULL;
	} else {
		master_loop(&m);
	}
	generation_free(m.current, NULL);
	pidfile_close(&m.pidfile);
	master_tell_parent(&m, m.failed);
	if (!m.failed)
		log_info("stopped");
	watch_free(m.watch);
	free(path);
	return m.failed;
}
