/*
 * each.c - what there may be several of: fields, uploads, routes.
 *
 * What the server visits is collected first and handed to Ruby afterwards: an
 * exception within the visit would jump over the server's own frames.
 */
#include <fcntl.h>
#include <unistd.h>

#include "program.h"

/* Files of uploads that garbage may hold open: it does not press for a
 * collection, but descriptors run out. */
#define UPLOADS_MOST 64

static VALUE upload_class, route_class;

void
each_open(void)
{
	VALUE module = rb_const_get(rb_cObject, rb_intern("Modserver"));

	upload_class = keep(rb_const_get(module, rb_intern("Upload")));
	route_class = keep(rb_const_get(module, rb_intern("Route")));
}

/* ---------------------------------------------------------------- walking */

/* Pointers, a few for each item. */
struct items {
	size_t count;
	const void **next;	/* NULL: only to be counted */
};

static int
note(struct items *items, const void *const *pointers, size_t width)
{
	items->count += width;
	for (size_t i = 0; items->next != NULL && i < width; i++)
		*items->next++ = pointers[i];
	return 0;
}

static int
note_pair(void *context, const char *name, const char *value)
{
	return note(context, (const void *[]){ name, value }, 2);
}

static int
note_upload(void *context, const struct upload *upload)
{
	return note(context, (const void *[]){ upload }, 1);
}

static int
note_route(void *context, const struct route_info *r)
{
	/* The strings stay, the structure does not. */
	return note(context, (const void *[]){ r->route, r->language, r->description, r->file }, 4);
}

/* Ends the walk: a list; or with a block, which sees everything unless it
 * breaks; or with something callable, until that answers other than nil,
 * false and 0. */
static VALUE
hand_out(VALUE list, int argc, VALUE *argv, int is_pairs)
{
	rb_check_arity(argc, 0, 1);
	if (argc == 0 && !rb_block_given_p())
		return list;
	for (long i = 0; i < RARRAY_LEN(list); i++) {
		VALUE item = rb_ary_entry(list, i), answer;
		const VALUE pair[2] = { is_pairs ? rb_ary_entry(item, 0) : item,
		    is_pairs ? rb_ary_entry(item, 1) : Qnil };

		if (argc == 0) {
			rb_yield_values2(is_pairs ? 2 : 1, pair);
			continue;
		}
		answer = rb_funcallv(argv[0], rb_intern("call"), is_pairs ? 2 : 1, pair);
		if (RTEST(answer) && answer != INT2FIX(0))
			return answer;
	}
	return INT2FIX(0);
}

#define EACH(name, visit, width, make)						\
	VALUE									\
	method_##name(int argc, VALUE *argv, VALUE self)			\
	{									\
		servlet *s = api_request(self);					\
		struct items items = { 0, NULL };				\
		VALUE list = rb_ary_new(), room = Qnil;				\
		const void **all;						\
		size_t count;							\
										\
		name(s, visit, &items);						\
		count = items.count;						\
		all = items.next = RB_ALLOCV_N(const void *, room, count + 1);	\
		name(s, visit, &items);						\
		for (size_t i = 0; i < count; i += (width))			\
			rb_ary_push(list, make(&all[i]));			\
		RB_ALLOCV_END(room);						\
		return hand_out(list, argc, argv, (width) == 2);		\
	}

static VALUE
pair_new(const void **item)
{
	return rb_assoc_new(text_new(item[0]), text_new(item[1]));
}

EACH(each_header, note_pair, 2, pair_new)
EACH(each_arg, note_pair, 2, pair_new)
EACH(each_form, note_pair, 2, pair_new)
EACH(each_cookie, note_pair, 2, pair_new)

/* ---------------------------------------------------------------- uploads */

static VALUE
upload_new(const void **item)
{
	static unsigned opened;
	const struct upload *u = item[0];
	/* Its own, so that it may outlive the request. */
	int fd = fcntl(u->fd, F_DUPFD_CLOEXEC, 3);
	VALUE argv[5] = { text_new(u->field), text_new(u->file_name), text_new(u->type),
	    LL2NUM(u->size), INT2FIX(fd) };

	if (fd == -1)
		rb_sys_fail("upload");
	if (++opened % UPLOADS_MOST == 0)
		rb_gc();
	return rb_class_new_instance(5, argv, upload_class);
}

EACH(each_upload, note_upload, 1, upload_new)

VALUE
method_get_upload(int argc, VALUE *argv, VALUE self)
{
	servlet *s = api_request(self);
	const struct upload *u;
	const char *name;
	VALUE field;

	rb_check_arity(argc, 1, 1);
	field = text_of(argv[0]);
	name = text_c(field);
	u = name == NULL ? NULL : get_upload(s, name);
	return u == NULL ? Qnil : upload_new((const void *[]){ u });
}

/* ----------------------------------------------------------------- routes */

static VALUE
route_new(const void **item)
{
	return rb_struct_new(route_class, text_new(item[0]), text_new(item[1]),
	    text_new(item[2]), text_new(item[3]));
}

EACH(each_route, note_route, 4, route_new)
