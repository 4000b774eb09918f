/*
 * test_metrics.c - what is counted is told: by boards, over generations, in
 * both formats, letter by letter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "metrics.h"

static struct config_servlet shop[] = { { .route = "/" }, { .route = "/shop/*" } };
static struct config_servlet other[] = { { .route = "/new" }, { .route = "/shop/*" } };
static const struct config shop_config = { .servlets = shop, .servlet_count = 2 };
static const struct config other_config = { .servlets = other, .servlet_count = 2 };

static char *text;

/* The whole text of m. */
static const char *
written(const struct metrics *m, enum metrics_format format)
{
	size_t length;
	FILE *out;

	free(text);
	out = open_memstream(&text, &length);
	assert_non_null(out);
	metrics_write(m, format, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Whether that is a line of what was last written. */
static void
has(const char *line)
{
	size_t length = strlen(line);

	for (const char *at = text; (at = strstr(at, line)) != NULL; at += length)
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return;
	print_error("no line \"%s\" in:\n%s", line, text);
	fail();
}

static void
durations_have_their_buckets(void **unused)
{
	struct tally t = { 0 };

	(void)unused;
	tally_duration(&t, 0);
	tally_duration(&t, 100000);
	tally_duration(&t, 100001);
	tally_duration(&t, 10000000000ull);
	tally_duration(&t, 10000000001ull);
	tally_duration(&t, UINT64_MAX / 2);
	assert_int_equal(t.durations[0], 2);
	assert_int_equal(t.durations[1], 1);
	assert_int_equal(t.durations[TALLY_BUCKETS - 2], 1);
	assert_int_equal(t.durations[TALLY_BUCKETS - 1], 2);
	for (int i = 0; i < TALLY_BUCKETS - 2; i++)
		assert_true(tally_bounds_ns[i] < tally_bounds_ns[i + 1]);
}

static void
statuses_have_their_class(void **unused)
{
	struct tally t = { 0 };

	(void)unused;
	tally_response(&t, 200, 5);
	tally_response(&t, 299, 6);
	tally_response(&t, 304, 0);
	tally_response(&t, 404, 0);
	tally_response(&t, 599, 0);
	tally_response(&t, 7, 0);
	tally_response(&t, 100000, 0);
	assert_int_equal(t.responses[0], 3);
	assert_int_equal(t.responses[1], 1);
	assert_int_equal(t.responses[2], 1);
	assert_int_equal(t.responses[3], 2);
	assert_int_equal(t.body_bytes, 11);
}

/* A worker that ends takes no count with it, and rows share no cache line. */
static void
a_slot_counts_on(void **unused)
{
	struct board *b = board_new(3, 3);
	struct metrics m = { 0 };

	(void)unused;
	assert_int_equal(metrics_use(&m, &shop_config), 0);
	board_take(b, &b->slots[0]);
	tally_response(&board_tallies(b, 0)[1], 200, 3);
	tally_count(&b->slots[0].overdue, 1);
	board_clear(b, &b->slots[0]);
	board_take(b, &b->slots[0]);
	tally_response(&board_tallies(b, 0)[1], 200, 4);
	board_take(b, &b->slots[1]);
	tally_response(&board_tallies(b, 1)[1], 500, 0);
	tally_count(&b->slots[1].overdue, 1);
	tally_response(&board_tallies(b, 1)[0], 404, 0);
	metrics_add(&m, b, &shop_config);
	assert_int_equal(m.routes[1].tally.responses[0], 2);
	assert_int_equal(m.routes[1].tally.responses[3], 1);
	assert_int_equal(m.routes[1].tally.body_bytes, 7);
	assert_int_equal(m.routes[0].tally.responses[2], 1);
	assert_int_equal(m.routes[2].tally.responses[0], 0);
	assert_int_equal(m.overdue, 2);
	assert_int_equal((uintptr_t)board_tallies(b, 1) % 64, 0);
	assert_true((char *)board_tallies(b, 0) >= (char *)&b->slots[3]);
	metrics_free(&m);
	board_free(b);
}

static void
states_are_counted_within_bounds(void **unused)
{
	struct board *b = board_new(4, 0);
	struct metrics m = { 0 };

	(void)unused;
	for (int i = 0; i < 4; i++)
		board_take(b, &b->slots[i]);
	board_idle(b, &b->slots[1]);
	board_running(b, &b->slots[2], 1);
	b->slots[2].connections = 7;
	b->slots[3].state = 0xa5a5a5a5;
	b->slots[3].connections = 1000;
	b->slot_count = b->slots_used = UINT32_MAX;
	assert_int_equal(board_slots_used(b), 4);
	assert_null(board_tallies(b, 0));
	metrics_look(&m, b);
	metrics_add(&m, b, &shop_config);
	assert_int_equal(m.workers[SLOT_STARTING], 1);
	assert_int_equal(m.workers[SLOT_IDLE], 1);
	assert_int_equal(m.workers[SLOT_RUNNING], 1);
	assert_int_equal(m.workers[SLOT_FREE], 0);
	assert_int_equal(m.connections, 7);
	board_free(b);
}

/* A reload keeps what is counted of a route that both have; another's is no more. */
static void
counts_go_from_one_configuration_to_the_next(void **unused)
{
	struct board *b = board_new(1, 3);
	struct metrics m = { 0 }, copy = { 0 };

	(void)unused;
	assert_int_equal(metrics_use(&m, &shop_config), 0);
	board_take(b, &b->slots[0]);
	for (int i = 0; i < 3; i++)
		for (int n = 0; n <= i; n++)
			tally_response(&board_tallies(b, 0)[i], 200, 0);
	metrics_add(&m, b, &shop_config);
	assert_int_equal(metrics_use(&m, &other_config), 0);
	assert_string_equal(m.routes[1].route, "/new");
	assert_int_equal(m.routes[0].tally.responses[0], 1);
	assert_int_equal(m.routes[1].tally.responses[0], 0);
	assert_int_equal(m.routes[2].tally.responses[0], 3);
	/* What the old one's workers still do. */
	metrics_add(&m, b, &shop_config);
	assert_int_equal(m.routes[1].tally.responses[0], 0);
	assert_int_equal(m.routes[2].tally.responses[0], 6);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(metrics_copy(&copy, &m), 0);
		assert_int_equal(copy.route_count, 3);
		assert_int_equal(copy.routes[2].tally.responses[0], 6);
	}
	metrics_free(&copy);
	metrics_free(&m);
	board_free(b);
}

static struct metrics
example(void)
{
	static struct metrics_route routes[] = { { .route = "" }, { .route = "/a\\b\"\xc3\xa4/*" } };

	memset(&routes[1].tally, 0, sizeof(routes[1].tally));
	tally_response(&routes[1].tally, 200, 11);
	tally_duration(&routes[1].tally, 1500000000);
	tally_duration(&routes[1].tally, 50000);
	return (struct metrics){ .routes = routes, .route_count = 2, .forks = 3, .overdue = 4,
		.reloads = 5, .started_s = 1700000000, .generation = 2, .workers_max = 256,
		.connections = 9, .deaths = { [SIGSEGV] = 1, [SIGUSR1] = 2, [BOARD_DEATH_EXIT] = 6 },
		.workers = { [SLOT_IDLE] = 8 } };
}

static void
openmetrics(void **unused)
{
	struct metrics m = example();
	const char *all = written(&m, METRICS_OPENMETRICS);

	(void)unused;
	has("# TYPE modserver info");
	has("# TYPE modserver_worker_forks counter");
	has("modserver_worker_forks_total 3");
	has("# UNIT modserver_start_time_seconds seconds");
	has("modserver_start_time_seconds 1700000000");
	has("modserver_workers{state=\"idle\"} 8");
	has("modserver_workers{state=\"leaving\"} 0");
	has("modserver_worker_deaths_total{cause=\"SIGSEGV\"} 1");
	has("modserver_worker_deaths_total{cause=\"SIGUSR1\"} 2");
	has("modserver_worker_deaths_total{cause=\"SIGBUS\"} 0");
	has("modserver_worker_deaths_total{cause=\"exit\"} 6");
	has("modserver_queue_timeouts_total 4");
	has("modserver_reloads_total{result=\"ok\"} 5");
	has("modserver_http_requests_total{code=\"4xx\"} 0");
	has("modserver_http_requests_total{route=\"/a\\\\b\\\"%C3%A4/*\",code=\"2xx\"} 1");
	has("modserver_http_response_body_bytes_total{route=\"/a\\\\b\\\"%C3%A4/*\"} 11");
	has("modserver_http_response_body_bytes_total 0");
	has("modserver_servlet_duration_seconds_bucket{route=\"/a\\\\b\\\"%C3%A4/*\",le=\"0.0001\"} 1");
	has("modserver_servlet_duration_seconds_bucket{route=\"/a\\\\b\\\"%C3%A4/*\",le=\"1.0\"} 1");
	has("modserver_servlet_duration_seconds_bucket{route=\"/a\\\\b\\\"%C3%A4/*\",le=\"2.5\"} 2");
	has("modserver_servlet_duration_seconds_bucket{route=\"/a\\\\b\\\"%C3%A4/*\",le=\"10.0\"} 2");
	has("modserver_servlet_duration_seconds_bucket{route=\"/a\\\\b\\\"%C3%A4/*\",le=\"+Inf\"} 2");
	has("modserver_servlet_duration_seconds_count{route=\"/a\\\\b\\\"%C3%A4/*\"} 2");
	has("modserver_servlet_duration_seconds_sum{route=\"/a\\\\b\\\"%C3%A4/*\"} 1.500050000");
	assert_string_equal(all + strlen(all) - 6, "# EOF\n");
}

static void
the_older_format(void **unused)
{
	struct metrics m = example();
	const char *all = written(&m, METRICS_PROMETHEUS);

	(void)unused;
	has("# TYPE modserver_info gauge");
	has("# TYPE modserver_worker_forks_total counter");
	has("modserver_worker_forks_total 3");
	has("# TYPE modserver_servlet_duration_seconds histogram");
	assert_null(strstr(all, "# UNIT"));
	assert_null(strstr(all, "# EOF"));
}

static void
the_client_chooses(void **unused)
{
	static const char *const open[] = { NULL, "*/*", "application/openmetrics-text",
		"text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.2",
		" Application/OpenMetrics-Text ; version=0.0.1,text/plain;version=0.0.4;q=0.5",
		"application/json,*/*;q=0.1" };
	static const char *const old[] = { "", "text/plain", "text/plain;version=0.0.4;q=1,*/*;q=0.1",
		"text/html,application/xhtml+xml,*/*;q=0.8", "application/json",
		"application/openmetrics-text;q=0, text/plain", "application/openmetrics-texts",
		"application/openmetrics-text;q=0.000,*/*;q=0", ",,;q=," };

	(void)unused;
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		assert_int_equal(metrics_choose(open[i]), METRICS_OPENMETRICS);
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
		assert_int_equal(metrics_choose(old[i]), METRICS_PROMETHEUS);
	assert_non_null(strstr(metrics_type(METRICS_OPENMETRICS), "version=1.0.0"));
	assert_non_null(strstr(metrics_type(METRICS_PROMETHEUS), "version=0.0.4"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_have_their_buckets),
		cmocka_unit_test(statuses_have_their_class),
		cmocka_unit_test(a_slot_counts_on),
		cmocka_unit_test(states_are_counted_within_bounds),
		cmocka_unit_test(counts_go_from_one_configuration_to_the_next),
		cmocka_unit_test(openmetrics),
		cmocka_unit_test(the_older_format),
		cmocka_unit_test(the_client_chooses),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(text);
	return failed;
}
