/*
 * Any octets over a whole connection: delivered at once, and in pieces with
 * the connection handed over to another loop between two of them.  Both times
 * the same requests are run with the same bodies, the client reads the same
 * responses, each framed well, and when it has ended nothing is left.  A target
 * whose last octet is b, s or f has a large answer, which the client reads only
 * when the connection has moved.  And once more from a client that then falls
 * silent: time alone ends it.
 *
 * The first octet is the size of the pieces, the second one after how many
 * the connection moves.  Of its bits, PROXY expects such a header, SILENT tells
 * of the silent client, READY moves a request that waits for a process instead
 * of an answer that waits for the client.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection.h"
#include "handover.h"
#include "held.h"
#include "log.h"
#include "response.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS_MAX 64
#define ANSWER_MAX (1 << 20)
#define INPUT_MAX 65536		/* what a socket holds */
#define MOVES_MAX 32
#define PROXY 0x80
#define SILENT 0x40
#define READY 0x20
#define LARGE_RUNS 4		/* requests of a connection that may have a large answer */

static const struct config config = {
	.timeouts = { 10000, 30000, 60000, 60000, 10000, 0, 30000 },
	.limits = { .head_bytes = 2048, .headers = 20, .body_bytes = 100000 },
};

/* What came of it. */
struct story {
	unsigned runs, responses, refused;
	uint64_t hashes[RUNS_MAX];
	char answer[ANSWER_MAX];
	size_t length;
};

/* One server process, as far as a connection needs it. */
struct place {
	struct loop loop;
	struct slot slot;
};

static struct place places[2];
static struct handover_sockets sockets;
static struct response response;
static struct arena *arena;
static char octets[90000];	/* of large answers, no digit nor end of line */
static int file;		/* of the same */

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static void
prepare(void)
{
	int null;

	if (arena != NULL)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_open(null, "fuzz");
	arena = arena_new(1 << 20);
	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	memset(octets, 'x', sizeof(octets));
	claim(file != -1 && write(file, octets, 40000) == 40000);
	claim(arena != NULL && response_init(&response) == 0 && handover_open(&sockets) == 0);
	for (int i = 0; i < 2; i++)
		claim(loop_prepare(&places[i].loop, &config, true) == 0 &&
		    loop_open(&places[i].loop, &places[i].slot, NULL, null) == 0);
}

static uint64_t
hash(uint64_t h, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		h = h * 31 + (unsigned char)text[i];
	return h;
}

/* Answers more than a socket holds: in memory, in a spool file, as a file. */
static void
answer_large(char kind)
{
	if (kind == 'b' || kind == 'f')
		response_write(&response, octets, 30000);
	else if (kind == 's')
		response_write(&response, octets, sizeof(octets));
	if (kind == 'f')
		response_sendfile(&response, file, 7, 39000);
}

/* The servlet: notes what it was given, says how long that was. */
static enum connection_next
run(struct loop *l, struct connection *c, struct story *s)
{
	struct request *r = c->request;
	const char *method = r->buffer + r->head.method;
	bool head = r->head.method_length == 4 && memcmp(method, "HEAD", 4) == 0;
	char text[100], piece[777], kind = '\0';
	struct target target;
	uint64_t h = hash(0, method, r->parser.head_length - r->head.method);
	ssize_t n;

	claim(c->state == CONNECTION_READY);
	c->state = CONNECTION_RUNNING;
	if (target_split(r->buffer + r->head.target, r->head.target_length, method,
	    r->head.method_length, &target) == 0 && target.path_length > 0) {
		char *path = malloc(target.path_length + 2);

		target_decode_path(r->buffer + r->head.target + target.path,
		    target.path_length, path);
		kind = r->buffer[r->head.target + target.path + target.path_length - 1];
		free(path);
	}
	for (long long at = 0; (n = spool_read(&r->body, at, piece, sizeof(piece))) > 0; at += n)
		h = hash(h, piece, (size_t)n);
	claim(n == 0 && r->body.length <= config.limits.body_bytes);
	if (s->runs < RUNS_MAX)
		s->hashes[s->runs] = h;
	if (s->runs >= LARGE_RUNS)
		kind = '\0';
	s->runs++;
	arena_reset(arena);
	response_begin(&response, arena, c->fd, &c->output, r->head.minor, head,
	    r->head.keep_alive);
	response.hold = s->runs % 2 == 0 && !request_has_more(r);
	response_write(&response, text, (size_t)snprintf(text, sizeof(text), "%lld\n",
	    r->body.length));
	answer_large(kind);
	if (r->body.length % 3 == 1)
		response_flush(&response);
	claim(response_finish(&response, false) == NULL);
	if (response.broken) {
		connection_close(l, c);
		return CONNECTION_GONE;
	}
	if (response.hold && c->output != NULL) {
		held_add(l, c, response.keep_alive);
		held_release(l);
		return c->fd == -1 ? CONNECTION_GONE : CONNECTION_WAIT;
	}
	return connection_answered(l, c, response.keep_alive);
}

static void
client_reads(struct story *s, int client)
{
	ssize_t n;

	while ((n = recv(client, s->answer + s->length, ANSWER_MAX - s->length, MSG_DONTWAIT)) > 0)
		s->length += (size_t)n;
}

/* Serves all that has arrived, or until the connection is in that state.  NULL:
 * it has gone. */
static struct connection *
serve(struct loop *l, struct connection *c, struct story *s, int client, int until)
{
	enum connection_next next = CONNECTION_WAIT;
	char octet;

	for (;;) {
		if (c->state == until)
			return c;
		client_reads(s, client);
		if (c->state == CONNECTION_READY)
			next = run(l, c, s);
		else if (c->state == CONNECTION_WRITING)
			next = connection_event(l, c, POLLER_OUT);
		else if (recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			next = connection_event(l, c, POLLER_IN);
		else
			return c;
		if (next == CONNECTION_GONE) {
			client_reads(s, client);
			return NULL;
		}
	}
}

/* To the other loop, unless it is one that stays where it is. */
static struct connection *
move(unsigned *place, struct connection *c)
{
	uint64_t sent_ns;

	if (c->state == CONNECTION_LINGERING)
		return c;
	if (c->state == CONNECTION_READY) {
		/* As the loop keeps those that cannot go at once. */
		loop_ready_add(&places[*place].loop, c);
		claim(loop_ready_take(&places[*place].loop) == c);
		loop_ready_push(&places[*place].loop, c);
		claim(loop_ready_take(&places[*place].loop) == c);
		claim(loop_ready_take(&places[*place].loop) == NULL);
	}
	claim(handover_send(sockets.keep[0], c, 1) == 0);
	connection_close(&places[*place].loop, c);
	loop_batch_end(&places[*place].loop);
	*place = 1 - *place;
	c = handover_receive(sockets.keep[1], &places[*place].loop, &sent_ns);
	claim(c != NULL && sent_ns == 1);
	return c;
}

/* Counts the responses, each framed well; wipes their dates. */
static void
read_answer(struct story *s)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char *at = s->answer, *end = s->answer + s->length, *body, *field;
	unsigned continued = 0;

	*end = '\0';
	for (; at < end; at = body) {
		claim(strncmp(at, "HTTP/1.1 ", 9) == 0);
		body = strstr(at, "\r\n\r\n");
		claim(body != NULL);
		body += 4;
		if (strncmp(at, go_on, strlen(go_on)) == 0) {
			claim(++continued == 1);	/* once for a request */
			continue;
		}
		continued = 0;
		s->responses++;
		s->refused += at[9] != '2';
		field = strstr(at, "\r\nDate: ");
		claim(field != NULL && field < body);
		memset(field + 8, 'x', 29);
		field = strstr(at, "\r\nTransfer-Encoding: chunked\r\n");
		if (field != NULL && field < body) {
			/* HEAD has none of it, and the next begins at once. */
			if (body < end && strncmp(body, "HTTP/", 5) != 0) {
				body = strstr(body, "\r\n0\r\n\r\n");
				claim(body != NULL);
				body += 7;
			}
			continue;
		}
		field = strstr(at, "\r\nContent-Length: ");
		if (field != NULL && field < body) {
			long length = atol(field + 18);

			if (body < end && strncmp(body, "HTTP/", 5) != 0)
				body += length;
			claim(body <= end);
		} else if (body < end && strncmp(body, "HTTP/", 5) != 0) {
			body = end;	/* HTTP/1.0: up to the end */
		}
	}
}

/* The client falls silent: no part of a connection lasts for ever. */
static struct connection *
time_passes(struct loop *l, struct connection *c, struct story *s, int client)
{
	/* What remains of a request, of the answer, and of a client that does not
	 * close in its turn. */
	for (int parts = 0; c != NULL && parts < 3; parts++) {
		claim(c->state != CONNECTION_READY && loop_timeout(l) > 0);
		l->now_ms = c->expires_ms - 1;
		loop_expire(l);
		claim(l->count == 1 && loop_timeout(l) > 0);
		l->now_ms++;
		claim(loop_timeout(l) == 0);
		loop_expire(l);
		if (l->count == 0)
			return NULL;
		c = serve(l, c, s, client, -1);
	}
	return c;
}

/* In pieces of `step`, to the other loop after so many. */
static void
tell(struct story *s, const char *text, size_t length, size_t step, unsigned moves, unsigned how)
{
	int until = (how & READY) != 0 ? CONNECTION_READY : CONNECTION_WRITING;
	bool silent = (how & SILENT) != 0;
	unsigned place = 0, piece = 0;
	struct connection *c;
	int pair[2], size = 4 * INPUT_MAX, small = 4096;

	memset(s, 0, offsetof(struct story, answer));
	s->length = 0;
	claim(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	c = connection_new(&places[0].loop, pair[0]);
	claim(c != NULL);
	if ((how & PROXY) != 0)
		c->state = CONNECTION_PROXY;
	connection_watch(&places[0].loop, c);
	for (size_t at = 0, n; at < length && c != NULL; at += n) {
		n = length - at < step ? length - at : step;
		if (send(pair[1], text + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			break;
		c = serve(&places[place].loop, c, s, pair[1], ++piece == moves ? until : -1);
		if (c != NULL && piece == moves)
			c = move(&place, c);
		/* Whatever has begun has a time by which it must have ended. */
		claim(c == NULL || c->state == CONNECTION_READY || c->deadline != DEADLINE_NONE);
	}
	if (silent && c != NULL)
		c = time_passes(&places[place].loop, c, s, pair[1]);
	claim(!silent || c == NULL);
	shutdown(pair[1], SHUT_WR);
	if (c != NULL)
		c = serve(&places[place].loop, c, s, pair[1], -1);
	claim(c == NULL);
	for (int i = 0; i < 2; i++) {
		loop_batch_end(&places[i].loop);
		claim(places[i].loop.count == 0);
	}
	close(pair[1]);
	read_answer(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct story whole, pieces, silent;
	const char *text = (const char *)data + 2;
	unsigned how;

	if (size < 3 || size > INPUT_MAX)
		return 0;
	prepare();
	how = data[1] & (PROXY | READY);
	size -= 2;
	tell(&whole, text, size, size, 0, how);
	tell(&pieces, text, size, data[0] + 1u, data[1] % MOVES_MAX + 1u, how);
	claim(whole.runs == pieces.runs && whole.responses == pieces.responses &&
	    whole.refused == pieces.refused);
	claim(whole.runs + whole.refused >= whole.responses && whole.refused <= 1);
	for (unsigned i = 0; i < whole.runs && i < RUNS_MAX; i++)
		claim(whole.hashes[i] == pieces.hashes[i]);
	if ((data[1] & SILENT) == 0)
		return 0;
	tell(&silent, text, size, size, 0, how | SILENT);
	/* A request that has begun is refused then. */
	claim(silent.runs == whole.runs && silent.refused <= 1 &&
	    silent.responses - silent.refused == whole.responses - whole.refused);
	return 0;
}
