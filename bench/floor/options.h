/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line that both null servers have: [--io=classic|uring] [--spin=US] [--threads=N]
 * MOUNTPOINT */
#ifndef BENCH_FLOOR_OPTIONS_H
#define BENCH_FLOOR_OPTIONS_H

#include <stdbool.h>

/**
 * @spin_us: how long to look for the next request before sleeping
 * @threads: that read the device; by io_uring there is one a core
 */
struct floor_options {
	bool uring;
	unsigned int spin_us;
	unsigned int threads;
	const char *mountpoint;
};

/** Return: whether the command line is right; if not, it has said so. */
bool floor_options_parse(int argc, char *argv[], struct floor_options *options);

#endif
