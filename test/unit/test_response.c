/* A response is framed in exactly one way, whatever the servlet does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "date.h"
#include "log.h"
#include "response.h"

static struct response response;
static struct arena *arena;
static struct output *output;
static int pair[2];
static char answer[1 << 20];

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(1 << 20);
	return response_init(&response);
}

static int
teardown(void **state)
{
	(void)state;
	free(response.large);
	arena_free(arena);
	return 0;
}

static void
begin(int minor, bool head_method)
{
	int size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	arena_reset(arena);
	output = NULL;
	response_begin(&response, arena, pair[0], &output, minor, head_method, true);
}

/* What the client has read when the server closes. */
static const char *
end(bool failed, const char **wrong)
{
	const char *w = response_finish(&response, failed);
	size_t length = 0;
	long long moved = 0;
	ssize_t n;

	if (wrong != NULL)
		*wrong = w;
	do {
		while ((n = read(pair[1], answer + length, sizeof(answer) - 1 - length)) > 0)
			length += (size_t)n;
	} while (output != NULL && output_pending(output) > 0 &&
	    output_send(output, pair[0], &moved) != -1);
	answer[length] = '\0';
	output_free(output);
	close(pair[0]);
	close(pair[1]);
	return answer;
}

static void
write_text(const char *text)
{
	assert_int_equal(response_write(&response, text, strlen(text)), strlen(text));
}

static bool
has(const char *line)
{
	return strstr(answer, line) != NULL;
}

static const char *
body(void)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

static void
test_short_body_has_a_length(void **state)
{
	(void)state;
	begin(1, false);
	write_text("hello");
	end(false, NULL);
	assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
	assert_true(has("\r\nContent-Length: 5\r\n"));
	assert_true(has("\r\nContent-Type: text/html; charset=UTF-8\r\n"));
	assert_true(has("\r\nDate: "));
	assert_false(has("Transfer-Encoding"));
	assert_false(has("Connection"));
	assert_string_equal(body(), "hello");
	assert_true(response.keep_alive);
}

static void
test_a_short_one_is_held_for_the_caller(void **state)
{
	static char body[4096];

	(void)state;
	for (size_t length = 13; length <= sizeof(body); length += sizeof(body) - 13) {
		begin(1, false);
		response.hold = true;
		response_write(&response, body, length);
		assert_null(response_finish(&response, false));
		assert_int_equal(output != NULL, length == 13);
		assert_int_equal(recv(pair[1], answer, 12, 0) == 12, length != 13);
		output_free(output);
		close(pair[0]);
		close(pair[1]);
	}
}

static void
test_a_type_that_was_removed_is_not_sent(void **state)
{
	(void)state;
	begin(1, false);
	response_set_header(&response, "content-type", NULL, true);
	write_text("hello");
	end(false, NULL);
	assert_true(has("200 OK") && !has("Content-Type"));
	begin(1, false);
	response_set_header(&response, "Content-Type", NULL, true);
	response_set_header(&response, "Content-Type", "text/plain", true);
	write_text("hello");
	end(false, NULL);
	assert_true(has("\r\nContent-Type: text/plain\r\n"));
}

static void
test_a_response_that_is_cut_says_nothing_more(void **state)
{
	(void)state;
	begin(1, false);
	write_text("hello");
	response_cut(&response);
	end(true, NULL);
	assert_string_equal(answer, "");
	assert_false(response.keep_alive);
	begin(1, false);
	write_text("hello");
	response_flush(&response);
	response_cut(&response);
	end(true, NULL);
	assert_true(has("5\r\nhello\r\n") && !has("\r\n0\r\n"));
}

static void
test_nothing_written_is_204(void **state)
{
	(void)state;
	begin(1, false);
	response_set_header(&response, "X-Y", "z", true);
	end(false, NULL);
	assert_memory_equal(answer, "HTTP/1.1 204 No Content\r\n", 25);
	assert_true(has("X-Y: z\r\n"));
	assert_false(has("Content-Length"));
	assert_false(has("Content-Type"));
	begin(1, false);
	response_set_status(&response, 200);
	end(false, NULL);
	assert_true(has("200 OK") && has("Content-Length: 0\r\n"));
}

static void
test_flushed_body_is_chunked(void **state)
{
	(void)state;
	begin(1, false);
	write_text("abc");
	response_flush(&response);
	write_text("0123456789abcdef");
	end(false, NULL);
	assert_true(has("Transfer-Encoding: chunked\r\n"));
	assert_false(has("Content-Length"));
	assert_string_equal(body(), "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
	assert_true(response.keep_alive);
}

static void
test_http_1_0_is_ended_by_closing(void **state)
{
	(void)state;
	begin(0, false);
	write_text("abc");
	response_flush(&response);
	write_text("def");
	end(false, NULL);
	assert_true(has("Connection: close\r\n"));
	assert_false(has("Transfer-Encoding") || has("Content-Length"));
	assert_string_equal(body(), "abcdef");
	assert_false(response.keep_alive);
	begin(0, false);
	write_text("abc");
	end(false, NULL);
	assert_true(has("Connection: keep-alive\r\n") && has("Content-Length: 3\r\n"));
}

static void
test_long_body_is_whole(void **state)
{
	static char data[300000];
	size_t i, length = 0;
	char *at;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)(i % 251);
	begin(1, false);
	assert_int_equal(response_write(&response, data, sizeof(data)), sizeof(data));
	end(false, NULL);
	assert_true(has("Transfer-Encoding: chunked\r\n"));
	for (at = strstr(answer, "\r\n\r\n") + 4;;) {
		size_t size = strtoul(at, &at, 16);

		at += 2;
		if (size == 0)
			break;
		assert_memory_equal(at, data + length, size);
		length += size;
		at += size + 2;
	}
	assert_int_equal(length, sizeof(data));
	assert_string_equal(at, "\r\n");
}

static void
test_no_body_where_none_may_be(void **state)
{
	(void)state;
	begin(1, true);
	write_text("hello");
	end(false, NULL);
	assert_true(has("Content-Length: 5\r\n"));
	assert_string_equal(body(), "");
	begin(1, false);
	response_set_status(&response, 304);
	write_text("hello");
	end(false, NULL);
	assert_false(has("Content-Length") || has("Transfer-Encoding"));
	assert_string_equal(body(), "");
	begin(1, true);
	write_text("hello");
	response_flush(&response);
	write_text("more");
	end(false, NULL);
	assert_string_equal(body(), "");
	assert_true(response.keep_alive);
}

static void
test_wrong_content_length_is_told(void **state)
{
	const char *wrong;

	(void)state;
	begin(1, false);
	response_set_header(&response, "Content-Length", "3", true);
	write_text("hello");
	end(false, &wrong);
	assert_non_null(wrong);
	assert_string_equal(body(), "hel");
	assert_false(response.keep_alive);
	begin(1, false);
	response_set_header(&response, "Content-Length", "9", true);
	write_text("hello");
	end(false, &wrong);
	assert_non_null(wrong);
	assert_true(response.broken);
	begin(1, false);
	response_set_header(&response, "Content-Length", "5", true);
	write_text("he");
	response_flush(&response);
	write_text("llo");
	end(false, &wrong);
	assert_null(wrong);
	assert_false(has("Transfer-Encoding"));
	assert_string_equal(body(), "hello");
	assert_non_null(response_set_header(&response, "Content-Length", "5", true));
}

static void
test_headers(void **state)
{
	(void)state;
	begin(1, false);
	assert_null(response_set_header(&response, "Set-Cookie", "a=1", false));
	assert_null(response_set_header(&response, "Set-Cookie", "b=2", false));
	assert_null(response_set_header(&response, "X-A", "1", true));
	assert_null(response_set_header(&response, "x-a", "2", true));
	assert_null(response_set_header(&response, "content-type", "text/plain", true));
	assert_null(response_set_header(&response, "X-B", "1", true));
	assert_null(response_set_header(&response, "X-B", NULL, true));
	assert_non_null(response_set_header(&response, "X-C", "a\r\nb: c", true));
	assert_non_null(response_set_header(&response, "X\r\nC", "a", true));
	assert_non_null(response_set_header(&response, "X C", "a", true));
	assert_non_null(response_set_header(&response, "", "a", true));
	assert_non_null(response_set_header(&response, "Transfer-Encoding", "chunked", true));
	assert_non_null(response_set_header(&response, "Content-Length", "-1", true));
	assert_non_null(response_set_header(&response, "Content-Length", "1x", true));
	assert_non_null(response_set_header(&response, "Connection", "upgrade", true));
	write_text("x");
	end(false, NULL);
	assert_true(has("Set-Cookie: a=1\r\n") && has("Set-Cookie: b=2\r\n"));
	assert_true(has("x-a: 2\r\n") && !has("X-A: 1") && !has("X-B") && !has("X-C"));
	assert_true(has("content-type: text/plain\r\n") && !has("text/html"));
}

static void
test_close_is_obeyed(void **state)
{
	(void)state;
	begin(1, false);
	assert_null(response_set_header(&response, "Connection", "close", true));
	write_text("x");
	end(false, NULL);
	assert_true(has("Connection: close\r\n"));
	assert_false(response.keep_alive);
}

static void
test_failure_is_500_or_a_cut(void **state)
{
	(void)state;
	begin(1, false);
	write_text("half");
	response_set_header(&response, "X-A", "1", true);
	end(true, NULL);
	assert_memory_equal(answer, "HTTP/1.1 500 ", 13);
	assert_string_equal(body(), "500 Internal Server Error\n");
	assert_false(has("X-A") || has("half"));
	begin(1, false);
	write_text("half");
	response_flush(&response);
	end(true, NULL);
	assert_true(response.broken);
	assert_false(has("0\r\n\r\n"));
}

static int
file_of(const char *text)
{
	char name[] = "/tmp/test_response.XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* What the client has read takes no room any more, however long the response goes on. */
static void
test_what_has_been_read_is_let_go(void **state)
{
	static char piece[1 << 22];

	(void)state;
	begin(1, false);
	response_write(&response, piece, sizeof(piece));
	response_flush(&response);
	assert_non_null(output);
	for (int i = 0; i < 1000 && output != NULL; i++) {
		write_text("more");
		response_flush(&response);
		while (read(pair[1], piece, sizeof(piece)) > 0)
			continue;
	}
	assert_null(output);
	assert_string_equal(end(false, NULL), "0\r\n\r\n");
}

static void
test_sendfile(void **state)
{
	int fd = file_of("0123456789");

	(void)state;
	begin(1, false);
	write_text("<");
	assert_int_equal(response_sendfile(&response, fd, 2, 5), 0);
	end(false, NULL);
	assert_true(has("Content-Length: 6\r\n"));
	assert_string_equal(body(), "<23456");
	begin(1, false);
	assert_int_equal(response_sendfile(&response, fd, 0, -1), 0);
	write_text(">");
	end(false, NULL);
	assert_true(has("Transfer-Encoding: chunked\r\n"));
	assert_string_equal(body(), "a\r\n0123456789\r\n1\r\n>\r\n0\r\n\r\n");
	begin(1, false);
	assert_int_equal(response_sendfile(&response, fd, 5, 6), -1);
	assert_int_equal(response_sendfile(&response, fd, 11, -1), -1);
	assert_int_equal(response_sendfile(&response, pair[1], 0, -1), -1);
	assert_int_equal(response_sendfile(&response, fd, 10, -1), 0);
	end(false, NULL);
	close(fd);
}

/* A file that cannot be kept was not written: what comes instead is whole. */
static void
test_sendfile_without_descriptors(void **state)
{
	int fd = file_of("0123456789");
	struct rlimit before, none;
	const char *wrong;

	(void)state;
	begin(1, false);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(response_sendfile(&response, fd, 0, -1), -1);
	setrlimit(RLIMIT_NOFILE, &before);
	write_text("sorry");
	end(false, &wrong);
	assert_null(wrong);
	assert_true(has("Content-Length: 5\r\n"));
	assert_false(has("Connection: close\r\n"));
	assert_string_equal(body(), "sorry");
	close(fd);
}

/* Dates as long as this second lasts and into the next; NULL, or one that is none. */
static void *
dates_until_the_next(void *wrong)
{
	time_t now = time(NULL);
	char text[DATE_LENGTH + 1];

	while (time(NULL) < now + 1)
		response_date();
	for (int i = 0; i < 10000; i++) {
		memcpy(text, response_date(), sizeof(text));
		if (date_parse(text) == (time_t)-1)
			memcpy(wrong, text, sizeof(text));
	}
	return NULL;
}

static void
test_a_head_without_room_is_logged(void **state)
{
	static char value[600000];	/* of an arena of 1 MB: once, not twice */
	char line[256] = "";
	int ends[2];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	assert_int_equal(pipe(ends), 0);
	log_open(ends[1], "worker");
	begin(1, false);
	assert_null(response_set_header(&response, "X-Long", value, true));
	write_text("hello");
	assert_string_equal(end(false, NULL), "");
	log_open(STDERR_FILENO, "test");
	close(ends[1]);
	assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
	assert_non_null(strstr(line, "a response is cut: its header fields find no room"));
	close(ends[0]);
}

/* The helper thread refuses requests while the main one makes a head. */
static void
test_dates_of_two_threads(void **state)
{
	char wrong[2][DATE_LENGTH + 1] = { "", "" };
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, dates_until_the_next, wrong[0]), 0);
	dates_until_the_next(wrong[1]);
	pthread_join(other, NULL);
	assert_string_equal(wrong[0], "");
	assert_string_equal(wrong[1], "");
}

/* Reads until the end. */
static void *
read_on(void *fd)
{
	static char piece[1 << 16];

	while (read(*(int *)fd, piece, sizeof(piece)) > 0)
		continue;
	return NULL;
}

/* A reader that is faster than the file is read must not keep all others waiting. */
static void
test_a_fast_reader_gets_a_part_at_a_time(void **state)
{
	struct output *o = output_new();
	long long moved = 0, size = 3 * OUTPUT_AT_ONCE + 1;
	int file = spool_file(), pair[2], turns = 0;
	pthread_t reader;

	(void)state;
	/* Blocking: to who writes there the socket is never full. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_on, &pair[1]), 0);
	assert_int_equal(ftruncate(file, size), 0);
	assert_int_equal(output_append_file(o, file, 0, size), 0);
	do
		turns++;
	while (output_send(o, pair[0], &moved) == 0);
	assert_int_equal(moved, size);
	assert_int_equal(turns, 4);
	output_free(o);
	close(file);
	close(pair[0]);
	pthread_join(reader, NULL);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_body_has_a_length),
		cmocka_unit_test(test_a_short_one_is_held_for_the_caller),
		cmocka_unit_test(test_a_type_that_was_removed_is_not_sent),
		cmocka_unit_test(test_a_response_that_is_cut_says_nothing_more),
		cmocka_unit_test(test_nothing_written_is_204),
		cmocka_unit_test(test_flushed_body_is_chunked),
		cmocka_unit_test(test_http_1_0_is_ended_by_closing),
		cmocka_unit_test(test_long_body_is_whole),
		cmocka_unit_test(test_no_body_where_none_may_be),
		cmocka_unit_test(test_wrong_content_length_is_told),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_close_is_obeyed),
		cmocka_unit_test(test_failure_is_500_or_a_cut),
		cmocka_unit_test(test_what_has_been_read_is_let_go),
		cmocka_unit_test(test_sendfile),
		cmocka_unit_test(test_sendfile_without_descriptors),
		cmocka_unit_test(test_a_head_without_room_is_logged),
		cmocka_unit_test(test_dates_of_two_threads),
		cmocka_unit_test(test_a_fast_reader_gets_a_part_at_a_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
