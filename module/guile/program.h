/*
 * program.h - the parts of the Guile module as they see each other.
 *
 * guile.c loads servlets and runs them, guile/api.c and guile/each.c are what a
 * servlet calls, guile/prelude.scm what is easier said in Scheme.
 */
#ifndef GUILE_PROGRAM_H
#define GUILE_PROGRAM_H

#include <libguile.h>

#include "module/module.h"

/* Adds the procedures to (modserver), which is the current module. */
void api_open(void);

/* Looks up what each.c needs of the prelude, once that has been run. */
void each_open(void);

/* A servlet's argument for this request; the one before is refused now. */
SCM api_begin(servlet *s);

/* The request is over, or what was done without one; what was displayed and not
 * ended is logged.  A process that the servlet has forked meanwhile ends here. */
void api_end(int failed);

/* Writes a text to the error log, with the request's id if there is one. */
void api_log(SCM text);

/* A string of octets, which are UTF-8; "?" for those that are not.  #f for NULL. */
SCM text_new(const char *octets);

/* The request behind a servlet's argument.  Raises if that is none, or one
 * whose request is over, or in another thread. */
servlet *api_request(SCM s, const char *caller);

/* A string or a symbol as C has it, to be freed; NULL if there is NUL in it,
 * so that C cannot take it whole.  Raises if it is neither. */
char *text_c(SCM text, int position, const char *caller);

/* Procedures that are in each.c. */
SCM api_each_header(SCM s, SCM visit);
SCM api_each_arg(SCM s, SCM visit);
SCM api_each_form(SCM s, SCM visit);
SCM api_each_cookie(SCM s, SCM visit);
SCM api_each_upload(SCM s, SCM visit);
SCM api_each_route(SCM s, SCM visit);
SCM api_get_upload(SCM s, SCM field);

#endif
