/* undefined.c - wants a function that nobody has. */
#include "modserver.h"

int function_that_nobody_has(void);

int
run(servlet *s)
{
	(void)s;
	return function_that_nobody_has();
}
