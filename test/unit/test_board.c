/*
 * test_board.c - the scoreboard's counts follow its slots, across processes,
 * and what a worker writes there harms nobody who frees it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "board.h"

static int
octets_waiting(struct board *b)
{
	char octets[16];
	ssize_t n = read(b->wake_read_fd, octets, sizeof(octets));

	return n < 0 ? 0 : (int)n;
}

static void
counts_follow_states(void **unused)
{
	struct board *b = board_new(3, 0);
	struct slot *s = &b->slots[0], *t = &b->slots[1];

	(void)unused;
	assert_non_null(b);
	assert_int_equal(b->slot_count, 3);
	assert_int_equal(s->state, SLOT_FREE);
	board_take(b, s);
	board_take(b, t);
	assert_int_equal(s->state, SLOT_STARTING);
	assert_int_equal(b->idle, 0);
	board_idle(b, s);
	board_idle(b, s);
	board_idle(b, t);
	assert_int_equal(b->idle, 2);
	board_running(b, s, 77);
	assert_int_equal(s->since_ns, 77);
	assert_int_equal(b->idle, 1);
	assert_int_equal(b->busy, 1);
	board_running(b, t, 78);
	assert_int_equal(b->busy, 2);
	assert_int_equal(b->peak, 2);
	/* From one servlet into the next of a batch: it is not idle in between. */
	board_ran(s);
	assert_int_equal(s->since_ns, 0);
	assert_int_equal(s->state, SLOT_RUNNING);
	board_running(b, s, 79);
	assert_int_equal(s->since_ns, 79);
	assert_int_equal(b->busy, 2);
	board_idle(b, t);
	assert_int_equal(b->busy, 1);
	assert_int_equal(b->peak, 2);
	board_leaving(b, t);
	assert_int_equal(b->idle, 0);
	board_clear(b, s);
	assert_int_equal(b->busy, 0);
	board_clear(b, t);
	assert_int_equal(t->state, SLOT_FREE);
	assert_int_equal(b->idle, 0);
	board_free(b);
}

/* One that can take nothing is not idle, and the last such one calls for others. */
static void
a_full_worker_is_not_idle(void **unused)
{
	struct board *b = board_new(2, 0);
	struct slot *s = &b->slots[0], *t = &b->slots[1];

	(void)unused;
	board_idle(b, s);
	board_idle(b, t);
	board_full(b, s);
	assert_int_equal(b->idle, 1);
	assert_int_equal(octets_waiting(b), 0);
	board_full(b, t);
	assert_int_equal(b->idle, 0);
	assert_int_equal(octets_waiting(b), 1);
	board_full(b, t);
	assert_int_equal(octets_waiting(b), 0);
	board_idle(b, t);
	assert_int_equal(b->idle, 1);
	board_running(b, s, 1);
	assert_int_equal(b->busy, 1);
	board_free(b);
}

static void
a_slot_is_taken_clean(void **unused)
{
	struct board *b = board_new(1, 0);
	struct slot *s = &b->slots[0];

	(void)unused;
	board_take(b, s);
	s->route = 3;
	s->head_length = 9;
	s->logged = s->exited = 1;
	s->wants_replacement = 1;
	strcpy(s->request_id, "x");
	board_clear(b, s);
	board_take(b, s);
	assert_int_equal(s->route, 0);
	assert_int_equal(s->head_length, 0);
	assert_int_equal(s->logged | s->exited, 0);
	assert_int_equal(s->wants_replacement, 0);
	assert_string_equal(s->request_id, "");
	board_free(b);
}

static void
one_wake_is_one_octet(void **unused)
{
	struct board *b = board_new(1, 0);

	(void)unused;
	board_wake(b);
	board_wake(b);
	assert_int_equal(b->watching, 1);
	assert_int_equal(octets_waiting(b), 1);
	board_wake(b);
	assert_int_equal(octets_waiting(b), 0);
	b->watching = 0;
	board_wake(b);
	board_call(b);
	assert_int_equal(octets_waiting(b), 2);
	board_free(b);
}

static void
a_full_pipe_blocks_nobody(void **unused)
{
	struct board *b = board_new(1, 0);

	(void)unused;
	for (int i = 0; i < 100000; i++)
		board_call(b);
	assert_true(octets_waiting(b) > 0);
	board_free(b);
}

static void
it_is_shared_and_survives_a_wild_writer(void **unused)
{
	struct board *b = board_new(8, 0);
	int status, wake = b->wake_read_fd;
	pid_t pid = fork();

	(void)unused;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		/* All of it, counts and descriptors too. */
		memset(b, 0xa5, sizeof(*b) + 8 * sizeof(struct slot));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(b->slot_count, 0xa5a5a5a5);
	board_free(b);
	assert_int_equal(close(wake), -1);	/* board_free() knew its descriptors */
}

static void
many_processes_count_right(void **unused)
{
	struct board *b = board_new(4, 0);

	(void)unused;
	for (int i = 0; i < 4; i++) {
		board_take(b, &b->slots[i]);
		if (fork() == 0) {
			board_idle(b, &b->slots[i]);
			for (int round = 0; round < 20000; round++) {
				board_running(b, &b->slots[i], 1);
				board_idle(b, &b->slots[i]);
			}
			if (i % 2 == 0)
				board_leaving(b, &b->slots[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++)
		assert_true(wait(NULL) > 0);
	assert_int_equal(b->busy, 0);
	assert_int_equal(b->idle, 2);
	assert_in_range(b->peak, 1, 4);
	for (int i = 0; i < 4; i++)
		board_clear(b, &b->slots[i]);
	assert_int_equal(b->idle, 0);
	board_free(b);
}

static void
nothing_to_free(void **unused)
{
	(void)unused;
	board_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_follow_states),
		cmocka_unit_test(a_full_worker_is_not_idle),
		cmocka_unit_test(a_slot_is_taken_clean),
		cmocka_unit_test(one_wake_is_one_octet),
		cmocka_unit_test(a_full_pipe_blocks_nobody),
		cmocka_unit_test(it_is_shared_and_survives_a_wild_writer),
		cmocka_unit_test(many_processes_count_right),
		cmocka_unit_test(nothing_to_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
