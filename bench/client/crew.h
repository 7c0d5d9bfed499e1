/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads that do an operation over and over, each as its caller and in its directory, and what
 * that took. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "caller.h"
#include "histogram.h"
#include "operation.h"

enum { CREW_MAX_THREADS = 64, CREW_MAX_CALLERS = 8 };

/**
 * @dir:       where: each thread gets a directory in it
 * @seconds:   for how long steps are timed
 * @callers:   who the threads are, in turn; none: whoever runs this
 * @alternate: each thread is all of them, in turn, another at each step. Becoming another is not
 * timed
 * @evict:     see struct place
 */
struct crew_config {
	const struct operation *operation;
	const char *dir;
	unsigned int threads;
	double seconds;
	struct caller callers[CREW_MAX_CALLERS];
	unsigned int ncallers;
	bool alternate;
	bool evict;
};

/**
 * @rate:        steps a second, of all threads together
 * @thread_rate: of each
 * @latency:     of all
 */
struct crew_result {
	double rate;
	double thread_rate[CREW_MAX_THREADS];
	struct histogram latency;
};

/** Return: 0; a negative errno of the first thing that went wrong: a result that holds failures is
 * none. */
int crew_run(const struct crew_config *config, struct crew_result *result);

#endif
