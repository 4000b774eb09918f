/* passed.c - see passed.h. */
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "descriptor.h"
#include "log.h"
#include "passed.h"

#define PASSED_FIRST 3		/* descriptor; the others follow it */

/* A whole number from 0, or -1. */
static long
number(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	return end == text || *end != '\0' || errno != 0 || n < 0 ? -1 : n;
}

/* How many there are, or -1 with the reason. */
static long
passed_count(char *error, size_t error_size)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long count;

	if (pid == NULL || fds == NULL)
		return 0;
	/* Not ours: whoever they were passed to has started us. */
	if (number(pid) != (long)getpid()) {
		log_warning("sockets were passed to process %s, which this one, %ld, is not: "
		    "they are not used", pid, (long)getpid());
		return 0;
	}
	count = number(fds);
	if (count < 0 || count > PASSED_MAX) {
		snprintf(error, error_size, "LISTEN_FDS is \"%s\", expected a number of sockets, "
		    "%d at most", fds, PASSED_MAX);
		return -1;
	}
	return count;
}

/* What is wrong with it, or NULL. */
static const char *
not_listening(int fd)
{
	int type = 0, listens = 0;
	socklen_t length = sizeof(type);

	if (fcntl(fd, F_GETFD) == -1)
		return "is not open";
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -1)
		return "is no socket";
	if (type != SOCK_STREAM)
		return "is no stream socket: expected one of ListenStream=";
	length = sizeof(listens);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && !listens)
		return "does not listen: expected one of Accept=no";
	return descriptor_prepare(fd) == -1 ? strerror(errno) : NULL;
}

/* Its address.  0, or -1: of a family that no configuration can name. */
static int
passed_address(struct passed_socket *p)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a = { 0 };
	socklen_t length = sizeof(a), size = sizeof(int);
	char host[sizeof(p->host)] = "";
	int only = 1;

	if (getsockname(p->fd, &a.any, &length) == -1)
		return -1;
	switch (a.any.sa_family) {
	case AF_INET:
		p->listen.family = LISTEN_INET;
		p->listen.port = ntohs(a.in.sin_port);
		inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host));
		snprintf(p->text, sizeof(p->text), "%.15s:%u", host, p->listen.port);
		break;
	case AF_INET6:
		p->listen.family = LISTEN_INET6;
		p->listen.port = ntohs(a.in6.sin6_port);
		inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host));
		snprintf(p->text, sizeof(p->text), "[%.45s]:%u", host, p->listen.port);
		p->dual = IN6_IS_ADDR_UNSPECIFIED(&a.in6.sin6_addr) &&
		    getsockopt(p->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) == 0 && !only;
		break;
	case AF_UNIX:
		p->listen.family = LISTEN_UNIX;
		memcpy(host, a.un.sun_path, sizeof(a.un.sun_path));
		if (host[0] == '\0')		/* a name of Linux's own: "@name" */
			host[0] = '@';
		snprintf(p->text, sizeof(p->text), "unix:%s", host);
		break;
	default:
		return -1;
	}
	memcpy(p->host, host, sizeof(host));
	return 0;
}

/* The next of the names in *list, which are separated by colons. */
static void
passed_name(struct passed_socket *p, const char **list)
{
	size_t length = *list != NULL ? strcspn(*list, ":") : 0;

	snprintf(p->name, sizeof(p->name), "%.*s", (int)length, *list != NULL ? *list : "");
	if (length == 0)
		snprintf(p->name, sizeof(p->name), "unknown");
	if (*list != NULL)
		*list = (*list)[length] == ':' ? *list + length + 1 : NULL;
}

/* 0, or -1 with the reason. */
static int
passed_add(struct passed *p, int fd, const char **names, char *error, size_t error_size)
{
	struct passed_socket *s = &p->at[p->count];
	const char *wrong = not_listening(fd);

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	passed_name(s, names);
	if (wrong == NULL && passed_address(s) == -1)
		wrong = "is neither one of TCP nor a unix socket";
	if (wrong != NULL) {
		snprintf(error, error_size, "descriptor %d (\"%s\"), passed as a socket to listen on, %s",
		    fd, s->name, wrong);
		return -1;
	}
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->at[i].text, s->text) == 0) {
			snprintf(error, error_size, "two sockets of one address, %s, were passed "
			    "(\"%s\", \"%s\")", s->text, p->at[i].name, s->name);
			return -1;
		}
	s->listen.place = (struct config_place){ "LISTEN_FDS", fd };
	s->listen.host = s->host;
	s->listen.text = s->text;
	p->count++;
	return 0;
}

int
passed_take(struct passed *p, char *error, size_t error_size)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long count = passed_count(error, error_size);
	int result = count == -1 ? -1 : 0;

	p->count = 0;
	for (int i = 0; i < count && result == 0; i++)
		result = passed_add(p, PASSED_FIRST + i, &names, error, error_size);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return result;
}

/* Whether it takes what comes to that address, though that is written otherwise. */
static bool
passed_covers(const struct passed_socket *p, const struct config_listen *l)
{
	struct stat mine, theirs;

	/* "ListenStream=80" is [::]:80, which takes what comes to 0.0.0.0:80. */
	if (l->family == LISTEN_INET)
		return p->dual && p->listen.port == l->port && strcmp(l->host, "0.0.0.0") == 0;
	/* /var/run is /run. */
	return l->family == LISTEN_UNIX && p->listen.family == LISTEN_UNIX &&
	    stat(l->host, &mine) == 0 && stat(p->host, &theirs) == 0 &&
	    mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

const struct passed_socket *
passed_find(const struct passed *p, const struct config_listen *l)
{
	for (size_t i = 0; i < p->count; i++)
		if (address_same(&p->at[i].listen, l))
			return &p->at[i];
	for (size_t i = 0; i < p->count; i++)
		if (passed_covers(&p->at[i], l))
			return &p->at[i];
	return NULL;
}

/* One that no address of the configuration is for, or NULL. */
static const struct passed_socket *
passed_stray(const struct passed *p, const struct config *config)
{
	for (size_t i = 0; i < p->count; i++) {
		bool named = false;

		for (size_t j = 0; j < config->listen_count && !named; j++)
			named = passed_find(p, &config->listens[j]) == &p->at[i];
		if (!named)
			return &p->at[i];
	}
	return NULL;
}

int
passed_check(const struct passed *p, const struct config *config, bool all, char *error,
    size_t error_size)
{
	const struct config_listen *metrics = config->metrics;
	const struct passed_socket *wrong;

	if (config->metrics_count > 0 && (wrong = passed_find(p, metrics)) != NULL) {
		snprintf(error, error_size, "%s:%d: metrics \"%s\": a socket was passed that listens "
		    "there (\"%s\"): expected none, metrics binds its own", metrics->place.file,
		    metrics->place.line, metrics->text, wrong->name);
		return -1;
	}
	if (!all && (wrong = passed_stray(p, config)) != NULL) {
		snprintf(error, error_size, "%s: a socket was passed that listens on %s (\"%s\"): "
		    "expected a listen for it", config->file, wrong->text, wrong->name);
		return -1;
	}
	return 0;
}

void
passed_close(struct passed *p)
{
	for (size_t i = 0; i < p->count; i++)
		close(p->at[i].fd);
	p->count = 0;
}
