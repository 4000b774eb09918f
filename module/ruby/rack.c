/*
 * rack.c - asks a Rack application and sends its answer.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "module/alike.h"
#include "rack.h"

/* What is between an application and us: its body may be in chunks already,
 * with Rack::Chunked; framing is the server's, so they are taken off again. */
struct chunks {
	enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_AFTER, CHUNK_END } state;
	long left;	/* octets of data; at first the size as far as it is read */
};

struct exchange {
	servlet *s;
	VALUE *self;		/* the Servlet of this request, nil until one is needed */
	VALUE body;
	int has_length;		/* the application has set Content-Length */
	int is_chunked;
	struct chunks chunks;
};

static ID id_call, id_close, id_each, id_to_path;

/* ------------------------------------------------------------------ headers */

static void
give(struct exchange *x, VALUE name, VALUE value)
{
	const char *n = text_c(name), *v = text_c(value);

	if (n == NULL || v == NULL) {
		rlog(x->s, "header refused: %s has NUL in it", RSTRING_PTR(name));
	} else if (texts_alike(n, "Transfer-Encoding")) {
		x->is_chunked = texts_alike(v, "chunked");
	} else {
		x->has_length = x->has_length || texts_alike(n, "Content-Length");
		add_header(x->s, n, v);
	}
}

/* One value, or several in lines (Rack 2). */
static void
give_lines(struct exchange *x, VALUE name, VALUE value)
{
	long at = 0, length;
	const char *start, *end;

	value = rb_obj_as_string(value);
	length = RSTRING_LEN(value);
	if (memchr(RSTRING_PTR(value), '\n', (size_t)length) == NULL) {
		give(x, name, value);
		return;
	}
	for (; at < length; at = end - RSTRING_PTR(value) + 1) {
		start = RSTRING_PTR(value) + at;
		end = memchr(start, '\n', (size_t)(length - at));
		if (end == NULL)
			end = start + (length - at);
		give(x, name, rb_str_new(start, end - start));
	}
}

static int
give_header(VALUE name, VALUE value, VALUE argument)
{
	struct exchange *x = (struct exchange *)argument;

	name = rb_obj_as_string(name);
	/* Words for the server, not for the client. */
	if (RSTRING_LEN(name) > 5 && octets_alike(RSTRING_PTR(name), "rack.", 5))
		return ST_CONTINUE;
	if (RB_TYPE_P(value, T_ARRAY)) {
		for (long i = 0; i < RARRAY_LEN(value); i++)
			give_lines(x, name, rb_ary_entry(value, i));
	} else if (!NIL_P(value)) {
		give_lines(x, name, value);
	}
	return ST_CONTINUE;
}

static VALUE
give_yielded(VALUE pair, VALUE argument, int argc, const VALUE *argv, VALUE block)
{
	(void)block;
	if (argc == 1) {
		pair = rb_Array(pair);
		give_header(rb_ary_entry(pair, 0), rb_ary_entry(pair, 1), argument);
	} else {
		give_header(argv[0], argv[1], argument);
	}
	return Qnil;
}

static void
give_headers(struct exchange *x, VALUE headers)
{
	if (RB_TYPE_P(headers, T_HASH))
		rb_hash_foreach(headers, give_header, (VALUE)x);
	else if (!NIL_P(headers))
		rb_block_call(headers, id_each, 0, NULL, give_yielded, (VALUE)x);
}

/* --------------------------------------------------------------------- body */

/* Returns whether the client is still there. */
static int
send_octets(struct exchange *x, const char *octets, long length)
{
	return length == 0 || rwrite(x->s, octets, (size_t)length) > 0;
}

static void
read_size(struct chunks *c, char octet)
{
	if (octet == '\n')
		c->state = c->left > 0 ? CHUNK_DATA : CHUNK_END;
	else if (c->state == CHUNK_SIZE && octet >= '0' && octet <= '9')
		c->left = c->left * 16 + (octet - '0');
	else if (c->state == CHUNK_SIZE && (octet | 0x20) >= 'a' && (octet | 0x20) <= 'f')
		c->left = c->left * 16 + ((octet | 0x20) - 'a' + 10);
	else if (octet != '\r')
		c->state = CHUNK_EXTENSION;
}

/* Sends what is in the chunks. */
static int
send_chunks(struct exchange *x, const char *at, long length)
{
	struct chunks *c = &x->chunks;
	const char *end = at + length;
	int there = 1;

	while (at < end && there && c->state != CHUNK_END) {
		if (c->state == CHUNK_DATA) {
			long piece = c->left < end - at ? c->left : end - at;

			there = send_octets(x, at, piece);
			at += piece;
			if ((c->left -= piece) == 0)
				c->state = CHUNK_AFTER;
		} else if (c->state == CHUNK_AFTER) {
			if (*at++ == '\n')
				c->state = CHUNK_SIZE;
		} else {
			read_size(c, *at++);
		}
	}
	return there;
}

static int
send_piece(struct exchange *x, VALUE piece)
{
	int there;

	piece = rb_obj_as_string(piece);
	there = x->is_chunked ? send_chunks(x, RSTRING_PTR(piece), RSTRING_LEN(piece)) :
	    send_octets(x, RSTRING_PTR(piece), RSTRING_LEN(piece));
	RB_GC_GUARD(piece);
	return there;
}

static VALUE
send_yielded(VALUE piece, VALUE argument, int argc, const VALUE *argv, VALUE block)
{
	struct exchange *x = (struct exchange *)argument;

	(void)argc;
	(void)argv;
	(void)block;
	if (!send_piece(x, piece))
		rb_iter_break();	/* the client has gone */
	/* Of a length not known beforehand each piece is seen as it comes. */
	if (!x->has_length)
		rflush(x->s);
	return Qnil;
}

/* Returns whether the body is a file and has been sent. */
static int
send_file(struct exchange *x)
{
	VALUE path;
	int fd, sent;

	if (x->is_chunked || !rb_respond_to(x->body, id_to_path))
		return 0;
	path = rb_funcallv(x->body, id_to_path, 0, NULL);
	if (NIL_P(path))
		return 0;
	FilePathValue(path);
	fd = open(RSTRING_PTR(path), O_RDONLY | O_CLOEXEC);
	RB_GC_GUARD(path);
	if (fd == -1)
		return 0;
	sent = rsendfile(x->s, fd, 0, -1) == 0;
	close(fd);
	return sent;
}

/* An Array and nothing else: it may have methods of its own. */
static int
is_array(VALUE body)
{
	return RB_TYPE_P(body, T_ARRAY) && CLASS_OF(body) == rb_cArray;
}

static void
send_body(struct exchange *x)
{
	if (is_array(x->body)) {
		for (long i = 0; i < RARRAY_LEN(x->body); i++)
			if (!send_piece(x, rb_ary_entry(x->body, i)))
				return;
	} else if (send_file(x)) {
		return;
	} else if (rb_respond_to(x->body, id_each)) {
		rb_block_call(x->body, id_each, 0, NULL, send_yielded, (VALUE)x);
	} else if (rb_respond_to(x->body, id_call)) {
		if (NIL_P(*x->self))
			*x->self = api_servlet_new(x->s);
		prelude_call("stream", 2, *x->self, x->body);
	} else {
		rb_raise(rb_eTypeError, "the body of the answer is a %s, which has neither each nor call",
		    rb_obj_classname(x->body));
	}
}

/* ------------------------------------------------------------------- answer */

static VALUE
send_answer(VALUE argument)
{
	VALUE *parts = (VALUE *)argument;
	struct exchange *x = (struct exchange *)parts[2];
	int status = NUM2INT(rb_Integer(parts[0]));

	if (status < 200 || status > 599)
		rb_raise(rb_eRangeError, "the status of the answer is %d, not 200 to 599", status);
	set_status(x->s, status);
	give_headers(x, parts[1]);
	if (status != 204 && status != 304 && strcmp(get_method(x->s), "HEAD") != 0)
		send_body(x);
	return Qnil;
}

static VALUE
close_body(VALUE argument)
{
	struct exchange *x = (struct exchange *)argument;

	if (!is_array(x->body) && rb_respond_to(x->body, id_close))
		rb_funcallv(x->body, id_close, 0, NULL);
	return Qnil;
}

/* Whatever has happened.  What close raises is logged: the response itself is
 * complete. */
static VALUE
end_body(VALUE argument)
{
	int failed = 0;

	rb_protect(close_body, argument, &failed);
	if (failed)
		error_log(((struct exchange *)argument)->s);
	return Qnil;
}

struct question {
	VALUE application, self;
	servlet *s;
};

static VALUE
ask(VALUE argument)
{
	struct question *q = (struct question *)argument;
	VALUE env = rack_env(q->s, &q->self), answer;
	struct exchange x = { .s = q->s, .self = &q->self, .body = Qnil };
	VALUE parts[3];

	answer = rb_check_array_type(rb_funcallv(q->application, id_call, 1, &env));
	if (NIL_P(answer) || RARRAY_LEN(answer) < 3)
		rb_raise(rb_eTypeError, "the application answers no [status, headers, body]");
	parts[0] = rb_ary_entry(answer, 0);
	parts[1] = rb_ary_entry(answer, 1);
	parts[2] = (VALUE)&x;
	x.body = rb_ary_entry(answer, 2);
	rb_ensure(send_answer, (VALUE)parts, end_body, (VALUE)&x);
	RB_GC_GUARD(env);
	RB_GC_GUARD(answer);
	return Qnil;
}

static VALUE
end_input(VALUE argument)
{
	struct question *q = (struct question *)argument;

	if (!NIL_P(q->self))
		api_servlet_end(q->self);
	return Qnil;
}

void
rack_answer(VALUE application, servlet *s)
{
	struct question q = { application, Qnil, s };

	rb_ensure(ask, (VALUE)&q, end_input, (VALUE)&q);
}

void
rack_open(void)
{
	id_call = rb_intern("call");
	id_close = rb_intern("close");
	id_each = rb_intern("each");
	id_to_path = rb_intern("to_path");
	rack_env_open();
}
