/*
 * poller.h - readiness of descriptors: epoll, kqueue or poll behind one face.
 * Level-triggered.  The Makefile chooses one of poller_*.c.
 *
 * A descriptor is watched for reading or for writing.  Its end and its errors
 * count as either, for the next call on it tells which they are.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stdbool.h>

enum {
	POLLER_IN = 1,
	POLLER_OUT = 2,
	POLLER_SHARED = 4	/* other processes wait for this descriptor too: wake few (EPOLLEXCLUSIVE) */
};

struct poller;

struct poller_event {
	void *data;
	unsigned events;
};

/* The backend's name, for `modserver -V`: "epoll", "kqueue", "poll". */
extern const char poller_name[];

#define POLLER_ROOM 192		/* octets that one takes, aligned for any type */

/* NULL or -1, and errno on failure.  A new one, in that room, belongs to no process
 * yet, and may be made before fork; it is opened in the process that uses it. */
struct poller *poller_init(void *room);
int poller_open(struct poller *p);
void poller_end(struct poller *p);

/* 0, or -1 and errno.  events: IN or OUT, with SHARED or not.  poller_set
 * changes what a descriptor that was added is watched for (not one that is
 * SHARED).  A descriptor must be removed before it is closed. */
int poller_add(struct poller *p, int fd, unsigned events, void *data);
int poller_set(struct poller *p, int fd, unsigned events, void *data);
int poller_remove(struct poller *p, int fd);

/* Removes a descriptor that no other process has, and closes it. */
void poller_close(struct poller *p, int fd);

/* Waits up to timeout_ms (-1: for ever) and returns the number of events, 0
 * on time-out or when wake_fd (-1: none) became readable, -1 and errno (EINTR).
 * May be called while no other thread calls any function of this poller,
 * except that a thread that waits with a wake_fd may be left waiting while
 * another uses the poller: it then returns when wake_fd becomes readable, and
 * what it returned must be ignored. */
int poller_wait(struct poller *p, struct poller_event *events, int max,
    int timeout_ms, int wake_fd);

#endif
