/*
 * test_helper.c - the loop changes hands when a servlet keeps the main thread,
 * whenever a kick comes, and a crash keeps it from coming back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "worker.h"

#define WAIT_MS 10000

static const struct config config = {
	.timeouts = { 10000, 30000, 60000, 60000, 10000, 0, 30000 },
	.limits = { .head_bytes = 32768, .headers = 100, .body_bytes = 64 << 20 },
	.workers = { .min = 1, .max = 2, .patience_ns = 1000000 },
};
static struct listeners listeners;	/* none */
static struct handover_sockets handover;
static struct worker_setup setup = {
	.config = &config, .handover = &handover,
	.access_log_fd = -1,
};
static struct worker worker;
static int client;
static _Atomic int kick_late;	/* kicks that come when the helper has just woken */

/* The helper's wait; see kick_late. */
int
ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	int n;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "ppoll");
	n = real(fds, count, timeout, mask);
	if (kick_late > 0) {
		kick_late--;
		n += write(worker.helper.kick_fds[1], "", 1) == 1 ? 0 : -1;
	}
	return n;
}

static struct connection *
connect_client(int *end)
{
	int pair[2];
	struct connection *c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	*end = pair[1];
	c = connection_new(&worker.loop, pair[0]);
	assert_non_null(c);
	connection_watch(&worker.loop, c);
	return c;
}

/* A worker with one connection, whose servlet will run. */
static int
prepare(void **state)
{
	struct worker *w = &worker;
	struct connection *served;
	int unused;

	(void)state;
	setup.board = board_new(2, 0);
	if (setup.board == NULL || handover_open(&handover) == -1)
		return -1;
	setup.slot = &setup.board->slots[0];
	board_take(setup.board, setup.slot);
	board_idle(setup.board, setup.slot);
	w->setup = &setup;
	helper_init(&w->helper, w, config.workers.patience_ns);
	if (intake_prepare(&w->intake, &listeners) == -1 ||
	    loop_prepare(&w->loop, &config, false) == -1 ||
	    loop_open(&w->loop, setup.slot, NULL, -1) == -1)
		return -1;
	intake_open(w);
	served = connect_client(&unused);
	served->state = CONNECTION_RUNNING;
	w->servlet.connection = served;
	helper_start(&w->helper);
	return w->helper.started ? 0 : -1;
}

/* And another one, for each test. */
static int
prepare_client(void **state)
{
	(void)state;
	connect_client(&client);
	return 0;
}

static void
enter(void)
{
	uint64_t now = clock_ns();

	board_running(setup.board, setup.slot, now);
	assert_true(helper_enter(&worker.helper, now, false));
}

static void
leave(void)
{
	assert_true(helper_leave(&worker.helper));
	board_ran(setup.slot);
	board_idle(setup.board, setup.slot);
	assert_false(helper_in_servlet(&worker.helper));
}

/* The other connection's request is given to the siblings. */
static void
assert_given_away(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct pollfd run = { .fd = handover.run[1], .events = POLLIN };
	char octets[65536];

	assert_int_equal(send(client, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	assert_int_equal(poll(&run, 1, WAIT_MS), 1);
	assert_true(recv(run.fd, octets, sizeof(octets), 0) > 0);
}

static void
test_the_helper_serves_the_others(void **state)
{
	(void)state;
	enter();
	assert_given_away();
	leave();
}

/* The kick for the servlet before this one, and so late. */
static void
test_a_late_kick_is_for_nobody(void **state)
{
	(void)state;
	kick_late = 1000;
	enter();
	assert_given_away();
	kick_late = 0;
	leave();
}

/* A thread of the servlet crashes: the others leave, though the servlet returns. */
static void
test_no_return_after_a_crash(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		/* The helper is not in this process; it is not needed here. */
		worker.helper.started = false;
		helper_enter(&worker.helper, clock_ns(), false);
		if (!helper_crash(&worker.helper))
			_exit(1);
		alarm(1);	/* what else the crash would bring */
		helper_leave(&worker.helper);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
}

/* Out of the servlet there is nothing that may be given away. */
static void
test_no_crash_of_a_servlet(void **state)
{
	(void)state;
	assert_false(helper_crash(&worker.helper));
	assert_false(helper_in_servlet(&worker.helper));
}

/* Last, for there is no way back. */
static void
test_evacuation(void **state)
{
	struct pollfd keep = { .fd = handover.keep[1], .events = POLLIN };

	(void)state;
	enter();
	assert_true(helper_crash(&worker.helper));
	helper_evacuate(&worker.helper);
	assert_true(worker.helper.evacuated);
	assert_int_equal(poll(&keep, 1, 0), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_helper_serves_the_others, prepare_client),
		cmocka_unit_test_setup(test_a_late_kick_is_for_nobody, prepare_client),
		cmocka_unit_test(test_no_return_after_a_crash),
		cmocka_unit_test(test_no_crash_of_a_servlet),
		cmocka_unit_test_setup(test_evacuation, prepare_client),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
