/*
 * program.h - the loaded modules and servlets of a generation.
 *
 * The zygote opens what may be loaded before fork; a worker opens the rest
 * when it is first asked for.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "spool.h"

struct program {
	const struct config_servlet *servlet;
	const struct module *module;	/* NULL: optional and not loaded */
	enum module_place place;
	void *handle;			/* module's; NULL while not open */
	bool initialised;		/* its init has succeeded in this process */
};

struct programs {
	struct program *at;		/* one per servlet of the configuration, same order */
	size_t count;
	const struct module **modules;	/* one per module of the configuration; NULL: optional, absent */
	size_t module_count;
	bool opened;			/* one was, in this worker, since programs_inside() */
};

/* Receives one problem, "FILE:LINE: ...", several lines where a language has
 * a traceback; no newline at its end. */
typedef void program_report(void *context, const char *text);

/* Loads modules and those servlets that belong in the zygote.  Every failure
 * is reported, not only the first (a broken optional one is logged and left
 * out).  Signal dispositions are as they were.  *loading, in memory shared with
 * the parent, tells what is being loaded now, so that the parent can name what
 * killed this process.  files (or NULL) gets the paths of what was loaded besides
 * (module.h, each_file), each ended by NUL, also when something failed.  Returns
 * the programs, or NULL if anything did. */
struct programs *programs_open(const struct config *config, _Atomic uint32_t *loading,
    program_report *report, void *context, struct spool *files);

/* Loads everything, also what belongs in a worker, in this (throwaway)
 * process.  Returns the number of failures, each reported. */
size_t programs_check(const struct config *config, _Atomic uint32_t *loading,
    program_report *report, void *context);

/* What *loading says: the place and the name ("module lua", a servlet's path) of
 * what was being loaded.  Any value is safe; false: nothing was. */
bool program_loading_what(const struct config *config, uint32_t loading,
    struct config_place *place, const char **kind, const char **name);

/* Loads what must be loaded in a worker: one program, now.  0, or -1 and error
 * (of MODULE_ERROR_MAX octets). */
int program_open(struct program *p, char *error);

/* fork(2) with every module's hooks around it, or the module's own fork. */
pid_t programs_fork(struct programs *ps);

/* Calls sleep(argument) with every module's lock released.  It may not have been
 * called afterwards. */
void programs_idle(const struct programs *ps, void (*sleep)(void *), void *argument);

/* Calls work(argument) from inside the runtimes that are open in this worker. */
void programs_inside(struct programs *ps, void (*work)(void *), void *argument);

/* Calls close of every initialised program. */
void programs_close(struct programs *ps);

#endif
