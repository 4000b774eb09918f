/*
 * modserver.h - what a servlet sees of modserver.
 *
 * A servlet is a shared library (or a script, see api/) that answers
 * HTTP requests.  It exports
 *
 *	int  run(servlet *s);		answers one request
 *	int  init(servlet *s);		optional: once per process, before its first run
 *	void cleanup(void);		optional: before its process exits in an orderly way
 *
 * run and init return 0; anything else is a failure: the client reads
 * 500 if nothing has been sent yet, else its connection is cut so that
 * it can tell.  Each process runs one request at a time, so a servlet
 * needs no locks, may block, and may crash: that costs this request.
 *
 * The request is complete, its body included, before run is called.
 *
 * Memory: every string and structure handed out belongs to the server
 * and lives until run returns.  Copy what you want to keep; free nothing.
 * Strings handed in are copied.  `s` is never NULL and must not be used
 * after run has returned, nor from another thread than the one that runs.
 *
 * A servlet that writes nothing answers 204 No Content.  Status is 200
 * and Content-Type "text/html; charset=UTF-8" unless set or removed.  A response
 * that fits the buffer (64 KiB) gets a Content-Length; a longer one, or
 * one that was flushed, is chunked (for an HTTP/1.0 client: ended by
 * closing the connection).  HEAD, 204, 205 and 304 never carry a body: what
 * is written to them is counted and dropped.
 *
 * Reference: RFC 9110 (HTTP semantics), RFC 9112 (HTTP/1.1).
 */
#ifndef MODSERVER_H
#define MODSERVER_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MODSERVER_API __attribute__((visibility("default")))
#define MODSERVER_PRINTF(format_at, first_at) \
	__attribute__((format(printf, format_at, first_at)))
#else
#define MODSERVER_API
#define MODSERVER_PRINTF(format_at, first_at)
#endif

/* One request and the response being made for it. */
typedef struct servlet servlet;

/* Called with the third argument of each_...(); non-zero stops the walk. */
typedef int modserver_visit(void *context, const char *name, const char *value);

/* ------------------------------------------------------------- request */

/* The method as the client sent it: "GET", "POST", ... */
MODSERVER_API const char *get_method(servlet *s);

/* First query argument of that name, "+" and percent-encoding decoded
 * once; "" if it has no value, NULL if there is none of that name. */
MODSERVER_API const char *get_arg(servlet *s, const char *name);

/* First header field of that name (any case), or NULL.  Repeated fields:
 * each_header().  Whitespace around the value is removed. */
MODSERVER_API const char *get_header(servlet *s, const char *name);

/* The path of the request, percent-decoded, dot segments resolved.
 * It always begins with "/". */
MODSERVER_API const char *get_path(servlet *s);

/* What lies below a prefix route, decoded: for the route "/a" + "/" + "*",
 * "/b/c" when asked for /a/b/c, "/" for /a/, "" for /a itself and for every exact route. */
MODSERVER_API const char *get_path_info(servlet *s);

/* The route's own part of the path: "/a" in the example above, "" for a
 * servlet mounted at the root.  get_script_name + get_path_info = get_path. */
MODSERVER_API const char *get_script_name(servlet *s);

/* The route as the configuration names it: "/a" + "/" + "*". */
MODSERVER_API const char *get_route(servlet *s);

/* The query as the client sent it, undecoded, without "?"; "" if none. */
MODSERVER_API const char *get_query(servlet *s);

/* The request target as it came: "/a%20b?x=1", "http://host/a", "*". */
MODSERVER_API const char *get_target(servlet *s);

/* "HTTP/1.1" or "HTTP/1.0". */
MODSERVER_API const char *get_protocol(servlet *s);

/* "http", or "https" where a trusted proxy says so. */
MODSERVER_API const char *get_scheme(servlet *s);

/* The client's address, without a port: "192.0.2.7", "2001:db8::7",
 * "unix" for a unix socket; its port, 0 where there is none.  It is whom the
 * PROXY header or a trusted proxy names, where the configuration has those. */
MODSERVER_API const char *get_remote_addr(servlet *s);
MODSERVER_API int get_remote_port(servlet *s);

/* Name and port the client addressed: from Host (or the absolute target),
 * else the address the connection arrived at. */
MODSERVER_API const char *get_server_name(servlet *s);
MODSERVER_API int get_server_port(servlet *s);

/* First cookie of that name, as it came (no decoding), or NULL. */
MODSERVER_API const char *get_cookie(servlet *s, const char *name);

/* First field of that name of an application/x-www-form-urlencoded or
 * multipart/form-data body, decoded; NULL if there is none, if the body
 * is of another type, or if it is malformed (which the error log tells).
 * Uploaded files are not fields: get_upload(). */
MODSERVER_API const char *get_form(servlet *s, const char *name);

/* Octets of the request body; 0 if there is none.  A chunked body has
 * been decoded and counts likewise. */
MODSERVER_API long long get_content_length(servlet *s);

/* Copies the next octets of the body, length at most.  Returns their
 * number, 0 at the end of the body, -1 and errno on an I/O error.
 * get_form() and get_upload() do not disturb it. */
MODSERVER_API ssize_t rread(servlet *s, void *buffer, size_t length);

/* Goes back to the body's first octet.  0, or -1 and errno. */
MODSERVER_API int rrewind(servlet *s);

/* A name for this request, unique while the server runs; it is in every
 * line the error log has about it. */
MODSERVER_API const char *get_request_id(servlet *s);

/* Visits every header field, in order, repeated ones too; likewise query
 * arguments, form fields and cookies.  Stops at and returns the first
 * non-zero answer of visit, else returns 0. */
MODSERVER_API int each_header(servlet *s, modserver_visit *visit, void *context);
MODSERVER_API int each_arg(servlet *s, modserver_visit *visit, void *context);
MODSERVER_API int each_form(servlet *s, modserver_visit *visit, void *context);
MODSERVER_API int each_cookie(servlet *s, modserver_visit *visit, void *context);

/* A file uploaded in a multipart/form-data body (RFC 7578).  It lies in
 * an unlinked temporary file that is gone when run returns. */
struct upload {
	const char *field;	/* name of the form's field */
	const char *file_name;	/* as the client sent it: never use it as a path */
	const char *type;	/* Content-Type of the part, "application/octet-stream" if none */
	long long size;		/* octets */
	int fd;			/* open for reading, at offset 0; the server closes it */
};

/* First upload of that field, or NULL. */
MODSERVER_API const struct upload *get_upload(servlet *s, const char *field);

/* Visits every upload in order; stops as each_header() does. */
MODSERVER_API int each_upload(servlet *s,
    int (*visit)(void *context, const struct upload *upload), void *context);

/* ------------------------------------------------------------ response */

/* 200 to 599; another one is refused with a line in the error log.  Without
 * effect once the head has been sent. */
MODSERVER_API void set_status(servlet *s, int status);

/* Sets a header field, replacing all of that name; a NULL value removes
 * it.  A name that is no token (RFC 9110, 5.1) or a value with CR, LF or
 * NUL is refused: a line in the error log, nothing sent.  Connection,
 * Transfer-Encoding, Keep-Alive and Upgrade are the server's business and
 * are refused too; "Connection: close" is obeyed.  Content-Length, if set,
 * must be the number of octets written: if it is not, the error log says
 * so and the connection is cut.  Without effect after the head. */
MODSERVER_API void set_header(servlet *s, const char *name, const char *value);

/* The same, keeping those that are there: for a second Set-Cookie. */
MODSERVER_API void add_header(servlet *s, const char *name, const char *value);

/* Appends to the response body.  Returns the number of octets taken:
 * length, or 0 when the client has gone.  Never waits for a slow client
 * (what it has not read yet is spooled to disk, up to 1 GiB). */
MODSERVER_API size_t rwrite(servlet *s, const char *buffer, size_t length);

/* rwrite() of formatted text.  Returns the number of octets, or -1. */
MODSERVER_API int rprintf(servlet *s, const char *format, ...) MODSERVER_PRINTF(2, 3);
MODSERVER_API int vrprintf(servlet *s, const char *format, va_list arguments)
    MODSERVER_PRINTF(2, 0);

/* Sends what has been written so far, the head first if need be. */
MODSERVER_API void rflush(servlet *s);

/* Appends length octets of an open file from offset, without copying them
 * through the servlet.  The descriptor stays the caller's and may be
 * closed at once.  A length of -1 means to the file's end.  Returns 0, or
 * -1 and errno (EINVAL: not a regular file, or beyond its end). */
MODSERVER_API int rsendfile(servlet *s, int fd, long long offset, long long length);

/* Whether the response's head has been sent (status and fields are fixed). */
MODSERVER_API int is_sent(servlet *s);

/* Whether the client is still there, as far as the kernel knows. */
MODSERVER_API int is_connected(servlet *s);

/* ----------------------------------------------------------- the server */

/* One line in the error log, with the request's id and route. */
MODSERVER_API void rlog(servlet *s, const char *format, ...) MODSERVER_PRINTF(2, 3);
MODSERVER_API void vrlog(servlet *s, const char *format, va_list arguments)
    MODSERVER_PRINTF(2, 0);

/* A loaded servlet, for index pages and the like. */
struct route_info {
	const char *route;		/* as configured: "/hello", "/shop" + "/" + "*" */
	const char *language;		/* module's name: "so", "lua", "python", ... */
	const char *description;	/* of load_servlet { ..., description = "..." }, or "" */
	const char *file;		/* as configured: "examples/c/hello.so" */
};

/* Visits every route in the configuration's order; stops as each_header(). */
MODSERVER_API int each_route(servlet *s,
    int (*visit)(void *context, const struct route_info *route), void *context);

#ifdef __cplusplus
}
#endif

#endif
