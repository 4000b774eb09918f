/* intake.c - see intake.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "log.h"
#include "runner.h"
#include "siblings.h"
#include "worker.h"

#define ACCEPTS_AT_ONCE 16
#define TAKEN_AT_ONCE 16	/* of what is handed over */
#define TAKING_PATIENCE 10	/* computing for no longer than so many times the patience */
#define PAUSE_MS 100		/* when descriptors are wanting */
#define COMPLAINT_MS 10000	/* how often that is said */
#define DESCRIPTORS_KEPT 64	/* for servlets, spool files, logs */

uint32_t
intake_connections_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >= UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)(limit.rlim_cur > 2 * DESCRIPTORS_KEPT ?
	    limit.rlim_cur - DESCRIPTORS_KEPT : limit.rlim_cur / 2);
}

int
intake_prepare(struct intake *in, const struct listeners *l)
{
	size_t i;

	in->run = SOURCE_RUN;
	in->keep = SOURCE_KEEP;
	in->listener_count = l->count;
	in->listeners = calloc(l->count, sizeof(in->listeners[0]));
	if (in->listeners == NULL)
		return -1;
	for (i = 0; i < l->count; i++) {
		in->listeners[i].source = SOURCE_LISTENER;
		in->listeners[i].fd = l->at[i].fd;
		in->listeners[i].proxy_protocol = l->at[i].listen->proxy_protocol;
		in->listeners[i].passed = l->at[i].passed != NULL;
	}
	return 0;
}

void
intake_open(struct worker *w)
{
	w->intake.connections_max = intake_connections_max();
	intake_update(w, false);
}

static void
intake_listen(struct worker *w, bool on)
{
	struct intake *in = &w->intake;
	size_t i;

	if (in->listening == on)
		return;
	for (i = 0; i < in->listener_count; i++) {
		if (on)
			poller_add(w->loop.poller, in->listeners[i].fd,
			    POLLER_IN | POLLER_SHARED, &in->listeners[i]);
		else
			poller_remove(w->loop.poller, in->listeners[i].fd);
	}
	in->listening = on;
}

static void
intake_receive(struct worker *w, bool on)
{
	const struct handover_sockets *h = w->setup->handover;
	struct intake *in = &w->intake;

	if (in->receiving == on)
		return;
	if (on) {
		poller_add(w->loop.poller, h->run[1], POLLER_IN | POLLER_SHARED, &in->run);
		poller_add(w->loop.poller, h->keep[1], POLLER_IN | POLLER_SHARED, &in->keep);
	} else {
		poller_remove(w->loop.poller, h->run[1]);
		poller_remove(w->loop.poller, h->keep[1]);
	}
	in->receiving = on;
}

void
intake_update(struct worker *w, bool held)
{
	struct intake *in = &w->intake;
	bool open = !held && w->loop.count < in->connections_max &&
	    w->loop.now_ms >= in->paused_until_ms;

	/* The poller tells first what was put there first.  A slow request from
	 * the one ends the batch, and must not always keep the others waiting. */
	if (!open)
		in->new_first = !in->new_first;
	if (in->new_first)
		intake_listen(w, open && w->leaving == WORKER_STAYS);
	/* A worker that stops answers also what others have handed over. */
	intake_receive(w, open && w->leaving != WORKER_LEAVES);
	intake_listen(w, open && w->leaving == WORKER_STAYS);
}

bool
intake_waiting(const struct worker *w)
{
	const struct handover_sockets *h = w->setup->handover;
	struct pollfd p[2] = {
		{ .fd = h->run[1], .events = POLLIN },
		{ .fd = h->keep[1], .events = POLLIN },
	};

	return poll(p, 2, 0) > 0;
}

/* Whether the kernel tells how long ago the client has sent what there is: Linux does of
 * TCP, in milliseconds (FreeBSD's field of that name counts microseconds). */
static bool
intake_knows_wait(const struct connection *c, uint64_t *since_ns)
{
#ifdef __linux__
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
		*since_ns = (uint64_t)info.tcpi_last_data_recv * 1000000u;
		return true;
	}
#else
	(void)c;
	(void)since_ns;
#endif
	return false;
}

/* c, the first in the list, is about to be run.  Where servlets are slow, the one that
 * was answered before goes to whoever is free first: the helper would have to take the
 * loop for it, as soon as its client sends more.  Not one whose next request would have
 * waited for nobody knows how long. */
static void
intake_pass_on(struct worker *w, const struct connection *c)
{
	uint64_t since;

	if (w->loop.count == 2 && w->quick == 0 && c->next->state == CONNECTION_IDLE &&
	    intake_knows_wait(c->next, &since))
		siblings_pass(w, c->next);
}

/* A new member of the loop. */
static void
intake_admit(struct worker *w, struct connection *c)
{
	if (c->state == CONNECTION_READY)
		intake_pass_on(w, c);
	if (w->loop.count >= 2)
		helper_start(&w->helper);
	if (w->loop.count >= w->intake.connections_max)
		intake_update(w, false);
}

/* Nothing more comes for a while, for the reason in errno. */
static void
intake_pause(struct worker *w, const char *what)
{
	if (w->intake.complained_ms == 0 ||
	    w->loop.now_ms - w->intake.complained_ms >= COMPLAINT_MS) {
		log_warning("%s: %s; trying again every %d ms", what, strerror(errno), PAUSE_MS);
		w->intake.complained_ms = w->loop.now_ms;
	}
	w->intake.paused_until_ms = w->loop.now_ms + PAUSE_MS;
	intake_update(w, false);
}

static void
intake_accept_failed(struct worker *w)
{
	/* Else the client has gone, or a sibling was faster. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		intake_pause(w, "accept");
}

/* Nanoseconds since the client has sent what there is.  Of others than TCP it is only
 * known whether the client has closed, which takes a while. */
static uint64_t
intake_waited_ns(const struct connection *c)
{
	struct pollfd p = { .fd = c->fd };
	uint64_t since;

	if (intake_knows_wait(c, &since))
		return since;
	return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP) != 0 ? RUNNER_STALE_NS + 1 : 0;
}

/* With every worker in use a connection waits in the listener's backlog, and
 * its request with it. */
static void
intake_note_wait(const struct worker *w, struct connection *c)
{
	if (atomic_load_explicit(&w->setup->board->workers, memory_order_relaxed) >=
	    w->setup->config->workers.max)
		c->request->ready_ns = clock_ns() - intake_waited_ns(c);
}

/* siblings_pass(): what the client has sent meanwhile has waited, too; what it had
 * sent before has waited for its own predecessor until then. */
static enum connection_next
intake_read_passed(struct worker *w, struct connection *c, uint64_t sent_ns)
{
	enum connection_next next = connection_read(&w->loop, c);
	uint64_t ready_ns;

	if (next == CONNECTION_RUN) {
		ready_ns = clock_ns() - intake_waited_ns(c);
		c->request->ready_ns = ready_ns > sent_ns ? ready_ns : sent_ns;
	}
	return next;
}

/* Accepts and serves a few connections, for no longer than patience: others
 * have events too.  At a stop they are accepted, and run after that by whoever
 * is free.  False when there are no more. */
static bool
intake_accept(struct worker *w, struct intake_listener *from)
{
	uint64_t until = clock_ns() + w->helper.patience_ns;
	struct sockaddr_storage address;
	struct connection *c;
	enum connection_next next;
	socklen_t length;
	bool taken = false;
	int i, fd;

	for (i = 0; i < ACCEPTS_AT_ONCE && w->intake.listening; i++) {
		length = sizeof(address);
		fd = accept4(from->fd, (struct sockaddr *)&address, &length,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				intake_accept_failed(w);
			return false;
		}
		c = connection_new(&w->loop, fd);
		if (c == NULL)
			return false;
		connection_set_remote(c, (const struct sockaddr *)&address);
		if (from->proxy_protocol)
			c->state = CONNECTION_PROXY;
		next = connection_read(&w->loop, c);
		if (next == CONNECTION_GONE)
			continue;
		intake_admit(w, c);
		if (next != CONNECTION_RUN)
			continue;
		intake_note_wait(w, c);
		if (w->leaving == WORKER_STAYS)
			runner_serve(w, c, &taken);
		else
			siblings_run(w, c);
		if (clock_ns() >= until)
			return true;
	}
	return i == ACCEPTS_AT_ONCE;
}

void
intake_finish(struct worker *w)
{
	struct intake *in = &w->intake;
	size_t i;

	in->listening = true;
	/* What waits at one that was passed is for the next server. */
	for (i = 0; i < in->listener_count; i++)
		while (!in->listeners[i].passed && intake_accept(w, &in->listeners[i]))
			continue;
	in->listening = false;
}

/* The zygote learns how long what is handed over has to wait. */
static void
intake_note_late(struct worker *w, const struct connection *c)
{
	uint64_t quarter = (uint64_t)w->setup->config->timeouts.queue * 250000u;

	if (quarter > 0 && c->request != NULL && c->request->ready_ns != 0 &&
	    w->batch_ns > c->request->ready_ns + quarter)
		atomic_store_explicit(&w->setup->board->late, 1, memory_order_relaxed);
}

/* Whether there is room for all the descriptors that a handed-over connection may
 * come with, files included: the kernel drops those it finds none for.  Tried only
 * where the files of those that are here could have taken it. */
static bool
intake_has_room(const struct worker *w)
{
	int fds[HANDOVER_FDS_MAX], count = 0, saved;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur >
	    (rlim_t)w->loop.count * HANDOVER_FDS_MAX + DESCRIPTORS_KEPT + HANDOVER_FDS_MAX)
		return true;
	while (count < HANDOVER_FDS_MAX && (fds[count] =
	    fcntl(w->setup->control_fd, F_DUPFD_CLOEXEC, 0)) != -1)
		count++;
	saved = errno;
	for (int i = 0; i < count; i++)
		close(fds[i]);
	errno = saved;
	return count == HANDOVER_FDS_MAX;
}

/* Takes one handed-over connection.  False when there are no more to take now. */
static bool
intake_take(struct worker *w, int fd, bool run)
{
	struct board *b = w->setup->board;
	struct connection *c;
	uint64_t sent_ns = 0;
	bool taken = false;

	if (!intake_has_room(w)) {
		intake_pause(w, "a handed-over connection is left to others");
		return false;
	}
	c = handover_receive(fd, &w->loop, &sent_ns);
	if (run) {
		/* The oldest that waits now was sent after this one. */
		if (c != NULL)
			atomic_store(&b->handed_over_ns, sent_ns);
		else if (errno == EAGAIN)
			atomic_store(&b->handed_over_ns, 0);
	}
	if (c == NULL)
		return false;
	if (run && c->state == CONNECTION_IDLE &&
	    intake_read_passed(w, c, sent_ns) == CONNECTION_GONE)
		return true;
	intake_admit(w, c);
	if (run)
		intake_note_late(w, c);
	if (c->state == CONNECTION_READY)
		runner_serve(w, c, &taken);
	else if (w->loop.stopping && c->state == CONNECTION_IDLE)
		connection_close(&w->loop, c);
	else
		connection_watch(&w->loop, c);
	return !taken && w->intake.receiving;
}

/* Ends after a slow one, so that who waits at a listener has turns, too; but where
 * processors are short, a worker that has been kept waiting for one answers what is
 * quick before it accepts what computes. */
static void
intake_take_some(struct worker *w, int fd, bool run)
{
	uint64_t look = clock_ns() + w->helper.patience_ns;
	struct processor_turn turn = processor_turn();

	for (int i = 0; i < TAKEN_AT_ONCE && intake_take(w, fd, run); i++)
		if (clock_ns() >= look &&
		    processor_turn_over(&turn, TAKING_PATIENCE * w->helper.patience_ns))
			return;
}

void
intake_event(struct worker *w, enum source *source)
{
	switch (*source) {
	case SOURCE_LISTENER:
		intake_accept(w, (struct intake_listener *)(void *)source);
		break;
	case SOURCE_RUN:
		intake_take_some(w, w->setup->handover->run[1], true);
		break;
	default:
		intake_take_some(w, w->setup->handover->keep[1], false);
	}
}
