/*
 * sanitized.h - what AddressSanitizer does not know by itself.
 *
 * In a build with it (gcc and clang each say so in their own way) ADDRESS_SANITIZED
 * is defined; in any other its functions do nothing.
 */
#ifndef SANITIZED_H
#define SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZED
#endif
#endif

#ifdef ADDRESS_SANITIZED
#include <sanitizer/asan_interface.h>
#define SANITIZED_GAP 16	/* poisoned octets between two things in one allocation */
#else
#define SANITIZED_GAP 0
#define ASAN_POISON_MEMORY_REGION(at, n)	((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n)	((void)(at), (void)(n))
#endif

#endif
