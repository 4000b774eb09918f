/*
 * title.h - what ps shows: "modserver: worker".
 */
#ifndef TITLE_H
#define TITLE_H

/* Call first in main: takes the room of argv and environ (the environment is
 * copied away and stays valid). */
void title_init(int argc, char **argv);

/* Formatted; "modserver: " is put before it. */
void title_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
