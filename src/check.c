/* check.c - see check.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"
#include "check.h"
#include "config.h"
#include "crash.h"
#include "log.h"
#include "program.h"

#define LOAD_SECONDS 60		/* a servlet that takes longer to load hangs */

static void
check_report(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "%s\n", text);
}

static void
check_death(const struct config *config, uint32_t loading, int status)
{
	struct config_place place = { config->file, 0 };
	const char *kind = "servlet", *name = "";
	int number = WTERMSIG(status);

	program_loading_what(config, loading, &place, &kind, &name);
	if (number == SIGALRM)
		fprintf(stderr, "%s:%d: %s %s was still loading after %d seconds\n",
		    place.file, place.line, kind, name, LOAD_SECONDS);
	else
		fprintf(stderr, "%s:%d: %s %s crashed while loading: %s\n", place.file,
		    place.line, kind, name, crash_signal_name(number));
}

int
check_run(const char *config_path)
{
	struct config *config;
	struct board *board;
	char *errors;
	int status, failed = 1;
	pid_t pid;

	config = config_load(config_path, &errors);
	if (config == NULL) {
		fputs(errors == NULL ? "out of memory\n" : errors, stderr);
		free(errors);
		return 1;
	}
	board = board_new(1);
	fflush(NULL);
	pid = board == NULL ? -1 : fork();
	if (pid == 0) {
		log_open(STDERR_FILENO, "check");
		alarm(LOAD_SECONDS);
		status = programs_check(config, &board->loading, check_report, NULL) > 0;
		fflush(NULL);
		_exit(status);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		perror("modserver -t");
	else if (WIFSIGNALED(status))
		check_death(config, atomic_load(&board->loading), status);
	else
		failed = WEXITSTATUS(status) != 0;
	if (!failed)
		printf("%s: the configuration is fine, %zu servlet%s loaded\n", config_path,
		    config->servlet_count, config->servlet_count == 1 ? "" : "s");
	board_free(board);
	config_free(config);
	return failed;
}
