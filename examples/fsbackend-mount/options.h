/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of fsbackend-mount. */
#ifndef FSBACKEND_MOUNT_OPTIONS_H
#define FSBACKEND_MOUNT_OPTIONS_H

#include <stdbool.h>

#include <fsbackend/fsbackend.h>

#include "../common/mount_options.h"
#include "../common/settings.h"
#include "../common/tree_options.h"

struct options {
	struct command command;
	const char *source;
	const char *mountpoint;
	bool debug;
	bool stats;
	const char *stats_file;
	struct tree_options tree;
	struct mount_options mount;
	struct fsb_device_config device;
};

/** Read the command line. Return: as command_parse(). */
enum parsed options_parse(struct options *options, int argc, char *argv[]);

#endif
