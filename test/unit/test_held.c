/* Responses that are held leave together, in order, and no later than they should:
 * one by one, and, where the kernel has io_uring, in one system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "held.h"
#include "uring.h"

#define CLIENTS 3

static const struct config config = {
	.timeouts = { 10000, 30000, 60000, 60000, 10000, 0, 30000 },
	.limits = { .head_bytes = 32768, .headers = 100, .body_bytes = 64 << 20 },
};
static struct slot slot;
static struct loop loop;
static int clients[CLIENTS];
static struct connection *connections[CLIENTS];

static int
open_loop(void **state)
{
	(void)state;
	return loop_prepare(&loop, &config, false) == -1 ? -1 : loop_open(&loop, &slot, NULL, -1);
}

static int
open_together(void **state)
{
	(void)state;
	held_together(&loop);
	return 0;
}

static int
close_loop(void **state)
{
	(void)state;
	uring_free(loop.uring);
	loop.uring = NULL;
	return 0;
}

/* CLIENTS that have been answered with `length` octets, which are held. */
static int
setup_length(size_t length)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static char octets[1 << 20];
	struct iovec iov = { octets, length };

	for (int i = 0; i < CLIENTS; i++) {
		struct connection *c;
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
			return -1;
		clients[i] = pair[1];
		c = connections[i] = connection_new(&loop, pair[0]);
		connection_watch(&loop, c);
		if (send(pair[1], request, strlen(request), 0) == -1 ||
		    connection_read(&loop, c) != CONNECTION_RUN)
			return -1;
		held_enter(&loop, 1000 + (uint64_t)i, 100);
		c->output = output_new();
		if (output_append(c->output, &iov, 1, 0) == -1 ||
		    held_add(&loop, c, true) != CONNECTION_WAIT)
			return -1;
	}
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return setup_length(5);
}

static int
setup_large(void **state)
{
	(void)state;
	return setup_length(1 << 20);
}

/* In memory, and more than one of the sockets takes. */
static int
setup_medium(void **state)
{
	int octets = 1;

	(void)state;
	if (setup_length(60000) == -1)
		return -1;
	return setsockopt(connections[1]->fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		connection_close(&loop, connections[i]);
		close(clients[i]);
	}
	loop_batch_end(&loop);
	return loop.count == 0 ? 0 : -1;
}

/* Octets that the client finds. */
static ssize_t
received(int client)
{
	static char octets[1 << 20];
	ssize_t n = recv(client, octets, sizeof(octets), 0);

	return n == -1 && errno == EAGAIN ? 0 : n;
}

static void
test_released(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(received(clients[i]), 0);
		assert_int_equal(connections[i]->state, CONNECTION_WRITING);
		assert_int_equal(connections[i]->deadline, DEADLINE_WRITE);
	}
	held_release(&loop);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(received(clients[i]), 5);
		assert_int_equal(connections[i]->state, CONNECTION_IDLE);
		assert_int_equal(connections[i]->deadline, DEADLINE_KEEPALIVE);
	}
	held_release(&loop);
	assert_int_equal(received(clients[0]), 0);
}

static void
test_released_before_a_servlet_in_time(void **state)
{
	(void)state;
	held_enter(&loop, 1100, 100);
	assert_int_equal(received(clients[0]), 0);
	held_enter(&loop, 1101, 100);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(received(clients[i]), 5);
	assert_int_equal(loop.held_since_ns, 1101);
}

static void
test_what_a_socket_does_not_take_is_drained(void **state)
{
	(void)state;
	held_release(&loop);
	for (int i = 0; i < CLIENTS; i++) {
		ssize_t n = received(clients[i]);

		assert_in_range(n, 1, (1 << 20) - 1);
		assert_int_equal(connections[i]->state, CONNECTION_WRITING);
		assert_int_equal(connections[i]->watched, POLLER_OUT);
	}
}

static void
test_what_one_socket_does_not_take_is_drained(void **state)
{
	ssize_t first, more;

	(void)state;
	held_release(&loop);
	assert_int_equal(received(clients[0]), 60000);
	assert_int_equal(received(clients[2]), 60000);
	first = received(clients[1]);
	assert_in_range(first, 1, 59999);
	assert_int_equal(connections[1]->state, CONNECTION_WRITING);
	assert_int_equal(connections[1]->watched, POLLER_OUT);
	assert_int_equal(connections[1]->moved, first);
	while (connections[1]->state == CONNECTION_WRITING) {
		assert_int_equal(connection_event(&loop, connections[1], POLLER_OUT), CONNECTION_WAIT);
		more = received(clients[1]);
		assert_true(more > 0);
		first += more;
	}
	assert_int_equal(first, 60000);
}

static void
test_the_last_of_a_connection(void **state)
{
	char octet;

	(void)state;
	connections[1]->keep_alive = false;
	held_release(&loop);
	assert_int_equal(received(clients[1]), 5);
	assert_int_equal(recv(clients[1], &octet, 1, 0), 0);
	assert_int_equal(loop.count, 2);
	connections[1] = connection_new(&loop, dup(connections[0]->fd));
}

static void
test_a_client_that_has_gone(void **state)
{
	(void)state;
	shutdown(connections[1]->fd, SHUT_RDWR);
	held_release(&loop);
	assert_int_equal(received(clients[0]), 5);
	assert_int_equal(received(clients[2]), 5);
	assert_int_equal(loop.count, 2);
	connections[1] = connection_new(&loop, dup(connections[0]->fd));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_released, setup, teardown),
		cmocka_unit_test_setup_teardown(test_released_before_a_servlet_in_time,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_a_socket_does_not_take_is_drained,
		    setup_large, teardown),
		cmocka_unit_test_setup_teardown(test_what_one_socket_does_not_take_is_drained,
		    setup_medium, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_of_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_client_that_has_gone, setup, teardown),
	};

	return cmocka_run_group_tests_name("one by one", tests, open_loop, NULL) +
	    cmocka_run_group_tests_name("together", tests, open_together, close_loop);
}
