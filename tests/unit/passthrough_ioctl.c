// SPDX-License-Identifier: BSD-3-Clause
/* ioctls through the vtable: inode flags and project ids, nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_ioctl, .timeout = 60);

static struct fixture f;
static uint64_t fh, dir_fh;

static void set_up(void)
{
	fixture_make(&f);
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	must(mkdirat(f.host, "dir", 0777));
	fh = open_file(&f, "file", O_RDONLY);
	dir_fh = open_node(&f, nodeid_of(&f, "dir"), O_RDONLY | O_DIRECTORY);

	int fd = (int)must(openat(f.host, "file", O_RDONLY)), flags;
	bool has_flags = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	close(fd);
	if (!has_flags)
		cr_skip_test("the file system of /tmp has no inode flags");
}

static void tear_down(void)
{
	fixture_end(&f);
}

static int get(uint64_t handle, uint32_t cmd, uint32_t flags, void *out, size_t size)
{
	const struct fsb_ioctl ioctl = { .cmd = cmd, .flags = flags, .out_size = size };
	struct fsb_ioctl_result result = { .result = -1, .out = out };
	int err = f.fs->ops->ioctl(f.fs, &f.ctx, 0, handle, &ioctl, &result);

	if (!err) {
		cr_expect_eq(result.result, 0);
		cr_expect_eq(result.flags, 0);
		cr_expect_eq(result.out_size, size);
	}
	return err;
}

static int set(uint64_t handle, uint32_t cmd, uint32_t flags, const void *in, size_t size)
{
	const struct fsb_ioctl ioctl = { .cmd = cmd, .flags = flags, .in = in, .in_size = size };
	struct fsb_ioctl_result result = { .result = -1 };
	int err = f.fs->ops->ioctl(f.fs, &f.ctx, 0, handle, &ioctl, &result);

	if (!err) {
		cr_expect_eq(result.result, 0);
		cr_expect_eq(result.out_size, 0);
	}
	return err;
}

Test(passthrough_ioctl, flags_of_a_file_are_read_and_set, .init = set_up, .fini = tear_down)
{
	int before = 0, after = 0;

	must_be(get(fh, FS_IOC_GETFLAGS, 0, &before, sizeof(before)), 0);
	int wanted = before | FS_NODUMP_FL;
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &wanted, sizeof(wanted)), 0);
	must_be(get(fh, FS_IOC_GETFLAGS, 0, &after, sizeof(after)), 0);
	cr_expect_eq(after, wanted);
}

Test(passthrough_ioctl, a_32_bit_client_means_the_same, .init = set_up, .fini = tear_down)
{
	int before = 0, after = 0;

	must_be(get(fh, FS_IOC32_GETFLAGS, FSB_IOCTL_32BIT, &before, sizeof(before)), 0);
	int wanted = before | FS_NOATIME_FL;
	must_be(set(fh, FS_IOC32_SETFLAGS, FSB_IOCTL_COMPAT | FSB_IOCTL_32BIT, &wanted,
		    sizeof(wanted)),
		0);
	must_be(get(fh, FS_IOC_GETFLAGS, 0, &after, sizeof(after)), 0);
	cr_expect_eq(after, wanted);
}

Test(passthrough_ioctl, works_on_directories, .init = set_up, .fini = tear_down)
{
	int before = 0, after = 0;

	must_be(get(dir_fh, FS_IOC_GETFLAGS, FSB_IOCTL_DIR, &before, sizeof(before)), 0);
	int wanted = before | FS_NODUMP_FL;
	must_be(set(dir_fh, FS_IOC_SETFLAGS, FSB_IOCTL_DIR, &wanted, sizeof(wanted)), 0);
	must_be(get(dir_fh, FS_IOC_GETFLAGS, FSB_IOCTL_DIR, &after, sizeof(after)), 0);
	cr_expect_eq(after, wanted);
}

Test(passthrough_ioctl, fsxattr_is_read_and_set, .init = set_up, .fini = tear_down)
{
	struct fsxattr before, after;

	int err = get(fh, FS_IOC_FSGETXATTR, 0, &before, sizeof(before));
	if (err == -ENOTTY || err == -EOPNOTSUPP)
		cr_skip_test("the file system of /tmp has no fsxattr");
	must_be(err, 0);
	before.fsx_xflags |= FS_XFLAG_NODUMP;
	must_be(set(fh, FS_IOC_FSSETXATTR, 0, &before, sizeof(before)), 0);
	must_be(get(fh, FS_IOC_FSGETXATTR, 0, &after, sizeof(after)), 0);
	cr_expect(after.fsx_xflags & FS_XFLAG_NODUMP);
}

Test(passthrough_ioctl, sizes_have_to_be_exact, .init = set_up, .fini = tear_down)
{
	char bytes[64] = "";

	must_be(get(fh, FS_IOC_GETFLAGS, 0, bytes, 0), -EINVAL);
	must_be(get(fh, FS_IOC_GETFLAGS, 0, bytes, 3), -EINVAL);
	must_be(get(fh, FS_IOC_GETFLAGS, 0, bytes, 8), -EINVAL);
	must_be(set(fh, FS_IOC_GETFLAGS, 0, bytes, 4), -EINVAL);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, bytes, 0), -EINVAL);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, bytes, 64), -EINVAL);
	must_be(get(fh, FS_IOC_SETFLAGS, 0, bytes, 4), -EINVAL);
	must_be(get(fh, FS_IOC_FSGETXATTR, 0, bytes, 27), -EINVAL);
	must_be(set(fh, FS_IOC_FSSETXATTR, 0, bytes, 29), -EINVAL);
}

Test(passthrough_ioctl, everything_else_is_refused, .init = set_up, .fini = tear_down)
{
	const uint32_t others[] = { FICLONE,
				    FICLONERANGE,
				    FIDEDUPERANGE,
				    FS_IOC_FIEMAP,
				    FIFREEZE,
				    FITHAW,
				    FITRIM,
				    TCGETS,
				    FIONREAD,
				    FIOCLEX,
				    FS_IOC_GETVERSION,
				    BLKGETSIZE64,
				    0,
				    UINT32_MAX };
	char bytes[64] = "";

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		must_be(get(fh, others[i], 0, bytes, sizeof(bytes)), -ENOTTY);
		must_be(set(fh, others[i], 0, bytes, sizeof(bytes)), -ENOTTY);
		must_be(set(dir_fh, others[i], FSB_IOCTL_DIR | FSB_IOCTL_UNRESTRICTED, bytes, 0),
			-ENOTTY);
	}
}

Test(passthrough_ioctl, works_by_nodeid_when_nothing_is_opened)
{
	int flags = 0;

	fixture_make(&f);
	f.config.no_open = f.config.no_opendir = true;
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	const struct fsb_ioctl file = { .cmd = FS_IOC_GETFLAGS, .out_size = sizeof(flags) };
	const struct fsb_ioctl dir = { .cmd = FS_IOC_GETFLAGS,
				       .flags = FSB_IOCTL_DIR,
				       .out_size = sizeof(flags) };
	struct fsb_ioctl_result result = { .out = &flags };
	uint64_t nodeid = nodeid_of(&f, "file");

	int err = f.fs->ops->ioctl(f.fs, &f.ctx, nodeid, 0, &file, &result);
	cr_expect(err == 0 || err == -ENOTTY || err == -EOPNOTSUPP);
	must_be(f.fs->ops->ioctl(f.fs, &f.ctx, FSB_ROOT_NODEID, 0, &dir, &result), err);
	must_be(f.fs->ops->ioctl(f.fs, &f.ctx, nodeid, 0, &dir, &result), -ENOTDIR);
	must_be(f.fs->ops->ioctl(f.fs, &f.ctx, 99, 0, &file, &result), -ESTALE);
	must_be(f.fs->ops->ioctl(f.fs, &f.ctx, 99, 0, &dir, &result), -ESTALE);
	fixture_end(&f);
}

/* ---- Who may ---- */

static void set_up_judged(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root, to be somebody else");
	fixture_make(&f);
	f.config.permissions = FSB_PERMISSIONS_SERVER;
	fixture_start(&f);
	host_file(&f, "file", 0666, "", 0);
	must(fchownat(f.host, "file", 1000, 1000, 0));
}

Test(passthrough_ioctl, only_the_owner_sets_flags_and_only_root_immutable, .init = set_up_judged,
     .fini = tear_down)
{
	int flags = 0;

	f.ctx = caller(1000, 1000);
	fh = open_file(&f, "file", O_RDWR);
	must_be(get(fh, FS_IOC_GETFLAGS, 0, &flags, sizeof(flags)), 0);
	int nodump = flags | FS_NODUMP_FL, immutable = flags | FS_IMMUTABLE_FL,
	    append = flags | FS_APPEND_FL;
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &nodump, sizeof(nodump)), 0);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &immutable, sizeof(immutable)), -EPERM);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &append, sizeof(append)), -EPERM);

	f.ctx = caller(1001, 1001);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &flags, sizeof(flags)), -EPERM);

	f.ctx = caller(0, 0);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &immutable, sizeof(immutable)), 0);
	must_be(set(fh, FS_IOC_SETFLAGS, 0, &flags, sizeof(flags)), 0);
}
