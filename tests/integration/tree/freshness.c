/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes made on the host are seen through the mount: at the latest when the timeouts have passed
 * (a second by default), at once when nothing is cached.
 */
#include "testing.h"

#include <stdio.h>

TestSuite(freshness, .init = enter_fresh_directory, .timeout = 30);

#define must_become(condition) \
	cr_assert(config_is_uncached() || config_is_native() ? (condition) : eventually(condition))

static void skip_with_writeback(void)
{
	if (config_is_writeback())
		cr_skip_test(
			"with writeback the client keeps size and data of the files that it knows");
}

Test(freshness, a_file_made_by_the_host_appears_although_it_was_missing_before)
{
	cr_assert(!exists(mnt, "file"));
	put_text(host, "file", "new");
	must_become(exists(mnt, "file"));
	must_hold_text(mnt, "file", "new");
	cr_assert_eq(count_entries(mnt), 1);
}

Test(freshness, a_file_removed_by_the_host_disappears)
{
	put_text(mnt, "file", "x");
	cr_assert(exists(mnt, "file"));
	must(unlinkat(host, "file", 0));
	must_become(!exists(mnt, "file"));
	cr_assert_eq(count_entries(mnt), 0);
}

Test(freshness, content_written_by_the_host_is_read)
{
	skip_with_writeback();
	put_text(mnt, "file", "first");
	must_hold_text(mnt, "file", "first");
	put_text(host, "file", "second, longer");
	must_become(holds_text(mnt, "file", "second, longer"));
	cr_assert_eq(stat_of(mnt, "file").st_size, 14);
}

Test(freshness, content_of_the_same_size_written_by_the_host_is_read)
{
	skip_with_writeback();
	put_text(mnt, "file", "first");
	must_hold_text(mnt, "file", "first");
	sleep_ms(25);
	put_text(host, "file", "2nd!!");
	must_become(holds_text(mnt, "file", "2nd!!"));
}

static bool reads_through(int fd, const char *text)
{
	char found[64];
	ssize_t count = must(pread(fd, found, sizeof(found), 0));

	return (size_t)count == strlen(text) && !memcmp(found, text, count);
}

Test(freshness, content_written_by_the_host_is_read_by_one_who_had_the_file_open_all_along)
{
	skip_with_writeback();
	put_text(mnt, "file", "first");
	int fd = must(openat(mnt, "file", O_RDONLY));
	cr_assert(reads_through(fd, "first"));
	sleep_ms(25);
	put_text(host, "file", "second");
	/* A stat is what lets an open file's attributes be asked for again. */
	must_become((stat_of_fd(fd), reads_through(fd, "second")));
}

Test(freshness, a_file_that_the_host_truncates_is_shorter)
{
	skip_with_writeback();
	put_text(mnt, "file", "0123456789");
	must_hold_text(mnt, "file", "0123456789");
	must(truncate(host_path("file"), 4));
	must_become(stat_of(mnt, "file").st_size == 4);
	must_hold_text(mnt, "file", "0123");
}

Test(freshness, mode_and_owner_changed_by_the_host_are_seen)
{
	put_text(mnt, "file", "x");
	must(fchownat(host, "file", 77, 88, 0));
	must(fchmodat(host, "file", 0604, 0));
	must_become((stat_of(mnt, "file").st_mode & 07777) == 0604);
	cr_assert_eq(stat_of(mnt, "file").st_uid, 77);
	cr_assert_eq(stat_of(mnt, "file").st_gid, 88);
}

Test(freshness, a_rename_by_the_host_is_seen_under_both_names)
{
	put_text(mnt, "old", "moved");
	cr_assert(!exists(mnt, "new"));
	must(renameat(host, "old", host, "new"));
	must_become(exists(mnt, "new") && !exists(mnt, "old"));
	must_hold_text(mnt, "new", "moved");
}

Test(freshness, a_file_replaced_by_the_host_is_the_new_one)
{
	put_text(mnt, "file", "old one");
	put_text(host, "next", "new one!");
	must(renameat(host, "next", host, "file"));
	must_become(holds_text(mnt, "file", "new one!"));
}

Test(freshness, a_name_that_the_host_gives_to_another_type_is_of_that_type)
{
	put_text(mnt, "name", "file");
	must(unlinkat(host, "name", 0));
	must(mkdirat(host, "name", 0755));
	put_text(host, "name/inside", "inside");
	must_become(S_ISDIR(stat_of(mnt, "name").st_mode));
	must_hold_text(mnt, "name/inside", "inside");
}

static bool leads_to(const char *target)
{
	char found[64];
	ssize_t count = must(readlinkat(mnt, "symlink", found, sizeof(found)));

	return (size_t)count == strlen(target) && !memcmp(found, target, count);
}

Test(freshness, a_symlink_that_the_host_turns_elsewhere_leads_there)
{
	must(symlinkat("one", mnt, "symlink"));
	cr_assert(leads_to("one"));
	must(unlinkat(host, "symlink", 0));
	must(symlinkat("another", host, "symlink"));
	must_become(leads_to("another"));
}

Test(freshness, a_listing_shows_what_the_host_added_and_removed)
{
	put_text(mnt, "stays", "x");
	put_text(mnt, "goes", "x");
	cr_assert_eq(count_entries(mnt), 2);
	must(unlinkat(host, "goes", 0));
	put_text(host, "comes", "x");
	put_text(host, "comes too", "x");
	must_become(count_entries(mnt) == 3);
	cr_assert(exists(mnt, "comes") && exists(mnt, "comes too") && exists(mnt, "stays"));
}

Test(freshness, a_file_held_open_through_the_mount_is_written_after_the_host_moved_it)
{
	put_text(mnt, "file", "start");
	must(mkdirat(mnt, "dir", 0755));
	int fd = must(openat(mnt, "file", O_WRONLY | O_APPEND));
	must(renameat(host, "file", host, "dir/moved"));
	must(write(fd, "+end", 4));
	must(close(fd));
	must_hold_text(host, "dir/moved", "start+end");
}

Test(freshness, a_directory_that_the_host_moved_still_leads_to_its_files_for_who_stands_in_it)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "dir/file", "inside");
	int dir = must(openat(mnt, "dir", O_RDONLY | O_DIRECTORY));
	must(renameat(host, "dir", host, "moved"));
	put_text(dir, "later", "later");
	must_hold_text(dir, "file", "inside");
	must_hold_text(host, "moved/later", "later");
}
