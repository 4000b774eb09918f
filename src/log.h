/*
 * log.h - the error log.
 *
 * A line: "2026-11-22T23:59:59.123Z error worker 1234: text".  Each line is
 * one write() to an O_APPEND descriptor, so lines of several processes never
 * mix; several-line texts have their further lines indented by a tab.
 * Every function keeps errno.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The descriptor to write to (STDERR_FILENO at first) and what the process is
 * called in each line ("master", "worker"); role must live on. */
void log_open(int fd, const char *role);
void log_set_role(const char *role);	/* the descriptor stays */

/* "text" is formatted; no trailing newline.  Control characters in it are
 * written as \xNN, so that nobody forges a line. */
void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_writev(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#define log_error(...)   log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)

#endif
