/*
 * client.c - a load generator for what wrk does not measure.
 *
 *	client [-c connections] [-d seconds] [-x] [-r rate] [-s percent:path]
 *	    [-u octets] [-w] port path
 *
 * One thread, epoll, the loopback interface.  All connections start at once.
 *
 *	-x	a connection for each request (Connection: close)
 *	-r	open loop: so many requests a second in all, sent when they are
 *		due; latency counts from then, so a stalled server cannot hide
 *		by slowing its clients down.  Without -r each connection sends
 *		its next request when it has the answer.
 *	-s	so many percent of the requests ask for the other path; they
 *		are counted and timed apart
 *	-u	POST a body of so many octets
 *	-w	idle connections: one request on each, then "ready" on stdout;
 *		at a line on stdin one more on each, without reconnecting
 *
 * Answers must have a Content-Length or end with the connection.  An error is
 * a status other than 2xx, a connection that fails or breaks, an answer that
 * cannot be framed.  The result is one JSON object on stdout.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define INTERVAL_NS (SECOND_NS / 10)	/* of the counts over time */
#define INTERVALS_MAX 1000
#define HEAD_MAX 2048
#define BUFFER_SIZE (1 << 20)
#define OPENING_MAX 128		/* -w: connections being opened at once */
#define HOLD_ROUND_NS (15ull * SECOND_NS)
#define HOLD_PATIENCE_NS (3ull * SECOND_NS)	/* for each answer */

enum state { CLOSED, IDLE, SENDING, READING };

struct connection {
	int fd;
	enum state state;
	bool slow;		/* asks for the other path */
	bool used;		/* has answered before */
	bool watched_out;
	bool close;		/* the server closes after this answer */
	uint64_t due_ns;	/* latency counts from here */
	size_t sent;		/* of request and body */
	size_t head_length;	/* of the answer */
	bool head_done;
	long long body_left;	/* -1: to the end of the connection */
	unsigned answers;
	struct connection *next_free;
	char head[HEAD_MAX];
};

struct latencies {
	uint32_t *us;
	size_t count, size;
};

static struct {
	int connections;
	double seconds;
	bool close, hold;
	double rate;
	double slow_percent;
	const char *path, *slow_path;
	long long upload;
	struct sockaddr_in address;
} options = { .connections = 64, .seconds = 2 };

static struct {
	int epoll;
	struct connection *all, *free;
	char request[2][1024];	/* of the path, of the slow path */
	size_t request_length[2];
	uint64_t start_ns, end_ns, next_due_ns;
	unsigned long long errors, bytes, reconnects;
	unsigned statuses[6];	/* answers by hundreds */
	struct latencies latencies[2];
	unsigned per_interval[INTERVALS_MAX];
	unsigned random;
	char buffer[BUFFER_SIZE];
} load = { .random = 12345 };

static void connection_start(struct connection *c, uint64_t due_ns);

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
latencies_add(struct latencies *l, uint64_t ns)
{
	if (l->count == l->size) {
		l->size = l->size ? l->size * 2 : 65536;
		l->us = realloc(l->us, l->size * sizeof(*l->us));
		if (l->us == NULL)
			die("realloc");
	}
	l->us[l->count++] = (uint32_t)(ns / 1000);
}

/* -------------------------------------------------------- a connection */

static void
connection_watch(struct connection *c, bool out)
{
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = c };

	if (out == c->watched_out)
		return;
	c->watched_out = out;
	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, c->fd, &e) == -1)
		die("epoll_ctl");
}

static void
connection_open(struct connection *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&options.address,
	    sizeof(options.address)) == -1 && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &e) == -1)
		die("epoll_ctl");
	c->watched_out = true;
	c->used = false;
}

static void
connection_close(struct connection *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->state = CLOSED;
}

/* Has no request: gets the next one, waits for one to be due, or rests. */
static void
connection_next(struct connection *c)
{
	if (options.hold)
		return;
	if (options.rate > 0) {
		c->next_free = load.free;
		load.free = c;
	} else {
		connection_start(c, now_ns());
	}
}

static void
connection_failed(struct connection *c)
{
	load.errors++;
	connection_close(c);
	connection_next(c);
}

/* Writes what is left of the request.  False: the connection is broken. */
static bool
connection_send(struct connection *c)
{
	size_t head_length = load.request_length[c->slow];
	size_t total = head_length + (size_t)options.upload;
	ssize_t n;

	while (c->sent < total) {
		if (c->sent < head_length) {
			n = send(c->fd, load.request[c->slow] + c->sent,
			    head_length - c->sent, MSG_NOSIGNAL);
		} else {
			size_t left = total - c->sent;

			n = send(c->fd, load.buffer, left < BUFFER_SIZE ? left :
			    BUFFER_SIZE, MSG_NOSIGNAL);
		}
		if (n == -1 && errno == EAGAIN) {
			connection_watch(c, true);
			return true;
		}
		if (n == -1)
			return false;
		c->sent += (size_t)n;
	}
	c->state = READING;
	connection_watch(c, false);
	return true;
}

static unsigned
random_next(void)
{
	load.random = load.random * 1103515245u + 12345u;
	return load.random >> 16 & 0x7fff;
}

static void
connection_start(struct connection *c, uint64_t due_ns)
{
	bool fresh = c->fd == -1;

	if (fresh)
		connection_open(c);
	c->slow = random_next() < options.slow_percent * 0x8000 / 100;
	c->due_ns = due_ns;
	c->sent = c->head_length = 0;
	c->head_done = false;
	c->close = options.close;
	c->state = SENDING;
	/* A fresh one sends when it is connected. */
	if (!fresh && !connection_send(c))
		connection_failed(c);
}

static void
connection_answered(struct connection *c, uint64_t now)
{
	uint64_t interval = (now - load.start_ns) / INTERVAL_NS;
	int status = atoi(c->head + 9);

	load.statuses[status >= 100 && status < 600 ? status / 100 : 0]++;
	if (status < 200 || status > 299) {
		connection_failed(c);
		return;
	}
	c->used = true;
	c->answers++;
	latencies_add(&load.latencies[c->slow], now - c->due_ns);
	if (interval < INTERVALS_MAX)
		load.per_interval[interval]++;
	c->state = IDLE;
	if (c->close)
		connection_close(c);
	connection_next(c);
}

/* ----------------------------------------------------------- an answer */

/* The value of a field of the head, or NULL. */
static const char *
head_field(const struct connection *c, const char *name)
{
	const char *line = c->head;
	size_t length = strlen(name);

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1 + strspn(line + length + 1, " ");
	}
	return NULL;
}

/* Takes the head from what has been read, body octets behind it counted off.
 * 1: complete, 0: more needed, -1: cannot be framed. */
static int
answer_head(struct connection *c)
{
	const char *end, *value;
	long long have;

	c->head[c->head_length] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (end == NULL)
		return c->head_length == HEAD_MAX - 1 ? -1 : 0;
	have = (long long)c->head_length - (end + 4 - c->head);
	if (strncmp(c->head, "HTTP/1.", 7) != 0)
		return -1;
	value = head_field(c, "Connection");
	if (value == NULL ? c->head[7] == '0' : strncasecmp(value, "close", 5) == 0)
		c->close = true;
	value = head_field(c, "Content-Length");
	if (value != NULL)
		c->body_left = atoll(value) - have;
	else if (atoi(c->head + 9) == 204)
		c->body_left = -have;
	else if (c->close)
		c->body_left = -1;
	else
		return -1;
	if (value != NULL && c->body_left < 0)
		return -1;
	c->head_done = true;
	return 1;
}

/* Reads on.  Returns 1: answered, 0: more to come, -1: broken. */
static int
answer_read(struct connection *c)
{
	size_t want;
	ssize_t n;

	for (;;) {
		if (c->head_done && c->body_left == 0)
			return 1;
		if (!c->head_done)
			n = recv(c->fd, c->head + c->head_length,
			    HEAD_MAX - 1 - c->head_length, 0);
		else {
			/* Not copied: the server is measured, not memcpy. */
			want = c->body_left > 0 && c->body_left < BUFFER_SIZE ?
			    (size_t)c->body_left : BUFFER_SIZE;
			n = recv(c->fd, load.buffer, want, MSG_TRUNC);
		}
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return c->head_done && c->body_left == -1 ? 1 : -1;
		load.bytes += (unsigned long long)n;
		if (!c->head_done) {
			c->head_length += (size_t)n;
			if (answer_head(c) == -1)
				return -1;
		} else if (c->body_left > 0) {
			c->body_left -= n;
		}
	}
}

static void
connection_event(struct connection *c, unsigned events)
{
	int result;

	if (c->state == CLOSED)
		return;
	if (c->state == IDLE) {
		/* Closed by the server while at rest, which it may do. */
		connection_close(c);
		load.reconnects++;
		return;
	}
	if (c->state == SENDING && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) &&
	    !connection_send(c)) {
		connection_failed(c);
		return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	result = answer_read(c);
	if (result == 1) {
		connection_answered(c, now_ns());
	} else if (result == -1 && c->used && c->head_length == 0 && !options.hold) {
		/* It closed just as the next request was sent: try again. */
		load.reconnects++;
		connection_close(c);
		connection_start(c, c->due_ns);
	} else if (result == -1) {
		connection_failed(c);
	}
}

/* ---------------------------------------------------------------- runs */

/* Waits until an event or the time, and serves what has come. */
static void
load_wait(uint64_t until_ns)
{
	struct epoll_event events[256];
	uint64_t now = now_ns(), left = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = { (time_t)(left / SECOND_NS), (long)(left % SECOND_NS) };
	int i, n;

	n = epoll_pwait2(load.epoll, events, 256, &timeout, NULL);
	if (n == -1 && errno != EINTR)
		die("epoll_pwait2");
	for (i = 0; i < n; i++)
		connection_event(events[i].data.ptr, events[i].events);
}

static void
run_load(void)
{
	uint64_t step_ns = options.rate > 0 ? (uint64_t)(SECOND_NS / options.rate) : 0;
	uint64_t now;
	int i;

	load.next_due_ns = load.start_ns = now_ns();
	load.end_ns = load.start_ns + (uint64_t)(options.seconds * SECOND_NS);
	for (i = 0; i < options.connections; i++)
		connection_next(&load.all[i]);
	while ((now = now_ns()) < load.end_ns) {
		while (step_ns > 0 && load.next_due_ns <= now && load.free != NULL) {
			struct connection *c = load.free;

			load.free = c->next_free;
			connection_start(c, load.next_due_ns);
			load.next_due_ns += step_ns;
		}
		load_wait(step_ns > 0 && load.free != NULL ? load.next_due_ns : load.end_ns);
	}
}

/* How many of the first count have their answer, or have failed. */
static int
hold_settled(int count)
{
	uint64_t now = now_ns();
	int i, settled = 0;

	for (i = 0; i < count; i++) {
		struct connection *c = &load.all[i];

		if ((c->state == SENDING || c->state == READING) &&
		    now > c->due_ns + HOLD_PATIENCE_NS)
			connection_failed(c);
		settled += c->state == IDLE || c->state == CLOSED;
	}
	return settled;
}

/* One request on each connection.  Returns how many answered. */
static int
hold_round(unsigned round)
{
	uint64_t give_up_ns = now_ns() + HOLD_ROUND_NS;
	int i, started = 0, answered = 0, settled = 0;

	while (settled < options.connections && now_ns() < give_up_ns) {
		for (; started < options.connections && started - settled < OPENING_MAX;
		    started++) {
			struct connection *c = &load.all[started];

			if (round == 1 || c->fd != -1)
				connection_start(c, now_ns());
		}
		load_wait(now_ns() + SECOND_NS / 100);
		settled = hold_settled(started);
	}
	for (i = 0; i < options.connections; i++)
		answered += load.all[i].answers == round;
	return answered;
}

static void
run_hold(void)
{
	int opened, kept;

	load.start_ns = now_ns();
	opened = hold_round(1);
	printf("ready %d\n", opened);
	fflush(stdout);
	if (getchar() == EOF)
		exit(1);
	kept = hold_round(2);
	printf("{\"opened\": %d, \"kept\": %d}\n", opened, kept);
}

/* -------------------------------------------------------------- results */

static int
compare_us(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
print_latencies(const char *name, struct latencies *l)
{
	static const double shares[] = { 0.5, 0.9, 0.99, 0.999 };
	static const char *const names[] = { "p50", "p90", "p99", "p999" };
	size_t i;

	if (l->count == 0)
		return;
	qsort(l->us, l->count, sizeof(*l->us), compare_us);
	printf(", \"%s\": {", name);
	for (i = 0; i < 4; i++)
		printf("\"%s\": %u, ", names[i],
		    l->us[(size_t)((double)(l->count - 1) * shares[i])]);
	printf("\"max\": %u}", l->us[l->count - 1]);
}

static void
print_result(void)
{
	uint64_t i, intervals = (load.end_ns - load.start_ns) / INTERVAL_NS;

	printf("{\"seconds\": %.3f, \"requests\": %zu, \"slow_requests\": %zu, "
	    "\"errors\": %llu, \"reconnects\": %llu, \"bytes\": %llu, \"statuses\": [",
	    (double)(load.end_ns - load.start_ns) / SECOND_NS,
	    load.latencies[0].count + load.latencies[1].count, load.latencies[1].count,
	    load.errors, load.reconnects, load.bytes);
	for (i = 0; i < 6; i++)
		printf("%s%u", i ? ", " : "", load.statuses[i]);
	printf("], \"per_100ms\": [");
	for (i = 0; i < intervals && i < INTERVALS_MAX; i++)
		printf("%s%u", i ? ", " : "", load.per_interval[i]);
	printf("]");
	print_latencies("latency_us", &load.latencies[0]);
	print_latencies("slow_latency_us", &load.latencies[1]);
	printf("}\n");
}

/* ---------------------------------------------------------------- start */

static void
usage(void)
{
	fprintf(stderr, "usage: client [-c connections] [-d seconds] [-x] [-r rate] "
	    "[-s percent:path] [-u octets] [-w] port path\n");
	exit(2);
}

static void
parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:d:xr:s:u:w")) != -1) {
		char *colon = optarg == NULL ? NULL : strchr(optarg, ':');

		switch (option) {
		case 'c': options.connections = atoi(optarg); break;
		case 'd': options.seconds = atof(optarg); break;
		case 'x': options.close = true; break;
		case 'r': options.rate = atof(optarg); break;
		case 'u': options.upload = atoll(optarg); break;
		case 'w': options.hold = true; break;
		case 's':
			if (colon == NULL)
				usage();
			options.slow_percent = atof(optarg);
			options.slow_path = colon + 1;
			break;
		default:
			usage();
		}
	}
	if (argc - optind != 2 || options.connections < 1)
		usage();
	options.address = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(argv[optind])),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	options.path = argv[optind + 1];
}

static void
make_request(int slow, const char *path)
{
	char length[128] = "";
	int n;

	if (path == NULL)
		return;
	if (options.upload > 0)
		snprintf(length, sizeof(length), "Content-Length: %lld\r\n"
		    "Content-Type: application/octet-stream\r\n", options.upload);
	n = snprintf(load.request[slow], sizeof(load.request[slow]),
	    "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n",
	    options.upload > 0 ? "POST" : "GET", path, length,
	    options.close ? "Connection: close\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(load.request[slow]))
		usage();
	load.request_length[slow] = (size_t)n;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	int i;

	parse_options(argc, argv);
	make_request(0, options.path);
	make_request(1, options.slow_path);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.all = calloc((size_t)options.connections, sizeof(*load.all));
	if (load.epoll == -1 || load.all == NULL)
		die("client");
	for (i = 0; i < options.connections; i++)
		load.all[i].fd = -1;
	if (options.hold) {
		run_hold();
	} else {
		run_load();
		print_result();
	}
	return 0;
}
