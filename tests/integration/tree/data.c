/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing: sizes, offsets, appending, direct I/O, truncation; and opening. */
#define _FILE_OFFSET_BITS 64
#include "testing.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

TestSuite(data, .init = enter_fresh_directory, .timeout = 60);

#define TIB (INT64_C(1) << 40)

Test(data, bytes_come_back_as_written_for_sizes_around_pages_and_messages)
{
	static const size_t sizes[] = { 0,      1,      4095,    4096,    4097,    131071,
					131072, 131073, 1048575, 1048576, 1048577, 3145728 + 7 };
	unsigned char *bytes = malloc(4 << 20);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fill_pattern(bytes, sizes[i], i);
		put_file(mnt, "file", bytes, sizes[i]);
		must_hold(mnt, "file", bytes, sizes[i]);
		must_hold(host, "file", bytes, sizes[i]);
	}
	free(bytes);
}

Test(data, a_write_of_one_large_buffer_is_read_back_in_odd_pieces)
{
	size_t size = 2500000;
	unsigned char *bytes = malloc(size);
	unsigned char *found = malloc(size);

	fill_pattern(bytes, size, 77);
	put_file(mnt, "file", bytes, size);
	int fd = must(openat(mnt, "file", O_RDONLY));
	for (size_t at = 0; at < size;) {
		size_t piece = at % 7919 + 1;
		ssize_t count = must(read(fd, found + at, piece < size - at ? piece : size - at));
		cr_assert_gt(count, 0);
		at += count;
	}
	cr_assert_eq(memcmp(bytes, found, size), 0);
	free(bytes);
	free(found);
}

Test(data, overlapping_writes_at_odd_offsets_give_what_a_plain_file_has)
{
	unsigned char piece[10000];
	int through = must(openat(mnt, "file", O_CREAT | O_RDWR, 0644));
	int plain = must(openat(host, "plain", O_CREAT | O_RDWR, 0644));
	unsigned char *bytes = malloc(1 << 20);

	for (uint32_t i = 0; i < 60; i++) {
		off_t offset = (i * 104729u) % 700000;
		size_t size = (i * 7919u) % sizeof(piece) + 1;
		fill_pattern(piece, size, i);
		cr_assert_eq(must(pwrite(through, piece, size, offset)), (long)size);
		cr_assert_eq(must(pwrite(plain, piece, size, offset)), (long)size);
	}
	must(fsync(through));
	ssize_t size = must(pread(plain, bytes, 1 << 20, 0));
	must_hold(mnt, "file", bytes, size);
	must_hold(host, "file", bytes, size);
	free(bytes);
}

Test(data, four_TiB_offsets_are_written_and_read_where_they_are)
{
	unsigned char bytes[5000];
	unsigned char found[5001];
	off_t offset = 4 * TIB + 12345;
	int probe = must(openat(host, "probe", O_CREAT | O_RDWR, 0644));

	if (ftruncate(probe, offset + 10000) < 0)
		cr_skip_test("the host's file system holds no file of 4 TiB: %s", strerror(errno));

	fill_pattern(bytes, sizeof(bytes), 4);
	int fd = must(openat(mnt, "file", O_CREAT | O_RDWR, 0644));
	cr_assert_eq(must(pwrite(fd, bytes, sizeof(bytes), offset)), sizeof(bytes));
	must(fsync(fd));
	cr_assert_eq(stat_of_fd(fd).st_size, offset + 5000);
	cr_assert_eq(stat_of(host, "file").st_size, offset + 5000);
	cr_assert_lt(stat_of(host, "file").st_blocks, 1000);

	cr_assert_eq(must(pread(fd, found, sizeof(found), offset)), sizeof(bytes));
	cr_assert_eq(memcmp(found, bytes, sizeof(bytes)), 0);
	int on_host = must(openat(host, "file", O_RDONLY));
	cr_assert_eq(must(pread(on_host, found, sizeof(found), offset)), sizeof(bytes));
	cr_assert_eq(memcmp(found, bytes, sizeof(bytes)), 0);
	cr_assert_eq(must(pread(fd, found, 100, 2 * TIB)), 100);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(found[i], 0);
	cr_assert_eq(must(lseek(fd, -5000, SEEK_END)), offset);
	must(ftruncate(fd, 4 * TIB));
	cr_assert_eq(stat_of(host, "file").st_size, 4 * TIB);
}

Test(data, reading_at_and_beyond_the_end_gives_nothing_and_holes_give_zeros)
{
	char bytes[16];

	put_text(mnt, "file", "12345");
	int fd = must(openat(mnt, "file", O_RDWR));
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 5)), 0);
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 1000000)), 0);
	must(pwrite(fd, "end", 3, 20000));
	cr_assert_eq(must(pread(fd, bytes, 4, 5)), 4);
	cr_assert_eq(memcmp(bytes, "\0\0\0\0", 4), 0);
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 20001)), 2);
}

Test(data, an_appending_write_goes_to_the_end_whatever_the_position)
{
	put_text(mnt, "file", "start");
	int fd = must(openat(mnt, "file", O_RDWR | O_APPEND));
	int other = must(openat(mnt, "file", O_WRONLY));

	must(lseek(fd, 0, SEEK_SET));
	must(write(fd, "+one", 4));
	must(pwrite(other, "+other", 6, 9));
	must(write(fd, "+two", 4));
	must(close(other));
	must(close(fd));
	must_hold_text(mnt, "file", "start+one+other+two");
	must_hold_text(host, "file", "start+one+other+two");
}

Test(data, append_set_later_by_fcntl_is_honoured)
{
	put_text(mnt, "file", "start");
	int fd = must(openat(mnt, "file", O_RDWR));

	must(fcntl(fd, F_SETFL, O_APPEND));
	must(write(fd, "+end", 4));
	must(fcntl(fd, F_SETFL, 0));
	must(pwrite(fd, "S", 1, 0));
	must(close(fd));
	must_hold_text(host, "file", "Start+end");
}

static int append_records(void *arg)
{
	char record[33];
	int fd = openat(mnt, "log", O_WRONLY | O_APPEND);

	if (fd < 0)
		return errno;
	memset(record, *(char *)arg, sizeof(record));
	record[32] = '\n';
	for (int i = 0; i < 300; i++)
		if (write(fd, record, sizeof(record)) != sizeof(record))
			return errno ? errno : EIO;
	return close(fd) < 0 ? errno : 0;
}

Test(data, records_appended_by_four_processes_at_once_are_all_there_and_whole)
{
	char letters[] = "abcd";
	int counts[4] = { 0 };
	pid_t pids[4];
	char record[33];

	put_text(mnt, "log", "");
	for (int i = 0; i < 4; i++)
		pids[i] = start_child(append_records, &letters[i]);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(result_of(pids[i]), 0);

	cr_assert_eq(stat_of(host, "log").st_size, 4 * 300 * 33);
	int fd = must(openat(host, "log", O_RDONLY));
	while (must(read(fd, record, sizeof(record))) == sizeof(record)) {
		for (int at = 1; at < 32; at++)
			cr_assert_eq(record[at], record[0], "two records are mixed");
		cr_assert_eq(record[32], '\n');
		counts[record[0] - 'a']++;
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(counts[i], 300);
}

Test(data, what_the_mount_appends_lands_behind_what_the_host_appended)
{
	if (config_is_writeback())
		cr_skip_test("with writeback the client alone knows where the end is");

	put_text(mnt, "file", "one,");
	int fd = must(openat(mnt, "file", O_WRONLY | O_APPEND));
	int on_host = must(openat(host, "file", O_WRONLY | O_APPEND));
	must(write(fd, "two,", 4));
	must(write(on_host, "three,", 6));
	must(write(fd, "four,", 5));
	must(close(fd));
	must_hold_text(host, "file", "one,two,three,four,");
	cr_assert(eventually(holds_text(mnt, "file", "one,two,three,four,")));
}

Test(data, direct_io_writes_reach_the_host_and_direct_io_reads_come_from_there)
{
	unsigned char *bytes = aligned_alloc(4096, 65536);
	unsigned char *found = aligned_alloc(4096, 65536);

	int fd = must(openat(mnt, "file", O_CREAT | O_RDWR | O_DIRECT, 0644));
	fill_pattern(bytes, 65536, 1);
	cr_assert_eq(must(pwrite(fd, bytes, 65536, 0)), 65536);
	must_hold(host, "file", bytes, 65536);

	fill_pattern(bytes + 8192, 4096, 2);
	int on_host = must(openat(host, "file", O_WRONLY));
	must(pwrite(on_host, bytes + 8192, 4096, 8192));
	cr_assert_eq(must(pread(fd, found, 65536, 0)), 65536);
	cr_assert_eq(memcmp(found, bytes, 65536), 0);

	fill_pattern(bytes + 4096, 4096, 3);
	cr_assert_eq(must(pwrite(fd, bytes + 4096, 4096, 4096)), 4096);
	cr_assert_eq(must(pread(fd, found, 65536, 0)), 65536);
	cr_assert_eq(memcmp(found, bytes, 65536), 0);
	cr_assert_eq(must(pread(fd, found, 4096, 65536)), 0);
	must(close(fd));
	must_hold(mnt, "file", bytes, 65536);
	free(bytes);
	free(found);
}

Test(data, direct_and_buffered_io_on_the_same_file_see_each_other)
{
	unsigned char *bytes = aligned_alloc(4096, 8192);
	unsigned char *found = aligned_alloc(4096, 8192);

	fill_pattern(bytes, 8192, 9);
	put_file(mnt, "file", bytes, 8192);
	int direct = must(openat(mnt, "file", O_RDWR | O_DIRECT));
	int buffered = must(openat(mnt, "file", O_RDWR));

	cr_assert_eq(must(pread(buffered, found, 8192, 0)), 8192);
	fill_pattern(bytes, 4096, 10);
	must(pwrite(direct, bytes, 4096, 0));
	cr_assert_eq(must(pread(buffered, found, 8192, 0)), 8192);
	cr_assert_eq(memcmp(found, bytes, 8192), 0);
	fill_pattern(bytes + 4096, 4096, 11);
	must(pwrite(buffered, bytes + 4096, 4096, 4096));
	cr_assert_eq(must(pread(direct, found, 8192, 0)), 8192);
	cr_assert_eq(memcmp(found, bytes, 8192), 0);
	free(bytes);
	free(found);
}

/* Reads come to the server as they are asked for: past the cache. The host itself would want
 * aligned ones. */
static int open_past_the_cache(const char *name)
{
	return must(openat(mnt, name, O_RDONLY | (config_is_native() ? 0 : O_DIRECT)));
}

Test(data, large_reads_at_odd_offsets_and_across_the_end_give_what_is_there)
{
	static const size_t sizes[] = { 65535,  65536,   65537,   131072,  200001,
					524288, 1040384, 1044480, 1044481, 1048576 };
	static const off_t offsets[] = {
		0, 1, 4095, 4096, 77777, 1048575, 2400000, 2499999, 2500001
	};
	size_t size = 2500001;
	unsigned char *bytes = malloc(size);
	unsigned char *found = malloc(1048576);

	fill_pattern(bytes, size, 12);
	put_file(host, "file", bytes, size);
	int fd = open_past_the_cache("file");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t j = 0; j < sizeof(offsets) / sizeof(*offsets); j++) {
			size_t left = size - (size_t)offsets[j];
			size_t expected = sizes[i] < left ? sizes[i] : left;
			memset(found, 0xee, 1048576);
			cr_assert_eq(must(pread(fd, found, sizes[i], offsets[j])), (long)expected,
				     "%zu bytes at %jd", sizes[i], (intmax_t)offsets[j]);
			cr_assert_eq(memcmp(found, bytes + offsets[j], expected), 0);
		}
	free(bytes);
	free(found);
}

enum { CUT_SIZE = 600000, CUT_TO = 100001 };

static void fill_cut_pattern(unsigned char *bytes, const char *name)
{
	fill_pattern(bytes, CUT_SIZE, (uint32_t)*name);
}

static int cut_and_write_again(void *arg)
{
	unsigned char *bytes = malloc(CUT_SIZE);
	int fd = openat(host, arg, O_WRONLY);

	if (!bytes || fd < 0)
		return ENOMEM;
	fill_cut_pattern(bytes, arg);
	for (int i = 0; i < 400; i++)
		if (ftruncate(fd, CUT_TO) < 0 ||
		    pwrite(fd, bytes + CUT_TO, CUT_SIZE - CUT_TO, CUT_TO) != CUT_SIZE - CUT_TO)
			return EIO;
	return 0;
}

/* What was cut may be seen as zeros; nothing else may be seen than what was ever there. */
static int read_what_is_cut(void *arg)
{
	static unsigned char bytes[CUT_SIZE], found[CUT_SIZE];
	int fd = openat(mnt, arg, O_RDONLY | (config_is_native() ? 0 : O_DIRECT));

	if (fd < 0)
		return errno;
	fill_cut_pattern(bytes, arg);
	for (int i = 0; i < 400; i++) {
		off_t offset = i * 257 % 90000;
		memset(found, 0xee, sizeof(found));
		ssize_t count = pread(fd, found, 65536 + (size_t)i * 1000, offset);
		if (count < 0)
			return errno;
		for (ssize_t at = 0; at < count; at++)
			if (found[at] != bytes[offset + at] &&
			    (found[at] != 0 || offset + at < CUT_TO))
				return EBADMSG;
	}
	return 0;
}

Test(data, large_reads_of_files_that_are_being_cut_show_no_other_bytes)
{
	unsigned char *bytes = malloc(CUT_SIZE);
	char names[2][2] = { "a", "b" };
	pid_t pids[4];

	for (int i = 0; i < 2; i++) {
		fill_cut_pattern(bytes, names[i]);
		put_file(host, names[i], bytes, CUT_SIZE);
	}
	for (int i = 0; i < 2; i++) {
		pids[i] = start_child(cut_and_write_again, names[i]);
		pids[2 + i] = start_child(read_what_is_cut, names[i]);
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(result_of(pids[i]), 0);
	free(bytes);
}

static int read_until_killed(void *arg)
{
	static unsigned char found[524288];
	int fd = openat(mnt, arg, O_RDONLY | (config_is_native() ? 0 : O_DIRECT));

	for (;;)
		if (pread(fd, found, sizeof(found), 0) < 0)
			return errno;
}

/* Their replies find nobody who wants them. */
Test(data, readers_that_are_killed_leave_nothing_in_the_reads_of_others)
{
	size_t size = 524288;
	unsigned char *bytes = malloc(size), *found = malloc(size);

	fill_pattern(bytes, size, 21);
	put_file(host, "other", bytes, size);
	fill_pattern(bytes, size, 22);
	put_file(host, "file", bytes, size);
	int fd = open_past_the_cache("file");
	for (int i = 0; i < 30; i++) {
		pid_t pid = start_child(read_until_killed, "other");
		for (int j = 0; j < 10; j++) {
			cr_assert_eq(must(pread(fd, found, 400001, 5 * j)), 400001);
			cr_assert_eq(memcmp(found, bytes + 5 * j, 400001), 0);
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	free(bytes);
	free(found);
}

Test(data, truncation_cuts_and_grows_with_zeros)
{
	char expected[10000] = "0123";

	put_text(mnt, "file", "0123456789");
	must(truncate(mnt_path("file"), 4));
	must_hold_text(mnt, "file", "0123");
	must_hold_text(host, "file", "0123");
	must(truncate(mnt_path("file"), sizeof(expected)));
	must_hold(mnt, "file", expected, sizeof(expected));
	must_hold(host, "file", expected, sizeof(expected));
	must(close(must(openat(mnt, "file", O_WRONLY | O_TRUNC))));
	cr_assert_eq(stat_of(mnt, "file").st_size, 0);
	cr_assert_eq(stat_of(host, "file").st_size, 0);
}

Test(data, bytes_cut_off_and_grown_over_do_not_come_back)
{
	char bytes[4096];

	memset(bytes, 'x', sizeof(bytes));
	put_file(mnt, "file", bytes, sizeof(bytes));
	int fd = must(openat(mnt, "file", O_RDWR));
	must(ftruncate(fd, 100));
	must(ftruncate(fd, 4096));
	memset(bytes + 100, 0, sizeof(bytes) - 100);
	must_hold(mnt, "file", bytes, sizeof(bytes));
	must(fsync(fd));
	must_hold(host, "file", bytes, sizeof(bytes));
}

Test(data, vectors_are_gathered_and_scattered_in_order)
{
	char a[] = "one", b[] = "-two-", c[] = "three";
	struct iovec out[] = { { a, 3 }, { b, 5 }, { c, 5 } };
	char first[7], second[6];
	struct iovec in[] = { { first, 7 }, { second, 6 } };
	int fd = must(openat(mnt, "file", O_CREAT | O_RDWR, 0644));

	cr_assert_eq(must(pwritev(fd, out, 3, 10)), 13);
	cr_assert_eq(must(preadv(fd, in, 2, 10)), 13);
	cr_assert_eq(memcmp(first, "one-two", 7), 0);
	cr_assert_eq(memcmp(second, "-three", 6), 0);
	cr_assert_eq(stat_of_fd(fd).st_size, 23);
}

Test(data, sendfile_and_splice_carry_the_bytes)
{
	unsigned char *bytes = malloc(300000);
	int pipe_ends[2];
	unsigned char found[4096];

	fill_pattern(bytes, 300000, 5);
	put_file(mnt, "from", bytes, 300000);
	int from = must(openat(mnt, "from", O_RDONLY));
	int to = must(openat(mnt, "to", O_CREAT | O_RDWR, 0644));
	for (off_t offset = 0; offset < 300000;)
		cr_assert_gt(must(sendfile(to, from, &offset, 300000 - offset)), 0);
	must(close(to));
	must_hold(host, "to", bytes, 300000);

	must(pipe2(pipe_ends, O_CLOEXEC));
	off_t offset = 100000;
	ssize_t count = must(splice(from, &offset, pipe_ends[1], NULL, 4096, 0));
	cr_assert_gt(count, 0);
	cr_assert_eq(must(read(pipe_ends[0], found, sizeof(found))), count);
	cr_assert_eq(memcmp(found, bytes + 100000, count), 0);
	free(bytes);
}

Test(data, synchronised_data_is_on_the_host_while_the_file_is_still_open)
{
	int fd = must(openat(mnt, "file", O_CREAT | O_WRONLY, 0644));

	must(write(fd, "one", 3));
	must(fsync(fd));
	must_hold_text(host, "file", "one");
	must(write(fd, "two", 3));
	must(fdatasync(fd));
	must_hold_text(host, "file", "onetwo");
	must(write(fd, "three", 5));
	/* Of collected writes Linux starts the writing, and since 6.18 waits for none of a FUSE
	 * client's. */
	must(syncfs(fd));
	cr_assert(eventually(holds_text(host, "file", "onetwothree")));
	must(fsync(mnt));
}

Test(data, a_write_by_a_synchronous_descriptor_is_on_the_host_at_once)
{
	int fd = must(openat(mnt, "file", O_CREAT | O_WRONLY | O_SYNC, 0644));

	must(write(fd, "sync", 4));
	must_hold_text(host, "file", "sync");
}

Test(data, open_refuses_what_the_host_refuses)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "file", "x");

	must_fail(openat(mnt, "dir", O_WRONLY), EISDIR);
	must_fail(openat(mnt, "dir", O_CREAT | O_RDWR, 0644), EISDIR);
	must_fail(openat(mnt, "file", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
	must_fail(openat(mnt, "file", O_RDONLY | O_DIRECTORY), ENOTDIR);
	int fd = must(openat(mnt, "file", O_RDONLY));
	must_fail(write(fd, "y", 1), EBADF);
	fd = must(openat(mnt, "file", O_WRONLY));
	char byte;
	must_fail(read(fd, &byte, 1), EBADF);
	must_fail(ftruncate(must(openat(mnt, "file", O_RDONLY)), 0), EINVAL);
	must_hold_text(host, "file", "x");
}

Test(data, the_descriptor_that_creates_a_read_only_file_may_write_it)
{
	int fd = must(openat(mnt, "file", O_CREAT | O_EXCL | O_WRONLY, 0444));

	must(write(fd, "written", 7));
	must(close(fd));
	must_hold_text(host, "file", "written");
	cr_assert_eq(stat_of(host, "file").st_mode & 07777, 0444);
}

static int write_unreadable_file(void *arg)
{
	int fd = openat(mnt, "file", O_WRONLY);

	(void)arg;
	if (fd < 0)
		return errno;
	if (pwrite(fd, "WRITE", 5, 0) != 5)
		return errno;
	if (close(fd) < 0)
		return errno;
	return openat(mnt, "file", O_RDONLY) < 0 && errno == EACCES ? 0 : EPROTO;
}

Test(data, a_file_that_its_owner_may_write_but_not_read_can_be_written)
{
	const struct user user = { .uid = 4711, .gid = 4711 };

	put_text(host, "file", "write only");
	must(fchownat(host, "file", 4711, 4711, 0));
	must(fchmodat(host, "file", 0277, 0));
	int error = as_user(&user, write_unreadable_file, NULL);
	cr_assert_eq(error, 0, "%s", strerror(error));
	must_hold_text(host, "file", "WRITE only");
}

Test(data, many_files_can_be_open_at_once)
{
	int fds[500];
	char name[16];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		fds[i] = must(openat(mnt, name, O_CREAT | O_RDWR, 0644));
		must(write(fds[i], name, strlen(name)));
	}
	for (int i = 0; i < 500; i++) {
		char found[16] = "";
		snprintf(name, sizeof(name), "file%d", i);
		must(pread(fds[i], found, sizeof(found) - 1, 0));
		cr_assert_str_eq(found, name);
		must(close(fds[i]));
	}
	cr_assert_eq(count_entries(host), 500);
}
