/*
 * signals.h - signals as events of a loop.
 *
 * A handler notes the signal and writes an octet into a pipe, so that none is
 * lost whichever thread it is delivered to (user code loaded into this process
 * may have started threads).  One set per process.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Catches these from now on; what a parent had noted is forgotten.  Leaves the
 * others alone, for what has been loaded may have its own.  0, or -1 and errno. */
int signals_open(const int *signals, size_t count);

/* Readable when a signal has been noted since the last signals_take(). */
int signals_fd(void);

/* Empties the pipe: call after poll() and before signals_taken(). */
void signals_drain(void);

/* Whether it has come since it was last asked for. */
bool signals_taken(int signal_number);

/* Closes the pipe and lets every signal be what it is by default, but for
 * those that would stop a process of ours that is told everything over its
 * control socket: INT, TERM, QUIT, HUP, USR1 and PIPE do nothing.  They have
 * an empty handler and are not ignored, for a program that a servlet starts
 * must not inherit that.  Nothing is blocked. */
void signals_child(void);

/* In a child of a process that has used signals_open: what it catches is as by
 * default again.  Less than signals_child, and cheaper. */
void signals_leave(void);

/* In a process that a servlet has forked from a worker: TERM and the like end
 * it again, unless the servlet catches them itself.  Async-signal-safe. */
void signals_forked(void);

/* "SIGSEGV", or NULL for one that is not in POSIX. */
const char *signals_name(int signal_number);

/* All dispositions, to be put back after code that changes them. */
struct signals_saved {
	struct sigaction action[NSIG];
	bool known[NSIG];
	sigset_t mask;
};

void signals_save(struct signals_saved *s);

/* All but those that only a runtime's own threads send each other (VTALRM, PWR,
 * XCPU, the real-time ones), and but SEGV, BUS, FPE and URG if keep_faults. */
void signals_restore(const struct signals_saved *s, bool keep_faults);

#endif
