/*
 * watch.c - which of some files have changed.
 */
#include <sys/stat.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch.h"

struct watched {
	char *path;
	struct stat seen;	/* all zero: not there */
};

struct watch {
	struct watched *files;
	size_t count;
	int fd;			/* inotify, or -1 */
};

static void
file_look(const char *path, struct stat *st)
{
	if (stat(path, st) == -1)
		memset(st, 0, sizeof(*st));
}

static bool
file_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mode == b->st_mode &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

#ifdef __linux__
static int
notification_open(void)
{
	return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

/* The kernel gives one watch per directory, however often it is added. */
static void
notification_add(int fd, const char *path)
{
	char *directory = strdup(path), *slash;

	if (directory == NULL)
		return;
	slash = strrchr(directory, '/');
	if (slash == directory)
		slash[1] = '\0';
	else if (slash != NULL)
		*slash = '\0';
	/* A directory that is not there is seen by nobody: a reload by hand
	 * is needed once it is. */
	(void)inotify_add_watch(fd, slash != NULL ? directory : ".", IN_CLOSE_WRITE |
	    IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB);
	free(directory);
}

static void
notification_drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}
#else
static int
notification_open(void)
{
	return -1;
}

static void
notification_add(int fd, const char *path)
{
	(void)fd;
	(void)path;
}

static void
notification_drain(int fd)
{
	(void)fd;
}
#endif

static void
files_free(struct watched *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(files[i].path);
	free(files);
}

struct watch *
watch_new(void)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->fd = -1;
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	if (w->fd != -1)
		close(w->fd);
	files_free(w->files, w->count);
	free(w);
}

static const struct watched *
watch_find(const struct watch *w, const char *path)
{
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->files[i].path, path) == 0)
			return &w->files[i];
	return NULL;
}

struct timespec
watch_now(void)
{
	struct timespec now;

#ifdef CLOCK_REALTIME_COARSE
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
#else
	clock_gettime(CLOCK_REALTIME, &now);
#endif
	return now;
}

static bool
is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* The state of a file that was read since then: none, if it was written since
 * (but not in the future, which would last). */
static void
file_look_since(const char *path, struct stat *seen, const struct timespec *since)
{
	struct timespec now;

	file_look(path, seen);
	/* Not watch_now(), which may be some milliseconds behind a file's time. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (!is_before(&seen->st_mtim, since) && !is_before(&now, &seen->st_mtim))
		memset(seen, 0, sizeof(*seen));
}

int
watch_files(struct watch *w, const char *const *paths, size_t count,
    const struct timespec *since)
{
	struct watched *files = calloc(count + 1, sizeof(*files));
	int fd;

	if (files == NULL)
		return -1;
	/* A new one, for old directories drop out with the old one. */
	fd = notification_open();
	for (size_t i = 0; i < count; i++) {
		const struct watched *known = watch_find(w, paths[i]);

		files[i].path = strdup(paths[i]);
		if (files[i].path == NULL) {
			files_free(files, i);
			if (fd != -1)
				close(fd);
			return -1;
		}
		if (fd != -1)
			notification_add(fd, paths[i]);
		if (known != NULL)
			files[i].seen = known->seen;
		else
			file_look_since(paths[i], &files[i].seen, since);
	}
	files_free(w->files, w->count);
	w->files = files;
	w->count = count;
	if (w->fd != -1)
		close(w->fd);
	w->fd = fd;
	return 0;
}

int
watch_fd(const struct watch *w)
{
	return w->fd;
}

const char *
watch_changed(struct watch *w)
{
	const char *changed = NULL;

	if (w->fd != -1)
		notification_drain(w->fd);
	for (size_t i = 0; i < w->count; i++) {
		struct stat now;

		file_look(w->files[i].path, &now);
		if (file_same(&now, &w->files[i].seen))
			continue;
		w->files[i].seen = now;
		if (changed == NULL)
			changed = w->files[i].path;
	}
	return changed;
}
