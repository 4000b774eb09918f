/*
 * Any octets as a PROXY header: read the same however much lies behind it,
 * incomplete as long as its end is not there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	long n = proxy_parse((const char *)data, size, &whole), k;

	claim(n >= -1 && n <= PROXY_HEADER_MAX && (n <= 0 || (size_t)n <= size));
	claim(n != 0 || size < PROXY_HEADER_MAX);
	claim(n > 0 || !whole.known);
	if (whole.known)
		claim(whole.source.ss_family == whole.destination.ss_family &&
		    whole.source.ss_family != AF_UNSPEC);
	for (size_t i = 0; i < size; i++) {
		/* Exactly as long as the part, so that ASan sees its end. */
		char *copy = malloc(i > 0 ? i : 1);

		memcpy(copy, data, i);
		k = proxy_parse(copy, i, &part);
		free(copy);
		if (n > 0 && i >= (size_t)n)
			claim(k == n && memcmp(&part, &whole, sizeof(whole)) == 0);
		else if (n >= 0)
			claim(k == 0);
		else
			claim(k <= 0);
		if (k == -1)
			break;
	}
	return 0;
}
