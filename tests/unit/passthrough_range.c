// SPDX-License-Identifier: BSD-3-Clause
/* Ranges of files through the vtable: lseek, fallocate, copy_file_range. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(passthrough_range, .timeout = 60);

static struct fixture f;

static void set_up(void)
{
	fixture_make(&f);
	fixture_start(&f);
}

static void tear_down(void)
{
	fixture_end(&f);
}

#define OP(name, ...) f.fs->ops->name(f.fs, &f.ctx, __VA_ARGS__)

static off_t host_size(const char *name)
{
	struct stat st;

	must(fstatat(f.host, name, &st, 0));
	return st.st_size;
}

/* ---- lseek ---- */

enum { DATA_AT = 1 << 20, HOLE_AT = DATA_AT + 65536, SIZE = 4 << 20 };

/* A hole of 1 MiB, 64 KiB of data, a hole to the end. */
static uint64_t make_sparse(void)
{
	static char data[HOLE_AT - DATA_AT];
	int fd = (int)must(openat(f.host, "sparse", O_CREAT | O_RDWR, 0666));

	memset(data, 'x', sizeof(data));
	must(pwrite(fd, data, sizeof(data), DATA_AT));
	must(ftruncate(fd, SIZE));
	must(fsync(fd));
	bool sparse = lseek(fd, 0, SEEK_DATA) == DATA_AT;
	close(fd);
	if (!sparse)
		cr_skip_test("the file system of /tmp has no holes");
	return open_file(&f, "sparse", O_RDWR);
}

Test(passthrough_range, data_and_holes_are_found, .init = set_up, .fini = tear_down)
{
	uint64_t fh = make_sparse(), at;

	must_be(OP(lseek, 0, fh, 0, SEEK_DATA, &at), 0);
	cr_expect_eq(at, DATA_AT);
	must_be(OP(lseek, 0, fh, DATA_AT, SEEK_HOLE, &at), 0);
	cr_expect_eq(at, HOLE_AT);
	must_be(OP(lseek, 0, fh, 0, SEEK_HOLE, &at), 0);
	cr_expect_eq(at, 0);
	must_be(OP(lseek, 0, fh, HOLE_AT, SEEK_DATA, &at), -ENXIO);
	must_be(OP(lseek, 0, fh, SIZE, SEEK_HOLE, &at), -ENXIO);
}

/* As lseek(2) says of -1. */
Test(passthrough_range, offsets_beyond_63_bits_are_no_negative_ones, .init = set_up,
     .fini = tear_down)
{
	const uint64_t offsets[] = { (uint64_t)INT64_MAX + 1, UINT64_MAX, UINT64_MAX - 4 };
	uint64_t fh = make_sparse(), at = 77;

	for (size_t i = 0; i < 3; i++) {
		must_be(OP(lseek, 0, fh, offsets[i], SEEK_SET, &at), -EINVAL);
		must_be(OP(lseek, 0, fh, offsets[i], SEEK_DATA, &at), -ENXIO);
		must_be(OP(lseek, 0, fh, offsets[i], SEEK_HOLE, &at), -ENXIO);
	}
	cr_expect_eq(at, 77, "nothing is given back");
}

Test(passthrough_range, seek_end_and_seek_cur_take_negative_offsets, .init = set_up,
     .fini = tear_down)
{
	uint64_t fh = make_sparse(), at;

	must_be(OP(lseek, 0, fh, (uint64_t)-10, SEEK_END, &at), 0);
	cr_expect_eq(at, SIZE - 10);
	must_be(OP(lseek, 0, fh, (uint64_t)-5, SEEK_CUR, &at), 0);
	cr_expect_eq(at, SIZE - 15);
	must_be(OP(lseek, 0, fh, 10, SEEK_END, &at), 0);
	cr_expect_eq(at, SIZE + 10);
	must_be(OP(lseek, 0, fh, (uint64_t)-SIZE - 1, SEEK_END, &at), -EINVAL);
}

Test(passthrough_range, seek_set_answers_the_offset, .init = set_up, .fini = tear_down)
{
	uint64_t fh = make_sparse(), at;

	must_be(OP(lseek, 0, fh, 12345, SEEK_SET, &at), 0);
	cr_expect_eq(at, 12345);
	must_be(OP(lseek, 0, fh, 0, 17, &at), -EINVAL);
}

Test(passthrough_range, seeking_does_not_disturb_reads, .init = set_up, .fini = tear_down)
{
	host_file(&f, "text", 0666, "0123456789", 10);
	uint64_t fh = open_file(&f, "text", O_RDONLY), at;
	char bytes[4] = "";
	struct iovec iov = { bytes, sizeof(bytes) };
	struct fsb_transfer to;

	must_be(OP(lseek, 0, fh, 8, SEEK_DATA, &at), 0);
	fsb_transfer_init(&to, &iov, 1, 3);
	must_be(OP(read, 0, fh, 2, 3, 0, 0, &to), 3);
	cr_expect_str_eq(bytes, "234");
}

/* ---- fallocate ---- */

Test(passthrough_range, fallocate_extends_and_keep_size_does_not, .init = set_up, .fini = tear_down)
{
	host_file(&f, "file", 0666, "x", 1);
	uint64_t fh = open_file(&f, "file", O_RDWR);

	must_be(OP(fallocate, 0, fh, FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
	cr_expect_eq(host_size("file"), 1);
	must_be(OP(fallocate, 0, fh, 0, 0, 8192), 0);
	cr_expect_eq(host_size("file"), 8192);
}

Test(passthrough_range, punching_a_hole_keeps_the_rest, .init = set_up, .fini = tear_down)
{
	uint64_t fh = make_sparse(), at;

	int err = OP(fallocate, 0, fh, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, DATA_AT, 32768);
	if (err == -EOPNOTSUPP)
		cr_skip_test("the file system of /tmp cannot punch holes");
	must_be(err, 0);
	must_be(OP(lseek, 0, fh, 0, SEEK_DATA, &at), 0);
	cr_expect_eq(at, DATA_AT + 32768);
	cr_expect_eq(host_size("sparse"), SIZE);
}

Test(passthrough_range, fallocate_refuses_what_it_does_not_know, .init = set_up, .fini = tear_down)
{
	host_file(&f, "file", 0666, "x", 1);
	uint64_t fh = open_file(&f, "file", O_RDWR), read_only = open_file(&f, "file", O_RDONLY);

	must_be(OP(fallocate, 0, fh, 0x100, 0, 4096), -EOPNOTSUPP);
	must_be(OP(fallocate, 0, fh, FALLOC_FL_NO_HIDE_STALE, 0, 4096), -EOPNOTSUPP);
	must_be(OP(fallocate, 0, fh, INT32_MIN, 0, 4096), -EOPNOTSUPP);
	must_be(OP(fallocate, 0, fh, 0, (uint64_t)INT64_MAX + 1, 1), -EINVAL);
	must_be(OP(fallocate, 0, fh, 0, 0, UINT64_MAX), -EINVAL);
	must_be(OP(fallocate, 0, fh, 0, 0, 0), -EINVAL);
	must_be(OP(fallocate, 0, fh, 0, INT64_MAX, INT64_MAX), -EFBIG);
	must_be(OP(fallocate, 0, read_only, 0, 0, 4096), -EBADF);
	cr_expect_eq(host_size("file"), 1);
}

/* ---- copy_file_range ---- */

static struct fsb_copy copy_of(uint64_t in, uint64_t off_in, uint64_t out, uint64_t off_out,
			       uint64_t len)
{
	return (struct fsb_copy){
		.fh_in = in, .off_in = off_in, .fh_out = out, .off_out = off_out, .len = len
	};
}

Test(passthrough_range, copies_with_offsets, .init = set_up, .fini = tear_down)
{
	char bytes[16] = "";

	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "abcdefghij", 10);
	uint64_t in = open_file(&f, "in", O_RDONLY), out = open_file(&f, "out", O_WRONLY);
	struct fsb_copy copy = copy_of(in, 2, out, 5, 3);
	must_be(OP(copy_file_range, &copy), 3);
	int fd = (int)must(openat(f.host, "out", O_RDONLY));
	must_be(read(fd, bytes, sizeof(bytes)), 10);
	close(fd);
	cr_expect_str_eq(bytes, "abcde234ij");
}

Test(passthrough_range, a_copy_ends_at_the_end_of_the_source, .init = set_up, .fini = tear_down)
{
	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "", 0);
	uint64_t in = open_file(&f, "in", O_RDONLY), out = open_file(&f, "out", O_WRONLY);
	struct fsb_copy copy = copy_of(in, 4, out, 0, UINT64_MAX);

	must_be(OP(copy_file_range, &copy), 6);
	copy.off_in = 10;
	must_be(OP(copy_file_range, &copy), 0);
	copy.off_in = INT64_MAX;
	must_be(OP(copy_file_range, &copy), 0);
}

Test(passthrough_range, copy_refuses_senseless_requests, .init = set_up, .fini = tear_down)
{
	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "", 0);
	uint64_t in = open_file(&f, "in", O_RDWR), out = open_file(&f, "out", O_RDWR);
	uint64_t read_only = open_file(&f, "out", O_RDONLY),
		 append = open_file(&f, "out", O_WRONLY | O_APPEND);
	struct fsb_copy copy = copy_of(in, (uint64_t)INT64_MAX + 1, out, 0, 1);

	must_be(OP(copy_file_range, &copy), -EINVAL);
	copy = copy_of(in, 0, out, UINT64_MAX, 1);
	must_be(OP(copy_file_range, &copy), -EINVAL);
	copy = copy_of(in, 0, out, 0, 1);
	copy.flags = 1;
	must_be(OP(copy_file_range, &copy), -EINVAL);
	copy = copy_of(in, 0, in, 2, 5);
	must_be(OP(copy_file_range, &copy), -EINVAL); /* they overlap */
	copy = copy_of(in, 0, read_only, 0, 5);
	must_be(OP(copy_file_range, &copy), -EBADF);
	copy = copy_of(in, 0, append, 0, 5);
	must_be(OP(copy_file_range, &copy), -EBADF);
	copy = copy_of(in, 0, out, INT64_MAX - 2, 5);
	must_be(OP(copy_file_range, &copy), -EFBIG);
	cr_expect_eq(host_size("out"), 0);
}

Test(passthrough_range, remap_refuses_senseless_requests, .init = set_up, .fini = tear_down)
{
	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "", 0);
	uint64_t in = open_file(&f, "in", O_RDWR), out = open_file(&f, "out", O_RDWR);
	struct fsb_copy copy = copy_of(in, 0, out, 0, 10);

	for (uint64_t flag = 1; flag != 0; flag <<= 1) {
		copy.flags = flag;
		must_be(OP(remap_file_range, &copy), -EINVAL);
	}
	copy = copy_of(in, UINT64_MAX, out, 0, 10);
	must_be(OP(remap_file_range, &copy), -EINVAL);
	copy = copy_of(in, 0, out, UINT64_MAX, 10);
	must_be(OP(remap_file_range, &copy), -EINVAL);
	copy = copy_of(in, 0, out, 0, UINT64_MAX);
	must_be(OP(remap_file_range, &copy), -EINVAL);
	copy = copy_of(in, 11, out, 0, 0);
	must_be(OP(remap_file_range, &copy), -EINVAL);
	cr_expect_eq(host_size("out"), 0);
}

/* ---- Set-id bits ---- */

static void change_as(uid_t uid, enum fsb_permissions judge, mode_t after)
{
	if (geteuid() != 0)
		cr_skip_test("needs root, to be somebody else");
	fixture_make(&f);
	f.config.permissions = judge;
	fixture_start(&f);
	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "", 0);
	must(fchownat(f.host, "out", 1000, 1000, 0));
	f.ctx = caller(uid, uid);
	uint64_t out = open_file(&f, "out", O_RDWR);
	struct fsb_copy copy = copy_of(open_file(&f, "in", O_RDONLY), 0, out, 0, 10);

	must(fchmodat(f.host, "out", 06777, 0));
	must_be(OP(fallocate, 0, out, 0, 0, 100), 0);
	cr_expect_eq(host_mode(&f, "out"), after, "fallocate: %o", host_mode(&f, "out"));
	must(fchmodat(f.host, "out", 06777, 0));
	must_be(OP(copy_file_range, &copy), 10);
	cr_expect_eq(host_mode(&f, "out"), after, "copy_file_range: %o", host_mode(&f, "out"));
	fixture_end(&f);
}

Test(passthrough_range, a_user_who_changes_a_file_clears_its_set_id_bits)
{
	change_as(1000, FSB_PERMISSIONS_SERVER, 0777);
}

Test(passthrough_range, a_user_whom_the_client_judged_clears_set_id_bits_too)
{
	change_as(1000, FSB_PERMISSIONS_CLIENT, 0777);
}

Test(passthrough_range, root_keeps_set_id_bits)
{
	change_as(0, FSB_PERMISSIONS_SERVER, 06777);
	change_as(0, FSB_PERMISSIONS_CLIENT, 06777);
}

/* ---- Without handles ---- */

Test(passthrough_range, works_by_nodeid_when_files_are_not_opened)
{
	uint64_t at;

	fixture_make(&f);
	f.config.no_open = true;
	fixture_start(&f);
	host_file(&f, "in", 0666, "0123456789", 10);
	host_file(&f, "out", 0666, "", 0);
	struct fsb_copy copy = { .nodeid_in = nodeid_of(&f, "in"),
				 .nodeid_out = nodeid_of(&f, "out"),
				 .len = 10 };

	must_be(OP(lseek, copy.nodeid_in, 0, (uint64_t)-1, SEEK_END, &at), 0);
	cr_expect_eq(at, 9);
	must_be(OP(copy_file_range, &copy), 10);
	must_be(OP(fallocate, copy.nodeid_out, 0, 0, 0, 100), 0);
	cr_expect_eq(host_size("out"), 100);
	must_be(OP(lseek, 0, 0, 0, SEEK_END, &at), -ESTALE);
	fixture_end(&f);
}
