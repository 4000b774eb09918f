/*
 * test_spool.c - octets come back as written, from memory, from the file, and
 * across the step from one to the other; nothing is left on disk, nor in a
 * file that is used again.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#include "spool.h"

/* The disk: full, or full of spare files. */
static bool disk_full;
static const struct spool_spares *filling;

ssize_t
pwrite(int fd, const void *data, size_t length, off_t offset)
{
	if (disk_full || (filling != NULL && filling->count > 0)) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, data, length, offset);
}

static unsigned char
octet_at(long long offset)
{
	return (unsigned char)((unsigned long long)offset * 2654435761u >> 7);
}

static void
fill(struct spool *s, long long length, size_t piece)
{
	unsigned char data[70000];
	size_t i, n;

	assert_true(piece <= sizeof(data));
	while (s->length < length) {
		n = piece;
		if ((long long)n > length - s->length)
			n = (size_t)(length - s->length);
		for (i = 0; i < n; i++)
			data[i] = octet_at(s->length + (long long)i);
		assert_int_equal(spool_write(s, data, n), 0);
	}
}

static void
check(const struct spool *s, size_t piece)
{
	unsigned char data[70000];
	long long at = 0;
	ssize_t n, i;

	while ((n = spool_read(s, at, data, piece)) > 0) {
		for (i = 0; i < n; i++)
			assert_int_equal(data[i], octet_at(at + i));
		at += n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(at, s->length);
}

static void
octets_come_back(void **state)
{
	static const long long lengths[] = { 0, 1, 4095, 4096, 4097, 9999, 10000, 10001, 300000 };
	static const size_t maxima[] = { 0, 1, 4096, 10000, 1 << 20 };
	static const size_t pieces[] = { 1, 7, 4096, 65536 };
	struct spool s;
	size_t l, m, p;

	(void)state;
	for (l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		for (m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
			for (p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
				if (lengths[l] > 20000 && pieces[p] < 4096)
					continue;
				spool_init(&s, maxima[m]);
				fill(&s, lengths[l], pieces[p]);
				assert_int_equal(s.length, lengths[l]);
				assert_int_equal(s.fd != -1, lengths[l] > (long long)maxima[m]);
				assert_true(s.memory_size <= maxima[m]);
				check(&s, 5000);
				spool_free(&s);
			}
		}
	}
}

/* Short pieces are held back and read back all the same, and spool_to_file()
 * puts them in the file. */
static void
many_small_pieces(void **state)
{
	static const size_t maxima[] = { 0, 100, 4096, 10000 };
	unsigned char data[6000];
	struct spool s;
	unsigned seed = 7;
	size_t m, n, i;

	(void)state;
	for (m = 0; m < sizeof(maxima) / sizeof(maxima[0]); m++) {
		spool_init(&s, maxima[m]);
		while (s.length < 100000) {
			seed = seed * 1103515245 + 12345;
			n = (seed >> 16) % ((seed >> 8) % 50 == 0 ? sizeof(data) : 40);
			for (i = 0; i < n; i++)
				data[i] = octet_at(s.length + (long long)i);
			if ((seed >> 20) % 64 == 0)
				assert_int_equal(spool_write(&s, data, n), 0);
			else
				assert_int_equal(spool_write_buffered(&s, data, n), 0);
			if ((seed >> 21) % 200 == 0) {
				assert_int_equal(spool_to_file(&s), 0);
				assert_int_equal(lseek(s.fd, 0, SEEK_END), s.length);
				assert_int_equal(s.pending, 0);
			}
			if (s.length > 5000 && (seed >> 22) % 100 == 0)
				check(&s, 3000);
		}
		assert_int_equal(spool_to_file(&s), 0);
		assert_int_equal(lseek(s.fd, 0, SEEK_END), s.length);
		check(&s, 4096);
		spool_free(&s);
	}
}

static void
reading_at_offsets(void **state)
{
	unsigned char data[100];
	struct spool s;
	int in_file;

	(void)state;
	spool_init(&s, 10000);
	fill(&s, 1000, 100);
	for (in_file = 0; in_file < 2; in_file++) {
		assert_int_equal(spool_read(&s, 950, data, 100), 50);
		assert_int_equal(data[49], octet_at(999));
		assert_int_equal(spool_read(&s, 1000, data, 100), 0);
		assert_int_equal(spool_read(&s, LLONG_MAX, data, 100), 0);
		assert_int_equal(spool_read(&s, 0, data, 0), 0);
		assert_int_equal(spool_read(&s, -1, data, 100), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(spool_to_file(&s), 0);
		assert_true(s.fd >= 0);
	}
	/* It goes on in the file, and the file holds everything. */
	fill(&s, 1500, 100);
	check(&s, 64);
	assert_int_equal(pread(s.fd, data, 100, 1400), 100);
	assert_int_equal(data[99], octet_at(1499));
	spool_free(&s);
	assert_int_equal(s.fd, -1);
	spool_free(&s);
}

static void
empty_one_goes_to_file(void **state)
{
	struct spool s;

	(void)state;
	spool_init(&s, 100);
	assert_int_equal(spool_to_file(&s), 0);
	assert_int_equal(s.length, 0);
	fill(&s, 50, 50);
	check(&s, 64);
	spool_free(&s);
}

static void
entries(const char *directory, int *count)
{
	DIR *d = opendir(directory);

	assert_non_null(d);
	for (*count = -2; readdir(d) != NULL; (*count)++)
		;
	closedir(d);
}

static void
file_is_unlinked_and_close_on_exec(void **state)
{
	char directory[] = "/tmp/test_spool.XXXXXX";
	struct stat st, where;
	int fd, count;

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("TMPDIR", directory, 1), 0);
	fd = spool_file();
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(stat(directory, &where), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_dev, where.st_dev);
	entries(directory, &count);
	assert_int_equal(count, 0);
	close(fd);
	assert_int_equal(rmdir(directory), 0);

	/* A directory that is not there any more: the next place. */
	fd = spool_file();
	assert_true(fd >= 0);
	close(fd);
	unsetenv("TMPDIR");
	fd = spool_file();
	assert_true(fd >= 0);
	close(fd);
}

/* A full disk: what was written stays, and writing can go on later. */
static void
failed_write_leaves_it_as_it_was(void **state)
{
	struct rlimit before, small;
	struct spool s;
	char more[20000];

	(void)state;
	memset(more, 'x', sizeof(more));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 15000;
	spool_init(&s, 5000);
	fill(&s, 10000, 1000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(spool_write(&s, more, sizeof(more)), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(s.length, 10000);
	check(&s, 4096);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	fill(&s, 12000, 1000);
	check(&s, 4096);
	spool_free(&s);
}

static void
failed_step_to_file_keeps_the_memory(void **state)
{
	struct rlimit before, none;
	struct spool s;

	(void)state;
	spool_init(&s, 5000);
	fill(&s, 5000, 1000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(spool_write(&s, "x", 1), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(s.fd, -1);
	check(&s, 4096);
	fill(&s, 6000, 1000);
	assert_true(s.fd >= 0);
	check(&s, 4096);
	spool_free(&s);
}

/* A spool with a file of so many octets, all of them `with`. */
static int
spool_of(struct spool *s, struct spool_spares *spares, long long length, int with)
{
	static char data[100000];

	memset(data, with, sizeof(data));
	spool_init(s, 5000);
	s->spares = spares;
	while (s->length < length)
		assert_int_equal(spool_write(s, data, (size_t)(length - s->length <
		    (long long)sizeof(data) ? length - s->length : (long long)sizeof(data))), 0);
	return s->fd;
}

static long long
file_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* The next spool gets the file, and nothing of what was in it. */
static void
a_file_is_used_again(void **state)
{
	struct spool_spares spares = { .count = 0 };
	char data[100000];
	struct spool s;
	int fd;

	(void)state;
	fd = spool_of(&s, &spares, 90000, 'x');
	spool_free(&s);
	assert_int_equal(spares.count, 1);
	assert_int_equal(spool_of(&s, &spares, 20000, 'y'), fd);
	assert_int_equal(spares.count, 0);
	assert_int_equal(spool_read(&s, 0, data, sizeof(data)), 20000);
	assert_null(memchr(data, 'x', 20000));
	assert_int_equal(spool_read(&s, 20000, data, sizeof(data)), 0);
	/* Before somebody else has the file it is all that is in it. */
	assert_int_equal(spool_to_file(&s), 0);
	assert_int_equal(file_size(fd), 20000);
	spool_free(&s);
	spool_spares_close(&spares);
	assert_false(is_open(fd));
}

static void
few_and_short_files_are_kept(void **state)
{
	struct spool_spares spares = { .count = 0 };
	struct spool s[SPOOL_SPARES + 1];
	int fds[SPOOL_SPARES + 1], i;

	(void)state;
	for (i = 0; i <= SPOOL_SPARES; i++)
		fds[i] = spool_of(&s[i], &spares, SPOOL_SPARE_SIZE + 5, 'x');
	for (i = 0; i <= SPOOL_SPARES; i++)
		spool_free(&s[i]);
	assert_int_equal(spares.count, SPOOL_SPARES);
	for (i = 0; i < SPOOL_SPARES; i++)
		assert_int_equal(file_size(fds[i]), SPOOL_SPARE_SIZE);
	assert_false(is_open(fds[SPOOL_SPARES]));
	spool_spares_close(&spares);
}

/* Whoever else has the file may read it for as long as he likes. */
static void
a_file_others_have_is_not_used_again(void **state)
{
	struct spool_spares spares = { .count = 0 };
	struct spool s;
	int fd;

	(void)state;
	fd = spool_of(&s, &spares, 20000, 'x');
	spool_sent(&s);
	spool_free(&s);
	assert_false(is_open(fd));
	fd = spool_of(&s, &spares, 20000, 'x');
	spares.forks++;
	spool_free(&s);
	assert_false(is_open(fd));
	assert_int_equal(spares.count, 0);
}

/* A full disk is given the spare files' room before a write fails. */
static void
spare_files_give_way(void **state)
{
	struct spool_spares spares = { .count = 0 };
	struct spool s, other;
	int fd;

	(void)state;
	spool_of(&s, &spares, 20000, 'x');
	fd = spool_of(&other, &spares, 20000, 'y');
	spool_free(&other);
	filling = &spares;
	assert_int_equal(spool_write(&s, "x", 1), 0);
	assert_false(is_open(fd));
	disk_full = true;
	assert_int_equal(spool_write(&s, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	disk_full = false;
	filling = NULL;
	assert_int_equal(s.length, 20001);
	spool_free(&s);
	spool_spares_close(&spares);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octets_come_back),
		cmocka_unit_test(many_small_pieces),
		cmocka_unit_test(reading_at_offsets),
		cmocka_unit_test(empty_one_goes_to_file),
		cmocka_unit_test(file_is_unlinked_and_close_on_exec),
		cmocka_unit_test(failed_write_leaves_it_as_it_was),
		cmocka_unit_test(failed_step_to_file_keeps_the_memory),
		cmocka_unit_test(a_file_is_used_again),
		cmocka_unit_test(few_and_short_files_are_kept),
		cmocka_unit_test(a_file_others_have_is_not_used_again),
		cmocka_unit_test(spare_files_give_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
