// SPDX-License-Identifier: BSD-3-Clause
/*
 * Nodeids and handles that the client does not have: each operation says ESTALE or EBADF, and does
 * nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_hostile, .timeout = 60);

static struct fixture f;
static uint64_t forgotten; /* a nodeid that the client had */
static uint64_t closed;    /* a handle that it had */
static uint64_t file_fh;   /* open */
static uint64_t dir_fh;    /* open */

static void set_up(void)
{
	fixture_make(&f);
	f.config.locks = FSB_LOCKS_HOST;
	fixture_start(&f);
	host_file(&f, "file", 0666, "bytes", 5);
	must(mkdirat(f.host, "dir", 0777));
	host_file(&f, "gone", 0666, "", 0);

	forgotten = nodeid_of(&f, "gone");
	f.fs->ops->forget(f.fs, forgotten, 1);
	closed = open_file(&f, "file", O_RDWR);
	close_file(&f, closed);
	file_fh = open_file(&f, "file", O_RDWR);
	dir_fh = open_node(&f, FSB_ROOT_NODEID, O_RDONLY | O_DIRECTORY);
}

static void tear_down(void)
{
	struct stat st;

	must(fstatat(f.host, "file", &st, 0));
	cr_expect_eq(st.st_size, 5, "the file is as it was");
	fixture_end(&f);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

/* ---- By nodeid ---- */

static void all_are_stale(uint64_t bad)
{
	static const struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	static const struct fsb_setattr set = { .valid = FSB_SET_MODE, .mode = 0600 };
	struct fsb_entry entry;
	struct fsb_attr attr;
	struct fsb_open opened;
	struct fsb_statfs statfs;
	struct statx stx;
	uint64_t timeout;
	char bytes[64];

	must_be(OP(lookup, bad, "file", &entry), -ESTALE);
	must_be(OP(getattr, bad, NULL, &attr, &timeout), -ESTALE);
	must_be(OP(statx, bad, NULL, 0, STATX_BASIC_STATS, &stx, &timeout), -ESTALE);
	must_be(OP(setattr, bad, NULL, &set, &attr, &timeout), -ESTALE);
	must_be(OP(readlink, bad, bytes, sizeof(bytes)), -ESTALE);
	must_be(OP(symlink, bad, "new", "target", &how, &entry), -ESTALE);
	must_be(OP(mknod, bad, "new", &how, &entry), -ESTALE);
	must_be(OP(mkdir, bad, "new", &how, &entry), -ESTALE);
	must_be(OP(unlink, bad, "file"), -ESTALE);
	must_be(OP(rmdir, bad, "dir"), -ESTALE);
	must_be(OP(rename, bad, "file", FSB_ROOT_NODEID, "new", 0), -ESTALE);
	must_be(OP(rename, FSB_ROOT_NODEID, "file", bad, "new", 0), -ESTALE);
	must_be(OP(link, bad, FSB_ROOT_NODEID, "new", &entry), -ESTALE);
	must_be(OP(link, FSB_ROOT_NODEID, bad, "new", &entry), -ESTALE);
	must_be(OP(open, bad, O_RDWR, false, &opened), -ESTALE);
	must_be(OP(create, bad, "new", &how, &entry, &opened), -ESTALE);
	must_be(OP(tmpfile, bad, &how, &entry, &opened), -ESTALE);
	must_be(OP(opendir, bad, O_RDONLY, &opened), -ESTALE);
	must_be(OP(statfs, bad, &statfs), -ESTALE);
	must_be(OP(syncfs, bad), -ESTALE);
	must_be(OP(setxattr, bad, "user.x", "v", 1, 0, false), -ESTALE);
	must_be(OP(getxattr, bad, "user.x", bytes, sizeof(bytes)), -ESTALE);
	must_be(OP(listxattr, bad, bytes, sizeof(bytes)), -ESTALE);
	must_be(OP(removexattr, bad, "user.x"), -ESTALE);
	must_be(OP(access, bad, R_OK), -ESTALE);
	f.fs->ops->forget(f.fs, bad, UINT64_MAX);
	cr_expect_eq(faccessat(f.host, "new", F_OK, 0), -1, "nothing was made");
}

Test(passthrough_hostile, unknown_nodeids_are_stale, .init = set_up, .fini = tear_down)
{
	const uint64_t bad[] = { 0, 2, 15, 255, 12345, 1ull << 32, INT64_MAX, UINT64_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		all_are_stale(bad[i]);
}

Test(passthrough_hostile, forgotten_nodeids_are_stale, .init = set_up, .fini = tear_down)
{
	all_are_stale(forgotten);
}

Test(passthrough_hostile, forgetting_more_than_was_given_loses_the_inode_only, .init = set_up,
     .fini = tear_down)
{
	uint64_t nodeid = nodeid_of(&f, "dir");
	struct fsb_attr attr;
	uint64_t timeout;

	f.fs->ops->forget(f.fs, nodeid, UINT64_MAX);
	must_be(OP(getattr, nodeid, NULL, &attr, &timeout), -ESTALE);
	f.fs->ops->forget(f.fs, FSB_ROOT_NODEID, UINT64_MAX);
	must_be(OP(getattr, FSB_ROOT_NODEID, NULL, &attr, &timeout), 0);
	cr_expect_neq(nodeid_of(&f, "dir"), nodeid, "nodeids are not used again");
}

/* ---- By handle ---- */

static bool fits(struct fsb_dirlist *list, size_t namelen)
{
	(void)list, (void)namelen;
	return true;
}

static int add(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
	       const struct fsb_entry *entry)
{
	(void)list, (void)dirent, (void)entry;
	return 0;
}

static void bad_for_files(uint64_t nodeid, uint64_t bad)
{
	struct fsb_lock lock = { .type = F_WRLCK, .end = INT64_MAX };
	const struct fsb_lock_owner owner = { .owner = 1 },
				    flock_owner = { .owner = 1, .flock = true };
	struct fsb_copy in = {
		.nodeid_in = nodeid, .fh_in = bad, .nodeid_out = nodeid, .fh_out = file_fh, .len = 1
	};
	struct fsb_copy out = {
		.nodeid_in = nodeid, .fh_in = file_fh, .nodeid_out = nodeid, .fh_out = bad, .len = 1
	};
	char bytes[16] = "";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct fsb_transfer transfer;
	int flags = 0;
	const struct fsb_ioctl ioctl = { .cmd = FS_IOC_GETFLAGS, .out_size = sizeof(flags) };
	struct fsb_ioctl_result result = { .out = &flags };
	uint64_t offset;

	fsb_transfer_init(&transfer, &iov, 1, sizeof(bytes));
	must_be(OP(read, nodeid, bad, 0, sizeof(bytes), 0, 0, &transfer), -EBADF);
	must_be(OP(write, nodeid, bad, 0, sizeof(bytes), 0, 0, 0, &transfer), -EBADF);
	must_be(OP(flush, nodeid, bad, 1), -EBADF);
	must_be(OP(release, nodeid, bad, 0, true, 1), -EBADF);
	must_be(OP(fsync, nodeid, bad, false), -EBADF);
	must_be(OP(getlk, nodeid, bad, &owner, &lock), -EBADF);
	must_be(OP(setlk, nodeid, bad, &owner, &lock), -EBADF);
	must_be(OP(setlk, nodeid, bad, &flock_owner, &lock), -EBADF);
	must_be(OP(setlkw, nodeid, bad, &owner, &lock), -EBADF);
	must_be(OP(setlkw, nodeid, bad, &flock_owner, &lock), -EBADF);
	must_be(OP(fallocate, nodeid, bad, 0, 0, 4096), -EBADF);
	must_be(OP(lseek, nodeid, bad, 0, SEEK_DATA, &offset), -EBADF);
	must_be(OP(copy_file_range, &in), -EBADF);
	must_be(OP(copy_file_range, &out), -EBADF);
	must_be(OP(remap_file_range, &in), -EBADF);
	must_be(OP(remap_file_range, &out), -EBADF);
	must_be(OP(ioctl, nodeid, bad, &ioctl, &result), -EBADF);
}

static void bad_for_directories(uint64_t nodeid, uint64_t bad)
{
	struct fsb_dirlist list = { fits, add };
	int flags = 0;
	const struct fsb_ioctl ioctl = { .cmd = FS_IOC_GETFLAGS,
					 .flags = FSB_IOCTL_DIR,
					 .out_size = sizeof(flags) };
	struct fsb_ioctl_result result = { .out = &flags };

	must_be(OP(readdir, nodeid, bad, 0, &list), -EBADF);
	must_be(OP(readdirplus, nodeid, bad, 0, &list), -EBADF);
	must_be(OP(releasedir, nodeid, bad, 0), -EBADF);
	must_be(OP(fsyncdir, nodeid, bad, false), -EBADF);
	must_be(OP(ioctl, nodeid, bad, &ioctl, &result), -EBADF);
}

static void bad_for_both(uint64_t nodeid, uint64_t bad)
{
	const struct fsb_setattr set = { .valid = FSB_SET_SIZE, .size = 0 };
	struct fsb_attr attr;
	struct statx stx;
	uint64_t timeout;
	uint32_t events;

	must_be(OP(getattr, nodeid, &bad, &attr, &timeout), -EBADF);
	must_be(OP(statx, nodeid, &bad, 0, STATX_BASIC_STATS, &stx, &timeout), -EBADF);
	must_be(OP(setattr, nodeid, &bad, &set, &attr, &timeout), -EBADF);
	must_be(OP(poll, nodeid, bad, 0, false, 1, &events), -EBADF);
}

Test(passthrough_hostile, unknown_handles_are_bad, .init = set_up, .fini = tear_down)
{
	const uint64_t bad[] = { 0, 1, 15, 1ull << 32, INT64_MAX, UINT64_MAX, closed };
	uint64_t nodeid = nodeid_of(&f, "file");

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bad_for_files(nodeid, bad[i]);
		bad_for_directories(FSB_ROOT_NODEID, bad[i]);
		bad_for_both(nodeid, bad[i]);
	}
}

Test(passthrough_hostile, a_directory_is_no_file_and_a_file_no_directory, .init = set_up,
     .fini = tear_down)
{
	bad_for_files(nodeid_of(&f, "file"), dir_fh);
	bad_for_directories(FSB_ROOT_NODEID, file_fh);
}

Test(passthrough_hostile, handles_of_files_that_are_closed_twice_are_bad, .init = set_up,
     .fini = tear_down)
{
	must_be(OP(release, 0, closed, 0, false, 0), -EBADF);
	must_be(OP(releasedir, 0, dir_fh, 0), 0);
	must_be(OP(releasedir, 0, dir_fh, 0), -EBADF);
}

Test(passthrough_hostile, special_files_are_never_opened, .init = set_up, .fini = tear_down)
{
	struct fsb_open opened;

	must(mkfifoat(f.host, "fifo", 0666));
	must(symlinkat("/etc/passwd", f.host, "symlink"));
	must_be(OP(open, nodeid_of(&f, "fifo"), O_RDONLY, false, &opened), -ENXIO);
	must_be(OP(open, nodeid_of(&f, "symlink"), O_RDONLY, false, &opened), -ELOOP);
	must_be(OP(open, FSB_ROOT_NODEID, O_RDONLY, false, &opened), -EISDIR);
	must_be(OP(opendir, nodeid_of(&f, "file"), O_RDONLY, &opened), -ENOTDIR);
}

/* ---- Names, from a caller without a decoder before ---- */

static void all_refuse(const char *name, int expected)
{
	static const struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	uint64_t root = FSB_ROOT_NODEID;
	struct fsb_entry entry;
	struct fsb_open opened;

	must_be(OP(symlink, root, name, "target", &how, &entry), expected);
	must_be(OP(mknod, root, name, &how, &entry), expected);
	must_be(OP(mkdir, root, name, &how, &entry), expected);
	must_be(OP(create, root, name, &how, &entry, &opened), expected);
	must_be(OP(link, nodeid_of(&f, "file"), root, name, &entry), expected);
	must_be(OP(unlink, root, name), expected);
	must_be(OP(rmdir, root, name), expected);
	must_be(OP(rename, root, name, root, "new", 0), expected);
	must_be(OP(rename, root, "file", root, name, 0), expected);
}

Test(passthrough_hostile, a_name_is_one_step_whoever_calls, .init = set_up, .fini = tear_down)
{
	static const char *const leading[] = { "", "/etc/passwd", "../file", "dir/..", "dir/x", "x/" };
	struct fsb_entry entry;
	char long_name[257];

	memset(long_name, 'n', 256);
	long_name[256] = '\0';
	for (size_t i = 0; i < sizeof(leading) / sizeof(leading[0]); i++) {
		must_be(OP(lookup, FSB_ROOT_NODEID, leading[i], &entry), -EINVAL);
		all_refuse(leading[i], -EINVAL);
	}
	all_refuse(".", -EINVAL);
	all_refuse("..", -EINVAL);
	all_refuse(long_name, -ENAMETOOLONG);
	must_be(OP(lookup, FSB_ROOT_NODEID, long_name, &entry), -ENAMETOOLONG);
}
