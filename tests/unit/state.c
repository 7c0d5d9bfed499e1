// SPDX-License-Identifier: BSD-3-Clause
/* The mirror in a file: what a passthrough that follows a dead one knows of it, and what it makes
 * of files that are not sound. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

#include "fixture.h"
#include "passthrough/passthrough.h"

TestSuite(state, .timeout = 60);

enum { MANY = 6000, NAMES_MOST = 256 };

/** @file: the state's; @path: of it */
struct life {
	struct fixture f;
	int file;
	char path[64];
};

static void begin(struct life *life)
{
	fixture_make(&life->f);
	strcpy(life->path, "/tmp/fsbackend-state-XXXXXX");
	life->file = (int)must(mkstemp(life->path));
	life->f.config.state_fd = life->file;
	fixture_start(&life->f);
	if (!passthrough_of(life->f.fs)->mounts.root->handles)
		cr_skip_test("files of /tmp have no lasting handles for this user");
}

static void end(struct life *life)
{
	fixture_end(&life->f);
	close(life->file);
	unlink(life->path);
}

/* The process dies: nothing is told to the file. Then another one takes it up. */
static void die(struct life *life)
{
	fsb_passthrough_free(life->f.fs);
	life->f.fs = NULL;
}

static void come_back(struct life *life)
{
	must_be(fsb_passthrough_new(&life->f.config, &life->f.fs), 0);
}

static void die_and_come_back(struct life *life)
{
	die(life);
	come_back(life);
	cr_assert(fsb_passthrough_recovered(life->f.fs));
}

static int look_at(struct fixture *f, uint64_t nodeid)
{
	struct fsb_attr attr;
	uint64_t timeout;

	return f->fs->ops->getattr(f->fs, &f->ctx, nodeid, NULL, &attr, &timeout);
}

static ssize_t read_handle(struct fixture *f, uint64_t fh, uint64_t offset, char *bytes,
			   size_t size)
{
	struct iovec iov = { bytes, size };
	struct fsb_transfer to;

	fsb_transfer_init(&to, &iov, 1, size);
	return f->fs->ops->read(f->fs, &f->ctx, 0, fh, offset, size, O_RDWR, 0, &to);
}

static ssize_t write_handle(struct fixture *f, uint64_t fh, uint64_t offset, int flags,
			    const char *text)
{
	struct iovec iov = { (char *)text, strlen(text) };
	struct fsb_transfer from;

	fsb_transfer_init(&from, &iov, 1, iov.iov_len);
	return f->fs->ops->write(f->fs, &f->ctx, 0, fh, offset, strlen(text), flags, 0, 0, &from);
}

static void expect_content(struct life *life, const char *name, const char *expected)
{
	char bytes[128] = "";
	int fd = (int)must(openat(life->f.host, name, O_RDONLY | O_CLOEXEC));

	must(read(fd, bytes, sizeof(bytes) - 1));
	close(fd);
	cr_expect_str_eq(bytes, expected);
}

/* ---- What is known again ---- */

Test(state, inodes_are_known_after_the_process_by_the_same_numbers)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "one", 0644, "1", 1);
	host_file(&life.f, "two", 0644, "2", 1);
	uint64_t one = nodeid_of(&life.f, "one");
	die_and_come_back(&life);
	must_be(look_at(&life.f, one), 0);
	must_be(nodeid_of(&life.f, "one"), one);
	cr_expect_neq(nodeid_of(&life.f, "two"), one);
	end(&life);
}

Test(state, numbers_of_what_was_forgotten_are_not_given_out_again)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t former = nodeid_of(&life.f, "file");
	uint64_t fh = open_node(&life.f, former, O_RDONLY);
	close_file(&life.f, fh);
	life.f.fs->ops->forget(life.f.fs, former, 1);
	die_and_come_back(&life);
	must_be(look_at(&life.f, former), -ESTALE);
	uint64_t now = nodeid_of(&life.f, "file");
	cr_expect_neq(now, former);
	for (int i = 0; i < 2 * HANDLE_SHARDS; i++) {
		uint64_t other = open_node(&life.f, now, O_RDONLY);
		cr_expect_neq(other, fh);
		close_file(&life.f, other);
	}
	end(&life);
}

Test(state, lookup_counts_are_those_that_the_client_has)
{
	struct life life;
	struct fsb_usage usage;

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t nodeid = nodeid_of(&life.f, "file");
	for (int i = 0; i < 4; i++)
		nodeid_of(&life.f, "file");
	life.f.fs->ops->forget(life.f.fs, nodeid, 2);
	die_and_come_back(&life);
	fsb_passthrough_usage(life.f.fs, &usage);
	cr_expect_eq(usage.lookups, 3);
	life.f.fs->ops->forget(life.f.fs, nodeid, 2);
	must_be(look_at(&life.f, nodeid), 0);
	die_and_come_back(&life);
	life.f.fs->ops->forget(life.f.fs, nodeid, 1);
	must_be(look_at(&life.f, nodeid), -ESTALE);
	die_and_come_back(&life);
	must_be(look_at(&life.f, nodeid), -ESTALE);
	end(&life);
}

Test(state, open_files_go_on_by_the_flags_that_they_had)
{
	struct life life;
	char bytes[8] = "";

	begin(&life);
	host_file(&life.f, "both", 0644, "content", 7);
	host_file(&life.f, "log", 0200, "first", 5);
	host_file(&life.f, "read", 0644, "content", 7);
	uint64_t both = open_file(&life.f, "both", O_RDWR | O_TRUNC | O_CREAT);
	uint64_t log = open_file(&life.f, "log", O_WRONLY | O_APPEND);
	uint64_t reader = open_file(&life.f, "read", O_RDONLY);
	must_be(write_handle(&life.f, both, 0, O_RDWR, "0123"), 4);
	die_and_come_back(&life);
	/* Not truncated again. */
	must_be(read_handle(&life.f, both, 0, bytes, 4), 4);
	cr_expect_str_eq(bytes, "0123");
	must_be(write_handle(&life.f, both, 2, O_RDWR, "x"), 1);
	must_be(write_handle(&life.f, log, 0, O_WRONLY | O_APPEND, " second"), 7);
	must_be(read_handle(&life.f, reader, 3, bytes, 4), 4);
	must_be(write_handle(&life.f, reader, 0, O_RDONLY, "x"), -EBADF);
	expect_content(&life, "both", "01x3");
	expect_content(&life, "log", "first second");
	close_file(&life.f, both);
	close_file(&life.f, log);
	die_and_come_back(&life);
	must_be(read_handle(&life.f, both, 0, bytes, 4), -EBADF);
	close_file(&life.f, reader);
	end(&life);
}

Test(state, flags_that_the_client_changed_meanwhile_count)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "log", 0600, "ab", 2);
	uint64_t log = open_file(&life.f, "log", O_WRONLY | O_APPEND);
	must_be(write_handle(&life.f, log, 0, O_WRONLY, "x"), 1);
	die_and_come_back(&life);
	must_be(write_handle(&life.f, log, 1, O_WRONLY, "y"), 1);
	expect_content(&life, "log", "xy");
	close_file(&life.f, log);
	end(&life);
}

Test(state, flags_of_a_handle_that_was_closed_meanwhile_do_not_become_anothers)
{
	struct life life;
	struct handle *writer;
	uint64_t readers[HANDLE_SHARDS];

	begin(&life);
	struct passthrough *pt = passthrough_of(life.f.fs);
	host_file(&life.f, "own", 0644, "own", 3);
	host_file(&life.f, "other", 0644, "other", 5);
	uint64_t own = open_file(&life.f, "own", O_RDWR);
	/* A write is under way while the client closes the handle, and opens others: one is put
	 * where it was. */
	must_be(handle_get(pt, own, HANDLE_FILE, &writer), 0);
	close_file(&life.f, own);
	for (int i = 0; i < HANDLE_SHARDS; i++)
		readers[i] = open_file(&life.f, "other", O_RDONLY);
	state_flag_handle(pt, writer, O_RDWR | O_APPEND);
	handle_put(pt, writer);
	die_and_come_back(&life);
	for (int i = 0; i < HANDLE_SHARDS; i++) {
		must_be(write_handle(&life.f, readers[i], 0, O_RDONLY, "x"), -EBADF);
		close_file(&life.f, readers[i]);
	}
	expect_content(&life, "other", "other");
	end(&life);
}

static void set_append_only(struct life *life, const char *name, bool append_only)
{
	int fd = (int)must(openat(life->f.host, name, O_RDONLY | O_CLOEXEC));
	int flags = 0;
	int result = ioctl(fd, FS_IOC_GETFLAGS, &flags);

	flags = append_only ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
	result = result < 0 ? result : ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	if (result < 0)
		cr_skip_test("this user cannot make files append-only");
}

Test(state, what_is_written_at_an_offset_is_never_appended_instead)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "file", 0644, "content", 7);
	uint64_t fh = open_file(&life.f, "file", O_RDWR);
	set_append_only(&life, "file", true);
	die_and_come_back(&life);
	ssize_t written = write_handle(&life.f, fh, 0, O_RDWR, "C");
	set_append_only(&life, "file", false);
	cr_expect_eq(written, -EPERM, "%zd", written);
	expect_content(&life, "file", "content");
	close_file(&life.f, fh);
	end(&life);
}

/** Takes so many names, and notes them. */
struct names {
	struct fsb_dirlist list;
	int room;
	int count;
	uint64_t next;
	char seen[NAMES_MOST][16];
};

static bool has_room(struct fsb_dirlist *list, size_t namelen)
{
	(void)namelen;
	return ((struct names *)list)->room > 0;
}

static int take(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
		const struct fsb_entry *entry)
{
	struct names *names = (struct names *)list;

	(void)entry;
	if (names->room == 0 || names->count == NAMES_MOST)
		return -ENOSPC;
	names->room--;
	names->next = dirent->next;
	snprintf(names->seen[names->count++], sizeof(names->seen[0]), "%s", dirent->name);
	return 0;
}

static void list_some(struct life *life, uint64_t fh, struct names *names, int room)
{
	struct fixture *f = &life->f;

	names->room = room;
	must_be(f->fs->ops->readdir(f->fs, &f->ctx, 0, fh, names->next, &names->list), 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

Test(state, a_listing_half_read_goes_on_where_it_was)
{
	struct life life;
	struct names *names = calloc(1, sizeof(*names));
	char name[16];

	begin(&life);
	names->list = (struct fsb_dirlist){ has_room, take };
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d", i);
		host_file(&life.f, name, 0644, "", 0);
	}
	uint64_t fh = open_node(&life.f, FSB_ROOT_NODEID, O_RDONLY | O_DIRECTORY);
	list_some(&life, fh, names, 40);
	die_and_come_back(&life);
	list_some(&life, fh, names, 40);
	die_and_come_back(&life);
	list_some(&life, fh, names, 100);
	cr_expect_eq(names->count, 102);
	qsort(names->seen, (size_t)names->count, sizeof(names->seen[0]), compare_names);
	for (int i = 1; i < names->count; i++)
		cr_expect_str_neq(names->seen[i - 1], names->seen[i], "listed twice");
	must_be(life.f.fs->ops->releasedir(life.f.fs, &life.f.ctx, 0, fh, 0), 0);
	free(names);
	end(&life);
}

Test(state, what_is_gone_meanwhile_is_stale)
{
	struct life life;
	char byte;

	begin(&life);
	host_file(&life.f, "open", 0644, "1", 1);
	host_file(&life.f, "known", 0644, "1", 1);
	uint64_t known = nodeid_of(&life.f, "known");
	uint64_t fh = open_file(&life.f, "open", O_RDONLY);
	must_be(life.f.fs->ops->unlink(life.f.fs, &life.f.ctx, FSB_ROOT_NODEID, "open"), 0);
	must_be(read_handle(&life.f, fh, 0, &byte, 1), 1);
	die(&life);
	must(unlinkat(life.f.host, "known", 0));
	come_back(&life);
	must_be(look_at(&life.f, known), -ESTALE);
	must_be(read_handle(&life.f, fh, 0, &byte, 1), -ESTALE);
	close_file(&life.f, fh);
	end(&life);
}

Test(state, files_that_took_a_numbers_place_are_not_taken_for_the_former_ones)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t former = nodeid_of(&life.f, "file");
	die(&life);
	for (int i = 0; i < 50; i++) {
		must(unlinkat(life.f.host, "file", 0));
		host_file(&life.f, "file", 0644, "2", 1);
	}
	come_back(&life);
	must_be(look_at(&life.f, former), -ESTALE);
	cr_expect_neq(nodeid_of(&life.f, "file"), former);
	end(&life);
}

Test(state, many_inodes_make_the_file_grow_and_freed_slots_are_used_again)
{
	struct life life;
	struct stat st, later;
	char name[16];
	static uint64_t nodeids[MANY];

	begin(&life);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			snprintf(name, sizeof(name), "%d", i);
			if (round == 0)
				host_file(&life.f, name, 0644, "", 0);
			nodeids[i] = nodeid_of(&life.f, name);
		}
		must(fstat(life.file, round == 0 ? &st : &later));
		die_and_come_back(&life);
		for (int i = 0; i < MANY; i++) {
			must_be(look_at(&life.f, nodeids[i]), 0);
			life.f.fs->ops->forget(life.f.fs, nodeids[i], 1);
		}
	}
	cr_expect_eq(st.st_size, later.st_size);
	end(&life);
}

Test(state, a_new_client_finds_nothing_of_the_one_before)
{
	struct life life;
	struct fsb_init init = { .minor = 45, .max_write = 1 << 20, .time_gran_ns = 1 };

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t nodeid = nodeid_of(&life.f, "file");
	life.f.fs->ops->destroy(life.f.fs);
	must_be(life.f.fs->ops->init(life.f.fs, &init), 0);
	cr_expect_neq(nodeid_of(&life.f, "file"), nodeid);
	die_and_come_back(&life);
	must_be(look_at(&life.f, nodeid), -ESTALE);
	end(&life);
}

static void in_own_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("this test mounts, which is root's");
}

Test(state, inodes_of_mounts_below_the_source_are_found_again_and_are_stale_without_the_mount)
{
	struct life life;
	struct fsb_entry entry;
	char point[96], path[128];

	in_own_mounts();
	begin(&life);
	must(mkdirat(life.f.host, "a point", 0755));
	snprintf(point, sizeof(point), "%s/a point", life.f.dir);
	must(mount("state", point, "tmpfs", 0, NULL));
	snprintf(path, sizeof(path), "%s/file", point);
	close((int)must(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)));
	uint64_t dir = nodeid_of(&life.f, "a point");
	must_be(life.f.fs->ops->lookup(life.f.fs, &life.f.ctx, dir, "file", &entry), 0);
	die_and_come_back(&life);
	must_be(look_at(&life.f, dir), 0);
	must_be(look_at(&life.f, entry.nodeid), 0);
	uint64_t before = entry.nodeid;
	must_be(life.f.fs->ops->lookup(life.f.fs, &life.f.ctx, dir, "file", &entry), 0);
	must_be(entry.nodeid, before);
	die(&life);
	must(umount(point));
	come_back(&life);
	must_be(look_at(&life.f, dir), -ESTALE);
	must_be(look_at(&life.f, before), -ESTALE);
	end(&life);
}

/* As one that has so many descriptors more. Return: 0, or why it could not. */
static int come_back_with(struct life *life, unsigned int descriptors)
{
	int next = (int)must(fcntl(life->file, F_DUPFD_CLOEXEC, 0));
	struct rlimit before;

	close(next);
	must(getrlimit(RLIMIT_NOFILE, &before));
	struct rlimit few = { (rlim_t)next + descriptors, before.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &few));
	int err = fsb_passthrough_new(&life->f.config, &life->f.fs);
	must(setrlimit(RLIMIT_NOFILE, &before));
	return err;
}

Test(state, a_want_of_descriptors_makes_nothing_stale)
{
	enum { ENOUGH = 64 };
	struct life life;
	struct fsb_entry entry;
	char point[96], path[128];
	unsigned int descriptors = 0;

	in_own_mounts();
	begin(&life);
	must(mkdirat(life.f.host, "point", 0755));
	snprintf(point, sizeof(point), "%s/point", life.f.dir);
	must(mount("state", point, "tmpfs", 0, NULL));
	snprintf(path, sizeof(path), "%s/file", point);
	close((int)must(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)));
	uint64_t dir = nodeid_of(&life.f, "point");
	must_be(life.f.fs->ops->lookup(life.f.fs, &life.f.ctx, dir, "file", &entry), 0);
	die(&life);
	while (come_back_with(&life, descriptors) < 0)
		cr_assert_lt(descriptors++, ENOUGH);
	cr_assert_gt(descriptors, 0);
	cr_assert(fsb_passthrough_recovered(life.f.fs));
	must_be(look_at(&life.f, dir), 0);
	must_be(look_at(&life.f, entry.nodeid), 0);
	die(&life);
	must(umount(point));
	come_back(&life);
	end(&life);
}

/* ---- Files that are not sound ---- */

static struct state_header *map_file(struct life *life, size_t *size)
{
	struct stat st;

	must(fstat(life->file, &st));
	*size = (size_t)st.st_size;
	void *start = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, life->file, 0);
	cr_assert_neq(start, MAP_FAILED);
	return start;
}

static struct state_inode *slot_of(struct state_header *header, uint64_t nodeid)
{
	unsigned char *slots = (unsigned char *)header + STATE_HEADER_SIZE +
			       (size_t)STATE_MOST_HANDLES * sizeof(struct state_handle);

	for (uint32_t i = 0; i < header->inodes; i++) {
		struct state_inode *slot =
			(struct state_inode *)(slots + (size_t)i * header->stride);
		if (slot->check && slot->nodeid == nodeid)
			return slot;
	}
	cr_assert_fail("no slot of %llx", (unsigned long long)nodeid);
	return NULL;
}

static void make_sound(struct state_inode *slot)
{
	size_t start = offsetof(struct state_inode, nodeid);

	slot->check = statefile_check((char *)slot + start,
				      offsetof(struct state_inode, bytes) - start + slot->length);
}

/** Two inodes of which @change damages the first, or the header. */
static void damage(struct life *life,
		   void (*change)(struct state_header *, struct state_inode *,
				  struct state_inode *),
		   uint64_t nodeids[2])
{
	size_t size;

	begin(life);
	host_file(&life->f, "first", 0644, "1", 1);
	host_file(&life->f, "second", 0644, "2", 1);
	nodeids[0] = nodeid_of(&life->f, "first");
	nodeids[1] = nodeid_of(&life->f, "second");
	die(life);
	struct state_header *header = map_file(life, &size);
	change(header, slot_of(header, nodeids[0]), slot_of(header, nodeids[1]));
	munmap(header, size);
	come_back(life);
}

#define a_damaged_slot_is_left_out(name, ...)                                            \
	static void name##_change(struct state_header *header, struct state_inode *slot, \
				  struct state_inode *other)                             \
	{                                                                                \
		(void)header, (void)other;                                               \
		__VA_ARGS__;                                                             \
	}                                                                                \
	Test(state, a_slot_##name##_is_left_out)                                         \
	{                                                                                \
		struct life life;                                                        \
		uint64_t nodeids[2];                                                     \
		damage(&life, name##_change, nodeids);                                   \
		cr_expect(fsb_passthrough_recovered(life.f.fs));                         \
		must_be(look_at(&life.f, nodeids[0]), -ESTALE);                          \
		must_be(look_at(&life.f, nodeids[1]), 0);                                \
		cr_expect_neq(nodeid_of(&life.f, "first"), nodeids[0]);                  \
		end(&life);                                                              \
	}

a_damaged_slot_is_left_out(torn_before_its_check, slot->check = 0) a_damaged_slot_is_left_out(
	torn_in_its_handle, slot->bytes[2] ^= 1) a_damaged_slot_is_left_out(torn_in_its_number,
									    slot->nodeid ^= 1 << 4)
	a_damaged_slot_is_left_out(longer_than_a_slot, slot->length = 200;
				   slot->check = 1) a_damaged_slot_is_left_out(without_a_count,
									       slot->nlookup = 0)
		a_damaged_slot_is_left_out(counted_beyond_all_bounds, slot->nlookup = UINT64_MAX)
			a_damaged_slot_is_left_out(
				with_a_number_that_was_never_given_out, slot->nodeid += 1ull << 40;
				make_sound(slot)) a_damaged_slot_is_left_out(with_the_roots_number,
									     slot->nodeid = 1;
									     make_sound(slot))
				a_damaged_slot_is_left_out(of_another_shard, slot->nodeid ^= 1;
							   make_sound(slot))
					a_damaged_slot_is_left_out(on_a_mount_that_is_not_there,
								   slot->mount = 7;
								   make_sound(slot))
						a_damaged_slot_is_left_out(
							on_a_mount_beyond_all_bounds,
							slot->mount = UINT32_MAX;
							make_sound(slot))
							a_damaged_slot_is_left_out(
								of_no_type, slot->type = 0644;
								make_sound(slot))

								static void change_type(
									struct state_header *header,
									struct state_inode *slot,
									struct state_inode *other)
{
	(void)header, (void)other;
	slot->type = S_IFDIR;
	make_sound(slot);
}

Test(state, nothing_is_opened_as_what_it_is_not)
{
	struct life life;
	uint64_t nodeids[2];

	damage(&life, change_type, nodeids);
	must_be(look_at(&life.f, nodeids[0]), -ESTALE);
	must_be(look_at(&life.f, nodeids[1]), 0);
	end(&life);
}

static void say_twice(struct state_header *header, struct state_inode *slot,
		      struct state_inode *other)
{
	unsigned char *slots = (unsigned char *)header + STATE_HEADER_SIZE +
			       (size_t)STATE_MOST_HANDLES * sizeof(struct state_handle);

	(void)other;
	for (uint32_t i = 0; i < header->inodes; i++) {
		struct state_inode *free =
			(struct state_inode *)(slots + (size_t)i * header->stride);
		if (free->check)
			continue;
		memcpy(free, slot, header->stride);
		/* Once with the same number, once with another one of the same shard. */
		free->nodeid += i % 2 ? 0 : 1ull << 4;
		make_sound(free);
	}
}

Test(state, nothing_is_known_twice)
{
	struct life life;
	uint64_t nodeids[2];
	struct fsb_usage usage;

	damage(&life, say_twice, nodeids);
	fsb_passthrough_usage(life.f.fs, &usage);
	cr_expect_eq(usage.inodes, 3);
	cr_expect_eq(usage.lookups, 2);
	must_be(look_at(&life.f, nodeids[1]), 0);
	end(&life);
}

#define a_damaged_header_is_no_state(name, ...)                                          \
	static void name##_change(struct state_header *header, struct state_inode *slot, \
				  struct state_inode *other)                             \
	{                                                                                \
		(void)slot, (void)other;                                                 \
		__VA_ARGS__;                                                             \
	}                                                                                \
	Test(state, a_header_##name##_is_begun_afresh)                                   \
	{                                                                                \
		struct life life;                                                        \
		uint64_t nodeids[2];                                                     \
		damage(&life, name##_change, nodeids);                                   \
		cr_expect_not(fsb_passthrough_recovered(life.f.fs));                     \
		must_be(look_at(&life.f, nodeids[1]), -ESTALE);                          \
		uint64_t known = nodeid_of(&life.f, "second");                           \
		die_and_come_back(&life);                                                \
		must_be(look_at(&life.f, known), 0);                                     \
		end(&life);                                                              \
	}

a_damaged_header_is_no_state(of_no_state, header->magic = 0) a_damaged_header_is_no_state(
	of_something_else, header->magic++) a_damaged_header_is_no_state(of_another_version,
									 header->version++)
	a_damaged_header_is_no_state(of_another_directory, header->root.ino++) a_damaged_header_is_no_state(
		with_another_stride,
		header->stride = 8) a_damaged_header_is_no_state(that_counts_more_than_there_is,
								 header->inodes = STATE_MOST_INODES)
		a_damaged_header_is_no_state(
			that_counts_beyond_all_bounds,
			header->inodes = UINT32_MAX - STATE_CHUNK +
					 1) a_damaged_header_is_no_state(that_counts_no_chunks,
									 header->handles = 7)
			a_damaged_header_is_no_state(
				without_numbers,
				header->next_inode[3] =
					0) a_damaged_header_is_no_state(with_numbers_beyond_all_bounds,
									header->next_handle[3] =
										UINT64_MAX)

				Test(state,
				     a_handle_that_is_said_twice_or_of_nothing_is_told_from_one_that_is_not)
{
	struct life life;
	char byte;
	size_t size;

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t fh = open_file(&life.f, "file", O_RDONLY);
	uint64_t other = open_file(&life.f, "file", O_RDONLY);
	die(&life);
	struct state_header *header = map_file(&life, &size);
	struct state_handle *slots = (struct state_handle *)((char *)header + STATE_HEADER_SIZE);
	for (uint32_t i = 0; i < header->handles; i++) {
		if (slots[i].fh != other || !slots[i].check)
			continue;
		slots[i].nodeid = 77;
		slots[i].flags = -1;
		slots[i].check = statefile_check(
			&slots[i].is_dir, sizeof(slots[i]) - offsetof(struct state_handle, is_dir));
		slots[i ^ 1] = slots[i];
	}
	munmap(header, size);
	die_and_come_back(&life);
	must_be(read_handle(&life.f, fh, 0, &byte, 1), 1);
	must_be(read_handle(&life.f, other, 0, &byte, 1), -ESTALE);
	close_file(&life.f, other);
	must_be(read_handle(&life.f, other, 0, &byte, 1), -EBADF);
	close_file(&life.f, fh);
	end(&life);
}

/* ---- Whose the file is ---- */

Test(state, only_a_file_that_is_closed_to_others_and_used_by_nobody_is_taken)
{
	struct fixture f;
	char path[] = "/tmp/fsbackend-state-XXXXXX";
	int pipes[2];
	struct fsb_filesystem *fs;

	fixture_make(&f);
	int file = (int)must(mkstemp(path));
	must(pipe2(pipes, O_CLOEXEC));
	f.config.state_fd = pipes[0];
	must_be(fsb_passthrough_new(&f.config, &fs), -EPERM);
	f.config.state_fd = file;
	must(fchmod(file, 0640));
	must_be(fsb_passthrough_new(&f.config, &fs), -EPERM);
	must(fchmod(file, 0600));
	f.config.state_offset = 1;
	must_be(fsb_passthrough_new(&f.config, &fs), -EINVAL);
	f.config.state_offset = 0;
	f.config.backing = FSB_BACKING_ON;
	must_be(fsb_passthrough_new(&f.config, &fs), -EINVAL);
	f.config.backing = FSB_BACKING_AUTO;
	int again = (int)must(open(path, O_RDWR | O_CLOEXEC));
	fixture_start(&f);
	struct fsb_passthrough_config config = f.config;
	config.state_fd = again;
	must_be(fsb_passthrough_new(&config, &fs), -EBUSY);
	close(again);
	fixture_end(&f);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	unlink(path);
}

Test(state, what_lies_before_the_offset_is_left_alone)
{
	struct life life;
	char text[8] = "";

	fixture_make(&life.f);
	strcpy(life.path, "/tmp/fsbackend-state-XXXXXX");
	life.file = (int)must(mkstemp(life.path));
	must_be(pwrite(life.file, "hosts", 5, 0), 5);
	life.f.config.state_fd = life.file;
	life.f.config.state_offset = 65536;
	fixture_start(&life.f);
	host_file(&life.f, "file", 0644, "1", 1);
	uint64_t nodeid = nodeid_of(&life.f, "file");
	die_and_come_back(&life);
	if (passthrough_of(life.f.fs)->mounts.root->handles)
		must_be(look_at(&life.f, nodeid), 0);
	must_be(pread(life.file, text, 5, 0), 5);
	cr_expect_str_eq(text, "hosts");
	end(&life);
}

/* The header fits, inodes do not. */
static int serve_without_room(void *arg)
{
	struct life *life = arg;
	struct rlimit limit = { STATE_HEADER_SIZE, STATE_HEADER_SIZE };
	struct fsb_entry entry;
	struct fsb_filesystem *fs;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || fsb_passthrough_new(&life->f.config, &fs) < 0)
		return 1;
	if (fs->ops->lookup(fs, &life->f.ctx, FSB_ROOT_NODEID, "file", &entry) < 0 ||
	    entry.nodeid == 0)
		return 2;
	fs->ops->forget(fs, entry.nodeid, 1);
	fsb_passthrough_free(fs);
	return 0;
}

Test(state, a_file_that_cannot_grow_ends_nothing)
{
	struct life life;

	begin(&life);
	host_file(&life.f, "file", 0644, "1", 1);
	die(&life);
	must_be(in_child(serve_without_room, &life), 0);
	come_back(&life);
	end(&life);
}
