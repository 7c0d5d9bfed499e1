/* SPDX-License-Identifier: BSD-3-Clause */
/* rename(2) and renameat2(2) with each flag, over files that are open, and what must be refused. */
#include "testing.h"

#include <stdio.h>
#include <sys/sysmacros.h>

TestSuite(renames, .init = enter_fresh_directory, .timeout = 30);

static int rename_with(const char *from, const char *to, unsigned int flags)
{
	return renameat2(mnt, from, mnt, to, flags);
}

Test(renames, a_renamed_file_keeps_its_content_and_inode_and_loses_its_old_name)
{
	put_text(mnt, "old", "content");
	ino_t inode = stat_of(mnt, "old").st_ino;

	must(rename_with("old", "new", 0));
	cr_assert(!exists(mnt, "old"));
	cr_assert(!exists(host, "old"));
	must_hold_text(mnt, "new", "content");
	must_hold_text(host, "new", "content");
	cr_assert_eq(stat_of(mnt, "new").st_ino, inode);
}

Test(renames, a_rename_to_another_directory_moves_the_file_there)
{
	must(mkdirat(mnt, "from", 0755));
	must(mkdirat(mnt, "to", 0755));
	put_text(mnt, "from/file", "moving");

	must(rename_with("from/file", "to/moved", 0));
	must_hold_text(host, "to/moved", "moving");
	cr_assert(!exists(host, "from/file"));
	must(unlinkat(mnt, "from", AT_REMOVEDIR));
}

Test(renames, a_rename_over_a_file_replaces_it)
{
	put_text(mnt, "winner", "winner");
	put_text(mnt, "loser", "loser");

	must(rename_with("winner", "loser", 0));
	must_hold_text(mnt, "loser", "winner");
	must_hold_text(host, "loser", "winner");
	cr_assert_eq(count_entries(mnt), 1);
}

Test(renames, a_file_that_is_open_when_another_is_renamed_over_it_stays_readable_and_writable)
{
	char bytes[8] = "";

	put_text(mnt, "old", "old");
	put_text(mnt, "new", "new");
	int fd = must(openat(mnt, "old", O_RDWR));

	must(rename_with("new", "old", 0));
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 3);
	cr_assert_str_eq(bytes, "old");
	cr_assert_eq(stat_of_fd(fd).st_nlink, 0);
	cr_assert_eq(must(pwrite(fd, "gone", 4, 0)), 4);
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 4);
	cr_assert_str_eq(bytes, "gone");
	must(close(fd));
	must_hold_text(mnt, "old", "new");
	must_hold_text(host, "old", "new");
}

Test(renames, what_is_written_after_the_open_file_was_renamed_is_under_the_new_name)
{
	int fd = must(openat(mnt, "old", O_CREAT | O_WRONLY, 0644));

	must(write(fd, "before ", 7));
	must(rename_with("old", "new", 0));
	must(write(fd, "after", 5));
	must(close(fd));
	must_hold_text(host, "new", "before after");
	cr_assert(!exists(host, "old"));
}

Test(renames, noreplace_refuses_an_existing_name_with_EEXIST_and_changes_nothing)
{
	put_text(mnt, "a", "a");
	put_text(mnt, "b", "b");

	must_fail(rename_with("a", "b", RENAME_NOREPLACE), EEXIST);
	must_hold_text(host, "a", "a");
	must_hold_text(host, "b", "b");
	must(rename_with("a", "c", RENAME_NOREPLACE));
	must_hold_text(host, "c", "a");
	cr_assert(!exists(mnt, "a"));
}

Test(renames, exchange_swaps_two_files)
{
	put_text(mnt, "a", "was a");
	put_text(mnt, "b", "was b");
	ino_t inode_a = stat_of(mnt, "a").st_ino;

	must(rename_with("a", "b", RENAME_EXCHANGE));
	must_hold_text(mnt, "a", "was b");
	must_hold_text(mnt, "b", "was a");
	must_hold_text(host, "a", "was b");
	must_hold_text(host, "b", "was a");
	cr_assert_eq(stat_of(mnt, "b").st_ino, inode_a);
}

Test(renames, exchange_swaps_a_file_with_a_full_directory)
{
	put_text(mnt, "file", "content");
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "dir/inside", "inside");

	must(rename_with("file", "dir", RENAME_EXCHANGE));
	must_hold_text(mnt, "dir", "content");
	must_hold_text(mnt, "file/inside", "inside");
	must_hold_text(host, "file/inside", "inside");
	must_fail(rename_with("file", "missing", RENAME_EXCHANGE), ENOENT);
}

Test(renames, whiteout_leaves_a_character_device_0_0_behind)
{
	put_text(host, "probe", "probe");
	if (renameat2(host, "probe", host, "probed", RENAME_WHITEOUT) < 0)
		cr_skip_test("the host's file system makes no whiteouts: %s", strerror(errno));

	put_text(mnt, "file", "moved");
	must(rename_with("file", "moved", RENAME_WHITEOUT));
	must_hold_text(host, "moved", "moved");
	struct stat on_mount = stat_of(mnt, "file");
	struct stat on_host = stat_of(host, "file");
	cr_assert(S_ISCHR(on_mount.st_mode) && on_mount.st_rdev == makedev(0, 0));
	cr_assert(S_ISCHR(on_host.st_mode) && on_host.st_rdev == makedev(0, 0));
}

Test(renames, flags_that_contradict_each_other_are_EINVAL)
{
	put_text(mnt, "a", "a");
	put_text(mnt, "b", "b");

	must_fail(rename_with("a", "b", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
	must_fail(rename_with("a", "b", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	must_fail(rename_with("a", "b", 1u << 15), EINVAL);
	must_hold_text(host, "a", "a");
	must_hold_text(host, "b", "b");
}

Test(renames, a_directory_moves_with_what_is_below_and_with_those_who_stand_in_it)
{
	must(mkdirat(mnt, "dir", 0755));
	must(mkdirat(mnt, "dir/sub", 0755));
	put_text(mnt, "dir/sub/file", "deep");
	int inside = must(openat(mnt, "dir/sub", O_RDONLY | O_DIRECTORY));

	must(rename_with("dir", "moved", 0));
	must_hold_text(mnt, "moved/sub/file", "deep");
	must_hold_text(inside, "file", "deep");
	put_text(inside, "later", "later");
	must_hold_text(host, "moved/sub/later", "later");
}

Test(renames, a_directory_replaces_an_empty_one_and_nothing_else)
{
	must(mkdirat(mnt, "dir", 0755));
	must(mkdirat(mnt, "empty", 0755));
	must(mkdirat(mnt, "full", 0755));
	put_text(mnt, "full/file", "x");
	put_text(mnt, "file", "x");

	/* ENOTEMPTY or EEXIST, as the file system likes it. */
	int expected = renameat(host, "dir", host, "full") < 0 ? errno : 0;
	must_fail(rename_with("dir", "full", 0), expected);
	must_fail(rename_with("dir", "file", 0), ENOTDIR);
	must_fail(rename_with("file", "dir", 0), EISDIR);
	must_fail(rename_with("dir", "dir/below", 0), EINVAL);
	must(rename_with("dir", "empty", 0));
	cr_assert(!exists(host, "dir"));
	cr_assert_eq(count_entries(host), 3);
}

Test(renames, a_rename_between_two_hard_links_of_a_file_does_nothing)
{
	put_text(mnt, "a", "same");
	must(linkat(mnt, "a", mnt, "b", 0));

	must(rename_with("a", "b", 0));
	must_hold_text(host, "a", "same");
	must_hold_text(host, "b", "same");
	cr_assert_eq(stat_of(mnt, "a").st_nlink, 2);
}

Test(renames, the_replaced_file_loses_a_link_that_its_other_name_shows)
{
	put_text(mnt, "a", "a");
	put_text(mnt, "b", "b");
	must(linkat(mnt, "b", mnt, "other", 0));
	cr_assert_eq(stat_of(mnt, "other").st_nlink, 2);

	must(rename_with("a", "b", 0));
	cr_assert(eventually(stat_of(mnt, "other").st_nlink == 1));
	must_hold_text(mnt, "other", "b");
}
