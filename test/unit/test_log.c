/*
 * test_log.c - a line of the error log is one write, and nothing in its text
 * can pass for another line or reach a terminal's control functions.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "spool.h"

/* One end takes what is logged, a message per write. */
static int ends[2];
static char line[40000];

static const char *
received(void)
{
	ssize_t n = recv(ends[0], line, sizeof(line) - 1, MSG_DONTWAIT);

	assert_true(n >= 0);
	line[n] = '\0';
	return line;
}

/* The text of the line just logged, without its prefix. */
static const char *
received_text(void)
{
	char prefix[60];
	const char *text;

	snprintf(prefix, sizeof(prefix), " error worker %ld: ", (long)getpid());
	text = strstr(received(), prefix);
	assert_non_null(text);
	return text + strlen(prefix);
}

static int
open_ends(void **state)
{
	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == -1)
		return -1;
	log_open(ends[1], "worker");
	return 0;
}

static int
close_ends(void **state)
{
	(void)state;
	log_open(STDERR_FILENO, "test");
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void
line_has_time_level_role_and_pid(void **state)
{
	regex_t form;

	(void)state;
	assert_int_equal(regcomp(&form, "^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
	    "[0-6][0-9]\\.[0-9]{3}Z (error|warning|info|debug) worker [0-9]+: a 1\n$",
	    REG_EXTENDED | REG_NOSUB), 0);
	log_error("a %d", 1);
	assert_int_equal(regexec(&form, received(), 0, NULL, 0), 0);
	log_warning("a %d", 1);
	assert_int_equal(regexec(&form, received(), 0, NULL, 0), 0);
	assert_non_null(strstr(line, "Z warning "));
	log_info("a %d", 1);
	assert_int_equal(regexec(&form, received(), 0, NULL, 0), 0);
	log_write(LOG_DEBUG, "a %d", 1);
	assert_int_equal(regexec(&form, received(), 0, NULL, 0), 0);
	regfree(&form);
}

static void
controls_are_escaped(void **state)
{
	static const struct {
		const char *text, *as;
	} cases[] = {
		{ "", "\n" },
		{ "plain", "plain\n" },
		{ "a\rb", "a\\x0db\n" },
		{ "\x1b[31mred\x7f", "\\x1b[31mred\\x7f\n" },
		{ "tab\there", "tab\there\n" },
		{ "Traceback:\n  File 1\n\tx\n", "Traceback:\n\t  File 1\n\t\tx\n" },
		{ "a\n\n\n", "a\n" },
		{ "a\r\nb", "a\\x0d\n\tb\n" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\n" },
		{ "\xff\xfe", "\\xff\\xfe\n" },
		{ "\xc3", "\\xc3\n" },
		{ "\xc3(", "\\xc3(\n" },
		{ "\xe2\x82", "\\xe2\\x82\n" },
		{ "\xc0\x8a", "\\xc0\\x8a\n" },			/* overlong newline */
		{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a\n" },
		{ "\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a\n" },
		{ "\xc2\x9b" "31m", "\\xc2\\x9b31m\n" },	/* CSI as U+009B */
		{ "\xc2\xa0", "\xc2\xa0\n" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80\n" },	/* surrogate */
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf\n" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80\n" },
		{ "\x80", "\\x80\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_error("%s", cases[i].text);
		assert_string_equal(received_text(), cases[i].as);
	}
}

static void
long_text_is_cut_and_still_one_line(void **state)
{
	char *text = malloc(100001);
	size_t n;

	(void)state;
	assert_non_null(text);
	for (n = 1; n <= 100000; n = n * 3 / 2 + 1) {
		memset(text, n % 2 ? 'x' : '\x01', n);
		text[n] = '\0';
		log_error("%s", text);
		received_text();
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		if (n > 8192)
			assert_non_null(strstr(line, " [cut]\n"));
	}
	free(text);
}

static void
errno_is_kept(void **state)
{
	(void)state;
	errno = EDOM;
	log_error("%m");
	assert_int_equal(errno, EDOM);
	assert_non_null(strstr(received(), strerror(EDOM)));
	log_open(-1, "worker");
	assert_int_equal(errno, EDOM);
	log_error("nobody hears this");
	assert_int_equal(errno, EDOM);
	log_open(ends[1], "worker");
}

static void
full_pipe_drops_the_line(void **state)
{
	int i;

	(void)state;
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	for (i = 0; i < 5000; i++)
		log_error("line %d", i);
	received();
	assert_non_null(strstr(line, ": line 0\n"));
}

static void
file_is_appended_to(void **state)
{
	int fd = spool_file(), other;

	(void)state;
	assert_true(fd >= 0);
	log_open(fd, "worker");
	assert_true(fcntl(fd, F_GETFL) & O_APPEND);
	log_error("first");
	/* As after copytruncate, or when another process has written. */
	other = dup(fd);
	assert_int_equal(lseek(other, 0, SEEK_SET), 0);
	log_error("second");
	assert_int_equal(pread(fd, line, sizeof(line), 0), lseek(fd, 0, SEEK_END));
	assert_non_null(strstr(line, ": first\n"));
	assert_non_null(strstr(line, ": second\n"));
	close(other);
	close(fd);
	log_open(ends[1], "worker");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_has_time_level_role_and_pid),
		cmocka_unit_test(controls_are_escaped),
		cmocka_unit_test(long_text_is_cut_and_still_one_line),
		cmocka_unit_test(errno_is_kept),
		cmocka_unit_test(file_is_appended_to),
		cmocka_unit_test(full_pipe_drops_the_line),
	};

	return cmocka_run_group_tests(tests, open_ends, close_ends);
}
