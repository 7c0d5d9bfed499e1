/* SPDX-License-Identifier: BSD-3-Clause */
/* Listing directories while they change, positions in them, depth, and removing them. */
#include "testing.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

TestSuite(directories, .init = enter_fresh_directory, .timeout = 60);

/* Files named f0 to f(count-1), made on the host, where it is quick. */
static void make_files(int count)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		must(close(must(openat(host, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644))));
	}
}

static int number_of(const char *name)
{
	return name[0] == 'f' ? atoi(name + 1) : -1;
}

Test(directories, of_20000_entries_none_that_stays_is_missed_while_every_second_one_is_removed)
{
	unsigned char *seen = calloc(1, 20000);
	char name[16];
	int removed = 0;

	make_files(20000);
	DIR *listing = open_listing(mnt, ".");
	for (struct dirent *entry; (entry = next_entry(listing));) {
		int number = number_of(entry->d_name);
		if (number < 0)
			continue;
		cr_assert_eq(seen[number]++, 0, "%s came twice", entry->d_name);
		for (int i = 0; i < 2 && removed < 20000; i++, removed += 2) {
			snprintf(name, sizeof(name), "f%d", removed);
			must(unlinkat(mnt, name, 0));
		}
	}
	closedir(listing);
	cr_assert_eq(removed, 20000);
	for (int i = 1; i < 20000; i += 2)
		cr_assert_eq(seen[i], 1, "f%d was missed", i);
	cr_assert_eq(count_entries(host), 10000);
	cr_assert_eq(count_entries(mnt), 10000);
	free(seen);
}

Test(directories, entries_made_while_listing_hide_none_that_was_there)
{
	int seen[1000] = { 0 };
	char name[16];
	int made = 0;

	make_files(1000);
	DIR *listing = open_listing(mnt, ".");
	for (struct dirent *entry; (entry = next_entry(listing));) {
		int number = number_of(entry->d_name);
		if (number >= 0 && number < 1000)
			seen[number]++;
		if (made < 1000) {
			snprintf(name, sizeof(name), "new%d", made++);
			put_text(mnt, name, "");
		}
	}
	closedir(listing);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(seen[i], 1, "f%d came %d times", i, seen[i]);
}

Test(directories, a_small_buffer_gets_every_entry_once)
{
	struct {
		uint64_t inode;
		int64_t next;
		uint16_t length;
		uint8_t type;
		char name[];
	} * entry;
	int seen[3000] = { 0 };
	char buffer[200] __attribute__((aligned(8)));

	make_files(3000);
	int fd = must(openat(mnt, ".", O_RDONLY | O_DIRECTORY));
	for (long count; (count = must(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)))) > 0;) {
		for (char *at = buffer; at < buffer + count; at += entry->length) {
			entry = (void *)at;
			if (number_of(entry->name) >= 0)
				seen[number_of(entry->name)]++;
		}
	}
	for (int i = 0; i < 3000; i++)
		cr_assert_eq(seen[i], 1, "f%d came %d times", i, seen[i]);
}

Test(directories, a_position_told_can_be_returned_to_and_a_listing_begun_anew)
{
	static long positions[2001];
	static char names[2001][16];
	int count = 0;

	make_files(2000);
	DIR *listing = open_listing(mnt, ".");
	for (struct dirent *entry; count < 2001; count++) {
		positions[count] = telldir(listing);
		if (!(entry = next_entry(listing)))
			break;
		snprintf(names[count], sizeof(names[count]), "%.15s", entry->d_name);
	}
	for (int i = 0; i < 200; i++) {
		int which = (i * 977) % count;
		seekdir(listing, positions[which]);
		struct dirent *entry = next_entry(listing);
		cr_assert_not_null(entry);
		cr_assert_str_eq(entry->d_name, names[which]);
	}
	put_text(mnt, "new", "");
	rewinddir(listing);
	bool found = false;
	count = 0;
	for (struct dirent *entry; (entry = next_entry(listing)); count++)
		found |= !strcmp(entry->d_name, "new");
	cr_assert_eq(count, 2003);
	cr_assert(found);
	closedir(listing);
}

Test(directories, two_listings_at_once_do_not_disturb_each_other)
{
	int seen[2][2000] = { { 0 } };
	DIR *listings[2];
	int running = 2;

	make_files(2000);
	listings[0] = open_listing(mnt, ".");
	listings[1] = open_listing(mnt, ".");
	for (int turn = 0; running; turn++) {
		int which = turn % 3 == 0;
		struct dirent *entry = listings[which] ? next_entry(listings[which]) : NULL;
		if (entry && number_of(entry->d_name) >= 0)
			seen[which][number_of(entry->d_name)]++;
		if (!entry && listings[which]) {
			closedir(listings[which]);
			listings[which] = NULL;
			running--;
		}
	}
	for (int i = 0; i < 2000; i++)
		cr_assert(seen[0][i] == 1 && seen[1][i] == 1, "f%d came %d and %d times", i,
			  seen[0][i], seen[1][i]);
}

Test(directories, entries_tell_the_type_and_inode_number_that_stat_tells)
{
	int count = 0;

	put_text(mnt, "file", "x");
	must(mkdirat(mnt, "dir", 0755));
	must(symlinkat("x", mnt, "symlink"));
	must(mknodat(mnt, "fifo", S_IFIFO | 0644, 0));
	must(mknodat(mnt, "char", S_IFCHR | 0644, makedev(1, 3)));
	DIR *listing = open_listing(mnt, ".");
	for (struct dirent *entry; (entry = next_entry(listing));) {
		if (entry->d_name[0] == '.')
			continue;
		struct stat st = stat_of(mnt, entry->d_name);
		cr_assert_eq(entry->d_ino, st.st_ino, "%s", entry->d_name);
		cr_assert(entry->d_type == DT_UNKNOWN || entry->d_type == IFTODT(st.st_mode), "%s",
			  entry->d_name);
		count++;
	}
	closedir(listing);
	cr_assert_eq(count, 5);
}

Test(directories, dot_and_dot_dot_are_listed_once)
{
	int dots = 0, dot_dots = 0;

	must(mkdirat(mnt, "dir", 0755));
	DIR *listing = open_listing(mnt, "dir");
	for (struct dirent *entry; (entry = next_entry(listing));) {
		dots += !strcmp(entry->d_name, ".");
		dot_dots += !strcmp(entry->d_name, "..");
		if (!strcmp(entry->d_name, "."))
			cr_assert_eq(entry->d_ino, stat_of(mnt, "dir").st_ino);
	}
	closedir(listing);
	cr_assert(dots == 1 && dot_dots == 1, "%d and %d times", dots, dot_dots);
}

Test(directories, a_listing_by_the_host_and_by_the_mount_agree_for_names_of_every_length)
{
	char name[256];

	for (size_t length = 1; length <= 255; length++) {
		memset(name, 'a' + length % 26, length);
		name[length] = '\0';
		must(mkdirat(mnt, name, 0755));
	}
	cr_assert_eq(count_entries(host), 255);
	cr_assert_eq(count_entries(mnt), 255);
	DIR *listing = open_listing(mnt, ".");
	for (struct dirent *entry; (entry = next_entry(listing));)
		cr_assert(exists(host, entry->d_name));
	closedir(listing);
}

Test(directories, a_tree_300_levels_deep_is_walked_by_chdir)
{
	must(fchdir(mnt));
	for (int level = 0; level < 300; level++) {
		must(mkdir("a-directory-of-a-rather-deep-tree", 0755));
		must(chdir("a-directory-of-a-rather-deep-tree"));
	}
	put_text(AT_FDCWD, "bottom", "deepest");

	must(fchdir(mnt));
	for (int level = 0; level < 300; level++)
		must(chdir("a-directory-of-a-rather-deep-tree"));
	must_hold_text(AT_FDCWD, "bottom", "deepest");
	must(unlink("bottom"));
	for (int level = 0; level < 300; level++) {
		must(chdir(".."));
		must(rmdir("a-directory-of-a-rather-deep-tree"));
	}
	cr_assert_eq(stat_of(AT_FDCWD, ".").st_ino, stat_of_fd(mnt).st_ino);
	cr_assert_eq(count_entries(host), 0);
}

Test(directories, the_hosts_deep_tree_is_found_below_a_path_longer_than_the_system_allows)
{
	int dir = must(dup(host));

	for (int level = 0; level < 300; level++) {
		must(mkdirat(dir, "level-of-a-deep-tree", 0755));
		int below = must(openat(dir, "level-of-a-deep-tree", O_RDONLY | O_DIRECTORY));
		must(close(dir));
		dir = below;
	}
	put_text(dir, "bottom", "deepest");
	must(close(dir));
	dir = must(dup(mnt));
	for (int level = 0; level < 300; level++) {
		int below = must(openat(dir, "level-of-a-deep-tree", O_RDONLY | O_DIRECTORY));
		must(close(dir));
		dir = below;
	}
	must_hold_text(dir, "bottom", "deepest");
}

Test(directories, only_an_empty_directory_is_removed_and_only_as_such)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "dir/file", "x");

	must_fail(unlinkat(mnt, "dir", AT_REMOVEDIR), ENOTEMPTY);
	must_fail(unlinkat(mnt, "dir", 0), EISDIR);
	must_fail(unlinkat(mnt, "dir/file", AT_REMOVEDIR), ENOTDIR);
	must_fail(mkdirat(mnt, "dir", 0755), EEXIST);
	must(unlinkat(mnt, "dir/file", 0));
	must(unlinkat(mnt, "dir", AT_REMOVEDIR));
	cr_assert(!exists(host, "dir"));
	must_fail(unlinkat(mnt, "dir", AT_REMOVEDIR), ENOENT);
}

Test(directories, the_link_count_counts_subdirectories_as_on_the_host)
{
	for (int i = 0; i < 5; i++) {
		char name[8];
		snprintf(name, sizeof(name), "d%d", i);
		must(mkdirat(mnt, name, 0755));
	}
	must(unlinkat(mnt, "d0", AT_REMOVEDIR));
	cr_assert(eventually(stat_of_fd(mnt).st_nlink == stat_of_fd(host).st_nlink));
}
