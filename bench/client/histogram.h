/* SPDX-License-Identifier: BSD-3-Clause */
/* Latencies in buckets that are at most 3 % wide, so that millions of them take no memory to speak
 * of. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_STEP_BITS = 5,
	HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS, /* buckets of each power of two */
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS,
};

struct histogram {
	uint64_t count;
	uint64_t total_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

void histogram_merge(struct histogram *into, const struct histogram *from);

/** The latency below which @percent (0 to 100) of all lie, in ns; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
