/* servlet_response.c - the functions of modserver.h, as far as they are about the response. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "module/module.h"
#include "servlet.h"

void
set_status(servlet *s, int status)
{
	if (status < 200 || status > 599) {
		rlog(s, "set_status(%d) is refused: a status is 200 to 599", status);
		return;
	}
	response_set_status(s->response, status);
}

static void
servlet_header(servlet *s, const char *name, const char *value, bool replace)
{
	const char *refused = response_set_header(s->response, name, value, replace);

	if (refused != NULL)
		rlog(s, "header \"%s\" is refused: %s", name, refused);
}

void
set_header(servlet *s, const char *name, const char *value)
{
	servlet_header(s, name, value, true);
}

void
add_header(servlet *s, const char *name, const char *value)
{
	servlet_header(s, name, value, false);
}

size_t
rwrite(servlet *s, const char *buffer, size_t length)
{
	return response_write(s->response, buffer, length);
}

/* What rprintf answers for a text without conversions. */
static int
write_text(servlet *s, const char *text)
{
	size_t length = strlen(text);

	if (length > INT_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	return rwrite(s, text, length) == length ? (int)length : -1;
}

int
vrprintf(servlet *s, const char *format, va_list arguments)
{
	char text[1024], *longer;
	va_list again;
	int length;

	if (strchr(format, '%') == NULL)
		return write_text(s, format);
	va_copy(again, arguments);
	length = vsnprintf(text, sizeof(text), format, arguments);
	if (length >= 0 && (size_t)length >= sizeof(text)) {
		longer = malloc((size_t)length + 1);
		if (longer == NULL) {
			length = -1;
		} else {
			vsnprintf(longer, (size_t)length + 1, format, again);
			if (rwrite(s, longer, (size_t)length) != (size_t)length)
				length = -1;
			free(longer);
		}
	} else if (length > 0 && rwrite(s, text, (size_t)length) != (size_t)length) {
		length = -1;
	}
	va_end(again);
	return length;
}

int
rprintf(servlet *s, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vrprintf(s, format, arguments);
	va_end(arguments);
	return length;
}

void
rflush(servlet *s)
{
	response_flush(s->response);
}

int
rsendfile(servlet *s, int fd, long long offset, long long length)
{
	return response_sendfile(s->response, fd, offset, length);
}

int
module_redirect(servlet *s, const char *target)
{
	if (s->response->head_sent) {
		rlog(s, "no redirect to %s: the head has been sent", target);
		return -1;
	}
	s->redirect = arena_copy(s->arena, target, strlen(target));
	if (s->redirect == NULL)
		rlog(s, "no redirect: out of memory for this request");
	return s->redirect == NULL ? -1 : 0;
}

int
is_sent(servlet *s)
{
	return s->response->head_sent;
}

int
is_connected(servlet *s)
{
	struct pollfd p = { .fd = s->connection->fd, .events = 0 };
	char octet;

	if (s->response->broken)
		return 0;
	if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		return 0;
	/* A client that closed without a reset shows as end of file. */
	return recv(p.fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}
