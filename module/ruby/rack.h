/*
 * rack.h - a request as Rack's env, and an application's answer.
 *
 * Specification: https://github.com/rack/rack/blob/main/SPEC.rdoc; that of
 * Rack 2.2 where it asks for more.  Functions may raise unless they say so.
 */
#ifndef RUBY_RACK_H
#define RUBY_RACK_H

#include "program.h"

/* Keeps what the two need.  After the prelude. */
void rack_open(void);
void rack_env_open(void);

/* Answers the request with what the application says. */
void rack_answer(VALUE application, servlet *s);

/* The env of this request.  *self is set to a Servlet for its input if the
 * request has a body; the caller ends it. */
VALUE rack_env(servlet *s, VALUE *self);

#endif
