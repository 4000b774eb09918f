/* The configuration: what each word means, and what is said of each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

static char directory[64];
static char *errors;

static int
setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_config.XXXXXX");
	return mkdtemp(directory) == NULL || chdir(directory) == -1;
}

static int
teardown(void **state)
{
	(void)state;
	unlink("more.conf");
	unlink("test.conf");
	unlink("a.so");
	unlink("b.go.so");
	unlink("c.py");
	return rmdir(directory);
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct config *
load(const char *text)
{
	put("test.conf", text);
	free(errors);
	return config_load("test.conf", &errors, NULL);
}

static struct config *
good(const char *text)
{
	struct config *c = load(text);

	if (c == NULL)
		print_error("%s", errors);
	assert_non_null(c);
	assert_null(errors);
	return c;
}

/* The text is a mistake at this line, and what is said has this in it. */
static void
bad(const char *text, int line, const char *said)
{
	char place[64];
	const char *at;

	assert_null(load(text));
	assert_non_null(errors);
	snprintf(place, sizeof(place), "test.conf:%d: ", line);
	for (at = errors; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1) {
		const char *end = strchr(at, '\n'), *found = strstr(at, said);

		if (strncmp(at, place, strlen(place)) == 0 && found != NULL && found < end)
			return;
	}
	print_error("%s does not say \"%s\" of line %d:\n%s", text, said, line, errors);
	fail();
}

static void
test_metrics(void **state)
{
	struct config *c = good("listen \"127.0.0.1:9145\"");

	(void)state;
	assert_int_equal(c->metrics_count, 0);
	config_free(c);
	c = good("\nmetrics \"[::1]:9145\"");
	assert_int_equal(c->metrics_count, 1);
	assert_string_equal(c->metrics->text, "[::1]:9145");
	assert_string_equal(c->metrics->host, "::1");
	assert_int_equal(c->metrics->family, LISTEN_INET6);
	assert_int_equal(c->metrics->port, 9145);
	assert_int_equal(c->metrics->place.line, 2);
	config_free(c);
	c = good("metrics \"unix:/tmp/m\" metrics \"off\"");
	assert_int_equal(c->metrics_count, 0);
	config_free(c);
	bad("metrics \"nowhere\"", 1, "metrics \"nowhere\": expected ADDRESS:PORT");
	bad("metrics {}", 1, "metrics: a table is no address");
	bad("metrics (\"8081\", \"8082\")", 1, "metrics: more values than it takes");
	bad("metric \"8081\"", 1, "did you mean `metrics`");
	/* Whichever comes first. */
	bad("metrics \"8081\"\nlisten \"0.0.0.0:8081\"", 1, "test.conf:2 listens there");
	bad("metrics \"8080\"", 1, "metrics \"8080\": without a listen the server itself is there");
	bad("listen \"localhost:8081\"\n\nmetrics \"127.0.0.1:8081\"", 3, "test.conf:1 listens there");
}

static void
test_defaults(void **state)
{
	struct config *c = good("");

	(void)state;
	assert_int_equal(c->listen_count, 1);
	assert_string_equal(c->listens[0].host, "0.0.0.0");
	assert_int_equal(c->listens[0].port, 8080);
	assert_int_equal(c->workers.min, 1);
	assert_int_equal(c->workers.max, 256);
	assert_int_equal(c->workers.idle_timeout_ms, 5000);
	assert_int_equal(c->workers.patience_ns, 1000000);
	assert_int_equal(c->timeouts.head, 10000);
	assert_int_equal(c->timeouts.request, 0);
	assert_int_equal(c->limits.head_bytes, 32768);
	assert_int_equal(c->limits.body_bytes, 64 << 20);
	assert_int_equal(c->limits.headers, 100);
	assert_null(c->access_log.path);
	assert_null(c->error_log.path);
	assert_false(c->reload || c->debug || c->has_user);
	config_free(c);
}

static void
test_listen(void **state)
{
	static const struct { const char *text, *host; int port; enum listen_family family; } cases[] = {
		{ "listen \"127.0.0.1:81\"", "127.0.0.1", 81, LISTEN_INET },
		{ "listen \"[::1]:82\"", "::1", 82, LISTEN_INET6 },
		{ "listen \"::1:83\"", "::1", 83, LISTEN_INET6 },
		{ "listen \"*:84\"", "0.0.0.0", 84, LISTEN_INET },
		{ "listen \":85\"", "0.0.0.0", 85, LISTEN_INET },
		{ "listen \"86\"", "0.0.0.0", 86, LISTEN_INET },
		{ "listen (87)", "0.0.0.0", 87, LISTEN_INET },
		{ "listen \"localhost:88\"", "127.0.0.1", 88, LISTEN_INET },
		{ "listen \"unix:/run/x\"", "/run/x", 0, LISTEN_UNIX },
		{ "listen { \"0.0.0.0:89\", backlog = 7, proxy_protocol = true }", "0.0.0.0", 89, LISTEN_INET },
	};
	struct config *c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = good(cases[i].text);
		assert_int_equal(c->listen_count, 1);
		assert_string_equal(c->listens[0].host, cases[i].host);
		assert_int_equal(c->listens[0].port, cases[i].port);
		assert_int_equal(c->listens[0].family, cases[i].family);
		assert_int_equal(c->listens[0].proxy_protocol, i == 9);
		assert_int_equal(c->listens[0].backlog, i == 9 ? 7 : 1024);
		config_free(c);
	}
	bad("listen \"127.0.0.1:0\"", 1, "1 to 65535");
	bad("listen \"127.0.0.1:65536\"", 1, "1 to 65535");
	bad("listen \"example.org:80\"", 1, "no numeric address");
	bad("listen \"300.0.0.1:80\"", 1, "no numeric address");
	bad("\nlisten \"80\"\nlisten \":80\"", 3, "already at test.conf:2");
	bad("listen {}", 1, "no address");
	bad("listen \"unix:\"", 1, "missing");
	bad("listen (\"80\", \"81\")", 1, "more values");
}

static void
test_servlets(void **state)
{
	struct config *c;

	(void)state;
	put("a.so", "");
	put("b.go.so", "");
	put("c.py", "");
	c = good("load_module (\"module.so\", \"so\")\n"
	    "load_module { \"module/go.so\", { \"go.so\" }, optional = true }\n"
	    "load_module { \"python\", \"py\", venv = \"/srv/venv\", debug = true, size = 3 }\n"
	    "load_servlet \"a.so\"\n"
	    "load_servlet (\"b.go.so\", \"/b/*\")\n"
	    "load_servlet { \"c.py\", \"/\", timeout = 1.5, methods = { \"GET\", \"PUT\" },\n"
	    "description = \"x\", color = \"red\" }\n"
	    "load_servlet (\"pkg.mod:app\", \"/shop/*\")\n"
	    "load_servlet { \"missing.so\", optional = true }\n");
	assert_int_equal(c->servlet_count, 5);
	assert_string_equal(c->servlets[0].route, "/a.so");
	assert_int_equal(c->servlets[0].module, 0);
	assert_int_equal(c->servlets[0].place.line, 4);
	assert_int_equal(c->servlets[1].module, 1);	/* go.so before so */
	assert_string_equal(c->modules[1].name, "go");
	assert_true(c->modules[1].optional);
	assert_int_equal(c->modules[2].option_count, 3);
	assert_string_equal(c->modules[2].options[0].name, "debug");
	assert_string_equal(c->modules[2].options[0].value, "true");
	assert_string_equal(c->modules[2].options[1].value, "3");
	assert_string_equal(c->modules[2].options[2].value, "/srv/venv");
	assert_int_equal(c->servlets[2].timeout_ms, 1500);
	assert_string_equal(c->servlets[2].methods, "GET, HEAD, PUT");
	assert_null(c->servlets[0].methods);
	assert_string_equal(c->servlets[2].description, "x");
	assert_int_equal(c->servlets[2].servlet.option_count, 1);
	assert_string_equal(c->servlets[3].servlet.path, "pkg.mod:app");
	assert_int_equal(c->servlets[3].module, 2);
	assert_int_equal(c->servlets[0].servlet.path[0], '/');
	config_free(c);
}

static void
test_servlet_mistakes(void **state)
{
	(void)state;
	put("a.so", "");
	bad("load_servlet \"a.so\"", 1, "no module serves");
#define SO "load_module (\"so\", \"so\")\n"
	bad(SO "load_servlet \"none.so\"", 2, "no such file");
	bad(SO "load_servlet \"a.so\"\nload_servlet \"a.so\"", 3, "is taken by \"a.so\" (test.conf:2)");
	bad(SO "load_servlet (\"a.so\", \"x\")", 2, "begins with");
	bad(SO "load_servlet (\"a.so\", \"/x//y\")", 2, "//");
	bad(SO "load_servlet (\"a.so\", \"/x/../y\")", 2, "segments");
	bad(SO "load_servlet (\"a.so\", \"/x*\")", 2, "only at the end");
	bad(SO "load_servlet (\"a.so\", \"/x?y\")", 2, "query");
	bad(SO "load_servlet (\"a.so\", \"/%20\")", 2, "percent");
	bad(SO "load_servlet \"/bin/a.so\"", 2, "needs a route");
	bad(SO "load_servlet { \"a.so\", timout = 1 }", 2, "did you mean `timeout`?");
	bad(SO "load_servlet { \"a.so\", timeout = \"x\" }", 2, "timeout is \"x\"");
	bad(SO "load_servlet { \"a.so\", foo = {} }", 2, "foo is a table");
	bad(SO "load_servlet { \"a.so\", foo = { x = {} } }", 2, "foo.x is a table");
	bad(SO SO, 2, "extension \"so\" is served by so already");
	bad("load_module \"so\"", 1, "extensions");
	bad("load_module (\"../x\", \"so\")", 1, "no module's name");
	bad("load_module { \"so\", \"so\", optonal = true }", 1, "did you mean `optional`?");
}

static void
test_mistakes(void **state)
{
	(void)state;
	bad("lisen \"80\"", 1, "did you mean `listen`?");
	bad("workres { min = 1 }", 1, "did you mean `workers`?");
	bad("\n\nfoo (1)", 3, "unknown word `foo`");
	bad("foo = 1", 1, "unknown word `foo`");
	bad("listen = 1", 1, "without `=`");
	bad("workers { mn = 1 }", 1, "did you mean `min`?");
	bad("workers { min = -1 }", 1, "a whole number");
	bad("workers { min = 5, max = 2 }", 1, "min is 5, more than max");
	bad("workers { 5 }", 1, "5 has no name");
	bad("workers 5", 1, "workers 5");
	bad("timeouts { head = -1 }", 1, "seconds");
	bad("timeouts { head = 0/0 }", 1, "seconds");
	bad("timeouts { head = 1e300 }", 1, "seconds");
	bad("limits { head = \"1T\" }", 1, "a size");
	bad("limits { head = 10 }", 1, "256 to");
	bad("limits { body = -1 }", 1, "a size");
	bad("reload \"yes\"", 1, "expected \"on\" or \"off\"");
	bad("debug \"yes\"", 1, "debug: \"yes\", expected \"on\" or \"off\"");
	bad("user \"nobody-of-that-name\"", 1, "there is no user");
	bad("user (\"root\", \"no-such-group\")", 1, "there is no group");
	bad("access_log (1)", 1, "expected a path");
	bad("access_log { format = \"extended\" }", 1, "expected a path");
	bad("access_log { \"x\", format = \"json\" }", 1, "expected \"combined\" or \"extended\"");
	bad("access_log { \"x\", \"y\" }", 1, "more values than it takes");
	bad("error_log \"nowhere/x\"", 1, "no directory");
	bad("load_config \"none.conf\"", 1, "cannot read none.conf");
	bad("load_config \"test.conf\"", 1, "loaded already");
	bad("listen {\n", 2, "expected");
	bad("x y", 1, "x y");
	bad("env (1)", 1, "variable's name");
}

static void
test_sandbox(void **state)
{
	(void)state;
	bad("while true do end", 1, "too long");
	bad("local function f() return f() end f()", 1, "too long");
	/* There is still time to find the mistakes of the whole. */
	bad("for i = 1, 300 do load_servlet ('x.lua', '/' .. i) end while true do end", 1, "too long");
	assert_non_null(strstr(errors, "no module serves"));
#ifndef __SANITIZE_THREAD__	/* its time is over first */
	bad("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end", 1, "memory");
#endif
	bad("local s = ('x'):rep(1 << 40)", 1, "");
	bad("local s = ('a'):rep(900) s:find('.-.-.-.-b')", 1, "pattern");
	bad("local s = ('a'):rep(101) s:find('.-.-.-b')", 1, "pattern");
	config_free(good("local s = ('a'):rep(100) s:find('.-.-.-b')"));
	/* Few steps, but long ones. */
	bad("local s while true do s = ('x'):rep(1e7) end", 1, "too long");
	bad("os.exit(1)", 1, "unknown word `os`");
	bad("io.open('/etc/passwd')", 1, "unknown word `io`");
	bad("require 'x'", 1, "unknown word `require`");
	bad("load('x')", 1, "unknown word `load`");
	bad("dofile 'x'", 1, "unknown word `dofile`");
	bad("setmetatable({}, {})", 1, "unknown word `setmetatable`");
	bad("string.dump(listen)", 1, "dump");
	assert_null(load("\x1bLua"));	/* no precompiled chunks */
}

static void
test_all_mistakes_of_a_run(void **state)
{
	(void)state;
	put("more.conf", "\ntimeouts { x = 1 }\n");
	assert_null(load("lisen (1)\nload_config \"more.conf\"\nreload (3)\n"));
	assert_non_null(strstr(errors, "test.conf:1: "));
	assert_non_null(strstr(errors, "more.conf:2: "));
	assert_non_null(strstr(errors, "test.conf:3: "));
	assert_int_equal(errors[strlen(errors) - 1], '\n');
}

/* Whatever a mistake quotes from the file, it is one line of harmless octets. */
static void
test_a_mistake_is_one_line(void **state)
{
	const char *at;

	(void)state;
	bad("user (\"www\\nx\n", 1, "`user (\"www\\nx`");
	bad("x \x1b[2J", 1, "?[2J");
	bad("reload \"a\\nb\"", 1, "a\\nb");
	bad("local t = {} t['a\\nb\\1c'].x = 1", 1, "'a b?c'");
	at = strchr(errors, '\n');
	assert_non_null(at);
	assert_int_equal(at[1], '\0');
}

static void
test_it_is_a_language(void **state)
{
	struct config *c;

	(void)state;
	setenv("TEST_CONFIG_PORT", "4711", 1);
	c = good("local base = tonumber(env \"TEST_CONFIG_PORT\")\n"
	    "for i = 0, 2 do listen (\"127.0.0.1:\" .. base + i) end\n"
	    "if env \"NOT_SET\" == nil then workers { max = math.max(3, 7) } end\n"
	    "limits { head = \"64K\", body = \"1G\" }\n");
	assert_int_equal(c->listen_count, 3);
	assert_int_equal(c->listens[2].port, 4713);
	assert_int_equal(c->workers.max, 7);
	assert_int_equal(c->limits.head_bytes, 65536);
	assert_int_equal(c->limits.body_bytes, 1 << 30);
	config_free(c);
	assert_null(config_load("nowhere.conf", &errors, NULL));
}

static void
test_include(void **state)
{
	struct config *c;

	(void)state;
	put("more.conf", "workers { max = 9 }\naccess_log \"x.log\"\n");
	c = good("load_config \"more.conf\"\nreload \"on\"");
	assert_int_equal(c->workers.max, 9);
	assert_true(c->reload);
	assert_int_equal(c->file_count, 2);
	assert_non_null(strstr(c->access_log.path, "/x.log"));
	assert_int_equal(c->access_log.place.line, 2);
	config_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_servlets),
		cmocka_unit_test(test_servlet_mistakes),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_sandbox),
		cmocka_unit_test(test_all_mistakes_of_a_run),
		cmocka_unit_test(test_a_mistake_is_one_line),
		cmocka_unit_test(test_it_is_a_language),
		cmocka_unit_test(test_include),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
