/* error_page.c - see error_page.h. */
#include <string.h>

#include "error_page.h"
#include "response.h"

static char *
put(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

size_t
error_page_body(int status, bool head_method)
{
	return head_method ? 0 : strlen(response_reason(status)) + 5;	/* "404 " reason newline */
}

size_t
error_page(char *out, int status, const char *date, bool head_method)
{
	const char *reason = response_reason(status);
	size_t length = error_page_body(status, false);
	char digits[4], size[3], *at = out;

	digits[0] = (char)('0' + status / 100 % 10);
	digits[1] = (char)('0' + status / 10 % 10);
	digits[2] = (char)('0' + status % 10);
	digits[3] = '\0';
	size[0] = (char)('0' + length / 10 % 10);
	size[1] = (char)('0' + length % 10);
	size[2] = '\0';
	at = put(at, "HTTP/1.1 ");
	at = put(at, digits);
	at = put(at, " ");
	at = put(at, reason);
	at = put(at, "\r\nDate: ");
	at = put(at, date);
	at = put(at, "\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: ");
	at = put(at, size);
	if (status == 503)
		at = put(at, "\r\nRetry-After: 1");
	at = put(at, "\r\nConnection: close\r\n\r\n");
	if (head_method)
		return (size_t)(at - out);
	at = put(at, digits);
	at = put(at, " ");
	at = put(at, reason);
	at = put(at, "\n");
	return (size_t)(at - out);
}
