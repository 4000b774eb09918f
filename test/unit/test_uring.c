/* Several sends in one system call do what as many send(2) do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uring.h"

static struct uring *ring;
static int ours[URING_SENDS], theirs[URING_SENDS];

static int
setup(void **state)
{
	(void)state;
	for (int i = 0; i < URING_SENDS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
			return -1;
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < URING_SENDS; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	return 0;
}

/* Each gets its own, however often the queues go round, and however many at once. */
static void
test_round_and_round(void **state)
{
	char texts[URING_SENDS][16], text[32];
	struct uring_send sends[URING_SENDS];

	(void)state;
	if (ring == NULL)
		skip();
	for (unsigned round = 0; round < 500; round++) {
		unsigned count = round % URING_SENDS + 1;

		for (unsigned i = 0; i < count; i++) {
			snprintf(texts[i], sizeof(texts[i]), "%u of %u", i, round);
			sends[i] = (struct uring_send){ .fd = ours[i], .data = texts[i],
			    .length = strlen(texts[i]), .result = 77 };
		}
		uring_send(ring, sends, count);
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(sends[i].result, strlen(texts[i]));
			assert_int_equal(recv(theirs[i], text, sizeof(text), 0), strlen(texts[i]));
			assert_memory_equal(text, texts[i], strlen(texts[i]));
		}
	}
}

/* A full socket is not waited for, a closed one ends nothing; others get theirs. */
static void
test_outcomes(void **state)
{
	static char much[4 << 20];
	struct uring_send sends[] = {
		{ ours[0], "first", 5, 0 },
		{ ours[1], much, sizeof(much), 0 },
		{ ours[2], "nobody", 6, 0 },
		{ ours[3], "last", 4, 0 },
	};
	char text[8];

	(void)state;
	if (ring == NULL)
		skip();
	close(theirs[2]);
	uring_send(ring, sends, 4);
	assert_int_equal(sends[0].result, 5);
	assert_in_range(sends[1].result, 1, sizeof(much) - 1);
	assert_int_equal(sends[2].result, -EPIPE);
	assert_int_equal(sends[3].result, 4);
	assert_int_equal(recv(theirs[3], text, sizeof(text), 0), 4);
	uring_send(ring, &sends[1], 1);
	assert_int_equal(sends[1].result, -EAGAIN);
	theirs[2] = dup(theirs[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_and_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outcomes, setup, teardown),
	};
	int failed;

	ring = uring_new();
	/* A container's filter, a sysctl, another system: not a fault of ours. */
	if (ring == NULL)
		printf("no io_uring here: %s\n", strerror(errno));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	uring_free(ring);
	return failed;
}
