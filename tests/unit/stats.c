/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts and latencies of each opcode. */
#include "messages.h"

#include <pthread.h>
#include <time.h>

static int take_time(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		     const char *name)
{
	(void)fs;
	(void)ctx;
	(void)parent;
	if (strcmp(name, "slow") == 0)
		usleep(20000);
	return strcmp(name, "missing") == 0 ? -ENOENT : 0;
}

static void forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	(void)fs;
	(void)nodeid;
	(void)nlookup;
}

static const struct fsb_filesystem_ops ops = { .size = sizeof(ops),
					       .unlink = take_time,
					       .forget = forget };
static struct fsb_filesystem fake = { .ops = &ops };
static struct client *client;

static void set_up(void)
{
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = &fake;
	config.stats = true;
	client = client_ready(&config);
}

static void tear_down(void)
{
	client_free(client);
}

TestSuite(stats, .init = set_up, .fini = tear_down);

static void send_unlink(struct client *to, const char *name)
{
	struct bytes b;

	begin(&b, FUSE_UNLINK, 1);
	add_name(&b, name);
	seal(&b);
	client_send(to, &b);
}

static struct fsb_stats stats_of(uint32_t opcode)
{
	struct fsb_stats stats;

	cr_assert_eq(fsb_server_stats(client->server, opcode, &stats), 0);
	return stats;
}

static uint64_t sum_of_buckets(const struct fsb_stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < FSB_STATS_BUCKETS; i++)
		sum += stats->buckets[i];
	return sum;
}

Test(stats, requests_are_counted_by_opcode)
{
	for (int i = 0; i < 5; i++)
		send_unlink(client, "there");
	send_unlink(client, "missing");
	struct fsb_stats stats = stats_of(FUSE_UNLINK);
	cr_assert_eq(stats.count, 6);
	cr_assert_eq(stats.errors, 1);
	cr_assert_eq(sum_of_buckets(&stats), 6);
	cr_assert_geq(stats.total_ns, stats.max_ns);
	cr_assert_gt(stats.max_ns, 0);
	cr_assert_eq(stats_of(FUSE_RMDIR).count, 0);
	cr_assert_eq(stats_of(FUSE_INIT).count, 1);
}

Test(stats, requests_without_an_answer_are_counted)
{
	client_send_sample(client, FUSE_FORGET);
	cr_assert_eq(stats_of(FUSE_FORGET).count, 1);
	cr_assert_eq(stats_of(FUSE_FORGET).errors, 0);
}

Test(stats, malformed_requests_are_errors_and_unknown_ones_have_a_number_of_their_own)
{
	struct bytes b;

	sample(&b, FUSE_UNLINK);
	b.length--;
	seal(&b);
	client_send(client, &b);
	cr_assert_eq(stats_of(FUSE_UNLINK).errors, 1);
	begin(&b, 4711, 1);
	client_send(client, &b);
	begin(&b, 7, 1);
	client_send(client, &b);
	cr_assert_eq(stats_of(0).count, 2);
	cr_assert_eq(stats_of(0).errors, 2);
}

Test(stats, latency_is_the_operation_s)
{
	send_unlink(client, "slow");
	struct fsb_stats stats = stats_of(FUSE_UNLINK);
	cr_assert_geq(stats.total_ns, 20000000);
	cr_assert_eq(stats.max_ns, stats.total_ns);
	cr_assert_geq(fsb_stats_percentile(&stats, 50), 20000000);
	/* In no bucket that ends before. */
	for (size_t i = 0; (2ull << i) <= 20000000; i++)
		cr_assert_eq(stats.buckets[i], 0);
}

Test(stats, opcodes_that_do_not_exist_have_none)
{
	struct fsb_stats stats;

	cr_assert_eq(fsb_server_stats(client->server, 7, &stats), -ENOENT);
	cr_assert_eq(fsb_server_stats(client->server, 55, &stats), -ENOENT);
	cr_assert_eq(fsb_server_stats(client->server, UINT32_MAX, &stats), -ENOENT);
}

Test(stats, nothing_is_kept_unless_asked)
{
	struct fsb_server_config config;
	struct fsb_stats stats;

	fsb_server_config_init(&config);
	config.filesystem = &fake;
	struct client *other = client_ready(&config);
	cr_assert_eq(fsb_server_stats(other->server, FUSE_UNLINK, &stats), -ENODATA);
	client_free(other);
}

/* ---- Percentiles ---- */

Test(percentile, of_nothing_is_0)
{
	struct fsb_stats stats = { 0 };

	cr_assert_eq(fsb_stats_percentile(&stats, 50), 0);
}

Test(percentile, is_the_end_of_its_bucket)
{
	/* 90 requests of 1024 to 2047 ns, 9 of 1 to 2 us more, one of 1 ms. */
	struct fsb_stats stats = { .count = 100, .max_ns = 1000000 };

	stats.buckets[10] = 90;
	stats.buckets[11] = 9;
	stats.buckets[19] = 1;
	cr_assert_eq(fsb_stats_percentile(&stats, 0), 2048);
	cr_assert_eq(fsb_stats_percentile(&stats, 50), 2048);
	cr_assert_eq(fsb_stats_percentile(&stats, 90), 2048);
	cr_assert_eq(fsb_stats_percentile(&stats, 95), 4096);
	cr_assert_eq(fsb_stats_percentile(&stats, 99), 4096);
	cr_assert_eq(fsb_stats_percentile(&stats, 99.9), 1000000);
	cr_assert_eq(fsb_stats_percentile(&stats, 100), 1000000);
}

Test(percentile, is_never_above_the_longest)
{
	struct fsb_stats stats = { .count = 1, .max_ns = 1500 };

	stats.buckets[10] = 1;
	cr_assert_eq(fsb_stats_percentile(&stats, 50), 1500);
	stats = (struct fsb_stats){ .count = 1, .max_ns = 1ull << 40 };
	stats.buckets[FSB_STATS_BUCKETS - 1] = 1;
	cr_assert_eq(fsb_stats_percentile(&stats, 50), 1ull << 40);
}

/* ---- Threads ---- */

enum { THREADS = 4, EACH = 2000 };

static void *send_many(void *unused)
{
	struct client *mine = calloc(1, sizeof(*mine));

	(void)unused;
	mine->server = client->server;
	fsb_message_init(&mine->message, client_reply, mine);
	for (int i = 0; i < EACH; i++)
		send_unlink(mine, i % 4 ? "there" : "missing");
	fsb_message_clear(&mine->message);
	free(mine);
	return NULL;
}

Test(stats, no_count_is_lost_between_threads)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, send_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	struct fsb_stats stats = stats_of(FUSE_UNLINK);
	cr_assert_eq(stats.count, THREADS * EACH);
	cr_assert_eq(stats.errors, THREADS * EACH / 4);
	cr_assert_eq(sum_of_buckets(&stats), THREADS * EACH);
}
