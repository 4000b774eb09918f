/*
 * test_control.c - control messages arrive whole, in order, with their
 * descriptors and no others; the end of the other side is seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"

static int
descriptors_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
messages_arrive_in_order(void **unused)
{
	int pair[2], fds[2], count = 9;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_NONE);
	assert_int_equal(count, 0);
	assert_int_equal(control_send(pair[0], CONTROL_READY, NULL, 0), 0);
	assert_int_equal(control_send(pair[0], CONTROL_LEAVE, NULL, 2), 0);
	assert_int_equal(control_peek(pair[1]), CONTROL_READY);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_READY);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_LEAVE);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_NONE);
	close(pair[0]);
	assert_int_equal(control_peek(pair[1]), CONTROL_NONE);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_EOF);
	close(pair[1]);
}

static void
it_is_closed_on_exec_and_never_blocks(void **unused)
{
	int pair[2], sent = 0;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(fcntl(pair[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(pair[i], F_GETFL) & O_NONBLOCK);
	}
	while (control_send(pair[0], CONTROL_LEAVE, NULL, 0) == 0)
		assert_true(++sent < 1000000);
	assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
	close(pair[0]);
	close(pair[1]);
}

static void
descriptors_travel(void **unused)
{
	int pair[2], pipes[2], fds[2], count, before = descriptors_open();
	char octet = 0;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(control_send(pair[0], CONTROL_LOGS, pipes, 2), 0);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_LOGS);
	assert_int_equal(count, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(pipes[0], &octet, 1), 1);
	assert_int_equal(octet, 'x');
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(control_send(pair[0], CONTROL_LOGS, pipes, 1), 0);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_LOGS);
	assert_int_equal(count, 1);
	close(fds[0]);
	close(pipes[0]);
	close(pipes[1]);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(descriptors_open(), before);
}

static void
too_many_descriptors_are_refused(void **unused)
{
	int pair[2], three[3] = { 0, 1, 2 };

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	assert_int_equal(control_send(pair[0], CONTROL_LOGS, three, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(control_send(pair[0], CONTROL_LOGS, three, -1), -1);
	close(pair[0]);
	close(pair[1]);
}

/* A worker gone wild sends what it likes. */
static void
a_wild_sender_leaks_nothing(void **unused)
{
	int pair[2], fds[2], many[20], count, before = descriptors_open();
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(many))];
	} buffer;
	char text[] = "Lots of octets";
	struct iovec io = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = buffer.octets,
	    .msg_controllen = sizeof(buffer.octets) };
	struct cmsghdr *c;
	enum control_message message;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	memset(&buffer, 0, sizeof(buffer));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(many));
	for (int i = 0; i < 20; i++)
		many[i] = pair[0];
	memcpy(CMSG_DATA(c), many, sizeof(many));
	assert_true(sendmsg(pair[0], &m, 0) > 0);
	message = control_receive(pair[1], fds, &count);
	assert_int_equal(message, CONTROL_LEAVE);
	assert_in_range(count, 0, 2);
	while (count > 0)
		close(fds[--count]);
	text[0] = '\0';
	m.msg_control = NULL;
	m.msg_controllen = 0;
	assert_true(sendmsg(pair[0], &m, 0) > 0);
	assert_int_equal(control_receive(pair[1], fds, &count), CONTROL_ERROR);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(descriptors_open(), before);
}

static void
nobody_there_is_an_error_not_a_signal(void **unused)
{
	int pair[2], fds[2], count;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	close(pair[1]);
	assert_int_equal(control_send(pair[0], CONTROL_LEAVE, NULL, 0), -1);
	assert_int_equal(control_receive(pair[0], fds, &count), CONTROL_EOF);
	close(pair[0]);
	assert_int_equal(control_receive(pair[0], fds, &count), CONTROL_ERROR);
}

/* The other side died with a message of ours unread: that is its end too. */
static void
an_unread_message_hides_no_end(void **unused)
{
	int pair[2], fds[2], count;
	enum control_message m;

	(void)unused;
	assert_int_equal(control_open(pair), 0);
	assert_int_equal(control_send(pair[0], CONTROL_LEAVE, NULL, 0), 0);
	close(pair[1]);
	m = control_receive(pair[0], fds, &count);
	assert_true(m == CONTROL_EOF);
	close(pair[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_in_order),
		cmocka_unit_test(it_is_closed_on_exec_and_never_blocks),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(too_many_descriptors_are_refused),
		cmocka_unit_test(a_wild_sender_leaks_nothing),
		cmocka_unit_test(nobody_there_is_an_error_not_a_signal),
		cmocka_unit_test(an_unread_message_hides_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
