/*
 * test_form.c - names and values of queries, cookies and form bodies; uploads
 * in files of their own; bounds, and nothing left open after a failure.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "form.h"

#define TYPE "multipart/form-data; boundary=xyz"
#define PART(parameters) "--xyz\r\nContent-Disposition: form-data; " parameters "\r\n\r\n"
#define LAST "--xyz--\r\n"

static struct arena *arena;

static int
new_arena(void **state)
{
	(void)state;
	arena = arena_new(64 << 20);
	return arena != NULL ? 0 : -1;
}

static int
drop_arena(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* "name=value;..." of all pairs. */
static const char *
as_text(const struct pairs *p)
{
	static char text[10000];
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; i < p->count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s;",
		    p->at[i].name, p->at[i].value);
	return text;
}

static int
open_descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) != -1;
	return count;
}

static void
urlencoded_pairs(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" }, { "&", "" }, { "&&&", "" }, { "a", "a=;" }, { "a=", "a=;" }, { "=a", "=a;" },
		{ "=", "=;" }, { "a=1", "a=1;" }, { "a=1&", "a=1;" }, { "&a=1", "a=1;" },
		{ "a=1&&b=2", "a=1;b=2;" }, { "a=1&a=2", "a=1;a=2;" }, { "a=b=c", "a=b=c;" },
		{ "a+b=c+d", "a b=c d;" }, { "%41%3d=%26%2B", "A==&+;" }, { "a=%", "a=%;" },
		{ "a=%4", "a=%4;" }, { "a=%zz", "a=%zz;" }, { "a=%2541", "a=%41;" },
		{ "a;b=1", "a;b=1;" }, { "a&b&c", "a=;b=;c=;" }, { "\xc3\xa4=%C3%A4", "\xc3\xa4=\xc3\xa4;" },
		{ "a=1%00x&b=2", "a=1;b=2;" },
	};
	struct pairs p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* Exactly as large as the text, so that ASan sees its end. */
		size_t length = strlen(cases[i][0]);
		char *text = malloc(length > 0 ? length : 1);

		assert_non_null(text);
		memcpy(text, cases[i][0], length);
		assert_int_equal(form_parse_urlencoded(arena, text, length, &p), 0);
		free(text);
		assert_string_equal(as_text(&p), cases[i][1]);
	}
}

static void
cookie_pairs(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" }, { ";", "" }, { "; ; ", "" }, { "a=1", "a=1;" }, { "a=1; b=2", "a=1;b=2;" },
		{ "a=1;b=2;", "a=1;b=2;" }, { " a = 1 ;\tb\t=\t2\t", "a=1;b=2;" }, { "a", "" },
		{ "=a", "" }, { "a=", "a=;" }, { "a=\"x y\"", "a=\"x y\";" }, { "a=b=c", "a=b=c;" },
		{ "a=%41+", "a=%41+;" }, { "noise; a=1; more", "a=1;" }, { "a=1; a=2", "a=1;a=2;" },
	};
	struct pairs p = { NULL, 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p.count = 0;
		assert_int_equal(form_parse_cookies(arena, cases[i][0], strlen(cases[i][0]), &p), 0);
		assert_string_equal(as_text(&p), cases[i][1]);
	}
	/* A second header adds to the first. */
	p.count = 0;
	assert_int_equal(form_parse_cookies(arena, "a=1; b=2", 8, &p), 0);
	assert_int_equal(form_parse_cookies(arena, "c=3", 3, &p), 0);
	assert_int_equal(form_parse_cookies(arena, "", 0, &p), 0);
	assert_string_equal(as_text(&p), "a=1;b=2;c=3;");
}

static void
first_of_a_name_is_found(void **state)
{
	struct pairs p;

	(void)state;
	assert_int_equal(form_parse_urlencoded(arena, "a=1&b=2&a=3&c", 13, &p), 0);
	assert_string_equal(form_find(&p, "a"), "1");
	assert_string_equal(form_find(&p, "b"), "2");
	assert_string_equal(form_find(&p, "c"), "");
	assert_null(form_find(&p, "A"));
	assert_null(form_find(&p, ""));
}

/* n times the text, as one malloc'ed string. */
static char *
repeated(const char *text, size_t n)
{
	size_t length = strlen(text), i;
	char *all = malloc(length * n + 1);

	assert_non_null(all);
	for (i = 0; i < n; i++)
		memcpy(all + i * length, text, length);
	all[length * n] = '\0';
	return all;
}

static void
number_of_pairs_is_bounded(void **state)
{
	struct pairs p, q;
	char *text;

	(void)state;
	text = repeated("a=1&", FORM_FIELDS_MAX);
	assert_int_equal(form_parse_urlencoded(arena, text, strlen(text), &p), 0);
	assert_int_equal(p.count, FORM_FIELDS_MAX);
	free(text);
	text = repeated("a&", FORM_FIELDS_MAX + 1);
	assert_int_equal(form_parse_urlencoded(arena, text, strlen(text), &p), -1);
	assert_int_equal(errno, E2BIG);
	assert_int_equal(p.count, 0);
	free(text);
	/* Separators alone cost nothing. */
	text = repeated("&", 1000000);
	assert_int_equal(form_parse_urlencoded(arena, text, strlen(text), &p), 0);
	assert_int_equal(p.count, 0);
	free(text);

	text = repeated("a=1;", FORM_FIELDS_MAX);
	p.count = 0;
	assert_int_equal(form_parse_cookies(arena, text, strlen(text), &p), 0);
	assert_int_equal(p.count, FORM_FIELDS_MAX);
	q = p;
	assert_int_equal(form_parse_cookies(arena, "b=1", 3, &p), -1);
	assert_int_equal(errno, E2BIG);
	assert_int_equal(p.count, q.count);
	assert_ptr_equal(p.at, q.at);
	free(text);
}

static void
without_memory_nothing_is_found(void **state)
{
	size_t room, failed = 0;
	struct pairs p;

	(void)state;
	for (room = 0; room < 300; room += 16) {
		struct arena *small = arena_new(room);

		if (form_parse_urlencoded(small, "a=1&b=2&c=3", 11, &p) == -1) {
			assert_int_equal(errno, ENOMEM);
			assert_int_equal(p.count, 0);
			failed++;
		}
		arena_reset(small);
		p.count = 0;
		if (form_parse_cookies(small, "a=1; b=2; c=3", 13, &p) == -1) {
			assert_int_equal(p.count, 0);
			failed++;
		}
		arena_free(small);
	}
	assert_true(failed > 2);
}

/* A body and what was found in it. */
struct found {
	struct spool body;
	struct pairs fields;
	struct uploads uploads;
	const char *reason;
};

static int
parse_body(struct found *f, const char *type, const char *body, size_t length, size_t memory_max)
{
	spool_init(&f->body, memory_max);
	assert_int_equal(spool_write(&f->body, body, length), 0);
	f->reason = NULL;
	return form_parse_body(arena, type, &f->body, &f->fields, &f->uploads, &f->reason);
}

static void
done(struct found *f)
{
	form_close_uploads(&f->uploads);
	assert_int_equal(f->uploads.count, 0);
	spool_free(&f->body);
	arena_reset(arena);
}

static void
types_of_bodies(void **state)
{
	static const struct {
		const char *type, *fields;
	} cases[] = {
		{ "application/x-www-form-urlencoded", "a=1;b=x y;" },
		{ "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "a=1;b=x y;" },
		{ "application/x-www-form-urlencoded;x", "a=1;b=x y;" },
		{ "application/x-www-form-urlencodedx", "" },
		{ "application/json", "" },
		{ "", "" },
		{ NULL, "" },
	};
	struct found f;
	size_t i, max;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (max = 0; max <= 100; max += 100) {
			assert_int_equal(parse_body(&f, cases[i].type, "a=1&b=x+y", 9, max), 0);
			assert_string_equal(as_text(&f.fields), cases[i].fields);
			assert_int_equal(f.uploads.count, 0);
			done(&f);
		}
	}
	assert_int_equal(parse_body(&f, "multipart/form-data", "a=1", 3, 0), -1);
	assert_non_null(f.reason);
	done(&f);
	/* No body, no form. */
	assert_int_equal(parse_body(&f, TYPE, "", 0, 0), 0);
	assert_int_equal(f.fields.count, 0);
	done(&f);
}

static void
check_upload(const struct upload *u, const char *field, const char *file_name, const char *type,
    const void *content, size_t size)
{
	char *read_back = malloc(size + 1);
	struct stat st;

	assert_non_null(read_back);
	assert_string_equal(u->field, field);
	assert_string_equal(u->file_name, file_name);
	assert_string_equal(u->type, type);
	assert_int_equal(u->size, size);
	assert_int_equal(lseek(u->fd, 0, SEEK_CUR), 0);
	assert_int_equal(read(u->fd, read_back, size + 1), size);
	assert_memory_equal(read_back, content, size);
	assert_int_equal(fstat(u->fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	free(read_back);
}

static void
fields_and_uploads(void **state)
{
	static const char body[] =
	    PART("name=\"text\"") "one\r\ntwo\r\n"
	    PART("name=\"empty\"") "\r\n"
	    "--xyz\r\nContent-Disposition: form-data; name=files; filename=\"a.bin\"\r\n"
	    "Content-Type: image/png\r\n\r\n\0\r\n--xy\xff\r\n"
	    PART("name=files; filename=\"b\"") "\r\n"
	    PART("name=none; filename=\"\"") "\r\n"
	    PART("name=blob; filename=\"\"") "x\r\n"
	    PART("name=text") "again\r\n" LAST;
	struct found f;
	size_t max;

	(void)state;
	for (max = 0; max <= 10000; max += 10000) {
		int before = open_descriptors();

		assert_int_equal(parse_body(&f, TYPE, body, sizeof(body) - 1, max), 0);
		assert_string_equal(as_text(&f.fields), "text=one\r\ntwo;empty=;text=again;");
		assert_int_equal(f.uploads.count, 3);
		check_upload(&f.uploads.at[0], "files", "a.bin", "image/png", "\0\r\n--xy\xff", 8);
		check_upload(&f.uploads.at[1], "files", "b", "application/octet-stream", "", 0);
		check_upload(&f.uploads.at[2], "blob", "", "application/octet-stream", "x", 1);
		done(&f);
		assert_int_equal(open_descriptors(), before);
	}
}

/* Content of 3 MB that straddles every piece, in memory and from disk. */
static void
large_uploads(void **state)
{
	const char *head = PART("name=f; filename=big"), *tail = "\r\n" PART("name=v") "1\r\n" LAST;
	size_t size = 3000001, length = strlen(head) + size + strlen(tail), i, max;
	char *body = malloc(length);
	struct found f;
	uint64_t start;

	(void)state;
	assert_non_null(body);
	memcpy(body, head, strlen(head));
	for (i = 0; i < size; i++)
		body[strlen(head) + i] = "\r\n--xy\r\r\n-x"[i % 11 * (i % 7 > 0)];
	memcpy(body + strlen(head) + size, tail, strlen(tail));
	for (max = 0; max <= length; max += length) {
		start = clock_ms();
		assert_int_equal(parse_body(&f, TYPE, body, length, max), 0);
		assert_true(clock_ms() - start < 10000);
		assert_int_equal(f.uploads.count, 1);
		check_upload(&f.uploads.at[0], "f", "big", "application/octet-stream",
		    body + strlen(head), size);
		assert_string_equal(form_find(&f.fields, "v"), "1");
		done(&f);
	}
	free(body);
}

static void
large_field(void **state)
{
	const char *head = PART("name=f"), *tail = "\r\n" LAST;
	char *content = repeated("text ", 700000), *body;
	size_t size = strlen(content), length = strlen(head) + size + strlen(tail);
	struct found f;
	struct arena *small = arena_new(1 << 20), *kept = arena;

	(void)state;
	body = malloc(length + 1);
	assert_non_null(body);
	snprintf(body, length + 1, "%s%s%s", head, content, tail);
	assert_int_equal(parse_body(&f, TYPE, body, length, 1000), 0);
	assert_string_equal(form_find(&f.fields, "f"), content);
	done(&f);
	/* More than a request may use. */
	arena = small;
	assert_int_equal(parse_body(&f, TYPE, body, length, 1000), -1);
	assert_string_equal(f.reason, "too large for memory");
	done(&f);
	memset(body, 'a', length);
	assert_int_equal(parse_body(&f, "application/x-www-form-urlencoded", body, length, 1000), -1);
	assert_string_equal(f.reason, "too large for memory");
	done(&f);
	arena = kept;
	arena_free(small);
	free(content);
	free(body);
}

/* A body of n such parts. */
static int
parse_parts(struct found *f, const char *part, size_t n)
{
	char *parts = repeated(part, n);
	size_t length = strlen(parts) + strlen(LAST);
	char *body = malloc(length + 1);
	int result;

	assert_non_null(body);
	snprintf(body, length + 1, "%s%s", parts, LAST);
	result = parse_body(f, TYPE, body, length, 1 << 20);
	free(parts);
	free(body);
	return result;
}

static void
number_of_parts_is_bounded(void **state)
{
	int before = open_descriptors();
	struct found f;

	(void)state;
	assert_int_equal(parse_parts(&f, PART("name=a") "1\r\n", FORM_FIELDS_MAX), 0);
	assert_int_equal(f.fields.count, FORM_FIELDS_MAX);
	done(&f);
	assert_int_equal(parse_parts(&f, PART("name=a") "1\r\n", FORM_FIELDS_MAX + 1), -1);
	assert_string_equal(f.reason, "too many fields");
	assert_int_equal(f.fields.count, 0);
	done(&f);
	/* Inputs left empty count too. */
	assert_int_equal(parse_parts(&f, PART("name=a; filename=\"\"") "\r\n", FORM_FIELDS_MAX), 0);
	assert_int_equal(f.uploads.count, 0);
	done(&f);
	assert_int_equal(parse_parts(&f, PART("name=a; filename=\"\"") "\r\n", FORM_FIELDS_MAX + 1), -1);
	done(&f);
	assert_int_equal(parse_parts(&f, PART("name=a; filename=b") "1\r\n", FORM_UPLOADS_MAX), 0);
	assert_int_equal(f.uploads.count, FORM_UPLOADS_MAX);
	done(&f);
	assert_int_equal(parse_parts(&f, PART("name=a; filename=b") "1\r\n", FORM_UPLOADS_MAX + 1), -1);
	assert_string_equal(f.reason, "too many uploads");
	assert_int_equal(f.uploads.count, 0);
	done(&f);
	assert_int_equal(open_descriptors(), before);
}

static void
failure_leaves_nothing_open(void **state)
{
	static const char *const bodies[] = {
		PART("name=a; filename=b") "1\r\n" PART("name=c; filename=d") "cut",
		PART("name=a; filename=b") "1\r\n" PART("nam") "\r\n" LAST,
		PART("name=a; filename=b") "1\r\n--xyz!",
		"no form",
	};
	int before = open_descriptors();
	struct rlimit limit, none;
	struct found f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(parse_body(&f, TYPE, bodies[i], strlen(bodies[i]), 1000), -1);
		assert_non_null(f.reason);
		assert_int_equal(f.uploads.count, 0);
		assert_int_equal(f.fields.count, 0);
		assert_int_equal(open_descriptors(), before);
		done(&f);
	}
	/* Out of descriptors in the middle. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = (rlim_t)before + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	i = (size_t)parse_parts(&f, PART("name=a; filename=b") "1\r\n", 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal((int)i, -1);
	assert_string_equal(f.reason, "cannot create a temporary file");
	assert_int_equal(open_descriptors(), before);
	done(&f);
}

/* Memory or disk that ends anywhere: refused with a reason, nothing left open. */
static void
memory_or_disk_that_ends(void **state)
{
	static const char body[] = PART("name=a") "12345678901234567890\r\n"
	    PART("name=b; filename=c") "12345678901234567890\r\n" PART("name=d") "\r\n" LAST;
	struct arena *kept = arena;
	struct rlimit limit, small;
	int before = open_descriptors();
	size_t room, failed = 0;
	struct found f;

	(void)state;
	for (room = 0; room < 2000; room += 16) {
		arena = arena_new(room);
		assert_non_null(arena);
		if (parse_body(&f, TYPE, body, sizeof(body) - 1, 1000) == -1) {
			assert_string_equal(f.reason, "too large for memory");
			assert_int_equal(f.uploads.count + f.fields.count, 0);
			assert_int_equal(open_descriptors(), before);
			failed++;
		} else {
			assert_int_equal(f.uploads.count + f.fields.count, 3);
		}
		done(&f);
		arena_free(arena);
	}
	arena = kept;
	assert_in_range(failed, 10, 120);

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(parse_body(&f, TYPE, body, sizeof(body) - 1, 1000), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_string_equal(f.reason, "cannot write to a temporary file");
	assert_int_equal(open_descriptors(), before);
	done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urlencoded_pairs),
		cmocka_unit_test(cookie_pairs),
		cmocka_unit_test(first_of_a_name_is_found),
		cmocka_unit_test(number_of_pairs_is_bounded),
		cmocka_unit_test(without_memory_nothing_is_found),
		cmocka_unit_test(types_of_bodies),
		cmocka_unit_test(fields_and_uploads),
		cmocka_unit_test(large_uploads),
		cmocka_unit_test(large_field),
		cmocka_unit_test(number_of_parts_is_bounded),
		cmocka_unit_test(failure_leaves_nothing_open),
		cmocka_unit_test(memory_or_disk_that_ends),
	};

	return cmocka_run_group_tests(tests, new_arena, drop_arena);
}
