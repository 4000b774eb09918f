/* crash.c - see crash.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backtrace.h"
#include "clock.h"
#include "crash.h"
#include "error_page.h"
#include "log.h"
#include "signals.h"
#include "worker.h"

#define STACK_SIZE (64 * 1024)

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };

/* The process's one worker: a signal handler has no other way to know it. */
static struct worker *crash_worker;
static pthread_t crash_main_thread;
static void *crash_stack __attribute__((used));	/* what keeps it from being lost */
static pid_t crash_pid;
static volatile sig_atomic_t crash_count;

const char *
crash_signal_name(int signal_number)
{
	static char text[48];
	const char *name = signals_name(signal_number);

	if (name != NULL)
		snprintf(text, sizeof(text), "signal %d (%s)", signal_number, name);
	else
		snprintf(text, sizeof(text), "signal %d", signal_number);
	return text;
}

/* Answers the running request in its stead.  Async-signal-safe. */
static void
crash_answer(struct worker *w, int status)
{
	struct response *r = &w->response;
	struct slot *slot = w->setup->slot;
	char page[ERROR_PAGE_MAX], rest[1024];
	size_t length;

	if (r->head_sent || *r->output != NULL) {
		slot->status = (uint32_t)r->status;
		slot->sent_bytes = r->sent_bytes;
		return;
	}
	slot->status = (uint32_t)status;
	length = error_page(page, status, response_date(), r->head_method);
	/* Unread octets would turn the close into a reset that outruns the page. */
	while (recv(r->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		continue;
	if (send(r->fd, page, length, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		slot->sent_bytes = error_page_body(status, r->head_method);
		shutdown(r->fd, SHUT_WR);
	}
}

static void
crash_text(const char *text)
{
	ssize_t n = write(STDERR_FILENO, text, strlen(text));

	(void)n;
}

static void
crash_backtrace(struct worker *w, const char *what)
{
	crash_text("\tbacktrace of request ");
	crash_text(w->servlet.request_id);
	crash_text(what);
	/* Without backtrace_write(), the handler and what the kernel returns through. */
	backtrace_write(STDERR_FILENO, 3);
}

/* A native backtrace shows the interpreter; this shows what it interprets. */
static void
crash_trace(struct worker *w)
{
	const struct program *p = &w->setup->programs->at[w->servlet.route -
	    w->servlet.config->servlets];

	if (p->module->trace == NULL || !pthread_equal(pthread_self(), crash_main_thread))
		return;
	crash_text("\tin ");
	crash_text(p->module->name);
	crash_text(", request ");
	crash_text(w->servlet.request_id);
	crash_text(":\n");
	p->module->trace(p->handle, STDERR_FILENO);
}

/* Whether the running request is over its time.  It may have ended just before
 * the zygote's signal came, and be another by now. */
static bool
crash_is_overtime(struct worker *w)
{
	uint64_t since = atomic_load(&w->setup->slot->since_ns), limit;

	if (!helper_in_servlet(&w->helper))
		return false;
	limit = (uint64_t)w->servlet.route->timeout_ms * 1000000u;
	return limit > 0 && clock_ns() - since >= limit;
}

static void
crash_handler(int signal_number, siginfo_t *info, void *context)
{
	struct worker *w = crash_worker;
	int status = signal_number == CRASH_OVERTIME ? 504 : 500;

	(void)info;
	(void)context;
	if (signal_number == CRASH_OVERTIME && !pthread_equal(pthread_self(), crash_main_thread)) {
		pthread_kill(crash_main_thread, signal_number);
		return;
	}
	if (getpid() != crash_pid)
		goto die;
	if (signal_number == CRASH_OVERTIME && !crash_is_overtime(w))
		return;
	if (crash_count++ > 0 || !helper_crash(&w->helper))
		goto die;
	crash_answer(w, status);
	crash_backtrace(w, status == 504 ? ", over its time:\n" : ":\n");
	access_lines_write(&w->loop.access);
	helper_evacuate(&w->helper);
	crash_trace(w);		/* last: it may be the death of us */
die:
	if (signal_number == CRASH_OVERTIME)
		kill(getpid(), SIGKILL);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

void
crash_at_exit(void)
{
	struct worker *w = crash_worker;

	if (getpid() != crash_pid || !helper_crash(&w->helper) || crash_count++ > 0)
		return;
	w->setup->slot->exited = 1;
	crash_answer(w, 500);
	access_lines_write(&w->loop.access);
	helper_evacuate(&w->helper);
}

void
crash_disarm(void)
{
	crash_pid = 0;
}

int
crash_prepare(struct worker *w)
{
	struct sigaction action;
	stack_t stack = { .ss_size = STACK_SIZE };
	size_t i;

	/* The first call prepares the unwinder: in the handler is too late. */
	backtrace_write(-1, UINT_MAX);
	crash_worker = w;
	crash_main_thread = pthread_self();
	/* Not static: it would part what else is static and written by each
	 * worker, and so touched in more pages. */
	stack.ss_sp = crash_stack = malloc(STACK_SIZE);
	if (crash_stack == NULL || sigaltstack(&stack, NULL) == -1)
		return -1;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = crash_handler;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof(crash_signals) / sizeof(crash_signals[0]); i++)
		if (sigaction(crash_signals[i], &action, NULL) == -1)
			return -1;
	if (sigaction(CRASH_OVERTIME, &action, NULL) == -1)
		return -1;
	return atexit(crash_at_exit) == 0 ? 0 : -1;
}

void
crash_arm(void)
{
	crash_pid = getpid();
}
