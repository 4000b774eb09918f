/*
 * exchange.c - the body to the program, its output to the client, what it says
 * on standard error to the log; all three at once, so that none can be in the
 * way of another.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

/* After so many ms of silence what the program has written is sent: short
 * enough to be at once for a reader, long enough for a program that writes a
 * line at a time or is about to end. */
#define FLUSH_MS 10

/* How often it is looked whether the client is still there. */
#define LOOK_MS 200

/* How long a program may run on after its output has ended, and after TERM. */
#define GRACE_MS 3000

#define OUTPUT_SIZE 65536	/* also the longest head */
#define INPUT_SIZE 65536
#define LINE_SIZE 4096		/* of standard error; longer ones are split */

struct exchange {
	servlet *s;
	struct child *child;
	bool head_done, unflushed, client_gone, bad;
	size_t output_length;	/* of the head while it is incomplete */
	size_t input_at, input_length;
	size_t line_length;
	uint64_t look_ms;	/* when to look for the client next */
};

/* A process answers one request at a time, in one thread. */
static char output[OUTPUT_SIZE + 1], input[INPUT_SIZE], line[LINE_SIZE];

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* Whether a read or write of a pipe has only to be tried again later. */
static bool
later(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* ------------------------------------------------------ the three streams */

static void
feed_input(struct exchange *x)
{
	ssize_t n;

	if (x->input_at == x->input_length) {
		n = rread(x->s, input, sizeof(input));
		if (n == -1)
			rlog(x->s, "the request's body cannot be read: %s", strerror(errno));
		if (n <= 0) {
			child_close(&x->child->in);
			return;
		}
		x->input_at = 0;
		x->input_length = (size_t)n;
	}
	n = write(x->child->in, input + x->input_at, x->input_length - x->input_at);
	if (n >= 0)
		x->input_at += (size_t)n;
	else if (!later())
		child_close(&x->child->in);	/* it does not want to know */
}

static void
log_line(struct exchange *x, size_t length)
{
	if (length > 0 && line[length - 1] == '\r')
		length--;
	rlog(x->s, "%.*s", (int)length, line);
}

/* Logs the complete lines. */
static void
take_errors(struct exchange *x)
{
	ssize_t n = read(x->child->err, line + x->line_length, sizeof(line) - x->line_length);
	char *newline;

	if (n == -1 && later())
		return;
	if (n <= 0) {
		if (x->line_length > 0)
			log_line(x, x->line_length);
		x->line_length = 0;
		child_close(&x->child->err);
		return;
	}
	x->line_length += (size_t)n;
	while ((newline = memchr(line, '\n', x->line_length)) != NULL) {
		size_t length = (size_t)(newline - line);

		log_line(x, length);
		x->line_length -= length + 1;
		memmove(line, newline + 1, x->line_length);
	}
	if (x->line_length == sizeof(line)) {
		log_line(x, x->line_length);
		x->line_length = 0;
	}
}

/* Takes the head off the output as soon as it is whole. */
static void
take_head(struct exchange *x)
{
	size_t head = head_length(output, x->output_length), rest = x->output_length - head;
	const char *location = NULL;

	if (head == 0) {
		x->bad = x->output_length == OUTPUT_SIZE;
		if (x->bad)
			rlog(x->s, "no head within the first %d octets of the output", OUTPUT_SIZE);
		return;
	}
	x->head_done = true;
	switch (head_take(x->s, output, head, &location)) {
	case HEAD_BAD:
		x->bad = true;
		break;
	case HEAD_LOCAL:
		x->bad = module_redirect(x->s, location) == -1;
		/* What follows is nobody's. */
		child_close(&x->child->out);
		break;
	case HEAD_DONE:
		x->unflushed = true;
		if (rest > 0 && rwrite(x->s, output + head, rest) == 0)
			x->client_gone = true;
	}
}

static void
take_output(struct exchange *x)
{
	size_t at = x->head_done ? 0 : x->output_length;
	ssize_t n = read(x->child->out, output + at, OUTPUT_SIZE - at);

	if (n == -1 && later())
		return;
	if (n <= 0) {
		child_close(&x->child->out);
		return;
	}
	if (!x->head_done) {
		x->output_length += (size_t)n;
		take_head(x);
		return;
	}
	x->unflushed = true;
	if (rwrite(x->s, output, (size_t)n) == 0)
		x->client_gone = true;
}

/* Waits for the streams and moves what can be moved. */
static void
exchange_step(struct exchange *x)
{
	struct child *c = x->child;
	struct pollfd fds[3] = {
		{ .fd = c->out, .events = POLLIN },
		{ .fd = c->err, .events = POLLIN },
		{ .fd = c->in, .events = POLLOUT },
	};
	int ready = poll(fds, 3, x->unflushed ? FLUSH_MS : LOOK_MS);
	uint64_t now;

	if (ready == 0 && x->unflushed) {
		rflush(x->s);
		x->unflushed = false;
	}
	if (ready > 0) {
		if (fds[1].revents != 0)
			take_errors(x);
		if (fds[0].revents != 0)
			take_output(x);
		if (fds[2].revents != 0 && c->in != -1)
			feed_input(x);
	}
	now = now_ms();
	if (now >= x->look_ms) {
		x->look_ms = now + LOOK_MS;
		x->client_gone = x->client_gone || !is_connected(x->s);
	}
}

/* ---------------------------------------------------------------- its end */

/* Waits a little: for the end of standard error if it is open. */
static void
pause_for(struct exchange *x, long ns)
{
	struct pollfd p = { .fd = x->child->err, .events = POLLIN };
	struct timespec t = { 0, ns };

	if (ppoll(&p, 1, &t, NULL) > 0)
		take_errors(x);
}

/* Lets the program end, and makes it if it will not.  Its status as of
 * waitpid(2); *killed: we did. */
static int
exchange_end(struct exchange *x, bool *killed)
{
	uint64_t until = now_ms() + GRACE_MS;
	int status, sent = 0;
	long pause_ns = 50000;

	child_close(&x->child->in);
	child_close(&x->child->out);
	*killed = x->client_gone;
	if (x->client_gone)
		child_kill(x->child, sent = SIGTERM);
	while (!child_ended(x->child, &status)) {
		pause_for(x, pause_ns);
		if (pause_ns < 20000000)
			pause_ns *= 2;
		if (now_ms() < until)
			continue;
		*killed = true;
		child_kill(x->child, sent = sent == 0 ? SIGTERM : SIGKILL);
		until = now_ms() + GRACE_MS;
	}
	/* What it said last; a process that it leaves behind is not waited for. */
	for (int i = 0; i < 64 && x->child->err != -1; i++)
		pause_for(x, 0);
	if (x->line_length > 0)
		log_line(x, x->line_length);
	child_close(&x->child->err);
	return status;
}

/* Says how it ended, if not well.  0, or -1: that makes the request fail. */
static int
exchange_judge(struct exchange *x, int status, bool killed)
{
	char how[64] = "";

	if (x->client_gone) {
		rlog(x->s, "the client has gone: the program was told to end");
		return -1;
	}
	if (killed)
		rlog(x->s, "the program ran on for %d s after the end of its output, and was "
		    "told to end", GRACE_MS / 1000);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was killed by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		snprintf(how, sizeof(how), "ended with exit status %d", WEXITSTATUS(status));
	if (x->bad)
		return -1;
	if (!x->head_done) {
		rlog(x->s, "the program %s%s: expected a header such as Content-Type, and "
		    "an empty line", how[0] != '\0' ? how : "ended",
		    x->output_length == 0 ? " without any output" : " before the end of its header");
		return -1;
	}
	if (how[0] != '\0')
		rlog(x->s, "the program %s", how);
	return !killed && WIFSIGNALED(status) ? -1 : 0;
}

int
exchange_run(servlet *s, struct child *c)
{
	struct exchange x = { .s = s, .child = c, .look_ms = now_ms() + LOOK_MS };
	bool killed;
	int status;

	while (c->out != -1 && !x.bad && !x.client_gone)
		exchange_step(&x);
	status = exchange_end(&x, &killed);
	return exchange_judge(&x, status, killed);
}
