/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of files: fallocate(2), SEEK_DATA and SEEK_HOLE, copy_file_range(2), clone ioctls. */
#include "testing.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

TestSuite(ranges, .init = enter_fresh_directory, .timeout = 30);

#define MIB (1 << 20)

static int open_pattern(const char *name, size_t size, uint32_t seed)
{
	unsigned char *bytes = malloc(size);

	fill_pattern(bytes, size, seed);
	put_file(mnt, name, bytes, size);
	free(bytes);
	return must(openat(mnt, name, O_RDWR | O_CLOEXEC));
}

/* Whether the host's own file system knows this mode of fallocate(2). */
static bool host_can(int mode)
{
	static const char zeros[65536];

	put_file(host, "probe", zeros, sizeof(zeros));
	int fd = must(openat(host, "probe", O_RDWR | O_CLOEXEC));
	int result = fallocate(fd, mode, 0, 4096);
	cr_assert(result == 0 || errno == EOPNOTSUPP, "probe: %s", strerror(errno));
	must(close(fd));
	must(unlinkat(host, "probe", 0));
	return result == 0;
}

Test(ranges, posix_fallocate_grows_the_file_and_takes_the_space)
{
	int fd = must(openat(mnt, "file", O_CREAT | O_RDWR, 0644));

	cr_assert_eq(posix_fallocate(fd, 4096, MIB), 0);
	cr_assert_eq(stat_of_fd(fd).st_size, MIB + 4096);
	cr_assert_eq(stat_of(host, "file").st_size, MIB + 4096);
	cr_assert_geq(stat_of(host, "file").st_blocks, MIB / 512);
}

Test(ranges, posix_fallocate_leaves_what_is_there)
{
	unsigned char bytes[10000];
	int fd = open_pattern("file", 10000, 1);

	cr_assert_eq(posix_fallocate(fd, 0, 5000), 0);
	fill_pattern(bytes, sizeof(bytes), 1);
	must_hold(mnt, "file", bytes, sizeof(bytes));
	must_hold(host, "file", bytes, sizeof(bytes));
}

Test(ranges, keep_size_takes_space_beyond_the_end_and_leaves_the_size)
{
	int fd = open_pattern("file", 100, 2);

	must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, MIB));
	cr_assert_eq(stat_of_fd(fd).st_size, 100);
	cr_assert_eq(stat_of(host, "file").st_size, 100);
	cr_assert_geq(stat_of(host, "file").st_blocks, MIB / 512);
}

Test(ranges, a_punched_hole_reads_as_zeros_and_gives_space_back)
{
	unsigned char *bytes = malloc(MIB);

	if (!host_can(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		cr_skip_test("the host's file system punches no holes");
	int fd = open_pattern("file", MIB, 3);
	must(fsync(fd));
	blkcnt_t before = stat_of(host, "file").st_blocks;

	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 524288));
	fill_pattern(bytes, MIB, 3);
	memset(bytes + 65536, 0, 524288);
	must_hold(mnt, "file", bytes, MIB);
	must_hold(host, "file", bytes, MIB);
	cr_assert_leq(stat_of(host, "file").st_blocks, before - 524288 / 512);
	free(bytes);
}

Test(ranges, a_zeroed_range_reads_as_zeros_and_what_is_around_stays)
{
	unsigned char *bytes = malloc(MIB);

	if (!host_can(FALLOC_FL_ZERO_RANGE))
		cr_skip_test("the host's file system zeroes no ranges");
	int fd = open_pattern("file", MIB, 4);

	must(fallocate(fd, FALLOC_FL_ZERO_RANGE, 1000, 300001));
	fill_pattern(bytes, MIB, 4);
	memset(bytes + 1000, 0, 300001);
	must_hold(mnt, "file", bytes, MIB);
	must(fsync(fd));
	must_hold(host, "file", bytes, MIB);
	free(bytes);
}

Test(ranges, a_collapsed_range_is_cut_out_natively_and_refused_whole_by_the_fuse_client)
{
	unsigned char *bytes = malloc(MIB);

	if (!host_can(FALLOC_FL_COLLAPSE_RANGE))
		cr_skip_test("the host's file system collapses no ranges");
	int fd = open_pattern("file", MIB, 5);
	must(fsync(fd));
	fill_pattern(bytes, MIB, 5);

	if (config_is_native()) {
		must(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 65536, 131072));
		memmove(bytes + 65536, bytes + 196608, MIB - 196608);
		must_hold(mnt, "file", bytes, MIB - 131072);
	} else {
		/* The kernel's FUSE client passes on no other modes than those above. */
		must_fail(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 65536, 131072), EOPNOTSUPP);
		must_hold(host, "file", bytes, MIB);
	}
	free(bytes);
}

Test(ranges, fallocate_of_nothing_or_before_the_start_is_EINVAL)
{
	int fd = open_pattern("file", 100, 6);

	must_fail(fallocate(fd, 0, 0, 0), EINVAL);
	must_fail(fallocate(fd, 0, -1, 100), EINVAL);
	must_fail(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 100), EOPNOTSUPP);
	must_fail(fallocate(must(openat(mnt, "file", O_RDONLY)), 0, 0, 100), EBADF);
	cr_assert_eq(stat_of(host, "file").st_size, 100);
}

/* Data in the first and the last 64 KiB of 4 MiB, a hole between, and one of 1 MiB at the end. */
static int open_sparse(void)
{
	unsigned char block[65536];
	int fd = must(openat(mnt, "sparse", O_CREAT | O_RDWR, 0644));

	fill_pattern(block, sizeof(block), 7);
	must(pwrite(fd, block, sizeof(block), 0));
	must(pwrite(fd, block, sizeof(block), 4 * MIB - sizeof(block)));
	must(ftruncate(fd, 5 * MIB));
	must(fsync(fd));
	return fd;
}

Test(ranges, data_and_holes_are_found_where_they_are)
{
	int fd = open_sparse();

	cr_assert_eq(must(lseek(fd, 0, SEEK_DATA)), 0);
	cr_assert_eq(must(lseek(fd, 0, SEEK_HOLE)), 65536);
	cr_assert_eq(must(lseek(fd, 65536, SEEK_DATA)), 4 * MIB - 65536);
	cr_assert_eq(must(lseek(fd, 2 * MIB, SEEK_HOLE)), 2 * MIB);
	cr_assert_eq(must(lseek(fd, 4 * MIB - 1, SEEK_HOLE)), 4 * MIB);
	must_fail(lseek(fd, 4 * MIB, SEEK_DATA), ENXIO);
	must_fail(lseek(fd, 5 * MIB, SEEK_HOLE), ENXIO);
	must_fail(lseek(fd, 6 * MIB, SEEK_DATA), ENXIO);
}

Test(ranges, seeking_for_data_moves_the_position_and_a_failed_seek_does_not)
{
	unsigned char block[65536];
	unsigned char found[16];
	int fd = open_sparse();

	must(lseek(fd, 100000, SEEK_DATA));
	cr_assert_eq(must(lseek(fd, 0, SEEK_CUR)), 4 * MIB - 65536);
	must_fail(lseek(fd, 5 * MIB, SEEK_DATA), ENXIO);
	cr_assert_eq(must(read(fd, found, sizeof(found))), sizeof(found));
	fill_pattern(block, sizeof(block), 7);
	cr_assert_eq(memcmp(found, block, sizeof(found)), 0);
}

static void must_fail_as_on_the_host(off_t offset, int whence)
{
	int on_host = must(openat(host, "sparse", O_RDONLY));
	int on_mount = must(openat(mnt, "sparse", O_RDONLY));
	/* btrfs takes what is before the start for the start. */
	int expected = lseek(on_host, offset, whence) < 0 ? errno : ENXIO;

	if (!config_is_native() || expected != ENXIO)
		must_fail(lseek(on_mount, offset, whence), expected);
	must(close(on_host));
	must(close(on_mount));
}

Test(ranges, a_seek_to_before_the_start_fails_as_on_the_host_for_each_whence)
{
	must(close(open_sparse()));
	must_fail_as_on_the_host(-1, SEEK_SET);
	must_fail_as_on_the_host(-1, SEEK_CUR);
	must_fail_as_on_the_host(-6 * (off_t)MIB, SEEK_END);
	must_fail_as_on_the_host(-1, SEEK_DATA);
	must_fail_as_on_the_host(-1, SEEK_HOLE);
	must_fail_as_on_the_host(INT64_MIN, SEEK_DATA);
}

Test(ranges, seek_end_counts_from_the_end)
{
	int fd = open_sparse();

	cr_assert_eq(must(lseek(fd, 0, SEEK_END)), 5 * MIB);
	cr_assert_eq(must(lseek(fd, -100, SEEK_END)), 5 * MIB - 100);
	cr_assert_eq(must(lseek(fd, -100, SEEK_CUR)), 5 * MIB - 200);
}

Test(ranges, copy_file_range_copies_between_the_given_offsets_and_nothing_else)
{
	unsigned char *source = malloc(MIB);
	unsigned char *target = malloc(MIB);
	int from = open_pattern("from", MIB, 8);
	int to = open_pattern("to", MIB, 9);
	off_t in = 12345, out = 54321;
	size_t left = 500000;

	while (left) {
		ssize_t count = must(copy_file_range(from, &in, to, &out, left, 0));
		cr_assert_gt(count, 0);
		left -= count;
	}
	cr_assert_eq(in, 512345);
	cr_assert_eq(out, 554321);
	fill_pattern(source, MIB, 8);
	fill_pattern(target, MIB, 9);
	must_hold(mnt, "from", source, MIB);
	memcpy(target + 54321, source + 12345, 500000);
	must_hold(mnt, "to", target, MIB);
	must(fsync(to));
	must_hold(host, "to", target, MIB);
	cr_assert_eq(must(lseek(from, 0, SEEK_CUR)), 0);
	cr_assert_eq(must(lseek(to, 0, SEEK_CUR)), 0);
	free(source);
	free(target);
}

Test(ranges, copy_file_range_without_offsets_goes_by_the_positions_and_ends_at_the_end)
{
	unsigned char bytes[20000];
	int from = open_pattern("from", sizeof(bytes), 10);
	int to = must(openat(mnt, "to", O_CREAT | O_RDWR, 0644));
	size_t total = 0;

	must(lseek(from, 5000, SEEK_SET));
	for (ssize_t count; (count = must(copy_file_range(from, NULL, to, NULL, MIB, 0))) > 0;)
		total += count;
	cr_assert_eq(total, 15000);
	cr_assert_eq(must(lseek(from, 0, SEEK_CUR)), 20000);
	cr_assert_eq(must(lseek(to, 0, SEEK_CUR)), 15000);
	fill_pattern(bytes, sizeof(bytes), 10);
	must_hold(mnt, "to", bytes + 5000, 15000);
	must_hold(host, "to", bytes + 5000, 15000);
}

Test(ranges, copy_file_range_grows_the_target_and_sees_unsynchronised_writes)
{
	unsigned char bytes[10000];
	char expected[30000] = { 0 };
	off_t in = 0, out = 20000;
	int from = must(openat(mnt, "from", O_CREAT | O_RDWR, 0644));
	int to = must(openat(mnt, "to", O_CREAT | O_RDWR, 0644));

	fill_pattern(bytes, sizeof(bytes), 11);
	must(write(from, bytes, sizeof(bytes)));
	cr_assert_eq(must(copy_file_range(from, &in, to, &out, 10000, 0)), 10000);
	cr_assert_eq(stat_of_fd(to).st_size, 30000);
	memcpy(expected + 20000, bytes, 10000);
	must_hold(mnt, "to", expected, sizeof(expected));
	must_hold(host, "to", expected, sizeof(expected));
}

Test(ranges, copy_file_range_within_a_file_refuses_an_overlap_and_does_the_rest)
{
	unsigned char *bytes = malloc(MIB);
	int fd = open_pattern("file", MIB, 12);
	off_t in = 0, out = 50000;

	must_fail(copy_file_range(fd, &in, fd, &out, 100000, 0), EINVAL);
	fill_pattern(bytes, MIB, 12);
	must_hold(mnt, "file", bytes, MIB);

	out = 500000;
	cr_assert_eq(must(copy_file_range(fd, &in, fd, &out, 100000, 0)), 100000);
	memcpy(bytes + 500000, bytes, 100000);
	must_hold(mnt, "file", bytes, MIB);
	must(fsync(fd));
	must_hold(host, "file", bytes, MIB);
	free(bytes);
}

Test(ranges, copy_file_range_refuses_flags_directories_and_the_wrong_direction)
{
	int fd = open_pattern("file", 100, 13);
	int reader = must(openat(mnt, "file", O_RDONLY));
	int appender = must(openat(mnt, "file", O_WRONLY | O_APPEND));

	must_fail(copy_file_range(fd, NULL, fd, NULL, 10, 1u << 30), EINVAL);
	must_fail(copy_file_range(fd, NULL, reader, NULL, 10, 0), EBADF);
	must_fail(copy_file_range(fd, NULL, appender, NULL, 10, 0), EBADF);
	must_fail(copy_file_range(mnt, NULL, fd, NULL, 10, 0), EISDIR);
	cr_assert_eq(stat_of(host, "file").st_size, 100);
}

Test(ranges, the_clone_ioctls_are_refused_by_the_fuse_client_and_change_nothing)
{
	unsigned char target[8192];
	int from = open_pattern("from", 8192, 14);
	int to = open_pattern("to", 8192, 15);
	struct file_clone_range range = { .src_fd = from, .src_length = 4096, .dest_offset = 4096 };

	if (config_is_native())
		cr_skip_test("without a FUSE client between them the ioctls are the host's own");
	must_fail(ioctl(to, FICLONE, from), EOPNOTSUPP);
	must_fail(ioctl(to, FICLONERANGE, &range), EOPNOTSUPP);
	fill_pattern(target, sizeof(target), 15);
	must_hold(mnt, "to", target, sizeof(target));
	must_hold(host, "to", target, sizeof(target));
}
