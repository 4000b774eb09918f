/*
 * processor.h - whether another process of ours computes or sleeps.
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

/* Whether some processor has nothing to do right now; true if unknown. */
bool processor_idle(unsigned processors);

#endif
