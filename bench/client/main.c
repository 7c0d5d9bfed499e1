// SPDX-License-Identifier: BSD-3-Clause
/*
 * The measuring client: does one thing on some directory, which it knows nothing about, and prints
 * what came of it as a line of JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crew.h"
#include "tree.h"

static void usage(FILE *out)
{
	fprintf(out,
		"Usage: bench-client [OPTION]... OPERATION DIR\n"
		"       bench-client maketree DIR FILES\n"
		"       bench-client walktree DIR\n"
		"\n"
		"  --threads=N              how many do it at once, 1 to 64 (default 1)\n"
		"  --seconds=S              for how long (default 1)\n"
		"  --user=UID:GID:NGROUPS   as a user with so many supplementary groups; may be\n"
		"                           repeated: threads take them in turn\n"
		"  --alternate              each thread is another of these users at each step\n"
		"  --evict                  read4k: drop what was read from this side's cache\n"
		"\n"
		"Operations:\n");
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "bench-client: %s: %s\n", what, strerror(-err));
	return 1;
}

static void print_result(const struct crew_config *config, const struct crew_result *result)
{
	const struct histogram *latency = &result->latency;

	printf("{\"op\": \"%s\", \"threads\": %u, \"count\": %llu, \"rate\": %.1f, \"mean_ns\": "
	       "%.0f, "
	       "\"p50_ns\": %llu, \"p90_ns\": %llu, \"p99_ns\": %llu, \"thread_rates\": [",
	       config->operation->name, config->threads, (unsigned long long)latency->count,
	       result->rate, (double)latency->total_ns / (double)latency->count,
	       (unsigned long long)histogram_percentile(latency, 50),
	       (unsigned long long)histogram_percentile(latency, 90),
	       (unsigned long long)histogram_percentile(latency, 99));
	for (unsigned int i = 0; i < config->threads; i++)
		printf("%s%.1f", i ? ", " : "", result->thread_rate[i]);
	printf("]}\n");
}

static int measure(const struct crew_config *config)
{
	static struct crew_result result;
	int err = crew_run(config, &result);

	if (err)
		return fail(config->operation->name, err);
	print_result(config, &result);
	return 0;
}

static int make_tree(const char *dir, const char *files)
{
	int err = tree_make(dir, strtoull(files, NULL, 10));

	return err ? fail(dir, err) : 0;
}

static int walk_tree(const char *dir)
{
	struct timespec begin, end;
	uint64_t entries;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	int err = tree_walk(dir, &entries);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (err)
		return fail(dir, err);
	double seconds =
		(double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	printf("{\"op\": \"walktree\", \"threads\": 1, \"count\": %llu, \"rate\": %.1f, "
	       "\"mean_ns\": %.1f}\n",
	       (unsigned long long)entries, (double)entries / seconds,
	       seconds * 1e9 / (double)entries);
	return 0;
}

static bool parse_option(int option, struct crew_config *config)
{
	switch (option) {
	case 't':
		config->threads = (unsigned int)strtoul(optarg, NULL, 10);
		return config->threads >= 1 && config->threads <= CREW_MAX_THREADS;
	case 's':
		config->seconds = strtod(optarg, NULL);
		return config->seconds > 0;
	case 'u':
		return config->ncallers < CREW_MAX_CALLERS &&
		       caller_parse(optarg, &config->callers[config->ncallers++]) == 0;
	case 'a':
		config->alternate = true;
		return true;
	case 'e':
		config->evict = true;
		return true;
	default:
		return false;
	}
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "alternate", no_argument, NULL, 'a' },
		{ "evict", no_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct crew_config config = { .threads = 1, .seconds = 1 };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'h') {
			usage(stdout);
			operation_print_all();
			return 0;
		}
		if (!parse_option(option, &config)) {
			usage(stderr);
			return 2;
		}
	}
	argv += optind;
	argc -= optind;
	if (argc == 3 && !strcmp(argv[0], "maketree"))
		return make_tree(argv[1], argv[2]);
	if (argc == 2 && !strcmp(argv[0], "walktree"))
		return walk_tree(argv[1]);
	config.operation = argc == 2 ? operation_find(argv[0]) : NULL;
	if (!config.operation) {
		usage(stderr);
		return 2;
	}
	config.dir = argv[1];
	return measure(&config);
}
