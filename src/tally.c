/* tally.c - see tally.h. */
#include "tally.h"

#define MS 1000000ull

const uint64_t tally_bounds_ns[TALLY_BUCKETS - 1] = {
	1 * MS / 10, 1 * MS, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 250 * MS,
	500 * MS, 1000 * MS, 2500 * MS, 5000 * MS, 10000 * MS,
};

void
tally_response(struct tally *t, int status, uint64_t body_bytes)
{
	int class = status / 100 - 2;

	if (class < 0)
		class = 0;
	if (class >= TALLY_CLASSES)
		class = TALLY_CLASSES - 1;
	tally_count(&t->responses[class], 1);
	tally_count(&t->body_bytes, body_bytes);
}

void
tally_duration(struct tally *t, uint64_t ns)
{
	int i = 0;

	/* Most end in the first. */
	while (i < TALLY_BUCKETS - 1 && ns > tally_bounds_ns[i])
		i++;
	tally_count(&t->durations[i], 1);
	tally_count(&t->duration_ns, ns);
}

static void
add(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
	tally_count(to, atomic_load_explicit(from, memory_order_relaxed));
}

void
tally_add(struct tally *to, const struct tally *from)
{
	for (int i = 0; i < TALLY_CLASSES; i++)
		add(&to->responses[i], &from->responses[i]);
	add(&to->body_bytes, &from->body_bytes);
	add(&to->duration_ns, &from->duration_ns);
	for (int i = 0; i < TALLY_BUCKETS; i++)
		add(&to->durations[i], &from->durations[i]);
}
