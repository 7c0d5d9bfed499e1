// SPDX-License-Identifier: BSD-3-Clause
/* --stats: a table of counts and latencies by opcode. */
#include "stats.h"

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void print_row(struct fsb_server *server, FILE *out, uint32_t opcode, const char *name)
{
	struct fsb_stats stats;

	if (fsb_server_stats(server, opcode, &stats) < 0 || !stats.count)
		return;
	fprintf(out, "%-20s %10llu %8llu %10.1f %10.1f %10.1f %10.1f\n", name,
		(unsigned long long)stats.count, (unsigned long long)stats.errors,
		us(stats.total_ns / stats.count), us(fsb_stats_percentile(&stats, 50)),
		us(fsb_stats_percentile(&stats, 99)), us(stats.max_ns));
}

void stats_print(struct fsb_server *server, FILE *out)
{
	const struct fsb_opcode *op;

	fprintf(out, "%-20s %10s %8s %10s %10s %10s %10s\n", "operation", "count", "errors",
		"mean us", "p50 us", "p99 us", "max us");
	for (size_t i = 0; (op = fsb_opcode_at(i)); i++)
		print_row(server, out, op->number, op->name);
	print_row(server, out, 0, "(unknown)");
	fflush(out);
}
