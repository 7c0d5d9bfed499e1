/* SPDX-License-Identifier: BSD-3-Clause */
/* name_to_handle_at(2) and open_by_handle_at(2) on the mount. */
#include "testing.h"

#include <stdio.h>

TestSuite(handles, .init = enter_fresh_directory, .timeout = 30);

struct handle {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static struct handle handle_of(const char *name)
{
	struct handle handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	must(name_to_handle_at(mnt, name, &handle.head, &mount_id, 0));
	return handle;
}

Test(handles, a_file_is_opened_by_its_handle_and_holds_what_it_held)
{
	put_text(mnt, "file", "by handle");
	int keep = must(openat(mnt, "file", O_RDONLY));
	struct handle handle = handle_of("file");
	int fd = must(open_by_handle_at(mnt, &handle.head, O_RDWR));
	char bytes[16] = "";

	cr_assert_eq(must(read(fd, bytes, sizeof(bytes))), 9);
	cr_assert_str_eq(bytes, "by handle");
	must(pwrite(fd, "BY", 2, 0));
	must(close(fd));
	must(close(keep));
	must_hold_text(host, "file", "BY handle");
}

Test(handles, a_handle_stays_good_when_the_file_is_renamed)
{
	put_text(mnt, "file", "renamed");
	int keep = must(openat(mnt, "file", O_RDONLY));
	struct handle handle = handle_of("file");
	must(mkdirat(mnt, "dir", 0755));
	must(renameat(mnt, "file", mnt, "dir/other"));

	int fd = must(open_by_handle_at(mnt, &handle.head, O_RDONLY));
	cr_assert_eq(stat_of_fd(fd).st_ino, stat_of(mnt, "dir/other").st_ino);
	must(close(keep));
}

Test(handles, a_directory_is_opened_by_its_handle_and_works_as_one)
{
	must(mkdirat(mnt, "dir", 0755));
	put_text(mnt, "dir/file", "inside");
	int keep = must(openat(mnt, "dir", O_RDONLY | O_DIRECTORY));
	struct handle handle = handle_of("dir");
	int dir = must(open_by_handle_at(mnt, &handle.head, O_RDONLY | O_DIRECTORY));

	must_hold_text(dir, "file", "inside");
	must_hold_text(dir, "../dir/file", "inside");
	must(close(keep));
}

Test(handles, handles_of_different_files_differ_and_of_hard_links_do_not)
{
	put_text(mnt, "a", "a");
	put_text(mnt, "b", "b");
	must(linkat(mnt, "a", mnt, "c", 0));
	struct handle a = handle_of("a"), b = handle_of("b"), c = handle_of("c");

	cr_assert_eq(a.head.handle_bytes, b.head.handle_bytes);
	cr_assert_neq(memcmp(a.head.f_handle, b.head.f_handle, a.head.handle_bytes), 0);
	cr_assert_eq(memcmp(a.head.f_handle, c.head.f_handle, a.head.handle_bytes), 0);
}

/* While the release of its last descriptor is under way a removed file may still be opened. */
static bool is_stale(struct handle *handle)
{
	char bytes[4] = "";
	int fd = open_by_handle_at(mnt, &handle->head, O_RDONLY);

	if (fd < 0) {
		cr_assert_eq(errno, ESTALE, "%s", strerror(errno));
		return true;
	}
	cr_assert_eq(must(read(fd, bytes, 3)), 3);
	cr_assert_str_eq(bytes, "old");
	must(close(fd));
	return false;
}

Test(handles, the_handle_of_a_removed_file_is_stale_and_never_another_file)
{
	put_text(mnt, "file", "old");
	struct handle handle = handle_of("file");

	must(unlinkat(mnt, "file", 0));
	put_text(mnt, "file", "new");
	cr_assert(eventually(is_stale(&handle)));
}

Test(handles, a_made_up_handle_is_refused)
{
	put_text(mnt, "file", "x");
	struct handle handle = handle_of("file");

	memset(handle.head.f_handle, 0xee, handle.head.handle_bytes);
	must_fail(open_by_handle_at(mnt, &handle.head, O_RDONLY), ESTALE);
}
