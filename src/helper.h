/*
 * helper.h - the loop changes hands.
 *
 * Servlets run in the main thread, inline in the event loop.  When one runs
 * for longer than `patience`, the helper thread holds the loop until it
 * returns: it reads, drains, expires, accepts nothing, and gives what becomes
 * ready to run to the siblings.
 *
 * The hand-over is one compare-and-swap on `turn`, a sequence number and a
 * state.  A fast servlet costs a store and a swap; the timer that wakes the
 * helper is armed only when it is not armed already, and an idle worker has
 * none.  With one connection there is nothing to hold: the thread is made with
 * the second, and rests while there is none.  Where every servlet is slow a
 * worker keeps to one connection (intake.c).
 */
#ifndef HELPER_H
#define HELPER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

enum turn_state {
	TURN_LOOP = 0,		/* the main thread is in the loop */
	TURN_SERVLET = 1,	/* in a servlet; the loop rests */
	TURN_HELPER = 2,	/* in a servlet; the helper holds the loop */
	TURN_CRASHED = 3	/* the servlet has crashed; the helper gives all away */
};

struct helper {
	_Atomic uint64_t turn;		/* sequence << 2 | enum turn_state */
	_Atomic uint64_t entered_ns;
	_Atomic bool armed;		/* the helper will look at `turn` by itself */
	_Atomic bool alone;		/* the servlet's is the worker's only connection */
	_Atomic bool wanted;		/* the main thread waits for the mutex */
	_Atomic bool evacuated;		/* after TURN_CRASHED: done */
	uint64_t patience_ns;
	uint64_t takeovers;
	/* The helper's alone. */
	uint64_t looked;		/* `turn` at its last look */
	uint64_t swing_ns;		/* between two looks while the worker is in full swing */
	uint64_t swing_takeovers;	/* when it had had that many takeovers */
	/* The main thread's alone, and apart from what is shared. */
	bool started, failed;
	int timer_fd;			/* readable when patience is over */
	int kick_fds[2];		/* [0] readable: look at `turn`; [1] write here */
	pthread_mutex_t mutex;		/* held by whoever uses the loop while TURN_HELPER lasts */
	pthread_t thread;
	struct worker *worker;
};

/* Makes nothing yet. */
void helper_init(struct helper *h, struct worker *w, uint64_t patience_ns);

/* Makes the thread and what it needs, if there is none yet. */
void helper_start(struct helper *h);

/* Around a servlet, by the main thread.  alone: there is no other connection.
 * helper_enter answers whether the helper will take the loop should it take
 * long, helper_leave whether it has had it: then events fetched before are
 * stale. */
bool helper_enter(struct helper *h, uint64_t now_ns, bool alone);
bool helper_leave(struct helper *h);

/* Whether the main thread is in a servlet, or has crashed there.  Async-signal-safe. */
bool helper_in_servlet(struct helper *h);

/* From the crash handler, whichever thread it is in.  helper_crash answers
 * whether the main thread was in a servlet; it will not come out of it then.
 * After that, helper_evacuate has the helper give every connection but the
 * crashed one to the siblings, and waits for it up to a second.
 * Async-signal-safe. */
bool helper_crash(struct helper *h);
void helper_evacuate(struct helper *h);

#endif
