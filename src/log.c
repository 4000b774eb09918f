/*
 * log.c - the error log.
 *
 * Everything is formatted on the stack and written at once: the helper
 * thread logs too, and must not allocate.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT_MAX 8192	/* octets of formatted text; the rest is cut */
#define LOG_LINE_MAX 12288	/* the same with prefix and escapes */

static const char cut_mark[] = " [cut]";

/* The process's own: set once it knows what it is. */
static int log_fd = STDERR_FILENO;
static const char *log_role = "modserver";

struct line {
	char *at, *end;		/* free room; end leaves some for cut_mark and the newline */
};

void
log_set_role(const char *role)
{
	log_role = role;
}

void
log_open(int fd, const char *role)
{
	struct stat st;
	int flags, saved = errno;

	log_fd = fd;
	log_role = role;
	/* A descriptor we were started with ("2>log") may lack it. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		flags = fcntl(fd, F_GETFL);
		if (flags != -1 && (flags & O_APPEND) == 0)
			fcntl(fd, F_SETFL, flags | O_APPEND);
	}
	errno = saved;
}

/* Octets of the printable UTF-8 sequence at s (2 to 4), or 0: malformed,
 * overlong, a surrogate, or one of the control characters U+0080 to U+009F. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
	unsigned long code;
	size_t i, n;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > left)
		return 0;
	code = s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < 0xa0 || (n == 3 && code < 0x800) || (n == 4 && code < 0x10000) ||
	    (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
		return 0;
	return n;
}

/* 0, or -1: no room. */
static int
line_add(struct line *l, const void *data, size_t length)
{
	if (length > (size_t)(l->end - l->at))
		return -1;
	memcpy(l->at, data, length);
	l->at += length;
	return 0;
}

/* Appends text so that it cannot pass for a line of its own.  0, or -1: cut. */
static int
line_add_escaped(struct line *l, const unsigned char *text, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	size_t i, n;

	for (i = 0; i < length; i += n) {
		char hex[4] = { '\\', 'x', digits[text[i] >> 4], digits[text[i] & 15] };
		const void *as = &text[i];
		size_t as_length;

		n = 1;
		as_length = 1;
		if (text[i] == '\n') {
			as = "\n\t";
			as_length = 2;
		} else if (text[i] >= 0x80 && (n = utf8_length(text + i, length - i)) > 0) {
			as_length = n;
		} else if ((text[i] < 0x20 && text[i] != '\t') || text[i] >= 0x7f) {
			as = hex;
			as_length = sizeof(hex);
			n = 1;
		}
		if (line_add(l, as, as_length) == -1)
			return -1;
	}
	return 0;
}

static void
line_add_prefix(struct line *l, enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	struct timespec now;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(l->at, (size_t)(l->end - l->at),
	    "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %.64s %ld: ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    now.tv_nsec / 1000000, names[level], log_role, (long)getpid());
	if (n > 0)
		l->at += n;
}

static void
log_out(const char *data, size_t length)
{
	ssize_t n;

	/* The loop is for pipes; a line that nobody takes is dropped. */
	while (length > 0) {
		n = write(log_fd, data, length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		length -= (size_t)n;
	}
}

void
log_writev(enum log_level level, const char *format, va_list arguments)
{
	char text[LOG_TEXT_MAX], out[LOG_LINE_MAX];
	struct line l = { out, out + sizeof(out) - sizeof(cut_mark) };
	int n, saved = errno, cut = 0;
	size_t length;

	line_add_prefix(&l, level);
	errno = saved;		/* for a servlet's %m, where libc has it */
	n = vsnprintf(text, sizeof(text), format, arguments);
	if (n < 0)
		n = snprintf(text, sizeof(text), "(cannot format: %.100s)", format);
	length = (size_t)n;
	if (length >= sizeof(text)) {
		length = sizeof(text) - 1;
		cut = 1;
	}
	while (length > 0 && text[length - 1] == '\n')
		length--;
	if (line_add_escaped(&l, (const unsigned char *)text, length) == -1)
		cut = 1;
	l.end = out + sizeof(out);
	if (cut)
		line_add(&l, cut_mark, sizeof(cut_mark) - 1);
	line_add(&l, "\n", 1);
	log_out(out, (size_t)(l.at - out));
	errno = saved;
}

void
log_write(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_writev(level, format, arguments);
	va_end(arguments);
}
