/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the client's kernel reads and writes by itself: which are registered, as whom, and how
 * opens are answered. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "operating.h"
#include "passthrough/passthrough.h"

#define LARGE (64 * 1024)
#define SECOND 1000000000ull
#define CAP(name) (1ull << (name))
#define VIA_SERVER (FSB_OPEN_DIRECT_IO | FSB_OPEN_PARALLEL_DIRECT_WRITES)

/* ---- What a transport has: a register that remembers what it was asked ---- */

/**
 * @fail:      what the next registrations fail with, or 0
 * @asked:     how often a file was to be registered
 * @live:      how many ids there are
 * @ino:       of the file that was last registered
 * @effective: capabilities at that moment
 * @fsuid:     who it was
 * @closed_as: capabilities when an id was given back
 */
struct registry {
	struct fsb_backing base;
	int fail;
	int next;
	unsigned int asked;
	unsigned int live;
	ino_t ino;
	uint64_t effective;
	uid_t fsuid;
	uint64_t closed_as;
};

static uint64_t effective_now(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	must(syscall(SYS_capget, &header, data));
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static int registry_open(struct fsb_backing *base, int fd)
{
	struct registry *registry = (struct registry *)base;
	struct stat st;

	registry->asked++;
	registry->effective = effective_now();
	registry->fsuid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1);
	must(fstat(fd, &st));
	registry->ino = st.st_ino;
	if (registry->fail)
		return registry->fail;
	registry->live++;
	return ++registry->next;
}

static int registry_close(struct fsb_backing *base, int id)
{
	struct registry *registry = (struct registry *)base;

	cr_expect(id > 0 && id <= registry->next);
	registry->closed_as = effective_now();
	registry->live--;
	return 0;
}

/* ---- The tests' ground ---- */

static struct fixture f;
static struct registry registry;
static struct fsb_context user;

static void set_up(void)
{
	static char large[LARGE];

	in_memory();
	fixture_make(&f);
	registry = (struct registry){ .base = { registry_open, registry_close } };
	f.backing = &registry.base;
	user = caller(1000, 1000);
	host_file(&f, "small", 0666, "small", 5);
	host_file(&f, "large", 0666, large, sizeof(large));
}

static void tear_down(void)
{
	fixture_end(&f);
	cr_expect_eq(registry.live, 0, "no id is left");
	fsb_context_clear(&user);
}

TestSuite(backing, .init = set_up, .fini = tear_down);

static void start(enum fsb_backing_use use)
{
	f.config.backing = use;
	fixture_start(&f);
}

static struct fsb_open open_as(const struct fsb_context *ctx, uint64_t nodeid, int flags)
{
	struct fsb_open opened;

	must_be(f.fs->ops->open(f.fs, ctx, nodeid, flags, false, &opened), 0);
	return opened;
}

static struct fsb_open open_it(uint64_t nodeid, int flags)
{
	return open_as(&f.ctx, nodeid, flags);
}

/* Open and close. Return: the flags of the answer. */
static uint32_t answer_to(const char *name, int flags)
{
	struct fsb_open opened = open_it(nodeid_of(&f, name), flags);

	close_file(&f, opened.fh);
	return opened.flags;
}

static bool passes(const char *name, int flags)
{
	return answer_to(name, flags) & FSB_OPEN_PASSTHROUGH;
}

/* ---- Which ---- */

Test(backing, by_default_what_is_written_and_what_is_large_is_registered)
{
	start(FSB_BACKING_AUTO);
	cr_expect(!passes("small", O_RDONLY));
	cr_expect(passes("large", O_RDONLY));
	cr_expect(passes("small", O_WRONLY));
	cr_expect_eq(registry.asked, 2);
}

Test(backing, when_insisted_on_every_regular_file_is_registered)
{
	must(mkdirat(f.host, "dir", 0755));
	start(FSB_BACKING_ON);
	cr_expect(passes("small", O_RDONLY));
	close_file(&f, open_file(&f, "small", O_RDONLY));
	must_be(f.fs->ops->releasedir(f.fs, &f.ctx, 0, open_file(&f, "dir", O_DIRECTORY), 0), 0);
	cr_expect_eq(registry.asked, 2);
}

Test(backing, switched_off_none_is)
{
	start(FSB_BACKING_OFF);
	cr_expect(!passes("large", O_RDWR));
	cr_expect_eq(registry.asked, 0);
}

Test(backing, where_the_client_caches_nothing_small_files_are_worth_it_too)
{
	f.config.cache = FSB_CACHE_NONE;
	start(FSB_BACKING_AUTO);
	cr_expect_eq(answer_to("small", O_RDONLY), FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH);
}

Test(backing, none_is_with_writeback_and_insisting_on_both_is_refused)
{
	f.config.writeback = true;
	start(FSB_BACKING_AUTO);
	cr_expect(!passes("large", O_RDWR));
	f.config.backing = FSB_BACKING_ON;
	struct fsb_filesystem *fs;
	must_be(fsb_passthrough_new(&f.config, &fs), -EINVAL);
	f.config.writeback = false;
	f.config.no_open = true;
	must_be(fsb_passthrough_new(&f.config, &fs), -EINVAL);
}

Test(backing, what_is_created_is_registered)
{
	const struct fsb_create how = { .mode = 0644, .flags = O_WRONLY | O_CREAT | O_EXCL };
	struct fsb_entry entry;
	struct fsb_open opened;
	struct stat st;

	start(FSB_BACKING_AUTO);
	must_be(f.fs->ops->create(f.fs, &f.ctx, FSB_ROOT_NODEID, "new", &how, &entry, &opened), 0);
	must(fstatat(f.host, "new", &st, 0));
	cr_expect_eq(opened.flags, FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH);
	cr_expect_eq(opened.backing_id, registry.next);
	cr_expect_eq(registry.ino, st.st_ino);
	close_file(&f, opened.fh);
}

/* ---- One way at a time ---- */

Test(backing, opens_at_the_same_time_share_an_id_which_goes_with_the_last_of_them)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "large");
	struct fsb_open reader = open_it(nodeid, O_RDONLY), writer = open_it(nodeid, O_RDWR);

	cr_expect_eq(reader.backing_id, writer.backing_id);
	cr_expect(reader.flags & writer.flags & FSB_OPEN_PASSTHROUGH);
	cr_expect_eq(registry.asked, 1);
	close_file(&f, reader.fh);
	cr_expect_eq(registry.live, 1);
	close_file(&f, writer.fh);
	cr_expect_eq(registry.live, 0);
}

Test(backing, what_is_open_as_usual_stays_so_until_it_is_closed)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	struct fsb_open reader = open_it(nodeid, O_RDONLY), writer = open_it(nodeid, O_WRONLY);

	cr_expect_eq(writer.flags & FSB_OPEN_PASSTHROUGH, 0);
	close_file(&f, reader.fh);
	cr_expect(!passes("small", O_RDONLY));
	close_file(&f, writer.fh);
	cr_expect(passes("small", O_WRONLY));
}

/* A mapping outlives its descriptor, and would go past the pages of one who opens the file as
 * usual. */
Test(backing, what_was_registered_once_is_again_until_the_client_forgets_it)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	close_file(&f, open_it(nodeid, O_WRONLY).fh);
	cr_expect(open_it(nodeid, O_RDONLY).flags & FSB_OPEN_PASSTHROUGH);
	f.fs->ops->destroy(f.fs);
	cr_expect(!passes("small", O_RDONLY));
}

Test(backing, what_cannot_be_registered_again_is_read_anew)
{
	f.config.cache = FSB_CACHE_ALWAYS;
	start(FSB_BACKING_AUTO);
	cr_expect(answer_to("small", O_RDONLY) & FSB_OPEN_KEEP_CACHE);
	cr_expect(passes("small", O_WRONLY));
	registry.fail = -ENOMEM;
	cr_expect_eq(answer_to("small", O_RDONLY), FSB_OPEN_NOFLUSH);
}

Test(backing, attributes_of_what_may_be_mapped_are_not_believed_for_long)
{
	struct fsb_attr attr;
	uint64_t timeout_ns;

	f.config.cache = FSB_CACHE_ALWAYS;
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	must_be(f.fs->ops->getattr(f.fs, &f.ctx, nodeid, NULL, &attr, &timeout_ns), 0);
	cr_expect_gt(timeout_ns, SECOND);
	close_file(&f, open_it(nodeid, O_WRONLY).fh);
	must_be(f.fs->ops->getattr(f.fs, &f.ctx, nodeid, NULL, &attr, &timeout_ns), 0);
	cr_expect_eq(timeout_ns, SECOND);
}

/* ---- Refusals ---- */

Test(backing, files_of_file_systems_that_are_not_known_well_are_served_as_usual)
{
	const uint32_t both = FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH;

	fixture_end(&f);
	fixture_make_at(&f, "/proc/sys/kernel");
	f.backing = &registry.base;
	start(FSB_BACKING_ON);
	cr_expect_eq(answer_to("hostname", O_RDONLY) & both, FSB_OPEN_NOFLUSH);
	/* Errors may come when it is closed. */
	cr_expect_eq(answer_to("hostname", O_RDWR) & both, 0);
	cr_expect_eq(registry.asked, 0);
}

Test(backing, without_permission_it_is_tried_once)
{
	start(FSB_BACKING_ON);
	registry.fail = -EPERM;
	cr_expect(!passes("small", O_WRONLY));
	cr_expect(!passes("large", O_WRONLY));
	cr_expect_eq(registry.asked, 1);
}

Test(backing, another_failure_concerns_one_open)
{
	start(FSB_BACKING_ON);
	registry.fail = -ENOMEM;
	cr_expect(!passes("small", O_WRONLY));
	registry.fail = 0;
	cr_expect(passes("small", O_WRONLY));
}

/* ---- O_DIRECT ---- */

Test(backing, direct_opens_come_to_the_server_unless_they_go_through)
{
	start(FSB_BACKING_AUTO);
	cr_expect_eq(answer_to("large", O_RDWR | O_DIRECT) & (VIA_SERVER | FSB_OPEN_PASSTHROUGH),
		     VIA_SERVER);
	uint64_t nodeid = nodeid_of(&f, "large");
	struct fsb_open plain = open_it(nodeid, O_RDWR),
			direct = open_it(nodeid, O_RDWR | O_DIRECT);
	cr_expect_eq(direct.flags, FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH | VIA_SERVER);
	cr_expect_eq(direct.backing_id, plain.backing_id);
	close_file(&f, plain.fh);
	close_file(&f, direct.fh);
}

Test(backing, with_direct_io_direct_opens_are_as_others)
{
	f.config.direct_io = true;
	start(FSB_BACKING_AUTO);
	cr_expect_eq(answer_to("large", O_RDWR | O_DIRECT),
		     FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH);
}

/* ---- As whom ---- */

static void check_registered_as_the_caller(enum fsb_permissions permissions)
{
	f.config.permissions = permissions;
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	close_file(&f, open_it(nodeid, O_WRONLY).fh);
	cr_expect_eq(registry.effective & (CAP(CAP_SYS_ADMIN) | CAP(CAP_FSETID)),
		     CAP(CAP_SYS_ADMIN) | CAP(CAP_FSETID));
	cr_expect(registry.closed_as & CAP(CAP_SYS_ADMIN));
	close_file(&f, open_as(&user, nodeid, O_WRONLY).fh);
	cr_expect_eq(registry.effective & (CAP(CAP_SYS_ADMIN) | CAP(CAP_FSETID)),
		     CAP(CAP_SYS_ADMIN));
	cr_expect(registry.closed_as & CAP(CAP_SYS_ADMIN));
}

Test(backing, in_client_mode_users_write_without_the_power_to_keep_set_id_bits_and_root_with_it)
{
	check_registered_as_the_caller(FSB_PERMISSIONS_CLIENT);
}

Test(backing, in_server_mode_too)
{
	check_registered_as_the_caller(FSB_PERMISSIONS_SERVER);
}

Test(backing, who_writes_differently_from_those_who_have_it_open_comes_to_the_server)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	struct fsb_open roots = open_it(nodeid, O_WRONLY), users = open_as(&user, nodeid, O_WRONLY),
			reader = open_as(&user, nodeid, O_RDONLY);

	cr_expect_eq(users.flags, FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH | VIA_SERVER);
	cr_expect_eq(users.backing_id, roots.backing_id);
	cr_expect_eq(reader.flags, FSB_OPEN_PASSTHROUGH | FSB_OPEN_NOFLUSH);
	close_file(&f, roots.fh);
	close_file(&f, users.fh);
	close_file(&f, reader.fh);
}

static int set_nothing(const struct fsb_context *ctx, uint64_t nodeid)
{
	const struct fsb_setattr nothing = { 0 };
	struct fsb_attr attr;
	uint64_t timeout_ns;

	return f.fs->ops->setattr(f.fs, ctx, nodeid, NULL, &nothing, &attr, &timeout_ns);
}

Test(backing,
     set_id_bits_are_cleared_when_the_client_asks_before_somebody_writes_by_roots_descriptor)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	must(fchmodat(f.host, "small", 06755, 0));
	must_be(set_nothing(&user, nodeid), 0);
	cr_expect_eq(host_mode(&f, "small"), 06755, "nobody can write");
	must(fchmodat(f.host, "small", 0755, 0));
	struct fsb_open opened = open_it(nodeid, O_WRONLY);
	must(fchmodat(f.host, "small", 06755, 0));
	must_be(set_nothing(&user, nodeid), 0);
	cr_expect_eq(host_mode(&f, "small"), 0755);
	close_file(&f, opened.fh);
}

Test(backing, roots_writes_to_a_file_with_set_id_bits_come_to_the_server)
{
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	must(fchmodat(f.host, "small", 06755, 0));
	struct fsb_open opened = open_it(nodeid, O_WRONLY);
	cr_expect_eq(opened.backing_id, 0);
	must_be(set_nothing(&user, nodeid), 0);
	cr_expect_eq(host_mode(&f, "small"), 06755);
	close_file(&f, opened.fh);
}

Test(backing, a_group_bit_without_execution_is_cleared_for_strangers_only)
{
	struct fsb_context fellow = caller(1001, 1001);
	const gid_t group = 77;

	must_be(fsb_context_set_groups(&fellow, 1, &group), 0);
	start(FSB_BACKING_AUTO);
	uint64_t nodeid = nodeid_of(&f, "small");
	struct fsb_open opened = open_it(nodeid, O_WRONLY);
	must(fchownat(f.host, "small", 0, group, 0));
	must(fchmodat(f.host, "small", 02666, 0));
	must_be(set_nothing(&fellow, nodeid), 0);
	cr_expect_eq(host_mode(&f, "small"), 02666);
	must_be(set_nothing(&user, nodeid), 0);
	cr_expect_eq(host_mode(&f, "small"), 0666);
	close_file(&f, opened.fh);
	fsb_context_clear(&fellow);
}

static int list_trusted_after_an_open(void *opaque)
{
	char list[256];
	uint64_t nodeid = nodeid_of(&f, "large");

	(void)opaque;
	close_file(&f, open_it(nodeid, O_WRONLY).fh);
	return (int)f.fs->ops->listxattr(f.fs, &user, nodeid, list, sizeof(list));
}

Test(backing, the_capability_to_register_does_not_show_users_more_than_before)
{
	must(fsetxattr(openat(f.host, "large", O_RDWR | O_CLOEXEC), "trusted.secret", "x", 1, 0));
	start(FSB_BACKING_AUTO);
	must_be(on_donated_thread(list_trusted_after_an_open, NULL), 0);
}

/* ---- What was seen at the last open ---- */

static bool unchanged_since(bool foreign, struct opened *opened, mode_t type, struct fsb_time ctime, uint64_t size)
{
	const struct fsb_attr attr = { .size = size, .ctime = ctime, .mode = type | 0644 };

	return opened_unchanged(opened, foreign, &attr);
}

static bool unchanged(struct opened *opened, int64_t sec, uint32_t nsec, uint64_t size)
{
	return unchanged_since(false, opened, S_IFREG, (struct fsb_time){ sec, nsec }, size);
}

Test(backing, a_file_is_unchanged_when_neither_size_nor_ctime_has)
{
	struct opened opened = { 0 };

	cr_expect(!unchanged(&opened, 1000, 5, 10), "never seen before");
	cr_expect(unchanged(&opened, 1000, 5, 10));
	cr_expect(!unchanged(&opened, 1000, 6, 10));
	cr_expect(!unchanged(&opened, 1000, 6, 11));
	cr_expect(!unchanged(&opened, 1001, 6, 11));
	cr_expect(unchanged(&opened, 1001, 6, 11));
	start(FSB_BACKING_OFF);
}

Test(backing, a_file_that_changed_just_now_may_have_changed_again)
{
	struct opened opened = { 0 };

	struct timespec now;

	/* Ahead of the clock, so that however long the test takes it has been just now. */
	must(clock_gettime(CLOCK_REALTIME, &now));
	cr_expect(!unchanged(&opened, now.tv_sec + 60, 5, 10));
	cr_expect(!unchanged(&opened, now.tv_sec + 60, 5, 10));
	start(FSB_BACKING_OFF);
}

/* Whether a change of a second ago is taken for complete. Again when the machine stood still meanwhile. */
static bool is_settled(bool foreign, mode_t type, uint32_t nsec)
{
	struct timespec before, after;
	bool settled;

	do {
		struct opened opened = { 0 };
		must(clock_gettime(CLOCK_REALTIME, &before));
		const struct fsb_time ctime = { before.tv_sec - 1, nsec };
		(void)unchanged_since(foreign, &opened, type, ctime, 10);
		settled = unchanged_since(foreign, &opened, type, ctime, 10);
		must(clock_gettime(CLOCK_REALTIME, &after));
	} while (after.tv_sec != before.tv_sec);
	return settled;
}

Test(backing, names_that_changed_a_second_ago_have_settled_and_bytes_have_not)
{
	cr_expect(is_settled(false, S_IFDIR, 1));
	cr_expect(!is_settled(false, S_IFDIR, 0), "whole seconds");
	cr_expect(!is_settled(true, S_IFDIR, 1), "another machine's clock");
	cr_expect(!is_settled(false, S_IFREG, 1), "a write may go on");
	start(FSB_BACKING_OFF);
}
