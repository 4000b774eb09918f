/*
 * each.c - what there may be several of: fields, uploads, routes.
 *
 * What the server visits is collected first and handed to Scheme afterwards:
 * an exception within the walk would jump over the server's own frames.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "program.h"

static SCM new_upload, new_route;

/* The list, or what visit answers first that is true, or #f. */
static SCM
hand_out(SCM list, SCM visit, int is_pairs)
{
	SCM answer = SCM_BOOL_F;

	list = scm_reverse_x(list, SCM_EOL);
	if (SCM_UNBNDP(visit))
		return list;
	for (; scm_is_pair(list) && scm_is_false(answer); list = SCM_CDR(list)) {
		SCM item = SCM_CAR(list);

		answer = is_pairs ? scm_call_2(visit, SCM_CAR(item), SCM_CDR(item)) :
		    scm_call_1(visit, item);
	}
	return answer;
}

static int
add_pair(void *list, const char *name, const char *value)
{
	*(SCM *)list = scm_acons(text_new(name), text_new(value), *(SCM *)list);
	return 0;
}

static int
add_pointer(SCM *list, const void *pointer)
{
	*list = scm_cons(scm_from_pointer((void *)(uintptr_t)pointer, NULL), *list);
	return 0;
}

static int
add_upload(void *list, const struct upload *u)
{
	return add_pointer(list, u);
}

static int
add_route(void *list, const struct route_info *r)
{
	*(SCM *)list = scm_cons(scm_list_4(text_new(r->route), text_new(r->language),
	    text_new(r->description), text_new(r->file)), *(SCM *)list);
	return 0;
}

static SCM
pair_new(SCM item)
{
	return item;
}

static SCM
upload_new(SCM item)
{
	const struct upload *u = scm_to_pointer(item);
	/* Its own, with an offset of its own. */
	int fd = fcntl(u->fd, F_DUPFD_CLOEXEC, 3);

	if (fd == -1 || lseek(fd, 0, SEEK_SET) == -1)
		scm_syserror("upload");
	return scm_call_5(new_upload, text_new(u->field), text_new(u->file_name),
	    text_new(u->type), scm_from_long_long(u->size), scm_from_int(fd));
}

static SCM
route_new(SCM item)
{
	return scm_apply_0(new_route, item);
}

#define EACH(name, hyphened, add, make)						\
	SCM									\
	api_##name(SCM s, SCM visit)						\
	{									\
		servlet *r = api_request(s, hyphened);				\
		SCM list = SCM_EOL;						\
										\
		name(r, add, &list);						\
		for (SCM at = list; scm_is_pair(at); at = SCM_CDR(at))		\
			SCM_SETCAR(at, make(SCM_CAR(at)));			\
		return hand_out(list, visit, (make) == pair_new);		\
	}

EACH(each_header, "each-header", add_pair, pair_new)
EACH(each_arg, "each-arg", add_pair, pair_new)
EACH(each_form, "each-form", add_pair, pair_new)
EACH(each_cookie, "each-cookie", add_pair, pair_new)
EACH(each_upload, "each-upload", add_upload, upload_new)
EACH(each_route, "each-route", add_route, route_new)

SCM
api_get_upload(SCM s, SCM field)
{
	servlet *r = api_request(s, "get-upload");
	char *name = text_c(field, SCM_ARG2, "get-upload");
	const struct upload *u = name == NULL ? NULL : get_upload(r, name);

	free(name);
	return u == NULL ? SCM_BOOL_F : upload_new(scm_from_pointer((void *)(uintptr_t)u, NULL));
}

void
each_open(void)
{
	new_upload = scm_permanent_object(scm_variable_ref(scm_c_lookup("new-upload")));
	new_route = scm_permanent_object(scm_variable_ref(scm_c_lookup("new-route")));
}
