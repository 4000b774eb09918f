/*
 * check.h - `modserver -t`: reads a configuration and loads everything it
 * names, in a throwaway process.
 */
#ifndef CHECK_H
#define CHECK_H

/* Prints every problem as FILE:LINE: what is wrong.  0: none, 1. */
int check_run(const char *config_path);

#endif
