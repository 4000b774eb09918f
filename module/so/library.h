/*
 * library.h - a servlet that is a shared library: what so.c and go.c share.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stdbool.h>

#include "../module.h"

/* What api/go exports, which Go cannot export by the usual names.  The entry
 * answers a request as module.h says of run; ready waits until Go's init
 * functions are through and says why there is nothing to run, if there is not;
 * inside calls work(argument) from Go. */
#define GO_RUN "modserver_go_run"
#define GO_INIT "modserver_go_init"
#define GO_CLEANUP "modserver_go_cleanup"
#define GO_READY "modserver_go_ready"
#define GO_INSIDE "modserver_go_inside"

/* In the workers what Go has built, whatever it is called; all else in the zygote. */
enum module_place library_place(const char *path);

/* As module.h says of a module's functions. */
int library_check(const struct module_servlet *servlet, char *error);
void *library_open(const struct module_servlet *servlet, char *error);
int library_init(void *program, servlet *s);
int library_run(void *program, servlet *s);
int library_inside(void *program, void (*work)(void *), void *argument);
void library_close(void *program);

/* ------------------------------------------------- elf.c, without loading */

/* Whether Go has built this file. */
bool elf_is_go(const char *path);

/* Whether this is a shared library that exports one of the names, as far as can
 * be told by its sections.  0, or -1 and error. */
int elf_check(const char *path, const char *const *names, char *error);

#endif
