// SPDX-License-Identifier: BSD-3-Clause
/*
 * The inode table: lookup counts, nodeids, and the bounded number of descriptors, by one thread and
 * by many at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(inode, .timeout = 300);

static struct fixture f;

static void set_up(void)
{
	fixture_make(&f);
	fixture_start(&f);
}

static void tear_down(void)
{
	fixture_end(&f);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

static int getattr(uint64_t nodeid, struct fsb_attr *attr)
{
	uint64_t timeout;

	return OP(getattr, nodeid, NULL, attr, &timeout);
}

static bool is_known(uint64_t nodeid)
{
	struct fsb_attr attr;
	int err = getattr(nodeid, &attr);

	cr_assert(err == 0 || err == -ESTALE, "%d", err);
	return err == 0;
}

static struct fsb_usage usage(void)
{
	struct fsb_usage usage;

	fsb_passthrough_usage(f.fs, &usage);
	return usage;
}

/* Files whose size tells which one it is. */
static void make_files(unsigned int count)
{
	char name[32];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		int fd = (int)must(openat(f.host, name, O_CREAT | O_WRONLY, 0666));
		must(ftruncate(fd, i));
		close(fd);
	}
}

static int lookup_file(unsigned int number, struct fsb_entry *entry)
{
	char name[32];

	snprintf(name, sizeof(name), "file%u", number);
	return OP(lookup, FSB_ROOT_NODEID, name, entry);
}

/* ---- One thread ---- */

Test(inode, every_lookup_counts_once, .init = set_up, .fini = tear_down)
{
	make_files(1);
	uint64_t nodeid = nodeid_of(&f, "file0");
	cr_expect_eq(nodeid_of(&f, "file0"), nodeid);
	cr_expect_eq(nodeid_of(&f, "file0"), nodeid);
	cr_expect_eq(usage().lookups, 3);
	f.fs->ops->forget(f.fs, nodeid, 2);
	cr_expect(is_known(nodeid));
	f.fs->ops->forget(f.fs, nodeid, 1);
	cr_expect_not(is_known(nodeid));
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().lookups, 0);
}

Test(inode, a_failed_lookup_counts_nothing, .init = set_up, .fini = tear_down)
{
	struct fsb_entry entry;

	must_be(OP(lookup, FSB_ROOT_NODEID, "nothing", &entry), -ENOENT);
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().lookups, 0);
}

Test(inode, nodeids_are_never_used_again, .init = set_up, .fini = tear_down)
{
	make_files(1);
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		uint64_t nodeid = nodeid_of(&f, "file0");
		cr_assert_neq(nodeid, last);
		f.fs->ops->forget(f.fs, nodeid, 1);
		cr_assert_not(is_known(nodeid));
		last = nodeid;
	}
}

Test(inode, hard_links_are_one_inode, .init = set_up, .fini = tear_down)
{
	make_files(1);
	must(linkat(f.host, "file0", f.host, "link", 0));
	uint64_t nodeid = nodeid_of(&f, "file0");
	cr_expect_eq(nodeid_of(&f, "link"), nodeid);
	must(unlinkat(f.host, "file0", 0));
	cr_expect(is_known(nodeid));
}

Test(inode, a_number_that_the_host_uses_again_is_another_inode, .init = set_up, .fini = tear_down)
{
	struct stat first, second;

	host_file(&f, "old", 0666, "", 0);
	must(fstatat(f.host, "old", &first, 0));
	uint64_t nodeid = nodeid_of(&f, "old");
	/*
	 * Nobody knows of it but the client: removed on the host, the number is free unless a
	 * descriptor holds it.
	 */
	must(unlinkat(f.host, "old", 0));
	for (int i = 0; i < 50; i++) {
		host_file(&f, "new", 0666, "", 0);
		must(fstatat(f.host, "new", &second, 0));
		cr_assert_neq(nodeid_of(&f, "new"), nodeid);
		must(unlinkat(f.host, "new", 0));
	}
}

Test(inode, an_unlinked_inode_stays_as_long_as_it_is_known, .init = set_up, .fini = tear_down)
{
	struct fsb_attr attr;

	make_files(300);
	uint64_t nodeid = nodeid_of(&f, "file7");
	must_be(OP(unlink, FSB_ROOT_NODEID, "file7"), 0);
	for (unsigned int i = 10; i < 300; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
	}
	must_be(getattr(nodeid, &attr), 0);
	cr_expect_eq(attr.size, 7);
	cr_expect_eq(attr.nlink, 0);
	f.fs->ops->forget(f.fs, nodeid, 1);
	cr_expect_not(is_known(nodeid));
}

Test(inode, a_handle_outlasts_the_forget, .init = set_up, .fini = tear_down)
{
	char bytes[8] = "";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct fsb_transfer to;

	host_file(&f, "file", 0666, "bytes", 5);
	uint64_t nodeid = nodeid_of(&f, "file");
	uint64_t fh = open_node(&f, nodeid, O_RDONLY);
	f.fs->ops->forget(f.fs, nodeid, 1);
	fsb_transfer_init(&to, &iov, 1, sizeof(bytes));
	must_be(OP(read, nodeid, fh, 0, sizeof(bytes), 0, 0, &to), 5);
	cr_expect_str_eq(bytes, "bytes");
	close_file(&f, fh);
	cr_expect_eq(usage().handles, 0);
}

Test(inode, destroy_forgets_everything, .init = set_up, .fini = tear_down)
{
	make_files(100);
	for (unsigned int i = 0; i < 100; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
	}
	cr_expect_eq(usage().inodes, 101);
	f.fs->ops->destroy(f.fs);
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().lookups, 0);
	cr_expect_eq(usage().inode_fds, 1);
}

/* ---- The budget ---- */

static void start_with_budget(unsigned int max_fds)
{
	if (geteuid() != 0)
		cr_skip_test("needs root: only root opens by file handle");
	fixture_make(&f);
	f.config.max_fds = max_fds;
	fixture_start(&f);
}

Test(inode, many_inodes_hold_few_descriptors)
{
	enum { COUNT = 5000, BUDGET = 64 };
	static uint64_t nodeids[COUNT];

	start_with_budget(BUDGET);
	make_files(COUNT);
	unsigned int before = open_descriptors();
	for (unsigned int i = 0; i < COUNT; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
		nodeids[i] = entry.nodeid;
	}
	cr_expect_eq(usage().inodes, COUNT + 1);
	cr_expect_leq(usage().inode_fds, BUDGET);
	cr_expect_leq(open_descriptors(), before + BUDGET);
	for (unsigned int i = 0; i < COUNT; i++) {
		struct fsb_attr attr;
		must_be(getattr(nodeids[(i * 7919) % COUNT], &attr), 0);
		cr_assert_eq(attr.size, (i * 7919) % COUNT);
	}
	cr_expect_leq(usage().inode_fds, BUDGET);
	fixture_end(&f);
}

Test(inode, a_removed_file_is_stale_when_nothing_held_it)
{
	struct fsb_attr attr;

	start_with_budget(16);
	make_files(500);
	uint64_t nodeid = nodeid_of(&f, "file0");
	for (unsigned int i = 1; i < 500; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
	}
	/* On the host, behind the passthrough's back. */
	must(unlinkat(f.host, "file0", 0));
	int err = getattr(nodeid, &attr);
	cr_expect(err == -ESTALE || (err == 0 && attr.nlink == 0), "%d", err);
	fixture_end(&f);
}

Test(inode, a_full_descriptor_table_is_healed_from_the_cache)
{
	enum { COUNT = 400 };
	struct rlimit limit = { .rlim_cur = 120, .rlim_max = 20000 };

	start_with_budget(100000);
	make_files(COUNT);
	must(setrlimit(RLIMIT_NOFILE, &limit));
	for (unsigned int i = 0; i < COUNT; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
		uint64_t fh = open_node(&f, entry.nodeid, O_RDONLY);
		close_file(&f, fh);
	}
	cr_expect_eq(usage().inodes, COUNT + 1);
	fixture_end(&f);
}

/* ---- Many threads ---- */

enum { THREADS = 8 };

struct worker {
	pthread_t thread;
	unsigned int number;
	unsigned int seed;
	unsigned int rounds;
	unsigned int files;
	unsigned int wrong;
	int err;
};

static void note(struct worker *worker, int err)
{
	if (!worker->err)
		worker->err = err ? err : 1;
	worker->wrong++;
}

static void run_workers(void *(*body)(void *arg), unsigned int rounds, unsigned int files)
{
	struct worker workers[THREADS];

	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			.number = i, .seed = i + 1, .rounds = rounds, .files = files
		};
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		cr_expect_eq(workers[i].wrong, 0, "thread %u: %u times, first %d", i,
			     workers[i].wrong, workers[i].err);
	}
}

static void *look_up_and_forget(void *arg)
{
	struct worker *worker = arg;

	for (unsigned int i = 0; i < worker->rounds; i++) {
		unsigned int number = (unsigned int)rand_r(&worker->seed) % worker->files;
		struct fsb_entry entry;
		struct fsb_attr attr;
		int err = lookup_file(number, &entry);
		if (err || entry.attr.size != number) {
			note(worker, err);
			continue;
		}
		/* This thread's count holds the inode, whatever the others forget. */
		err = getattr(entry.nodeid, &attr);
		if (err || attr.size != number || attr.ino != entry.attr.ino)
			note(worker, err);
		f.fs->ops->forget(f.fs, entry.nodeid, 1);
	}
	return NULL;
}

Test(inode, a_lookup_holds_its_inode_against_racing_forgets, .init = set_up, .fini = tear_down)
{
	make_files(3);
	run_workers(look_up_and_forget, 4000, 3);
	cr_expect_eq(usage().lookups, 0);
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().inode_fds, 1);
}

Test(inode, racing_forgets_and_evictions_agree)
{
	start_with_budget(1);
	make_files(200);
	run_workers(look_up_and_forget, 3000, 200);
	cr_expect_eq(usage().lookups, 0);
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().inode_fds, 1);
	fixture_end(&f);
}

enum { KNOWN = 300 };
static uint64_t known[KNOWN];

static void *use_known(void *arg)
{
	struct worker *worker = arg;

	for (unsigned int i = 0; i < worker->rounds; i++) {
		unsigned int number = (unsigned int)rand_r(&worker->seed) % KNOWN;
		struct fsb_attr attr;
		struct fsb_open opened;
		int err = getattr(known[number], &attr);
		if (err || attr.size != number)
			note(worker, err);
		if (i % 4 != 0)
			continue;
		err = OP(open, known[number], O_RDONLY, false, &opened);
		if (err) {
			note(worker, err);
			continue;
		}
		err = OP(getattr, known[number], &opened.fh, &attr, &(uint64_t){ 0 });
		if (err || attr.size != number)
			note(worker, err);
		err = OP(release, known[number], opened.fh, O_RDONLY, false, 0);
		if (err)
			note(worker, err);
	}
	return NULL;
}

Test(inode, threads_use_more_inodes_than_there_are_descriptors)
{
	start_with_budget(1);
	make_files(KNOWN);
	for (unsigned int i = 0; i < KNOWN; i++) {
		struct fsb_entry entry;
		must_be(lookup_file(i, &entry), 0);
		known[i] = entry.nodeid;
	}
	run_workers(use_known, 1500, 0);
	/* The root's, and what was in use when it was to be closed. */
	cr_expect_leq(usage().inode_fds, 1 + THREADS);
	cr_expect_eq(usage().lookups, KNOWN);
	fixture_end(&f);
}

static atomic_uint_fast64_t seen[65536];

/* Each nodeid that was ever given out is entered once. Return: whether it was there already. */
static bool seen_before(uint64_t nodeid)
{
	for (uint64_t at = nodeid * 0x9e3779b97f4a7c15u >> 48;; at = (at + 1) % 65536) {
		uint_fast64_t there = 0;
		if (atomic_compare_exchange_strong(&seen[at], &there, nodeid))
			return false;
		if (there == nodeid)
			return true;
	}
}

static void *make_and_remove(void *arg)
{
	struct worker *worker = arg;
	const struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	char name[32];

	for (unsigned int i = 0; i < worker->rounds; i++) {
		struct fsb_entry entry, again;
		struct fsb_open opened;
		snprintf(name, sizeof(name), "own%u-%u", worker->number, i % 3);
		int err = OP(create, FSB_ROOT_NODEID, name, &how, &entry, &opened);
		if (err) {
			note(worker, err);
			continue;
		}
		if (seen_before(entry.nodeid))
			note(worker, 0);
		err = OP(lookup, FSB_ROOT_NODEID, name, &again);
		if (err || again.nodeid != entry.nodeid)
			note(worker, err);
		err = OP(unlink, FSB_ROOT_NODEID, name);
		if (err)
			note(worker, err);
		struct fsb_attr attr;
		err = getattr(entry.nodeid, &attr);
		if (err || attr.nlink != 0)
			note(worker, err);
		f.fs->ops->forget(f.fs, entry.nodeid, 2);
		err = OP(release, entry.nodeid, opened.fh, O_RDWR, false, 0);
		if (err)
			note(worker, err);
	}
	return NULL;
}

Test(inode, threads_that_make_and_remove_never_see_a_nodeid_twice, .init = set_up,
     .fini = tear_down)
{
	run_workers(make_and_remove, 500, 0);
	cr_expect_eq(usage().lookups, 0);
	cr_expect_eq(usage().inodes, 1);
	cr_expect_eq(usage().handles, 0);
}
