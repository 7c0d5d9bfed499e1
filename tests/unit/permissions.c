/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may do what with names: each script is played by root and by users with no, one, 200 and
 * 65536 supplementary groups, natively and in another way (see playing.h), and has to come to the
 * same results and to the same tree.
 */
#include <criterion/criterion.h>
#include <linux/posix_acl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "population.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* ---- Opening ---- */

static void open_each_way(struct play *p, const char *path)
{
	step(p, open, path, O_RDONLY);
	step(p, open, path, O_WRONLY);
	step(p, open, path, O_RDWR);
	step(p, open, path, O_WRONLY | O_APPEND);
	step(p, open, path, O_RDONLY | O_NOATIME);
	step(p, exec, path);
}

static void act_opening(struct play *p)
{
	visit_all(p, "", open_each_way);
}

Test(permissions, who_may_open_a_file_and_how)
{
	compare(&(struct script){ populate_files, act_opening }, COMPARE_SERVER);
}

static void open_truncating(struct play *p, const char *path)
{
	step(p, open, path, O_WRONLY | O_TRUNC);
	step(p, open, path, O_RDONLY | O_TRUNC);
}

static void act_truncating_opens(struct play *p)
{
	visit_all(p, "", open_truncating);
}

Test(permissions, an_open_that_truncates_needs_write_permission)
{
	compare(&(struct script){ populate_files, act_truncating_opens }, COMPARE_SERVER);
}

static void access_each_way(struct play *p, const char *path)
{
	for (int mask = 0; mask <= 7; mask++)
		step(p, access, path, mask);
}

static void act_accessing(struct play *p)
{
	visit_all(p, "", access_each_way);
}

Test(permissions, access_answers_for_files)
{
	compare(&(struct script){ populate_files, act_accessing }, COMPARE_SERVER);
}

Test(permissions, access_answers_for_directories)
{
	compare(&(struct script){ populate_directories, act_accessing }, COMPARE_SERVER);
}

/* ---- Searching ---- */

static void make_filled(struct tree *t, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	char below[128];

	tree_directory(t, path, uid, gid, mode);
	snprintf(below, sizeof(below), "%s/file", path);
	tree_file(t, below, 0, 0, 0666);
	snprintf(below, sizeof(below), "%s/dir", path);
	tree_directory(t, below, 0, 0, 0777);
	snprintf(below, sizeof(below), "%s/dir/below", path);
	tree_file(t, below, 0, 0, 0666);
}

static void make_filled_directories(struct tree *t)
{
	populate_all(t, make_filled, "");
}

static void search(struct play *p, const char *path)
{
	char below[128];

	step(p, stat, path);
	step(p, list, path);
	snprintf(below, sizeof(below), "%s/file", path);
	step(p, open, below, O_RDWR);
	snprintf(below, sizeof(below), "%s/nothing", path);
	step(p, stat, below);
	snprintf(below, sizeof(below), "%s/dir/below", path);
	step(p, stat, below);
}

static void act_searching(struct play *p)
{
	visit_all(p, "", search);
}

Test(permissions, each_step_of_a_walk_needs_search_permission)
{
	compare(&(struct script){ make_filled_directories, act_searching }, COMPARE_SERVER);
}

/* ---- Making ---- */

static void make_each_kind(struct play *p, const char *place, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file-%04o-%03o", place, mode, play_actor(p)->umask);
	step(p, create, path, O_RDWR | O_EXCL, mode);
	snprintf(path, sizeof(path), "%s/dir-%04o-%03o", place, mode, play_actor(p)->umask);
	step(p, mkdir, path, mode);
	snprintf(path, sizeof(path), "%s/fifo-%04o-%03o", place, mode, play_actor(p)->umask);
	step(p, mknod, path, S_IFIFO | mode, 0);
}

static void make_modes(struct play *p, const char *place)
{
	static const mode_t asked[] = { 0666, 02775, 06777 };

	for (size_t i = 0; i < COUNT(asked); i++)
		make_each_kind(p, place, asked[i]);
}

static void act_making(struct play *p)
{
	visit_places(p, make_modes);
}

Test(permissions, what_is_made_has_the_owner_group_and_mode_of_the_host)
{
	compare(&(struct script){ populate_places, act_making }, COMPARE_SERVER | COMPARE_CLIENT);
}

static void make_masked(struct play *p, const char *place)
{
	static const mode_t masks[] = { 0, 027, 077, 0777 };

	for (size_t i = 0; i < COUNT(masks); i++) {
		play_umask(p, masks[i]);
		make_each_kind(p, place, 02777);
	}
}

static void act_masked_making(struct play *p)
{
	make_masked(p, "root-0777");
	make_masked(p, "team-02775");
	make_masked(p, "team-2777");
}

Test(permissions, the_umask_of_the_user_holds_and_no_other)
{
	compare(&(struct script){ populate_places, act_masked_making }, COMPARE_ALL);
}

static void make_others(struct play *p, const char *place)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/link", place);
	step(p, symlink, "target", path);
	snprintf(path, sizeof(path), "%s/socket", place);
	step(p, mknod, path, S_IFSOCK | 0777, 0);
	snprintf(path, sizeof(path), "%s/node", place);
	step(p, mknod, path, S_IFREG | 0666, 0);
	snprintf(path, sizeof(path), "%s/null", place);
	step(p, mknod, path, S_IFCHR | 0666, makedev(1, 3));
	snprintf(path, sizeof(path), "%s/block", place);
	step(p, mknod, path, S_IFBLK | 0666, makedev(7, 0));
	snprintf(path, sizeof(path), "%s/whiteout", place);
	step(p, mknod, path, S_IFCHR, makedev(0, 0));
	step(p, tmpfile, place, 0644);
	snprintf(path, sizeof(path), "%s/again", place);
	step(p, create, path, O_WRONLY, 0640);
	step(p, create, path, O_WRONLY | O_EXCL, 0640);
	step(p, mkdir, path, 0755);
	step(p, symlink, "target", path);
	step(p, mknod, path, S_IFIFO | 0666, 0);
}

static void act_other_making(struct play *p)
{
	visit_places(p, make_others);
}

Test(permissions, links_and_special_files_are_made_as_by_the_host_and_devices_by_root_only)
{
	compare(&(struct script){ populate_places, act_other_making },
		COMPARE_SERVER | COMPARE_CLIENT);
}

static void create_existing(struct play *p, const char *path)
{
	step(p, create, path, O_RDWR, 0644);
	step(p, create, path, O_RDONLY, 0644);
	step(p, create, path, O_RDONLY | O_EXCL, 0644);
}

static void act_creating_existing(struct play *p)
{
	visit_all(p, "", create_existing);
}

Test(permissions, creating_what_is_there_is_judged_as_opening_it)
{
	compare(&(struct script){ populate_files, act_creating_existing }, COMPARE_SERVER);
}

/* ---- Taking away and moving ---- */

static void fill_place(struct tree *t, const char *place)
{
	static const char *const whose[] = { "root", "1001", "1002", "1003", "1004" };
	static const uid_t uids[] = { 0, 1001, 1002, 1003, 1004 };
	char path[128];

	for (size_t i = 0; i < COUNT(uids); i++) {
		snprintf(path, sizeof(path), "%s/file-%s", place, whose[i]);
		tree_file(t, path, uids[i], 0, 0644);
		snprintf(path, sizeof(path), "%s/moved-%s", place, whose[i]);
		tree_file(t, path, uids[i], 0, 0644);
		snprintf(path, sizeof(path), "%s/dir-%s", place, whose[i]);
		tree_directory(t, path, uids[i], 0, 0755);
		snprintf(path, sizeof(path), "%s/moved-dir-%s", place, whose[i]);
		tree_directory(t, path, uids[i], 0, 0755);
	}
}

static void make_filled_places(struct tree *t)
{
	populate_filled_places(t, fill_place);
	tree_directory(t, "elsewhere", 0, 0, 0777);
}

static void remove_each(struct play *p, const char *place)
{
	static const char *const whose[] = { "root", "1001", "1002", "1003", "1004" };
	char path[128], to[160];

	for (size_t i = 0; i < COUNT(whose); i++) {
		snprintf(path, sizeof(path), "%s/file-%s", place, whose[i]);
		step(p, rmdir, path);
		step(p, unlink, path);
		step(p, unlink, path);
		snprintf(path, sizeof(path), "%s/dir-%s", place, whose[i]);
		step(p, unlink, path);
		step(p, rmdir, path);
		snprintf(path, sizeof(path), "%s/moved-%s", place, whose[i]);
		snprintf(to, sizeof(to), "%s/moved-to-%s", place, whose[i]);
		step(p, rename, path, to, 0);
		snprintf(path, sizeof(path), "elsewhere/%s-moved-%s", place, whose[i]);
		step(p, rename, to, path, 0);
		/* A directory that goes to another parent has to be writable itself. */
		snprintf(to, sizeof(to), "%s/moved-dir-%s", place, whose[i]);
		snprintf(path, sizeof(path), "elsewhere/%s-moved-dir-%s", place, whose[i]);
		step(p, rename, to, path, 0);
	}
}

static void act_removing(struct play *p)
{
	static const char *const places[] = { "root-0777", "root-1777", "team-0775",
					      "team-3777", "team-2775", "1001-1777",
					      "1002-0755", "lent-0775", "1003-team-1777" };

	for (size_t i = 0; i < COUNT(places); i++)
		remove_each(p, places[i]);
}

Test(permissions, names_are_removed_and_moved_as_sticky_and_group_directories_allow)
{
	compare(&(struct script){ make_filled_places, act_removing }, COMPARE_SERVER);
}

static void make_renamed(struct tree *t)
{
	tree_directory(t, "open", 0, 0, 0777);
	tree_directory(t, "sticky", 0, 0, 01777);
	for (unsigned int i = 0; i < 2; i++) {
		const char *place = i == 0 ? "open" : "sticky";
		fill_place(t, place);
	}
}

static void rename_each_way(struct play *p, const char *place)
{
	char a[64], b[64], c[64];

	snprintf(a, sizeof(a), "%s/file-1002", place);
	snprintf(b, sizeof(b), "%s/file-root", place);
	snprintf(c, sizeof(c), "%s/new", place);
	step(p, rename, a, b, RENAME_NOREPLACE);
	step(p, rename, a, b, RENAME_EXCHANGE);
	step(p, rename, a, c, RENAME_WHITEOUT);
	step(p, rename, c, b, 0);
	snprintf(a, sizeof(a), "%s/dir-1002", place);
	step(p, rename, b, a, 0);
	step(p, rename, a, b, 0);
	step(p, rename, a, a, 0);
}

static void act_renaming(struct play *p)
{
	rename_each_way(p, "open");
	rename_each_way(p, "sticky");
}

Test(permissions, renames_that_replace_exchange_or_leave_a_whiteout)
{
	compare(&(struct script){ make_renamed, act_renaming }, COMPARE_ALL);
}

/* ---- Links ---- */

static void make_linked(struct tree *t)
{
	static const mode_t linked[] = { 0600, 0644, 0660, 0666, 04777, 02777, 02767 };
	char path[64];

	tree_directory(t, "open", 0, 0, 0777);
	tree_directory(t, "closed", 0, 0, 0755);
	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(linked); m++) {
			snprintf(path, sizeof(path), "%s-%04o", owners[o].name, linked[m]);
			tree_file(t, path, owners[o].uid, owners[o].gid, linked[m]);
		}
	tree_node(t, "fifo", 0, 0, S_IFIFO | 0666);
	tree_node(t, "fifo-1002", 1002, 0, S_IFIFO | 0666);
	tree_symlink(t, "closed", "symlink", 0, 0);
	tree_symlink(t, "closed", "symlink-1002", 1002, 0);
}

static void link_each(struct play *p, const char *path)
{
	char to[128];

	snprintf(to, sizeof(to), "open/%s", path);
	step(p, link, path, to);
	step(p, link, path, to);
	snprintf(to, sizeof(to), "closed/%s", path);
	step(p, link, path, to);
}

static void act_linking(struct play *p)
{
	static const mode_t linked[] = { 0600, 0644, 0660, 0666, 04777, 02777, 02767 };
	static const char *const others[] = { "fifo", "fifo-1002", "symlink", "symlink-1002",
					      "open" };
	char path[64];

	for (size_t o = 0; o < OWNERS; o++)
		for (size_t m = 0; m < COUNT(linked); m++) {
			snprintf(path, sizeof(path), "%s-%04o", owners[o].name, linked[m]);
			link_each(p, path);
		}
	for (size_t i = 0; i < COUNT(others); i++)
		link_each(p, others[i]);
}

Test(permissions, links_are_judged_as_the_user_with_protected_hardlinks_as_the_host_has_it)
{
	compare(&(struct script){ make_linked, act_linking }, COMPARE_SERVER);
}

/* ---- ACLs ---- */

static void acl_for_team(struct acl *acl, unsigned int owner, unsigned int team, unsigned int mask)
{
	acl_begin(acl);
	acl_add(acl, ACL_USER_OBJ, owner, (unsigned int)-1);
	acl_add(acl, ACL_USER, 6, 1001);
	acl_add(acl, ACL_GROUP_OBJ, 0, (unsigned int)-1);
	acl_add(acl, ACL_GROUP, team, TEAM);
	acl_add(acl, ACL_MASK, mask, (unsigned int)-1);
	acl_add(acl, ACL_OTHER, 0, (unsigned int)-1);
}

static void make_acl_files(struct tree *t)
{
	struct acl acl;

	tree_file(t, "granted", 0, 0, 0600);
	acl_for_team(&acl, 6, 6, 7);
	tree_xattr(t, "granted", ACL_ACCESS, acl.bytes, acl.size);
	tree_file(t, "masked", 0, 0, 0600);
	acl_for_team(&acl, 6, 6, 4);
	tree_xattr(t, "masked", ACL_ACCESS, acl.bytes, acl.size);
	tree_directory(t, "dir", 0, 0, 0700);
	acl_for_team(&acl, 7, 7, 7);
	tree_xattr(t, "dir", ACL_ACCESS, acl.bytes, acl.size);
	tree_file(t, "dir/file", 0, 0, 0666);
}

static void act_on_acl_files(struct play *p)
{
	open_each_way(p, "granted");
	open_each_way(p, "masked");
	search(p, "dir");
	step(p, create, "dir/new", O_RDWR, 0644);
	step(p, write, "granted");
	step(p, truncate, "granted", 1);
	step(p, truncate, "masked", 1);
	step(p, unlink, "dir/file");
}

Test(permissions, an_acl_entry_of_a_group_grants_through_a_supplementary_group)
{
	compare(&(struct script){ make_acl_files, act_on_acl_files },
		COMPARE_SERVER | COMPARE_LEGION);
}

static void make_default_acls(struct tree *t)
{
	static const char *const places[] = { "open", "team", "setgid" };
	static const mode_t place_modes[] = { 0777, 0777, 02777 };
	static const unsigned int masks[] = { 7, 4, 5 };
	struct acl acl;

	for (size_t i = 0; i < COUNT(places); i++) {
		tree_directory(t, places[i], 0, i == 0 ? 0 : TEAM, place_modes[i]);
		acl_for_team(&acl, 7, 7, masks[i]);
		tree_xattr(t, places[i], ACL_DEFAULT, acl.bytes, acl.size);
	}
}

static void act_below_default_acls(struct play *p)
{
	static const char *const places[] = { "open", "team", "setgid" };
	char path[64];

	for (size_t i = 0; i < COUNT(places); i++) {
		make_masked(p, places[i]);
		snprintf(path, sizeof(path), "%s/link", places[i]);
		step(p, symlink, "target", path);
		snprintf(path, sizeof(path), "%s/dir-2777-000/below", places[i]);
		step(p, mkdir, path, 0777);
	}
}

Test(permissions, a_default_acl_is_inherited_in_place_of_the_umask)
{
	compare(&(struct script){ make_default_acls, act_below_default_acls }, COMPARE_ALL);
}

static void make_files_for_acls(struct tree *t)
{
	populate_set_id(t, tree_file, "file-");
	populate_set_id(t, tree_directory, "dir-");
}

static void set_acl(struct play *p, const char *path)
{
	struct acl acl;

	acl_for_team(&acl, 7, 6, 6);
	step(p, setxattr, path, ACL_ACCESS, acl.bytes, acl.size);
	step(p, getxattr, path, ACL_ACCESS);
	step(p, setxattr, path, ACL_DEFAULT, acl.bytes, acl.size);
	step(p, removexattr, path, ACL_ACCESS);
}

static void act_setting_acls(struct play *p)
{
	visit_set_id(p, "file-", set_acl);
	visit_set_id(p, "dir-", set_acl);
}

Test(permissions, acls_are_set_by_owners_and_change_the_mode_as_on_the_host)
{
	compare(&(struct script){ make_files_for_acls, act_setting_acls }, COMPARE_SERVER);
}
