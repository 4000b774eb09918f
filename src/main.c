/* main.c - the command line. */
#include <dirent.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "master.h"
#include "module_load.h"
#include "poller.h"
#include "title.h"
#include "version.h"

static const char usage[] =
	"usage: modserver CONFIG        serve in the foreground\n"
	"       modserver -d CONFIG     serve as a daemon\n"
	"       modserver -t CONFIG     check the configuration and load everything it names\n"
	"       modserver -v | -V | -h  version | build options and modules | this text\n"
	"\n"
	"CONFIG is described in modserver.conf(5), signals and the rest in modserver(8).\n";

static void
list_modules(void)
{
	const char *const *at;
	struct dirent *entry;
	DIR *directory;

	for (at = module_directories(); *at != NULL; at++) {
		directory = opendir(*at);
		if (directory == NULL)
			continue;
		while ((entry = readdir(directory)) != NULL) {
			size_t length = strlen(entry->d_name);

			if (length > 3 && strcmp(entry->d_name + length - 3, ".so") == 0)
				printf("module   %.*s (%s/%s)\n", (int)length - 3, entry->d_name,
				    *at, entry->d_name);
		}
		closedir(directory);
	}
}

static void
print_build(void)
{
	printf("modserver %s\n", MODSERVER_VERSION);
	printf("poller   %s\n", poller_name);
	printf("parser   http-parser 2.9.4, strict\n");
	printf("language %s (configuration)\n", LUA_RELEASE);
	printf("compiler %s\n", __VERSION__);
	list_modules();
}

static int
serve(const char *path, bool daemonize)
{
	struct config *config;
	char *errors;

	config = config_load(path, &errors);
	if (config == NULL) {
		fputs(errors == NULL ? "out of memory\n" : errors, stderr);
		free(errors);
		return 1;
	}
	return master_run(config, path, daemonize);
}

int
main(int argc, char **argv)
{
	bool check = false, daemonize = false;
	int option;

	title_init(argc, argv);
	while ((option = getopt(argc, argv, "dtvVh")) != -1) {
		switch (option) {
		case 'd':
			daemonize = true;
			break;
		case 't':
			check = true;
			break;
		case 'v':
			printf("modserver %s\n", MODSERVER_VERSION);
			return 0;
		case 'V':
			print_build();
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 1;
		}
	}
	if (optind != argc - 1 || (check && daemonize)) {
		fputs(usage, stderr);
		return 1;
	}
	return check ? check_run(argv[optind]) : serve(argv[optind], daemonize);
}
