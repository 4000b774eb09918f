/*
 * fuzz_urlencoded.c - a query never gives more than was in it, and what is
 * found is complete and in the arena.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1 << 20);
	struct pairs p;
	size_t i, octets = 0, most = 1;

	if (a == NULL)
		abort();
	for (i = 0; i < size; i++)
		most += data[i] == '&';
	if (form_parse_urlencoded(a, (const char *)data, size, &p) == 0) {
		if (p.count > most || p.count > FORM_FIELDS_MAX)
			abort();
		for (i = 0; i < p.count; i++) {
			octets += strlen(p.at[i].name) + strlen(p.at[i].value);
			if (form_find(&p, p.at[i].name) == NULL)
				abort();
		}
		if (octets > size)
			abort();
	} else if (p.count != 0 || (most <= FORM_FIELDS_MAX && size < 65536)) {
		abort();
	}
	arena_free(a);
	return 0;
}
