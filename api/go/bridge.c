/* bridge.c - see bridge.h.  The functions at the end are what the server calls. */
#include <stdlib.h>
#include <string.h>

#include "_cgo_export.h"

/* ------------------------------------------------------ texts, packed */

/* Doubles *at until it has room for `need` units.  0, or -1. */
static int
grow(void **at, size_t *room, size_t need, size_t unit)
{
	size_t size = *room > 0 ? *room : 64;
	void *bigger;

	if (need <= *room)
		return 0;
	while (size < need)
		size *= 2;
	bigger = realloc(*at, size * unit);
	if (bigger == NULL)
		return -1;
	*at = bigger;
	*room = size;
	return 0;
}

static void
add(struct packed *p, const char *text)
{
	size_t length = strlen(text);
	void *to = p->text, *sizes = p->sizes;

	if (grow(&to, &p->room, p->length + length, 1) == -1 ||
	    grow(&sizes, &p->max, p->count + 1, sizeof(p->sizes[0])) == -1)
		p->lost = 1;
	p->text = to;
	p->sizes = sizes;
	if (p->lost)
		return;
	memcpy(p->text + p->length, text, length);
	p->length += length;
	p->sizes[p->count++] = (uint32_t)length;
}

static void
clear(struct packed *p)
{
	p->length = 0;
	p->count = 0;
	p->lost = 0;
}

static int
add_pair(void *context, const char *name, const char *value)
{
	struct packed *p = context;

	add(p, name);
	add(p, value);
	return 0;
}

static int
add_route(void *context, const struct route_info *r)
{
	add_pair(context, r->route, r->language);
	return add_pair(context, r->description, r->file);
}

const struct packed *
modserver_go_pack(servlet *s, enum packed_kind kind)
{
	static struct packed p;

	clear(&p);
	switch (kind) {
	case PACK_HEADERS:
		each_header(s, add_pair, &p);
		break;
	case PACK_ARGS:
		each_arg(s, add_pair, &p);
		break;
	case PACK_FORM:
		each_form(s, add_pair, &p);
		break;
	case PACK_COOKIES:
		each_cookie(s, add_pair, &p);
		break;
	case PACK_ROUTES:
		each_route(s, add_route, &p);
		break;
	}
	return &p;
}

struct uploads {
	const struct upload **out;
	size_t count, max;
};

static int
add_upload(void *context, const struct upload *upload)
{
	struct uploads *u = context;

	if (u->count < u->max)
		u->out[u->count] = upload;
	u->count++;
	return 0;
}

size_t
modserver_go_uploads(servlet *s, const struct upload **out, size_t max)
{
	struct uploads u = { out, 0, max };

	each_upload(s, add_upload, &u);
	return u.count;
}

void
modserver_go_log(servlet *s, const char *text)
{
	rlog(s, "%s", text);
}

/* ------------------------------------------------------------ responses */

static void
send_head(struct exchange *x)
{
	const char *at = x->head, *end = x->head + x->head_length;

	set_status(x->s, x->status);
	if (x->untyped)
		set_header(x->s, "Content-Type", NULL);
	while (at < end) {
		const char *value = at + strlen(at) + 1;

		add_header(x->s, at, value);
		at = value + strlen(value) + 1;
	}
	x->begun = 1;
}

int
modserver_go_send(struct exchange *x, int flush)
{
	size_t length = x->body_length;

	if (!x->begun)
		send_head(x);
	x->body_length = 0;
	if (length > 0 && rwrite(x->s, x->body, length) != length)
		return -1;
	if (flush)
		rflush(x->s);
	return 0;
}

int
modserver_go_head_room(struct exchange *x, size_t more)
{
	void *head = x->head;
	int result = grow(&head, &x->head_room, x->head_length + more, 1);

	x->head = head;
	return result;
}

void
modserver_go_call(modserver_go_work *work, void *argument)
{
	work(argument);
}

/* --------------------------------------------- what the server looks for */

/* Answers with the handler of Handle. */
MODSERVER_API int
modserver_go_run(servlet *s)
{
	static struct exchange x;
	int result;

	if (x.body == NULL && (x.body = malloc(EXCHANGE_BODY)) == NULL) {
		rlog(s, "out of memory");
		return -1;
	}
	x.s = s;
	clear(&x.request);
	add(&x.request, get_method(s));
	add(&x.request, get_target(s));
	add(&x.request, get_remote_addr(s));
	each_header(s, add_pair, &x.request);
	if (x.request.lost) {
		rlog(s, "out of memory");
		return -1;
	}
	x.port = get_remote_port(s);
	x.minor = get_protocol(s)[7] - '0';
	x.content_length = get_content_length(s);
	x.head_length = x.body_length = 0;
	x.begun = 0;
	result = modserverServe(&x);
	if (result == 0)
		modserver_go_send(&x, 0);
	return result;
}

MODSERVER_API int
modserver_go_init(servlet *s)
{
	return modserverInit(s);
}

MODSERVER_API void
modserver_go_cleanup(void)
{
	modserverCleanup();
}

/* Go is slow to enter from a thread that it does not know: with Go 1.19 six system
 * calls for each request.  Below a call of Go it knows the thread. */
MODSERVER_API void
modserver_go_inside(modserver_go_work *work, void *argument)
{
	modserverInside(work, argument);
}

/* Returns when every init of Go is through: NULL, or what is missing. */
MODSERVER_API const char *
modserver_go_ready(int must_handle)
{
	if (modserverReady() == 0 && must_handle)
		return "a servlet in Go exports run or calls modserver.Handle in an init, and this does neither";
	return NULL;
}
