/*
 * multipart.h - a multipart/form-data body taken apart as it arrives
 * (RFC 7578 for what the parts say, RFC 2046, 5.1.1 for what lies between).
 *
 * One struct multipart per body, plain data without any allocation.  Work is
 * linear in the octets fed, however they are cut into pieces.  Strict where
 * readers could disagree: boundaries, line ends, repeated parameters.
 */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_BOUNDARY_MAX 70	/* RFC 2046, 5.1.1 */
#define MULTIPART_HEAD_MAX 8192		/* octets of one part's header fields */

/* What a part's header fields say.  The strings die when begin returns. */
struct multipart_part {
	const char *name;	/* of the form's field; may be "" */
	const char *file_name;	/* NULL: a plain field, not a file; may be "" */
	const char *type;	/* Content-Type, NULL if none */
	long long offset;	/* of its first octet in the body: content lies there in one run */
};

/* Each returns 0, or -1 to stop: then multipart_feed returns -1 and reason stays NULL. */
struct multipart_receiver {
	int (*begin)(void *context, const struct multipart_part *part);
	int (*data)(void *context, const char *data, size_t length);	/* in few large runs */
	int (*end)(void *context);
	void *context;
};

struct multipart {
	const char *reason;	/* after -1: a constant text, or NULL (see above) */

	/* multipart.c's own */
	struct multipart_receiver to;
	int state;
	bool in_part;		/* behind the first boundary: octets are content */
	long long position;	/* octets of the body used so far */
	size_t matched;		/* octets of the delimiter that the last ones fed equal, */
	size_t assumed;		/* of these: standing before a body or content, not in it */
	size_t delimiter_length;
	char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];	/* CR LF - - boundary */
	size_t head_length;
	char head[MULTIPART_HEAD_MAX + 1];
};

/* The boundary parameter of a Content-Type "multipart/form-data" into out, NUL-terminated.
 * 1; 0 if it is of another type; -1 if the boundary is missing, repeated or invalid. */
int multipart_boundary(const char *content_type, char out[MULTIPART_BOUNDARY_MAX + 1]);

/* boundary: as multipart_boundary() gave it; copied, as is *to. */
void multipart_init(struct multipart *m, const char *boundary,
    const struct multipart_receiver *to);

/* The next octets of the body.  0, or -1: malformed or stopped, for good. */
int multipart_feed(struct multipart *m, const char *data, size_t length);

/* The body has ended.  0, or -1: it was cut short. */
int multipart_finish(struct multipart *m);

#endif
