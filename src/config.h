/*
 * config.h - the configuration, as one constant structure.
 *
 * config.lua (embedded into the binary) defines the vocabulary and returns
 * plain data; config.c and its parts alone know Lua and turn that into this structure.
 * Everything in it belongs to the struct config and lives until config_free().
 * Nothing in it is changed after config_load() has returned.
 *
 * Paths are absolute: what the file says is relative to its own directory.
 * Durations are milliseconds, 0 meaning "none" where INTERFACES says so.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../module/module.h"
#include "file_list.h"

/* Where something was written, for messages: "config.conf:12". */
struct config_place {
	const char *file;
	int line;
};

/* A file that the server writes. */
struct config_path {
	struct config_place place;
	const char *path;	/* NULL: none */
};

enum listen_family { LISTEN_INET, LISTEN_INET6, LISTEN_UNIX };

struct config_listen {
	struct config_place place;
	const char *text;	/* as written: "[::1]:8080" */
	enum listen_family family;
	const char *host;	/* "0.0.0.0", "::1", or the unix socket's absolute path */
	uint16_t port;
	int backlog;
	bool proxy_protocol;
};

/* Addresses that share their first prefix bits; of LISTEN_UNIX there is one. */
struct config_network {
	enum listen_family family;
	unsigned char address[16];	/* as inet_pton(3) makes them */
	unsigned prefix;
};

struct config_module {
	struct config_place place;
	const char *name;	/* "lua", whichever way it was written */
	const char **extensions;	/* without the leading dot: "lua", "go.so" */
	size_t extension_count;
	bool optional;
	struct module_option *options;
	size_t option_count;
};

struct config_servlet {
	struct config_place place;
	const char *text;	/* as written: "examples/c/hello.so" */
	const char *route;	/* "/examples/c/hello.so", "/", "/shop" "/" "*" */
	const char *description;	/* "" when none */
	size_t module;		/* index into modules */
	bool optional;
	uint32_t timeout_ms;	/* timeouts.request of this servlet */
	const char *methods;	/* "GET, HEAD": no others are answered; NULL: all are */
	struct module_servlet servlet;	/* what the module is told */
};

/* What limits.head may be at most, as config.lua has it. */
#define CONFIG_HEAD_MAX (1u << 20)

struct config_limits {
	size_t head_bytes;	/* request line and fields, 32K */
	size_t headers;		/* number of fields, 100 */
	int64_t body_bytes;	/* 64M */
};

struct config_timeouts {	/* ms; 0 = none */
	uint32_t head, body, keepalive, write, queue, request, drain;
};

struct config_workers {
	unsigned min, max;
	uint32_t idle_timeout_ms;
	uint64_t max_requests;	/* 0 = no limit */
	uint64_t patience_ns;
};

struct config {
	const char *file;	/* absolute */
	const char *directory;	/* of file */
	struct config_listen *listens;
	size_t listen_count;	/* at least 1: the default has line 0 */
	struct config_listen *metrics;
	size_t metrics_count;	/* 0: off (the default), or 1 */
	struct config_network *trusted_proxies;
	size_t trusted_proxy_count;
	struct config_module *modules;
	size_t module_count;
	struct config_servlet *servlets;
	size_t servlet_count;
	struct config_workers workers;
	struct config_timeouts timeouts;
	struct config_limits limits;
	bool has_user;
	const char *user_name, *group_name;	/* group_name NULL: the user's groups */
	uid_t uid;
	gid_t gid;
	struct config_path access_log;	/* none: off (the default) */
	bool access_extended;	/* its lines: access_log.h */
	struct config_path error_log;	/* none: stderr (the default) */
	struct config_path pidfile;
	bool reload;		/* reload "on" */
	bool debug;		/* debug "on" */
	const char **files;	/* every configuration file read, for reload */
	size_t file_count;
	void *memory;		/* config.c's own */
};

/* Reads the file and all it includes.  Returns NULL if there was a mistake;
 * then *errors is a malloc'ed text of one or more lines
 * "FILE:LINE: what is wrong, what is expected", each ended by a newline,
 * all mistakes of one run, and the files that were read or missed are added to
 * `files`, which may be NULL: one of them is where to mend.  Bounded in time and
 * memory whatever the file holds. */
struct config *config_load(const char *path, char **errors, struct file_list *files);

void config_free(struct config *config);

#endif
