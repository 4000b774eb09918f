/* runner.c - see runner.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "crash.h"
#include "held.h"
#include "log.h"
#include "runner.h"
#include "siblings.h"
#include "worker.h"

#define PIPELINED_AT_ONCE 32	/* requests of one client before the others have their turn */

/* No servlet is entered while a response has been held for longer. */
#define HELD_NS 200000u

/* After so many slow servlets those to come are taken to be slow, too; a new worker's
 * after one. */
#define SLOW_IN_A_ROW 2

/* Redirects within one request; more are a loop. */
#define REDIRECTS_MAX 10

/* Whether the route is answered to a method of that length. */
static bool
runner_allows(const struct config_servlet *route, const char *method, size_t method_length)
{
	size_t length;

	if (route->methods == NULL)
		return true;
	for (const char *at = route->methods; *at != '\0'; at += length + strspn(at + length, ", ")) {
		length = strcspn(at, ",");
		if (length == method_length && memcmp(at, method, length) == 0)
			return true;
	}
	return false;
}

/* Splits, decodes and routes the target.  0, or the status to refuse with. */
static int
runner_route(struct worker *w, struct servlet *s, const char *target, size_t target_length)
{
	struct request *r = s->request;
	struct route_match match;
	char *path;
	long length;
	int status;

	status = target_split(target, target_length, r->buffer + r->head.method,
	    r->head.method_length, &s->target);
	if (status != 0)
		return status;
	path = arena_alloc(s->arena, s->target.path_length + 2);
	if (path == NULL)
		return 414;
	length = s->target.asterisk ? -2 :
	    target_decode_path(target + s->target.path, s->target.path_length, path);
	if (length == -1)
		return 400;
	if (length == -2) {
		memcpy(path, "*", 2);	/* OPTIONS *: nobody's path */
		length = 1;
	}
	s->path = path;
	s->path_length = (size_t)length;
	if (router_find(w->setup->router, path, s->path_length, &match) == -1)
		return s->target.asterisk ? 204 : 404;
	s->route = &s->config->servlets[match.servlet];
	s->script_length = match.script_length;
	return 0;
}

/* PROCESS-NUMBER: unique while the server runs.  By hand: it is done for every
 * request, and snprintf took 2 % of a short one. */
static void
runner_name(struct worker *w)
{
	/* Of 32 bits, whatever another process wrote there: it fits SLOT_ID_MAX. */
	uint64_t parts[2] = { w->request_count,
	    (uint32_t)atomic_load_explicit(&w->setup->slot->pid, memory_order_relaxed) };
	char digits[SLOT_ID_MAX + 16], *at = digits + sizeof(digits);
	int i;

	*--at = '\0';
	for (i = 0; i < 2; i++) {
		if (i > 0)
			*--at = '-';
		do
			*--at = (char)('0' + parts[i] % 10);
		while ((parts[i] /= 10) > 0);
	}
	memcpy(w->servlet.request_id, at, (size_t)(digits + sizeof(digits) - at));
	memcpy(w->setup->slot->request_id, w->servlet.request_id, SLOT_ID_MAX);
}

/* Of a request that no route answers none. */
static uint32_t
runner_route_index(const struct worker *w)
{
	const struct servlet *s = &w->servlet;

	return s->route != NULL ? (uint32_t)(s->route - s->config->servlets) : UINT32_MAX;
}

/* What the zygote needs to know should this process die now. */
static void
runner_note(struct worker *w, const struct connection *c)
{
	const struct request *r = c->request;
	struct slot *slot = w->setup->slot;
	/* Empty lines may stand before the request line. */
	size_t length = r->parser.head_length - r->head.method;

	slot->route = runner_route_index(w);
	slot->status = 0;
	slot->sent_bytes = 0;
	slot->logged = 0;
	slot->started_s = (int64_t)time(NULL);
	if (length > SLOT_HEAD_MAX)
		length = SLOT_HEAD_MAX;
	memcpy(slot->head, r->buffer + r->head.method, length);
	slot->head_length = (uint32_t)length;
	servlet_find_client(&w->servlet);
	memcpy(slot->remote, w->servlet.client.address, sizeof(w->servlet.client.address));
	runner_name(w);
}

void
runner_settle(struct worker *w)
{
	if (w->prepared != NULL)
		w->prepared->initialised = true;
	w->prepared = NULL;
}

/* Loads what must not be forked. */
static int
runner_open(struct worker *w, struct program *p)
{
	char error[MODULE_ERROR_MAX];

	if (program_open(p, error) == -1) {
		rlog(&w->servlet, "%s could not be loaded: %s", p->servlet->text, error);
		return -1;
	}
	w->setup->programs->opened = true;
	return 0;
}

/* Loads and initialises the program, once. */
static int
runner_prepare(struct worker *w, struct program *p)
{
	if (p == w->prepared || p->initialised)
		return 0;
	if (p->handle == NULL && runner_open(w, p) == -1)
		return -1;
	if (p->module->init != NULL && p->module->init(p->handle, &w->servlet) != 0)
		return -1;
	runner_settle(w);
	w->prepared = p;
	return 0;
}

static struct program *
runner_program(struct worker *w)
{
	return &w->setup->programs->at[w->servlet.route - w->servlet.config->servlets];
}

/* The response is about to be made. */
static void
runner_respond(struct worker *w)
{
	const struct request *r = w->servlet.request;
	struct connection *c = w->servlet.connection;
	bool head_method = r->head.method_length == 4 &&
	    memcmp(r->buffer + r->head.method, "HEAD", 4) == 0;

	response_begin(&w->response, w->arena, c->fd, &c->output, r->head.minor,
	    head_method, r->head.keep_alive);
	/* What has come behind its request is answered too. */
	w->response.stopping = request_has_more(r) ? NULL : &w->loop.stopping;
}

/* The server's own answer: what was asked for is not there, or not for this method. */
static void
runner_answer(struct worker *w, int status)
{
	response_error(&w->response, status);
	if (status == 405)
		response_set_header(&w->response, "Allow", w->servlet.route->methods, true);
}

/* From a servlet that has asked for it to the one that answers instead: 1.  0:
 * there is none, and that is the answer; -1: failed. */
static int
runner_redirect(struct worker *w, int redirects)
{
	struct servlet *s = &w->servlet;
	int status;

	if (redirects == REDIRECTS_MAX) {
		rlog(s, "%d redirects within one request: a loop?", redirects);
		return -1;
	}
	response_cancel(&w->response);
	runner_respond(w);
	servlet_redirect(s);
	status = runner_route(w, s, s->target_text, strlen(s->target_text));
	if (status == 0 && !runner_allows(s->route, s->method, strlen(s->method)))
		status = 405;
	if (status != 0) {
		rlog(s, "redirected to %s: %d", s->target_text, status);
		if (status != 404 && status != 405)
			return -1;
		runner_answer(w, status);
		return 0;
	}
	w->setup->slot->route = runner_route_index(w);
	return 1;
}

/* A servlet has forked, and its child has come back from it: as from a main program.
 * It must not go on as a second worker with the first one's connections. */
static _Noreturn void
runner_end_copy(int result)
{
	fflush(NULL);
	_exit(result != 0);
}

/* Runs the servlet, and others that it redirects to.  0, or -1: failed. */
static int
runner_call_servlet(struct worker *w)
{
	struct servlet *s = &w->servlet;
	int redirects = 0, next;

	do {
		struct program *p = runner_program(w);
		int result = runner_prepare(w, p) != 0 ? -1 : p->module->run(p->handle, s);

		if (w->is_copy)
			runner_end_copy(result);
		if (result == MODULE_CUT)
			response_cut(&w->response);
		else if (result != 0)
			rlog(s, "%s has failed", p->servlet->text);
		if (result != 0)
			return -1;
		if (s->redirect == NULL)
			return 0;
		next = runner_redirect(w, redirects++);
	} while (next > 0);
	return next;
}

/* Whether the response of the servlet that is about to be entered may wait for
 * the next ones (held.h). */
static bool
runner_may_hold(struct worker *w, uint64_t now)
{
	uint64_t before = atomic_load_explicit(&w->helper.entered_ns, memory_order_relaxed);

	if (before >= w->batch_ns)
		w->pace_ns = now - before;
	return w->loop.may_hold && !request_has_more(w->servlet.request);
}

/* Where this request is counted; there are tallies. */
static struct tally *
runner_tally(const struct worker *w)
{
	return &w->loop.tallies[w->servlet.route != NULL ? runner_route_index(w) + 1 : 0];
}

/* Nobody had the loop while a servlet was slow.  If a stop has been told meanwhile its
 * response is the connection's last, and says so; one whose head has left promises
 * otherwise, and what has come by then is answered too (worker_stop()). */
static void
runner_hear(struct worker *w)
{
	if (!w->response.head_sent && control_peek(w->setup->control_fd) == CONTROL_STOP)
		w->loop.stopping = true;
}

/* slow: the helper has taken the loop, or, with no other connection, would have. */
static void
runner_judge(struct worker *w, bool slow)
{
	if (!slow)
		w->quick = SLOW_IN_A_ROW;
	else if (w->quick > 0)
		w->quick--;
}

/* Calls the servlet and finishes the response, with the loop out of hand. */
static bool
runner_call(struct worker *w)
{
	struct board *b = w->setup->board;
	uint64_t now = clock_ns();
	uint64_t ran = 0;
	const char *wrong;
	bool alone = w->loop.count == 1, slow, taken;
	int result;

	board_running(b, w->setup->slot, now);
	w->ran = true;
	held_enter(&w->loop, now, HELD_NS);
	w->response.hold = runner_may_hold(w, now);
	/* Nobody will take the loop over: should it take long, the zygote must see
	 * to what comes. */
	if (!helper_enter(&w->helper, now, alone) &&
	    atomic_load_explicit(&b->idle, memory_order_relaxed) == 0)
		board_wake(b);
	result = runner_call_servlet(w);
	if (result != 0 && w->setup->config->debug && !w->response.head_sent &&
	    !w->response.broken) {
		debug_page(&w->servlet);
		result = 0;
	}
	slow = alone && clock_ns() - now >= w->helper.patience_ns;
	if (slow)
		runner_hear(w);
	wrong = response_finish(&w->response, result != 0);
	if (wrong != NULL)
		rlog(&w->servlet, "%s", wrong);
	servlet_end(&w->servlet);
	if (w->loop.tallies != NULL)
		ran = clock_ns() - now;
	taken = helper_leave(&w->helper);
	runner_judge(w, slow || taken);
	board_ran(w->setup->slot);
	if (w->loop.tallies != NULL)
		tally_duration(runner_tally(w), ran);
	return taken;
}

/* What an extended access line says more.  The time is since the request could
 * have been answered, until it was. */
static void
runner_extend(const struct worker *w, bool ran, struct access_extension *x)
{
	const struct servlet *s = &w->servlet;
	uint64_t now = clock_ns(), since = s->connection->request->ready_ns;

	if (since == 0)
		since = ran ? atomic_load_explicit(&w->helper.entered_ns, memory_order_relaxed) : now;
	x->duration_ns = since < now ? now - since : 0;
	x->request_id = s->request_id;
	x->route = s->route != NULL ? s->route->route : NULL;
}

/* ran: a servlet did. */
static void
runner_log(struct worker *w, bool ran)
{
	const struct slot *slot = w->setup->slot;
	struct access_extension x;
	char line[ACCESS_LINE_MAX];
	size_t length = slot->head_length;

	if (w->loop.access.fd == -1)
		return;
	/* The request's own head is spoilt by now.  Another process may have
	 * written to the slot: no more of it is believed than its size. */
	if (length > SLOT_HEAD_MAX)
		length = SLOT_HEAD_MAX;
	if (w->setup->config->access_extended)
		runner_extend(w, ran, &x);
	length = access_log_format_head(w->servlet.client.address, slot->started_s,
	    slot->head, length, w->response.status, w->response.sent_bytes,
	    w->setup->config->access_extended ? &x : NULL, line);
	access_lines_add(&w->loop.access, line, length);
	w->setup->slot->logged = 1;
}

/* Of a request that had to wait: whether somebody still waits for it. */
static int
runner_overdue(struct worker *w, const struct connection *c)
{
	uint64_t limit = (uint64_t)w->setup->config->timeouts.queue * 1000000u;
	char octet;
	uint64_t waited;

	if (c->request->ready_ns == 0)
		return 0;
	waited = clock_ns() - c->request->ready_ns;
	if (limit > 0 && waited > limit)
		return 503;
	if (waited > RUNNER_STALE_NS &&
	    recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		return 499;
	return 0;
}

static void
runner_begin(struct worker *w, struct connection *c)
{
	struct servlet *s = &w->servlet;

	c->state = CONNECTION_RUNNING;
	arena_reset(w->arena);
	s->connection = c;
	s->request = c->request;
	s->route = NULL;
	runner_respond(w);
}

/* Answers a request that no servlet does. */
static void
runner_refuse(struct worker *w, int status)
{
	runner_note(w, w->servlet.connection);
	if (status == 204)
		response_set_status(&w->response, 204);
	else
		runner_answer(w, status);
	response_finish(&w->response, false);
}

enum connection_next
runner_run(struct worker *w, struct connection *c, bool *taken)
{
	struct servlet *s = &w->servlet;
	int status = runner_overdue(w, c);

	if (status == 499) {
		log_info("%s: a request is not run: its client has gone", c->remote);
		connection_close(&w->loop, c);
		return CONNECTION_GONE;
	}
	if (status != 0) {
		tally_count(&w->setup->slot->overdue, 1);
		return connection_refuse(&w->loop, c, status, "waited longer than timeouts.queue");
	}
	w->request_count++;
	runner_begin(w, c);
	status = runner_route(w, s, c->request->buffer + c->request->head.target,
	    c->request->head.target_length);
	if (status == 0 && !runner_allows(s->route, c->request->buffer + c->request->head.method,
	    c->request->head.method_length))
		status = 405;
	if (status == 0) {
		runner_note(w, c);
		servlet_begin(s);
		*taken = runner_call(w);
	} else {
		runner_refuse(w, status);
	}
	runner_log(w, status == 0);
	if (w->loop.tallies != NULL)
		tally_response(runner_tally(w), w->response.status, w->response.sent_bytes);
	atomic_store_explicit(&w->setup->slot->requests, w->request_count, memory_order_relaxed);
	if (w->response.broken) {
		/* Cut, so that the client sees that something is missing. */
		connection_close(&w->loop, c);
		return CONNECTION_GONE;
	}
	c->ends_by_close = w->response.framing == FRAMING_CLOSE;
	if (w->response.hold && c->output != NULL)
		return held_add(&w->loop, c, w->response.keep_alive);
	return connection_answered(&w->loop, c, w->response.keep_alive);
}

void
runner_serve(struct worker *w, struct connection *c, bool *taken)
{
	enum connection_next next = CONNECTION_RUN;
	int i;

	for (i = 0; i < PIPELINED_AT_ONCE && next == CONNECTION_RUN; i++)
		next = runner_run(w, c, taken);
	if (next != CONNECTION_RUN)
		return;
	/* What it sends further would be reported again and again. */
	connection_unwatch(&w->loop, c);
	loop_ready_add(&w->loop, c);
}
