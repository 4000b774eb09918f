/*
 * Any octets as a request target: its parts lie within it, and a decoded path
 * begins with "/", has no NUL and no dot segment, and is found the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
claim(bool holds)
{
	if (!holds)
		abort();
}

static void
check_path(const char *raw, size_t length)
{
	char *path = malloc(length + 2), *form = malloc(length + 1), *again;
	long n = target_decode_path(raw, length, path);

	claim(target_decode_form(raw, length, form) <= length);
	free(form);
	if (n != -1) {
		claim(n >= 1 && (size_t)n <= length + 1 && path[0] == '/');
		claim(strlen(path) == (size_t)n);
		claim(strstr(path, "/../") == NULL && strstr(path, "/./") == NULL);
		claim(n < 3 || strcmp(path + n - 3, "/..") != 0);
		claim(n < 2 || strcmp(path + n - 2, "/.") != 0);
		if (strchr(path, '%') == NULL) {
			again = malloc((size_t)n + 2);
			claim(target_decode_path(path, (size_t)n, again) == n);
			claim(strcmp(path, again) == 0);
			free(again);
		}
	}
	free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = { "GET", "OPTIONS", "CONNECT" };
	const char *text = (const char *)data;
	struct target t;
	int status;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		status = target_split(text, size, methods[i], strlen(methods[i]), &t);
		claim(status == 0 || status == 400 || status == 501);
		if (status != 0)
			continue;
		claim(t.path + t.path_length <= size && t.query + t.query_length <= size);
		claim(t.authority + t.authority_length <= size);
		claim(t.absolute == (t.authority_length > 0));
		claim(t.path_length > 0 || t.asterisk);
		claim(t.path_length == 0 || text[t.path] == '/');
		claim(memchr(text + t.path, '?', t.path_length) == NULL);
		claim(!t.absolute ||
		    target_is_authority(text + t.authority, t.authority_length));
		check_path(text + t.path, t.path_length);
	}
	check_path(text, size);
	(void)target_is_authority(text, size);
	return 0;
}
