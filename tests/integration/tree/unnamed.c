/* SPDX-License-Identifier: BSD-3-Clause */
/* Files without a name: unlinked while open, and made by O_TMPFILE. */
#include "testing.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/xattr.h>

TestSuite(unnamed, .init = enter_fresh_directory, .timeout = 30);

/* What /proc calls an open file, for linkat(2) and for opening it once more. */
static const char *proc_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static int open_unlinked(const char *text)
{
	put_text(mnt, "file", text);
	int fd = must(openat(mnt, "file", O_RDWR | O_CLOEXEC));

	must(unlinkat(mnt, "file", 0));
	return fd;
}

Test(unnamed, an_unlinked_open_file_can_still_be_read_and_written)
{
	char bytes[32] = "";
	int fd = open_unlinked("still here");

	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 10);
	cr_assert_str_eq(bytes, "still here");
	cr_assert_eq(must(pwrite(fd, "THERE", 5, 6)), 5);
	must(fsync(fd));
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 11);
	cr_assert_str_eq(bytes, "still THERE");
}

Test(unnamed, unlinking_an_open_file_leaves_no_name_on_the_host)
{
	int fd = open_unlinked("x");

	cr_assert_eq(count_entries(host), 0);
	cr_assert_eq(count_entries(mnt), 0);
	must(close(fd));
	cr_assert_eq(count_entries(host), 0);
}

Test(unnamed, an_unlinked_open_file_can_be_truncated_and_stat_shows_it)
{
	int fd = open_unlinked("0123456789");

	must(ftruncate(fd, 4));
	cr_assert_eq(stat_of_fd(fd).st_size, 4);
	must(ftruncate(fd, 100000));
	cr_assert_eq(stat_of_fd(fd).st_size, 100000);
	cr_assert_eq(stat_of_fd(fd).st_nlink, 0);
}

Test(unnamed, an_unlinked_open_file_can_change_mode_owner_times_and_xattrs)
{
	char value[8] = "";
	struct timespec times[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	int fd = open_unlinked("x");

	must(fchmod(fd, 0640));
	must(fchown(fd, 1234, 4321));
	must(futimens(fd, times));
	must(fsetxattr(fd, "user.key", "value", 5, 0));

	struct stat st = stat_of_fd(fd);
	cr_assert_eq(st.st_mode, S_IFREG | 0640, "mode 0%o", st.st_mode);
	cr_assert_eq(st.st_uid, 1234);
	cr_assert_eq(st.st_gid, 4321);
	must_be_same_time(st.st_mtim, times[1], "mtime");
	cr_assert_eq(must(fgetxattr(fd, "user.key", value, sizeof(value))), 5);
	cr_assert_str_eq(value, "value");
}

Test(unnamed, an_unlinked_open_file_can_be_opened_once_more_through_proc)
{
	char bytes[32] = "";
	int fd = open_unlinked("again");
	int second = must(open(proc_path(fd), O_RDWR | O_CLOEXEC));

	cr_assert_eq(must(pread(second, bytes, sizeof(bytes), 0)), 5);
	cr_assert_str_eq(bytes, "again");
	must(pwrite(second, "AGAIN", 5, 0));
	must(close(second));
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 5);
	cr_assert_str_eq(bytes, "AGAIN");
}

Test(unnamed, an_unlinked_file_with_another_name_keeps_that_one)
{
	put_text(mnt, "file", "two names");
	must(linkat(mnt, "file", mnt, "other", 0));
	int fd = must(openat(mnt, "file", O_RDWR));

	must(unlinkat(mnt, "file", 0));
	cr_assert_eq(stat_of_fd(fd).st_nlink, 1);
	must(pwrite(fd, "TWO", 3, 0));
	must(close(fd));
	must_hold_text(host, "other", "TWO names");
}

Test(unnamed, a_new_file_of_the_same_name_is_another_file)
{
	char bytes[8] = "";
	int fd = open_unlinked("old");

	put_text(mnt, "file", "new");
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 3);
	cr_assert_str_eq(bytes, "old");
	must_hold_text(mnt, "file", "new");
	cr_assert_neq(stat_of_fd(fd).st_ino, stat_of(mnt, "file").st_ino);
}

Test(unnamed, a_file_that_the_host_removes_while_it_is_open_stays_usable)
{
	char bytes[32] = "";

	put_text(mnt, "file", "host removes");
	int fd = must(openat(mnt, "file", O_RDWR));
	must(unlinkat(host, "file", 0));

	must(fchmod(fd, 0600));
	cr_assert_eq(must(pread(fd, bytes, sizeof(bytes), 0)), 12);
	cr_assert_str_eq(bytes, "host removes");
	must(ftruncate(fd, 4));
	cr_assert_eq(stat_of_fd(fd).st_size, 4);
	cr_assert_eq(stat_of_fd(fd).st_mode & 07777, 0600);
}

Test(unnamed, a_mapping_of_an_unlinked_file_outlives_its_descriptor)
{
	int fd = open_unlinked("mapped and unlinked");
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert_neq(map, MAP_FAILED, "mmap: %s", strerror(errno));
	must(close(fd));
	cr_assert_eq(memcmp(map, "mapped and unlinked", 19), 0);
	map[0] = 'M';
	must(msync(map, 4096, MS_SYNC));
	cr_assert_eq(map[0], 'M');
	must(munmap(map, 4096));
}

Test(unnamed, a_removed_open_directory_is_empty_and_takes_nothing_new)
{
	must(mkdirat(mnt, "dir", 0755));
	int dir = must(openat(mnt, "dir", O_RDONLY | O_DIRECTORY));
	must(unlinkat(mnt, "dir", AT_REMOVEDIR));

	cr_assert(S_ISDIR(stat_of_fd(dir).st_mode));
	cr_assert_eq(stat_of_fd(dir).st_nlink, 0);
	must_fail(openat(dir, "file", O_CREAT | O_WRONLY, 0644), ENOENT);
	must_fail(mkdirat(dir, "sub", 0755), ENOENT);
	cr_assert(!exists(host, "dir"));
}

Test(unnamed, a_tmpfile_has_no_name_until_it_is_linked)
{
	int fd = must(openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));

	cr_assert_eq(stat_of_fd(fd).st_nlink, 0);
	cr_assert_eq(stat_of_fd(fd).st_mode, S_IFREG | 0640);
	must(write(fd, "temporary", 9));
	cr_assert_eq(count_entries(mnt), 0);
	cr_assert_eq(count_entries(host), 0);

	must(linkat(AT_FDCWD, proc_path(fd), mnt, "named", AT_SYMLINK_FOLLOW));
	cr_assert_eq(stat_of_fd(fd).st_nlink, 1);
	cr_assert_eq(stat_of(mnt, "named").st_ino, stat_of_fd(fd).st_ino);
	must(pwrite(fd, "T", 1, 0));
	must(close(fd));
	must_hold_text(mnt, "named", "Temporary");
	must_hold_text(host, "named", "Temporary");
}

Test(unnamed, an_exclusive_tmpfile_cannot_be_given_a_name)
{
	int fd = must(openat(mnt, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));

	must(write(fd, "secret", 6));
	must_fail(linkat(AT_FDCWD, proc_path(fd), mnt, "named", AT_SYMLINK_FOLLOW), ENOENT);
	cr_assert_eq(count_entries(host), 0);
}

Test(unnamed, a_tmpfile_is_linked_over_no_existing_name)
{
	int fd = must(openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));

	put_text(mnt, "taken", "taken");
	must_fail(linkat(AT_FDCWD, proc_path(fd), mnt, "taken", AT_SYMLINK_FOLLOW), EEXIST);
	must_hold_text(host, "taken", "taken");
}

static int make_tmpfile_of_mine(void *arg)
{
	int fd = openat(mnt, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	(void)arg;
	if (fd < 0)
		return errno;
	if (write(fd, "mine", 4) != 4)
		return errno;
	return linkat(AT_FDCWD, proc_path(fd), mnt, "mine", AT_SYMLINK_FOLLOW) < 0 ? errno : 0;
}

Test(unnamed, a_users_tmpfile_belongs_to_the_user)
{
	const struct user user = { .uid = 4711, .gid = 815 };

	must(fchmod(host, 0777));
	cr_assert(eventually((stat_of_fd(mnt).st_mode & 07777) == 0777));
	int error = as_user(&user, make_tmpfile_of_mine, NULL);
	cr_assert_eq(error, 0, "%s", strerror(error));
	cr_assert_eq(stat_of(host, "mine").st_uid, 4711);
	cr_assert_eq(stat_of(host, "mine").st_gid, 815);
	must_hold_text(host, "mine", "mine");
}
