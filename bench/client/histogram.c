// SPDX-License-Identifier: BSD-3-Clause
/* Buckets of latencies. Below HISTOGRAM_STEPS each value has one; above, each power of two has as
 * many. */
#include "histogram.h"

static unsigned int bucket_of(uint64_t ns)
{
	if (ns < HISTOGRAM_STEPS)
		return (unsigned int)ns;
	unsigned int power = 63 - (unsigned int)__builtin_clzll(ns);
	unsigned int shift = power - HISTOGRAM_STEP_BITS;
	return (shift + 1) * HISTOGRAM_STEPS + (unsigned int)(ns >> shift) - HISTOGRAM_STEPS;
}

/* The middle of what the bucket holds. */
static uint64_t value_of(unsigned int bucket)
{
	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	unsigned int shift = bucket / HISTOGRAM_STEPS - 1;
	uint64_t low = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
	return low + ((1ull << shift) >> 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->count++;
	histogram->total_ns += ns;
	histogram->buckets[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->count += from->count;
	into->total_ns += from->total_ns;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t below = (uint64_t)((double)histogram->count * percent / 100), seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > below)
			return value_of(i);
	}
	return 0;
}
