// SPDX-License-Identifier: BSD-3-Clause
/* Counts and latencies, an opcode each. Only kept when asked for: threads share the lines they lie
 * on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

struct counters {
	_Atomic uint64_t count;
	_Atomic uint64_t errors;
	_Atomic uint64_t total_ns;
	_Atomic uint64_t max_ns;
	_Atomic uint64_t buckets[FSB_STATS_BUCKETS];
};

/* Indexed by opcode; all unknown ones have number 0, which is no opcode's. */
struct server_stats {
	struct counters opcodes[OPCODE_LIMIT];
};

struct server_stats *stats_new(void)
{
	return calloc(1, sizeof(struct server_stats));
}

void stats_free(struct server_stats *stats)
{
	free(stats);
}

static size_t bucket_of(uint64_t ns)
{
	size_t bucket = ns > 1 ? 63u - (size_t)__builtin_clzll(ns) : 0;
	return bucket < FSB_STATS_BUCKETS ? bucket : FSB_STATS_BUCKETS - 1;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void stats_count(struct server_stats *stats, uint32_t opcode, bool failed, uint64_t ns)
{
	struct counters *counters = &stats->opcodes[opcode];
	uint64_t max = get(&counters->max_ns);

	add(&counters->count, 1);
	if (failed)
		add(&counters->errors, 1);
	add(&counters->total_ns, ns);
	add(&counters->buckets[bucket_of(ns)], 1);
	while (ns > max &&
	       !atomic_compare_exchange_weak_explicit(&counters->max_ns, &max, ns,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

int fsb_server_stats(struct fsb_server *server, uint32_t opcode, struct fsb_stats *stats)
{
	if (opcode != 0 && !opcode_row(opcode))
		return -ENOENT;
	if (!server->stats)
		return -ENODATA;

	const struct counters *counters = &server->stats->opcodes[opcode];
	stats->count = get(&counters->count);
	stats->errors = get(&counters->errors);
	stats->total_ns = get(&counters->total_ns);
	stats->max_ns = get(&counters->max_ns);
	for (size_t i = 0; i < FSB_STATS_BUCKETS; i++)
		stats->buckets[i] = get(&counters->buckets[i]);
	return 0;
}

uint64_t fsb_stats_percentile(const struct fsb_stats *stats, double percent)
{
	uint64_t total = 0;
	uint64_t below = 0;

	/* Not @count, which may be a moment older than the buckets. */
	for (size_t i = 0; i < FSB_STATS_BUCKETS; i++)
		total += stats->buckets[i];
	if (total == 0)
		return 0;
	for (size_t i = 0; i < FSB_STATS_BUCKETS - 1; i++) {
		below += stats->buckets[i];
		if ((double)below >= (double)total * percent / 100.0 && below > 0) {
			uint64_t edge = 2ull << i;
			return edge < stats->max_ns ? edge : stats->max_ns;
		}
	}
	return stats->max_ns;
}
