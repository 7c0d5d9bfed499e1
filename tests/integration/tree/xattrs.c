/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended attributes, on files and others. Needs a host file system that takes 64 KiB of them. */
#include "testing.h"

#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

TestSuite(xattrs, .init = enter_fresh_directory, .timeout = 30);

static void must_have(const char *path, const char *name, const void *value, size_t size)
{
	unsigned char *found = malloc(size + 1);

	cr_assert_eq(must(lgetxattr(path, name, NULL, 0)), (long)size);
	cr_assert_eq(must(lgetxattr(path, name, found, size + 1)), (long)size);
	cr_assert_eq(memcmp(found, value, size), 0);
	free(found);
}

static void set_and_compare(size_t size)
{
	unsigned char *value = malloc(size + 1);

	fill_pattern(value, size, size);
	put_text(mnt, "file", "");
	must(setxattr(mnt_path("file"), "user.key", value, size, 0));
	must_have(mnt_path("file"), "user.key", value, size);
	must_have(host_path("file"), "user.key", value, size);
	free(value);
}

Test(xattrs, a_value_of_0_bytes_is_kept_and_differs_from_none)
{
	set_and_compare(0);
	must_fail(getxattr(mnt_path("file"), "user.other", NULL, 0), ENODATA);
}

Test(xattrs, a_value_of_3000_bytes_is_kept)
{
	set_and_compare(3000);
}

Test(xattrs, a_value_of_65536_bytes_is_kept)
{
	set_and_compare(65536);
}

Test(xattrs, a_value_of_65537_bytes_is_E2BIG)
{
	char *value = calloc(1, 65537);

	put_text(mnt, "file", "");
	must_fail(setxattr(mnt_path("file"), "user.key", value, 65537, 0), E2BIG);
	must_fail(getxattr(host_path("file"), "user.key", NULL, 0), ENODATA);
	free(value);
}

Test(xattrs, create_refuses_an_existing_name_and_replace_a_missing_one)
{
	put_text(mnt, "file", "");
	const char *path = mnt_path("file");

	must_fail(setxattr(path, "user.key", "one", 3, XATTR_REPLACE), ENODATA);
	must(setxattr(path, "user.key", "one", 3, XATTR_CREATE));
	must_fail(setxattr(path, "user.key", "two", 3, XATTR_CREATE), EEXIST);
	must_have(host_path("file"), "user.key", "one", 3);
	must(setxattr(path, "user.key", "three", 5, XATTR_REPLACE));
	must_have(path, "user.key", "three", 5);
	must_have(host_path("file"), "user.key", "three", 5);
}

Test(xattrs, a_buffer_that_is_too_small_is_ERANGE_and_size_0_asks_for_the_length)
{
	char small[4];

	put_text(mnt, "file", "");
	must(setxattr(mnt_path("file"), "user.key", "12345", 5, 0));
	cr_assert_eq(must(getxattr(mnt_path("file"), "user.key", NULL, 0)), 5);
	must_fail(getxattr(mnt_path("file"), "user.key", small, sizeof(small)), ERANGE);
	cr_assert_eq(must(listxattr(mnt_path("file"), NULL, 0)), 9);
	must_fail(listxattr(mnt_path("file"), small, sizeof(small)), ERANGE);
}

static bool lists(const char *list, size_t size, const char *name)
{
	for (const char *at = list; at < list + size; at += strlen(at) + 1)
		if (!strcmp(at, name))
			return true;
	return false;
}

Test(xattrs, a_hundred_names_are_all_listed_and_a_removed_one_no_more)
{
	char name[64];
	char list[8192];

	put_text(mnt, "file", "");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.a-rather-long-name-number-%d", i);
		must(setxattr(mnt_path("file"), name, name, strlen(name), 0));
	}
	ssize_t size = must(listxattr(mnt_path("file"), list, sizeof(list)));
	cr_assert_eq(must(listxattr(host_path("file"), NULL, 0)), size);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.a-rather-long-name-number-%d", i);
		cr_assert(lists(list, size, name), "%s is not listed", name);
		must_have(mnt_path("file"), name, name, strlen(name));
	}
	must(removexattr(mnt_path("file"), name));
	must_fail(removexattr(mnt_path("file"), name), ENODATA);
	must_fail(getxattr(host_path("file"), name, NULL, 0), ENODATA);
	size = must(listxattr(mnt_path("file"), list, sizeof(list)));
	cr_assert(!lists(list, size, name));
}

Test(xattrs, a_symlink_has_trusted_attributes_of_its_own)
{
	put_text(mnt, "file", "");
	must(symlinkat("file", mnt, "symlink"));

	must(lsetxattr(mnt_path("symlink"), "trusted.mark", "on the link", 11, 0));
	must_have(mnt_path("symlink"), "trusted.mark", "on the link", 11);
	must_have(host_path("symlink"), "trusted.mark", "on the link", 11);
	must_fail(getxattr(mnt_path("file"), "trusted.mark", NULL, 0), ENODATA);
	cr_assert_eq(must(llistxattr(mnt_path("symlink"), NULL, 0)), 13);
	must(lremovexattr(mnt_path("symlink"), "trusted.mark"));
	must_fail(lgetxattr(host_path("symlink"), "trusted.mark", NULL, 0), ENODATA);
}

Test(xattrs, user_attributes_are_for_files_and_directories_only)
{
	must(symlinkat("nowhere", mnt, "symlink"));
	must(mknodat(mnt, "fifo", S_IFIFO | 0644, 0));
	must(mkdirat(mnt, "dir", 0755));

	must_fail(lsetxattr(mnt_path("symlink"), "user.key", "x", 1, 0), EPERM);
	must_fail(lsetxattr(mnt_path("fifo"), "user.key", "x", 1, 0), EPERM);
	must(setxattr(mnt_path("dir"), "user.key", "x", 1, 0));
	must_have(host_path("dir"), "user.key", "x", 1);
}

Test(xattrs, fifos_and_devices_have_trusted_attributes)
{
	must(mknodat(mnt, "fifo", S_IFIFO | 0644, 0));
	must(mknodat(mnt, "null", S_IFCHR | 0644, makedev(1, 3)));

	must(lsetxattr(mnt_path("fifo"), "trusted.mark", "f", 1, 0));
	must(lsetxattr(mnt_path("null"), "trusted.mark", "d", 1, 0));
	must_have(host_path("fifo"), "trusted.mark", "f", 1);
	must_have(mnt_path("null"), "trusted.mark", "d", 1);
}

Test(xattrs, an_open_file_is_asked_and_changed_by_its_descriptor)
{
	char value[8] = "";

	put_text(mnt, "file", "");
	int fd = must(openat(mnt, "file", O_RDONLY));
	must(fsetxattr(fd, "user.key", "value", 5, 0));
	cr_assert_eq(must(fgetxattr(fd, "user.key", value, sizeof(value))), 5);
	cr_assert_str_eq(value, "value");
	must_have(host_path("file"), "user.key", "value", 5);
	must(fremovexattr(fd, "user.key"));
	must_fail(fgetxattr(fd, "user.key", value, sizeof(value)), ENODATA);
}

Test(xattrs, names_may_have_255_bytes_and_must_have_a_known_namespace)
{
	char name[300] = "user.";

	put_text(mnt, "file", "");
	memset(name + 5, 'n', 250);
	must(setxattr(mnt_path("file"), name, "v", 1, 0));
	must_have(host_path("file"), name, "v", 1);
	name[255] = 'n';
	must_fail(setxattr(mnt_path("file"), name, "v", 1, 0), ERANGE);
	must_fail(setxattr(mnt_path("file"), "nowhere.key", "v", 1, 0), EOPNOTSUPP);
}

static int set_as_stranger(void *arg)
{
	int fd = openat(mnt, "file", O_RDONLY);

	(void)arg;
	if (fd < 0)
		return errno;
	if (fsetxattr(fd, "user.key", "v", 1, 0) == 0 || errno != EACCES)
		return EPROTO;
	return fsetxattr(fd, "trusted.key", "v", 1, 0) == 0 || errno != EPERM ? EBADMSG : 0;
}

Test(xattrs, a_stranger_may_not_set_them)
{
	const struct user stranger = { .uid = 4711, .gid = 4711 };

	put_text(mnt, "file", "");
	cr_assert_eq(as_user(&stranger, set_as_stranger, NULL), 0);
	cr_assert_eq(must(listxattr(host_path("file"), NULL, 0)), 0);
}
