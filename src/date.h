/*
 * date.h - dates as HTTP writes them (RFC 9110, 5.6.7).  Pure.
 */
#ifndef DATE_H
#define DATE_H

#include <time.h>

#define DATE_LENGTH 29	/* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Writes DATE_LENGTH octets and a NUL.  t is brought into the years 1970 to
 * 9999 first. */
void date_format(time_t t, char out[DATE_LENGTH + 1]);

/* IMF-fixdate, RFC 850 (two digits of a year are 1970 to 2069) and asctime
 * forms.  The day of the week must be one but need not be right.  (time_t)-1
 * when malformed or before 1970. */
time_t date_parse(const char *text);

#endif
