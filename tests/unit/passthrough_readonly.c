// SPDX-License-Identifier: BSD-3-Clause
/* A read-only passthrough: whatever changes anything says EROFS, all else works. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_readonly, .timeout = 60);

static struct fixture f;
static uint64_t file, dir, fh;

static void set_up(void)
{
	fixture_make(&f);
	f.config.read_only = true;
	f.config.locks = FSB_LOCKS_HOST;
	fixture_start(&f);
	host_file(&f, "file", 0666, "bytes", 5);
	must(mkdirat(f.host, "dir", 0777));
	file = nodeid_of(&f, "file");
	dir = nodeid_of(&f, "dir");
	fh = open_node(&f, file, O_RDONLY);
}

static void tear_down(void)
{
	fixture_end(&f);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

Test(passthrough_readonly, names_are_neither_made_nor_removed, .init = set_up, .fini = tear_down)
{
	const struct fsb_create how = { .mode = S_IFREG | 0600, .flags = O_RDWR };
	struct fsb_entry entry;
	struct fsb_open opened;

	must_be(OP(symlink, FSB_ROOT_NODEID, "new", "target", &how, &entry), -EROFS);
	must_be(OP(mknod, FSB_ROOT_NODEID, "new", &how, &entry), -EROFS);
	must_be(OP(mkdir, FSB_ROOT_NODEID, "new", &how, &entry), -EROFS);
	must_be(OP(link, file, FSB_ROOT_NODEID, "new", &entry), -EROFS);
	must_be(OP(create, FSB_ROOT_NODEID, "new", &how, &entry, &opened), -EROFS);
	must_be(OP(tmpfile, FSB_ROOT_NODEID, &how, &entry, &opened), -EROFS);
	must_be(OP(unlink, FSB_ROOT_NODEID, "file"), -EROFS);
	must_be(OP(rmdir, FSB_ROOT_NODEID, "dir"), -EROFS);
	must_be(OP(rename, FSB_ROOT_NODEID, "file", FSB_ROOT_NODEID, "new", 0), -EROFS);
	must_be(OP(rename, FSB_ROOT_NODEID, "file", dir, "file", 0), -EROFS);
	cr_expect_eq(faccessat(f.host, "new", F_OK, 0), -1);
	cr_expect_eq(faccessat(f.host, "file", F_OK, 0), 0);
}

Test(passthrough_readonly, files_are_not_opened_for_writing, .init = set_up, .fini = tear_down)
{
	struct fsb_open opened;

	must_be(OP(open, file, O_WRONLY, false, &opened), -EROFS);
	must_be(OP(open, file, O_RDWR, false, &opened), -EROFS);
	must_be(OP(open, file, O_RDONLY | O_TRUNC, false, &opened), -EROFS);
	must_be(OP(access, file, W_OK), -EROFS);
	must_be(OP(access, file, R_OK), 0);
}

Test(passthrough_readonly, data_does_not_change, .init = set_up, .fini = tear_down)
{
	const struct fsb_copy copy = {
		.nodeid_in = file, .fh_in = fh, .nodeid_out = file, .fh_out = fh, .len = 1
	};
	char bytes[16] = "";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct fsb_transfer transfer;

	fsb_transfer_init(&transfer, &iov, 1, sizeof(bytes));
	must_be(OP(write, file, fh, 0, 1, 0, 0, 0, &transfer), -EROFS);
	must_be(OP(fallocate, file, fh, 0, 0, 4096), -EROFS);
	must_be(OP(copy_file_range, &copy), -EROFS);
	must_be(OP(remap_file_range, &copy), -EROFS);
}

Test(passthrough_readonly, attributes_do_not_change, .init = set_up, .fini = tear_down)
{
	const struct fsb_setattr sets[] = {
		{ .valid = FSB_SET_MODE, .mode = 0600 },
		{ .valid = FSB_SET_UID, .uid = 1 },
		{ .valid = FSB_SET_SIZE },
		{ .valid = FSB_SET_MTIME | FSB_SET_MTIME_NOW },
	};
	struct fsb_attr attr;
	uint64_t timeout;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		must_be(OP(setattr, file, NULL, &sets[i], &attr, &timeout), -EROFS);
		must_be(OP(setattr, file, &fh, &sets[i], &attr, &timeout), -EROFS);
	}
	must_be(OP(setxattr, file, "user.x", "v", 1, 0, false), -EROFS);
	must_be(OP(removexattr, file, "user.x"), -EROFS);
}

Test(passthrough_readonly, inode_flags_do_not_change, .init = set_up, .fini = tear_down)
{
	union {
		int flags;
		struct fsxattr attr;
	} argument;
	struct fsb_ioctl_result result = { .out = &argument };
	struct fsb_ioctl ioctl = { .cmd = FS_IOC_GETFLAGS, .out_size = sizeof(int) };

	memset(&argument, 0, sizeof(argument));
	int err = OP(ioctl, file, fh, &ioctl, &result);
	cr_expect(err == 0 || err == -ENOTTY || err == -EOPNOTSUPP,
		  "reading them works where the host has them");
	ioctl = (struct fsb_ioctl){ .cmd = FS_IOC_SETFLAGS,
				    .in = &argument,
				    .in_size = sizeof(int) };
	must_be(OP(ioctl, file, fh, &ioctl, &result), -EROFS);
	ioctl = (struct fsb_ioctl){ .cmd = FS_IOC_FSSETXATTR,
				    .in = &argument,
				    .in_size = sizeof(struct fsxattr) };
	must_be(OP(ioctl, file, fh, &ioctl, &result), -EROFS);
}

Test(passthrough_readonly, reading_works, .init = set_up, .fini = tear_down)
{
	char bytes[16] = "";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct fsb_transfer transfer;
	struct fsb_attr attr;
	uint64_t timeout, found;

	fsb_transfer_init(&transfer, &iov, 1, sizeof(bytes));
	must_be(OP(read, file, fh, 0, sizeof(bytes), 0, 0, &transfer), 5);
	cr_expect_str_eq(bytes, "bytes");
	must_be(OP(getattr, file, NULL, &attr, &timeout), 0);
	cr_expect_eq(attr.size, 5);
	must_be(OP(lseek, file, fh, 0, SEEK_DATA, &found), 0);
	ssize_t length = OP(listxattr, file, bytes, sizeof(bytes));
	cr_expect(length >= 0 || length == -EOPNOTSUPP || length == -ERANGE);
}

Test(passthrough_readonly, a_read_lock_is_no_change, .init = set_up, .fini = tear_down)
{
	const struct fsb_lock_owner owner = { .owner = 1 };
	const struct fsb_lock read_lock = { .type = F_RDLCK, .end = INT64_MAX };
	const struct fsb_lock write_lock = { .type = F_WRLCK, .end = INT64_MAX };

	must_be(OP(setlk, file, fh, &owner, &read_lock), 0);
	must_be(OP(setlk, file, fh, &owner, &write_lock), -EBADF);
}
