/*
 * echo.c - gives the request's body back, whatever it is, however long.
 *
 * rread() and rwrite() count octets, so binary data passes unchanged, and
 * only one piece of it is in the servlet's memory at a time.
 *
 *	curl --data-binary @/etc/services localhost:8080/examples/c/echo.so
 *	curl -T big.iso localhost:8080/examples/c/echo.so | cmp - big.iso
 */
#include <errno.h>
#include <string.h>

#include "modserver.h"

int
run(servlet *s)
{
	static char piece[64 * 1024];	/* one request at a time: no lock needed */
	const char *type = get_header(s, "Content-Type");
	ssize_t n;

	/* The client's own data, but no browser shall take it for a page. */
	set_header(s, "X-Content-Type-Options", "nosniff");

	if (get_content_length(s) == 0 && get_header(s, "Content-Length") == NULL &&
	    get_header(s, "Transfer-Encoding") == NULL) {
		set_header(s, "Content-Type", "text/plain; charset=UTF-8");
		rprintf(s, "Send me something: curl --data-binary @FILE http://%s:%d%s\n",
		    get_server_name(s), get_server_port(s), get_path(s));
		return 0;
	}

	set_header(s, "Content-Type", type != NULL ? type : "application/octet-stream");
	while ((n = rread(s, piece, sizeof piece)) > 0)
		if (rwrite(s, piece, (size_t)n) == 0)
			return 0;	/* the client has gone */
	if (n == -1) {
		rlog(s, "echo: reading the body: %s", strerror(errno));
		return -1;	/* the client can tell: 500, or the connection is cut */
	}
	return 0;
}
