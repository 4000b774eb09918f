/*
 * control.h - what a parent tells its child: master to zygote, zygote to
 * worker.  One octet each over a SOCK_SEQPACKET pair, with descriptors for
 * CONTROL_LOGS and CONTROL_FILES; end of file means that the other side is gone.
 */
#ifndef CONTROL_H
#define CONTROL_H

enum control_message {
	CONTROL_NONE = 0,
	CONTROL_LEAVE = 'L',	/* others stay: hand connections over, finish, exit */
	CONTROL_STOP = 'S',	/* nobody stays: finish what was accepted, then exit */
	CONTROL_LOGS = 'O',	/* use these logs from now on: error log, then access log if any */
	CONTROL_READY = 'R',	/* zygote to master: loaded, serving */
	CONTROL_FILES = 'F',	/* before it, or before failing: a file_list.h of what was loaded */
	CONTROL_EOF = -1,
	CONTROL_ERROR = -2
};

/* A pair, close-on-exec, non-blocking.  0, or -1 and errno. */
int control_open(int pair[2]);

/* fds may be NULL.  0, or -1 and errno (EAGAIN: the other side does not read). */
int control_send(int fd, enum control_message message, const int *fds, int fd_count);

/* Receives one message; *fd_count descriptors (at most 2) into fds, which the
 * caller then owns.  CONTROL_NONE when there is none to read. */
enum control_message control_receive(int fd, int fds[2], int *fd_count);

/* Which message is to be received next, and stays so; CONTROL_NONE also at the end. */
enum control_message control_peek(int fd);

#endif
