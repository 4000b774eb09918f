/*
 * cgi.c - CGI/1.1 (RFC 3875): any executable, started anew for each request.
 *
 * Options, of load_module for all programs or of load_servlet for one:
 *
 *	env = { "LANG", GIT_DIR = "/srv/git" }	variables: inherited, and set
 *	document_root = "/srv/www"		DOCUMENT_ROOT, and with an extra
 *						path PATH_TRANSLATED below it
 *	authorization = true			HTTP_AUTHORIZATION: the program checks
 *						passwords itself
 *
 * Beside PATH and these a program has the meta-variables of its request and
 * nothing else.  It is executed, never given to a shell, in the directory of
 * its file, without arguments: a query without "=" is not made into some
 * (RFC 3875, 4.4 leaves that open), for programs take options there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgi/program.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* The options of load_module. */
static struct program defaults;

static int
refuse(char *error, const char *what, const char *name)
{
	snprintf(error, MODULE_ERROR_MAX, "%s \"%s\"", what, name);
	return -1;
}

static bool
is_variable_name(const char *name)
{
	return name[0] != '\0' && (name[0] < '0' || name[0] > '9') &&
	    name[strspn(name, "_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* Sets a variable, or with a value of NULL inherits it if it is there. */
static int
take_variable(struct program *p, const char *name, const char *value, char *error)
{
	if (!is_variable_name(name))
		return refuse(error, "env: this is no name of a variable:", name);
	if (value == NULL)
		value = getenv(name);
	if (value != NULL && environment_set(&p->configured, name, value) == -1)
		return refuse(error, "out of memory for", name);
	return 0;
}

static int
take_root(struct program *p, const struct module_option *o, char *error)
{
	char *root;

	if (asprintf(&root, "%s%s%s", o->value[0] == '/' ? "" : o->directory,
	    o->value[0] == '/' ? "" : "/", o->value) == -1)
		return refuse(error, "out of memory for", o->name);
	p->root = root;
	return 0;
}

static int
take_authorization(struct program *p, const char *value, char *error)
{
	p->authorization = strcmp(value, "true") == 0;
	if (!p->authorization && strcmp(value, "false") != 0)
		return refuse(error, "authorization is true or false, not", value);
	return 0;
}

static int
take_options(struct program *p, const struct module_option *options, size_t count, char *error)
{
	int failed = 0;

	for (size_t i = 0; i < count && failed == 0; i++) {
		const struct module_option *o = &options[i];

		if (strcmp(o->name, "env") == 0)
			failed = take_variable(p, o->value, NULL, error);
		else if (strncmp(o->name, "env.", 4) == 0)
			failed = take_variable(p, o->name + 4, o->value, error);
		else if (strcmp(o->name, "document_root") == 0)
			failed = take_root(p, o, error);
		else if (strcmp(o->name, "authorization") == 0)
			failed = take_authorization(p, o->value, error);
		else
			failed = refuse(error, "CGI has the options authorization, document_root and env, not",
			    o->name);
	}
	return failed;
}

static int
cgi_start(const struct module_option *options, size_t count, char *error)
{
	const char *path = getenv("PATH");

	if (environment_set(&defaults.configured, "PATH", path != NULL ? path : DEFAULT_PATH) == -1)
		return refuse(error, "out of memory for", "PATH");
	return take_options(&defaults, options, count, error);
}

static int
check_file(const char *path, char *error)
{
	struct stat st;
	const char *wrong = NULL;

	if (stat(path, &st) == -1)
		wrong = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		wrong = "it is not a file";
	else if (access(path, X_OK) == -1)
		wrong = "it is not executable (chmod +x)";
	if (wrong != NULL)
		snprintf(error, MODULE_ERROR_MAX, "%s: %s", path, wrong);
	return wrong == NULL ? 0 : -1;
}

static void
cgi_free(struct program *p)
{
	environment_free(&p->configured);
	free(p->directory);
	free(p);
}

static void *
cgi_open(const struct module_servlet *servlet, char *error)
{
	const char *slash = strrchr(servlet->path, '/');
	struct program *p;

	if (check_file(servlet->path, error) == -1)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->path = servlet->path;
	p->root = defaults.root;
	p->authorization = defaults.authorization;
	p->directory = strndup(servlet->path, slash == servlet->path ? 1 :
	    (size_t)(slash - servlet->path));
	for (size_t i = 0; i < defaults.configured.count; i++) {
		char *name = defaults.configured.at[i], *equals = strchr(name, '=');

		*equals = '\0';
		environment_set(&p->configured, name, equals + 1);
		*equals = '=';
	}
	if (p->directory == NULL ||
	    take_options(p, servlet->options, servlet->option_count, error) == -1) {
		cgi_free(p);
		return NULL;
	}
	return p;
}

static int
cgi_run(void *program, servlet *s)
{
	struct environment e = { NULL, 0, 0 };
	const struct program *p = program;
	struct child child;
	int result = -1;

	if (environment_build(&e, s, p) == -1)
		rlog(s, "out of memory for the program's environment");
	else if (child_start(&child, p, &e, s, get_content_length(s) > 0) == 0)
		result = exchange_run(s, &child);
	environment_free(&e);
	return result;
}

MODSERVER_API const struct module modserver_module = {
	.abi = MODULE_ABI,
	.name = "cgi",
	.start = cgi_start,
	.open = cgi_open,
	.run = cgi_run,
};
