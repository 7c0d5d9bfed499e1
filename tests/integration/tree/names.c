/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: the longest, the too long, those of any bytes, and those that are not there. */
#include "testing.h"

#include <stdio.h>

TestSuite(names, .init = enter_fresh_directory, .timeout = 30);

static const char *name_of_length(size_t length)
{
	static char names[2][512];
	char *name = names[length % 2];

	memset(name, 'n', length);
	name[length] = '\0';
	return name;
}

Test(names, a_name_of_255_bytes_can_be_made_listed_renamed_and_removed)
{
	const char *name = name_of_length(255);

	put_text(mnt, name, "long");
	must_hold_text(host, name, "long");
	cr_assert_eq(count_entries(mnt), 1);

	must(renameat(mnt, name, mnt, "short"));
	must(renameat(mnt, "short", mnt, name));
	must_hold_text(mnt, name, "long");
	must(unlinkat(mnt, name, 0));
	cr_assert(!exists(host, name));
}

Test(names, a_name_of_256_bytes_is_refused_by_every_operation_with_ENAMETOOLONG)
{
	const char *name = name_of_length(256);
	struct stat st;
	char target[8];

	put_text(mnt, "file", "x");
	must_fail(openat(mnt, name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	must_fail(mkdirat(mnt, name, 0755), ENAMETOOLONG);
	must_fail(mknodat(mnt, name, S_IFIFO | 0644, 0), ENAMETOOLONG);
	must_fail(symlinkat("target", mnt, name), ENAMETOOLONG);
	must_fail(linkat(mnt, "file", mnt, name, 0), ENAMETOOLONG);
	must_fail(renameat(mnt, "file", mnt, name), ENAMETOOLONG);
	must_fail(fstatat(mnt, name, &st, 0), ENAMETOOLONG);
	must_fail(readlinkat(mnt, name, target, sizeof(target)), ENAMETOOLONG);
	must_fail(unlinkat(mnt, name, 0), ENAMETOOLONG);
	must_fail(unlinkat(mnt, name, AT_REMOVEDIR), ENAMETOOLONG);
	cr_assert_eq(count_entries(host), 1);
	must_hold_text(host, "file", "x");
}

Test(names, every_byte_but_slash_and_nul_may_stand_in_a_name)
{
	char name[8];

	for (int byte = 1; byte < 256; byte++) {
		if (byte == '/')
			continue;
		snprintf(name, sizeof(name), "a%cz", byte);
		put_text(mnt, name, name);
	}
	cr_assert_eq(count_entries(host), 254);
	cr_assert_eq(count_entries(mnt), 254);
	for (int byte = 1; byte < 256; byte++) {
		if (byte == '/')
			continue;
		snprintf(name, sizeof(name), "a%cz", byte);
		must_hold_text(host, name, name);
		must_hold_text(mnt, name, name);
	}
}

Test(names, every_single_byte_but_slash_nul_and_dot_is_a_name)
{
	char name[2] = "";

	for (int byte = 1; byte < 256; byte++) {
		name[0] = byte;
		if (byte != '/' && byte != '.')
			must(mkdirat(mnt, name, 0755));
	}
	cr_assert_eq(count_entries(mnt), 253);
	for (int byte = 1; byte < 256; byte++) {
		name[0] = byte;
		if (byte != '/' && byte != '.') {
			cr_assert(S_ISDIR(stat_of(host, name).st_mode));
			must(unlinkat(mnt, name, AT_REMOVEDIR));
		}
	}
	cr_assert_eq(count_entries(host), 0);
}

Test(names, names_of_dots_and_blanks_are_ordinary_names)
{
	static const char *const names[] = { "...", "....", "..a", ".a", " ", "\n", ". ", ".. " };
	size_t count = sizeof(names) / sizeof(*names);

	for (size_t i = 0; i < count; i++)
		put_text(mnt, names[i], names[i]);
	cr_assert_eq(count_entries(mnt), count);
	for (size_t i = 0; i < count; i++)
		must_hold_text(host, names[i], names[i]);
}

Test(names, names_that_differ_in_case_alone_are_different)
{
	put_text(mnt, "Name", "upper");
	put_text(mnt, "name", "lower");
	must_hold_text(mnt, "Name", "upper");
	must_hold_text(mnt, "name", "lower");
	cr_assert_eq(count_entries(host), 2);
}

Test(names, a_missing_name_is_ENOENT_and_a_file_on_the_way_is_ENOTDIR)
{
	struct stat st;

	put_text(mnt, "file", "x");
	must_fail(fstatat(mnt, "missing", &st, 0), ENOENT);
	must_fail(openat(mnt, "missing", O_RDONLY), ENOENT);
	must_fail(openat(mnt, "missing/file", O_CREAT | O_WRONLY, 0644), ENOENT);
	must_fail(unlinkat(mnt, "missing", 0), ENOENT);
	must_fail(renameat(mnt, "missing", mnt, "other"), ENOENT);
	must_fail(fstatat(mnt, "file/below", &st, 0), ENOTDIR);
	must_fail(mkdirat(mnt, "file/below", 0755), ENOTDIR);
	must_fail(openat(mnt, "file", O_RDONLY | O_DIRECTORY), ENOTDIR);
}

Test(names, dot_and_dot_dot_lead_where_they_do_on_the_host)
{
	must(mkdirat(mnt, "a", 0755));
	must(mkdirat(mnt, "a/b", 0755));
	put_text(mnt, "a/file", "in a");

	int below = must(openat(mnt, "a/b", O_RDONLY | O_DIRECTORY));
	must_hold_text(below, "../file", "in a");
	must_hold_text(below, "./.././file", "in a");
	cr_assert_eq(stat_of(below, "../..").st_ino, stat_of_fd(mnt).st_ino);
	must_fail(mkdirat(below, "..", 0755), EEXIST);
	must_fail(unlinkat(below, ".", AT_REMOVEDIR), EINVAL);
	must_fail(unlinkat(below, "..", AT_REMOVEDIR), ENOTEMPTY);
}
