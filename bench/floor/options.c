// SPDX-License-Identifier: BSD-3-Clause
/* The command line of the null servers. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

static bool parse(int option, struct floor_options *options)
{
	switch (option) {
	case 'i':
		options->uring = !strcmp(optarg, "uring");
		return options->uring || !strcmp(optarg, "classic");
	case 's':
		options->spin_us = (unsigned int)strtoul(optarg, NULL, 10);
		return true;
	case 't':
		options->threads = (unsigned int)strtoul(optarg, NULL, 10);
		return options->threads > 0;
	default:
		return false;
	}
}

bool floor_options_parse(int argc, char *argv[], struct floor_options *options)
{
	static const struct option rows[] = {
		{ "io", required_argument, NULL, 'i' },
		{ "spin", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	bool right = true;
	int option;

	*options = (struct floor_options){ .spin_us = 50, .threads = 2 };
	while (right && (option = getopt_long(argc, argv, "", rows, NULL)) >= 0)
		right = parse(option, options);
	if (!right || argc - optind != 1) {
		fprintf(stderr,
			"Usage: %s [--io=classic|uring] [--spin=US] [--threads=N] MOUNTPOINT\n",
			argv[0]);
		return false;
	}
	options->mountpoint = argv[optind];
	return true;
}
