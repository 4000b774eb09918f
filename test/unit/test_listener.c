/*
 * test_listener.c - listeners are bound, taken over and closed as the
 * configuration says; unix sockets replace what is stale and nothing else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"

static const struct passed none;
static char directory[] = "/tmp/test_listener.XXXXXX";

static int
enter_directory(void **unused)
{
	(void)unused;
	return mkdtemp(directory) == NULL || chdir(directory) == -1 ? -1 : 0;
}

static int
leave_directory(void **unused)
{
	(void)unused;
	return chdir("/") == -1 || rmdir(directory) == -1 ? -1 : 0;
}

static int
descriptors_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static uint16_t
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &length), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static struct config_listen
inet(const char *host, uint16_t port, int line)
{
	return (struct config_listen){ .place = { "test.conf", line }, .text = host,
	    .family = strchr(host, ':') != NULL ? LISTEN_INET6 : LISTEN_INET, .host = host,
	    .port = port, .backlog = 16 };
}

static struct config_listen
local(const char *path)
{
	return (struct config_listen){ .place = { "test.conf", 5 }, .text = path,
	    .family = LISTEN_UNIX, .host = path, .backlog = 16 };
}

static struct config
config_of(struct config_listen *at, size_t count)
{
	return (struct config){ .file = "test.conf", .listens = at, .listen_count = count };
}

static bool
answers(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool yes = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

static void
it_listens_and_stops(void **unused)
{
	uint16_t port = free_port();
	struct config_listen at[] = { inet("127.0.0.1", port, 1), inet("::1", port, 2) };
	struct config c = config_of(at, 2);
	struct listeners l;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), 0);
	assert_int_equal(l.count, 2);
	assert_ptr_equal(l.at[1].listen, &at[1]);
	assert_true(fcntl(l.at[0].fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(l.at[0].fd, F_GETFD) & FD_CLOEXEC);
	assert_true(answers(port));
	listeners_close(&l, NULL, true);
	assert_false(answers(port));
	assert_int_equal(l.count, 0);
	listeners_close(&l, NULL, true);
}

/* What is sent in small pieces must not wait for the client's acknowledgement of each. */
static void
connections_send_at_once(void **unused)
{
	struct config_listen at = inet("127.0.0.1", free_port(), 1);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(at.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct config c = config_of(&at, 1);
	int client = socket(AF_INET, SOCK_STREAM, 0), fd, on = 0;
	socklen_t length = sizeof(on);
	struct listeners l;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(client, "x", 1, 0), 1);
	assert_int_equal(poll(&(struct pollfd){ .fd = l.at[0].fd, .events = POLLIN }, 1, 10000), 1);
	fd = accept(l.at[0].fd, NULL, NULL);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
	assert_true(on);
	close(fd);
	close(client);
	listeners_close(&l, NULL, true);
}

static void
a_taken_port_names_its_line(void **unused)
{
	uint16_t port = free_port(), other = free_port();
	struct config_listen at[] = { inet("127.0.0.1", other, 3), inet("127.0.0.1", port, 7) };
	struct config first = config_of(&at[1], 1), both = config_of(at, 2);
	struct listeners l, m;
	char error[256];
	int before;

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &first, error, sizeof(error)), 0);
	before = descriptors_open();
	assert_int_equal(listeners_open(&m, NULL, &none, &both, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "test.conf:7: "));
	assert_non_null(strstr(error, "in use"));
	/* Nothing new stays open. */
	assert_int_equal(descriptors_open(), before);
	assert_false(answers(other));
	listeners_close(&l, NULL, true);
}

static void
a_reload_takes_over(void **unused)
{
	uint16_t a = free_port(), b = free_port(), d = free_port();
	struct config_listen old_at[] = { inet("127.0.0.1", a, 1), inet("127.0.0.1", b, 2) };
	struct config_listen new_at[] = { inet("127.0.0.1", d, 1), inet("127.0.0.1", b, 9) };
	struct config old_c = config_of(old_at, 2), new_c = config_of(new_at, 2);
	struct listeners old, new;
	char error[256];
	int kept;

	(void)unused;
	assert_int_equal(listeners_open(&old, NULL, &none, &old_c, error, sizeof(error)), 0);
	kept = old.at[1].fd;
	assert_int_equal(listeners_open(&new, &old, &none, &new_c, error, sizeof(error)), 0);
	assert_int_equal(new.at[1].fd, kept);
	assert_ptr_equal(new.at[1].listen, &new_at[1]);
	assert_true(answers(a) && answers(b) && answers(d));
	listeners_close(&old, &new, true);
	assert_false(answers(a));
	assert_true(answers(b) && answers(d));
	listeners_close(&new, NULL, true);
	assert_false(answers(b));
}

static void
a_failed_reload_leaves_the_old_ones(void **unused)
{
	uint16_t a = free_port(), taken = free_port();
	struct config_listen old_at[] = { inet("127.0.0.1", a, 1) };
	struct config_listen taken_at[] = { inet("127.0.0.1", taken, 1) };
	struct config_listen new_at[] = { inet("127.0.0.1", a, 1),
	    inet("127.0.0.1", taken, 2) };
	struct config old_c = config_of(old_at, 1), taken_c = config_of(taken_at, 1);
	struct config new_c = config_of(new_at, 2);
	struct listeners old, other, new;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&other, NULL, &none, &taken_c, error, sizeof(error)), 0);
	assert_int_equal(listeners_open(&old, NULL, &none, &old_c, error, sizeof(error)), 0);
	assert_int_equal(listeners_open(&new, &old, &none, &new_c, error, sizeof(error)), -1);
	assert_true(answers(a));
	listeners_close(&old, NULL, true);
	listeners_close(&other, NULL, true);
}

static void
an_overlapping_address_of_our_own_is_named_so(void **unused)
{
	static const char *const hosts[][2] = { { "0.0.0.0", "127.0.0.1" },
	    { "127.0.0.1", "0.0.0.0" }, { "::", "::1" }, { "0::0", "::1" } };

	(void)unused;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		uint16_t port = free_port();
		struct config_listen old_at[] = { inet(hosts[i][0], port, 1) };
		struct config_listen new_at[] = { inet(hosts[i][1], port, 1) };
		struct config old_c = config_of(old_at, 1), new_c = config_of(new_at, 1);
		struct listeners old, new;
		char error[512];

		assert_int_equal(listeners_open(&old, NULL, &none, &old_c, error, sizeof(error)), 0);
		/* Where the system allows both, nothing is to be said. */
		if (listeners_open(&new, &old, &none, &new_c, error, sizeof(error)) == 0)
			listeners_close(&new, &old, true);
		else
			assert_non_null(strstr(error, "this server listens there"));
		listeners_close(&old, NULL, true);
	}
}

static void
one_address_twice_is_a_mistake(void **unused)
{
	uint16_t port = free_port();
	struct config_listen at[] = { inet("::1", port, 1), inet("0:0:0:0:0:0:0:1", port, 4) };
	struct config c = config_of(at, 2);
	struct listeners l;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "test.conf:4: "));
}

static void
both_families_share_a_port(void **unused)
{
	uint16_t port = free_port();
	struct config_listen at[] = { inet("::", port, 1), inet("0.0.0.0", port, 2) };
	struct config c = config_of(at, 2);
	struct listeners l;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), 0);
	listeners_close(&l, NULL, true);
}

static void
a_unix_socket_comes_and_goes(void **unused)
{
	struct config_listen at[] = { local("a.sock") };
	struct config c = config_of(at, 1);
	struct listeners l, again;
	struct stat st;
	char error[256];

	(void)unused;
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), 0);
	assert_int_equal(stat("a.sock", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	/* A live one is refused, and stays. */
	assert_int_equal(listeners_open(&again, NULL, &none, &c, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "test.conf:5: "));
	assert_int_equal(stat("a.sock", &st), 0);
	/* A stale one is replaced. */
	listeners_close(&l, NULL, false);
	assert_int_equal(stat("a.sock", &st), 0);
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), 0);
	listeners_close(&l, NULL, true);
	assert_int_equal(stat("a.sock", &st), -1);
}

static void
a_live_one_with_a_full_backlog_is_refused(void **unused)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "full.sock" };
	struct config_listen at[] = { local("full.sock") };
	struct config c = config_of(at, 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), clients[8], n = 0;
	struct listeners l;
	char error[256];

	(void)unused;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 0), 0);
	while (n < 8) {
		clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(clients[n++], (struct sockaddr *)&a, sizeof(a)) == -1)
			break;
	}
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), -1);
	assert_int_equal(access("full.sock", F_OK), 0);
	while (n > 0)
		close(clients[--n]);
	close(fd);
	unlink("full.sock");
}

static void
other_files_are_left_alone(void **unused)
{
	struct config_listen file[] = { local("file") }, link_at[] = { local("link") };
	struct config c = config_of(file, 1), d = config_of(link_at, 1);
	struct listeners l;
	char error[256];
	int fd = open("file", O_WRONLY | O_CREAT, 0600);

	(void)unused;
	close(fd);
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "no socket"));
	assert_int_equal(listeners_open(&l, NULL, &none, &d, error, sizeof(error)), -1);
	assert_int_equal(access("file", F_OK), 0);
	assert_int_equal(unlink("link"), 0);
	assert_int_equal(unlink("file"), 0);
}

static void
a_path_too_long_is_an_error(void **unused)
{
	char path[300];
	struct config_listen at[1];
	struct config c = config_of(at, 1);
	struct listeners l;
	char error[600];

	(void)unused;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	at[0] = local(path);
	assert_int_equal(listeners_open(&l, NULL, &none, &c, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "too long"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_listens_and_stops),
		cmocka_unit_test(connections_send_at_once),
		cmocka_unit_test(a_taken_port_names_its_line),
		cmocka_unit_test(a_reload_takes_over),
		cmocka_unit_test(a_failed_reload_leaves_the_old_ones),
		cmocka_unit_test(an_overlapping_address_of_our_own_is_named_so),
		cmocka_unit_test(one_address_twice_is_a_mistake),
		cmocka_unit_test(both_families_share_a_port),
		cmocka_unit_test(a_unix_socket_comes_and_goes),
		cmocka_unit_test(a_live_one_with_a_full_backlog_is_refused),
		cmocka_unit_test(other_files_are_left_alone),
		cmocka_unit_test(a_path_too_long_is_an_error),
	};

	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
