/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap(2): shared mappings in both directions, and private ones. */
#include "testing.h"

#include <sys/mman.h>

TestSuite(mappings, .init = enter_fresh_directory, .timeout = 30);

#define SIZE 20000

static char *map_file(int dir, const char *name, int flags)
{
	int fd = must(openat(dir, name, O_RDWR | O_CLOEXEC));
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	cr_assert_neq(map, MAP_FAILED, "mmap: %s", strerror(errno));
	must(close(fd));
	return map;
}

static void put_pattern(int dir, const char *name, uint32_t seed)
{
	char bytes[SIZE];

	fill_pattern(bytes, SIZE, seed);
	put_file(dir, name, bytes, SIZE);
}

Test(mappings, what_is_stored_in_a_shared_mapping_is_in_the_hosts_file_after_msync)
{
	char bytes[SIZE];

	put_pattern(mnt, "file", 1);
	char *map = map_file(mnt, "file", MAP_SHARED);
	fill_pattern(bytes, SIZE, 1);
	cr_assert_eq(memcmp(map, bytes, SIZE), 0);

	fill_pattern(bytes, SIZE, 2);
	memcpy(map, bytes, SIZE);
	must(msync(map, SIZE, MS_SYNC));
	must_hold(host, "file", bytes, SIZE);
	must(munmap(map, SIZE));
	must_hold(mnt, "file", bytes, SIZE);
}

Test(mappings, what_is_stored_in_a_shared_mapping_is_in_the_hosts_file_after_munmap_and_fsync)
{
	char bytes[SIZE];

	put_pattern(mnt, "file", 3);
	char *map = map_file(mnt, "file", MAP_SHARED);
	fill_pattern(bytes, SIZE, 3);
	map[4096] = bytes[4096] = 'm';
	must(munmap(map, SIZE));
	int fd = must(openat(mnt, "file", O_RDWR));
	must(fsync(fd));
	must_hold(host, "file", bytes, SIZE);
}

Test(mappings, what_the_host_wrote_is_in_a_mapping_made_afterwards)
{
	char bytes[SIZE];

	put_pattern(host, "file", 4);
	char *map = map_file(mnt, "file", MAP_SHARED);
	fill_pattern(bytes, SIZE, 4);
	cr_assert_eq(memcmp(map, bytes, SIZE), 0);
	must(munmap(map, SIZE));
}

static bool new_mapping_starts_with(const char *text)
{
	char *map = map_file(mnt, "file", MAP_SHARED);
	bool same = !memcmp(map, text, strlen(text));

	must(munmap(map, SIZE));
	return same;
}

Test(mappings, what_the_host_stores_in_its_own_mapping_is_seen_through_the_mount)
{
	if (config_is_writeback())
		cr_skip_test("with writeback the client keeps the pages of a file that it knows");

	put_pattern(mnt, "file", 5);
	char *on_host = map_file(host, "file", MAP_SHARED);
	memcpy(on_host, "stored on the host", 18);
	must(msync(on_host, SIZE, MS_SYNC));
	/* The host's mtime moves with the page's writeback; make sure that it has. */
	must(utimensat(host, "file", NULL, 0));
	cr_assert(eventually(new_mapping_starts_with("stored on the host")));
	must(munmap(on_host, SIZE));
}

Test(mappings, a_mapping_and_write_on_the_same_file_see_each_other)
{
	char bytes[8] = "";

	put_pattern(mnt, "file", 6);
	char *map = map_file(mnt, "file", MAP_SHARED);
	int fd = must(openat(mnt, "file", O_RDWR));

	must(pwrite(fd, "write", 5, 5000));
	cr_assert_eq(memcmp(map + 5000, "write", 5), 0);
	memcpy(map + 9000, "store", 5);
	cr_assert_eq(must(pread(fd, bytes, 5, 9000)), 5);
	cr_assert_str_eq(bytes, "store");
	must(munmap(map, SIZE));
}

static int store_in_mapping(void *arg)
{
	int fd = openat(mnt, "file", O_RDWR);
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)arg;
	if (fd < 0 || map == MAP_FAILED)
		return errno;
	memcpy(map + 8000, "from the child", 14);
	return munmap(map, SIZE) < 0 ? errno : 0;
}

Test(mappings, two_processes_share_a_mapping_through_the_mount)
{
	put_pattern(mnt, "file", 7);
	char *map = map_file(mnt, "file", MAP_SHARED);

	cr_assert_eq(in_child(store_in_mapping, NULL), 0);
	cr_assert_eq(memcmp(map + 8000, "from the child", 14), 0);
	must(munmap(map, SIZE));
}

Test(mappings, a_private_mapping_leaves_the_file_alone)
{
	char bytes[SIZE];

	put_pattern(mnt, "file", 8);
	char *map = map_file(mnt, "file", MAP_PRIVATE);
	memcpy(map, "private", 7);
	must(munmap(map, SIZE));
	fill_pattern(bytes, SIZE, 8);
	must_hold(host, "file", bytes, SIZE);
}

Test(mappings, a_page_beyond_a_truncated_end_reads_as_zeros_after_growing_again)
{
	put_pattern(mnt, "file", 9);
	char *map = map_file(mnt, "file", MAP_SHARED);

	cr_assert_neq(map[5000], 0);
	must(truncate(mnt_path("file"), 4096));
	must(truncate(mnt_path("file"), SIZE));
	for (int at = 4096; at < SIZE; at++)
		cr_assert_eq(map[at], 0, "byte %d", at);
	must(munmap(map, SIZE));
}
