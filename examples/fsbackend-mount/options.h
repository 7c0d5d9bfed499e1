/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of fsbackend-mount. Each setting has one name: a long option (--attr-timeout=2),
 * and, for fstab, an option of the -o list (attr_timeout=2, or attr-timeout=2).
 */
#ifndef FSBACKEND_MOUNT_OPTIONS_H
#define FSBACKEND_MOUNT_OPTIONS_H

#include <stdbool.h>

#include <fsbackend/fsbackend.h>

enum { MAX_ID_RANGES = 340 }; /* as many as a user namespace has */

/* A copy of an -o list, cut up: settings lead into it. */
struct option_list {
	struct option_list *next;
	char text[];
};

struct options {
	const char *source;
	const char *mountpoint;
	bool foreground;
	bool fake; /* mount -f: everything but the mount */
	bool debug;
	bool stats;
	const char *stats_file;
	struct fsb_passthrough_config tree;
	struct fsb_server_config server;
	struct fsb_device_config device;
	struct fsb_mount_config mount;
	struct fsb_id_range uid_map[MAX_ID_RANGES];
	struct fsb_id_range gid_map[MAX_ID_RANGES];
	struct option_list *lists;

	/* while parsing */
	bool helper;     /* called by mount(8) */
	bool sloppy;     /* mount -s: unknown options are ignored */
	int allow_other; /* -1: not said */
};

enum parsed { PARSED, PARSED_DONE, PARSED_WRONG };

/**
 * Read the command line.
 *
 * Return: PARSED; PARSED_DONE after --help and --version, which it has printed; PARSED_WRONG, and
 * then one line on stderr says why. Strings of the options lead into @argv, or are allocated and
 * live as long as the program.
 */
enum parsed options_parse(struct options *options, int argc, char *argv[]);

#endif
