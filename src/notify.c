/*
 * notify.c - tells systemd how we are (sd_notify(3)'s protocol).
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "notify.h"

void
notify_send(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[256];
	va_list arguments;
	socklen_t length;
	int fd, saved = errno;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, strlen(path));
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (path[0] == '@')	/* Linux's abstract names begin with a NUL */
		a.sun_path[0] = '\0';

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);

	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (fd != -1) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		/* Nobody there, or full: the server runs all the same. */
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		    (struct sockaddr *)&a, length);
		close(fd);
	}
	errno = saved;
}
