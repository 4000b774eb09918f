/*
 * descriptors.h - closing many descriptors at once: what a process inherits
 * and must not have.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stddef.h>

/* Those from first to last, open or not; none where last is less than first. */
void descriptors_close(int first, int last);

/* All above standard error but these. */
void descriptors_close_but(const int *kept, size_t count);

#endif
