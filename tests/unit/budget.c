// SPDX-License-Identifier: BSD-3-Clause
/*
 * Descriptors that clients share: each has what it may always have, none takes what others need,
 * whatever it is that it holds, and all is there again when it lets go.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "operating.h"

enum { SHARE = 10, POOL = 60, MANY = 100 };

struct clients {
	struct fsb_passthrough_budget *budget;
	struct fixture greedy;
	struct fixture other;
};

static void start(struct fixture *f, struct fsb_passthrough_budget *budget, enum fsb_locks locks)
{
	char name[16];

	fixture_make(f);
	f->config.budget = budget;
	f->config.locks = locks;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		host_file(f, name, 0666, "", 0);
	}
	fixture_start(f);
}

static void come(struct clients *c, unsigned int share, unsigned int pool)
{
	in_memory();
	must_be(fsb_passthrough_budget_new(share, pool, &c->budget), 0);
	start(&c->greedy, c->budget, FSB_LOCKS_HOST);
	start(&c->other, c->budget, FSB_LOCKS_HOST);
}

static void leave(struct clients *c)
{
	fixture_end(&c->greedy);
	fixture_end(&c->other);
	fsb_passthrough_budget_free(c->budget);
}

/* Open the same file again and again, or the directory. Return: what ended it; @count handles. */
static int open_many(struct fixture *f, bool directory, uint64_t *handles, unsigned int *count)
{
	uint64_t nodeid = directory ? FSB_ROOT_NODEID : nodeid_of(f, "0");
	struct fsb_open opened;
	int err = 0;

	for (*count = 0; *count < MANY && !err;) {
		err = directory ? f->fs->ops->opendir(f->fs, &f->ctx, nodeid, 0, &opened)
				: f->fs->ops->open(f->fs, &f->ctx, nodeid, O_RDWR, false, &opened);
		if (!err)
			handles[(*count)++] = opened.fh;
	}
	return err;
}

static void close_many(struct fixture *f, const uint64_t *handles, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close_file(f, handles[i]);
}

Test(budget, one_that_opens_all_it_can_gets_its_share_and_half_of_the_pool)
{
	uint64_t first[MANY], second[MANY];
	unsigned int taken, left;
	struct clients c;

	come(&c, SHARE, POOL);
	cr_expect_eq(open_many(&c.greedy, false, first, &taken), -ENFILE);
	/* The root's descriptor counts. */
	cr_expect_eq(taken, SHARE + POOL / 2 - 1, "%u", taken);
	cr_expect_eq(open_many(&c.other, false, second, &left), -ENFILE);
	cr_expect_eq(left, SHARE + POOL / 4 - 1, "%u", left);
	/* What one gives back the other may have a part of. */
	close_many(&c.greedy, first, taken);
	cr_expect_eq(open_many(&c.other, false, second + left, &taken), -ENFILE);
	cr_expect_eq(left + taken, SHARE + POOL / 2 - 1, "%u", left + taken);
	close_many(&c.other, second, left + taken);
	cr_expect_eq(open_many(&c.greedy, false, first, &taken), -ENFILE);
	cr_expect_eq(taken, SHARE + POOL / 2 - 1, "%u", taken);
	leave(&c);
}

Test(budget, who_leaves_gives_everything_back)
{
	uint64_t handles[MANY];
	unsigned int taken;
	struct clients c;

	come(&c, SHARE, POOL);
	(void)open_many(&c.greedy, false, handles, &taken);
	fixture_end(&c.greedy);
	cr_expect_eq(open_many(&c.other, false, handles, &taken), -ENFILE);
	cr_expect_eq(taken, SHARE + POOL / 2 - 1, "%u", taken);
	fixture_end(&c.other);
	fsb_passthrough_budget_free(c.budget);
}

/* Whatever it is that may be held, with a share of 10 and no pool. Return: what ended it. */
typedef int hold_fn(struct fixture *f, unsigned int number);

static int hold_directory(struct fixture *f, unsigned int number)
{
	struct fsb_open opened;

	(void)number;
	return f->fs->ops->opendir(f->fs, &f->ctx, FSB_ROOT_NODEID, 0, &opened);
}

static int hold_created(struct fixture *f, unsigned int number)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;
	char name[32];

	snprintf(name, sizeof(name), "created %u", number);
	return f->fs->ops->create(f->fs, &f->ctx, FSB_ROOT_NODEID, name, &how, &entry, &opened);
}

static int hold_unnamed(struct fixture *f, unsigned int number)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;

	(void)number;
	return f->fs->ops->tmpfile(f->fs, &f->ctx, FSB_ROOT_NODEID, &how, &entry, &opened);
}

static int hold_removed(struct fixture *f, unsigned int number)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	(void)nodeid_of(f, name);
	return f->fs->ops->unlink(f->fs, &f->ctx, FSB_ROOT_NODEID, name);
}

static int hold_replaced(struct fixture *f, unsigned int number)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number + 1);
	(void)nodeid_of(f, name);
	return f->fs->ops->rename(f->fs, &f->ctx, FSB_ROOT_NODEID, "0", FSB_ROOT_NODEID, name, 0)
		       ?: f->fs->ops->rename(f->fs, &f->ctx, FSB_ROOT_NODEID, name, FSB_ROOT_NODEID,
					     "0", 0);
}

static int hold_lock(struct fixture *f, unsigned int number)
{
	static uint64_t fh;
	uint64_t nodeid = nodeid_of(f, "0");
	struct fsb_lock_owner owner = { .owner = 1 + number };
	struct fsb_lock lock = { .type = F_RDLCK, .end = INT64_MAX };

	if (number == 0)
		fh = open_node(f, nodeid, O_RDWR);
	return f->fs->ops->setlk(f->fs, &f->ctx, nodeid, fh, &owner, &lock);
}

static const struct {
	const char *what;
	hold_fn *hold;
	int error;
} held[] = {
	{ "directories", hold_directory, -ENFILE },   { "created files", hold_created, -ENFILE },
	{ "unnamed files", hold_unnamed, -ENFILE },   { "removed files", hold_removed, -ENFILE },
	{ "replaced files", hold_replaced, -ENFILE }, { "owners of locks", hold_lock, -ENOLCK },
};

Test(budget, whatever_is_held_counts_and_the_other_client_goes_on)
{
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		struct clients c;
		unsigned int count = 0;
		int err = 0;

		come(&c, SHARE, 0);
		while (count < MANY / 2 && !err) {
			err = held[i].hold(&c.greedy, count);
			count += !err;
		}
		cr_expect_eq(err, held[i].error, "%s: %d", held[i].what, err);
		/* Two for an unnamed file; a handle more for locks. */
		cr_expect(count >= SHARE / 2 - 1 && count <= SHARE, "%s: %u", held[i].what, count);
		close_file(&c.other, open_node(&c.other, nodeid_of(&c.other, "1"), O_RDWR));
		leave(&c);
	}
}

Test(budget, removed_files_that_are_forgotten_make_room)
{
	struct clients c;
	uint64_t nodeids[SHARE];
	int err = 0;

	come(&c, SHARE, 0);
	for (int round = 0; round < 5; round++) {
		unsigned int count = 0;
		for (; count < SHARE && !err; count++) {
			char name[16];
			snprintf(name, sizeof(name), "%u", round * (SHARE - 1) + count);
			nodeids[count] = nodeid_of(&c.greedy, name);
			err = c.greedy.fs->ops->unlink(c.greedy.fs, &c.greedy.ctx, FSB_ROOT_NODEID,
						       name);
		}
		cr_expect_eq(err, -ENFILE, "%d", err);
		/* With the root's descriptor all but the last one are its share. */
		cr_expect_eq(count, SHARE, "%u", count);
		while (count-- > 0)
			c.greedy.fs->ops->forget(c.greedy.fs, nodeids[count], 1);
		err = 0;
	}
	leave(&c);
}

/* A twentieth of a second behind. */
struct removing {
	struct clients c;
	uint64_t removed[MANY];
	atomic_uint count;
};

static void *forget_late(void *arg)
{
	struct removing *r = arg;

	for (unsigned int forgotten = 0; forgotten < MANY; usleep(50000))
		for (; forgotten < atomic_load(&r->count); forgotten++)
			r->c.greedy.fs->ops->forget(r->c.greedy.fs, r->removed[forgotten], 1);
	return NULL;
}

Test(budget, removals_wait_for_what_the_client_is_about_to_forget)
{
	struct removing r = { 0 };
	pthread_t forgetting;

	come(&r.c, SHARE, 0);
	must_be(pthread_create(&forgetting, NULL, forget_late, &r), 0);
	for (unsigned int i = 0; i < MANY; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		r.removed[i] = nodeid_of(&r.c.greedy, name);
		must_be(r.c.greedy.fs->ops->unlink(r.c.greedy.fs, &r.c.greedy.ctx, FSB_ROOT_NODEID,
						   name),
			0);
		atomic_store(&r.count, i + 1);
	}
	must_be(pthread_join(forgetting, NULL), 0);
	leave(&r.c);
}

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

Test(budget, what_there_is_no_descriptor_for_is_not_made)
{
	struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;
	unsigned int known = 0;
	struct clients c;
	int err = 0;

	lose_handles();
	come(&c, SHARE, 0);
	struct fsb_filesystem *fs = c.greedy.fs;
	struct fsb_context *ctx = &c.greedy.ctx;
	for (; known < MANY && !err; known += !err) {
		char name[16];
		snprintf(name, sizeof(name), "%u", known);
		err = fs->ops->lookup(fs, ctx, FSB_ROOT_NODEID, name, &entry);
	}
	cr_expect_eq(err, -ENFILE, "%d", err);
	cr_expect_eq(known, SHARE - 1, "%u", known);
	must_be(fs->ops->mkdir(fs, ctx, FSB_ROOT_NODEID, "new", &how, &entry), -ENFILE);
	must_be(fs->ops->mknod(fs, ctx, FSB_ROOT_NODEID, "new", &how, &entry), -ENFILE);
	must_be(fs->ops->symlink(fs, ctx, FSB_ROOT_NODEID, "new", "target", &how, &entry), -ENFILE);
	must_be(fs->ops->create(fs, ctx, FSB_ROOT_NODEID, "new", &how, &entry, &opened), -ENFILE);
	cr_expect_eq(faccessat(c.greedy.host, "new", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	/* What is known may be removed. */
	must_be(fs->ops->unlink(fs, ctx, FSB_ROOT_NODEID, "0"), 0);
	leave(&c);
}

Test(budget, sizes_that_make_no_sense_are_refused)
{
	struct fsb_passthrough_budget *budget;

	must_be(fsb_passthrough_budget_new(0, 10, &budget), -EINVAL);
	must_be(fsb_passthrough_budget_new(1u << 31, 0, &budget), -EINVAL);
	must_be(fsb_passthrough_budget_new(1, UINT32_MAX, &budget), -EINVAL);
	fsb_passthrough_budget_free(NULL);
}
