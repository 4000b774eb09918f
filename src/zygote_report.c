/*
 * zygote_report.c - what is said of a worker that died.
 *
 * The slot was written by a process that has just run wild: everything in it
 * is copied, bounded and checked before it is used.
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"
#include "crash.h"
#include "log.h"
#include "zygote.h"

#define REQUEST_LINE_MAX 400	/* octets of a request line in a report */

/* A copy of a slot's request. */
struct request_note {
	bool running;		/* in a servlet, or died in one */
	const struct config_servlet *servlet;	/* NULL: the slot names none */
	uint32_t status;
	bool logged, exited;
	uint64_t since_ns, age_ms;
	int64_t started_s;
	uint64_t sent_bytes;
	char request_id[SLOT_ID_MAX];
	char remote[SLOT_REMOTE_MAX];
	char head[SLOT_HEAD_MAX];
	size_t head_length;
};

static void
note_take(struct request_note *n, const struct zygote *z, const struct slot *s)
{
	const struct config *c = z->setup->config;
	uint64_t now = clock_ns(), since = atomic_load(&s->since_ns);
	uint32_t route = s->route;

	memset(n, 0, sizeof(*n));
	n->exited = s->exited != 0;
	n->running = (atomic_load(&s->state) == SLOT_RUNNING && since != 0) || n->exited;
	n->servlet = route < c->servlet_count ? &c->servlets[route] : NULL;
	n->status = s->status;
	if (n->status < 100 || n->status > 599)
		n->status = 0;
	n->logged = s->logged != 0;
	n->since_ns = since;
	n->age_ms = since != 0 && since < now ? (now - since) / 1000000u : 0;
	n->started_s = s->started_s;
	n->sent_bytes = s->sent_bytes;
	memcpy(n->request_id, s->request_id, sizeof(n->request_id));
	n->request_id[sizeof(n->request_id) - 1] = '\0';
	memcpy(n->remote, s->remote, sizeof(n->remote));
	n->remote[sizeof(n->remote) - 1] = '\0';
	n->head_length = s->head_length;
	if (n->head_length > sizeof(n->head))
		n->head_length = sizeof(n->head);
	memcpy(n->head, s->head, n->head_length);
}

/* "servlet FILE (route /x)" */
static void
note_servlet(const struct request_note *n, char *out, size_t size)
{
	if (n->servlet == NULL)
		snprintf(out, size, "an unknown servlet");
	else
		snprintf(out, size, "servlet %s (route %s)", n->servlet->text,
		    n->servlet->route);
}

/* `"GET /x HTTP/1.1" from 192.0.2.7, request 12-3, for 5 ms`; the log escapes
 * what is not printable. */
static void
note_request(const struct request_note *n, char *out, size_t size)
{
	char line[REQUEST_LINE_MAX + 1];
	size_t length = 0;

	while (length < n->head_length && length < REQUEST_LINE_MAX &&
	    n->head[length] != '\r' && n->head[length] != '\n' && n->head[length] != '\0') {
		line[length] = n->head[length];
		length++;
	}
	line[length] = '\0';
	snprintf(out, size, "\"%s\" from %s, request %s, for %llu ms", line,
	    n->remote[0] != '\0' ? n->remote : "?",
	    n->request_id[0] != '\0' ? n->request_id : "?", (unsigned long long)n->age_ms);
}

static void
report_access(const struct zygote *z, const struct request_note *n, int status)
{
	struct access_extension x = { .duration_ns = n->age_ms * 1000000u,
		.request_id = n->request_id,
		.route = n->servlet != NULL ? n->servlet->route : NULL };
	char line[ACCESS_LINE_MAX];
	size_t length;

	if (!n->running || n->logged || z->setup->access_log_fd == -1)
		return;
	length = access_log_format_head(n->remote, n->started_s, n->head, n->head_length,
	    n->status != 0 ? (int)n->status : status, n->sent_bytes,
	    z->setup->config->access_extended ? &x : NULL, line);
	if (write(z->setup->access_log_fd, line, length) == -1)
		log_error("access log: %s", strerror(errno));
}

/* The request that its worker could not count, in its stead. */
static void
count_request(const struct zygote *z, size_t at, const struct request_note *n, int status)
{
	struct tally *t = board_tallies(z->board, at);

	if (t == NULL || !n->running)
		return;
	if (n->servlet != NULL)
		t += 1 + (n->servlet - z->setup->config->servlets);
	tally_response(t, n->status != 0 ? (int)n->status : status, n->sent_bytes);
	tally_duration(t, n->age_ms * 1000000u);
}

static void
count_death(const struct zygote *z, const struct zygote_worker *w,
    const struct request_note *n, int status, bool overtime)
{
	int cause;

	if (WIFSIGNALED(status))
		cause = overtime ? BOARD_DEATH_TIMEOUT : w->killed ? BOARD_DEATH_DRAIN :
		    WTERMSIG(status);
	else if (n->running || WEXITSTATUS(status) != 0)
		cause = BOARD_DEATH_EXIT;
	else
		return;
	tally_count(&z->board->deaths[cause], 1);
}

void
zygote_report_death(const struct zygote *z, size_t at, int status)
{
	const struct zygote_worker *w = &z->workers[at];
	struct request_note n;
	char servlet[512], request[1024], how[96];
	bool overtime;

	note_take(&n, z, &z->board->slots[at]);
	note_servlet(&n, servlet, sizeof(servlet));
	note_request(&n, request, sizeof(request));
	overtime = n.running && w->overtime_ns != 0 && w->overtime_of_ns == n.since_ns;
	report_access(z, &n, overtime ? 504 : 500);
	count_request(z, at, &n, overtime ? 504 : 500);
	count_death(z, w, &n, status, overtime);
	if (w->killed || (overtime && WIFSIGNALED(status)))
		return;		/* zygote_report_running() has said why */

	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "died of %s", crash_signal_name(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "exited with status %d", WEXITSTATUS(status));

	if (WIFEXITED(status) && n.running)
		log_error("worker %ld: %s called exit(%d) running %s", (long)w->pid, servlet,
		    WEXITSTATUS(status), request);
	else if (n.running)
		log_error("worker %ld %s in %s running %s", (long)w->pid, how, servlet, request);
	else if (!w->ready && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		log_error("worker %ld %s while starting", (long)w->pid, how);
	else if (WIFSIGNALED(status))
		log_error("worker %ld %s while running no servlet", (long)w->pid, how);
	else if (WEXITSTATUS(status) != 0)
		log_error("worker %ld %s", (long)w->pid, how);
}

void
zygote_report_running(const struct zygote *z, size_t at, const char *what)
{
	struct request_note n;
	char servlet[512], request[1024];

	note_take(&n, z, &z->board->slots[at]);
	note_servlet(&n, servlet, sizeof(servlet));
	note_request(&n, request, sizeof(request));
	if (n.running)
		log_error("worker %ld %s: in %s running %s", (long)z->workers[at].pid, what,
		    servlet, request);
	else
		log_error("worker %ld %s, with %u connections", (long)z->workers[at].pid, what,
		    atomic_load(&z->board->slots[at].connections));
}
