/*
 * crash.h - when a servlet crashes: 500 to its client, a backtrace to the
 * log, the other connections to the siblings, then the same death.
 */
#ifndef CRASH_H
#define CRASH_H

struct worker;

/* What the zygote sends to a worker whose request is over its time: the worker
 * answers 504, writes its stack to the log and dies. */
#define CRASH_OVERTIME SIGUSR2

/* "signal 11 (SIGSEGV)", for reports; static storage. */
const char *crash_signal_name(int signal_number);

/* In the zygote, by the thread that forks: installs the handlers, one for exit()
 * among them, and what they need; they do nothing yet.  0, or -1 and errno. */
int crash_prepare(struct worker *w);

/* In the worker: from here on they do. */
void crash_arm(void);

/* At the end of any process: if a servlet has called exit(), its client and the
 * others are looked after.  Async-signal-safe. */
void crash_at_exit(void);

/* This process is about to end as it should: _exit() does no more than that. */
void crash_disarm(void);

#endif
