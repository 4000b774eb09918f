/*
 * multipart.c - multipart/form-data, octet by octet.
 *
 *	preamble CRLF--boundary CRLF head CRLF content CRLF--boundary ... CRLF--boundary-- epilogue
 *
 * A delimiter begins with CR and holds no other, so a match that fails needs
 * no going back: what was matched is content, and the octet at hand begins
 * anew.  At the start of the body, and of each content, the CRLF before a
 * delimiter is taken as having been there (RFC 2046 allows both).
 */
#include "multipart.h"

#include <assert.h>
#include <string.h>
#include <sys/types.h>

#include "octet.h"
#include "parameter.h"

enum state {
	CONTENT,	/* or preamble: looking for a delimiter */
	DELIMITED,	/* right behind one */
	DASHED,		/* behind one and "-" */
	PADDED,		/* behind one and blanks */
	RETURNED,	/* behind one and CR */
	HEAD,		/* in a part's header fields */
	EPILOGUE,	/* behind the final boundary: nothing matters any more */
	FAILED
};

static bool
is_boundary(const char *text, size_t length)
{
	static const char bchars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789'()+_,-./:=? ";
	size_t i;

	if (length < 1 || length > MULTIPART_BOUNDARY_MAX || text[length - 1] == ' ')
		return false;
	for (i = 0; i < length; i++) {
		if (text[i] == '\0' || strchr(bchars, text[i]) == NULL)
			return false;
	}
	return true;
}

int
multipart_boundary(const char *content_type, char out[MULTIPART_BOUNDARY_MAX + 1])
{
	static const char type[] = "multipart/form-data";
	const char *at = content_type, *end;
	struct parameter p;
	bool found = false;
	int result;

	end = at + strlen(at);
	while (*at == ' ' || *at == '\t')
		at++;
	if (!octets_alike(at, type, sizeof(type) - 1))
		return 0;
	at += sizeof(type) - 1;
	if (*at != '\0' && *at != ';' && *at != ' ' && *at != '\t')
		return 0;
	while ((result = parameter_next(&at, end, &p)) == 1) {
		if (!parameter_is(&p, "boundary"))
			continue;
		if (found || p.extended || !is_boundary(p.value, p.value_length))
			return -1;
		memcpy(out, p.value, p.value_length);
		out[p.value_length] = '\0';
		found = true;
	}
	return result == 0 && found ? 1 : -1;
}

void
multipart_init(struct multipart *m, const char *boundary, const struct multipart_receiver *to)
{
	size_t length = strlen(boundary);

	assert(length <= MULTIPART_BOUNDARY_MAX);
	m->reason = NULL;
	m->to = *to;
	m->state = CONTENT;
	m->in_part = false;
	m->position = 0;
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary, length + 1);
	m->delimiter_length = 4 + length;
	m->matched = m->assumed = 2;
	m->head_length = 0;
}

static int
malformed(struct multipart *m, const char *reason)
{
	m->reason = reason;
	return -1;
}

static int
give(struct multipart *m, const char *data, size_t length)
{
	if (length == 0 || !m->in_part)
		return 0;
	return m->to.data(m->to.context, data, length);
}

/* Looks for the delimiter and hands on what is before it.  Octets that may
 * be its beginning at the end of a piece are not handed on until the next
 * piece shows what they are.  Returns the octets used, or -1. */
static ssize_t
scan(struct multipart *m, const char *data, size_t length)
{
	size_t earlier = m->matched;	/* of the match at hand, not in this piece */
	const char *cr;
	size_t i = 0;

	while (i < length && m->matched < m->delimiter_length) {
		if (m->matched > 0 && data[i] == m->delimiter[m->matched]) {
			m->matched++;
			i++;
		} else if (m->matched > 0) {
			/* What earlier pieces held of it turns out to be content. */
			if (earlier > m->assumed &&
			    give(m, m->delimiter + m->assumed, earlier - m->assumed) == -1)
				return -1;
			m->matched = m->assumed = earlier = 0;
		} else {
			cr = memchr(data + i, '\r', length - i);
			i = cr != NULL ? (size_t)(cr - data) + 1 : length;
			m->matched = cr != NULL;
		}
	}
	if (give(m, data, i - (m->matched - earlier)) == -1)
		return -1;
	if (m->matched == m->delimiter_length) {
		m->matched = m->assumed = 0;
		m->state = DELIMITED;
		if (m->in_part && m->to.end(m->to.context) == -1)
			return -1;
		m->in_part = false;
	}
	return (ssize_t)i;
}

/* One octet behind a delimiter. */
static ssize_t
delimited(struct multipart *m, char c)
{
	if (m->state == RETURNED && c == '\n') {
		m->state = HEAD;
		m->head_length = 0;
	} else if (m->state == DASHED && c == '-') {
		m->state = EPILOGUE;
	} else if (m->state == DELIMITED && c == '-') {
		m->state = DASHED;
	} else if ((m->state == DELIMITED || m->state == PADDED) && (c == ' ' || c == '\t')) {
		m->state = PADDED;
	} else if ((m->state == DELIMITED || m->state == PADDED) && c == '\r') {
		m->state = RETURNED;
	} else {
		return malformed(m, "multipart: text behind a boundary");
	}
	return 1;
}

/* Notes a parameter; of "x" and "x*" the latter is the better one (RFC 6266,
 * 4.3).  0, or -1: given twice. */
static int
take(struct parameter *to, const struct parameter *p)
{
	if (to->value != NULL && to->extended == p->extended)
		return -1;
	if (to->value == NULL || p->extended)
		*to = *p;
	return 0;
}

/* Decodes a parameter in the place where it stands in m->head. */
static const char *
decode(struct multipart *m, const struct parameter *p)
{
	char *place = m->head + (p->value - m->head);

	return parameter_decode(p, place) == 0 ? place : NULL;
}

/* Content-Disposition: form-data; name="x"; filename="y".  0 or -1. */
static int
read_disposition(struct multipart *m, const char *at, const char *end, struct multipart_part *part)
{
	static const char type[] = "form-data";
	const size_t type_length = sizeof(type) - 1;
	struct parameter p, name = { .value = NULL }, file_name = { .value = NULL };
	int result;

	if (part->name != NULL)
		return malformed(m, "multipart: two Content-Disposition in a part");
	if ((size_t)(end - at) < type_length || !octets_alike(at, type, type_length))
		return malformed(m, "multipart: a part is not form-data");
	at += type_length;
	while ((result = parameter_next(&at, end, &p)) == 1) {
		if ((parameter_is(&p, "name") && take(&name, &p) == -1) ||
		    (parameter_is(&p, "filename") && take(&file_name, &p) == -1))
			return malformed(m, "multipart: a name is given twice");
	}
	if (result == -1)
		return malformed(m, "multipart: malformed Content-Disposition");
	if (name.value == NULL)
		return malformed(m, "multipart: a part has no name");
	part->name = decode(m, &name);
	if (file_name.value != NULL)
		part->file_name = decode(m, &file_name);
	if (part->name == NULL || (file_name.value != NULL && part->file_name == NULL))
		return malformed(m, "multipart: malformed name");
	return 0;
}

static bool
is_field(const char *name, const char *colon, const char *wanted)
{
	size_t n = strlen(wanted);

	return (size_t)(colon - name) == n && octets_alike(name, wanted, n);
}

/* One header field of a part, from line to end.  Other fields than these two
 * are ignored (Content-Transfer-Encoding too: RFC 7578, 4.7).  0 or -1. */
static int
read_field(struct multipart *m, char *line, char *end, struct multipart_part *part)
{
	char *colon, *value, *c;

	for (c = line; c < end; c++) {
		if (!octet_is_field((unsigned char)*c))
			return malformed(m, "multipart: control character in a part's head");
	}
	colon = memchr(line, ':', (size_t)(end - line));
	if (colon == NULL || colon == line)
		return malformed(m, "multipart: malformed field in a part's head");
	for (c = line; c < colon; c++) {
		if (!octet_is_token((unsigned char)*c))
			return malformed(m, "multipart: malformed field in a part's head");
	}
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (is_field(line, colon, "Content-Disposition"))
		return read_disposition(m, value, end, part);
	if (is_field(line, colon, "Content-Type")) {
		if (part->type != NULL)
			return malformed(m, "multipart: two Content-Type in a part");
		*end = '\0';	/* was a blank or CR */
		part->type = value;
	}
	return 0;
}

/* The head of a part is complete: m->head, through its empty line; its content
 * begins at offset.  0 or -1. */
static int
read_head(struct multipart *m, long long offset)
{
	struct multipart_part part = { .offset = offset };
	char *line, *next, *end = m->head + m->head_length - 2;
	char *cr;

	/* Some clients fold long lines (RFC 2046 is of mail's world). */
	for (cr = m->head; (cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL; cr++) {
		if (end - cr > 2 && cr[1] == '\n' && (cr[2] == ' ' || cr[2] == '\t'))
			cr[0] = cr[1] = ' ';
	}
	for (line = m->head; line < end; line = next) {
		cr = memchr(line, '\r', (size_t)(end - line));
		assert(cr != NULL);	/* the last one is before end */
		if (cr[1] != '\n')
			return malformed(m, "multipart: control character in a part's head");
		next = cr + 2;
		if (read_field(m, line, cr, &part) == -1)
			return -1;
	}
	if (part.name == NULL)
		return malformed(m, "multipart: a part has no Content-Disposition");
	if (m->to.begin(m->to.context, &part) == -1)
		return -1;
	m->in_part = true;
	m->state = CONTENT;
	m->matched = m->assumed = 2;
	return 0;
}

/* Octets of a part's head, to its empty line.  Returns those used, or -1. */
static ssize_t
head(struct multipart *m, const char *data, size_t length)
{
	size_t i, n;

	for (i = 0; i < length; i++) {
		if (m->head_length == MULTIPART_HEAD_MAX)
			return malformed(m, "multipart: a part's head is too large");
		n = m->head_length;
		m->head[n++] = data[i];
		m->head_length = n;
		if (data[i] != '\n' || n < 2 || m->head[n - 2] != '\r')
			continue;
		if (n == 2 || (n >= 4 && m->head[n - 3] == '\n' && m->head[n - 4] == '\r')) {
			i++;
			return read_head(m, m->position + (long long)i) == 0 ? (ssize_t)i : -1;
		}
	}
	return (ssize_t)length;
}

int
multipart_feed(struct multipart *m, const char *data, size_t length)
{
	ssize_t n = 0;

	while (length > 0 && m->state != FAILED) {
		if (m->state == CONTENT)
			n = scan(m, data, length);
		else if (m->state == HEAD)
			n = head(m, data, length);
		else if (m->state == EPILOGUE)
			n = (ssize_t)length;
		else
			n = delimited(m, *data);
		if (n == -1) {
			m->state = FAILED;
			break;
		}
		data += n;
		length -= (size_t)n;
		m->position += n;
	}
	return m->state == FAILED ? -1 : 0;
}

int
multipart_finish(struct multipart *m)
{
	if (m->state == FAILED)
		return -1;
	if (m->state != EPILOGUE) {
		m->state = FAILED;
		return malformed(m, "multipart: the final boundary is missing");
	}
	return 0;
}
