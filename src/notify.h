/*
 * notify.h - tells systemd how we are (sd_notify), without a library.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

/* Formatted: "READY=1\nMAINPID=123".  Without effect where NOTIFY_SOCKET is not set. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
