/*
 * sys/event.h - a stand-in for the header of kqueue(2), see ../kqueue.c.
 *
 * The names, the types and the meaning are those of FreeBSD's manual page; the
 * numbers are FreeBSD's.  What is not here is not implemented.
 */
#ifndef KQUEUE_STAND_IN_H
#define KQUEUE_STAND_IN_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_EOF 0x8000		/* returned: no more to read, nobody reads */

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int64_t data;
	void *udata;
};

#define EV_SET(k, ident_, filter_, flags_, fflags_, data_, udata_) \
	(*(k) = (struct kevent){ (ident_), (filter_), (flags_), (fflags_), (data_), (udata_) })

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int change_count,
    struct kevent *events, int event_count, const struct timespec *timeout);

#endif
