/* hello.c - the least a servlet does. */
#include "modserver.h"

int
run(servlet *s)
{
	rwrite(s, "hello\n", 6);
	return 0;
}
