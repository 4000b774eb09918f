/* A connection arrives in another loop as it left the first, in every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "handover.h"
#include "loop.h"

static const struct config config = {
	.timeouts = { 10000, 30000, 60000, 60000, 10000, 0, 30000 },
	.limits = { .head_bytes = 32768, .headers = 100, .body_bytes = 64 << 20 },
};
static struct slot slot_a, slot_b;
static struct loop a, b;
static struct handover_sockets sockets;
static int client;

static int
setup(void **state)
{
	(void)state;
	return loop_prepare(&a, &config, false) == -1 || loop_open(&a, &slot_a, NULL, -1) == -1 ||
	    loop_prepare(&b, &config, false) == -1 || loop_open(&b, &slot_b, NULL, -1) == -1 ||
	    handover_open(&sockets) == -1;
}

static struct connection *
connect_client(void)
{
	int pair[2], size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	client = pair[1];
	return connection_new(&a, pair[0]);
}

static void
say(const char *text, size_t length)
{
	assert_int_equal(send(client, text, length, 0), length);
}

static void
say_text(const char *text)
{
	say(text, strlen(text));
}

/* Reads until nothing comes: the answer of the last step. */
static enum connection_next
read_all(struct loop *l, struct connection *c)
{
	enum connection_next next = CONNECTION_WAIT;
	char octet;

	while (next == CONNECTION_WAIT && recv(c->fd, &octet, 1, MSG_PEEK) == 1)
		next = connection_read(l, c);
	return next;
}

static struct connection *
move(struct connection *c)
{
	uint64_t sent_ns = 0;
	struct connection *moved;

	assert_int_equal(handover_send(sockets.run[0], c, 4711), 0);
	connection_close(&a, c);
	loop_batch_end(&a);
	assert_int_equal(a.count, 0);
	moved = handover_receive(sockets.run[1], &b, &sent_ns);
	assert_non_null(moved);
	assert_int_equal(sent_ns, 4711);
	return moved;
}

static void
finish(struct connection *c)
{
	connection_close(&b, c);
	loop_batch_end(&b);
	assert_int_equal(b.count, 0);
	close(client);
}

static const char *
field(const struct connection *c, const char *name)
{
	static char text[256];
	const struct request *r = c->request;
	const struct field *f = head_field(&r->head, r->buffer, name);

	if (f == NULL)
		return NULL;
	snprintf(text, sizeof(text), "%.*s", (int)f->value_length, r->buffer + f->value);
	return text;
}

static void
test_idle(void **state)
{
	struct connection *c = connect_client();

	(void)state;
	strcpy(c->remote, "192.0.2.7");
	c->remote_port = 1234;
	loop_deadline(&a, c, DEADLINE_KEEPALIVE);
	c = move(c);
	assert_int_equal(c->state, CONNECTION_IDLE);
	assert_string_equal(c->remote, "192.0.2.7");
	assert_int_equal(c->remote_port, 1234);
	assert_int_equal(c->deadline, DEADLINE_KEEPALIVE);
	say_text("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(read_all(&b, c), CONNECTION_RUN);
	finish(c);
}

static void
test_ready_with_pipelined_requests(void **state)
{
	struct connection *c = connect_client();
	struct request *r;

	(void)state;
	say_text("POST /x?y HTTP/1.1\r\nHost: a\r\nX-Y: zz\r\nContent-Length: 5\r\n\r\nhello"
	    "GET /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3");
	assert_int_equal(read_all(&a, c), CONNECTION_RUN);
	c = move(c);
	r = c->request;
	assert_int_equal(c->state, CONNECTION_READY);
	assert_string_equal(field(c, "x-y"), "zz");
	assert_int_equal(r->body.length, 5);
	assert_memory_equal(r->body.memory, "hello", 5);
	assert_true(r->head.keep_alive);
	assert_memory_equal(r->buffer + r->head.target, "/x?y", 4);
	assert_int_equal(connection_answered(&b, c, true), CONNECTION_RUN);
	assert_memory_equal(c->request->buffer + c->request->head.target, "/2", 2);
	assert_int_equal(connection_answered(&b, c, true), CONNECTION_WAIT);
	assert_int_equal(c->state, CONNECTION_HEAD);
	say_text(" HTTP/1.1\r\nHost: c\r\n\r\n");
	assert_int_equal(read_all(&b, c), CONNECTION_RUN);
	finish(c);
}

/* Moved after every octet. */
static void
test_half_sent(void **state)
{
	static const char *const requests[] = {
		"POST /x HTTP/1.1\r\nHost: a\r\nX-Y: zz\r\nContent-Length: 11\r\n\r\nhello world",
		"POST /x HTTP/1.1\r\nHost: a\r\nX-Y: zz\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n06;a=\"b\"\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
	};
	enum connection_next next;
	struct connection *c;
	size_t i, at;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (at = 1; at < strlen(requests[i]); at++) {
			c = connect_client();
			say(requests[i], at);
			assert_int_equal(read_all(&a, c), CONNECTION_WAIT);
			c = move(c);
			say_text(requests[i] + at);
			next = read_all(&b, c);
			assert_int_equal(next, CONNECTION_RUN);
			assert_string_equal(field(c, "X-Y"), "zz");
			assert_int_equal(c->request->body.length, 11);
			assert_memory_equal(c->request->body.memory, "hello world", 11);
			finish(c);
		}
	}
}

static void
test_large_body_goes_as_its_file(void **state)
{
	static char data[400000], back[400000];
	struct connection *c = connect_client();
	char head[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 % 253);
	snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
	    sizeof(data));
	say_text(head);
	say(data, 200000);
	assert_int_equal(read_all(&a, c), CONNECTION_WAIT);
	assert_int_not_equal(c->request->body.fd, -1);
	c = move(c);
	assert_int_equal(a.requests.spares.count, 0);
	say(data + 200000, 200000);
	assert_int_equal(read_all(&b, c), CONNECTION_RUN);
	assert_int_equal(c->request->body.length, sizeof(data));
	for (i = 0; i < sizeof(data);) {
		ssize_t n = spool_read(&c->request->body, (long long)i, back + i, sizeof(back) - i);

		assert_true(n > 0);
		i += (size_t)n;
	}
	assert_memory_equal(data, back, sizeof(data));
	finish(c);
}

static void
test_response_half_way(void **state)
{
	struct connection *c = connect_client();
	struct iovec iov = { .iov_base = (char *)(uintptr_t)"0123456789", .iov_len = 10 };
	FILE *file = tmpfile();
	char read_back[64];

	(void)state;
	say_text("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(read_all(&a, c), CONNECTION_RUN);
	/* As servlet_begin() leaves it: strings. */
	c->request->buffer[c->request->head.target + c->request->head.target_length] = '\0';
	fputs("file content", file);
	fflush(file);
	c->output = output_new();
	assert_int_equal(output_append(c->output, &iov, 1, 3), 0);
	assert_int_equal(output_append_file(c->output, fileno(file), 5, 7), 0);
	assert_int_equal(output_append(c->output, &iov, 1, 8), 0);
	assert_int_equal(connection_answered(&a, c, true), CONNECTION_WAIT);
	c = move(c);
	assert_int_equal(c->state, CONNECTION_WRITING);
	assert_int_equal(c->deadline, DEADLINE_WRITE);
	assert_int_equal(connection_event(&b, c, POLLER_OUT), CONNECTION_RUN);
	assert_int_equal(recv(client, read_back, sizeof(read_back), 0), 16);
	assert_memory_equal(read_back, "3456789content89", 16);
	assert_memory_equal(c->request->buffer + c->request->head.target, "/2", 2);
	fclose(file);
	finish(c);
}

static void
test_nothing_to_receive(void **state)
{
	uint64_t sent_ns;

	(void)state;
	assert_null(handover_receive(sockets.run[1], &b, &sent_ns));
	assert_int_equal(errno, EAGAIN);
}

/* The client has been invited to send its body; nobody invites it again. */
static void
test_continue_is_said_once(void **state)
{
	struct connection *c = connect_client();
	char text[100];

	(void)state;
	say_text("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(read_all(&a, c), CONNECTION_WAIT);
	assert_int_equal(recv(client, text, sizeof(text), 0), 25);
	c = move(c);
	say_text("5\r\n");
	assert_int_equal(read_all(&b, c), CONNECTION_WAIT);
	assert_int_equal(recv(client, text, sizeof(text), 0), -1);
	say_text("hello\r\n0\r\n\r\n");
	assert_int_equal(read_all(&b, c), CONNECTION_RUN);
	finish(c);
}

/* A new generation's limits are for requests that begin there. */
static void
test_limits_stay_those_it_began_with(void **state)
{
	static const struct config_limits lower = { .head_bytes = 256, .headers = 2, .body_bytes = 1 };
	static char value[400];
	struct connection *c = connect_client();

	(void)state;
	b.requests.limits = &lower;
	say_text("GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: ");
	assert_int_equal(read_all(&a, c), CONNECTION_WAIT);
	c = move(c);
	assert_non_null(c);
	memset(value, 'v', sizeof(value) - 1);
	say_text(value);
	say_text("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n");
	assert_int_equal(read_all(&b, c), CONNECTION_RUN);
	assert_int_equal(c->request->head.field_count, 5);
	assert_int_equal(c->request->fields[4].value_length, sizeof(value) - 1);
	request_next(&b.requests, c->request);
	assert_int_equal(request_parse(c->request), REQUEST_REFUSED);
	assert_int_equal(c->request->parser.status, 431);
	connection_close(&b, c);
	b.requests.limits = &config.limits;
	close(client);
}

static void
test_full_socket_says_so(void **state)
{
	struct connection *c = connect_client();
	uint64_t sent_ns;
	int sent = 0, received = 0;

	(void)state;
	while (handover_send(sockets.keep[0], c, 0) == 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 100);
	while (handover_receive(sockets.keep[1], &b, &sent_ns) != NULL)
		received++;
	assert_int_equal(received, sent);
	while (b.all != NULL)
		connection_close(&b, b.all);
	loop_batch_end(&b);
	connection_close(&a, c);
	loop_batch_end(&a);
	close(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_ready_with_pipelined_requests),
		cmocka_unit_test(test_half_sent),
		cmocka_unit_test(test_large_body_goes_as_its_file),
		cmocka_unit_test(test_response_half_way),
		cmocka_unit_test(test_nothing_to_receive),
		cmocka_unit_test(test_continue_is_said_once),
		cmocka_unit_test(test_limits_stay_those_it_began_with),
		cmocka_unit_test(test_full_socket_says_so),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
