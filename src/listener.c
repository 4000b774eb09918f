/*
 * listener.c - the sockets connections arrive at.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "descriptor.h"
#include "listener.h"

/* Removes the file of a unix socket nobody answers at.  0: the path is free. */
static int
stale_remove(const union address *a, socklen_t length)
{
	struct stat st;
	int fd, result;

	if (lstat(a->un.sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd == -1)
		return -1;
	if (descriptor_prepare(fd) == -1) {
		close(fd);
		return -1;
	}
	/* EAGAIN: alive, its backlog is full.  EACCES: alive, and not ours. */
	result = connect(fd, &a->any, length);
	if (result == -1 && errno == ECONNREFUSED)
		result = unlink(a->un.sun_path);
	else {
		errno = result == -1 && errno != EAGAIN ? errno : EADDRINUSE;
		result = -1;
	}
	close(fd);
	return result;
}

/* A connection is reported with its first octets, not before: its worker wakes
 * once and finds a request.  One that stays silent for longer than the kernel
 * repeats its SYN-ACK is reported all the same. */
static void
listen_lazily(int fd)
{
#ifdef TCP_DEFER_ACCEPT
	int seconds = 0;
	socklen_t length = sizeof(seconds);

	/* Whoever passed it may have chosen. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &length) == 0 && seconds > 0)
		return;
	seconds = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
#else
	(void)fd;
#endif
}

/* What connections shall have and inherit: what a servlet flushes, or a file's end
 * behind its head, does not wait until the client has acknowledged what came
 * before, which takes up to 40 ms each time. */
static void
listen_promptly(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
listen_tune(int fd, const struct config_listen *l)
{
	if (l->family == LISTEN_UNIX)
		return;
	listen_lazily(fd);
	listen_promptly(fd);
}

static int
socket_open(const struct config_listen *l)
{
	union address a;
	socklen_t length = address_make(l, &a);
	int fd, saved, on = 1;

	if (length == 0)
		return -1;
	if (l->family == LISTEN_UNIX && stale_remove(&a, length) == -1)
		return -1;
	fd = socket(a.any.sa_family, SOCK_STREAM, 0);
	if (fd == -1)
		return -1;
	if (descriptor_prepare(fd) == -1)
		goto fail;
	if (l->family != LISTEN_UNIX &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto fail;
	/* "[::]:8080" and "0.0.0.0:8080" may stand side by side. */
	if (l->family == LISTEN_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		goto fail;
	if (bind(fd, &a.any, length) == -1)
		goto fail;
	/* As nginx does: who may connect is the directory's business. */
	if (l->family == LISTEN_UNIX && chmod(l->host, 0666) == -1)
		goto fail_unlink;
	if (listen(fd, l->backlog) == -1)
		goto fail_unlink;
	listen_tune(fd, l);
	return fd;

fail_unlink:
	saved = errno;
	if (l->family == LISTEN_UNIX)
		unlink(l->host);
	errno = saved;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

const struct listener *
listeners_find(const struct listeners *in, const struct config_listen *l)
{
	for (size_t i = 0; in != NULL && i < in->count; i++)
		if (address_same(in->at[i].listen, l))
			return &in->at[i];
	return NULL;
}

const struct listener *
listeners_overlap(const struct listeners *in, const struct config_listen *l)
{
	for (size_t i = 0; in != NULL && i < in->count; i++)
		if (address_overlaps(in->at[i].listen, l))
			return &in->at[i];
	return NULL;
}

/* Who has the address.  Those of the old generation stay open, for they serve until
 * the new one does, and should it fail. */
static const char *
holder(const struct config_listen *l, const struct listeners *mine, const struct listeners *old)
{
	if (listeners_overlap(mine, l) != NULL)
		return " (another listen of this configuration overlaps it)";
	if (listeners_overlap(old, l) != NULL)
		return " (this server listens there, at an address that overlaps it: a reload "
		    "cannot change the one into the other, a restart can)";
	return " (another server has it)";
}

/* What may be behind the error. */
static const char *
hint(const struct config_listen *l, int error, const struct listeners *mine,
    const struct listeners *old)
{
	if (error == EADDRINUSE)
		return holder(l, mine, old);
	if (error == EACCES && l->family != LISTEN_UNIX && l->port < 1024)
		return " (ports below 1024 need root)";
	if (error == EEXIST && l->family == LISTEN_UNIX)
		return " and is no socket";
	return "";
}

/* Whether the configuration has nothing but the default. */
static bool
listens_by_default(const struct config *config)
{
	return config->listen_count == 1 && config->listens[0].place.line == 0;
}

/* Adds a listener for the address, if that needs one.  passed may be NULL.  0, or
 * -1 with the reason. */
static int
listener_add(struct listeners *l, const struct listeners *old, const struct passed *passed,
    const struct config_listen *address, char *error, size_t error_size)
{
	struct listener new = { .listen = address,
	    .passed = passed != NULL ? passed_find(passed, address) : NULL };
	const struct listener *known = listeners_find(l, address);
	const struct config_place *place = &address->place;

	if (known != NULL) {
		snprintf(error, error_size, "%s:%d: listen \"%s\": this address stands in line %d already",
		    place->file, place->line, address->text, known->listen->place.line);
		return -1;
	}
	for (size_t i = 0; new.passed != NULL && i < l->count; i++) {
		if (l->at[i].passed != new.passed)
			continue;
		if (l->at[i].listen->proxy_protocol == address->proxy_protocol)
			return 0;
		snprintf(error, error_size, "%s:%d: listen \"%s\": the socket passed for it, %s, takes "
		    "what comes to line %d too: both with proxy_protocol, or none", place->file,
		    place->line, address->text, new.passed->text, l->at[i].listen->place.line);
		return -1;
	}
	if ((known = listeners_find(old, address)) != NULL) {
		new.fd = known->fd;
		/* The backlog may have changed; Linux and the BSDs allow this. */
		if (new.passed == NULL)
			(void)listen(new.fd, address->backlog);
	} else if (new.passed != NULL) {
		new.fd = fcntl(new.passed->fd, F_DUPFD_CLOEXEC, 3);
		if (new.fd != -1)
			listen_tune(new.fd, address);
	} else {
		new.fd = socket_open(address);
	}
	if (new.fd == -1) {
		int why = errno;

		snprintf(error, error_size, "%s:%d: cannot listen on \"%s\": %s%s", place->file,
		    place->line, address->text, strerror(why), hint(address, why, l, old));
		return -1;
	}
	l->at[l->count++] = new;
	return 0;
}

int
listeners_open(struct listeners *l, const struct listeners *old, const struct passed *passed,
    const struct config *config, char *error, size_t error_size)
{
	bool all_passed = passed->count > 0 && listens_by_default(config);
	size_t count = all_passed ? passed->count : config->listen_count;

	l->count = 0;
	l->at = calloc(count, sizeof(l->at[0]));
	if (l->at == NULL) {
		snprintf(error, error_size, "%s: out of memory", config->file);
		return -1;
	}
	if (passed_check(passed, config, all_passed, error, error_size) == -1)
		goto fail;
	for (size_t i = 0; i < count; i++)
		if (listener_add(l, old, passed, all_passed ? &passed->at[i].listen :
		    &config->listens[i], error, error_size) == -1)
			goto fail;
	return 0;

fail:
	listeners_close(l, old, true);
	return -1;
}

int
listeners_open_one(struct listeners *l, const struct listeners *old,
    const struct config_listen *address, char *error, size_t error_size)
{
	l->count = 0;
	l->at = calloc(1, sizeof(l->at[0]));
	if (l->at == NULL) {
		snprintf(error, error_size, "%s: out of memory", address->place.file);
		return -1;
	}
	if (listener_add(l, old, NULL, address, error, error_size) == 0)
		return 0;
	listeners_close(l, old, true);
	return -1;
}

void
listeners_close(struct listeners *l, const struct listeners *kept, bool unlink_files)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct config_listen *c = l->at[i].listen;

		if (listeners_find(kept, c) != NULL)
			continue;
		close(l->at[i].fd);
		if (unlink_files && c->family == LISTEN_UNIX && l->at[i].passed == NULL)
			unlink(c->host);
	}
	free(l->at);
	l->at = NULL;
	l->count = 0;
}
