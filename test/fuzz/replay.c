/*
 * replay.c - runs a fuzz target over files instead of under libFuzzer: the
 * committed corpus is replayed by every `make test`, with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)	/* octets of a file that are looked at */

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");

		if (f == NULL) {
			perror(argv[i]);
			return 1;
		}
		/* Exactly as large as the input, so that ASan sees its end. */
		uint8_t *whole = malloc(INPUT_MAX);
		size_t size = whole == NULL ? 0 : fread(whole, 1, INPUT_MAX, f);
		uint8_t *data = malloc(size > 0 ? size : 1);

		for (size_t at = 0; data != NULL && at < size; at++)
			data[at] = whole[at];
		free(whole);
		fclose(f);
		if (data == NULL)
			return 1;
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%d inputs replayed\n", argc - 1);
	return 0;
}
