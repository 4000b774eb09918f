/*
 * hello.c - the smallest servlet.
 *
 *	curl localhost:8080/examples/c/hello.so
 */
#include "modserver.h"

int
run(servlet *s)
{
	rprintf(s, "Hello, world!\n");
	return 0;
}
