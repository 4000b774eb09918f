/*
 * main.c - the command line.
 */
#include <fcntl.h>
#include <getopt.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "crash.h"
#include "master.h"
#include "modserver.h"
#include "module_load.h"
#include "poller.h"
#include "title.h"
#include "version.h"

static void
print_usage(FILE *out)
{
	fputs("usage: modserver [-d | -t] CONFIG\n"
	    "       modserver -v | -V | -h\n", out);
}

static void
print_help(void)
{
	print_usage(stdout);
	puts("\nServes the servlets that CONFIG names; `modserver config.conf` in the foreground.\n"
	    "\n"
	    "  -d   run as a daemon\n"
	    "  -t   check the configuration and load every servlet, then exit: 0 good, 1 not\n"
	    "  -v   version; also --version\n"
	    "  -V   version, build options and modules\n"
	    "  -h   this help; also --help\n"
	    "\n"
	    "Signals: HUP reload, TERM and QUIT stop when what was accepted is finished,\n"
	    "INT stop now, USR1 reopen the logs.\n"
	    "\n"
	    "Manual: modserver(8), modserver.conf(5), modserver(3).");
}

static void
print_build(void)
{
	const char *const *directory = module_directories();

	printf("modserver %s\n", MODSERVER_VERSION);
	printf("module ABI: %u\n", MODULE_ABI);
#ifdef __VERSION__
	printf("compiler: %s\n", __VERSION__);
#endif
	printf("poller: %s\n", poller_name);
	puts("parser: http-parser 2.9.4, strict");
	puts("configuration: " LUA_RELEASE);
	fputs("module directories:", stdout);
	for (; *directory != NULL; directory++)
		printf(" %s", *directory);
	puts("\nmodules:");
	check_list_modules();
}

/* Reads the configuration; prints its mistakes.  NULL if there was one. */
static struct config *
load(const char *path)
{
	char *errors = NULL;
	struct config *config = config_load(path, &errors, NULL);

	if (config == NULL)
		fputs(errors != NULL ? errors : "out of memory\n", stderr);
	free(errors);
	return config;
}

static int
check(const char *path)
{
	struct config *config = load(path);
	unsigned problems;

	if (config == NULL)
		return 1;
	problems = check_config(config);
	if (problems == 0)
		printf("%s: configuration ok\n", path);
	config_free(config);
	return problems == 0 ? 0 : 1;
}

static int
usage_error(const char *what)
{
	fprintf(stderr, "modserver: %s\n", what);
	print_usage(stderr);
	return 1;
}

#ifdef SYS_exit_group
/* In libc's place, where it would do nothing else: os._exit in Python, exit! in
 * Ruby and libraries that give up come here. */
MODSERVER_API _Noreturn void
_exit(int status)
{
	crash_at_exit();
	for (;;)
		syscall(SYS_exit_group, status);
}

MODSERVER_API _Noreturn void
_Exit(int status)
{
	_exit(status);
}
#endif

/* A starter may have closed some of the first three descriptors.  What is opened
 * later must not get their numbers. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

int
main(int argc, char **argv)
{
	/* Whoever knows nothing yet tries these. */
	static const struct option names[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	bool daemon = false, test = false;
	struct config *config;
	int option;

	open_standard();
	title_init(argc, argv);
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:dtvVh", names, NULL)) != -1) {
		char text[64];

		switch (option) {
		case 'd':
			daemon = true;
			break;
		case 't':
			test = true;
			break;
		case 'v':
			printf("modserver %s\n", MODSERVER_VERSION);
			return 0;
		case 'V':
			print_build();
			return 0;
		case 'h':
			print_help();
			return 0;
		default:
			if (optopt != 0)
				snprintf(text, sizeof(text), "unknown option -%c", optopt);
			else
				snprintf(text, sizeof(text), "unknown option %s", argv[optind - 1]);
			return usage_error(text);
		}
	}
	if (optind == argc)
		return usage_error("which configuration file?");
	if (optind + 1 < argc)
		return usage_error("one configuration file, please");
	if (daemon && test)
		return usage_error("-d and -t do not go together");
	if (test)
		return check(argv[optind]);
	config = load(argv[optind]);
	return config != NULL ? master_run(config, argv[optind], daemon) : 1;
}
