/*
 * descriptor.h - what a descriptor of ours is like, and closing those that a
 * process inherits and must not have.
 */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <stddef.h>

/* Makes it non-blocking and close-on-exec, where it cannot be made so at once.
 * 0, or -1 and errno. */
int descriptor_prepare(int fd);

/* Those from first to last, open or not; none where last is less than first. */
void descriptors_close(int first, int last);

/* All above standard error but these. */
void descriptors_close_but(const int *kept, size_t count);

#endif
