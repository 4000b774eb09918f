/*
 * watch.h - which of some files have changed: `reload "on"`.
 *
 * The directories are watched, not the files, so that editors and linkers that
 * write a new file and rename it are seen.  What counts is the file's
 * identity, size and times: the system's notification only says when to look.
 * Where there is none (WATCH_POLL_MS), looking is done at intervals.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Quiet time after a change before it is acted upon: a compiler writes for a while. */
#define WATCH_SETTLE_MS 150
/* How often to look without notification. */
#define WATCH_POLL_MS 500

struct watch;

/* NULL and errno on failure. */
struct watch *watch_new(void);
void watch_free(struct watch *w);

/* Watches these files from now on, instead of earlier ones; paths are copied.
 * Those that do not exist are waited for.  A file watched already keeps the
 * state that was last seen, so that a change meanwhile is not missed; another
 * one has changed if it was written since `since` (of watch_now()), when it was
 * about to be read.  0, or -1 and errno. */
int watch_files(struct watch *w, const char *const *paths, size_t count,
    const struct timespec *since);

/* The time by the clock of file times: none that is given later is before it. */
struct timespec watch_now(void);

/* Readable when there may be something new; -1 where there is no notification. */
int watch_fd(const struct watch *w);

/* Looks.  Returns the path of a file that has changed since the last look
 * (the first of them; all are then known), or NULL. */
const char *watch_changed(struct watch *w);

#endif
