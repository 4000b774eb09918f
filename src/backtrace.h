/*
 * backtrace.h - which functions have been entered and not left.
 */
#ifndef BACKTRACE_H
#define BACKTRACE_H

/* Writes a line for each frame of this thread's stack, but for the innermost ones
 * skipped (this function's own is the first), as "FILE(FUNCTION+OFFSET)[ADDRESS]".
 * Async-signal-safe as far as the unwinder is: its first use, which loads and
 * allocates, must not be in a signal handler. */
void backtrace_write(int fd, unsigned skipped);

#endif
