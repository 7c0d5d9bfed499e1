/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many inodes with few descriptors: the budget holds, nothing fails for want of descriptors while
 * there are any to be had, and where there are none the error is one, and goes away when inodes are
 * forgotten.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operating.h"

/* ---- Trees of many files ---- */

enum { PER_DIRECTORY = 1000 };

static void make_files(struct fixture *f, unsigned int count)
{
	char name[32];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%u", i / PER_DIRECTORY);
		if (i % PER_DIRECTORY == 0)
			must(mkdirat(f->host, name, 0777));
		snprintf(name, sizeof(name), "%u/%u", i / PER_DIRECTORY, i);
		must(mknodat(f->host, name, S_IFREG | 0666, 0));
	}
}

static int lookup(struct fixture *f, uint64_t parent, const char *name, uint64_t *nodeid)
{
	struct fsb_entry entry;
	int err = f->fs->ops->lookup(f->fs, &f->ctx, parent, name, &entry);

	*nodeid = err ? 0 : entry.nodeid;
	return err;
}

static int lookup_number(struct fixture *f, uint64_t parent, unsigned int number, uint64_t *nodeid)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	return lookup(f, parent, name, nodeid);
}

static void limit_descriptors(rlim_t most)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = most;
	must(setrlimit(RLIMIT_NOFILE, &limit));
}

static struct fsb_usage usage_of(struct fixture *f)
{
	struct fsb_usage usage;

	fsb_passthrough_usage(f->fs, &usage);
	return usage;
}

static void must_hold_nothing(struct fixture *f)
{
	struct fsb_usage usage = usage_of(f);

	cr_assert_eq(usage.inodes, 1, "%lu inodes", (unsigned long)usage.inodes);
	cr_assert_eq(usage.inode_fds, 1, "%lu descriptors", (unsigned long)usage.inode_fds);
	cr_assert_eq(usage.lookups, 0);
	cr_assert_eq(usage.handles, 0);
}

/* ---- A hundred thousand files ---- */

struct crowd {
	struct fixture f;
	unsigned int count;
	uint64_t *directories;
	uint64_t *files;
};

static void crowd_look_up(struct crowd *c)
{
	for (unsigned int i = 0; i < c->count; i++) {
		uint64_t *directory = &c->directories[i / PER_DIRECTORY];
		if (i % PER_DIRECTORY == 0)
			must_be(lookup_number(&c->f, FSB_ROOT_NODEID, i / PER_DIRECTORY, directory),
				0);
		must_be(lookup_number(&c->f, *directory, i, &c->files[i]), 0);
	}
}

static void crowd_open_some(struct crowd *c, unsigned int opens)
{
	uint64_t random = 88172645463325252ull;

	for (unsigned int i = 0; i < opens; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		close_file(&c->f, open_node(&c->f, c->files[(random >> 20) % c->count], O_RDWR));
	}
}

static void crowd_forget(struct crowd *c)
{
	for (unsigned int i = 0; i < c->count; i++)
		c->f.fs->ops->forget(c->f.fs, c->files[i], 1);
	for (unsigned int i = 0; i < (c->count + PER_DIRECTORY - 1) / PER_DIRECTORY; i++)
		c->f.fs->ops->forget(c->f.fs, c->directories[i], 1);
}

static size_t memory_in_use(void)
{
	return mallinfo2().uordblks;
}

Test(fdbudget, a_hundred_thousand_files_are_served_with_1024_descriptors, .timeout = 280)
{
	struct crowd c = { .count = getenv("FSB_LONG") ? 1000000 : 100000 };
	struct fsb_usage usage;

	in_memory();
	limit_descriptors(1024);
	fixture_make(&c.f);
	make_files(&c.f, c.count);
	c.files = calloc(c.count, sizeof(uint64_t));
	c.directories = calloc(c.count / PER_DIRECTORY + 1, sizeof(uint64_t));
	cr_assert(c.files && c.directories);
	fixture_start(&c.f);
	size_t before = memory_in_use();

	crowd_look_up(&c);
	usage = usage_of(&c.f);
	size_t each = (memory_in_use() - before) / c.count;
	cr_expect_eq(usage.inodes, c.count + c.count / PER_DIRECTORY + 1);
	cr_expect_leq(usage.inode_fds, 1024 / 4, "%lu descriptors", (unsigned long)usage.inode_fds);
	cr_expect_geq(usage.inode_fds, 1024 / 4 - 1, "%lu descriptors",
		      (unsigned long)usage.inode_fds);
	cr_log_info("%u files: %lu descriptors, %zu bytes an inode", c.count,
		    (unsigned long)usage.inode_fds, each);
	cr_expect_leq(each, 200, "%zu bytes an inode", each);

	crowd_open_some(&c, 20000);
	cr_expect_leq(usage_of(&c.f).inode_fds, 1024 / 4);
	crowd_forget(&c);
	must_hold_nothing(&c.f);
	cr_expect_leq(memory_in_use(), before + 65536, "%zu bytes were left",
		      memory_in_use() - before);
	free(c.files);
	free(c.directories);
	fixture_end(&c.f);
}

/* ---- What the budget gives way to ---- */

Test(fdbudget, open_files_push_cached_descriptors_out_until_the_table_is_full)
{
	enum { LIMIT = 300, FILES = 500 };
	uint64_t directory, files[FILES], handles[LIMIT];
	struct fsb_open opened;
	struct fixture f;
	unsigned int count = 0;
	int err = 0;

	in_memory();
	limit_descriptors(LIMIT);
	fixture_make(&f);
	make_files(&f, FILES);
	fixture_start(&f);
	must_be(lookup(&f, FSB_ROOT_NODEID, "0", &directory), 0);
	for (unsigned int i = 0; i < FILES; i++)
		must_be(lookup_number(&f, directory, i, &files[i]), 0);
	unsigned int others = open_descriptors() - (unsigned int)usage_of(&f).inode_fds;
	while (count < LIMIT && !err) {
		err = f.fs->ops->open(f.fs, &f.ctx, files[count], O_RDWR, false, &opened);
		if (!err)
			handles[count++] = opened.fh;
	}
	cr_expect_eq(err, -ENFILE, "%d", err);
	cr_expect_geq(count + others + 8, LIMIT, "only %u of %d files could be opened", count,
		      LIMIT);
	for (unsigned int i = 0; i < count; i++)
		close_file(&f, handles[i]);
	for (unsigned int i = 0; i < FILES; i++)
		close_file(&f, open_node(&f, files[i], O_RDONLY));
	fixture_end(&f);
}

/* Evict whatever can be. */
static void push_out(struct fixture *f)
{
	uint64_t directory, file;

	must_be(lookup(f, FSB_ROOT_NODEID, "0", &directory), 0);
	for (unsigned int i = 0; i < PER_DIRECTORY; i++)
		must_be(lookup_number(f, directory, i, &file), 0);
}

static uint64_t size_of(struct fixture *f, uint64_t nodeid)
{
	struct fsb_attr attr;
	uint64_t timeout;

	must_be(f->fs->ops->getattr(f->fs, &f->ctx, nodeid, NULL, &attr, &timeout), 0);
	return attr.size;
}

Test(fdbudget, an_inode_without_a_name_keeps_its_descriptor)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry unnamed;
	struct fsb_open opened;
	struct fixture f;

	in_memory();
	fixture_make(&f);
	f.config.max_fds = 16;
	make_files(&f, PER_DIRECTORY);
	host_file(&f, "removed", 0666, "removed", 7);
	host_file(&f, "replaced", 0666, "replaced", 8);
	host_file(&f, "replacing", 0666, "", 0);
	must(mkdirat(f.host, "directory", 0777));
	fixture_start(&f);
	uint64_t removed = nodeid_of(&f, "removed"), replaced = nodeid_of(&f, "replaced");
	uint64_t directory = nodeid_of(&f, "directory");
	must_be(f.fs->ops->tmpfile(f.fs, &f.ctx, FSB_ROOT_NODEID, &how, &unnamed, &opened), 0);
	close_file(&f, opened.fh);
	push_out(&f);
	must_be(f.fs->ops->unlink(f.fs, &f.ctx, FSB_ROOT_NODEID, "removed"), 0);
	must_be(f.fs->ops->rmdir(f.fs, &f.ctx, FSB_ROOT_NODEID, "directory"), 0);
	must_be(f.fs->ops->rename(f.fs, &f.ctx, FSB_ROOT_NODEID, "replacing", FSB_ROOT_NODEID,
				  "replaced", 0),
		0);
	push_out(&f);
	push_out(&f);
	cr_expect_eq(size_of(&f, removed), 7);
	cr_expect_eq(size_of(&f, replaced), 8);
	cr_expect_eq(size_of(&f, unnamed.nodeid), 0);
	(void)size_of(&f, directory);
	close_file(&f, open_node(&f, removed, O_RDWR));
	fixture_end(&f);
}

/* ---- What the host does behind the client's back ---- */

static int get_size(struct fixture *f, uint64_t nodeid, uint64_t *size)
{
	struct fsb_attr attr;
	uint64_t timeout;
	int err = f->fs->ops->getattr(f->fs, &f->ctx, nodeid, NULL, &attr, &timeout);

	*size = err ? 0 : attr.size;
	return err;
}

static void start_with_few(struct fixture *f)
{
	in_memory();
	fixture_make(f);
	f->config.max_fds = 8;
	make_files(f, PER_DIRECTORY);
	must(mkdirat(f->host, "directory", 0777));
	must(mkdirat(f->host, "elsewhere", 0777));
	host_file(f, "directory/inside", 0666, "inside", 6);
	host_file(f, "file", 0666, "file", 4);
	fixture_start(f);
}

Test(fdbudget, what_the_host_renames_is_still_reached_without_its_descriptor)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;
	struct fixture f;
	uint64_t inside;

	start_with_few(&f);
	uint64_t file = nodeid_of(&f, "file"), directory = nodeid_of(&f, "directory");
	must_be(lookup(&f, directory, "inside", &inside), 0);
	push_out(&f);
	must(renameat(f.host, "file", f.host, "elsewhere/other"));
	must(renameat(f.host, "directory", f.host, "elsewhere/directory"));
	cr_expect_eq(size_of(&f, file), 4);
	cr_expect_eq(size_of(&f, inside), 6);
	close_file(&f, open_node(&f, file, O_RDWR));
	push_out(&f);
	uint64_t again;
	must_be(lookup(&f, directory, "inside", &again), 0);
	cr_expect_eq(again, inside);
	must_be(f.fs->ops->create(f.fs, &f.ctx, directory, "new", &how, &entry, &opened), 0);
	close_file(&f, opened.fh);
	must(faccessat(f.host, "elsewhere/directory/new", F_OK, 0));
	must_be(lookup(&f, FSB_ROOT_NODEID, "file", &again), -ENOENT);
	fixture_end(&f);
}

Test(fdbudget, what_the_host_removes_is_stale_without_its_descriptor_unless_it_is_open)
{
	struct fixture f;
	uint64_t inside, size, nodeid;
	struct fsb_open opened;

	start_with_few(&f);
	uint64_t file = nodeid_of(&f, "file"), directory = nodeid_of(&f, "directory");
	uint64_t elsewhere = nodeid_of(&f, "elsewhere");
	must_be(lookup(&f, directory, "inside", &inside), 0);
	uint64_t fh = open_node(&f, inside, O_RDWR);
	push_out(&f);
	must(unlinkat(f.host, "file", 0));
	must(unlinkat(f.host, "directory/inside", 0));
	must(unlinkat(f.host, "elsewhere", AT_REMOVEDIR));
	must_be(get_size(&f, file, &size), -ESTALE);
	must_be(f.fs->ops->open(f.fs, &f.ctx, file, O_RDONLY, false, &opened), -ESTALE);
	must_be(get_size(&f, elsewhere, &size), -ESTALE);
	must_be(lookup(&f, elsewhere, "inside", &nodeid), -ESTALE);
	must_be(lookup(&f, FSB_ROOT_NODEID, "file", &nodeid), -ENOENT);
	/* Its own open file keeps it on the host. */
	must_be(get_size(&f, inside, &size), 0);
	cr_expect_eq(size, 6);
	close_file(&f, fh);
	/* Another file of that name is another file, whatever its inode number. */
	host_file(&f, "file", 0666, "another", 7);
	must_be(lookup(&f, FSB_ROOT_NODEID, "file", &nodeid), 0);
	cr_expect_neq(nodeid, file);
	must_be(get_size(&f, file, &size), -ESTALE);
	fixture_end(&f);
}

/* ---- Removals that are faster than what the client forgets ---- */

enum { REMOVED_LIMIT = 200, TOO_MANY = 400 };

struct removals {
	struct fixture f;
	uint64_t directory;
	uint64_t removed[TOO_MANY];
	atomic_uint count;
	atomic_bool over;
};

/* Look up and remove, without a FORGET. Return: 0, or what the lookup says. */
static int remove_next(struct removals *r)
{
	unsigned int number = atomic_load(&r->count);
	char name[16];
	int err = lookup_number(&r->f, r->directory, number, &r->removed[number]);

	if (err)
		return err;
	snprintf(name, sizeof(name), "%u", number);
	must_be(r->f.fs->ops->unlink(r->f.fs, &r->f.ctx, r->directory, name), 0);
	atomic_store(&r->count, number + 1);
	return 0;
}

static void removals_start(struct removals *r)
{
	in_memory();
	fixture_make(&r->f);
	make_files(&r->f, TOO_MANY);
	limit_descriptors(REMOVED_LIMIT);
	fixture_start(&r->f);
	must_be(lookup(&r->f, FSB_ROOT_NODEID, "0", &r->directory), 0);
}

static void removals_end(struct removals *r)
{
	limit_descriptors(1024);
	fixture_end(&r->f);
}

/* A tenth of a second behind. */
static void *forget_late(void *arg)
{
	struct removals *r = arg;
	unsigned int forgotten = 0;

	while (!atomic_load(&r->over)) {
		usleep(100000);
		for (; forgotten < atomic_load(&r->count); forgotten++)
			r->f.fs->ops->forget(r->f.fs, r->removed[forgotten], 1);
	}
	return NULL;
}

Test(fdbudget, removals_wait_for_what_the_client_is_about_to_forget)
{
	struct removals r = { 0 };
	pthread_t forgetting;

	removals_start(&r);
	must_be(pthread_create(&forgetting, NULL, forget_late, &r), 0);
	while (atomic_load(&r.count) < TOO_MANY)
		must_be(remove_next(&r), 0);
	atomic_store(&r.over, true);
	must_be(pthread_join(forgetting, NULL), 0);
	removals_end(&r);
}

Test(fdbudget, removals_do_not_wait_for_ever)
{
	struct removals r = { 0 };
	int err = 0;

	removals_start(&r);
	while (!err && atomic_load(&r.count) < TOO_MANY)
		err = remove_next(&r);
	cr_expect_eq(err, -ENFILE, "%d", err);
	/* Every one of them is still there. */
	for (unsigned int i = 0; i < r.count; i++)
		cr_expect_eq(size_of(&r.f, r.removed[i]), 0);
	for (unsigned int i = 0; i < r.count; i++)
		r.f.fs->ops->forget(r.f.fs, r.removed[i], 1);
	must_be(remove_next(&r), 0);
	removals_end(&r);
}

/* ---- Budgets ---- */

/* Calls in flight need what they need: here the root, the directory and the file. */
Test(fdbudget, a_budget_is_kept_however_small_it_is)
{
	static const unsigned int budgets[] = { 1, 2, 3, 4, 8, 15, 16, 17, 50, 100 };

	in_memory();
	for (unsigned int i = 0; i < COUNT(budgets); i++) {
		struct fixture f;
		unsigned int most = budgets[i] > 3 ? budgets[i] : 3;
		uint64_t directory, file;

		fixture_make(&f);
		f.config.max_fds = budgets[i];
		make_files(&f, 300);
		fixture_start(&f);
		must_be(lookup(&f, FSB_ROOT_NODEID, "0", &directory), 0);
		for (unsigned int number = 0; number < 300; number++) {
			must_be(lookup_number(&f, directory, number, &file), 0);
			cr_assert_leq(usage_of(&f).inode_fds, most, "%lu of %u",
				      (unsigned long)usage_of(&f).inode_fds, budgets[i]);
		}
		cr_expect_geq(usage_of(&f).inode_fds, budgets[i], "%lu of %u are in use",
			      (unsigned long)usage_of(&f).inode_fds, budgets[i]);
		fixture_end(&f);
	}
}

Test(fdbudget, what_cannot_be_given_up_pushes_the_rest_out)
{
	enum { REMOVED = 40 };
	struct fixture f;
	uint64_t directory, file, removed[REMOVED];

	in_memory();
	fixture_make(&f);
	f.config.max_fds = 30;
	make_files(&f, PER_DIRECTORY);
	fixture_start(&f);
	must_be(lookup(&f, FSB_ROOT_NODEID, "0", &directory), 0);
	for (unsigned int i = 0; i < REMOVED; i++) {
		char name[16];
		must_be(lookup_number(&f, directory, i, &removed[i]), 0);
		snprintf(name, sizeof(name), "%u", i);
		must_be(f.fs->ops->unlink(f.fs, &f.ctx, directory, name), 0);
	}
	for (unsigned int i = REMOVED; i < PER_DIRECTORY; i++)
		must_be(lookup_number(&f, directory, i, &file), 0);
	cr_expect_leq(usage_of(&f).inode_fds, 1 + REMOVED + 2);
	for (unsigned int i = 0; i < REMOVED; i++)
		cr_expect_eq(size_of(&f, removed[i]), 0);
	for (unsigned int i = 0; i < REMOVED; i++)
		f.fs->ops->forget(f.fs, removed[i], 1);
	must_be(lookup_number(&f, directory, REMOVED, &file), 0);
	cr_expect_leq(usage_of(&f).inode_fds, 30);
	fixture_end(&f);
}

/* Two names of one inode. */
struct pair {
	struct fixture *f;
	pthread_barrier_t *start;
	const char *name;
};

static void *remove_name(void *arg)
{
	struct pair *pair = arg;

	for (unsigned int i = 0; i < 300; i++) {
		char name[32];
		snprintf(name, sizeof(name), "%s-%u", pair->name, i);
		pthread_barrier_wait(pair->start);
		(void)pair->f->fs->ops->unlink(pair->f->fs, &pair->f->ctx, FSB_ROOT_NODEID, name);
	}
	return NULL;
}

Test(fdbudget, when_both_names_go_at_once_the_inode_keeps_its_descriptor)
{
	pthread_barrier_t start;
	pthread_t threads[2];
	uint64_t nodeids[300];
	struct fixture f;
	struct pair pairs[2] = { { &f, &start, "one" }, { &f, &start, "other" } };

	in_memory();
	fixture_make(&f);
	f.config.max_fds = 16;
	make_files(&f, PER_DIRECTORY);
	for (unsigned int i = 0; i < COUNT(nodeids); i++) {
		char name[32], second[32];
		snprintf(name, sizeof(name), "one-%u", i);
		snprintf(second, sizeof(second), "other-%u", i);
		host_file(&f, name, 0666, "content", 7);
		must(linkat(f.host, name, f.host, second, 0));
	}
	fixture_start(&f);
	for (unsigned int i = 0; i < COUNT(nodeids); i++) {
		char name[32];
		snprintf(name, sizeof(name), "one-%u", i);
		nodeids[i] = nodeid_of(&f, name);
	}
	must_be(pthread_barrier_init(&start, NULL, 2), 0);
	for (unsigned int i = 0; i < 2; i++)
		must_be(pthread_create(&threads[i], NULL, remove_name, &pairs[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		must_be(pthread_join(threads[i], NULL), 0);
	push_out(&f);
	push_out(&f);
	for (unsigned int i = 0; i < COUNT(nodeids); i++)
		cr_expect_eq(size_of(&f, nodeids[i]), 7);
	pthread_barrier_destroy(&start);
	fixture_end(&f);
}

/* ---- Eviction under use ---- */

enum { USERS = 4, USED = 200 };

struct user_thread {
	struct fixture *f;
	uint64_t directory;
	unsigned int number;
	int result;
};

/* Look up, use in every way, forget: with one descriptor a shard. */
static int use_one(struct user_thread *u, unsigned int number)
{
	struct fsb_filesystem *fs = u->f->fs;
	struct fsb_open opened;
	struct fsb_attr attr;
	uint64_t nodeid, timeout;

	int err = lookup_number(u->f, u->directory, number % USED, &nodeid);
	if (err)
		return err;
	err = fs->ops->getattr(fs, &u->f->ctx, nodeid, NULL, &attr, &timeout);
	if (!err && number % 3 == 0) {
		err = fs->ops->open(fs, &u->f->ctx, nodeid, O_RDWR, false, &opened);
		if (!err)
			err = fs->ops->release(fs, &u->f->ctx, nodeid, opened.fh, 0, false, 0);
	}
	if (!err)
		err = fs->ops->access(fs, &u->f->ctx, nodeid, R_OK);
	if (number % 5)
		fs->ops->forget(fs, nodeid, 1);
	return err;
}

static void *use_many(void *arg)
{
	struct user_thread *u = arg;

	for (unsigned int i = 0; i < 6000 && u->result == 0; i++)
		u->result = use_one(u, i * 7 + u->number * 31);
	return NULL;
}

Test(fdbudget, descriptors_that_are_in_use_are_not_taken_away)
{
	struct user_thread users[USERS];
	pthread_t threads[USERS];
	struct fixture f;
	uint64_t directory;

	in_memory();
	fixture_make(&f);
	f.config.max_fds = 16;
	make_files(&f, USED);
	fixture_start(&f);
	must_be(lookup(&f, FSB_ROOT_NODEID, "0", &directory), 0);
	for (unsigned int i = 0; i < USERS; i++) {
		users[i] = (struct user_thread){ &f, directory, i, 0 };
		must_be(pthread_create(&threads[i], NULL, use_many, &users[i]), 0);
	}
	for (unsigned int i = 0; i < USERS; i++) {
		must_be(pthread_join(threads[i], NULL), 0);
		cr_expect_eq(users[i].result, 0, "%s", strerrorname_np(-users[i].result));
	}
	cr_expect_leq(usage_of(&f).inode_fds, 16);
	fixture_end(&f);
}

/* ---- Where there are no handles ---- */

/* Without this capability no file can be opened by its handle, so each inode holds a descriptor. */
static void lose_handles(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	must(syscall(SYS_capget, &header, data));
	data[0].effective &= ~(1u << CAP_DAC_READ_SEARCH);
	data[0].permitted &= ~(1u << CAP_DAC_READ_SEARCH);
	must(syscall(SYS_capset, &header, data));
}

enum { FEW = 200, SOME = 400 };

struct full {
	struct fixture f;
	uint64_t directory;
	uint64_t listing;
	uint64_t files[SOME];
	unsigned int found;
};

/* Look files up until there is no descriptor left. */
static void fill_up(struct full *full)
{
	int err;

	in_memory();
	fixture_make(&full->f);
	make_files(&full->f, SOME);
	lose_handles();
	limit_descriptors(FEW);
	fixture_start(&full->f);
	must_be(lookup(&full->f, FSB_ROOT_NODEID, "0", &full->directory), 0);
	full->listing = open_node(&full->f, full->directory, O_RDONLY | O_DIRECTORY);
	for (full->found = 0; full->found < SOME; full->found++) {
		err = lookup_number(&full->f, full->directory, full->found,
				    &full->files[full->found]);
		if (err)
			break;
	}
	cr_assert_eq(err, -ENFILE, "%s", strerrorname_np(-err));
	cr_assert_gt(full->found, FEW / 2);
}

static void empty_again(struct full *full, unsigned int left)
{
	while (full->found > left)
		full->f.fs->ops->forget(full->f.fs, full->files[--full->found], 1);
}

static void full_end(struct full *full)
{
	limit_descriptors(1024); /* for Criterion, and to remove the tree */
	fixture_end(&full->f);
}

Test(fdbudget, without_handles_a_full_table_is_enfile_for_everything_that_needs_a_descriptor)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct full full;
	struct fsb_entry entry;
	struct fsb_open opened;
	struct fsb_attr attr;
	uint64_t nodeid, timeout;

	fill_up(&full);
	struct fsb_filesystem *fs = full.f.fs;
	struct fsb_context *ctx = &full.f.ctx;
	cr_expect_eq(lookup_number(&full.f, full.directory, SOME - 1, &nodeid), -ENFILE);
	cr_expect_eq(fs->ops->open(fs, ctx, full.files[0], O_RDWR, false, &opened), -ENFILE);
	cr_expect_eq(fs->ops->opendir(fs, ctx, full.directory, O_RDONLY, &opened), -ENFILE);
	cr_expect_eq(fs->ops->create(fs, ctx, full.directory, "new", &how, &entry, &opened),
		     -ENFILE);
	cr_expect_eq(fs->ops->tmpfile(fs, ctx, full.directory, &how, &entry, &opened), -ENFILE);
	cr_expect_eq(fs->ops->link(fs, ctx, full.files[0], full.directory, "link", &entry),
		     -ENFILE);
	cr_expect_eq(faccessat(full.f.host, "0/new", F_OK, 0), -1);
	cr_expect_eq(faccessat(full.f.host, "0/link", F_OK, 0), -1);
	/* What needs none goes on: what is known is found again, too. */
	cr_expect_eq(lookup_number(&full.f, full.directory, 0, &nodeid), 0);
	cr_expect_eq(nodeid, full.files[0]);
	cr_expect_eq(fs->ops->getattr(fs, ctx, full.files[0], NULL, &attr, &timeout), 0);
	cr_expect_eq(fs->ops->access(fs, ctx, full.files[0], R_OK), 0);
	cr_expect_eq(fs->ops->unlink(fs, ctx, full.directory, "399"), 0);
	full_end(&full);
}

Test(fdbudget, without_handles_a_full_table_heals_when_inodes_are_forgotten)
{
	struct full full;
	uint64_t nodeid;

	fill_up(&full);
	empty_again(&full, full.found - 10);
	for (unsigned int i = 0; i < 10; i++)
		must_be(lookup_number(&full.f, full.directory, SOME - 1 - i, &nodeid), 0);
	must_be(lookup_number(&full.f, full.directory, SOME - 20, &nodeid), -ENFILE);
	empty_again(&full, 0);
	must_be(lookup_number(&full.f, full.directory, SOME - 20, &nodeid), 0);
	full_end(&full);
}

struct name_list {
	struct fsb_dirlist base;
	unsigned int names;
	unsigned int entries;
};

static bool always_fits(struct fsb_dirlist *list, size_t namelen)
{
	(void)list, (void)namelen;
	return true;
}

static int count_name(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
		      const struct fsb_entry *entry)
{
	struct name_list *names = (struct name_list *)list;

	if (dirent->name[0] == '.')
		return 0;
	names->names++;
	names->entries += entry && entry->nodeid;
	return 0;
}

Test(fdbudget, without_handles_readdirplus_gives_every_name_of_a_full_table)
{
	struct name_list list = { { always_fits, count_name }, 0, 0 };
	struct full full;

	fill_up(&full);
	must_be(full.f.fs->ops->readdirplus(full.f.fs, &full.f.ctx, full.directory, full.listing, 0,
					    &list.base),
		0);
	cr_expect_eq(list.names, SOME);
	cr_expect_leq(list.entries, full.found + 1);
	full_end(&full);
}

Test(fdbudget, nothing_is_left_open)
{
	struct crowd c = { .count = 3000 };

	in_memory();
	fixture_make(&c.f);
	make_files(&c.f, c.count);
	unsigned int before = open_descriptors();
	c.files = calloc(c.count, sizeof(uint64_t));
	c.directories = calloc(c.count / PER_DIRECTORY + 1, sizeof(uint64_t));
	cr_assert(c.files && c.directories);
	fixture_start(&c.f);
	crowd_look_up(&c);
	crowd_open_some(&c, 100);
	c.f.fs->ops->destroy(c.f.fs);
	must_hold_nothing(&c.f);
	fsb_passthrough_free(c.f.fs);
	c.f.fs = NULL;
	cr_expect_eq(open_descriptors(), before);
	free(c.files);
	free(c.directories);
	fixture_end(&c.f);
}
