/* SPDX-License-Identifier: BSD-3-Clause */
/* stat, statx, chmod, chown, times in nanoseconds, access and statvfs. */
#include "testing.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

TestSuite(attributes, .init = enter_fresh_directory, .timeout = 30);

static void must_be_the_same(const char *name)
{
	struct stat on_mount = stat_of(mnt, name);
	struct stat on_host = stat_of(host, name);

	cr_assert_eq(on_mount.st_mode, on_host.st_mode, "%s: mode 0%o, on the host 0%o", name,
		     on_mount.st_mode, on_host.st_mode);
	cr_assert_eq(on_mount.st_nlink, on_host.st_nlink);
	cr_assert_eq(on_mount.st_uid, on_host.st_uid);
	cr_assert_eq(on_mount.st_gid, on_host.st_gid);
	cr_assert_eq(on_mount.st_rdev, on_host.st_rdev);
	cr_assert_eq(on_mount.st_size, on_host.st_size);
	cr_assert_eq(on_mount.st_blocks, on_host.st_blocks);
	must_be_same_time(on_mount.st_atim, on_host.st_atim, "atime");
	must_be_same_time(on_mount.st_mtim, on_host.st_mtim, "mtime");
	must_be_same_time(on_mount.st_ctim, on_host.st_ctim, "ctime");
}

Test(attributes, stat_of_each_type_gives_what_the_host_gives)
{
	put_text(host, "file", "content of a file");
	must(mkdirat(host, "dir", 02775));
	must(mkdirat(host, "dir/sub", 0700));
	must(symlinkat("target", host, "symlink"));
	must(mknodat(host, "fifo", S_IFIFO | 0604, 0));
	must(fchownat(host, "file", 12, 34, 0));
	must(fchownat(host, "symlink", 56, 78, AT_SYMLINK_NOFOLLOW));
	must(fchmodat(host, "file", 06751, 0));

	must_be_the_same("file");
	must_be_the_same("dir");
	must_be_the_same("symlink");
	must_be_the_same("fifo");
}

/* Coarse clocks tick every few milliseconds: let one go by so that "later" can be told. */
static void let_the_clock_tick(void)
{
	sleep_ms(25);
}

Test(attributes, stat_after_writing_through_the_mount_gives_what_the_host_gives)
{
	int fd = must(openat(mnt, "file", O_CREAT | O_RDWR, 0644));
	unsigned char bytes[70000];

	/* With writeback the client sends its own mtime, unless it equals the one it has. */
	let_the_clock_tick();
	fill_pattern(bytes, sizeof(bytes), 1);
	must(write(fd, bytes, sizeof(bytes)));
	must(fsync(fd));
	must(close(fd));
	if (!config_is_writeback()) {
		cr_assert(eventually(stat_of(mnt, "file").st_blocks ==
				     stat_of(host, "file").st_blocks));
		must_be_the_same("file");
	}
	struct stat on_mount = stat_of(mnt, "file");
	struct stat on_host = stat_of(host, "file");
	cr_assert_eq(on_mount.st_size, on_host.st_size);
	must_be_same_time(on_mount.st_mtim, on_host.st_mtim, "mtime");
}

/* One file is made by the host and one through the mount: nothing old is cached of either. */
static void set_and_compare_times(const char *name, struct timespec atime, struct timespec mtime)
{
	struct timespec times[2] = { atime, mtime };
	char on_host[32];

	snprintf(on_host, sizeof(on_host), "%s by host", name);
	put_text(host, on_host, "x");
	must(utimensat(host, on_host, times, 0));
	if (stat_of(host, on_host).st_mtim.tv_sec != mtime.tv_sec)
		cr_skip_test("the host's file system does not hold such times");
	must_be_same_time(stat_of(mnt, on_host).st_atim, atime, "atime set by the host");
	must_be_same_time(stat_of(mnt, on_host).st_mtim, mtime, "mtime set by the host");

	put_text(mnt, name, "x");
	must(utimensat(mnt, name, times, 0));
	must_be_same_time(stat_of(mnt, name).st_atim, atime, "atime on the mount");
	must_be_same_time(stat_of(mnt, name).st_mtim, mtime, "mtime on the mount");
	must_be_same_time(stat_of(host, name).st_atim, atime, "atime on the host");
	must_be_same_time(stat_of(host, name).st_mtim, mtime, "mtime on the host");
}

Test(attributes, times_are_kept_to_the_nanosecond)
{
	set_and_compare_times("past", (struct timespec){ 1234567890, 123456789 },
			      (struct timespec){ 987654321, 1 });
	set_and_compare_times("epoch", (struct timespec){ 0, 0 },
			      (struct timespec){ 1, 999999999 });
}

Test(attributes, times_before_1970_and_after_2038_are_kept)
{
	set_and_compare_times("old", (struct timespec){ -1000000000, 5 },
			      (struct timespec){ -1, 999999999 });
	set_and_compare_times("new", (struct timespec){ 5000000000, 7 },
			      (struct timespec){ 8000000000, 123456789 });
}

Test(attributes, omitted_times_stay_and_now_is_now)
{
	struct timespec both[2] = { { 1000, 1 }, { 2000, 2 } };
	struct timespec only_mtime[2] = { { 0, UTIME_OMIT }, { 3000, 3 } };
	struct timespec atime_now[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };

	put_text(mnt, "file", "x");
	must(utimensat(mnt, "file", both, 0));
	must(utimensat(mnt, "file", only_mtime, 0));
	must_be_same_time(stat_of(mnt, "file").st_atim, both[0], "atime");
	must_be_same_time(stat_of(host, "file").st_mtim, only_mtime[1], "mtime");

	must(utimensat(mnt, "file", atime_now, 0));
	time_t now = time(NULL);
	cr_assert_leq(labs(stat_of(host, "file").st_atim.tv_sec - now), 2);
	must_be_same_time(stat_of(host, "file").st_mtim, only_mtime[1], "mtime");
	must(utimensat(mnt, "file", NULL, 0));
	cr_assert_leq(labs(stat_of(mnt, "file").st_mtim.tv_sec - now), 2);
}

Test(attributes, a_symlink_and_a_directory_have_times_of_their_own)
{
	struct timespec times[2] = { { 1111, 11 }, { 2222, 22 } };

	put_text(mnt, "file", "x");
	must(symlinkat("file", mnt, "symlink"));
	must(mkdirat(mnt, "dir", 0755));
	must(utimensat(mnt, "symlink", times, AT_SYMLINK_NOFOLLOW));
	must(utimensat(mnt, "dir", times, 0));
	must_be_same_time(stat_of(mnt, "symlink").st_mtim, times[1], "symlink");
	must_be_same_time(stat_of(host, "symlink").st_mtim, times[1], "symlink on the host");
	must_be_same_time(stat_of(host, "dir").st_mtim, times[1], "dir on the host");
	cr_assert_neq(stat_of(host, "file").st_mtim.tv_sec, 2222);
}

Test(attributes, writing_moves_mtime_and_ctime_and_chmod_moves_ctime_alone)
{
	put_text(mnt, "file", "x");
	struct stat before = stat_of(mnt, "file");

	let_the_clock_tick();
	int fd = must(openat(mnt, "file", O_WRONLY));
	must(write(fd, "y", 1));
	must(close(fd));
	cr_assert(eventually(is_later(stat_of(mnt, "file").st_mtim, before.st_mtim)));
	cr_assert(is_later(stat_of(host, "file").st_mtim, before.st_mtim));
	cr_assert(is_later(stat_of(host, "file").st_ctim, before.st_ctim));

	before = stat_of(mnt, "file");
	let_the_clock_tick();
	must(fchmodat(mnt, "file", 0600, 0));
	must_be_same_time(stat_of(mnt, "file").st_mtim, before.st_mtim, "mtime");
	cr_assert(is_later(stat_of(mnt, "file").st_ctim, before.st_ctim));
}

Test(attributes, creating_and_removing_a_name_moves_the_directorys_mtime)
{
	struct stat before = stat_of_fd(mnt);

	let_the_clock_tick();
	put_text(mnt, "file", "x");
	cr_assert(eventually(is_later(stat_of_fd(mnt).st_mtim, before.st_mtim)));
	cr_assert(is_later(stat_of_fd(host).st_mtim, before.st_mtim));
	before = stat_of_fd(host);
	let_the_clock_tick();
	must(unlinkat(mnt, "file", 0));
	cr_assert(is_later(stat_of_fd(host).st_mtim, before.st_mtim));
	cr_assert(eventually(is_later(stat_of_fd(mnt).st_mtim, before.st_mtim)));
}

Test(attributes, linking_and_renaming_move_the_files_ctime)
{
	put_text(mnt, "file", "x");
	struct timespec before = stat_of(mnt, "file").st_ctim;

	let_the_clock_tick();
	must(linkat(mnt, "file", mnt, "second", 0));
	cr_assert(eventually(is_later(stat_of(mnt, "file").st_ctim, before)));
	cr_assert(is_later(stat_of(host, "file").st_ctim, before));
	before = stat_of(mnt, "file").st_ctim;
	let_the_clock_tick();
	must(renameat(mnt, "second", mnt, "third"));
	cr_assert(eventually(is_later(stat_of(mnt, "third").st_ctim, before)));
}

Test(attributes, truncation_to_another_size_moves_mtime)
{
	put_text(mnt, "file", "content");
	struct timespec before = stat_of(mnt, "file").st_mtim;

	let_the_clock_tick();
	must(truncate(mnt_path("file"), 3));
	cr_assert(is_later(stat_of(mnt, "file").st_mtim, before));
	cr_assert(is_later(stat_of(host, "file").st_mtim, before));
}

Test(attributes, the_time_of_birth_is_the_hosts)
{
	struct statx on_mount, on_host;

	put_text(mnt, "file", "x");
	must(statx(host, "file", 0, STATX_BTIME, &on_host));
	if (!(on_host.stx_mask & STATX_BTIME))
		cr_skip_test("the host's file system keeps no time of birth");
	must(statx(mnt, "file", 0, STATX_BTIME, &on_mount));
	cr_assert(on_mount.stx_mask & STATX_BTIME);
	cr_assert_eq(on_mount.stx_btime.tv_sec, on_host.stx_btime.tv_sec);
	cr_assert_eq(on_mount.stx_btime.tv_nsec, on_host.stx_btime.tv_nsec);
}

Test(attributes, every_mode_bit_can_be_set_and_taken)
{
	put_text(mnt, "file", "x");
	must(mkdirat(mnt, "dir", 0755));
	for (mode_t mode = 1; mode <= 04000; mode <<= 1) {
		must(fchmodat(mnt, "file", mode, 0));
		cr_assert_eq(stat_of(mnt, "file").st_mode, S_IFREG | mode);
		cr_assert_eq(stat_of(host, "file").st_mode, S_IFREG | mode);
		must(fchmodat(mnt, "dir", mode, 0));
		cr_assert_eq(stat_of(host, "dir").st_mode, S_IFDIR | mode);
	}
	must(fchmodat(mnt, "file", 07777, 0));
	cr_assert_eq(stat_of(host, "file").st_mode, S_IFREG | 07777);
	must(fchmodat(mnt, "file", 0, 0));
	cr_assert_eq(stat_of(host, "file").st_mode, S_IFREG);
}

Test(attributes, the_umask_applies_to_what_is_created)
{
	umask(027);
	must(close(must(openat(mnt, "file", O_CREAT | O_WRONLY, 0666))));
	must(mkdirat(mnt, "dir", 0777));
	must(mknodat(mnt, "fifo", S_IFIFO | 0666, 0));
	umask(0);
	must(close(must(openat(mnt, "open", O_CREAT | O_WRONLY, 0666))));

	cr_assert_eq(stat_of(host, "file").st_mode & 07777, 0640);
	cr_assert_eq(stat_of(host, "dir").st_mode & 07777, 0750);
	cr_assert_eq(stat_of(host, "fifo").st_mode & 07777, 0640);
	cr_assert_eq(stat_of(host, "open").st_mode & 07777, 0666);
}

Test(attributes, chown_changes_owner_and_group_alone_or_together_and_drops_set_id_bits)
{
	put_text(mnt, "file", "x");
	must(symlinkat("file", mnt, "symlink"));
	must(fchmodat(mnt, "file", 06755, 0));

	must(fchownat(mnt, "file", 1000, -1, 0));
	struct stat st = stat_of(mnt, "file");
	cr_assert(st.st_uid == 1000 && st.st_gid == 0);
	cr_assert_eq(st.st_mode & 07777, 0755, "mode 0%o", st.st_mode);
	must(fchownat(mnt, "file", -1, 2000, 0));
	st = stat_of(host, "file");
	cr_assert(st.st_uid == 1000 && st.st_gid == 2000);
	must(fchownat(mnt, "symlink", 3000, 4000, AT_SYMLINK_NOFOLLOW));
	st = stat_of(host, "symlink");
	cr_assert(st.st_uid == 3000 && st.st_gid == 4000);
	cr_assert_eq(stat_of(mnt, "file").st_uid, 1000);
}

Test(attributes, ids_above_31_bits_are_kept)
{
	put_text(mnt, "file", "x");
	must(fchownat(mnt, "file", 4000000000u, 4294967294u, 0));
	cr_assert_eq(stat_of(mnt, "file").st_uid, 4000000000u);
	cr_assert_eq(stat_of(host, "file").st_gid, 4294967294u);
}

struct question {
	int mode;
	int expected;
};

static int ask_access(void *arg)
{
	const struct question *question = arg;

	errno = 0;
	faccessat(mnt, "file", question->mode, 0);
	return errno;
}

Test(attributes, access_answers_for_owner_group_and_others_as_their_bits_say)
{
	const struct user owner = { .uid = 1000, .gid = 1000 };
	const struct user member = { .uid = 2000, .gid = 2000, .ngroups = 1, .groups = { 3000 } };
	const struct user stranger = { .uid = 4000, .gid = 4000 };
	struct question read = { .mode = R_OK }, write = { .mode = W_OK },
			execute = { .mode = X_OK };

	put_text(host, "file", "x");
	must(fchownat(host, "file", 1000, 3000, 0));
	must(fchmodat(host, "file", 0641, 0));

	cr_assert_eq(as_user(&owner, ask_access, &read), 0);
	cr_assert_eq(as_user(&owner, ask_access, &write), 0);
	cr_assert_eq(as_user(&owner, ask_access, &execute), EACCES);
	cr_assert_eq(as_user(&member, ask_access, &read), 0);
	cr_assert_eq(as_user(&member, ask_access, &write), EACCES);
	cr_assert_eq(as_user(&stranger, ask_access, &read), EACCES);
	cr_assert_eq(as_user(&stranger, ask_access, &execute), 0);
	must(fchmodat(mnt, "file", 0, 0));
	must(faccessat(mnt, "file", R_OK | W_OK, 0));
	must_fail(faccessat(mnt, "file", X_OK, 0), EACCES);
}

Test(attributes, statvfs_gives_the_hosts_figures)
{
	struct statvfs on_mount, on_host;

	must(fstatvfs(mnt, &on_mount));
	must(fstatvfs(host, &on_host));
	cr_assert_eq(on_mount.f_bsize, on_host.f_bsize);
	cr_assert_eq(on_mount.f_frsize, on_host.f_frsize);
	cr_assert_eq(on_mount.f_blocks, on_host.f_blocks);
	cr_assert_eq(on_mount.f_files, on_host.f_files);
	cr_assert_eq(on_mount.f_namemax, on_host.f_namemax);
	/* Others use the disk meanwhile. */
	cr_assert_leq(llabs((long long)on_mount.f_bavail - (long long)on_host.f_bavail), 100000);
	cr_assert_leq(llabs((long long)on_mount.f_bfree - (long long)on_host.f_bfree), 100000);
	cr_assert_leq(llabs((long long)on_mount.f_ffree - (long long)on_host.f_ffree), 10000);
}
