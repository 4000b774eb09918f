/*
 * test_title.c - ps shows the title and nothing else; arguments and
 * environment stay what they were.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "title.h"

extern char **environ;

static char **arguments;
static char shown[8192];

/* What ps reads, its length included. */
static ssize_t
read_title(void)
{
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		skip();		/* not Linux */
	n = read(fd, shown, sizeof(shown) - 1);
	close(fd);
	assert_true(n >= 0);
	shown[n] = '\0';
	return n;
}

static void
title_is_shown_alone(void **state)
{
	char expected[200];
	ssize_t n;
	int i;

	(void)state;
	title_set("master %s", "/etc/config.conf");
	n = read_title();
	assert_string_equal(shown, "modserver: master /etc/config.conf");
	assert_true((size_t)n <= strlen(shown) + 1);

	/* Of every length, longer than before and shorter again. */
	for (i = 0; i < 300; i++) {
		snprintf(expected, sizeof(expected), "modserver: %0*d", 1 + i * 7 % 150, i);
		title_set("%s", expected + strlen("modserver: "));
		n = read_title();
		assert_string_equal(shown, expected);
		assert_true((size_t)n <= strlen(shown) + 1);
	}
	title_set("worker");
	n = read_title();
	assert_string_equal(shown, "modserver: worker");
	assert_true((size_t)n <= strlen(shown) + 1);
}

static void
too_long_a_title_is_cut(void **state)
{
	char *text = malloc(1000001);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 1000000);
	text[1000000] = '\0';
	title_set("%s", text);
	read_title();
	assert_memory_equal(shown, "modserver: xxxxx", 16);
	free(text);
	title_set("worker");
	read_title();
	assert_string_equal(shown, "modserver: worker");
}

static void
arguments_and_environment_stay(void **state)
{
	size_t i;

	(void)state;
	title_set("worker");
	assert_string_equal(arguments[1], "--some");
	assert_string_equal(arguments[2], "argument");
	assert_null(arguments[3]);
	assert_string_equal(getenv("TEST_TITLE"), "here");
	/* Behind argv too, where main found it. */
	assert_ptr_equal(arguments[4], environ[0]);
	for (i = 0; environ[i] != NULL; i++)
		assert_non_null(strchr(environ[i], '='));
	assert_int_equal(setenv("TEST_TITLE", "changed", 1), 0);
	assert_int_equal(setenv("TEST_TITLE_NEW", "new", 1), 0);
	assert_int_equal(unsetenv("PATH"), 0);
	title_set("worker again");
	assert_string_equal(getenv("TEST_TITLE"), "changed");
	assert_string_equal(getenv("TEST_TITLE_NEW"), "new");
	assert_null(getenv("PATH"));
#ifdef __GLIBC__
	assert_non_null(strstr(program_invocation_name, "test_title"));
	assert_memory_equal(program_invocation_short_name, "test_title", 10);
#endif
}

static void
without_room_nothing_happens(void **state)
{
	char *none[] = { NULL };

	(void)state;
	title_init(0, none);
	title_init(1, arguments);	/* a second time: no effect */
	title_set("worker");
	read_title();
	assert_string_equal(shown, "modserver: worker");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(title_is_shown_alone),
		cmocka_unit_test(too_long_a_title_is_cut),
		cmocka_unit_test(without_room_nothing_happens),
		cmocka_unit_test(arguments_and_environment_stay),
	};

	/* Once more with arguments and an environment that are known. */
	if (argc != 3) {
		setenv("TEST_TITLE", "here", 1);
		execl("/proc/self/exe", argv[0], "--some", "argument", (char *)NULL);
		perror("exec");
		return 1;
	}
	title_set("before title_init");
	title_init(argc, argv);
	arguments = argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
