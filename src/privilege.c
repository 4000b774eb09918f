/*
 * privilege.c - from root to the configured user.
 */
#include <sys/types.h>

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "privilege.h"

static int
privilege_verify(const struct config *c)
{
#ifdef __linux__
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (getresuid(&ru, &eu, &su) == -1 || getresgid(&rg, &eg, &sg) == -1)
		return -1;
	if (ru != c->uid || eu != c->uid || su != c->uid ||
	    rg != c->gid || eg != c->gid || sg != c->gid) {
		errno = EPERM;
		return -1;
	}
#endif
	if (getuid() != c->uid || geteuid() != c->uid || getgid() != c->gid ||
	    getegid() != c->gid || (c->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

int
privilege_drop(const struct config *c, char *error, size_t error_size)
{
	const char *what;

	if (!c->has_user)
		return 0;
	if (geteuid() != 0) {
		if (geteuid() != c->uid)
			log_warning("user \"%s\" has no effect: the server was not started by root",
			    c->user_name);
		return 0;
	}
	what = "initgroups";
	if (initgroups(c->user_name, c->gid) == -1)
		goto fail;
	what = "setgid";
	if (setgid(c->gid) == -1)
		goto fail;
	what = "setuid";
	if (setuid(c->uid) == -1)
		goto fail;
	what = "verifying";
	if (privilege_verify(c) == -1)
		goto fail;
	return 0;

fail:
	snprintf(error, error_size, "cannot become user \"%s\": %s: %s", c->user_name,
	    what, strerror(errno));
	return -1;
}
