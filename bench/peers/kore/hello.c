/*
 * hello.c - a constant reply by Kore.
 */
#include <kore/kore.h>
#include <kore/http.h>

int hello(struct http_request *);

int
hello(struct http_request *request)
{
	http_response_header(request, "content-type", "text/html; charset=UTF-8");
	http_response(request, 200, "Hello, world!\n", 14);
	return KORE_RESULT_OK;
}
