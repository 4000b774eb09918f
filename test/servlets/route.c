/* route.c - where it was found: route|script name|path|path info| */
#include "modserver.h"

int
run(servlet *s)
{
	rprintf(s, "%s|%s|%s|%s|\n", get_route(s), get_script_name(s), get_path(s),
	    get_path_info(s));
	return 0;
}
