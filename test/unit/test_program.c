/*
 * test_program.c - modules and servlets load, or say at which line of the
 * configuration they did not; signal dispositions survive them; forks tell
 * the runtimes.
 *
 * It compiles modules of its own, beside its own binary where they are looked
 * for, and servlets for the real module/so.c.  Run in the top directory.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "module_load.h"
#include "program.h"

static char directory[] = "/tmp/test_program.XXXXXX";
static char reports[8192];
static unsigned report_count;
static _Atomic uint32_t *loading;

/* The servlets call it: they must find it in this program. */
MODSERVER_API int rprintf(servlet *s, const char *format, ...);
MODSERVER_API void rlog(servlet *s, const char *format, ...);

int
rprintf(servlet *s, const char *format, ...)
{
	(void)s;
	(void)format;
	return 0;
}

void
rlog(servlet *s, const char *format, ...)
{
	(void)s;
	(void)format;
}

static void
report(void *context, const char *text)
{
	assert_ptr_equal(context, reports);
	report_count++;
	strncat(reports, text, sizeof(reports) - strlen(reports) - 2);
	strcat(reports, "\n");
}

static void
clear_reports(void)
{
	reports[0] = '\0';
	report_count = 0;
	*loading = 0;
}

/* Compiles text to a library; "module" ones go where modules are looked for. */
static void
compile(const char *name, const char *compiler, const char *text)
{
	char command[2048], source[256];
	FILE *f;

	snprintf(source, sizeof(source), "%s/%s.source", directory, name);
	f = fopen(source, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	snprintf(command, sizeof(command), "%s -shared -fPIC -D_GNU_SOURCE -I. -o '%s/%s.so' %s",
	    compiler, strncmp(name, "test_", 5) == 0 ? module_directories()[0] : directory,
	    name, source);
	assert_int_equal(system(command), 0);
	unlink(source);
}

#define C "cc -x c"
#define TABLE "#include \"module/module.h\"\n" \
	"static void *open_(const struct module_servlet *s, char *e) { (void)s; (void)e; return (void *)1; }\n" \
	"static int run_(void *p, servlet *s) { (void)p; (void)s; return 0; }\n" \
	"MODSERVER_API const struct module modserver_module = { "

static const struct { const char *name, *text; } libraries[] = {
	{ "test_abi", TABLE ".abi = MODULE_ABI + 1, .name = \"test_abi\", .open = open_, .run = run_ };" },
	{ "test_empty", "int nothing;" },
	{ "test_lacking", TABLE ".abi = MODULE_ABI, .name = \"x\", .open = open_ };\n"
	    "void *unused(void) { return (void *)run_; }" },
	{ "test_broken", "int nowhere_to_be_found(void); int x(void) { return nowhere_to_be_found(); }" },
	{ "test_plain", TABLE ".abi = MODULE_ABI, .name = \"plain\", .open = open_, .run = run_ };" },
	{ "test_start", "#include <stdio.h>\n#include <signal.h>\n"
	    "#include \"module/module.h\"\n"
	    "static int start(const struct module_option *o, size_t n, char *error) {\n"
	    "  signal(SIGTERM, SIG_IGN); signal(SIGSEGV, SIG_IGN);\n"
	    "  if (n == 0) return 0;\n"
	    "  snprintf(error, MODULE_ERROR_MAX, \"no option %s\", o[0].name); return -1; }\n"
	    TABLE ".abi = MODULE_ABI, .name = \"s\", .start = start, .open = open_, .run = run_ };" },
	{ "test_worker", "#include <signal.h>\n#include \"module/module.h\"\n"
	    "#include <stdio.h>\n#include <string.h>\n"
	    "static enum module_place place(const char *p) { (void)p; return MODULE_IN_WORKER; }\n"
	    "static int check(const struct module_servlet *s, char *e) {\n"
	    "  if (strstr(s->path, \"norun\") == NULL) return 0;\n"
	    "  snprintf(e, MODULE_ERROR_MAX, \"has no run\"); return -1; }\n"
	    "static void *sopen(const struct module_servlet *s, char *e) { (void)s; (void)e;\n"
	    "  signal(SIGTERM, SIG_IGN); signal(SIGSEGV, SIG_IGN); return (void *)1; }\n"
	    TABLE ".abi = MODULE_ABI, .flags = MODULE_KEEPS_SIGNALS, .name = \"w\", .place = place,\n"
	    "  .check = check, .open = sopen, .run = run_ };\nvoid *unused(void) { return (void *)open_; }" },
	{ "test_inside", "#include \"module/module.h\"\n#include <stdlib.h>\n"
	    "static enum module_place place(const char *p) { (void)p; return MODULE_IN_WORKER; }\n"
	    "static int inside(void *p, void (*work)(void *), void *argument) { (void)p;\n"
	    "  if (getenv(\"INSIDE\") != NULL) return -1;\n"
	    "  setenv(\"INSIDE\", \"1\", 1); work(argument); unsetenv(\"INSIDE\"); return 0; }\n"
	    TABLE ".abi = MODULE_ABI, .name = \"i\", .place = place, .open = open_, .run = run_,\n"
	    "  .inside = inside };" },
	{ "test_hooks", "#include <unistd.h>\n#include \"module/module.h\"\n"
	    "static void before(void) { setenv_(\"B\"); }\n"
	    TABLE ".abi = MODULE_ABI, .name = \"h\", .open = open_, .run = run_, .before_fork = before,\n"
	    "  .after_fork_parent = parent, .after_fork_child = child };" },
	{ "test_fork", "#include <stdlib.h>\n#include <unistd.h>\n#include \"module/module.h\"\n"
	    "static pid_t f(void) { setenv(\"OWN_FORK\", \"1\", 1); return fork(); }\n"
	    TABLE ".abi = MODULE_ABI, .name = \"f\", .open = open_, .run = run_, .fork = f };" },
	{ "test_fork2", "#include <unistd.h>\n#include \"module/module.h\"\n"
	    TABLE ".abi = MODULE_ABI, .name = \"g\", .open = open_, .run = run_, .fork = fork };" },
	{ "good", "int run(void *s) { (void)s; return 0; }" },
	{ "norun", "int walk(void) { return 0; }" },
	{ "variable", "int run = 7;" },
	{ "constructor", "__attribute__((constructor)) static void f(void) { __builtin_trap(); }\n"
	    "int run(void *s) { (void)s; return 0; }" },
	{ "exits", "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { _exit(3); }\n"
	    "int run(void *s) { (void)s; return 0; }" },
	{ "handlers", "#include <signal.h>\n"
	    "__attribute__((constructor)) static void f(void) { sigset_t all; sigfillset(&all);\n"
	    "  sigprocmask(SIG_BLOCK, &all, 0); signal(SIGTERM, SIG_IGN); signal(SIGSEGV, SIG_IGN); }\n"
	    "int run(void *s) { (void)s; return 0; }" },
	{ "twice", "int inits; int init(void *s) { (void)s; return ++inits > 1; }\n"
	    "int run(void *s) { (void)s; return 0; }\n"
	    "extern char **environ; int putenv(char *); static int n;\n"
	    "void cleanup(void) { putenv(n++ ? \"CLEANED=2\" : \"CLEANED=1\"); }" },
};

static int
build_libraries(void **unused)
{
	(void)unused;
	loading = mmap(NULL, sizeof(*loading), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (loading == MAP_FAILED || mkdtemp(directory) == NULL)
		return -1;
	mkdir(module_directories()[0], 0755);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const char *text = libraries[i].text;
		char hooks[4096];

		if (strcmp(libraries[i].name, "test_hooks") == 0) {
			snprintf(hooks, sizeof(hooks), "#include <stdlib.h>\n#include <string.h>\n"
			    "static void setenv_(const char *w) { char t[64] = \"\"; const char *h = getenv(\"HOOKS\");\n"
			    "  if (h) strncpy(t, h, 60); strcat(t, w); setenv(\"HOOKS\", t, 1); }\n"
			    "static void parent(void) { setenv_(\"P\"); }\n"
			    "static void child(void) { setenv_(\"C\"); }\n%s", text);
			text = hooks;
		}
		compile(libraries[i].name, C, text);
	}
	compile("mangled", "c++ -x c++", "int run(struct servlet *s); struct servlet {};\n"
	    "__attribute__((visibility(\"default\"))) int run(servlet *s) { return s == 0; }");
	return 0;
}

static int
remove_libraries(void **unused)
{
	char path[MODULE_PATH_MAX];

	(void)unused;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s.so", strncmp(libraries[i].name, "test_", 5) == 0 ?
		    module_directories()[0] : directory, libraries[i].name);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/mangled.so", directory);
	unlink(path);
	return rmdir(directory);
}

/* The real module, from the tree's or this variant's own directory. */
static int
link_so(void **unused)
{
	static const char *const places[] = { "/../../../module/so.so", "/../../../../module/so.so" };
	char from[MODULE_PATH_MAX], to[MODULE_PATH_MAX];

	if (build_libraries(unused) == -1)
		return -1;
	snprintf(to, sizeof(to), "%s/so.so", module_directories()[0]);
	unlink(to);
	for (size_t i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s%s", module_directories()[0], places[i]);
		if (access(from, R_OK) == 0)
			return symlink(from, to);
	}
	return -1;
}

static struct setting {
	struct config config;
	struct config_module modules[4];
	struct config_servlet servlets[8];
	char paths[8][128];
} *settings[64];
static struct programs *loaded[64];
static size_t setting_count, loaded_count;

static struct setting *
setting_new(void)
{
	struct setting *s = calloc(1, sizeof(*s));

	/* As in a server they live as long as the process. */
	settings[setting_count++] = s;
	s->config.file = "test.conf";
	s->config.modules = s->modules;
	s->config.servlets = s->servlets;
	clear_reports();
	return s;
}

static struct config_module *
add_module(struct setting *s, const char *name)
{
	struct config_module *m = &s->modules[s->config.module_count++];

	m->place = (struct config_place){ "test.conf", (int)s->config.module_count };
	m->name = name;
	return m;
}

static struct config_servlet *
add_servlet(struct setting *s, const char *file)
{
	size_t i = s->config.servlet_count++;
	struct config_servlet *c = &s->servlets[i];

	snprintf(s->paths[i], sizeof(s->paths[i]), "%s/%s.so", directory, file);
	c->place = (struct config_place){ "test.conf", (int)i + 10 };
	c->text = file;
	c->route = "/x";
	c->module = s->config.module_count - 1;
	c->servlet.path = s->paths[i];
	return c;
}

static struct programs *
load(struct setting *s)
{
	struct programs *ps = programs_open(&s->config, loading, report, reports, NULL);

	loaded[loaded_count++] = ps;
	return ps;
}

/* ------------------------------------------------------------- the tests */

static void
good_ones_load(void **unused)
{
	struct setting *s = setting_new();
	struct programs *ps;

	(void)unused;
	add_module(s, "so");
	add_servlet(s, "good");
	ps = load(s);
	assert_non_null(ps);
	assert_string_equal(reports, "");
	assert_int_equal(ps->count, 1);
	assert_int_equal(ps->at[0].place, MODULE_IN_ZYGOTE);
	assert_non_null(ps->at[0].handle);
	assert_false(ps->at[0].initialised);
	assert_int_equal(*loading, 0);
}

static void
every_failure_is_told_with_its_line(void **unused)
{
	struct setting *s = setting_new();

	(void)unused;
	add_module(s, "so");
	add_servlet(s, "norun");
	add_servlet(s, "good");
	add_servlet(s, "variable");
	add_servlet(s, "not-there");
	add_servlet(s, "mangled");
	assert_null(load(s));
	assert_int_equal(report_count, 4);
	assert_non_null(strstr(reports, "test.conf:10: "));
	assert_non_null(strstr(reports, "`int run(servlet *)`"));
	assert_null(strstr(reports, "test.conf:11: "));
	assert_non_null(strstr(reports, "test.conf:12: "));
	assert_non_null(strstr(reports, "is a variable"));
	assert_non_null(strstr(reports, "test.conf:13: "));
	assert_non_null(strstr(reports, "No such file"));
	assert_non_null(strstr(reports, "extern \"C\""));
}

static void
a_bad_module_says_why(const char *name, const char *words)
{
	struct setting *s = setting_new();

	add_module(s, name);
	add_servlet(s, "good");
	assert_null(load(s));
	if (strncmp(reports, "test.conf:1: ", 13) != 0 || strstr(reports, words) == NULL)
		fail_msg("%s: %s", name, reports);
	assert_int_equal(report_count, 1);	/* not once more for its servlets */
}

static void
bad_modules(void **unused)
{
	(void)unused;
	a_bad_module_says_why("test_not_there", "not installed");
	a_bad_module_says_why("test_abi", "version");
	a_bad_module_says_why("test_empty", "modserver_module");
	a_bad_module_says_why("test_lacking", "lacks");
	a_bad_module_says_why("../../../../tmp/x", "not installed");
}

static void
options_of_a_module(void **unused)
{
	struct setting *s = setting_new();
	struct module_option option = { .name = "venv", .value = "/x" };
	struct config_module *m = add_module(s, "test_plain");

	(void)unused;
	m->options = &option;
	m->option_count = 1;
	assert_null(load(s));
	assert_non_null(strstr(reports, "test.conf:1: module \"test_plain\" has no option \"venv\""));
	s = setting_new();
	m = add_module(s, "test_start");
	m->options = &option;
	m->option_count = 1;
	assert_null(load(s));
	assert_non_null(strstr(reports, "test.conf:1: no option venv"));
}

static void
optional_ones_are_left_out(void **unused)
{
	struct setting *s = setting_new();
	struct programs *ps;

	(void)unused;
	add_module(s, "test_not_there")->optional = true;
	add_servlet(s, "good");
	add_module(s, "so");
	add_servlet(s, "norun")->optional = true;
	add_servlet(s, "good");
	ps = load(s);
	assert_non_null(ps);
	assert_int_equal(report_count, 0);
	assert_null(ps->modules[0]);
	assert_null(ps->at[0].module);
	assert_null(ps->at[1].module);
	assert_non_null(ps->at[2].module);
}

static void
dispositions_survive_loading(void **unused)
{
	struct setting *s = setting_new();
	struct sigaction action;
	sigset_t mask;

	(void)unused;
	sigaction(SIGTERM, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
	add_module(s, "test_start");
	add_module(s, "so");
	add_servlet(s, "handlers");
	assert_non_null(load(s));
	sigaction(SIGTERM, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
	sigaction(SIGSEGV, NULL, &action);
	assert_ptr_not_equal(action.sa_handler, SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGCHLD));
}

static void
what_belongs_in_a_worker_is_opened_there(void **unused)
{
	struct setting *s = setting_new();
	char error[MODULE_ERROR_MAX];
	struct sigaction action, before;
	struct programs *ps;

	(void)unused;
	add_module(s, "test_worker");
	add_servlet(s, "good");
	sigaction(SIGSEGV, NULL, &before);
	ps = load(s);
	assert_non_null(ps);
	assert_int_equal(ps->at[0].place, MODULE_IN_WORKER);
	assert_null(ps->at[0].handle);
	sigaction(SIGSEGV, NULL, &action);
	assert_ptr_equal(action.sa_handler, before.sa_handler);
	assert_int_equal(program_open(&ps->at[0], error), 0);
	assert_non_null(ps->at[0].handle);
	/* Its handlers for its own faults stay, others do not. */
	sigaction(SIGSEGV, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_IGN);
	sigaction(SIGTERM, NULL, &action);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
	sigaction(SIGSEGV, &before, NULL);
}

static void
note_inside(void *argument)
{
	int *calls = argument;

	calls[getenv("INSIDE") != NULL]++;
}

static void
work_goes_on_inside_what_is_open(void **unused)
{
	struct setting *s = setting_new();
	char error[MODULE_ERROR_MAX];
	struct programs *ps;
	int calls[2] = { 0, 0 };

	(void)unused;
	add_module(s, "so");
	add_servlet(s, "good");
	add_module(s, "test_inside");
	add_servlet(s, "good");
	add_servlet(s, "good");
	ps = load(s);
	assert_non_null(ps);
	programs_inside(ps, note_inside, calls);
	assert_int_equal(calls[0], 1);
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(program_open(&ps->at[i], error), 0);
		ps->opened = true;
		programs_inside(ps, note_inside, calls);
		assert_int_equal(calls[1], i);
		assert_false(ps->opened);
		assert_null(getenv("INSIDE"));
	}
	assert_int_equal(calls[0], 1);
}

static void
what_belongs_in_a_worker_is_checked_before(void **unused)
{
	struct setting *s = setting_new();

	(void)unused;
	add_module(s, "test_worker");
	add_servlet(s, "good");
	add_servlet(s, "norun");
	assert_null(load(s));
	assert_int_equal(report_count, 1);
	assert_non_null(strstr(reports, "has no run"));
}

/* Loads in a child that does not survive it; what was it loading? */
static int
die_loading(const char *file, int *line)
{
	struct setting *s = setting_new();
	struct config_place place;
	const char *kind, *name;
	int status;
	pid_t pid;

	add_module(s, "so");
	add_servlet(s, "good");
	add_servlet(s, file);
	pid = fork();
	if (pid == 0) {
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		load(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(program_loading_what(&s->config, *loading, &place, &kind, &name));
	assert_string_equal(kind, "servlet");
	assert_string_equal(name, file);
	*line = place.line;
	return status;
}

static void
a_crash_while_loading_has_a_name(void **unused)
{
	int line, status = die_loading("constructor", &line);

	(void)unused;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(line, 11);
	status = die_loading("exits", &line);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void
no_value_of_loading_does_harm(void **unused)
{
	static const uint32_t values[] = { 0, 2, 3, 1000, 0x7fffffff, 0x80000001, 0xffffffff };
	struct setting *s = setting_new();
	struct config_place place;
	const char *kind, *name;

	(void)unused;
	add_module(s, "so");
	add_servlet(s, "good");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_false(program_loading_what(&s->config, values[i], &place, &kind, &name));
	assert_true(program_loading_what(&s->config, 1, &place, &kind, &name));
	assert_string_equal(kind, "module");
	assert_true(program_loading_what(&s->config, 0x80000000, &place, &kind, &name));
	assert_string_equal(name, "good");
}

static void
one_file_on_two_routes_is_initialised_once(void **unused)
{
	struct setting *s = setting_new();
	struct programs *ps;

	(void)unused;
	add_module(s, "so");
	add_servlet(s, "twice");
	add_servlet(s, "twice");
	ps = load(s);
	assert_non_null(ps);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ps->at[i].module->init(ps->at[i].handle, NULL), 0);
		ps->at[i].initialised = true;
	}
	programs_close(ps);
	assert_string_equal(getenv("CLEANED"), "1");
	programs_close(ps);
	assert_string_equal(getenv("CLEANED"), "1");
}

static void
an_option_of_a_library_is_a_mistake(void **unused)
{
	struct setting *s = setting_new();
	struct module_option option = { .name = "wsgi", .value = "app" };
	struct config_servlet *c;

	(void)unused;
	add_module(s, "so");
	c = add_servlet(s, "good");
	c->servlet.options = &option;
	c->servlet.option_count = 1;
	assert_null(load(s));
	assert_non_null(strstr(reports, "test.conf:10: "));
	assert_non_null(strstr(reports, "\"wsgi\""));
}

static void
forks_tell_the_runtimes(void **unused)
{
	struct setting *s = setting_new();
	struct programs *ps;
	int status;
	pid_t pid;

	(void)unused;
	add_module(s, "test_hooks");
	add_module(s, "test_fork");
	ps = load(s);
	assert_non_null(ps);
	pid = programs_fork(ps);
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(strcmp(getenv("HOOKS"), "BC") == 0 && getenv("OWN_FORK") != NULL ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(getenv("HOOKS"), "BP");
}

static void
two_runtimes_cannot_both_fork(void **unused)
{
	struct setting *s = setting_new();

	(void)unused;
	add_module(s, "test_fork");
	add_module(s, "test_fork2");
	assert_null(load(s));
	assert_non_null(strstr(reports, "test.conf:2: "));
	assert_non_null(strstr(reports, "together"));
}

static void
a_check_loads_everything_and_counts(void **unused)
{
	struct setting *s = setting_new();

	(void)unused;
	add_module(s, "test_worker");
	add_servlet(s, "good");
	add_module(s, "so");
	add_servlet(s, "norun");
	add_servlet(s, "variable");
	assert_int_equal(programs_check(&s->config, loading, report, reports), 2);
	assert_int_equal(report_count, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_load),
		cmocka_unit_test(every_failure_is_told_with_its_line),
		cmocka_unit_test(bad_modules),
		cmocka_unit_test(options_of_a_module),
		cmocka_unit_test(optional_ones_are_left_out),
		cmocka_unit_test(dispositions_survive_loading),
		cmocka_unit_test(what_belongs_in_a_worker_is_opened_there),
		cmocka_unit_test(work_goes_on_inside_what_is_open),
		cmocka_unit_test(what_belongs_in_a_worker_is_checked_before),
		cmocka_unit_test(a_crash_while_loading_has_a_name),
		cmocka_unit_test(no_value_of_loading_does_harm),
		cmocka_unit_test(one_file_on_two_routes_is_initialised_once),
		cmocka_unit_test(an_option_of_a_library_is_a_mistake),
		cmocka_unit_test(forks_tell_the_runtimes),
		cmocka_unit_test(two_runtimes_cannot_both_fork),
		cmocka_unit_test(a_check_loads_everything_and_counts),
	};

	return cmocka_run_group_tests(tests, link_so, remove_libraries);
}
