/*
 * bridge.h - what crosses between C and Go, and in which form.
 *
 * A crossing costs more than the work on either side, so texts cross packed
 * together: one buffer and the length of each.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include <stdint.h>

#include "modserver.h"

struct packed {
	char *text;
	size_t length, room;
	uint32_t *sizes;	/* of the texts, which follow each other without NUL */
	size_t count, max;
	int lost;		/* out of memory: something is missing */
};

enum packed_kind { PACK_HEADERS, PACK_ARGS, PACK_FORM, PACK_COOKIES, PACK_ROUTES };

/* What there are several of, as names and values in turn (a route is four
 * texts).  Good until it is called again. */
const struct packed *modserver_go_pack(servlet *s, enum packed_kind kind);

/* The number of uploads, and those in `out`, max of them; NULL, 0 to count. */
size_t modserver_go_uploads(servlet *s, const struct upload **out, size_t max);

void modserver_go_log(servlet *s, const char *text);

/* Of module.h, which does not lie beside modserver.h everywhere. */
MODSERVER_API const char *module_server_addr(servlet *s);
MODSERVER_API int module_server_port(servlet *s);

#define EXCHANGE_BODY 32768	/* octets of a response that Go collects */

/* One request for Handle.  Go writes its response here, and C gives it to
 * the server: a short one without a further crossing. */
struct exchange {
	servlet *s;
	struct packed request;	/* method, target, client's address, then header fields */
	long long content_length;
	int minor, port;	/* of the protocol's version; of the client */

	int status;
	char *head;		/* NAME NUL VALUE NUL ..., head_length of head_room octets */
	size_t head_length, head_room;
	char *body;		/* EXCHANGE_BODY octets, body_length of them filled */
	size_t body_length;
	int untyped;		/* no Content-Type is to be sent */
	int begun;		/* status and head have been given to the server */
};

/* Gives the server what has been collected (head first), and sends it if
 * flush.  0, or -1: the client has gone. */
int modserver_go_send(struct exchange *x, int flush);

/* What a worker does with its life; calls work(argument). */
typedef void modserver_go_work(void *argument);
void modserver_go_call(modserver_go_work *work, void *argument);

/* Room for `more` octets of head.  0, or -1: out of memory. */
int modserver_go_head_room(struct exchange *x, size_t more);

#endif
