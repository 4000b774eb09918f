/*
 * backtrace.c - which functions have been entered and not left.
 *
 * The compiler's own unwinder is wherever there is a compiler; backtrace(3),
 * which calls it, is not in every libc.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unwind.h>

#include "backtrace.h"

#define FRAMES_MAX 64

struct walk {
	int fd;
	unsigned skipped, left;
};

/* "0x..." and its terminator. */
struct number {
	char text[2 + 2 * sizeof(uintptr_t) + 1];
};

static const char *
number_format(struct number *out, uintptr_t n)
{
	char *at = out->text + sizeof(out->text);

	*--at = '\0';
	do
		*--at = "0123456789abcdef"[n & 0xf];
	while ((n >>= 4) != 0);
	*--at = 'x';
	*--at = '0';
	return at;
}

/* One line, in one piece: others write to the log too. */
static void
line_write(int fd, const char *const *texts, int count)
{
	struct iovec pieces[10];
	ssize_t n;

	for (int i = 0; i < count; i++)
		pieces[i] = (struct iovec){ (void *)(uintptr_t)texts[i], strlen(texts[i]) };
	n = writev(fd, pieces, count);
	(void)n;
}

static _Unwind_Reason_Code
frame_write(struct _Unwind_Context *context, void *data)
{
	uintptr_t address = (uintptr_t)_Unwind_GetIP(context), from;
	struct walk *w = data;
	struct number offset, place;
	Dl_info info;

	if (address == 0 || w->left-- == 0)
		return _URC_END_OF_STACK;
	if (w->skipped > 0) {
		w->skipped--;
		return _URC_NO_REASON;
	}
	if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL) {
		line_write(w->fd, (const char *[]){ "[", number_format(&place, address), "]\n" }, 3);
		return _URC_NO_REASON;
	}
	/* A function that is not exported has no name here: an offset in the file. */
	from = (uintptr_t)(info.dli_sname != NULL ? info.dli_saddr : info.dli_fbase);
	line_write(w->fd, (const char *[]){ info.dli_fname, "(",
	    info.dli_sname != NULL ? info.dli_sname : "", "+", number_format(&offset, address - from),
	    ")[", number_format(&place, address), "]\n" }, 8);
	return _URC_NO_REASON;
}

void
backtrace_write(int fd, unsigned skipped)
{
	struct walk w = { .fd = fd, .skipped = skipped, .left = FRAMES_MAX };

	_Unwind_Backtrace(frame_write, &w);
}
