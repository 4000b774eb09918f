/*
 * An exact route wins, then the longest prefix at a segment's boundary.
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

#include "router.h"

static struct router *router;

/* The servlet that answers path and its SCRIPT_NAME's length, or -1. */
static void
assert_route(const char *path, long servlet, size_t script_length)
{
	struct route_match match = { 999, 999 };
	size_t length = strlen(path);
	char *copy = malloc(length);	/* without a NUL */

	memcpy(copy, path, length);
	if (router_find(router, copy, length, &match) == -1) {
		if (servlet != -1)
			fail_msg("%s: no route", path);
	} else {
		if ((long)match.servlet != servlet)
			fail_msg("%s: %zu", path, match.servlet);
		assert_int_equal(match.script_length, script_length);
	}
	free(copy);
}

static int
setup(void **state)
{
	(void)state;
	router = router_new();
	return router == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	router_free(router);
	return 0;
}

static void
empty(void **state)
{
	(void)state;
	assert_route("/", -1, 0);
	assert_route("/a/b", -1, 0);
}

static void
exact(void **state)
{
	(void)state;
	assert_int_equal(router_add(router, "/", 1), 0);
	assert_int_equal(router_add(router, "/a", 2), 0);
	assert_int_equal(router_add(router, "/a/", 3), 0);
	assert_int_equal(router_add(router, "/a/b.c", 4), 0);
	assert_route("/", 1, 1);
	assert_route("/a", 2, 2);
	assert_route("/a/", 3, 3);
	assert_route("/a/b.c", 4, 6);
	assert_route("/b", -1, 0);
	assert_route("/A", -1, 0);
	assert_route("//", -1, 0);
	assert_route("/a/b.c/", -1, 0);
	assert_route("/a/b", -1, 0);
}

static void
prefix(void **state)
{
	(void)state;
	assert_int_equal(router_add(router, "/shop/*", 1), 0);
	assert_route("/shop", 1, 5);
	assert_route("/shop/", 1, 5);
	assert_route("/shop/x", 1, 5);
	assert_route("/shop//x/y", 1, 5);
	assert_route("/shopx", -1, 0);
	assert_route("/sho", -1, 0);
	assert_route("/", -1, 0);
	assert_route("//shop", -1, 0);
}

static void
everything(void **state)
{
	(void)state;
	assert_int_equal(router_add(router, "/*", 1), 0);
	assert_route("/", 1, 0);
	assert_route("/a", 1, 0);
	assert_route("//", 1, 0);
	assert_int_equal(router_add(router, "/", 2), 0);
	assert_route("/", 2, 1);
	assert_route("/a", 1, 0);
}

static void
precedence(void **state)
{
	(void)state;
	assert_int_equal(router_add(router, "/a/b/*", 3), 0);
	assert_int_equal(router_add(router, "/*", 1), 0);
	assert_int_equal(router_add(router, "/a/*", 2), 0);
	assert_int_equal(router_add(router, "/a/b/c", 4), 0);
	assert_int_equal(router_add(router, "/a/b", 5), 0);
	assert_route("/x", 1, 0);
	assert_route("/a", 2, 2);
	assert_route("/a/x", 2, 2);
	assert_route("/a/bx", 2, 2);
	assert_route("/a/b", 5, 4);
	assert_route("/a/b/", 3, 4);
	assert_route("/a/b/x/y", 3, 4);
	assert_route("/a/b/c", 4, 6);
	assert_route("/a/b/c/d", 3, 4);
}

static void
refused(void **state)
{
	static const char *const routes[] = {
		"", "a", "*", "a/*", "/a*", "/*a", "/a/*/b", "/**", "/*/*", "/.", "/..", "/a/../b",
		"/a/./b", "/../*", "/a/.."
	};

	(void)state;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		errno = 0;
		if (router_add(router, routes[i], 1) != -1)
			fail_msg("added: %s", routes[i]);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(router_add(router, "/a", 1), 0);
	assert_int_equal(router_add(router, "/a/*", 2), 0);
	assert_int_equal(router_add(router, "/a", 3), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(router_add(router, "/a/*", 3), -1);
	assert_int_equal(errno, EEXIST);
	assert_route("/a", 1, 2);
	assert_route("/a/b", 2, 2);
	assert_int_equal(router_add(router, "/.a/..b/...", 4), 0);
}

static void
many(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), i % 2 ? "/r/%zu/*" : "/r/%zu", i);
		assert_int_equal(router_add(router, text, i), 0);
	}
	for (size_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), i % 2 ? "/r/%zu/x" : "/r/%zu", i);
		assert_route(text, (long)i, strlen(text) - (i % 2 ? 2 : 0));
	}
	assert_route("/r/5000", -1, 0);
	assert_route("/r/2/x", -1, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(empty, setup, teardown),
		cmocka_unit_test_setup_teardown(exact, setup, teardown),
		cmocka_unit_test_setup_teardown(prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(everything, setup, teardown),
		cmocka_unit_test_setup_teardown(precedence, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
