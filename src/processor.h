/*
 * processor.h - whether another process of ours computes or sleeps, and
 * whether there is a processor to spare.
 */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Processors this process may use, at least 1. */
unsigned processor_count(void);

/* Processor time used so far by all threads of pid; 0 if unknown. */
uint64_t processor_time_ns(pid_t pid);

/* Whether its main thread runs or waits for a processor; false if unknown. */
bool processor_wanted(pid_t pid);

/* What a thread has had of processors until now, to compare with later. */
struct processor_turn {
	uint64_t used_ns;
	long sleeps;
};

struct processor_turn processor_turn(void);

/* Whether the same thread has slept since then, or computed for so long: that it was
 * kept waiting for a processor does not count. */
bool processor_turn_over(const struct processor_turn *since, uint64_t ns);

/* What was seen at the last look; all zero at first. */
struct processor_use {
	uint64_t since_ns, idle_ns, own_ns;
	bool spare;
	bool busy;	/* this process had more than half of one itself */
};

/* Whether half a processor or more had nothing to do over the last 50 ms or
 * so: another process would gain throughput.  False until that is known, true
 * where it cannot be.  To be asked again and again while it matters. */
bool processor_spare(struct processor_use *u, uint64_t now_ns);

#endif
