// SPDX-License-Identifier: BSD-3-Clause
/* Shared extents through the vtable, on file systems that have them: btrfs and xfs on loop devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_remap, .timeout = 120);

enum { BLOCK = 65536 }; /* a multiple of every block size */

static struct fixture f;
static char work[64];

static int shell(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

static void set_up(const char *type)
{
	if (geteuid() != 0)
		cr_skip_test("needs root, to mount a loop device");
	strcpy(work, "/tmp/fsbackend-remap-XXXXXX");
	cr_assert_not_null(mkdtemp(work));
	must_be(shell("truncate -s 512M %s/image && mkdir %s/mnt", work, work), 0);
	if (shell("mkfs.%s -q %s/image >/dev/null 2>&1", type, work) != 0 ||
	    shell("mount -o loop %s/image %s/mnt 2>/dev/null", work, work) != 0) {
		shell("rm -rf %s", work);
		cr_skip_test("no %s on a loop device here", type);
	}
	char dir[80];
	snprintf(dir, sizeof(dir), "%s/mnt", work);
	umask(0);
	fixture_make_at(&f, dir);
	fixture_start(&f);
}

static void set_up_btrfs(void)
{
	set_up("btrfs");
}

static void set_up_xfs(void)
{
	set_up("xfs");
}

static void tear_down(void)
{
	fixture_end(&f);
	must(umount2(f.dir, 0));
	shell("rm -rf %s", work);
}

/* Each test on each file system. */
#define ON_BOTH(name)                                                                     \
	static void name(void);                                                           \
	Test(passthrough_remap, name##_on_btrfs, .init = set_up_btrfs, .fini = tear_down) \
	{                                                                                 \
		name();                                                                   \
	}                                                                                 \
	Test(passthrough_remap, name##_on_xfs, .init = set_up_xfs, .fini = tear_down)     \
	{                                                                                 \
		name();                                                                   \
	}                                                                                 \
	static void name(void)

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

static void make_source(size_t size)
{
	char *bytes = malloc(size);

	cr_assert_not_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 31 + i / 4096);
	host_file(&f, "in", 0666, bytes, size);
	host_file(&f, "out", 0666, "", 0);
	free(bytes);
}

static struct fsb_copy whole(void)
{
	return (struct fsb_copy){ .fh_in = open_file(&f, "in", O_RDONLY),
				  .fh_out = open_file(&f, "out", O_RDWR) };
}

static off_t host_size(const char *name)
{
	struct stat st;

	must(fstatat(f.host, name, &st, 0));
	return st.st_size;
}

/* Where the bytes at an offset lie on the device; 0 when that is not shared with another file. */
static uint64_t shared_at(const char *name, uint64_t offset)
{
	_Alignas(struct fiemap) char space[sizeof(struct fiemap) + sizeof(struct fiemap_extent)] =
		"";
	struct fiemap *map = (struct fiemap *)space;
	int fd = (int)must(openat(f.host, name, O_RDONLY));

	map->fm_start = offset;
	map->fm_length = 4096;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = 1;
	must(fsync(fd));
	must(ioctl(fd, FS_IOC_FIEMAP, map));
	close(fd);
	cr_assert_eq(map->fm_mapped_extents, 1, "%s has data at %lu", name, (unsigned long)offset);
	const struct fiemap_extent *extent = &map->fm_extents[0];
	if (!(extent->fe_flags & FIEMAP_EXTENT_SHARED))
		return 0;
	return extent->fe_physical + (offset - extent->fe_logical);
}

static void must_share(uint64_t in, uint64_t out)
{
	uint64_t at = shared_at("in", in);

	cr_assert_neq(at, 0, "the source shares what is at %lu", (unsigned long)in);
	cr_assert_eq(shared_at("out", out), at);
}

static void must_be_equal(size_t offset, size_t length)
{
	char *in = malloc(length), *out = malloc(length);
	int in_fd = (int)must(openat(f.host, "in", O_RDONLY)),
	    out_fd = (int)must(openat(f.host, "out", O_RDONLY));

	must_be(pread(in_fd, in, length, (off_t)offset), length);
	must_be(pread(out_fd, out, length, (off_t)offset), length);
	cr_assert_arr_eq(in, out, length);
	close(in_fd);
	close(out_fd);
	free(in);
	free(out);
}

ON_BOTH(a_range_is_shared)
{
	make_source(8 * BLOCK);
	struct fsb_copy copy = whole();
	copy.off_in = 2 * BLOCK;
	copy.off_out = 5 * BLOCK;
	copy.len = 3 * BLOCK;
	must_be(OP(remap_file_range, &copy), 3 * BLOCK);
	must_share(2 * BLOCK, 5 * BLOCK);
	must_share(4 * BLOCK, 7 * BLOCK);
	cr_expect_eq(host_size("out"), 8 * BLOCK);
}

ON_BOTH(length_0_is_to_the_end_of_the_source)
{
	make_source(3 * BLOCK + 100);
	struct fsb_copy copy = whole();
	must_be(OP(remap_file_range, &copy), 3 * BLOCK + 100);
	must_share(0, 0);
	must_be_equal(0, 3 * BLOCK + 100);
	copy.off_in = copy.off_out = 2 * BLOCK;
	must_be(OP(remap_file_range, &copy), BLOCK + 100);
}

ON_BOTH(nothing_is_left_at_the_end_of_the_source)
{
	make_source(2 * BLOCK);
	struct fsb_copy copy = whole();
	copy.off_in = 2 * BLOCK;
	must_be(OP(remap_file_range, &copy), 0);
	copy.off_in = 3 * BLOCK;
	must_be(OP(remap_file_range, &copy), -EINVAL);
	cr_expect_eq(host_size("out"), 0);
}

ON_BOTH(more_than_4_gib_are_counted)
{
	const uint64_t size = (5ull << 30) + BLOCK;

	make_source(BLOCK);
	int fd = (int)must(openat(f.host, "in", O_WRONLY));
	must(ftruncate(fd, (off_t)size));
	must(pwrite(fd, "end", 3, (off_t)size - 3));
	close(fd);
	struct fsb_copy copy = whole();
	must_be(OP(remap_file_range, &copy), size);
	must_be(host_size("out"), size);
	must_share(size - 4096, size - 4096);
}

ON_BOTH(the_hosts_rules_hold)
{
	make_source(4 * BLOCK + 100);
	struct fsb_copy copy = whole();
	copy.len = BLOCK + 1;
	must_be(OP(remap_file_range, &copy), -EINVAL); /* not whole blocks, nor to the end */
	copy.len = BLOCK;
	copy.off_in = 1;
	must_be(OP(remap_file_range, &copy), -EINVAL);
	copy.off_in = 8 * BLOCK;
	must_be(OP(remap_file_range, &copy), -EINVAL);
	copy = whole();
	copy.fh_in = copy.fh_out;
	copy.off_out = BLOCK;
	copy.len = 2 * BLOCK;
	must_be(OP(remap_file_range, &copy), -EINVAL); /* nothing there to share */
	copy = whole();
	copy.fh_out = copy.fh_in;
	must_be(OP(remap_file_range, &copy), -EBADF); /* not open for writing */
	cr_expect_eq(host_size("out"), 0);
}

ON_BOTH(one_file_shares_with_itself)
{
	make_source(4 * BLOCK);
	struct fsb_copy copy = { .fh_in = open_file(&f, "in", O_RDWR),
				 .off_out = 2 * BLOCK,
				 .len = 2 * BLOCK };
	copy.fh_out = copy.fh_in;
	must_be(OP(remap_file_range, &copy), 2 * BLOCK);
	cr_expect_eq(shared_at("in", 0), shared_at("in", 2 * BLOCK));
	copy.off_out = BLOCK;
	must_be(OP(remap_file_range, &copy), -EINVAL); /* they overlap */
}

ON_BOTH(a_user_clears_set_id_bits_and_root_keeps_them)
{
	make_source(2 * BLOCK);
	must(fchownat(f.host, "out", 1000, 1000, 0));
	struct fsb_copy copy = whole();
	must(fchmodat(f.host, "out", 06777, 0));
	must_be(OP(remap_file_range, &copy), 2 * BLOCK);
	cr_expect_eq(host_mode(&f, "out"), 06777);
	f.ctx = caller(1000, 1000);
	must_be(OP(remap_file_range, &copy), 2 * BLOCK);
	cr_expect_eq(host_mode(&f, "out"), 0777);
}

ON_BOTH(copy_file_range_shares_as_well)
{
	make_source(8 * BLOCK);
	struct fsb_copy copy = whole();
	copy.len = 8 * BLOCK;
	must_be(OP(copy_file_range, &copy), 8 * BLOCK);
	must_share(0, 0);
	must_share(7 * BLOCK, 7 * BLOCK);
}

/* ---- A source that grows ---- */

static atomic_bool enough;

static void *append(void *arg)
{
	int fd = openat(f.host, "in", O_WRONLY | O_APPEND);

	(void)arg;
	while (fd >= 0 && !atomic_load(&enough) && lseek(fd, 0, SEEK_END) < 64 << 20)
		if (write(fd, "0123456789abcdef", 13) < 0)
			break;
	close(fd);
	return NULL;
}

ON_BOTH(the_count_is_right_while_the_source_grows)
{
	pthread_t thread;

	make_source(BLOCK + 5);
	struct fsb_copy copy = whole();
	cr_assert_eq(pthread_create(&thread, NULL, append, NULL), 0);
	for (int i = 0; i < 50; i++) {
		ssize_t shared = OP(remap_file_range, &copy);
		/*
		 * The host may have found the end moved each time, and says so; but never is
		 * nothing shared in success.
		 */
		if (shared == -EINVAL)
			continue;
		cr_assert_geq(shared, BLOCK + 5);
		cr_assert_leq(shared, host_size("in"));
		cr_assert_geq(host_size("out"), shared);
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	must_be(OP(remap_file_range, &copy), host_size("in"));
	must_be_equal(0, (size_t)host_size("in"));
}
