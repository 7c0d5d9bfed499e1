/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks through the vtable against renames on the host, which would lead them outside. FSB_LONG in
 * the environment makes it last a minute.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "place.h"

enum { WALKERS = 3, KEPT = 8 };

/*
 * The host swaps directories for symlinks to outside and moves others in and out, while walkers do
 * all they can with whatever nodeids they got.
 *
 * @outside_ino, @below_ino: what no entry may be
 */
struct race {
	struct place p;
	atomic_bool stop;
	atomic_int violation; /* a line */
	atomic_uint walks;
	uint64_t outside_ino;
	uint64_t below_ino;
};

struct walker {
	struct race *race;
	uint64_t random;
	bool donated;
	uint64_t kept[KEPT];
	struct fsb_context ctx;
};

#define VIOLATED(race) atomic_store(&(race)->violation, __LINE__)

static unsigned int pick(struct walker *w, unsigned int most)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (unsigned int)(w->random >> 33) % most;
}

static const char *pick_name(struct walker *w)
{
	static const char *const names[] = { "swap",  "wander", "deep", "secret",
					     "below", "..",     "new",  "spare" };

	return names[pick(w, COUNT(names))];
}

static uint64_t *pick_kept(struct walker *w)
{
	return &w->kept[pick(w, KEPT)];
}

static void drop(struct walker *w, uint64_t nodeid)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;

	if (nodeid != FSB_ROOT_NODEID)
		fs->ops->forget(fs, nodeid, 1);
}

/* Keep it in place of another, or drop it. */
static void keep(struct walker *w, const struct fsb_entry *entry)
{
	uint64_t *slot = pick_kept(w);

	if (entry->attr.ino == w->race->outside_ino || entry->attr.ino == w->race->below_ino)
		VIOLATED(w->race);
	if (pick(w, 3) == 0) {
		drop(w, entry->nodeid);
		return;
	}
	drop(w, *slot);
	*slot = entry->nodeid;
}

static void walk_on(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	struct fsb_entry entry;

	if (fs->ops->lookup(fs, &w->ctx, *pick_kept(w), pick_name(w), &entry) == 0)
		keep(w, &entry);
}

static void read_and_write(struct walker *w, uint64_t nodeid, uint64_t fh)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	char content[16] = "";
	struct iovec iov = { content, sizeof(content) };
	struct fsb_transfer transfer;

	fsb_transfer_init(&transfer, &iov, 1, sizeof(content));
	if (fs->ops->read(fs, &w->ctx, nodeid, fh, 0, sizeof(content), O_RDWR, 0, &transfer) > 0 &&
	    memcmp(content, "canary", 6) == 0)
		VIOLATED(w->race);
	iov = (struct iovec){ (void *)"inside", 6 };
	fsb_transfer_init(&transfer, &iov, 1, 6);
	(void)fs->ops->write(fs, &w->ctx, nodeid, fh, 0, 6, O_RDWR, 0, 0, &transfer);
}

static void open_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	uint64_t nodeid = *pick_kept(w);
	struct fsb_open opened;

	if (fs->ops->open(fs, &w->ctx, nodeid, O_RDWR, false, &opened) < 0)
		return;
	read_and_write(w, nodeid, opened.fh);
	(void)fs->ops->release(fs, &w->ctx, nodeid, opened.fh, 0, false, 0);
}

static void create_in_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	struct fsb_create how = { .mode = S_IFREG | 0666,
				  .flags = O_RDWR | (pick(w, 2) ? O_TRUNC : 0) };
	struct fsb_entry entry;
	struct fsb_open opened;

	if (fs->ops->create(fs, &w->ctx, *pick_kept(w), pick(w, 2) ? "secret" : "new", &how, &entry,
			    &opened) < 0)
		return;
	read_and_write(w, entry.nodeid, opened.fh);
	(void)fs->ops->release(fs, &w->ctx, entry.nodeid, opened.fh, 0, false, 0);
	keep(w, &entry);
}

static void make_in_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	struct fsb_create how = { .mode = S_IFIFO | 0666 };
	struct fsb_entry entry;

	if (fs->ops->mknod(fs, &w->ctx, *pick_kept(w), "new", &how, &entry) == 0)
		keep(w, &entry);
	how.mode = 0777;
	if (fs->ops->mkdir(fs, &w->ctx, *pick_kept(w), "spare", &how, &entry) == 0)
		keep(w, &entry);
	if (fs->ops->link(fs, &w->ctx, *pick_kept(w), *pick_kept(w), "new", &entry) == 0)
		keep(w, &entry);
}

static void remove_from_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;

	(void)fs->ops->unlink(fs, &w->ctx, *pick_kept(w), pick(w, 2) ? "secret" : "new");
	(void)fs->ops->rmdir(fs, &w->ctx, *pick_kept(w), pick(w, 2) ? "spare" : "below");
	(void)fs->ops->rename(fs, &w->ctx, *pick_kept(w), "secret", *pick_kept(w), "new", 0);
}

static void change_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	struct fsb_setattr set = { .valid = FSB_SET_MODE | FSB_SET_MTIME |
					    (pick(w, 2) ? FSB_SET_SIZE : 0),
				   .mode = 0777,
				   .mtime = { 7, 0 } };
	struct fsb_attr attr;
	uint64_t timeout;

	(void)fs->ops->setattr(fs, &w->ctx, *pick_kept(w), NULL, &set, &attr, &timeout);
	(void)fs->ops->setxattr(fs, &w->ctx, *pick_kept(w), "user.test", "value", 5, 0, false);
}

struct race_list {
	struct fsb_dirlist base;
	struct walker *walker;
};

static bool fits(struct fsb_dirlist *list, size_t namelen)
{
	(void)list, (void)namelen;
	return true;
}

static int take_checked(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
			const struct fsb_entry *entry)
{
	struct walker *w = ((struct race_list *)list)->walker;

	(void)dirent;
	if (entry && entry->nodeid)
		keep(w, entry);
	return 0;
}

static void list_kept(struct walker *w)
{
	struct fsb_filesystem *fs = w->race->p.f.fs;
	struct race_list list = { { fits, take_checked }, w };
	uint64_t nodeid = *pick_kept(w);
	struct fsb_open opened;

	if (fs->ops->opendir(fs, &w->ctx, nodeid, O_RDONLY, &opened) < 0)
		return;
	(void)fs->ops->readdirplus(fs, &w->ctx, nodeid, opened.fh, 0, &list.base);
	(void)fs->ops->releasedir(fs, &w->ctx, nodeid, opened.fh, 0);
}

static void *walk(void *arg)
{
	static void (*const steps[])(struct walker * w) = {
		walk_on,        walk_on,      walk_on,          walk_on,     open_kept,
		create_in_kept, make_in_kept, remove_from_kept, change_kept, list_kept
	};
	struct walker *w = arg;

	if (w->donated && fsb_thread_donate() < 0)
		VIOLATED(w->race);
	for (unsigned int i = 0; i < KEPT; i++)
		w->kept[i] = FSB_ROOT_NODEID;
	while (!atomic_load(&w->race->stop) && !atomic_load(&w->race->violation)) {
		/* From the root again now and then, as what was kept may be a dead end. */
		uint64_t *slot = pick_kept(w);
		drop(w, *slot);
		*slot = FSB_ROOT_NODEID;
		for (unsigned int i = 0; i < 16; i++)
			steps[pick(w, COUNT(steps))](w);
		atomic_fetch_add(&w->race->walks, 1);
	}
	for (unsigned int i = 0; i < KEPT; i++)
		drop(w, w->kept[i]);
	return NULL;
}

/* What the walkers take away comes again. */
static void restore(int dir)
{
	static const char *const files[] = { "swap/secret", "spare/secret", "wander/secret",
					     "wander/deep/secret" };

	(void)mkdirat(dir, "wander", 0777);
	(void)mkdirat(dir, "wander/deep", 0777);
	(void)mkdirat(dir, "swap", 0777);
	for (size_t i = 0; i < COUNT(files); i++) {
		int fd = openat(dir, files[i],
				O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_EXCL,
				0666);
		if (fd >= 0 && write(fd, "inside", 6) == 6)
			(void)fchmod(fd, 0666);
		if (fd >= 0)
			close(fd);
	}
}

/* Only ever one of the two names is the link, so what restore() makes stays inside. */
static void rename_on_host(struct race *race, int holding, time_t until)
{
	int tree = race->p.f.host;

	while (time(NULL) < until && !atomic_load(&race->violation)) {
		for (unsigned int i = 0; i < 50; i++) {
			/* The link stands where the directory stood, for a moment. */
			(void)renameat2(tree, "swap", holding, "link", RENAME_EXCHANGE);
			(void)renameat2(tree, "swap", holding, "link", RENAME_EXCHANGE);
			/* A directory goes out, with whoever is in it, and comes back. */
			if (renameat2(tree, "wander", holding, "wander", RENAME_NOREPLACE) == 0)
				(void)renameat2(holding, "wander", tree, "wander", 0);
			/* Two directories of different depth change places. */
			(void)renameat2(tree, "swap", tree, "wander/deep", RENAME_EXCHANGE);
		}
		struct stat st;
		if (fstatat(tree, "swap", &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
			restore(tree);
	}
}

static time_t race_seconds(void)
{
	return getenv("FSB_LONG") ? 60 : 5;
}

static void run_race(enum fsb_permissions permissions)
{
	struct race race = { .violation = 0 };
	struct walker walkers[WALKERS];
	pthread_t threads[WALKERS];
	struct stat st;

	place_make(&race.p, permissions);
	must(fstat(race.p.outside, &st));
	race.outside_ino = st.st_ino;
	must(fstatat(race.p.outside, "below", &st, 0));
	race.below_ino = st.st_ino;
	must(mkdirat(race.p.scratch.host, "holding", 0777));
	int holding = (int)must(
		openat(race.p.scratch.host, "holding", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(symlinkat("../outside", holding, "link"));
	restore(race.p.f.host);
	for (unsigned int i = 0; i < WALKERS; i++) {
		walkers[i] = (struct walker){ .race = &race,
					      .random = 88172645463325252ull + i,
					      .donated = i > 0 };
		walkers[i].ctx = caller(i == 1 ? 1001 : 0, i == 1 ? 2001 : 0);
		must_be(pthread_create(&threads[i], NULL, walk, &walkers[i]), 0);
	}
	rename_on_host(&race, holding, time(NULL) + race_seconds());
	atomic_store(&race.stop, true);
	for (unsigned int i = 0; i < WALKERS; i++) {
		must_be(pthread_join(threads[i], NULL), 0);
		fsb_context_clear(&walkers[i].ctx);
	}
	cr_log_info("%u walks", atomic_load(&race.walks));
	cr_assert_eq(atomic_load(&race.violation), 0, "line %d", atomic_load(&race.violation));
	cr_assert_gt(atomic_load(&race.walks), 50);
	close(holding);
	place_end(&race.p);
}

Test(containment, walks_stay_inside_while_the_host_renames_directories_in_server_mode)
{
	run_race(FSB_PERMISSIONS_SERVER);
}

Test(containment, walks_stay_inside_while_the_host_renames_directories_in_client_mode)
{
	run_race(FSB_PERMISSIONS_CLIENT);
}
