/*
 * check.h - modserver -t: is this configuration good?
 */
#ifndef CHECK_H
#define CHECK_H

#include "config.h"

/* Looks whether the files that the server writes can be opened, loads every module
 * and servlet of the configuration in a throwaway process and prints every problem
 * on standard error.  What crashes or hangs while loading is reported and left
 * out of a next try, so that the rest is checked too.  Creates no file.  Returns
 * the number of problems. */
unsigned check_config(const struct config *config);

/* What modserver -V prints of the modules that are installed. */
void check_list_modules(void);

#endif
