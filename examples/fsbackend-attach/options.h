/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of fsbackend-attach. */
#ifndef FSBACKEND_ATTACH_OPTIONS_H
#define FSBACKEND_ATTACH_OPTIONS_H

#include <stdbool.h>

#include <fsbackend/fsbackend.h>

#include "../common/address.h"
#include "../common/mount_options.h"
#include "../common/settings.h"

/**
 * @exec:      a command to talk to instead of an address
 * @server:    how the server is called, for messages and as the mount's source
 * @no_groups: callers' supplementary groups are not looked up
 */
struct options {
	struct command command;
	const char *exec;
	struct address address;
	const char *server;
	const char *mountpoint;
	bool no_groups;
	struct mount_options mount;
	struct fsb_stream_forward_config forward;
};

/** Read the command line. Return: as command_parse(). */
enum parsed options_parse(struct options *options, int argc, char *argv[]);

#endif
