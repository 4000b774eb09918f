/*
 * file.c - sends a file, and does not send it again to who has it.
 *
 * The file is this servlet's own source, beside the library.  It is a fixed
 * one: a servlet that opens what the client names serves /etc/shadow next.
 *
 *	curl -i localhost:8080/examples/c/file.so
 *	curl -i -H 'If-None-Match: "ETAG OF THE FIRST"' localhost:8080/examples/c/file.so
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE	/* dladdr() */
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "modserver.h"

static char path[PATH_MAX];	/* .../file.c, found once per process */

int
init(servlet *s)
{
	Dl_info library;
	int length;

	if (dladdr(path, &library) == 0) {
		rlog(s, "file: cannot find out where this library lies");
		return -1;
	}
	length = (int)strlen(library.dli_fname) - (int)strlen(".so");
	snprintf(path, sizeof path, "%.*s.c", length, library.dli_fname);
	return 0;
}

/* Whether the client's copy is the current one (RFC 9110, 13.2.2).  strstr,
 * as the field may list several tags; the quotes belong to the tag. */
static int
is_current(servlet *s, const char *etag, const char *modified)
{
	const char *tags = get_header(s, "If-None-Match");
	const char *since = get_header(s, "If-Modified-Since");

	if (tags != NULL)
		return strcmp(tags, "*") == 0 || strstr(tags, etag) != NULL;
	return since != NULL && strcmp(since, modified) == 0;
}

int
run(servlet *s)
{
	struct stat st;
	struct tm utc;
	char etag[64], modified[64];
	int fd, result = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		rlog(s, "%s: %s", path, strerror(errno));
		set_status(s, 404);
		rprintf(s, "The source of this servlet is not here.\n");
		return 0;
	}
	if (fstat(fd, &st) == -1) {
		close(fd);
		return -1;
	}
	snprintf(etag, sizeof etag, "\"%llx-%llx\"", (unsigned long long)st.st_mtime,
	    (unsigned long long)st.st_size);
	strftime(modified, sizeof modified, "%a, %d %b %Y %H:%M:%S GMT",
	    gmtime_r(&st.st_mtime, &utc));
	set_header(s, "ETag", etag);
	set_header(s, "Last-Modified", modified);
	set_header(s, "Cache-Control", "no-cache");	/* keep it, but ask each time */

	if (is_current(s, etag, modified)) {
		set_status(s, 304);
	} else {
		set_header(s, "Content-Type", "text/plain; charset=UTF-8");
		if (rsendfile(s, fd, 0, -1) == -1) {
			rlog(s, "%s: %s", path, strerror(errno));
			result = -1;
		}
	}
	close(fd);
	return result;
}
