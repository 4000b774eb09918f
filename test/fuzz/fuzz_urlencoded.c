/*
 * fuzz_urlencoded.c - a query never gives more than was in it, and what is
 * found is complete and in the arena; a body gives the same, in memory and in
 * a file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same as a body, of which so much may be in memory. */
static void
check_body(const uint8_t *data, size_t size, size_t memory, int result, const struct pairs *p)
{
	struct arena *a = arena_new(1 << 20);
	struct uploads uploads;
	struct pairs fields;
	struct spool spool;
	const char *reason;
	size_t i;

	spool_init(&spool, memory);
	if (a == NULL || spool_write(&spool, data, size) == -1)
		abort();
	if (form_parse_body(a, "application/x-www-form-urlencoded; charset=UTF-8", &spool,
	    &fields, &uploads, &reason) != result || fields.count != p->count || uploads.count != 0)
		abort();
	for (i = 0; i < p->count; i++)
		if (strcmp(fields.at[i].name, p->at[i].name) != 0 ||
		    strcmp(fields.at[i].value, p->at[i].value) != 0)
			abort();
	if (result == -1 && *reason == '\0')
		abort();
	spool_free(&spool);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1 << 20);
	struct pairs p;
	size_t i, octets = 0, most = 1;
	int result;

	if (a == NULL)
		abort();
	for (i = 0; i < size; i++)
		most += data[i] == '&';
	result = form_parse_urlencoded(a, (const char *)data, size, &p);
	if (result == 0) {
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
	/* Beyond, the copy of what is in a file may want more than there is. */
	if (size < 65536) {
		check_body(data, size, SIZE_MAX, result, &p);
		check_body(data, size, 0, result, &p);
	}
	arena_free(a);
	return 0;
}
