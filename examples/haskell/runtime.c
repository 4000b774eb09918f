/*
 * runtime.c - Haskell's runtime, started in each worker before the first
 * request and ended with it.  Signals are the server's.
 */
#include <Rts.h>

#include "modserver.h"

int
init(servlet *s)
{
	RtsConfig config = defaultRtsConfig;
	static char name[] = "hello", *arguments[] = { name, NULL }, **argv = arguments;
	int argc = 1;

	(void)s;
	config.rts_opts_enabled = RtsOptsAll;
	config.rts_opts = "--install-signal-handlers=no";
	hs_init_ghc(&argc, &argv, config);
	return 0;
}

void
cleanup(void)
{
	hs_exit();
}
