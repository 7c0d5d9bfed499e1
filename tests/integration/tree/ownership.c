/* SPDX-License-Identifier: BSD-3-Clause */
/* Who owns what users create, by user, groups and set-group-id directories; who may create. */
#include "testing.h"

#include <stdio.h>
#include <sys/sysmacros.h>

TestSuite(ownership, .init = enter_fresh_directory, .timeout = 30);

#define TEAM 3000

static const struct user alice = { .uid = 1001, .gid = 2001 };
static const struct user member = {
	.uid = 1002, .gid = 2002, .ngroups = 3, .groups = { 2999, TEAM, 3001 }
};

/* A directory made on the host, so that the mount sees it for the first time as it is. */
static void make_directory(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	must(mkdirat(host, name, 0700));
	must(fchownat(host, name, uid, gid, 0));
	must(fchmodat(host, name, mode, 0));
}

static void must_belong(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat on_host = stat_of(host, name);
	struct stat on_mount = stat_of(mnt, name);

	cr_assert(on_host.st_uid == uid && on_host.st_gid == gid,
		  "%s belongs to %u:%u, expected %u:%u", name, on_host.st_uid, on_host.st_gid, uid,
		  gid);
	cr_assert_eq(on_host.st_mode & 07777, mode, "%s has mode 0%o, expected 0%o", name,
		     on_host.st_mode & 07777, mode);
	cr_assert(on_mount.st_uid == uid && on_mount.st_gid == gid,
		  "%s belongs to %u:%u on the mount", name, on_mount.st_uid, on_mount.st_gid);
	cr_assert_eq(on_mount.st_mode & 07777, mode, "%s has mode 0%o on the mount", name,
		     on_mount.st_mode & 07777);
}

/* Creates one of each kind in the directory that @arg names. */
static int create_each_kind(void *arg)
{
	int dir = openat(mnt, arg, O_RDONLY | O_DIRECTORY);

	umask(0);
	if (dir < 0 || openat(dir, "file", O_CREAT | O_EXCL | O_RDWR, 0660) < 0)
		return errno;
	if (mkdirat(dir, "dir", 0770) < 0 || symlinkat("target", dir, "symlink") < 0)
		return errno;
	if (mknodat(dir, "node", S_IFREG | 0640, 0) < 0 ||
	    mknodat(dir, "fifo", S_IFIFO | 0620, 0) < 0)
		return errno;
	return linkat(dir, "file", dir, "link", 0) < 0 ? errno : 0;
}

static void must_create_each_kind(const struct user *user, char *dir)
{
	int error = as_user(user, create_each_kind, dir);

	cr_assert_eq(error, 0, "creating in %s: %s", dir, strerror(error));
}

Test(ownership, what_a_user_creates_belongs_to_the_user_and_the_primary_group)
{
	make_directory("open", 0, 0, 0777);
	must_create_each_kind(&alice, "open");
	must_belong("open/file", 1001, 2001, 0660);
	must_belong("open/dir", 1001, 2001, 0770);
	must_belong("open/node", 1001, 2001, 0640);
	must_belong("open/fifo", 1001, 2001, 0620);
	must_belong("open/symlink", 1001, 2001, 0777);
	must_belong("open/link", 1001, 2001, 0660);
}

Test(ownership, what_root_creates_belongs_to_root_also_in_a_users_directory)
{
	make_directory("alices", 1001, 2001, 0755);
	put_text(mnt, "alices/file", "x");
	must(mkdirat(mnt, "alices/dir", 0755));
	must_belong("alices/file", 0, 0, 0644);
	must_belong("alices/dir", 0, 0, 0755);
}

Test(ownership, a_set_group_id_directory_hands_its_group_down)
{
	make_directory("team", 0, TEAM, 02777);
	must_create_each_kind(&alice, "team");
	must_belong("team/file", 1001, TEAM, 0660);
	must_belong("team/dir", 1001, TEAM, 02770);
	must_belong("team/node", 1001, TEAM, 0640);
	must_belong("team/fifo", 1001, TEAM, 0620);
	must_belong("team/symlink", 1001, TEAM, 0777);
}

Test(ownership, a_member_by_supplementary_group_creates_in_the_groups_directory)
{
	make_directory("team", 0, TEAM, 0770);
	must_create_each_kind(&member, "team");
	must_belong("team/file", 1002, 2002, 0660);
	must_belong("team/dir", 1002, 2002, 0770);
}

Test(ownership, a_member_by_supplementary_group_creates_in_the_groups_set_group_id_directory)
{
	make_directory("team", 0, TEAM, 02770);
	must_create_each_kind(&member, "team");
	must_belong("team/file", 1002, TEAM, 0660);
	must_belong("team/dir", 1002, TEAM, 02770);
	must_belong("team/symlink", 1002, TEAM, 0777);
}

Test(ownership, who_is_no_member_creates_nothing_in_the_groups_directory)
{
	make_directory("team", 0, TEAM, 0770);
	cr_assert_eq(as_user(&alice, create_each_kind, "team"), EACCES);
	int dir = must(openat(host, "team", O_RDONLY | O_DIRECTORY));
	cr_assert_eq(count_entries(dir), 0);
}

static int create_set_group_id_file(void *arg)
{
	int dir = openat(mnt, arg, O_RDONLY | O_DIRECTORY);

	umask(0);
	return dir < 0 || openat(dir, "file", O_CREAT | O_EXCL | O_RDWR, 02775) < 0 ? errno : 0;
}

Test(ownership, the_set_group_id_bit_of_a_new_file_stays_for_a_member_and_goes_for_others)
{
	make_directory("team", 0, TEAM, 02777);
	make_directory("other", 0, TEAM, 02777);
	cr_assert_eq(as_user(&member, create_set_group_id_file, "team"), 0);
	cr_assert_eq(as_user(&alice, create_set_group_id_file, "other"), 0);
	must_belong("team/file", 1002, TEAM, 02775);
	must_belong("other/file", 1001, TEAM, 0775);
}

static int work_in_sticky_directory(void *arg)
{
	int dir = openat(mnt, "sticky", O_RDONLY | O_DIRECTORY);

	(void)arg;
	if (dir < 0)
		return errno;
	if (unlinkat(dir, "foreign", 0) == 0 || errno != EPERM)
		return EPROTO;
	if (renameat(dir, "foreign", dir, "taken") == 0 || errno != EPERM)
		return EBADMSG;
	return unlinkat(dir, "mine", 0) < 0 ? errno : 0;
}

Test(ownership, in_a_sticky_directory_users_remove_their_own_files_only)
{
	make_directory("sticky", 0, 0, 01777);
	put_text(host, "sticky/mine", "x");
	put_text(host, "sticky/foreign", "x");
	must(fchownat(host, "sticky/mine", 1001, 2001, 0));
	cr_assert_eq(as_user(&alice, work_in_sticky_directory, NULL), 0);
	cr_assert(exists(host, "sticky/foreign"));
	cr_assert(!exists(host, "sticky/mine"));
}

static int use_own_file(void *arg)
{
	int fd = openat(mnt, "file", O_RDWR);

	(void)arg;
	if (fd < 0 || write(fd, "changed", 7) != 7)
		return errno;
	if (fchmodat(mnt, "file", 0600, 0) < 0 || utimensat(mnt, "file", NULL, 0) < 0)
		return errno;
	if (fchownat(mnt, "file", -1, TEAM, 0) < 0)
		return errno;
	if (fchownat(mnt, "file", -1, 5555, 0) == 0 || errno != EPERM)
		return EPROTO;
	return fchownat(mnt, "file", 0, -1, 0) == 0 || errno != EPERM ? EBADMSG : 0;
}

Test(ownership, an_owner_changes_mode_times_and_the_group_to_one_of_the_own_groups_only)
{
	put_text(host, "file", "content");
	must(fchownat(host, "file", 1002, 2002, 0));
	int error = as_user(&member, use_own_file, NULL);
	cr_assert_eq(error, 0, "%s", strerror(error));
	must_belong("file", 1002, TEAM, 0600);
	must_hold_text(host, "file", "changed");
}

static int use_foreign_file(void *arg)
{
	(void)arg;
	if (openat(mnt, "file", O_RDONLY) >= 0 || errno != EACCES)
		return EPROTO;
	if (openat(mnt, "file", O_WRONLY) >= 0 || errno != EACCES)
		return EPROTO;
	if (fchmodat(mnt, "file", 0666, 0) == 0 || errno != EPERM)
		return EPROTO;
	if (utimensat(mnt, "file", NULL, 0) == 0 || errno != EACCES)
		return EPROTO;
	if (unlinkat(mnt, "file", 0) == 0 || errno != EACCES)
		return EPROTO;
	if (truncate(mnt_path("file"), 0) == 0 || errno != EACCES)
		return EPROTO;
	return openat(mnt, "closed/file", O_RDONLY) >= 0 || errno != EACCES ? EPROTO : 0;
}

Test(ownership, a_stranger_reads_writes_and_changes_nothing)
{
	put_text(host, "file", "private");
	must(fchmodat(host, "file", 0600, 0));
	make_directory("closed", 0, 0, 0700);
	put_text(host, "closed/file", "x");
	cr_assert_eq(as_user(&alice, use_foreign_file, NULL), 0);
	must_hold_text(host, "file", "private");
	must_belong("file", 0, 0, 0600);
}

static int read_team_file(void *arg)
{
	char byte;
	int fd = openat(mnt, "file", O_RDONLY);

	(void)arg;
	return fd < 0 || read(fd, &byte, 1) != 1 ? errno : 0;
}

Test(ownership, a_member_by_supplementary_group_reads_the_groups_file)
{
	put_text(host, "file", "team");
	must(fchownat(host, "file", 0, TEAM, 0));
	must(fchmodat(host, "file", 0640, 0));
	cr_assert_eq(as_user(&member, read_team_file, NULL), 0);
	cr_assert_eq(as_user(&alice, read_team_file, NULL), EACCES);
}

static int write_byte(void *arg)
{
	int fd = openat(mnt, arg, O_WRONLY);

	return fd < 0 || write(fd, "y", 1) != 1 || close(fd) < 0 ? errno : 0;
}

Test(ownership, a_write_by_a_user_clears_the_set_id_bits)
{
	put_text(host, "file", "x");
	must(fchmodat(host, "file", 06777, 0));
	cr_assert_eq(stat_of(mnt, "file").st_mode & 07777, 06777);
	cr_assert_eq(as_user(&alice, write_byte, "file"), 0);
	must_belong("file", 0, 0, 0777);
	must_hold_text(host, "file", "y");
}

static int create_many(void *arg)
{
	char name[32];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "open/%u-%d", getuid(), i);
		if (openat(mnt, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) < 0)
			return errno;
	}
	return 0;
}

static int create_many_as(void *arg)
{
	return as_user(arg, create_many, NULL);
}

Test(ownership, users_who_create_at_once_do_not_get_each_others_files)
{
	struct user users[4];
	pid_t pids[4];
	char name[32];

	make_directory("open", 0, 0, 0777);
	for (uid_t i = 0; i < 4; i++) {
		users[i] = (struct user){
			.uid = 5000 + i, .gid = 6000 + i, .ngroups = 1, .groups = { 7000 + i }
		};
		pids[i] = start_child(create_many_as, &users[i]);
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(result_of(pids[i]), 0);
	for (uid_t i = 0; i < 4; i++) {
		for (int file = 0; file < 100; file++) {
			snprintf(name, sizeof(name), "open/%u-%d", 5000 + i, file);
			must_belong(name, 5000 + i, 6000 + i, 0600);
		}
	}
}
