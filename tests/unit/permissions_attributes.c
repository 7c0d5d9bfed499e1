/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what with attributes, contents and xattrs: each script is played by root and by users
 * with no, one, 200 and 65536 supplementary groups, natively and in another way (see playing.h),
 * and has to come to the same results and to the same tree.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "population.h"

/* ---- Attributes ---- */

static void make_owned(struct tree *t)
{
	populate_set_id(t, tree_file, "file-");
	populate_set_id(t, tree_directory, "dir-");
	tree_symlink(t, "target", "symlink", 0, 0);
	tree_symlink(t, "target", "symlink-1002", 1002, 2002);
	tree_node(t, "fifo-1002", 1002, 2002, S_IFIFO | 06777);
	tree_node(t, "fifo-unexecutable", 1002, 2002, S_IFIFO | 06644);
}

static void chown_to_own_group(struct play *p, const char *path)
{
	step(p, chown, path, -1, play_user(p)->gid);
}

static void chown_to_team(struct play *p, const char *path)
{
	step(p, chown, path, -1, TEAM);
}

static void chown_to_foreign_group(struct play *p, const char *path)
{
	step(p, chown, path, -1, LENT);
}

static void chown_to_same_user(struct play *p, const char *path)
{
	step(p, chown, path, play_user(p)->uid, -1);
}

static void chown_away(struct play *p, const char *path)
{
	step(p, chown, path, 4242, 4242);
}

static void chown_everything(struct play *p, void (*chown_one)(struct play *p, const char *path))
{
	visit_set_id(p, "file-", chown_one);
	visit_set_id(p, "dir-", chown_one);
	chown_one(p, "symlink");
	chown_one(p, "symlink-1002");
	chown_one(p, "fifo-1002");
	chown_one(p, "fifo-unexecutable");
}

static void act_chown_to_own_group(struct play *p)
{
	chown_everything(p, chown_to_own_group);
}

static void act_chown_to_team(struct play *p)
{
	chown_everything(p, chown_to_team);
}

static void act_chown_to_foreign_group(struct play *p)
{
	chown_everything(p, chown_to_foreign_group);
	chown_everything(p, chown_to_same_user);
}

static void act_chown_away(struct play *p)
{
	chown_everything(p, chown_away);
}

Test(permissions, owners_give_files_to_their_primary_group_and_set_id_bits_go_as_on_the_host)
{
	compare(&(struct script){ make_owned, act_chown_to_own_group },
		COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, owners_give_files_to_their_supplementary_groups)
{
	compare(&(struct script){ make_owned, act_chown_to_team }, COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, nobody_gives_files_to_groups_that_only_the_server_is_in)
{
	compare(&(struct script){ make_owned, act_chown_to_foreign_group },
		COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, only_root_gives_files_away)
{
	compare(&(struct script){ make_owned, act_chown_away }, COMPARE_SERVER | COMPARE_CLIENT);
}

static void chmod_one(struct play *p, const char *path)
{
	step(p, chmod, path, 0600);
	step(p, chmod, path, 02755);
	step(p, chmod, path, 07777);
}

static void act_chmod_all(struct play *p)
{
	visit_set_id(p, "file-", chmod_one);
}

static void act_chmod_directories(struct play *p)
{
	visit_set_id(p, "dir-", chmod_one);
}

Test(permissions, owners_change_the_mode_of_files_and_strangers_groups_lose_the_set_group_id_bit)
{
	compare(&(struct script){ make_owned, act_chmod_all }, COMPARE_SERVER);
}

Test(permissions, owners_change_the_mode_of_directories)
{
	compare(&(struct script){ make_owned, act_chmod_directories }, COMPARE_SERVER);
}

static void touch(struct play *p, const char *path)
{
	step(p, utimes, path, times_now);
}

static void set_times(struct play *p, const char *path)
{
	step(p, utimes, path, times_old);
}

static void touch_half(struct play *p, const char *path)
{
	step(p, utimes, path, times_now_and_omitted);
}

static void act_touching(struct play *p)
{
	visit_all(p, "", touch);
}

static void act_setting_times(struct play *p)
{
	visit_all(p, "", set_times);
}

static void act_touching_half(struct play *p)
{
	visit_all(p, "", touch_half);
}

Test(permissions, the_present_time_is_set_by_who_may_write)
{
	compare(&(struct script){ populate_files, act_touching }, COMPARE_SERVER);
}

Test(permissions, other_times_are_set_by_the_owner_only)
{
	compare(&(struct script){ populate_files, act_setting_times }, COMPARE_SERVER);
}

Test(permissions, one_time_alone_is_set_by_the_owner_only)
{
	compare(&(struct script){ populate_files, act_touching_half }, COMPARE_SERVER);
}

static void truncate_one(struct play *p, const char *path)
{
	step(p, truncate, path, 3);
}

static void ftruncate_one(struct play *p, const char *path)
{
	step(p, ftruncate, path, 3);
}

static void act_truncating(struct play *p)
{
	visit_all(p, "", truncate_one);
}

static void act_ftruncating(struct play *p)
{
	visit_all(p, "", ftruncate_one);
}

Test(permissions, truncation_by_path_is_judged)
{
	compare(&(struct script){ populate_files, act_truncating }, COMPARE_SERVER);
}

Test(permissions, truncation_by_handle_is_judged_by_the_open)
{
	compare(&(struct script){ populate_files, act_ftruncating }, COMPARE_SERVER);
}

/* ---- What a write takes away ---- */

static void make_capable(struct tree *t)
{
	/* cap_net_raw, permitted and effective */
	static const unsigned char capability[20] = { 0x01, 0, 0, 0x02, 0, 0x20 };
	char path[64];

	populate_set_id(t, tree_file, "");
	for (size_t o = 0; o < OWNERS; o++) {
		snprintf(path, sizeof(path), "capable-%s", owners[o].name);
		tree_file(t, path, owners[o].uid, owners[o].gid, 0777);
		tree_xattr(t, path, "security.capability", capability, sizeof(capability));
	}
}

static void change_capable(struct play *p, void (*change)(struct play *p, const char *path))
{
	char path[64];

	visit_set_id(p, "", change);
	for (size_t o = 0; o < OWNERS; o++) {
		snprintf(path, sizeof(path), "capable-%s", owners[o].name);
		change(p, path);
	}
}

static void write_one(struct play *p, const char *path)
{
	step(p, write, path);
}

static void open_truncating_one(struct play *p, const char *path)
{
	step(p, open, path, O_WRONLY | O_TRUNC);
}

static void act_writing_capable(struct play *p)
{
	change_capable(p, write_one);
}

static void act_truncating_capable(struct play *p)
{
	change_capable(p, truncate_one);
}

static void act_ftruncating_capable(struct play *p)
{
	change_capable(p, ftruncate_one);
}

static void act_opening_capable(struct play *p)
{
	change_capable(p, open_truncating_one);
}

Test(permissions, a_write_clears_set_id_bits_and_file_capabilities_as_the_host_does)
{
	compare(&(struct script){ make_capable, act_writing_capable },
		COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, a_truncation_by_path_clears_set_id_bits_and_file_capabilities_as_the_host_does)
{
	compare(&(struct script){ make_capable, act_truncating_capable },
		COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, a_truncation_by_handle_clears_set_id_bits_and_file_capabilities_as_the_host_does)
{
	compare(&(struct script){ make_capable, act_ftruncating_capable },
		COMPARE_SERVER | COMPARE_CLIENT);
}

Test(permissions, an_open_that_truncates_clears_set_id_bits_and_file_capabilities_as_the_host_does)
{
	compare(&(struct script){ make_capable, act_opening_capable },
		COMPARE_SERVER | COMPARE_CLIENT);
}

/* What the client's kernel lets through in client mode has the same effects there: bits that do not
 * depend on groups. */
static void make_executable_set_id(struct tree *t)
{
	tree_file(t, "suid", 1001, 2001, 04777);
	tree_file(t, "sgid", 0, 0, 02777);
	tree_file(t, "both", 1002, 2002, 06777);
}

static void act_on_executable_set_id(struct play *p)
{
	step(p, write, "suid");
	step(p, truncate, "sgid", 2);
	step(p, ftruncate, "both", 2);
	step(p, open, "suid", O_RDWR | O_TRUNC);
}

Test(permissions, in_client_mode_writes_and_truncations_clear_set_id_bits_of_programs)
{
	compare(&(struct script){ make_executable_set_id, act_on_executable_set_id }, COMPARE_ALL);
}

/* ---- Extended attributes ---- */

static void change_xattrs(struct play *p, const char *path)
{
	step(p, setxattr, path, "user.test", "value", 5);
	step(p, getxattr, path, "user.test");
	step(p, removexattr, path, "user.test");
	step(p, getxattr, path, "user.test");
	step(p, setxattr, path, "trusted.test", "value", 5);
	step(p, getxattr, path, "trusted.test");
}

static void act_on_xattrs(struct play *p)
{
	visit_all(p, "", change_xattrs);
}

Test(permissions, xattrs_of_files_are_judged)
{
	compare(&(struct script){ populate_files, act_on_xattrs }, COMPARE_SERVER);
}

static void make_xattr_directories(struct tree *t)
{
	populate_places(t);
	tree_symlink(t, "target", "symlink", 0, 0);
	tree_node(t, "fifo", 0, 0, S_IFIFO | 0666);
}

static void act_on_directory_xattrs(struct play *p)
{
	visit_places(p, change_xattrs);
	change_xattrs(p, "symlink");
	change_xattrs(p, "fifo");
}

Test(permissions, xattrs_of_directories_and_special_files_are_judged)
{
	compare(&(struct script){ make_xattr_directories, act_on_directory_xattrs },
		COMPARE_SERVER);
}

static void set_capability(struct play *p, const char *path)
{
	static const unsigned char capability[20] = { 0x01, 0, 0, 0x02, 0, 0x20 };

	step(p, setxattr, path, "security.capability", capability, sizeof(capability));
	step(p, getxattr, path, "security.capability");
	/* A client asks for CAP_SETFCAP by itself, and the server has to take it for the removal
	 * before a write. */
	if (play_user(p)->uid == 0)
		step(p, removexattr, path, "security.capability");
	step(p, setxattr, path, "security.other", "value", 5);
}

static void act_on_capabilities(struct play *p)
{
	visit_all(p, "", set_capability);
}

Test(permissions, only_root_sets_file_capabilities)
{
	compare(&(struct script){ populate_files, act_on_capabilities }, COMPARE_SERVER);
}
