/*
 * metrics_text.c - the metrics as text: OpenMetrics 1.0, and the older format
 * of Prometheus, which has other names for counters and knows no units.
 */
#include <inttypes.h>
#include <string.h>

#include "metrics.h"
#include "octet.h"
#include "signals.h"
#include "version.h"

static const char *const states[] = {
	[SLOT_STARTING] = "starting", [SLOT_IDLE] = "idle", [SLOT_RUNNING] = "running",
	[SLOT_FULL] = "full", [SLOT_LEAVING] = "leaving",
};

/* ---------------------------------------------------------- negotiation */

/* Whether a list of media types names this one, and not to exclude it. */
static bool
accepts(const char *list, const char *type)
{
	size_t n = strlen(type), length;

	for (; *list != '\0'; list += length + strspn(list + length, ",")) {
		const char *q;

		list += strspn(list, " \t");
		length = strcspn(list, ",");
		if (length < n || !octets_alike(list, type, n) || strchr("; \t,", list[n]) == NULL)
			continue;
		q = memmem(list, length, "q=0", 3);
		return q == NULL || strspn(q + 2, "0.") < strspn(q + 2, "0.123456789");
	}
	return false;
}

enum metrics_format
metrics_choose(const char *accept)
{
	if (accept == NULL || accepts(accept, "application/openmetrics-text"))
		return METRICS_OPENMETRICS;
	/* A browser's, too: it shows the one and would save the other. */
	if (accepts(accept, "text/plain") || accepts(accept, "text/html"))
		return METRICS_PROMETHEUS;
	return accepts(accept, "*/*") ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

const char *
metrics_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ?
	    "application/openmetrics-text; version=1.0.0; charset=utf-8" :
	    "text/plain; version=0.0.4; charset=utf-8";
}

/* ----------------------------------------------------------------- text */

struct text {
	FILE *out;
	enum metrics_format format;
};

/* What follows is of this family.  suffix: of its samples, for the kinds that
 * have one; unit: NULL for none. */
static void
put_family(const struct text *t, const char *name, const char *type, const char *suffix,
    const char *unit, const char *help)
{
	if (t->format == METRICS_OPENMETRICS) {
		fprintf(t->out, "# TYPE modserver%s %s\n", name, type);
		if (unit != NULL)
			fprintf(t->out, "# UNIT modserver%s %s\n", name, unit);
		fprintf(t->out, "# HELP modserver%s %s\n", name, help);
	} else {
		fprintf(t->out, "# HELP modserver%s%s %s\n", name, suffix, help);
		fprintf(t->out, "# TYPE modserver%s%s %s\n", name, suffix,
		    strcmp(type, "info") == 0 ? "gauge" : type);
	}
}

static void
put_counter(const struct text *t, const char *name, const char *unit, const char *help)
{
	put_family(t, name, "counter", "_total", unit, help);
}

static void
put_gauge(const struct text *t, const char *name, const char *unit, const char *help)
{
	put_family(t, name, "gauge", "", unit, help);
}

/* One sample without labels. */
static void
put_sample(const struct text *t, const char *name, uint64_t value)
{
	fprintf(t->out, "modserver%s %" PRIu64 "\n", name, value);
}

/* One sample with one label, whose value is a constant of ours. */
static void
put_labelled(const struct text *t, const char *name, const char *label, const char *label_value,
    uint64_t value)
{
	fprintf(t->out, "modserver%s{%s=\"%s\"} %" PRIu64 "\n", name, label, label_value, value);
}

/* A route as the value of a label, which must be UTF-8 and which ours need not
 * be: what is not ASCII is percent-encoded, as a client would write it. */
static void
put_escaped(FILE *out, const char *route)
{
	for (; *route != '\0'; route++) {
		unsigned char c = (unsigned char)*route;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(out, "%%%02X", c);
		else
			putc(c, out);
	}
}

/* The name and labels of a sample of a route, with a second label unless that is
 * NULL; its value follows. */
static void
put_route(const struct text *t, const char *name, const char *route, const char *label,
    const char *label_value)
{
	const char *comma = "";

	fprintf(t->out, "modserver%s", name);
	if (*route != '\0' || label != NULL)
		putc('{', t->out);
	if (*route != '\0') {
		fputs("route=\"", t->out);
		put_escaped(t->out, route);
		putc('"', t->out);
		comma = ",";
	}
	if (label != NULL)
		fprintf(t->out, "%s%s=\"%s\"", comma, label, label_value);
	if (*route != '\0' || label != NULL)
		putc('}', t->out);
}

/* One sample of a route. */
static void
put_routed(const struct text *t, const char *name, const char *route, const char *label,
    const char *label_value, uint64_t value)
{
	put_route(t, name, route, label, label_value);
	fprintf(t->out, " %" PRIu64 "\n", value);
}

/* ------------------------------------------------------------- families */

static void
put_server(const struct text *t, const struct metrics *m)
{
	put_family(t, "", "info", "_info", NULL, "The server's version.");
	fprintf(t->out, "modserver_info{version=\"%s\"} 1\n", MODSERVER_VERSION);
	put_gauge(t, "_start_time_seconds", "seconds", "When the server started, in Unix time.");
	put_sample(t, "_start_time_seconds", (uint64_t)m->started_s);
	put_gauge(t, "_generation", NULL, "Number of the configuration that serves; 0: none yet.");
	put_sample(t, "_generation", m->generation);
	put_counter(t, "_reloads", NULL, "Reloads, by whether the new configuration serves.");
	put_labelled(t, "_reloads_total", "result", "ok", m->reloads);
	put_labelled(t, "_reloads_total", "result", "failed", m->reloads_failed);
	put_counter(t, "_zygote_deaths", NULL, "Zygotes that died while they served.");
	put_sample(t, "_zygote_deaths_total", m->zygote_deaths);
}

/* Those that one counts upon are told before there has been one, so that the
 * first one shows as a change. */
static bool
is_usual(int death)
{
	switch (death) {
	case BOARD_DEATH_EXIT:
	case BOARD_DEATH_TIMEOUT:
	case BOARD_DEATH_DRAIN:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGKILL:
	case SIGSEGV:
		return true;
	default:
		return false;
	}
}

/* As the value of a label; the text is valid until the next call. */
static const char *
death_name(int death)
{
	static char name[32];
	const char *signal_name;

	switch (death) {
	case BOARD_DEATH_EXIT:
		return "exit";
	case BOARD_DEATH_TIMEOUT:
		return "timeout";
	case BOARD_DEATH_DRAIN:
		return "drain";
	}
	signal_name = signals_name(death);
	if (signal_name != NULL)
		return signal_name;
	snprintf(name, sizeof(name), "%d", death);
	return name;
}

static void
put_deaths(const struct text *t, const struct metrics *m)
{
	put_counter(t, "_worker_deaths", NULL, "Workers that a servlet or the system ended, by "
	    "signal; exit: the servlet called it; timeout, drain: the server ended it after these.");
	for (int i = 0; i < BOARD_DEATHS; i++)
		if (m->deaths[i] > 0 || is_usual(i))
			put_labelled(t, "_worker_deaths_total", "cause", death_name(i), m->deaths[i]);
}

static void
put_workers(const struct text *t, const struct metrics *m)
{
	put_gauge(t, "_workers", NULL, "Worker processes, by what they are doing.");
	for (int i = SLOT_STARTING; i <= SLOT_LEAVING; i++)
		put_labelled(t, "_workers", "state", states[i], m->workers[i]);
	put_gauge(t, "_workers_max", NULL, "How many there may be.");
	put_sample(t, "_workers_max", m->workers_max);
	put_counter(t, "_worker_forks", NULL, "Workers started.");
	put_sample(t, "_worker_forks_total", m->forks);
	put_deaths(t, m);
	put_gauge(t, "_connections", NULL, "Connections that workers hold, idle ones too.");
	put_sample(t, "_connections", m->connections);
	put_counter(t, "_queue_timeouts", NULL, "Requests refused with 503, for no worker was free "
	    "within timeouts.queue.");
	put_sample(t, "_queue_timeouts_total", m->overdue);
}

static void
put_requests(const struct text *t, const struct metrics *m)
{
	static const char *const classes[TALLY_CLASSES] = { "2xx", "3xx", "4xx", "5xx" };
	size_t r;
	int i;

	put_counter(t, "_http_requests", NULL, "Requests answered, by route and class of status; "
	    "without a route: refused by the server itself.");
	for (r = 0; r < m->route_count; r++)
		for (i = 0; i < TALLY_CLASSES; i++)
			put_routed(t, "_http_requests_total", m->routes[r].route, "code",
			    classes[i], m->routes[r].tally.responses[i]);
	put_counter(t, "_http_response_body_bytes", "bytes", "Octets of response bodies.");
	for (r = 0; r < m->route_count; r++)
		put_routed(t, "_http_response_body_bytes_total", m->routes[r].route, NULL, NULL,
		    m->routes[r].tally.body_bytes);
}

/* "0.0001", "0.005", "0.25", "1.0": as OpenMetrics writes them. */
static void
format_bound(uint64_t ns, char *out, size_t size)
{
	size_t length = (size_t)snprintf(out, size, "%" PRIu64 ".%04" PRIu64, ns / 1000000000u,
	    ns % 1000000000u / 100000u);

	while (length > 3 && out[length - 1] == '0' && out[length - 2] != '.')
		out[--length] = '\0';
}

static void
put_duration(const struct text *t, const struct metrics_route *r)
{
	uint64_t count = 0, ns = r->tally.duration_ns;
	char bound[32];

	for (int i = 0; i < TALLY_BUCKETS; i++) {
		if (i < TALLY_BUCKETS - 1)
			format_bound(tally_bounds_ns[i], bound, sizeof(bound));
		else
			snprintf(bound, sizeof(bound), "+Inf");
		count += r->tally.durations[i];
		put_routed(t, "_servlet_duration_seconds_bucket", r->route, "le", bound, count);
	}
	put_routed(t, "_servlet_duration_seconds_count", r->route, NULL, NULL, count);
	put_route(t, "_servlet_duration_seconds_sum", r->route, NULL, NULL);
	fprintf(t->out, " %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000u, ns % 1000000000u);
}

void
metrics_write(const struct metrics *m, enum metrics_format format, FILE *out)
{
	const struct text t = { .out = out, .format = format };

	put_server(&t, m);
	put_workers(&t, m);
	put_requests(&t, m);
	put_family(&t, "_servlet_duration_seconds", "histogram", "", "seconds",
	    "How long servlets ran, by route.");
	for (size_t r = 1; r < m->route_count; r++)
		put_duration(&t, &m->routes[r]);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
}
