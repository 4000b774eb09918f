/*
 * sanitized.h - ADDRESS_SANITIZED is defined in a build with AddressSanitizer: gcc
 * and clang each say that in their own way.
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

#endif
