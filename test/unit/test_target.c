/*
 * Request targets: which forms are served, how paths are decoded, and that no
 * path climbs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "target.h"

static struct target t;

static int
split(const char *method, const char *text)
{
	return target_split(text, strlen(text), method, strlen(method), &t);
}

static void
assert_split(const char *text, const char *path, const char *query, const char *authority)
{
	assert_int_equal(split("GET", text), 0);
	assert_int_equal(t.path_length, strlen(path));
	assert_memory_equal(text + t.path, path, t.path_length);
	assert_int_equal(t.query_length, strlen(query));
	assert_memory_equal(text + t.query, query, t.query_length);
	assert_int_equal(t.authority_length, strlen(authority));
	assert_memory_equal(text + t.authority, authority, t.authority_length);
	assert_int_equal(t.absolute, *authority != '\0');
	assert_false(t.asterisk);
}

static void
forms(void **state)
{
	(void)state;
	assert_split("/", "/", "", "");
	assert_split("//", "//", "", "");
	assert_split("/a/b?c=d?e", "/a/b", "c=d?e", "");
	assert_split("/a?", "/a", "", "");
	assert_split("/?", "/", "", "");
	assert_split("/a:b@c", "/a:b@c", "", "");
	assert_split("//host/a", "//host/a", "", "");
	assert_split("http://host/a?b", "/a", "b", "host");
	assert_split("HTTP://h:80/", "/", "", "h:80");
	assert_split("https://[::1]:8080/a", "/a", "", "[::1]:8080");
	assert_split("http://host", "/", "", "host");
	assert_split("http://host?q", "/", "q", "host");
	assert_split("http://h?a/b", "/", "a/b", "h");
}

static void
asterisk(void **state)
{
	(void)state;
	assert_int_equal(split("OPTIONS", "*"), 0);
	assert_true(t.asterisk);
	assert_int_equal(t.path_length, 0);
	assert_int_equal(split("OPTIONS", "http://host"), 0);
	assert_true(t.asterisk);
	assert_int_equal(split("OPTIONS", "http://host/"), 0);
	assert_false(t.asterisk);
	assert_int_equal(split("OPTIONS", "/"), 0);
	assert_false(t.asterisk);
	assert_int_equal(split("GET", "*"), 400);
	assert_int_equal(split("OPTIONS", "**"), 400);
	assert_int_equal(split("OPTIONS", "*x"), 400);
}

static void
refused(void **state)
{
	static const char *const targets[] = {
		"", "a", "a/b", "?a", "host:80", "http:", "http:/", "http://", "http:///a",
		"http:/a", "http://?a", "ftp://host/", "mailto:a@b", "http://u@host/",
		"http://u:p@host/", "http://host:x/", "http://host:65536/", "http://[::1/",
		"http://[]/", "http://[::1]x/", "http://[1.2.3.4]/", "http://a[/",
		"http://a%2/", "http://a%zz/", "/#", "/a#b", "/a?b#c", "/ ", "/\t", "/\x7f",
		"/\xc3\xa4", "/a\rb", "/a\nb", "/\x01"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (split("GET", targets[i]) != 400)
			fail_msg("accepted: %s", targets[i]);
	assert_int_equal(target_split("/\0", 2, "GET", 3, &t), 400);
	assert_int_equal(split("CONNECT", "host:443"), 501);
	assert_int_equal(split("CONNECT", "/"), 501);
}

static void
authorities(void **state)
{
	static const char *const good[] = {
		"a", "a:", "a:0", "a:65535", "a.b-c_d~e", "127.0.0.1:80", "[::1]", "[::]:",
		"[fe80::1]:80", "[::ffff:1.2.3.4]", "%41b", "a,b", "xn--4ca:1"
	};
	static const char *const bad[] = {
		"", ":80", "a:b", "a:1:2", "a:65536", "a:99999999999999999999", "a b", "a/", "a?",
		"a@b", "a#", "::1", "[::1", "[::1]]", "[::1]80", "[g::]", "[::1%25eth0]", "a[", "a]",
		"a%", "a%4", "a%4g", "\xc3\xa4", "a\\", "a^b", "a|b", "a`b", "a\"b",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!target_is_authority(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (target_is_authority(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	assert_false(target_is_authority("a\0b", 3));
	assert_false(target_is_authority("[::1\0]", 6));
}

/* Decodes into exactly as much room as the contract asks for. */
static void
assert_path(const char *raw, const char *expected)
{
	size_t length = strlen(raw);
	char *out = malloc(length + 2), *copy = malloc(length > 0 ? length : 1);
	long n;

	memcpy(copy, raw, length);
	n = target_decode_path(copy, length, out);
	if (expected == NULL) {
		if (n != -1)
			fail_msg("%s: %s", raw, out);
	} else {
		if (n == -1)
			fail_msg("%s refused", raw);
		assert_string_equal(out, expected);
		assert_int_equal(n, strlen(expected));
	}
	free(out);
	free(copy);
}

static void
paths(void **state)
{
	(void)state;
	assert_path("", "/");
	assert_path("/", "/");
	assert_path("/a%20b+c", "/a b+c");
	assert_path("/%61%4A%4a", "/aJJ");
	assert_path("/%2541", "/%41");		/* once */
	assert_path("/a%2Fb", "/a/b");
	assert_path("/a//b///", "/a//b///");
	assert_path("/%C3%A4%ff", "/\xc3\xa4\xff");
	assert_path("/a/./b/.", "/a/b/");
	assert_path("/a/../b", "/b");
	assert_path("/a/b/..", "/a/");
	assert_path("/a/b/../", "/a/");
	assert_path("/a/..", "/");
	assert_path("/.", "/");
	assert_path("/./", "/");
	assert_path("/a//../b", "/a/b");
	assert_path("/...", "/...");
	assert_path("/..a/.b/c./d..", "/..a/.b/c./d..");
	assert_path("/a/b/c/./../../g", "/a/g");
	assert_path("/a/%2e%2E/b", "/b");
	assert_path("/a/.%2e%2fb", "/b");
	assert_path("/a%2f..%2fb", "/b");
	assert_path("/a/..%5cb", "/a/..\\b");
}

static void
paths_refused(void **state)
{
	static const char *const raws[] = {
		"a", "..", "/..", "/../", "/../a", "/./..", "/a/../..", "/a/../../a",
		"/%2e%2e", "/%2e%2e/", "/%2e%2e%2f", "/..%2f", "/a%2f..%2f..", "/a/..%2f..%2fb",
		"/%2f..%2f..%2f..", "/%", "/%4", "/%4g", "/%g4", "/%00", "/a%00b", "/%-1", "/%+1"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++)
		assert_path(raws[i], NULL);
}

static void
assert_form(const char *raw, const char *expected, size_t length)
{
	char out[64];

	assert_int_equal(target_decode_form(raw, strlen(raw), out), length);
	assert_memory_equal(out, expected, length + 1);
}

static void
forms_decoded(void **state)
{
	(void)state;
	assert_form("", "", 0);
	assert_form("a+b%20c", "a b c", 5);
	assert_form("%2B%25", "+%", 2);
	assert_form("%2541", "%41", 3);
	assert_form("%", "%", 1);
	assert_form("%4", "%4", 2);
	assert_form("%zz%41", "%zzA", 4);
	assert_form("a%00b", "a\0b", 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(asterisk),
		cmocka_unit_test(refused),
		cmocka_unit_test(authorities),
		cmocka_unit_test(paths),
		cmocka_unit_test(paths_refused),
		cmocka_unit_test(forms_decoded)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
