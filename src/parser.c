/*
 * parser.c - http-parser reads the head; we hold it to the letter.
 *
 * The engine sees the head only, octet by octet as it arrives, and is stopped
 * at its end.  What it lets pass there (see DESIGN and head.c) is refused by
 * head_check().  Bodies are counted or decoded here (chunked.c), so that
 * nothing the engine thinks about chunks, trailers, Upgrade, CONNECT or
 * Connection has any effect.
 */
#include "parser.h"

#include <assert.h>
#include <http_parser.h>
#include <string.h>

#include "octet.h"

enum parser_phase {
	PHASE_START,	/* empty lines before the request line */
	PHASE_HEAD,
	PHASE_METHOD,	/* a method the engine does not know, up to its end */
	PHASE_LENGTH,	/* a body of known length, or none */
	PHASE_CHUNKED,
	PHASE_DONE,
	PHASE_ERROR
};

#define EMPTY_LINES_MAX 2
/* Longer than any method there is. */
#define METHOD_MAX 32

static_assert(sizeof(http_parser) <= sizeof(((struct parser *)0)->engine),
    "struct parser has no room for the engine");

/* What the engine's callbacks work on, for the length of one call. */
struct feed {
	struct parser *parser;
	struct head *head;
	const char *raw;
	bool complete;
};

void
parser_init(struct parser *p, size_t head_max)
{
	http_parser engine;

	/* Offsets in a head are 32 bits wide. */
	if (head_max > UINT32_MAX / 2)
		head_max = UINT32_MAX / 2;
	/* The engine's limit is a global; ours is head_max. */
	http_parser_set_max_header_size(UINT32_MAX);
	*p = (struct parser){ .head_max = head_max, .phase = PHASE_START };
	engine.data = NULL;
	http_parser_init(&engine, HTTP_REQUEST);
	memcpy(p->engine, &engine, sizeof(engine));
}

const char *
parser_method_name(int i)
{
	static const char *const names[] = {
#define NAME(number, name, text) #text,
		HTTP_METHOD_MAP(NAME)
#undef NAME
		NULL
	};

	return names[i];
}

static enum parser_result
parser_refuse(struct parser *p, int status, const char *reason)
{
	p->status = status;
	p->reason = reason;
	p->phase = PHASE_ERROR;
	return PARSER_ERROR;
}

/* ------------------------------------------------- the engine's callbacks */

static int
parser_on_url(http_parser *engine, const char *at, size_t length)
{
	struct feed *feed = engine->data;
	struct head *h = feed->head;

	if (h->target_length == 0) {
		h->target = (uint32_t)(at - feed->raw);
		h->method_length = h->target - 1 - h->method;
	}
	h->target_length = (uint32_t)(at + length - feed->raw) - h->target;
	return 0;
}

static int
parser_on_field(http_parser *engine, const char *at, size_t length)
{
	struct feed *feed = engine->data;
	struct head *h = feed->head;
	uint32_t start = (uint32_t)(at - feed->raw);
	struct field *f;

	/* A name may come in pieces, each where the last one ended. */
	if (h->field_count > 0) {
		f = &h->fields[h->field_count - 1];
		if (f->name + f->name_length == start) {
			f->name_length += (uint32_t)length;
			return 0;
		}
	}
	if (h->field_count == h->field_max) {
		/* Refused when the head is complete: whether this is a field
		 * is not known before its colon. */
		feed->parser->fields_dropped = true;
		return 0;
	}
	f = &h->fields[h->field_count++];
	*f = (struct field){ .name = start, .name_length = (uint32_t)length };
	return 0;
}

static int
parser_on_value(http_parser *engine, const char *at, size_t length)
{
	struct feed *feed = engine->data;
	struct head *h = feed->head;
	uint32_t start = (uint32_t)(at - feed->raw);
	struct field *f;

	if (feed->parser->fields_dropped || h->field_count == 0)
		return 0;
	f = &h->fields[h->field_count - 1];
	if (f->value_length == 0)
		f->value = start;
	f->value_length = start + (uint32_t)length - f->value;
	return 0;
}

static int
parser_on_head(http_parser *engine)
{
	struct feed *feed = engine->data;

	feed->complete = true;
	http_parser_pause(engine, 1);
	return 0;
}

/* ----------------------------------------------------------------- head */

/* Only CRLF may stand before a request line, EMPTY_LINES_MAX of them. */
static enum parser_result
parser_start(struct parser *p, struct head *head, const char *data, size_t length,
    size_t *used)
{
	for (; *used < length; (*used)++, p->head_length++) {
		char c = data[*used];

		if (p->head_length % 2 == 1) {
			if (c != '\n')
				return parser_refuse(p, 400, "CR without LF");
			continue;
		}
		if (c == '\r' && p->head_length < 2 * EMPTY_LINES_MAX)
			continue;
		if (c == '\r' || c == '\n')
			return parser_refuse(p, 400, "empty lines before the request line");
		*head = (struct head){
			.method = (uint32_t)p->head_length,
			.content_length = -1,
			.fields = head->fields,
			.field_max = head->field_max
		};
		p->phase = PHASE_HEAD;
		break;
	}
	return PARSER_MORE;
}

/* The engine stops at the first octet that no method it knows has there.
 * Whether that is 501 or 400 shows at the end of the word. */
static enum parser_result
parser_method(struct parser *p, const struct head *head, const char *data, size_t length,
    size_t *used)
{
	for (; *used < length; (*used)++, p->head_length++) {
		unsigned char c = (unsigned char)data[*used];
		size_t n = p->head_length - head->method;

		if (c == ' ' && n > 0)
			return parser_refuse(p, 501, "unknown method");
		if (!octet_is_token(c))
			return parser_refuse(p, 400, "malformed method");
		if (n >= METHOD_MAX)
			return parser_refuse(p, 501, "unknown method");
	}
	return PARSER_MORE;
}

/* The head is complete and well-formed as far as the engine can tell. */
static enum parser_result
parser_complete(struct parser *p, struct head *head, const char *raw, const char *method)
{
	int status;
	const char *reason = NULL;

	if (p->fields_dropped)
		return parser_refuse(p, 431, "too many header fields");
	status = head_check(head, raw, p->head_length, &reason);
	if (status != 0)
		return parser_refuse(p, status, reason);
	if (strlen(method) != head->method_length ||
	    memcmp(method, raw + head->method, head->method_length) != 0)
		return parser_refuse(p, 400, "malformed method");
	if (head->chunked) {
		chunked_init(&p->chunked, p->head_max);
		p->phase = PHASE_CHUNKED;
	} else {
		p->body_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
		p->phase = PHASE_LENGTH;
	}
	return PARSER_HEAD;
}

static const char *
parser_engine_reason(enum http_errno error)
{
	switch (error) {
	case HPE_INVALID_URL:
		return "malformed request target";
	case HPE_INVALID_VERSION:
	case HPE_INVALID_CONSTANT:
	case HPE_STRICT:
		return "malformed request line";
	case HPE_INVALID_HEADER_TOKEN:
		return "malformed header field";
	case HPE_LF_EXPECTED:
		return "CR without LF";
	case HPE_INVALID_CONTENT_LENGTH:
		return "malformed Content-Length";
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return "Content-Length repeated or beside Transfer-Encoding";
	default:
		return "malformed request";
	}
}

/* A target that ends its line is a request of HTTP/0.9, which has no more of
 * it; the engine would go on to wait for fields. */
static bool
parser_is_version_missing(const struct parser *p, const struct head *head, const char *raw)
{
	size_t end = (size_t)head->target + head->target_length;

	return head->target_length > 0 && end < p->head_length &&
	    (raw[end] == '\r' || raw[end] == '\n');
}

static enum parser_result
parser_head(struct parser *p, struct head *head, const char *raw, const char *data,
    size_t length, size_t *used)
{
	static const http_parser_settings settings = {
		.on_url = parser_on_url,
		.on_header_field = parser_on_field,
		.on_header_value = parser_on_value,
		.on_headers_complete = parser_on_head
	};
	struct feed feed = { .parser = p, .head = head, .raw = raw };
	http_parser engine;
	enum http_errno error;
	size_t n;

	/* An empty call would mean end-of-file to the engine. */
	if (*used == length)
		return PARSER_MORE;
	memcpy(&engine, p->engine, sizeof(engine));
	engine.data = &feed;
	n = http_parser_execute(&engine, &settings, data + *used, length - *used);
	error = HTTP_PARSER_ERRNO(&engine);
	if (feed.complete)
		n++;	/* it stops at the last LF, not behind it */
	p->head_length += n;
	*used += n;
	if (parser_is_version_missing(p, head, raw))
		return parser_refuse(p, 400, "malformed request line");
	if (feed.complete)
		return parser_complete(p, head, raw,
		    http_method_str((enum http_method)engine.method));
	if (error == HPE_INVALID_METHOD) {
		p->phase = PHASE_METHOD;
		return parser_method(p, head, data, length, used);
	}
	if (error != HPE_OK)
		return parser_refuse(p, 400, parser_engine_reason(error));
	engine.data = NULL;
	memcpy(p->engine, &engine, sizeof(engine));
	return PARSER_MORE;
}

/* Feeds what the limit leaves of the head. */
static enum parser_result
parser_feed_head(struct parser *p, struct head *head, const char *raw, const char *data,
    size_t length, size_t *used)
{
	enum parser_result result = PARSER_MORE;
	size_t room = p->head_max - p->head_length;

	if (length > room)
		length = room;
	if (p->phase == PHASE_START)
		result = parser_start(p, head, data, length, used);
	if (result == PARSER_MORE && p->phase == PHASE_HEAD)
		result = parser_head(p, head, raw, data, length, used);
	else if (result == PARSER_MORE && p->phase == PHASE_METHOD)
		result = parser_method(p, head, data, length, used);
	if (result != PARSER_MORE || p->head_length < p->head_max)
		return result;
	if (p->phase != PHASE_START &&
	    memchr(raw + head->method, '\n', p->head_length - head->method) != NULL)
		return parser_refuse(p, 431, "head too long");
	return parser_refuse(p, 414, "request line too long");
}

/* ----------------------------------------------------------------- body */

static enum parser_result
parser_stopped(struct parser *p)
{
	return parser_refuse(p, p->status != 0 ? p->status : 413,
	    p->reason != NULL ? p->reason : "body refused");
}

static enum parser_result
parser_feed_length(struct parser *p, const char *data, size_t length, size_t *used,
    parser_body *body, void *context)
{
	if (length > p->body_left)
		length = (size_t)p->body_left;
	if (length > 0 && body(context, data, length) == -1)
		return parser_stopped(p);
	*used = length;
	p->body_left -= length;
	if (p->body_left > 0)
		return PARSER_MORE;
	p->phase = PHASE_DONE;
	return PARSER_DONE;
}

static enum parser_result
parser_feed_chunked(struct parser *p, const char *data, size_t length, size_t *used,
    parser_body *body, void *context)
{
	switch (chunked_feed(&p->chunked, data, length, used, body, context,
	    &p->status, &p->reason)) {
	case 0:
		return PARSER_MORE;
	case 1:
		p->phase = PHASE_DONE;
		return PARSER_DONE;
	default:
		return parser_stopped(p);
	}
}

enum parser_result
parser_feed(struct parser *p, struct head *head, const char *raw, const char *data,
    size_t length, size_t *used, parser_body *body, void *context)
{
	*used = 0;
	switch (p->phase) {
	case PHASE_LENGTH:
		return parser_feed_length(p, data, length, used, body, context);
	case PHASE_CHUNKED:
		return parser_feed_chunked(p, data, length, used, body, context);
	case PHASE_DONE:
		return PARSER_DONE;
	case PHASE_ERROR:
		return PARSER_ERROR;
	default:
		return parser_feed_head(p, head, raw, data, length, used);
	}
}
