/*
 * program.c - the loaded modules and servlets of a generation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "module_load.h"
#include "program.h"
#include "signals.h"

#ifndef MODULE_DIRECTORY
#define MODULE_DIRECTORY "/usr/local/lib/modserver"
#endif

/* Values of *loading: 0, 1 + index of a module, LOADING_SERVLET + index. */
#define LOADING_SERVLET 0x80000000u

#define REPORT_MAX (MODULE_ERROR_MAX + 1024)

const char program_module_directory[] = MODULE_DIRECTORY;

/* One loading of a configuration. */
struct load {
	const struct config *config;
	_Atomic uint32_t *loading;
	program_report *report;
	void *context;
	size_t failures;
	struct programs *programs;
	struct signals_saved signals;
};

/* Whoever started the server as root could read that file. */
static void
say_as_whom(const struct config *c, char *text, size_t size)
{
	size_t length = strlen(text);

	if (c->has_user && geteuid() == c->uid && strstr(text, strerror(EACCES)) != NULL)
		snprintf(text + length, size - length, " (as user \"%s\")", c->user_name);
}

/* A problem at a place of the configuration: a failure, or for what is
 * optional a line in the log. */
static void __attribute__((format(printf, 4, 5)))
load_problem(struct load *l, const struct config_place *place, bool optional,
    const char *format, ...)
{
	char text[REPORT_MAX];
	va_list arguments;
	int n;

	n = snprintf(text, sizeof(text), "%s:%d: ", place->file, place->line);
	if (n < 0 || (size_t)n >= sizeof(text))
		n = 0;
	va_start(arguments, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, arguments);
	va_end(arguments);
	say_as_whom(l->config, text, sizeof(text));
	if (optional) {
		log_warning("%s (optional: left out)", text);
		return;
	}
	l->failures++;
	l->report(l->context, text);
}

static const struct module *
load_module(struct load *l, const struct config_module *c)
{
	char error[MODULE_ERROR_MAX] = "";
	const struct module *m;
	const char *version;
	int started = 0;

	m = module_load(c->name, error);
	if (m != NULL && m->start != NULL)
		started = m->start(c->options, c->option_count, error);
	else if (m != NULL && c->option_count > 0) {
		snprintf(error, sizeof(error), "module \"%s\" has no option \"%s\"",
		    c->name, c->options[0].name);
		started = -1;
	}
	signals_restore(&l->signals, false);
	if (m == NULL || started != 0) {
		load_problem(l, &c->place, c->optional, "%s",
		    error[0] != '\0' ? error : "the module cannot start");
		return NULL;
	}
	version = m->version != NULL ? m->version() : NULL;
	if (version != NULL)
		log_info("module %s: %s", c->name, version);
	return m;
}

static void
load_modules(struct load *l)
{
	for (size_t i = 0; i < l->config->module_count; i++) {
		atomic_store(l->loading, 1 + (uint32_t)i);
		l->programs->modules[i] = load_module(l, &l->config->modules[i]);
	}
	atomic_store(l->loading, 0);
}

/* The error of a program that a module has not told one for; at most so long. */
static void
program_error(const struct program *p, char *error)
{
	if (error[0] == '\0')
		snprintf(error, MODULE_ERROR_MAX, "%s cannot be loaded", p->servlet->text);
	error[MODULE_ERROR_MAX - 1] = '\0';
}

static int
program_check(const struct program *p, char *error)
{
	if (p->module->check == NULL || p->module->check(&p->servlet->servlet, error) == 0)
		return 0;
	program_error(p, error);
	return -1;
}

static void
load_servlet(struct load *l, struct program *p, bool everywhere)
{
	const struct config_servlet *c = p->servlet;
	char error[MODULE_ERROR_MAX] = "";

	p->module = l->programs->modules[c->module];
	if (p->module == NULL) {
		/* Of a module that failed we have heard; of a missing optional
		 * one it should be known what it takes along. */
		if (l->config->modules[c->module].optional)
			load_problem(l, &c->place, true, "%s needs module \"%s\"", c->text,
			    l->config->modules[c->module].name);
		return;
	}
	if (p->module->place != NULL)
		p->place = p->module->place(c->servlet.path);
	if (p->place == MODULE_IN_WORKER && !everywhere ?
	    program_check(p, error) == -1 : program_open(p, error) == -1) {
		load_problem(l, &c->place, c->optional, "%s", error);
		p->module = NULL;
	}
}

static struct programs *
programs_new(const struct config *config)
{
	struct programs *ps = calloc(1, sizeof(*ps));

	if (ps == NULL)
		return NULL;
	ps->count = config->servlet_count;
	ps->module_count = config->module_count;
	ps->at = calloc(ps->count + 1, sizeof(ps->at[0]));
	ps->modules = calloc(ps->module_count + 1, sizeof(ps->modules[0]));
	if (ps->at == NULL || ps->modules == NULL) {
		free(ps->at);
		free((void *)ps->modules);
		free(ps);
		return NULL;
	}
	for (size_t i = 0; i < ps->count; i++)
		ps->at[i].servlet = &config->servlets[i];
	return ps;
}

/* At most one runtime can own fork. */
static void
load_check_fork(struct load *l)
{
	const struct module *owner = NULL;

	for (size_t i = 0; i < l->programs->module_count; i++) {
		const struct module *m = l->programs->modules[i];

		if (m == NULL || m->fork == NULL)
			continue;
		if (owner != NULL && owner != m)
			load_problem(l, &l->config->modules[i].place, false,
			    "modules \"%s\" and \"%s\" cannot be loaded together: each must be the one that forks",
			    owner->name, m->name);
		owner = m;
	}
}

/* Loads what can be loaded; NULL only when out of memory. */
static struct programs *
load_all(struct load *l, bool everywhere)
{
	l->programs = programs_new(l->config);
	if (l->programs == NULL) {
		load_problem(l, &(struct config_place){ l->config->file, 1 }, false,
		    "out of memory");
		return NULL;
	}
	signals_save(&l->signals);
	load_modules(l);
	load_check_fork(l);
	/* Those of the workers last: what they load changes the process most. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < l->programs->count; i++) {
			struct program *p = &l->programs->at[i];

			if (pass == 1 && (p->place != MODULE_IN_WORKER ||
			    p->module == NULL || !everywhere))
				continue;
			atomic_store(l->loading, LOADING_SERVLET + (uint32_t)i);
			load_servlet(l, p, pass == 1);
		}
	}
	atomic_store(l->loading, 0);
	return l->programs;
}

static void
programs_free(struct programs *ps)
{
	free(ps->at);
	free((void *)ps->modules);
	free(ps);
}

static void
load_note_file(void *files, const char *path)
{
	/* What cannot be noted is not watched. */
	(void)spool_write(files, path, strlen(path) + 1);
}

struct programs *
programs_open(const struct config *config, _Atomic uint32_t *loading,
    program_report *report, void *context, struct spool *files)
{
	struct load l = { .config = config, .loading = loading, .report = report,
	    .context = context };
	struct programs *ps = load_all(&l, false);

	for (size_t i = 0; ps != NULL && files != NULL && i < ps->module_count; i++)
		if (ps->modules[i] != NULL && ps->modules[i]->each_file != NULL)
			ps->modules[i]->each_file(load_note_file, files);
	if (ps != NULL && l.failures > 0) {
		programs_free(ps);
		return NULL;
	}
	return ps;
}

size_t
programs_check(const struct config *config, _Atomic uint32_t *loading,
    program_report *report, void *context)
{
	struct load l = { .config = config, .loading = loading, .report = report,
	    .context = context };
	struct programs *ps = load_all(&l, true);

	if (ps != NULL)
		programs_free(ps);
	return l.failures;
}

bool
program_loading_what(const struct config *config, uint32_t loading,
    struct config_place *place, const char **kind, const char **name)
{
	size_t i;

	if (loading >= LOADING_SERVLET) {
		i = loading - LOADING_SERVLET;
		if (i >= config->servlet_count)
			return false;
		*place = config->servlets[i].place;
		*kind = "servlet";
		*name = config->servlets[i].text;
		return true;
	}
	if (loading == 0 || loading > config->module_count)
		return false;
	*place = config->modules[loading - 1].place;
	*kind = "module";
	*name = config->modules[loading - 1].name;
	return true;
}

int
program_open(struct program *p, char *error)
{
	struct signals_saved before;
	pid_t self = getpid();

	error[0] = '\0';
	signals_save(&before);
	p->handle = p->module->open(&p->servlet->servlet, error);
	/* What it has forked comes back as well, and must not go on as one of us. */
	if (getpid() != self) {
		fflush(NULL);
		_exit(p->handle == NULL);
	}
	/* What is loaded before fork leaves nothing behind; a runtime that is
	 * loaded after may need its handlers for its own faults. */
	signals_restore(&before, p->handle != NULL && p->place == MODULE_IN_WORKER &&
	    (p->module->flags & MODULE_KEEPS_SIGNALS) != 0);
	if (p->handle != NULL)
		return 0;
	program_error(p, error);
	return -1;
}

pid_t
programs_fork(struct programs *ps)
{
	pid_t (*own_fork)(void) = NULL;
	pid_t pid;
	int saved;

	for (size_t i = 0; i < ps->module_count; i++) {
		if (ps->modules[i] == NULL)
			continue;
		if (ps->modules[i]->before_fork != NULL)
			ps->modules[i]->before_fork();
		if (ps->modules[i]->fork != NULL)
			own_fork = ps->modules[i]->fork;
	}
	pid = own_fork != NULL ? own_fork() : fork();
	saved = errno;
	for (size_t i = ps->module_count; i-- > 0;) {
		const struct module *m = ps->modules[i];

		if (m == NULL)
			continue;
		if (pid == 0 && m->after_fork_child != NULL)
			m->after_fork_child();
		else if (pid != 0 && m->after_fork_parent != NULL)
			m->after_fork_parent();
	}
	errno = saved;
	return pid;
}

/* The modules from `next` on, each within the one before. */
struct idle {
	const struct programs *programs;
	size_t next;
	void (*sleep)(void *);
	void *argument;
};

static void
idle_next(void *argument)
{
	struct idle idle = *(struct idle *)argument;
	const struct programs *ps = idle.programs;

	while (idle.next < ps->module_count) {
		const struct module *m = ps->modules[idle.next++];

		if (m != NULL && m->idle != NULL) {
			m->idle(idle_next, &idle);
			return;
		}
	}
	idle.sleep(idle.argument);
}

void
programs_idle(const struct programs *ps, void (*sleep)(void *), void *argument)
{
	struct idle idle = { ps, 0, sleep, argument };

	idle_next(&idle);
}

/* The programs from `next` on, each within the one before. */
struct inside {
	const struct programs *programs;
	size_t next;
	void (*work)(void *);
	void *argument;
};

static void
inside_next(void *argument)
{
	struct inside inside = *(struct inside *)argument;
	const struct programs *ps = inside.programs;

	while (inside.next < ps->count) {
		const struct program *p = &ps->at[inside.next++];

		if (p->place == MODULE_IN_WORKER && p->handle != NULL &&
		    p->module->inside != NULL &&
		    p->module->inside(p->handle, inside_next, &inside) == 0)
			return;
	}
	inside.work(inside.argument);
}

void
programs_inside(struct programs *ps, void (*work)(void *), void *argument)
{
	struct inside inside = { ps, 0, work, argument };

	if (ps->opened)		/* else a worker's copy of that page would be for nothing */
		ps->opened = false;
	inside_next(&inside);
}

void
programs_close(struct programs *ps)
{
	for (size_t i = ps->count; i-- > 0;) {
		struct program *p = &ps->at[i];

		if (!p->initialised)
			continue;
		p->initialised = false;
		if (p->module->close != NULL)
			p->module->close(p->handle);
	}
}
