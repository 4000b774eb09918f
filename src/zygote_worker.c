/*
 * zygote_worker.c - forking a worker, its first steps, its death.
 */
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "descriptor.h"
#include "log.h"
#include "signals.h"
#include "title.h"
#include "worker.h"
#include "zygote.h"

/* Workers that die before they have been ready: how long until the next is forked. */
#define START_PAUSE_MS 100u
#define START_PAUSE_MAX_MS 5000u

/* After CRASH_OVERTIME, before SIGKILL. */
#define OVERTIME_GRACE_NS 1000000000u

/* Descriptors one after the other: the zygote's ends of its workers' control sockets
 * mostly are, and one by one would cost each worker more, the more there are. */
struct row {
	int first, last;
};

#define ROWS_FEW 8

/* What a new worker must not keep.  It cannot look it up: what the zygote knows is
 * not there any more (zygote_memory()). */
struct not_kept {
	pid_t zygote;
	int fds[3];
	struct row few[ROWS_FEW], *rows;
	size_t row_count;
};

/* The rows, as far as they find room; how many there are. */
static size_t
control_rows(const struct zygote *z, struct row *rows, size_t max)
{
	struct row row = { .last = -2 };
	size_t count = 0;

	for (size_t i = 0; i < z->slot_top; i++) {
		if (z->workers[i].pid == 0)
			continue;
		if (z->workers[i].control_fd != row.last + 1) {
			row.first = z->workers[i].control_fd;
			count++;
		}
		row.last = z->workers[i].control_fd;
		if (count <= max)
			rows[count - 1] = row;
	}
	return count;
}

static int
not_kept_note(const struct zygote *z, int control_fd, struct not_kept *n)
{
	n->zygote = getpid();
	n->fds[0] = control_fd;
	n->fds[1] = z->setup->control_fd;
	n->fds[2] = z->wake_fd;
	n->rows = n->few;
	n->row_count = control_rows(z, n->few, ROWS_FEW);
	if (n->row_count <= ROWS_FEW)
		return 0;
	n->rows = calloc(n->row_count, sizeof(*n->rows));
	if (n->rows == NULL)
		return -1;
	control_rows(z, n->rows, n->row_count);
	return 0;
}

static void
not_kept_forget(struct not_kept *n)
{
	if (n->rows != n->few)
		free(n->rows);
}

/* In the new process: everything that is the zygote's alone. */
static void
worker_inherit(struct not_kept *n, struct slot *slot)
{
#ifdef __linux__
	/* The end of the control socket says the same, but only to who reads it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	if (getppid() != n->zygote)
		_exit(0);
	signals_leave();
	for (size_t i = 0; i < n->row_count; i++)
		descriptors_close(n->rows[i].first, n->rows[i].last);
	for (size_t i = 0; i < sizeof(n->fds) / sizeof(n->fds[0]); i++)
		close(n->fds[i]);
	not_kept_forget(n);
	atomic_store(&slot->pid, getpid());
	title_set("worker");
	log_set_role("worker");
}

/* What a worker gets with it; filled in before fork. */
static struct worker_setup
worker_setup_for(const struct zygote *z, size_t at, int control_fd)
{
	return (struct worker_setup){
		.config = z->setup->config,
		.programs = z->programs,
		.router = z->router,
		.handover = z->setup->handover,
		.board = z->board,
		.slot = &z->board->slots[at],
		.tallies = board_tallies(z->board, at),
		.control_fd = control_fd,
		.access_log_fd = z->setup->access_log_fd,
	};
}

/* fork(2) for the slot, with the ends of its control socket: the worker never returns. */
static pid_t
fork_into(struct zygote *z, size_t at, const int pair[2])
{
	struct worker_setup setup = worker_setup_for(z, at, pair[1]);
	struct not_kept n;
	pid_t pid;
	int saved;

	if (not_kept_note(z, pair[0], &n) == -1)
		return -1;
	pid = programs_fork(z->programs);
	if (pid == 0) {
		worker_inherit(&n, setup.slot);
		exit(worker_run(&setup));
	}
	saved = errno;
	not_kept_forget(&n);
	errno = saved;
	return pid;
}

int
zygote_fork_worker(struct zygote *z)
{
	int pair[2], saved;
	size_t at = 0;
	pid_t pid;

	while (at < z->slot_count && z->workers[at].pid != 0)
		at++;
	if (at == z->slot_count) {
		errno = EAGAIN;
		return -1;
	}
	if (control_open(pair) == -1)
		return -1;
	board_take(z->board, &z->board->slots[at]);
	pid = fork_into(z, at, pair);
	saved = errno;
	close(pair[1]);
	if (pid == -1) {
		board_clear(z->board, &z->board->slots[at]);
		close(pair[0]);
		errno = saved;
		return -1;
	}
	z->workers[at] = (struct zygote_worker){ .pid = pid, .control_fd = pair[0],
	    .started_ns = clock_ns() };
	atomic_store(&z->board->slots[at].pid, pid);
	tally_count(&z->board->forks, 1);
	if (at >= z->slot_top)
		z->slot_top = at + 1;
	if (z->overtime_look_ns == 0)
		z->overtime_look_ns = clock_ns();
	return 0;
}

/* Workers that die at once must not be forked in a tight loop. */
static void
worker_failed_to_start(struct zygote *z)
{
	uint64_t pause = START_PAUSE_MS;

	for (unsigned i = 0; i < z->start_failures && pause < START_PAUSE_MAX_MS; i++)
		pause *= 2;
	if (pause > START_PAUSE_MAX_MS)
		pause = START_PAUSE_MAX_MS;
	z->start_failures++;
	z->fork_after_ns = clock_ns() + pause * 1000000u;
	log_error("workers do not start: the next try is in %llu ms", (unsigned long long)pause);
}

static void
worker_died(struct zygote *z, size_t at, int status)
{
	struct zygote_worker *w = &z->workers[at];
	struct slot *s = &z->board->slots[at];

	if (atomic_load(&s->state) != SLOT_STARTING)
		w->ready = true;
	zygote_report_death(z, at, status);
	if (!w->ready && !w->leaving && !w->killed)
		worker_failed_to_start(z);
	/* One that was killed in the midst of counting leaves a wrong count. */
	if (WIFSIGNALED(status))
		z->ticks_due = 3;
	board_clear(z->board, s);
	close(w->control_fd);
	memset(w, 0, sizeof(*w));
	while (z->slot_top > 0 && z->workers[z->slot_top - 1].pid == 0)
		z->slot_top--;
}

void
zygote_reap(struct zygote *z)
{
	int status;
	pid_t pid;

	/* One SIGCHLD may stand for many children. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < z->slot_top; i++) {
			if (z->workers[i].pid == pid) {
				worker_died(z, i, status);
				break;
			}
		}
	}
}

void
zygote_tell(struct zygote *z, struct zygote_worker *w, enum control_message m)
{
	(void)z;
	if (m == CONTROL_LEAVE || m == CONTROL_STOP)
		w->leaving = true;
	if (control_send(w->control_fd, m, NULL, 0) == -1 && errno != EPIPE &&
	    errno != ECONNRESET)
		log_error("worker %ld cannot be told: %s", (long)w->pid, strerror(errno));
}

void
zygote_tell_all(struct zygote *z, enum control_message m)
{
	for (size_t i = 0; i < z->slot_top; i++)
		if (z->workers[i].pid != 0)
			zygote_tell(z, &z->workers[i], m);
}

/* When this worker's request has to be looked at again; 0: runs none with a limit. */
static uint64_t
worker_enforce_timeout(struct zygote *z, size_t at, uint64_t now)
{
	const struct config *c = z->setup->config;
	struct zygote_worker *w = &z->workers[at];
	struct slot *s = &z->board->slots[at];
	uint64_t since = atomic_load(&s->since_ns), limit;
	uint32_t route = s->route;

	if (atomic_load(&s->state) != SLOT_RUNNING || since == 0 ||
	    route >= c->servlet_count || c->servlets[route].timeout_ms == 0 || w->killed)
		return 0;
	limit = (uint64_t)c->servlets[route].timeout_ms * 1000000u;
	if (since > now)
		since = now;
	if (now - since < limit)
		return since + limit;
	if (w->overtime_of_ns != since) {
		w->overtime_of_ns = since;
		w->overtime_ns = now;
		zygote_report_running(z, at, "is over the request's time and told to end");
		kill(w->pid, CRASH_OVERTIME);
		return now + OVERTIME_GRACE_NS;
	}
	if (now - w->overtime_ns < OVERTIME_GRACE_NS)
		return w->overtime_ns + OVERTIME_GRACE_NS;
	zygote_report_running(z, at, "did not end and is killed");
	w->killed = true;
	kill(w->pid, SIGKILL);
	return 0;
}

void
zygote_enforce_timeouts(struct zygote *z, uint64_t now)
{
	/* A request that begins from now on has at least this long. */
	uint64_t next = now + (uint64_t)z->shortest_timeout_ms * 1000000u;

	for (size_t i = 0; i < z->slot_top; i++) {
		uint64_t at = z->workers[i].pid != 0 ? worker_enforce_timeout(z, i, now) : 0;

		if (at != 0 && at < next)
			next = at;
	}
	/* With nobody there is no request; a fork looks again. */
	z->overtime_look_ns = z->shortest_timeout_ms > 0 && z->slot_top > 0 ? next : 0;
}

void
zygote_kill_all(struct zygote *z)
{
	for (size_t i = 0; i < z->slot_top; i++) {
		struct zygote_worker *w = &z->workers[i];

		if (w->pid == 0 || w->killed)
			continue;
		zygote_report_running(z, i, "has not left within drain and is killed");
		w->killed = true;
		kill(w->pid, SIGKILL);
	}
}
