/*
 * zygote.c - the zygote: loads a generation's programs and keeps its workers.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "logs.h"
#include "privilege.h"
#include "sanitized.h"
#include "signals.h"
#include "title.h"
#include "worker.h"
#include "zygote.h"

/* After a stop the workers take what had connected before; then nobody listens. */
#define DEAF_NS 200000000u

/* ------------------------------------------------------------- starting */

/* A problem with the configuration's programs: into the log and, while the
 * server starts, to who started it. */
static void
zygote_problem(void *context, const char *text)
{
	const struct zygote_setup *setup = context;

	log_error("%s", text);
	if (setup->terminal_fd != -1)
		dprintf(setup->terminal_fd, "%s\n", text);
}

/* Takes leave of the master: own session, own descriptors 0 to 2, the
 * configured user, death with the master.  0, or -1 when that was reported. */
static int
zygote_become(const struct zygote_setup *setup)
{
	char error[256];

	title_set("zygote %u", setup->generation);
	setsid();	/* Ctrl-C reaches the master only */
	logs_become_standard(setup->error_log_fd);
	/* What servlets print appears when the line is whole, and not again
	 * from each process forked meanwhile. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_open(STDERR_FILENO, "zygote");
	if (privilege_drop(setup->config, error, sizeof(error)) == -1) {
		zygote_problem((void *)(uintptr_t)setup, error);
		return -1;
	}
#ifdef __linux__
	/* After the change of user, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	return getppid() == setup->master ? 0 : -1;
}

static struct router *
zygote_routes(const struct zygote_setup *setup, const struct programs *ps)
{
	const struct config *c = setup->config;
	struct router *r = router_new();

	for (size_t i = 0; r != NULL && i < c->servlet_count; i++) {
		char error[512];

		/* An optional one that is not there leaves its path to others. */
		if (ps->at[i].module == NULL ||
		    router_add(r, c->servlets[i].route, i) == 0)
			continue;
		snprintf(error, sizeof(error), "%s:%d: route \"%s\": %s",
		    c->servlets[i].place.file, c->servlets[i].place.line,
		    c->servlets[i].route, errno == EEXIST ? "stands there twice" :
		    strerror(errno));
		zygote_problem((void *)(uintptr_t)setup, error);
		router_free(r);
		return NULL;
	}
	return r;
}

/* Memory that the workers have none of: each page that a process writes to after a
 * fork is copied for it, and the zygote writes to these again and again.  Where the
 * system cannot do that, and where every process looks for lost memory in it at its
 * end, they have it. */
static void *
zygote_memory(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory;

	size = (size + page - 1) / page * page;
	memory = aligned_alloc(page, size);
	if (memory == NULL)
		return NULL;
	memset(memory, 0, size);
#if defined(MADV_DONTFORK) && !defined(ADDRESS_SANITIZED)
	madvise(memory, size, MADV_DONTFORK);
#endif
	return memory;
}

static struct zygote *
zygote_new(const struct zygote_setup *setup)
{
	size_t slots = setup->board->slot_count, fds = setup->listeners->count + 5;
	struct zygote *z = zygote_memory(sizeof(*z) + slots * sizeof(z->workers[0]) +
	    fds * sizeof(z->fds[0]));

	if (z == NULL)
		return NULL;
	z->setup = setup;
	z->board = setup->board;
	/* Before there is a worker that could have changed them. */
	z->slot_count = slots;
	z->wake_fd = z->board->wake_read_fd;
	z->workers = (struct zygote_worker *)(z + 1);
	z->fds = (struct pollfd *)(z->workers + slots);
	return z;
}

static int
zygote_load(struct zygote *z)
{
	const struct zygote_setup *setup = z->setup;
	const struct config *c = setup->config;
	struct spool files;
	char text[1024];

	z->connections_max = intake_connections_max();
	z->limits = (struct spawn_limits){
		.min = c->workers.min, .max = c->workers.max,
		.processors = processor_count(),
		.patience_ns = c->workers.patience_ns,
		.idle_timeout_ns = (uint64_t)c->workers.idle_timeout_ms * 1000000u,
		.queue_ns = (uint64_t)c->timeouts.queue * 1000000u,
	};
	for (size_t i = 0; i < c->servlet_count; i++) {
		uint32_t timeout = c->servlets[i].timeout_ms;

		if (timeout > 0 && (z->shortest_timeout_ms == 0 || timeout < z->shortest_timeout_ms))
			z->shortest_timeout_ms = timeout;
	}
	/* Once, for all workers, as the user that they are. */
	if (spool_misplaced(text, sizeof(text)))
		log_warning("%s", text);
	spool_init(&files, 0);
	z->programs = programs_open(c, &z->board->loading, zygote_problem,
	    (void *)(uintptr_t)setup, c->reload ? &files : NULL);
	if (files.fd != -1 && control_send(setup->control_fd, CONTROL_FILES, &files.fd, 1) == -1)
		log_warning("what was loaded is not watched: %s", strerror(errno));
	spool_free(&files);
	if (z->programs == NULL)
		return -1;
	/* What was printed while it was loaded is printed once, not by each worker. */
	fflush(stdout);
	z->router = zygote_routes(setup, z->programs);
	if (z->router == NULL)
		return -1;
	/* After what was loaded, whose handlers are not those of a worker. */
	if (worker_prepare(c, setup->listeners, setup->access_log_fd != -1) == -1) {
		zygote_problem((void *)(uintptr_t)setup, "out of memory");
		return -1;
	}
	return 0;
}

/* ------------------------------------------------------------- the loop */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* Waits for a signal, the master, a worker, waiting work, or the next time
 * something is due. */
static void
zygote_wait(struct zygote *z)
{
	uint64_t now = clock_ns(), next = z->tick_ns, wait;
	struct timespec t;
	nfds_t n = 0;

	next = earlier(next, z->look_ns);
	next = earlier(next, z->overtime_look_ns);
	next = earlier(next, z->kill_ns);
	next = earlier(next, z->deaf_ns);
	wait = next > now ? next - now : 0;
	t.tv_sec = (time_t)(wait / 1000000000u);
	t.tv_nsec = (long)(wait % 1000000000u);

	z->fds[n++] = (struct pollfd){ .fd = signals_fd(), .events = POLLIN };
	z->fds[n++] = (struct pollfd){ .fd = z->setup->control_fd, .events = POLLIN };
	z->fds[n++] = (struct pollfd){ .fd = z->wake_fd, .events = POLLIN };
	if (z->watch && z->state == ZYGOTE_SERVES)
		n += zygote_watched(z, z->fds + n);
	ppoll(z->fds, n, next != 0 ? &t : NULL, NULL);
}

static void
drain(int fd)
{
	char octets[256];

	while (read(fd, octets, sizeof(octets)) == (ssize_t)sizeof(octets))
		;
}

/* Ends listening for all who have the sockets: also for workers that are in a
 * servlet and would keep them open, so that a client waits for nobody. */
static void
zygote_deafen(struct zygote *z)
{
	const struct listeners *l = z->setup->listeners;

	for (size_t i = 0; i < l->count; i++) {
		if (l->at[i].passed == NULL)
			shutdown(l->at[i].fd, SHUT_RD);
		close(l->at[i].fd);
	}
}

/* The workers leave; the listeners are no longer ours. */
static void
zygote_leave(struct zygote *z, enum control_message how)
{
	const struct listeners *l = z->setup->listeners;
	uint32_t drain_ms = z->setup->config->timeouts.drain;

	if (z->state == ZYGOTE_SERVES) {
		for (size_t i = 0; how == CONTROL_LEAVE && i < l->count; i++)
			close(l->at[i].fd);
		if (how == CONTROL_STOP)
			z->deaf_ns = clock_ns() + DEAF_NS;
		if (drain_ms > 0)
			z->kill_ns = clock_ns() + (uint64_t)drain_ms * 1000000u;
	}
	z->state = how == CONTROL_STOP ? ZYGOTE_STOPS : ZYGOTE_LEAVES;
	z->tick_ns = z->look_ns = 0;
	atomic_store(&z->board->watching, 1);	/* nobody need wake us */
	zygote_tell_all(z, how);
}

static void
zygote_use_logs(struct zygote *z, const int *fds, int count)
{
	if (count > 0) {
		dup2(fds[0], STDOUT_FILENO);
		dup2(fds[0], STDERR_FILENO);
	}
	if (count > 1 && z->setup->access_log_fd != -1)
		dup3(fds[1], z->setup->access_log_fd, O_CLOEXEC);
	for (size_t i = 0; i < z->slot_top; i++)
		if (z->workers[i].pid != 0 && control_send(z->workers[i].control_fd,
		    CONTROL_LOGS, fds, count) == -1 && errno != EPIPE)
			log_error("worker %ld cannot be given the new logs: %s",
			    (long)z->workers[i].pid, strerror(errno));
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

/* What the master tells. */
static void
zygote_obey(struct zygote *z)
{
	enum control_message m;
	int fds[2], count;

	while ((m = control_receive(z->setup->control_fd, fds, &count)) != CONTROL_NONE) {
		switch (m) {
		case CONTROL_LEAVE:
		case CONTROL_STOP:
			if (z->state != ZYGOTE_STOPS)
				zygote_leave(z, m);
			break;
		case CONTROL_LOGS:
			zygote_use_logs(z, fds, count);
			break;
		case CONTROL_EOF:
		case CONTROL_ERROR:
			/* The master is gone: so is the server, servlets' own
			 * children included. */
			kill(0, SIGKILL);
			_exit(1);
		default:
			break;
		}
	}
}

static void
zygote_serve(struct zygote *z)
{
	while (z->state == ZYGOTE_SERVES || z->slot_top > 0) {
		uint64_t now = clock_ns();

		if (z->state == ZYGOTE_SERVES) {
			zygote_tick(z, now);
			zygote_spawn(z);
		}
		if (z->overtime_look_ns != 0 && now >= z->overtime_look_ns)
			zygote_enforce_timeouts(z, now);
		if (z->deaf_ns != 0 && now >= z->deaf_ns) {
			z->deaf_ns = 0;
			zygote_deafen(z);
		}
		if (z->kill_ns != 0 && now >= z->kill_ns) {
			z->kill_ns = 0;
			zygote_kill_all(z);
		}
		zygote_wait(z);
		signals_drain();
		drain(z->wake_fd);
		if (signals_taken(SIGCHLD))
			zygote_reap(z);
		zygote_obey(z);
	}
}

int
zygote_run(const struct zygote_setup *setup)
{
	static const int signals[] = { SIGCHLD };
	static struct zygote *z;	/* as long as the process; what it has is not lost at exit */

	signals_child();
	if (zygote_become(setup) == -1)
		return 1;
	z = zygote_new(setup);
	if (z == NULL) {
		zygote_problem((void *)(uintptr_t)setup, "out of memory");
		return 1;
	}
	if (zygote_load(z) == -1)
		return 1;
	/* Only now: what is loaded shall find everything as in any process. */
	if (signals_open(signals, sizeof(signals) / sizeof(signals[0])) == -1) {
		zygote_problem((void *)(uintptr_t)setup, "no descriptors left");
		return 1;
	}
	if (setup->terminal_fd != -1)
		close(setup->terminal_fd);
	if (control_send(setup->control_fd, CONTROL_READY, NULL, 0) == -1)
		return 1;
	zygote_serve(z);
	return 0;
}
