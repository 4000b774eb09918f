/*
 * test_poller.c - whichever backend is linked reports what poller.h promises.
 */
#include <sys/socket.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "poller.h"

#define PAIRS 150

/* One connected pair; [0] is watched. */
struct pair {
	int fd[2];
	int seen;
};

static void
pair_open(struct pair *pair)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair->fd), 0);
	assert_int_equal(fcntl(pair->fd[0], F_SETFL, O_NONBLOCK), 0);
	pair->seen = 0;
}

static void
pair_close(struct pair *pair)
{
	close(pair->fd[0]);
	close(pair->fd[1]);
}

static void
put(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void
take(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
}

/* The same for an end that does not block. */
static void
take_waiting(int fd)
{
	struct pollfd wanted = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&wanted, 1, -1), 1);
	take(fd);
}

static int
setup(void **state)
{
	static _Alignas(max_align_t) char room[POLLER_ROOM];

	*state = poller_init(room);
	return *state == NULL ? -1 : poller_open(*state);
}

static int
teardown(void **state)
{
	poller_end(*state);
	return 0;
}

static void
test_reading_is_level_triggered(void **state)
{
	struct poller *p = *state;
	struct poller_event e[4];
	struct pair a;
	int round;

	pair_open(&a);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_IN, &a), 0);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	put(a.fd[1]);
	for (round = 0; round < 3; round++) {
		assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
		assert_ptr_equal(e[0].data, &a);
		assert_int_equal(e[0].events, POLLER_IN);
	}
	take(a.fd[0]);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	assert_int_equal(poller_remove(p, a.fd[0]), 0);
	pair_close(&a);
}

static void
test_set_changes_events_and_data(void **state)
{
	struct poller *p = *state;
	struct poller_event e[4];
	struct pair a, other;

	pair_open(&a);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_OUT, &a), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_int_equal(e[0].events, POLLER_OUT);

	assert_int_equal(poller_set(p, a.fd[0], POLLER_IN, &other), 0);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	put(a.fd[1]);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_ptr_equal(e[0].data, &other);
	assert_int_equal(e[0].events, POLLER_IN);

	/* And back, with what waits to be read of no interest. */
	assert_int_equal(poller_set(p, a.fd[0], POLLER_OUT, &a), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_ptr_equal(e[0].data, &a);
	assert_int_equal(e[0].events, POLLER_OUT);

	assert_int_equal(poller_remove(p, a.fd[0]), 0);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	pair_close(&a);
}

static void
test_end_is_ready(void **state)
{
	struct poller *p = *state;
	struct poller_event e[4];
	struct pair a;

	pair_open(&a);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_IN, &a), 0);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	assert_int_equal(shutdown(a.fd[1], SHUT_WR), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_int_equal(e[0].events, POLLER_IN);
	close(a.fd[1]);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_true(e[0].events & POLLER_IN);

	/* Nobody will read: that must not be waited for. */
	assert_int_equal(poller_set(p, a.fd[0], POLLER_OUT, &a), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_true(e[0].events & POLLER_OUT);
	assert_int_equal(poller_remove(p, a.fd[0]), 0);
	close(a.fd[0]);
}

/* A TCP connection that is reset, with whatever it is watched for. */
static void
test_reset_is_ready(void **state)
{
	struct poller *p = *state;
	struct poller_event e[4];
	struct sockaddr_in address = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int listening, client, server;

	listening = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listening, 5), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &length), 0);

	/* The listener is watched as several processes would. */
	assert_int_equal(poller_add(p, listening, POLLER_IN | POLLER_SHARED, &listening), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, length), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_ptr_equal(e[0].data, &listening);
	assert_int_equal(e[0].events, POLLER_IN);
	server = accept(listening, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(poller_remove(p, listening), 0);

	assert_int_equal(poller_add(p, server, POLLER_IN, &server), 0);
	assert_int_equal(poller_wait(p, e, 4, 0, -1), 0);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once,
	    sizeof(at_once)), 0);
	close(client);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_ptr_equal(e[0].data, &server);
	assert_true(e[0].events & POLLER_IN);
	assert_int_equal(poller_set(p, server, POLLER_OUT, &server), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_true(e[0].events & POLLER_OUT);
	assert_int_equal(poller_remove(p, server), 0);
	close(server);
	close(listening);
}

static void
test_errors(void **state)
{
	struct poller *p = *state;
	struct pair a;

	pair_open(&a);
	assert_int_equal(poller_add(p, -1, POLLER_IN, &a), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(poller_set(p, a.fd[0], POLLER_IN, &a), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(poller_remove(p, a.fd[0]), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_IN, &a), 0);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_IN, &a), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(poller_remove(p, a.fd[0]), 0);
	assert_int_equal(poller_remove(p, a.fd[0]), -1);
	assert_int_equal(errno, ENOENT);
	pair_close(&a);
}

static void
test_timeout(void **state)
{
	struct poller *p = *state;
	struct poller_event e[1];
	struct pair wake;
	uint64_t start = clock_ns();

	pair_open(&wake);
	assert_int_equal(poller_wait(p, e, 1, 20, -1), 0);
	assert_true(clock_ns() - start >= 19 * UINT64_C(1000000));
	start = clock_ns();
	assert_int_equal(poller_wait(p, e, 1, 20, wake.fd[0]), 0);
	assert_true(clock_ns() - start >= 19 * UINT64_C(1000000));
	pair_close(&wake);
}

/* With room for few events, every ready descriptor is reported in turn. */
static void
test_many_and_nobody_starves(void **state)
{
	static struct pair pairs[PAIRS];
	struct poller *p = *state;
	struct poller_event e[7];
	int i, n, round, seen = 0;

	for (i = 0; i < PAIRS; i++) {
		pair_open(&pairs[i]);
		assert_int_equal(poller_add(p, pairs[i].fd[0], POLLER_IN, &pairs[i]), 0);
	}
	/* Take every third out again: the others must still be found. */
	for (i = 0; i < PAIRS; i += 3)
		assert_int_equal(poller_remove(p, pairs[i].fd[0]), 0);
	for (i = 0; i < PAIRS; i++)
		put(pairs[i].fd[1]);
	for (round = 0; round < PAIRS; round++) {
		n = poller_wait(p, e, 7, -1, -1);
		assert_in_range(n, 1, 7);
		for (i = 0; i < n; i++) {
			struct pair *pair = e[i].data;

			assert_int_equal(e[i].events, POLLER_IN);
			assert_int_not_equal((pair - pairs) % 3, 0);
			seen += pair->seen == 0;
			pair->seen = 1;
		}
	}
	assert_int_equal(seen, PAIRS - PAIRS / 3);
	for (i = 0; i < PAIRS; i++) {
		if (i % 3 != 0)
			assert_int_equal(poller_remove(p, pairs[i].fd[0]), 0);
		pair_close(&pairs[i]);
	}
}

static void
test_wake_comes_before_events(void **state)
{
	struct poller *p = *state;
	struct poller_event e[4];
	struct pair a, wake;

	pair_open(&a);
	pair_open(&wake);
	assert_int_equal(poller_add(p, a.fd[0], POLLER_IN, &a), 0);
	put(a.fd[1]);
	assert_int_equal(poller_wait(p, e, 4, -1, wake.fd[0]), 1);
	assert_ptr_equal(e[0].data, &a);
	put(wake.fd[1]);
	assert_int_equal(poller_wait(p, e, 4, -1, wake.fd[0]), 0);
	/* It is the caller who empties it. */
	assert_int_equal(poller_wait(p, e, 4, -1, wake.fd[0]), 0);
	assert_int_equal(poller_wait(p, e, 4, -1, -1), 1);
	assert_int_equal(poller_remove(p, a.fd[0]), 0);
	pair_close(&a);
	pair_close(&wake);
}

static void
on_signal(int number)
{
	(void)number;
}

static void *
interrupt(void *thread)
{
	/* Until it has returned: the first signal may come before it waits. */
	while (pthread_kill(*(pthread_t *)thread, SIGUSR1) == 0)
		usleep(1000);
	return NULL;
}

static void
test_signal_is_eintr(void **state)
{
	struct poller *p = *state;
	struct poller_event e[1];
	struct sigaction action = { .sa_handler = on_signal };
	struct pair wake;
	pthread_t self = pthread_self(), thread;

	pair_open(&wake);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
	assert_int_equal(poller_wait(p, e, 1, -1, -1), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(poller_wait(p, e, 1, -1, wake.fd[0]), -1);
	assert_int_equal(errno, EINTR);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	pair_close(&wake);
}

/* The loop changes hands: one thread is left waiting with a wake_fd while the
 * other adds, sets, removes and waits; then it comes back when woken. */
struct left_waiting {
	struct poller *poller;
	struct pair wake, started;
	int result;
};

static void *
be_left_waiting(void *context)
{
	struct left_waiting *w = context;
	struct poller_event e[16];

	put(w->started.fd[1]);
	/* Events may end the wait early; they are ignored, as agreed. */
	w->result = poller_wait(w->poller, e, 16, -1, w->wake.fd[0]);
	return NULL;
}

static void
test_other_thread_uses_the_poller(void **state)
{
	static struct pair pairs[PAIRS];
	struct left_waiting w = { .poller = *state };
	struct poller_event e[16];
	pthread_t thread;
	int i, round;

	pair_open(&w.wake);
	pair_open(&w.started);
	for (round = 0; round < 20; round++) {
		pair_open(&pairs[0]);
		assert_int_equal(poller_add(w.poller, pairs[0].fd[0], POLLER_IN, &pairs[0]), 0);
		assert_int_equal(pthread_create(&thread, NULL, be_left_waiting, &w), 0);
		take_waiting(w.started.fd[0]);
		for (i = 1; i < PAIRS; i++) {
			pair_open(&pairs[i]);
			assert_int_equal(poller_add(w.poller, pairs[i].fd[0],
			    POLLER_IN, &w), 0);
		}
		for (i = 0; i < PAIRS; i++)
			assert_int_equal(poller_set(w.poller, pairs[i].fd[0],
			    POLLER_IN, &pairs[i]), 0);
		put(pairs[PAIRS - 1].fd[1]);
		assert_int_equal(poller_wait(w.poller, e, 16, -1, -1), 1);
		assert_ptr_equal(e[0].data, &pairs[PAIRS - 1]);
		for (i = 0; i < PAIRS; i++) {
			assert_int_equal(poller_remove(w.poller, pairs[i].fd[0]), 0);
			pair_close(&pairs[i]);
		}
		put(w.wake.fd[1]);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_in_range(w.result, 0, 16);
		take(w.wake.fd[0]);
	}
	pair_close(&w.wake);
	pair_close(&w.started);
}

/* Two threads wait at once, both with a wake_fd. */
static void
test_two_waiting(void **state)
{
	struct left_waiting w = { .poller = *state };
	struct poller_event e[16];
	struct pair a, wake;
	pthread_t thread;

	pair_open(&w.wake);
	pair_open(&w.started);
	pair_open(&wake);
	pair_open(&a);
	assert_int_equal(pthread_create(&thread, NULL, be_left_waiting, &w), 0);
	take_waiting(w.started.fd[0]);
	put(wake.fd[1]);
	assert_int_equal(poller_wait(w.poller, e, 16, -1, wake.fd[0]), 0);
	take(wake.fd[0]);
	assert_int_equal(poller_add(w.poller, a.fd[0], POLLER_OUT, &a), 0);
	assert_int_equal(poller_wait(w.poller, e, 16, -1, wake.fd[0]), 1);
	put(w.wake.fd[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(poller_wait(w.poller, e, 16, -1, wake.fd[0]), 1);
	assert_int_equal(poller_remove(w.poller, a.fd[0]), 0);
	pair_close(&w.wake);
	pair_close(&w.started);
	pair_close(&wake);
	pair_close(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reading_is_level_triggered),
		TEST(test_set_changes_events_and_data),
		TEST(test_end_is_ready),
		TEST(test_reset_is_ready),
		TEST(test_errors),
		TEST(test_timeout),
		TEST(test_many_and_nobody_starves),
		TEST(test_wake_comes_before_events),
		TEST(test_signal_is_eintr),
		TEST(test_other_thread_uses_the_poller),
		TEST(test_two_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
