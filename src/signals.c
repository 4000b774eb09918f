/*
 * signals.c - signals as events of a loop.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "signals.h"

static volatile sig_atomic_t signals_noted[NSIG];
static int signals_pipe[2] = { -1, -1 };
static bool signals_caught[NSIG];

static void
signals_note(int signal_number)
{
	int saved = errno;

	signals_noted[signal_number] = 1;
	/* A full pipe wakes as well. */
	if (write(signals_pipe[1], "", 1) == -1)
		errno = saved;
	errno = saved;
}

static void
signals_nothing(int signal_number)
{
	(void)signal_number;
}

static void
signals_close(void)
{
	for (int i = 0; i < 2; i++) {
		if (signals_pipe[i] != -1)
			close(signals_pipe[i]);
		signals_pipe[i] = -1;
	}
}

static void
signals_set(int signal_number, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	/* On the alternate stack, for a thread may have a small one (Go's have). */
	action.sa_flags = SA_RESTART | SA_ONSTACK;
	sigemptyset(&action.sa_mask);
	sigaction(signal_number, &action, NULL);
}

int
signals_open(const int *signals, size_t count)
{
	signals_close();
	memset((void *)(uintptr_t)signals_noted, 0, sizeof(signals_noted));
	memset(signals_caught, 0, sizeof(signals_caught));
	if (pipe(signals_pipe) == -1)
		return -1;
	for (int i = 0; i < 2; i++)
		if (descriptor_prepare(signals_pipe[i]) == -1)
			return -1;
	for (size_t i = 0; i < count; i++)
		signals_set(signals[i], signals_note);
	for (size_t i = 0; i < count; i++)
		signals_caught[signals[i]] = true;
	return 0;
}

int
signals_fd(void)
{
	return signals_pipe[0];
}

void
signals_drain(void)
{
	char octets[64];

	while (read(signals_pipe[0], octets, sizeof(octets)) == (ssize_t)sizeof(octets))
		;
}

bool
signals_taken(int signal_number)
{
	bool noted = signals_noted[signal_number] != 0;

	signals_noted[signal_number] = 0;
	return noted;
}

/* PIPE and XFSZ are errors of a write, which says so itself. */
static const int signals_harmless[] = { SIGPIPE, SIGXFSZ, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1 };

#define HARMLESS_COUNT (sizeof(signals_harmless) / sizeof(signals_harmless[0]))

void
signals_child(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);	/* fails for KILL and STOP, and need not work there */
	for (size_t i = 0; i < HARMLESS_COUNT; i++)
		signals_set(signals_harmless[i], signals_nothing);
	signals_close();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
signals_forked(void)
{
	struct sigaction action;

	/* All but PIPE, which comes first: programs handle EPIPE. */
	for (size_t i = 1; i < HARMLESS_COUNT; i++)
		if (sigaction(signals_harmless[i], NULL, &action) == 0 &&
		    action.sa_handler == signals_nothing)
			signal(signals_harmless[i], SIG_DFL);
}

void
signals_leave(void)
{
	for (int i = 1; i < NSIG; i++)
		if (signals_caught[i])
			signals_set(i, SIG_DFL);
	signals_close();
}

const char *
signals_name(int signal_number)
{
#define NAME(signal) [signal] = #signal
	static const char *const names[NSIG] = {
		NAME(SIGABRT), NAME(SIGALRM), NAME(SIGBUS), NAME(SIGCHLD), NAME(SIGCONT),
		NAME(SIGFPE), NAME(SIGHUP), NAME(SIGILL), NAME(SIGINT), NAME(SIGKILL),
		NAME(SIGPIPE), NAME(SIGPROF), NAME(SIGQUIT), NAME(SIGSEGV), NAME(SIGSTOP),
		NAME(SIGSYS), NAME(SIGTERM), NAME(SIGTRAP), NAME(SIGTSTP), NAME(SIGTTIN),
		NAME(SIGTTOU), NAME(SIGURG), NAME(SIGUSR1), NAME(SIGUSR2), NAME(SIGVTALRM),
		NAME(SIGXCPU), NAME(SIGXFSZ),
	};
#undef NAME

	return signal_number > 0 && signal_number < NSIG ? names[signal_number] : NULL;
}

void
signals_save(struct signals_saved *s)
{
	for (int i = 1; i < NSIG; i++)
		s->known[i] = sigaction(i, NULL, &s->action[i]) == 0;
	sigprocmask(SIG_SETMASK, NULL, &s->mask);
}

/* Whether runtimes signal their own threads with it, and nobody else uses it:
 * Ruby with VTALRM, libgc (Guile) with PWR and XCPU, D's with real-time ones. */
static bool
signals_of_runtimes(int signal_number)
{
#ifdef SIGPWR
	if (signal_number == SIGPWR)
		return true;
#endif
#ifdef SIGRTMIN
	if (signal_number >= SIGRTMIN)
		return true;
#endif
	return signal_number == SIGVTALRM || signal_number == SIGXCPU;
}

void
signals_restore(const struct signals_saved *s, bool keep_faults)
{
	for (int i = 1; i < NSIG; i++) {
		if (!s->known[i] || i == SIGKILL || i == SIGSTOP || signals_of_runtimes(i))
			continue;
		if (keep_faults &&
		    (i == SIGSEGV || i == SIGBUS || i == SIGFPE || i == SIGURG))
			continue;
		sigaction(i, &s->action[i], NULL);
	}
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}
