/* SPDX-License-Identifier: BSD-3-Clause */
/* Hard links and symbolic links. */
#include "testing.h"

#include <limits.h>
#include <stdio.h>

TestSuite(links, .init = enter_fresh_directory, .timeout = 30);

Test(links, hard_links_share_an_inode_number_and_count_each_other)
{
	put_text(mnt, "first", "shared");
	must(mkdirat(mnt, "dir", 0755));
	must(linkat(mnt, "first", mnt, "second", 0));
	must(linkat(mnt, "second", mnt, "dir/third", 0));

	struct stat first = stat_of(mnt, "first");
	cr_assert_eq(stat_of(mnt, "second").st_ino, first.st_ino);
	cr_assert_eq(stat_of(mnt, "dir/third").st_ino, first.st_ino);
	cr_assert_eq(stat_of(mnt, "dir/third").st_nlink, 3);
	cr_assert_eq(first.st_nlink, 3);
	cr_assert_eq(stat_of(host, "first").st_nlink, 3);
}

Test(links, hard_links_made_on_the_host_are_seen_as_one_inode)
{
	put_text(host, "first", "shared");
	must(linkat(host, "first", host, "second", 0));
	put_text(host, "other", "other");

	cr_assert_eq(stat_of(mnt, "first").st_ino, stat_of(mnt, "second").st_ino);
	cr_assert_neq(stat_of(mnt, "first").st_ino, stat_of(mnt, "other").st_ino);
	cr_assert_eq(stat_of(mnt, "second").st_nlink, 2);
}

Test(links, what_is_written_by_one_name_is_read_by_the_other_also_after_the_first_is_gone)
{
	put_text(mnt, "first", "before");
	must(linkat(mnt, "first", mnt, "second", 0));

	put_text(mnt, "first", "changed");
	must_hold_text(mnt, "second", "changed");
	must(unlinkat(mnt, "first", 0));
	must_hold_text(mnt, "second", "changed");
	must_hold_text(host, "second", "changed");
	cr_assert_eq(stat_of(mnt, "second").st_nlink, 1);
}

Test(links, a_directory_cannot_be_linked_and_an_existing_name_is_not_replaced)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "file", "file");
	put_text(mnt, "taken", "taken");

	must_fail(linkat(mnt, "dir", mnt, "other", 0), EPERM);
	must_fail(linkat(mnt, "file", mnt, "taken", 0), EEXIST);
	must_fail(linkat(mnt, "missing", mnt, "new", 0), ENOENT);
	must_hold_text(host, "taken", "taken");
	cr_assert_eq(stat_of(mnt, "file").st_nlink, 1);
}

Test(links, a_hard_link_to_a_symlink_is_the_symlink_itself)
{
	char target[32] = "";

	must(symlinkat("nowhere", mnt, "symlink"));
	must(linkat(mnt, "symlink", mnt, "second", 0));

	cr_assert_eq(must(readlinkat(mnt, "second", target, sizeof(target))), 7);
	cr_assert_str_eq(target, "nowhere");
	cr_assert_eq(stat_of(mnt, "second").st_ino, stat_of(mnt, "symlink").st_ino);
	cr_assert_eq(stat_of(host, "symlink").st_nlink, 2);
}

Test(links, a_symlink_of_4000_bytes_is_read_back_whole)
{
	char target[4001];
	char found[4096];

	for (size_t at = 0; at < 4000; at++)
		target[at] = at % 101 == 100 ? '/' : 'a' + at % 26;
	target[4000] = '\0';
	if (symlinkat(target, host, "probe") < 0)
		cr_skip_test("the host's file system holds no symlink of 4000 bytes: %s",
			     strerror(errno));

	must(symlinkat(target, mnt, "symlink"));
	cr_assert_eq(stat_of(mnt, "symlink").st_size, 4000);
	cr_assert_eq(must(readlinkat(mnt, "symlink", found, sizeof(found))), 4000);
	cr_assert_eq(memcmp(found, target, 4000), 0);
	cr_assert_eq(must(readlinkat(mnt, "probe", found, sizeof(found))), 4000);
	cr_assert_eq(memcmp(found, target, 4000), 0);
	cr_assert_eq(must(readlinkat(host, "symlink", found, sizeof(found))), 4000);
	cr_assert_eq(memcmp(found, target, 4000), 0);
}

Test(links, readlink_fills_a_small_buffer_and_no_more)
{
	char found[8] = "........";

	must(symlinkat("0123456789", mnt, "symlink"));
	cr_assert_eq(must(readlinkat(mnt, "symlink", found, 4)), 4);
	cr_assert_eq(memcmp(found, "0123....", 8), 0);
	cr_assert_eq(stat_of(mnt, "symlink").st_size, 10);
}

Test(links, a_symlink_may_hold_any_bytes_and_lead_nowhere)
{
	static const char target[] = "/no/\xff\xfe\x01 where\n";
	char found[64];
	struct stat st;

	must(symlinkat(target, mnt, "symlink"));
	cr_assert_eq(must(readlinkat(host, "symlink", found, sizeof(found))), sizeof(target) - 1);
	cr_assert_eq(memcmp(found, target, sizeof(target) - 1), 0);
	cr_assert(S_ISLNK(stat_of(mnt, "symlink").st_mode));
	must_fail(fstatat(mnt, "symlink", &st, 0), ENOENT);
	must_fail(openat(mnt, "symlink", O_RDONLY), ENOENT);
}

Test(links, symlinks_are_followed_by_the_client_relative_to_where_they_lie)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "file", "reached");
	must(symlinkat("../file", mnt, "dir/relative"));
	must(symlinkat(mnt_path("file"), mnt, "dir/absolute"));
	must(symlinkat("dir", mnt, "to_dir"));

	must_hold_text(mnt, "dir/relative", "reached");
	must_hold_text(mnt, "dir/absolute", "reached");
	must_hold_text(mnt, "to_dir/relative", "reached");
	must_fail(openat(mnt, "dir/relative", O_RDONLY | O_NOFOLLOW), ELOOP);
}

Test(links, symlinks_that_lead_to_each_other_are_ELOOP)
{
	must(symlinkat("b", mnt, "a"));
	must(symlinkat("a", mnt, "b"));
	must_fail(openat(mnt, "a", O_RDONLY), ELOOP);
	must_fail(openat(mnt, "a", O_CREAT | O_WRONLY, 0644), ELOOP);
}

Test(links, creating_through_a_dangling_symlink_creates_its_target_unless_exclusive)
{
	must(symlinkat("target", mnt, "symlink"));

	must_fail(openat(mnt, "symlink", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
	cr_assert(!exists(host, "target"));
	put_text(mnt, "symlink", "through");
	must_hold_text(host, "target", "through");
	cr_assert(S_ISLNK(stat_of(host, "symlink").st_mode));
}

Test(links, removing_a_symlink_leaves_its_target)
{
	put_text(mnt, "file", "stays");
	must(symlinkat("file", mnt, "symlink"));
	must(unlinkat(mnt, "symlink", 0));
	must_hold_text(host, "file", "stays");
	cr_assert_eq(count_entries(mnt), 1);
}
