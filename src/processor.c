/*
 * processor.c - whether another process of ours computes or sleeps, and
 * whether there is a processor to spare.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "processor.h"

/* Use is judged over at least and at most so long. */
#define WINDOW_NS 50000000u
#define WINDOW_MAX_NS 250000000u

unsigned
processor_count(void)
{
	long n = 0;
#ifdef __linux__
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
#endif
	if (n < 1)
		n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)n;
}

uint64_t
processor_time_ns(pid_t pid)
{
	struct timespec t;
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &t) == -1)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct processor_turn
processor_turn(void)
{
	struct rusage u;

#ifdef RUSAGE_THREAD
	getrusage(RUSAGE_THREAD, &u);
#else
	getrusage(RUSAGE_SELF, &u);
#endif
	return (struct processor_turn){
		.used_ns = ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * 1000000000u +
		    ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000u,
		.sleeps = u.ru_nvcsw,
	};
}

bool
processor_turn_over(const struct processor_turn *since, uint64_t ns)
{
	struct processor_turn now = processor_turn();

	return now.sleeps != since->sleeps || now.used_ns - since->used_ns >= ns;
}

/* The beginning of a file of /proc, NUL-terminated.  False where there is none:
 * elsewhere than on Linux. */
static bool
read_proc(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

bool
processor_wanted(pid_t pid)
{
	char path[64], text[512];
	const char *state;

	/* "PID (NAME) S ...": the name may hold anything, ")" too. */
	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (!read_proc(path, text, sizeof(text)))
		return false;
	state = strrchr(text, ')');
	return state != NULL && state[1] == ' ' && state[2] == 'R';
}

/* What all processors together have had nothing to do since the start; false
 * if unknown. */
static bool
idle_ns(uint64_t *ns)
{
	unsigned long long seconds, hundredths;
	char text[64];

	/* "3824.23 3372.47": the second. */
	if (!read_proc("/proc/uptime", text, sizeof(text)) ||
	    sscanf(text, "%*s %llu.%llu", &seconds, &hundredths) != 2)
		return false;
	*ns = seconds * 1000000000u + hundredths * 10000000u;
	return true;
}

bool
processor_spare(struct processor_use *u, uint64_t now_ns)
{
	uint64_t idle, own, window = now_ns - u->since_ns;

	if (u->since_ns != 0 && window < WINDOW_NS)
		return u->spare;
	if (!idle_ns(&idle))
		return true;
	own = processor_time_ns(getpid());
	u->spare = u->since_ns != 0 && window < WINDOW_MAX_NS && idle - u->idle_ns >= window / 2;
	u->busy = u->since_ns != 0 && own - u->own_ns >= window / 2;
	u->since_ns = now_ns;
	u->idle_ns = idle;
	u->own_ns = own;
	return u->spare;
}
