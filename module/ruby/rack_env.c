/*
 * rack_env.c - a request as Rack's env.
 *
 * What is the same for every request is made once: the keys (of header fields
 * too), frequent values, and a hash with what never changes, which is copied.
 * Texts of the client are ASCII-8BIT, as puma has them.
 */
#include <stdio.h>
#include <string.h>

#include "module/alike.h"
#include "rack.h"

#define FIELDS_MAX 128	/* in one request without allocating */

enum key {
	CONTENT_LENGTH, CONTENT_TYPE, HTTPS, HTTP_VERSION, PATH_INFO, QUERY_STRING,
	REMOTE_ADDR, REQUEST_METHOD, REQUEST_PATH, REQUEST_URI, SCRIPT_NAME,
	SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, RACK_INPUT, RACK_URL_SCHEME,
	KEYS
};

static const char *const names[KEYS] = {
	"CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS", "HTTP_VERSION", "PATH_INFO", "QUERY_STRING",
	"REMOTE_ADDR", "REQUEST_METHOD", "REQUEST_PATH", "REQUEST_URI", "SCRIPT_NAME",
	"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "rack.input", "rack.url_scheme",
};

/* Values that nearly every request has. */
static const char *const frequent[] = {
	"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS",
	"HTTP/1.1", "HTTP/1.0", "http", "https", "on", "127.0.0.1",
};

#define FREQUENT (sizeof(frequent) / sizeof(frequent[0]))

static VALUE keys[KEYS], frequent_values[FREQUENT];
static VALUE template, null_input, input_class;

/* -------------------------------------------------------------- field names */

#define CACHE_SIZE 512	/* a power of two */
#define CACHE_MOST 256	/* names; clients may invent more */
#define NAME_MAX_CACHED 48

static struct {
	char name[NAME_MAX_CACHED];
	VALUE key;
} cache[CACHE_SIZE];
static size_t cached;

/* Always in the cache, whatever clients invent. */
static const char *const usual[] = {
	"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Accept-Charset",
	"Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-MD5", "Cookie",
	"DNT", "Date", "Expect", "Forwarded", "From", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Max-Forwards", "Origin",
	"Pragma", "Priority", "Range", "Referer", "Sec-CH-UA", "Sec-CH-UA-Mobile",
	"Sec-CH-UA-Platform", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User",
	"TE", "Traceparent", "Upgrade", "Upgrade-Insecure-Requests", "Via", "X-CSRF-Token",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Real-IP",
	"X-Request-ID", "X-Requested-With",
};

/* The one frozen String of these octets. */
static VALUE
frozen(const char *octets)
{
	return rb_funcall(rb_str_new_cstr(octets), rb_intern("-@"), 0);
}

/* "HTTP_USER_AGENT" */
static VALUE
field_key_new(const char *name)
{
	VALUE key = rb_sprintf("HTTP_%s", name);
	char *at = RSTRING_PTR(key) + sizeof("HTTP_") - 1;

	for (; *at != '\0'; at++)
		*at = (char)(*at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
	return rb_funcall(rb_enc_associate_index(key, rb_utf8_encindex()), rb_intern("-@"), 0);
}

static VALUE
field_key(const char *name)
{
	size_t length = strlen(name), at = 0;
	VALUE key;

	for (size_t i = 0; i < length; i++)
		at = at * 31 + ((unsigned char)name[i] | 0x20);
	for (at %= CACHE_SIZE; cache[at].key != 0; at = (at + 1) % CACHE_SIZE)
		if (texts_alike(cache[at].name, name))
			return cache[at].key;
	key = field_key_new(name);
	if (cached < CACHE_MOST && length < NAME_MAX_CACHED) {
		memcpy(cache[at].name, name, length + 1);
		cache[at].key = keep(key);
		cached++;
	}
	return key;
}

/* ------------------------------------------------------------------- fields */

struct fields {
	size_t count, room;
	const char **pairs;
};

static int
note_field(void *context, const char *name, const char *value)
{
	struct fields *f = context;

	if (f->count < f->room) {
		f->pairs[2 * f->count] = name;
		f->pairs[2 * f->count + 1] = value;
	}
	f->count++;
	return 0;
}

/* For what applications do not change in place. */
static void
set_text(VALUE env, enum key key, const char *octets)
{
	VALUE value = Qnil;

	for (size_t i = 0; i < FREQUENT && NIL_P(value); i++)
		if (strcmp(frequent[i], octets) == 0)
			value = frequent_values[i];
	rb_hash_aset(env, keys[key], NIL_P(value) ? rb_str_new_cstr(octets) : value);
}

/* A field that is there already is continued.  `seen` has the keys before. */
static void
set_field(VALUE env, VALUE key, const char *value, VALUE *seen, size_t *count)
{
	VALUE text;

	for (size_t i = 0; i < *count; i++) {
		if (seen[i] != key)
			continue;
		text = rb_hash_aref(env, key);
		rb_str_cat_cstr(text, strcmp(RSTRING_PTR(key), "HTTP_COOKIE") == 0 ? "; " : ", ");
		rb_str_cat_cstr(text, value);
		return;
	}
	seen[(*count)++] = key;
	rb_hash_aset(env, key, rb_str_new_cstr(value));
}

/* Returns whether the request has a body, be it of length 0. */
static int
set_fields(VALUE env, const struct fields *f, VALUE *seen)
{
	size_t count = 0;
	int has_body = 0;

	for (size_t i = 0; i < f->count; i++) {
		const char *name = f->pairs[2 * i], *value = f->pairs[2 * i + 1];

		/* One with an underscore could pass for another. */
		if (strchr(name, '_') != NULL)
			continue;
		if (texts_alike(name, "Content-Length") ||
		    texts_alike(name, "Transfer-Encoding"))
			has_body = 1;
		else if (texts_alike(name, "Content-Type"))
			set_field(env, keys[CONTENT_TYPE], value, seen, &count);
		else
			set_field(env, field_key(name), value, seen, &count);
	}
	return has_body;
}

static int
add_fields(VALUE env, servlet *s)
{
	const char *few[2 * FIELDS_MAX];
	VALUE few_seen[FIELDS_MAX], *seen = few_seen, room = Qnil, seen_room = Qnil;
	struct fields f = { 0, FIELDS_MAX, few };
	int has_body;

	each_header(s, note_field, &f);
	if (f.count > FIELDS_MAX) {
		f.room = f.count;
		f.count = 0;
		f.pairs = rb_alloc_tmp_buffer2(&room, (long)(2 * f.room), sizeof(few[0]));
		seen = rb_alloc_tmp_buffer2(&seen_room, (long)f.room, sizeof(few_seen[0]));
		each_header(s, note_field, &f);
	}
	has_body = set_fields(env, &f, seen);
	if (room != Qnil) {
		rb_free_tmp_buffer(&room);
		rb_free_tmp_buffer(&seen_room);
	}
	return has_body;
}

/* --------------------------------------------------------------------- path */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ?
	    (c | 0x20) - 'a' + 10 : -1;
}

/* What follows in the path as it came after the route's own part, or NULL if
 * that stands otherwise there (dot segments). */
static const char *
below_route(const char *raw, const char *end, const char *script)
{
	for (; *script != '\0'; script++) {
		int c = raw < end ? (unsigned char)*raw++ : -1;

		if (c == '%' && end - raw >= 2 && digit(raw[0]) >= 0 && digit(raw[1]) >= 0) {
			c = digit(raw[0]) * 16 + digit(raw[1]);
			raw += 2;
		}
		if (c != (unsigned char)*script)
			return NULL;
	}
	return raw == end || *raw == '/' ? raw : NULL;
}

/* The decoded path as a client would send it. */
static VALUE
encoded(const char *path)
{
	VALUE text = rb_str_buf_new(64);
	char hex[4];

	for (; *path != '\0'; path++) {
		if (*path > ' ' && *path < 0x7f && strchr("%?#\"<>\\^`{|}", *path) == NULL) {
			rb_str_cat(text, path, 1);
		} else {
			snprintf(hex, sizeof(hex), "%%%02X", (unsigned char)*path);
			rb_str_cat(text, hex, 3);
		}
	}
	return text;
}

static void
add_path(VALUE env, servlet *s)
{
	const char *raw = get_target(s), *script = get_script_name(s), *scheme, *end, *rest;

	rb_hash_aset(env, keys[REQUEST_URI], rb_str_new_cstr(raw));
	if (raw[0] != '/' && (scheme = strstr(raw, "://")) != NULL)
		raw = scheme + 3 + strcspn(scheme + 3, "/?");
	end = raw + strcspn(raw, "?");
	if (strcmp(script, "/") == 0)
		script = "";
	rest = below_route(raw, end, script);
	rb_hash_aset(env, keys[REQUEST_PATH], rb_str_new(raw, end - raw));
	rb_hash_aset(env, keys[SCRIPT_NAME], rb_str_new_cstr(script));
	if (rest == NULL)
		rb_hash_aset(env, keys[PATH_INFO], encoded(get_path_info(s)));
	else if (rest == end && script[0] == '\0')
		rb_hash_aset(env, keys[PATH_INFO], rb_str_new_cstr("/"));
	else
		rb_hash_aset(env, keys[PATH_INFO], rb_str_new(rest, end - rest));
	rb_hash_aset(env, keys[QUERY_STRING], rb_str_new_cstr(get_query(s)));
}

/* ---------------------------------------------------------------------- env */

static void
add_addresses(VALUE env, servlet *s)
{
	const char *name = get_server_name(s), *remote = get_remote_addr(s);
	char port[16];

	/* An IPv6 address stands in brackets, as in a URL. */
	if (name[0] != '[' && strchr(name, ':') != NULL)
		rb_hash_aset(env, keys[SERVER_NAME], rb_sprintf("[%s]", name));
	else
		set_text(env, SERVER_NAME, name);
	snprintf(port, sizeof(port), "%d", get_server_port(s));
	set_text(env, SERVER_PORT, port);
	/* Applications expect an address; puma says the same. */
	set_text(env, REMOTE_ADDR, strcmp(remote, "unix") == 0 ? "127.0.0.1" : remote);
}

VALUE
rack_env(servlet *s, VALUE *self)
{
	VALUE env = rb_hash_dup(template);
	long long length = get_content_length(s);
	const char *scheme = get_scheme(s);
	char digits[24];

	if (add_fields(env, s) || length > 0) {
		snprintf(digits, sizeof(digits), "%lld", length);
		set_text(env, CONTENT_LENGTH, digits);
	}
	set_text(env, REQUEST_METHOD, get_method(s));
	set_text(env, SERVER_PROTOCOL, get_protocol(s));
	set_text(env, HTTP_VERSION, get_protocol(s));
	set_text(env, RACK_URL_SCHEME, scheme);
	if (strcmp(scheme, "https") == 0)
		set_text(env, HTTPS, "on");
	add_path(env, s);
	add_addresses(env, s);
	if (length > 0) {
		*self = api_servlet_new(s);
		rb_hash_aset(env, keys[RACK_INPUT], rb_class_new_instance(1, self, input_class));
	} else {
		rb_hash_aset(env, keys[RACK_INPUT], null_input);
	}
	return env;
}

void
rack_env_open(void)
{
	VALUE module = rb_const_get(rb_cObject, rb_intern("Modserver"));

	for (size_t i = 0; i < KEYS; i++)
		keys[i] = keep(frozen(names[i]));
	for (size_t i = 0; i < FREQUENT; i++)
		frequent_values[i] = keep(frozen(frequent[i]));
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		field_key(usual[i]);
	input_class = keep(rb_const_get(module, rb_intern("Input")));
	null_input = keep(rb_const_get(module, rb_intern("NULL_INPUT")));
	template = keep(rb_const_get(module, rb_intern("ENV_TEMPLATE")));
}
