/*
 * error_page.h - a whole response of the server's own: short and plain.
 */
#ifndef ERROR_PAGE_H
#define ERROR_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#define ERROR_PAGE_MAX 512

/* Writes head and body (the head alone for HEAD) with "Connection: close" into
 * out (ERROR_PAGE_MAX octets); returns the length.  Async-signal-safe. */
size_t error_page(char *out, int status, const char *date, bool head_method);

/* The octets of its body.  Async-signal-safe. */
size_t error_page_body(int status, bool head_method);

#endif
