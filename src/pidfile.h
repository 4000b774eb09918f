/*
 * pidfile.h - the master's process id in a file, locked while it lives.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

struct pidfile {
	char *path;	/* NULL: none */
	int fd;		/* holds the lock */
};

/* Whether pidfile_open() will be able to: 0, or -1 and errno (EEXIST: a living
 * server holds it). */
int pidfile_check(const char *path);

/* Writes it (a new file, renamed into place) and holds it.  path may be NULL:
 * none.  0, or -1 and errno (EEXIST: held by another server). */
int pidfile_open(struct pidfile *p, const char *path);

/* Removes it, if it is still ours. */
void pidfile_close(struct pidfile *p);

/* In a child of the master: the lock stays the master's. */
void pidfile_forget(struct pidfile *p);

#endif
