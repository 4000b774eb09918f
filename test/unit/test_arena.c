/*
 * test_arena.c - memory of a request: aligned, bounded, reused after a reset.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "clock.h"

static void
allocations_are_aligned_and_apart(void **state)
{
	struct arena *a = arena_new(1 << 20);
	unsigned char *p[200];
	size_t i, k;

	(void)state;
	assert_non_null(a);
	for (i = 0; i < 200; i++) {
		p[i] = arena_alloc(a, i + 1);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)i, i + 1);
	}
	for (i = 0; i < 200; i++) {
		for (k = 0; k <= i; k++)
			assert_int_equal(p[i][k], i);
	}
	arena_free(a);
}

static void
limit_bounds_what_is_between_resets(void **state)
{
	struct arena *a = arena_new(100000);
	size_t total, round;

	(void)state;
	assert_non_null(a);
	for (round = 0; round < 3; round++) {
		for (total = 0; arena_alloc(a, 160) != NULL; total += 160)
			;
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(total, 100000);
		assert_null(arena_alloc(a, 1));
		arena_reset(a);
	}
	assert_null(arena_alloc(a, 100001));
	assert_non_null(arena_alloc(a, 100000));
	assert_null(arena_alloc(a, 1));
	arena_free(a);
}

/* First and again after what did not fit, which is as bounded as any other's. */
static void
room_of_the_callers_is_used(void **state)
{
	static _Alignas(max_align_t) char room[2 * ARENA_ROOM_MIN];
	struct arena *a = arena_init(room, sizeof(room), 1 << 20);
	char *p = arena_alloc(a, ARENA_ROOM_MIN / 2);
	size_t sizes[] = { ARENA_ROOM_MIN, sizeof(room), 1 << 19, 1000 };

	(void)state;
	assert_in_range((uintptr_t)p, (uintptr_t)room, (uintptr_t)(room + sizeof(room)));
	memset(p, 'x', ARENA_ROOM_MIN / 2);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *q = arena_alloc(a, sizes[i]);

		assert_non_null(q);
		assert_false(q < room + sizeof(room) && q + sizes[i] > room + sizeof(room));
		memset(q, 'y', sizes[i]);
	}
	assert_int_equal(p[ARENA_ROOM_MIN / 2 - 1], 'x');
	assert_null(arena_alloc(a, 1 << 19));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 1 << 20));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 100));
	arena_free(a);
	a = arena_init(room, sizeof(room), 100);
	assert_ptr_equal(arena_alloc(a, ARENA_ROOM_MIN / 4), p);
	arena_free(a);
}

static void
absurd_sizes_are_refused(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);

	(void)state;
	assert_non_null(a);
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 8));
	assert_null(arena_alloc(a, SIZE_MAX / 2));
	assert_null(arena_copy(a, "x", SIZE_MAX));
	assert_null(arena_copy(a, "x", SIZE_MAX - 1));
	assert_non_null(arena_alloc(a, 1));
	arena_free(a);
	arena_free(NULL);
}

static void
tiny_limit_works(void **state)
{
	struct arena *a = arena_new(1);

	(void)state;
	assert_non_null(a);
	assert_non_null(arena_alloc(a, 1));
	assert_null(arena_alloc(a, 1));
	arena_free(a);
}

static void
copy_ends_with_nul(void **state)
{
	struct arena *a = arena_new(1 << 16);
	char *text;

	(void)state;
	text = arena_copy(a, "abcdef", 3);
	assert_string_equal(text, "abc");
	text = arena_copy(a, NULL, 0);
	assert_string_equal(text, "");
	text = arena_copy(a, "a\0b", 3);
	assert_memory_equal(text, "a\0b", 4);
	arena_free(a);
}

/* A load that is always the same gets the same memory again, so that nothing
 * is allocated for it any more. */
static void
steady_load_settles_in_one_block(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char *first[40], *again;
	int round, i;

	(void)state;
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 40; i++) {
			again = arena_alloc(a, 3000);
			assert_non_null(again);
			memset(again, round, 3000);
			if (round == 4)
				assert_ptr_equal(again, first[i]);
			first[i] = again;
		}
		arena_reset(a);
	}
	arena_free(a);
}

static void
large_allocations_are_given_back(void **state)
{
	struct arena *a = arena_new(64 << 20);
	int round;
	char *p;

	(void)state;
	for (round = 0; round < 20; round++) {
		p = arena_alloc(a, 60 << 20);
		assert_non_null(p);
		p[0] = p[(60 << 20) - 1] = 1;
		assert_non_null(arena_alloc(a, 10));
		arena_reset(a);
	}
	arena_free(a);
}

/* The hot path, printed; the bound is generous, for sanitizers and busy machines. */
static void
reset_and_four_allocations_cost_little(void **state)
{
	struct arena *a = arena_new(1 << 20);
	const int rounds = 200000;
	uint64_t start, each;
	int i;

	(void)state;
	start = clock_ns();
	for (i = 0; i < rounds; i++) {
		arena_reset(a);
		assert_true(arena_alloc(a, 24) != NULL && arena_alloc(a, 100) != NULL &&
		    arena_alloc(a, 16) != NULL && arena_alloc(a, 400) != NULL);
	}
	each = (clock_ns() - start) / (uint64_t)rounds;
	printf("reset and four allocations: %llu ns\n", (unsigned long long)each);
	assert_true(each < 20000);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(limit_bounds_what_is_between_resets),
		cmocka_unit_test(room_of_the_callers_is_used),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(tiny_limit_works),
		cmocka_unit_test(copy_ends_with_nul),
		cmocka_unit_test(steady_load_settles_in_one_block),
		cmocka_unit_test(large_allocations_are_given_back),
		cmocka_unit_test(reset_and_four_allocations_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
