/*
 * board.h - the scoreboard: how workers, zygote and master talk.
 *
 * Shared memory, one board per configuration generation, one slot per
 * worker.  A slot is written by its worker alone (the zygote takes it when
 * it forks and clears it when it has reaped) and read by zygote and master,
 * which trust nothing in it: it is bounded, copied and checked like input.
 */
#ifndef BOARD_H
#define BOARD_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tally.h"

enum slot_state {
	SLOT_FREE,	/* no worker */
	SLOT_STARTING,	/* forked, not in its loop yet: counts as available */
	SLOT_IDLE,	/* in its loop, running no servlet */
	SLOT_RUNNING,	/* busy with a batch of requests, in a servlet since since_ns */
	SLOT_FULL,	/* in its loop, but short of descriptors: takes nothing new for now */
	SLOT_LEAVING	/* told to leave; takes nothing new */
};

#define SLOT_HEAD_MAX 2048
#define SLOT_REMOTE_MAX 48
#define SLOT_ID_MAX 32

struct slot {
	_Alignas(64) _Atomic uint32_t state;	/* enum slot_state */
	_Atomic int32_t pid;			/* 0 while free; set by the zygote */
	_Atomic uint64_t since_ns;		/* clock_ns() when the servlet was entered, 0: in none */
	_Atomic uint64_t requests;		/* answered by this worker */
	_Atomic uint32_t connections;		/* it holds now */
	_Atomic uint32_t wants_replacement;	/* has reached max_requests */
	_Atomic uint64_t overdue;		/* refused after timeouts.queue, by all workers of this slot */

	/* The current request, valid while since_ns is set (and after a crash in it). */
	uint32_t route;				/* index of the servlet in the configuration */
	uint32_t status;			/* of the response, 0: nothing sent */
	uint32_t head_length;			/* octets in head, cut at SLOT_HEAD_MAX */
	int64_t started_s;			/* time(2), for the access log */
	uint64_t sent_bytes;			/* of the response body */
	uint32_t logged;			/* 1: its access line has been written */
	uint32_t exited;			/* 1: exit() was called in the servlet */
	char request_id[SLOT_ID_MAX];
	char remote[SLOT_REMOTE_MAX];		/* client address, NUL-terminated */
	char head[SLOT_HEAD_MAX];		/* request line and fields, raw */
};

/* What a worker has died of that should not have: a signal's number, or these. */
enum {
	BOARD_DEATH_EXIT = 0,		/* exit() in a servlet, or a status that is not 0 */
	BOARD_DEATH_TIMEOUT = NSIG,	/* timeouts.request was over */
	BOARD_DEATH_DRAIN,		/* timeouts.drain was */
	BOARD_DEATHS
};

struct board {
	_Atomic uint32_t busy;		/* workers that are RUNNING now */
	_Atomic uint32_t peak;		/* most of them at once since the zygote last read (and reset) it */
	_Atomic uint32_t idle;		/* workers in their loop, not leaving */
	_Atomic uint32_t watching;	/* the zygote is awake and watches for waiting work */
	_Atomic uint64_t handed_over_ns;	/* when the oldest connection waiting in `run` was sent, 0: none (a hint) */
	_Atomic uint32_t late;		/* 1: a request was taken from `run` that had waited for a quarter
					 * of timeouts.queue; the zygote reads and resets it */
	_Atomic uint32_t crowded;	/* 1: a worker is never done with its connections, and alone;
					 * the zygote reads and resets it */
	_Atomic uint32_t workers;	/* alive and not leaving; written by the zygote */
	_Atomic uint32_t loading;	/* what the zygote is loading: program.h */
	/* Counted by the zygote. */
	_Atomic uint64_t forks;
	_Atomic uint64_t deaths[BOARD_DEATHS];
	_Atomic uint32_t slots_used;	/* no worker has been at this index or above */
	uint32_t slot_count;
	int wake_read_fd;		/* the zygote, as long as it has no workers, learns here where to wait */
	struct slot slots[];
};

/* A zeroed board of so many slots in shared memory, each with a row of so many
 * tallies (0: none), or NULL and errno.  Its dimensions and wake pipe are
 * remembered outside of the shared part, so that board_free() and what reads
 * from without trust nothing a worker may have written. */
struct board *board_new(uint32_t slot_count, size_t tally_count);
void board_free(struct board *b);

/* The tallies of that slot, or NULL where there are none. */
struct tally *board_tallies(const struct board *b, size_t slot);

/* How many slots, from the first, have ever been used: what lies behind has
 * never been touched, and reading it would take memory. */
size_t board_slots_used(const struct board *b);

/* This process writes to it no more. */
void board_read_only(struct board *b);

/* Worker side.  All are a few atomic operations; board_wake is a system call. */

/* STARTING or RUNNING -> IDLE. */
void board_idle(struct board *b, struct slot *s);

/* Into a servlet: IDLE -> RUNNING, counted in busy and peak, if it is not so
 * already: what all workers write is written once per batch. */
void board_running(struct board *b, struct slot *s, uint64_t now_ns);

/* Out of it, perhaps into the next: remains RUNNING until board_idle(). */
void board_ran(struct slot *s);

/* -> FULL.  Wakes the zygote if nobody else is idle. */
void board_full(struct board *b, struct slot *s);

/* -> LEAVING. */
void board_leaving(struct board *b, struct slot *s);

/* Wakes the zygote to look for waiting work, unless it is watching already
 * (marks it so). */
void board_wake(struct board *b);

/* Wakes it whatever it is doing: after setting wants_replacement. */
void board_call(struct board *b);

/* Zygote side: a free slot becomes that of a worker about to be forked. */
void board_take(struct board *b, struct slot *s);

/* Zygote side: takes the slot of a dead worker out of all counts, and frees it. */
void board_clear(struct board *b, struct slot *s);

#endif
