/*
 * metrics_server.c - the process that answers who asks for metrics.
 *
 * It has a worker's loop and connections, and no servlets: each connection has
 * one request and seconds for it, and there are few.  It reads what others
 * have counted, asks nobody, and so answers whatever they do.
 */
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "connection.h"
#include "descriptor.h"
#include "log.h"
#include "logs.h"
#include "metrics.h"
#include "privilege.h"
#include "response.h"
#include "signals.h"
#include "target.h"
#include "title.h"

#define CONNECTIONS_MAX 64
#define ACCEPTS_AT_ONCE 16
#define STEP_MS 5000		/* for a request to arrive, and for a response to move on */
#define HEAD_MAX 8192
#define ARENA_MAX (64 * 1024)
#define BATCH 64

struct server {
	struct slot slot;		/* nobody's: the loop counts in one */
	const struct metrics_setup *setup;
	struct config config;		/* with bounds of our own */
	struct loop loop;
	struct arena *arena;
	struct response response;
	struct metrics now;
	int listen_fd;
	int turn_fd;			/* -1: listens no more */
	int before_fd;			/* -1: nobody else listens */
	bool leaving;
};

/* -------------------------------------------------------------- answers */

static int
answer_metrics(struct server *s, const struct request *r)
{
	const struct field *accept = head_field(&r->head, r->buffer, "Accept");
	const char *wanted = NULL;
	enum metrics_format format;
	size_t length = 0;
	char *text = NULL;
	FILE *out;

	if (accept != NULL)
		wanted = arena_copy(s->arena, r->buffer + accept->value, accept->value_length);
	format = metrics_choose(wanted);
	if (s->setup->look(s->setup->context, &s->now) == -1 ||
	    (out = open_memstream(&text, &length)) == NULL)
		return 500;
	metrics_write(&s->now, format, out);
	if (fclose(out) == EOF) {
		free(text);
		return 500;
	}
	response_set_header(&s->response, "Content-Type", metrics_type(format), true);
	response_write(&s->response, text, length);
	free(text);
	return 200;
}

static bool
is(const struct request *r, size_t at, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(r->buffer + at, text, length) == 0;
}

/* The response's status, and its body if that is 200. */
static int
answer(struct server *s, const struct request *r)
{
	const struct head *h = &r->head;
	struct target target;
	int status = target_split(r->buffer + h->target, h->target_length,
	    r->buffer + h->method, h->method_length, &target);

	if (status != 0)
		return status;
	if (!is(r, h->target + target.path, target.path_length, "/metrics"))
		return 404;
	if (!is(r, h->method, h->method_length, "GET") && !s->response.head_method)
		return 405;
	return answer_metrics(s, r);
}

static void
serve(struct server *s, struct connection *c)
{
	const struct request *r = c->request;
	bool head_method = is(r, r->head.method, r->head.method_length, "HEAD");
	int status;

	c->state = CONNECTION_RUNNING;
	arena_reset(s->arena);
	response_begin(&s->response, s->arena, c->fd, &c->output, r->head.minor,
	    head_method, false);
	status = answer(s, r);
	if (status != 200)
		response_error(&s->response, status);
	if (status == 405)
		response_set_header(&s->response, "Allow", "GET, HEAD", true);
	response_finish(&s->response, false);
	if (s->response.broken)
		connection_close(&s->loop, c);
	else
		connection_answered(&s->loop, c, false);
}

/* ------------------------------------------------------------- the loop */

/* For a new one the oldest goes, which has had its time: whoever is silent keeps
 * nobody waiting. */
static void
server_make_room(struct server *s)
{
	struct connection *c = s->loop.all;

	if (s->loop.count < CONNECTIONS_MAX)
		return;
	while (c->next != NULL)
		c = c->next;
	connection_close(&s->loop, c);
}

static void
server_accept(struct server *s)
{
	struct sockaddr_storage address;
	socklen_t length;
	int fd;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct connection *c;

		length = sizeof(address);
		fd = accept4(s->listen_fd, (struct sockaddr *)&address, &length,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			return;
		server_make_room(s);
		c = connection_new(&s->loop, fd);
		if (c == NULL)
			return;
		connection_set_remote(c, (const struct sockaddr *)&address);
		if (connection_read(&s->loop, c) == CONNECTION_RUN)
			serve(s, c);
	}
}

/* To the next one, if there is any. */
static void
server_pass_turn(struct server *s)
{
	close(s->listen_fd);
	close(s->turn_fd);
	s->turn_fd = -1;
}

/* The one before listens no more, so nobody who has been told more is told less. */
static void
server_take_turn(struct server *s)
{
	poller_remove(s->loop.poller, s->before_fd);
	close(s->before_fd);
	s->before_fd = -1;
	if (s->leaving)
		server_pass_turn(s);
	else
		poller_add(s->loop.poller, s->listen_fd, POLLER_IN, &s->listen_fd);
}

static void
server_leave(struct server *s)
{
	s->leaving = true;
	poller_remove(s->loop.poller, s->turn_fd);
	if (s->before_fd != -1)
		return;
	poller_remove(s->loop.poller, s->listen_fd);
	server_pass_turn(s);
}

static void
server_event(struct server *s, const struct poller_event *event)
{
	struct connection *c = event->data;

	if (event->data == &s->before_fd)
		server_take_turn(s);
	else if (event->data == &s->turn_fd)
		server_leave(s);
	else if (event->data == &s->listen_fd && !s->leaving)
		server_accept(s);
	else if (event->data != &s->listen_fd && c->fd != -1 &&
	    connection_event(&s->loop, c, event->events) == CONNECTION_RUN)
		serve(s, c);
}

static void
server_run(struct server *s)
{
	struct poller_event events[BATCH];

	while (s->turn_fd != -1 || s->loop.count > 0) {
		int n = poller_wait(s->loop.poller, events, BATCH, loop_timeout(&s->loop), -1);

		s->loop.now_ms = clock_ms();
		for (int i = 0; i < n; i++)
			server_event(s, &events[i]);
		loop_expire(&s->loop);
		loop_batch_end(&s->loop);
	}
}

/* ------------------------------------------------------------- starting */

/* Takes leave of the master.  0, or -1 when that was reported. */
static int
server_become(const struct metrics_setup *setup)
{
	const int kept[] = { setup->listen_fd, setup->turn_fd, setup->before_fd };
	char error[256];

	signals_child();
	logs_become_standard(setup->error_log_fd);
	log_open(STDERR_FILENO, "metrics");
	/* The master's are not ours, above all not the listeners. */
	descriptors_close_but(kept, sizeof(kept) / sizeof(kept[0]));
	/* The zygote says what there is to say where nobody is root. */
	if (geteuid() == 0 && privilege_drop(setup->config, error, sizeof(error)) == -1) {
		log_error("%s", error);
		return -1;
	}
#ifdef __linux__
	/* After the change of user, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
	title_set("metrics");
	return getppid() == setup->master ? 0 : -1;
}

static int
server_prepare(struct server *s, const struct metrics_setup *setup)
{
	s->setup = setup;
	s->config = *setup->config;
	s->config.limits = (struct config_limits){ .head_bytes = HEAD_MAX, .headers = 100 };
	s->config.timeouts = (struct config_timeouts){ .head = STEP_MS, .body = STEP_MS,
	    .keepalive = STEP_MS, .write = STEP_MS };
	s->listen_fd = setup->listen_fd;
	s->turn_fd = setup->turn_fd;
	s->before_fd = setup->before_fd;
	s->arena = arena_new(ARENA_MAX);
	if (s->arena == NULL || response_init(&s->response) == -1 ||
	    loop_prepare(&s->loop, &s->config, false) == -1 ||
	    loop_open(&s->loop, &s->slot, NULL, -1) == -1)
		return -1;
	s->response.write_timeout_ms = STEP_MS;
	if (poller_add(s->loop.poller, s->turn_fd, POLLER_IN, &s->turn_fd) == -1)
		return -1;
	if (s->before_fd != -1)
		return poller_add(s->loop.poller, s->before_fd, POLLER_IN, &s->before_fd);
	return poller_add(s->loop.poller, s->listen_fd, POLLER_IN, &s->listen_fd);
}

_Noreturn void
metrics_serve(const struct metrics_setup *setup)
{
	struct server *s = calloc(1, sizeof(*s));

	if (server_become(setup) == -1)
		_exit(1);
	if (s == NULL || server_prepare(s, setup) == -1) {
		log_error("metrics cannot be served: %s", strerror(errno));
		_exit(1);
	}
	server_run(s);
	_exit(0);
}
