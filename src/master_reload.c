/*
 * master_reload.c - generations that load, take over, and die.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "daemon.h"
#include "debug.h"
#include "log.h"
#include "master.h"
#include "notify.h"
#include "watch.h"

/* A zygote that loads for longer is given up. */
#define LOAD_MAX_NS (300ull * SECOND_NS)

/* When another reload is asked for meanwhile, one that loads for twice as long as
 * the one that serves has, and so much more: what keeps it may be mended by now. */
#define LOAD_MORE_NS (2ull * SECOND_NS)

/* Zygotes enforce drain themselves and say what they end; after so much more
 * the master does it. */
#define DRAIN_GRACE_NS (2ull * SECOND_NS)

/* A zygote that dies: pause before the next, doubling up to RESTART_MAX_S while
 * they die within STEADY_NS of service. */
#define RESTART_MAX_S 30u
#define STEADY_NS (60ull * SECOND_NS)

/* ---------------------------------------------------------- generations */

/* In the new zygote of `self`: what is the master's, or another generation's. */
static void
master_in_child(void *context, struct generation *self)
{
	struct master *m = context;
	struct generation *g, *next;

	log_open(self->logs.error_fd, "zygote");
	if (m->log_fd != -1)
		close(m->log_fd);
	pidfile_forget(&m->pidfile);
	watch_free(m->watch);
	passed_close(&m->passed);
	if (m->daemon_fd != -1)
		close(m->daemon_fd);
	for (g = m->leaving; g != NULL; g = next) {
		next = g->next;
		generation_free(g, self, false);
	}
	if (m->current != self)
		generation_free(m->current, self, false);
	if (m->candidate != self)
		generation_free(m->candidate, self, false);
	listeners_close(&self->metrics, NULL, false);
	master_metrics_forget(m);
}

int
master_start_zygote(struct master *m, struct generation *g)
{
	if (generation_start(g, m->numbers + 1, &m->handover, m->terminal_fd,
	    master_in_child, m) == -1) {
		master_problem(m, "%s: a zygote cannot be started: %s", g->config->file,
		    strerror(errno));
		return -1;
	}
	m->numbers++;
	g->kill_ns = g->started_ns + LOAD_MAX_NS;
	g->given_up = false;
	m->metrics.stale = true;
	return 0;
}

static void
master_reload_failed(struct master *m)
{
	m->metrics.sum.reloads_failed++;
	m->metrics.stale = true;
	log_error("reload failed: the configuration loaded before stays in force");
	notify_send("READY=1");
}

static size_t
add_list(const char **paths, const struct file_list *l)
{
	const char *at = NULL;
	size_t n = 0;

	while ((at = file_list_next(l, at)) != NULL)
		paths[n++] = at;
	return n;
}

/* Watches the files of the configuration, and what was loaded by it: while a
 * load fails, the files of the generation that serves may be where to mend.  Only
 * one that has come into force ends the watching. */
static void
master_watch(struct master *m, const struct config *c)
{
	const char **paths;
	size_t n = 0;

	if (!c->reload && (m->current == NULL || !m->current->config->reload)) {
		watch_free(m->watch);
		m->watch = NULL;
		return;
	}
	paths = calloc(c->file_count + c->servlet_count + m->served.count + m->tried.count + 1,
	    sizeof(*paths));
	if (paths == NULL)
		return;
	for (size_t i = 0; i < c->file_count; i++)
		paths[n++] = c->files[i];
	/* "pkg.module:name" is no file; nothing ever appears there. */
	for (size_t i = 0; i < c->servlet_count; i++)
		if (c->servlets[i].servlet.path[0] == '/')
			paths[n++] = c->servlets[i].servlet.path;
	n += add_list(paths + n, &m->served);
	n += add_list(paths + n, &m->tried);
	if (m->watch == NULL)
		m->watch = watch_new();
	if (m->watch == NULL || watch_files(m->watch, paths, n, &m->tried_since) == -1)
		log_error("files cannot be watched: %s", strerror(errno));
	free((void *)paths);
}

static void
master_write_pidfile(struct master *m, const struct config *c)
{
	const char *path = c->pidfile.path;

	if (m->pidfile.path != NULL && path != NULL && strcmp(m->pidfile.path, path) == 0)
		return;
	pidfile_close(&m->pidfile);
	if (pidfile_open(&m->pidfile, path) == -1)
		log_error("%s:%d: pidfile \"%s\" cannot be written: %s", c->pidfile.place.file,
		    c->pidfile.place.line, path, errno == EEXIST ?
		    "a running server holds it" : strerror(errno));
}

int
master_load(struct master *m, struct config *config)
{
	char error[1024];

	master_watch(m, config);
	m->candidate = generation_new(config, m->current, &m->passed, error, sizeof(error));
	if (m->candidate == NULL) {
		master_problem(m, "%s", error);
		return -1;
	}
	/* From here on problems are the error log's, where there is one. */
	if (m->current == NULL) {
		master_use_log(m, m->candidate->logs.error_fd);
		/* Before the first answer: who has read one finds it. */
		master_write_pidfile(m, config);
	}
	if (master_start_zygote(m, m->candidate) == -1) {
		generation_free(m->candidate, m->current, true);
		m->candidate = NULL;
		return -1;
	}
	return 0;
}

static void
master_log_lines(char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_error("%s", line);
}

/* Another reload waits for the candidate. */
static void
master_hurry(struct master *m)
{
	struct generation *g = m->candidate;
	uint64_t enough = LOAD_MORE_NS;

	if (g == NULL || m->current == NULL)
		return;
	if (m->current->served_ns > m->current->started_ns)
		enough += 2 * (m->current->served_ns - m->current->started_ns);
	if (g->kill_ns > g->started_ns + enough)
		g->kill_ns = g->started_ns + enough;
}

void
master_reload(struct master *m)
{
	struct config *config;
	char *errors = NULL;

	if (m->candidate != NULL || m->current == NULL) {
		m->reload_wanted = true;
		master_hurry(m);
		return;
	}
	m->reload_wanted = false;
	log_info("reloading %s", m->current->config->file);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)(clock_ns() / 1000u));
	m->tried_since = watch_now();
	file_list_free(&m->tried);
	config = config_load(m->current->config->file, &errors, &m->tried);
	if (config == NULL) {
		master_log_lines(errors);
		master_watch(m, m->current->config);
	}
	free(errors);
	if (config == NULL || master_load(m, config) == -1)
		master_reload_failed(m);
}

/* Those that are not in `known` already. */
static void
log_listeners(const struct listeners *l, const struct listeners *known, const char *what,
    const char *path)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct config_listen *c = l->at[i].listen;

		if (listeners_find(known, c) != NULL)
			continue;
		if (l->at[i].passed != NULL)
			log_info("%s %s, passed as \"%s\"", what, l->at[i].passed->text,
			    l->at[i].passed->name);
		else if (c->family == LISTEN_UNIX)
			log_info("%s unix:%s", what, c->host);
		else if (c->family == LISTEN_INET6)
			log_info("%s http://[%s]:%u%s", what, c->host, c->port, path);
		else
			log_info("%s http://%s:%u%s", what, c->host, c->port, path);
	}
}

/* The first generation serves: who started us may go. */
static void
master_started(struct master *m)
{
	if (m->terminal_fd != -1)
		close(m->terminal_fd);
	m->terminal_fd = -1;
	if (m->daemon_fd != -1)
		daemon_ready(m->daemon_fd);
	m->daemon_fd = -1;
}

void
master_let_go(struct generation *g, enum control_message how)
{
	uint32_t drain_ms = g->config->timeouts.drain;

	g->state = GENERATION_LEAVING;
	if (control_send(g->control_fd, how, NULL, 0) == -1)
		generation_kill(g);
	if (drain_ms > 0)
		g->kill_ns = clock_ns() + (uint64_t)drain_ms * 1000000u + DRAIN_GRACE_NS;
}

/* The candidate takes over from the current generation. */
static void
master_promote(struct master *m)
{
	struct generation *old = m->current, *new = m->candidate;
	const struct config_listen *exposed;

	m->candidate = NULL;
	m->current = new;
	file_list_free(&m->served);
	m->served = m->tried;
	m->tried = (struct file_list){ NULL, 0, 0 };
	if (!new->config->reload)
		master_watch(m, new->config);
	master_use_log(m, new->logs.error_fd);
	log_listeners(&new->listeners, old != NULL ? &old->listeners : NULL, "listening on", "/");
	log_listeners(&new->metrics, old != NULL ? &old->metrics : NULL, "metrics at", "/metrics");
	master_write_pidfile(m, new->config);
	log_info("generation %u serves %zu %s", new->number, new->config->servlet_count,
	    new->config->servlet_count == 1 ? "servlet" : "servlets");
	exposed = debug_exposed(new->config, &new->listeners);
	if (exposed != NULL)
		log_warning("debug is on: whoever can connect to %s reads what is logged of "
		    "requests that fail", exposed->text);
	if (geteuid() == 0 && (!new->config->has_user || new->config->uid == 0))
		log_warning("servlets run as root: the configuration has no user for them");
	notify_send("READY=1\nMAINPID=%ld\nSTATUS=generation %u", (long)getpid(), new->number);
	m->metrics.stale = true;
	if (metrics_use(&m->metrics.sum, new->config) == -1)
		log_error("metrics of routes: %s", strerror(errno));
	if (old == NULL) {
		master_started(m);
		return;
	}
	m->metrics.sum.reloads++;
	/* Its zygote keeps its own copies until it has been told. */
	if (old->state == GENERATION_SERVING)
		master_let_go(old, CONTROL_LEAVE);
	else
		generation_kill(old);
	generation_close(old, new, true);
	if (old->pid == 0) {
		generation_free(old, new, false);
		return;
	}
	old->state = GENERATION_LEAVING;
	old->next = m->leaving;
	m->leaving = old;
}

static void
master_ready(struct master *m, struct generation *g)
{
	g->state = GENERATION_SERVING;
	g->kill_ns = 0;
	g->served_ns = clock_ns();
	if (g == m->candidate)
		master_promote(m);
	else
		log_info("generation %u serves in place of the one that died", g->number);
}

/* The generation's zygote tells what it has loaded. */
static void
master_files(struct master *m, const struct generation *g, int fd)
{
	/* That of a zygote that replaces a dead one is known. */
	if (g != m->candidate)
		return;
	if (file_list_read(&m->tried, fd) == -1)
		log_error("what was loaded is not watched: %s", strerror(errno));
	master_watch(m, g->config);
}

void
master_listen(struct master *m, struct generation *g)
{
	enum control_message message = CONTROL_NONE;
	int fds[2], count = 0;

	if (g == NULL || g->control_fd == -1)
		return;
	do {
		message = control_receive(g->control_fd, fds, &count);
		if (message == CONTROL_READY && g->state == GENERATION_LOADING)
			master_ready(m, g);
		else if (message == CONTROL_FILES && count == 1)
			master_files(m, g, fds[0]);
		while (count > 0)
			close(fds[--count]);
	} while (message > 0);
}

/* ------------------------------------------------------- zygotes that die */

/* The zygote has been reaped, and with it all its workers. */
static void
master_ended(struct master *m, struct generation *g)
{
	metrics_add(&m->metrics.sum, g->board, g->config);
	m->metrics.stale = true;
	generation_ended(g);
}

/* The generation that serves has lost its zygote. */
static void
master_lost_current(struct master *m, int status)
{
	struct generation *g = m->current;
	char text[1024];
	unsigned pause = 0;

	if (g->served_ns == 0 && generation_failure(g, status, text, sizeof(text)) != 0)
		log_error("%s", text);
	if (g->served_ns != 0 && WIFSIGNALED(status))
		log_error("the zygote of generation %u died of %s", g->number,
		    crash_signal_name(WTERMSIG(status)));
	else if (g->served_ns != 0)
		log_error("the zygote of generation %u exited with status %d", g->number,
		    WEXITSTATUS(status));
	if (g->served_ns != 0 && clock_ns() - g->served_ns > STEADY_NS)
		g->restarts = 0;
	/* 0, 1, 2, 4, ... seconds. */
	if (g->restarts > 0)
		pause = g->restarts > 5 ? RESTART_MAX_S : 1u << (g->restarts - 1);
	g->restarts++;
	m->metrics.sum.zygote_deaths += g->served_ns != 0;
	master_ended(m, g);
	g->state = GENERATION_WAITING;
	g->restart_ns = clock_ns() + (uint64_t)pause * SECOND_NS;
	if (pause > 0)
		log_error("the next zygote starts in %u s", pause);
}

static void
master_lost_candidate(struct master *m, int status)
{
	struct generation *g = m->candidate;
	char text[1024];

	if (!m->stopping && generation_failure(g, status, text, sizeof(text)) != 0)
		master_problem(m, "%s", text);
	generation_ended(g);
	m->candidate = NULL;
	generation_free(g, m->current, true);
	if (m->stopping)
		return;
	if (m->current != NULL)
		master_reload_failed(m);
	else
		m->status = 1;
}

void
master_lost(struct master *m, pid_t pid, int status)
{
	if (master_metrics_lost(m, pid, status))
		return;
	/* What it has still said: READY, or what is to be mended. */
	if (m->candidate != NULL && m->candidate->pid == pid)
		master_listen(m, m->candidate);
	if (m->candidate != NULL && m->candidate->pid == pid) {
		master_lost_candidate(m, status);
		return;
	}
	if (m->current != NULL && m->current->pid == pid) {
		if (!m->stopping) {
			master_lost_current(m, status);
			return;
		}
		generation_ended(m->current);
		generation_free(m->current, NULL, true);
		m->current = NULL;
		return;
	}
	for (struct generation **g = &m->leaving; *g != NULL; g = &(*g)->next) {
		struct generation *gone = *g;

		if (gone->pid != pid)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			log_info("generation %u has left", gone->number);
		else if (!m->stopping)
			log_error("generation %u ended before it had left", gone->number);
		*g = gone->next;
		master_ended(m, gone);
		generation_free(gone, m->current, false);
		return;
	}
}

bool
master_knows(const struct master *m, pid_t pid)
{
	if ((m->candidate != NULL && m->candidate->pid == pid) ||
	    (m->current != NULL && m->current->pid == pid))
		return true;
	for (const struct generation *g = m->leaving; g != NULL; g = g->next)
		if (g->pid == pid)
			return true;
	return false;
}
