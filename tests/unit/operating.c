// SPDX-License-Identifier: BSD-3-Clause
/* Operations of every kind in a tree made for them. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "operating.h"

static const gid_t team[] = { TEAM };

const struct user root = { "root", 0, 0, 0, NULL };
const struct user alice = { "alice", 1001, 2001, 0, NULL };
const struct user member = { "member", 1002, 2002, 1, team };
const struct user other = { "other", 1003, 2003, 0, NULL };

void make_tree(int dir)
{
	struct tree t = { dir };

	tree_directory(&t, "open", 0, 0, 0777);
	tree_directory(&t, "team", 0, TEAM, 02770);
	tree_file(&t, "team/file", 0, TEAM, 0660);
	tree_file(&t, "team/goes", 0, TEAM, 0660);
	tree_file(&t, "team/moves", 0, TEAM, 0660);
	tree_directory(&t, "team/dir", 0, TEAM, 0770);
	tree_file(&t, "mine", 1002, 2002, 0644);
	tree_file(&t, "suid", 0, 0, 04777);
	tree_file(&t, "sgid", 0, TEAM, 02767);
}

static int do_stat(struct actor *a)
{
	return act_stat(a, "team/file");
}

static int do_access(struct actor *a)
{
	return act_access(a, "team/file", W_OK);
}

static int do_open(struct actor *a)
{
	return act_open(a, "team/file", O_RDWR);
}

static int do_list(struct actor *a)
{
	return act_list(a, "team");
}

static int do_create(struct actor *a)
{
	return act_create(a, "open/new", O_RDWR | O_EXCL, 0660);
}

static int do_create_in_team(struct actor *a)
{
	return act_create(a, "team/new", O_RDWR, 02770);
}

static int do_create_existing(struct actor *a)
{
	return act_create(a, "team/file", O_RDWR, 0600);
}

static int do_tmpfile(struct actor *a)
{
	return act_tmpfile(a, "team", 0600);
}

static int do_mkdir(struct actor *a)
{
	return act_mkdir(a, "team/newdir", 0750);
}

static int do_mknod(struct actor *a)
{
	return act_mknod(a, "open/fifo", S_IFIFO | 0640, 0);
}

static int do_symlink(struct actor *a)
{
	return act_symlink(a, "target", "open/symlink");
}

static int do_link(struct actor *a)
{
	return act_link(a, "mine", "team/link");
}

static int do_unlink(struct actor *a)
{
	return act_unlink(a, "team/goes");
}

static int do_rmdir(struct actor *a)
{
	return act_rmdir(a, "team/dir");
}

static int do_rename(struct actor *a)
{
	return act_rename(a, "team/moves", "team/goes", 0);
}

static int do_whiteout(struct actor *a)
{
	return act_rename(a, "team/moves", "team/moved", RENAME_WHITEOUT);
}

static int do_chmod(struct actor *a)
{
	return act_chmod(a, "mine", 0600);
}

static int do_chown(struct actor *a)
{
	return act_chown(a, "mine", -1, TEAM);
}

static int do_utimes(struct actor *a)
{
	return act_utimes(a, "mine", times_old);
}

static int do_truncate(struct actor *a)
{
	return act_truncate(a, "suid", 3);
}

static int do_ftruncate(struct actor *a)
{
	return act_ftruncate(a, "sgid", 3);
}

static int do_write(struct actor *a)
{
	return act_write(a, "suid");
}

static int do_setxattr(struct actor *a)
{
	return act_setxattr(a, "mine", "user.test", "value", 5);
}

const struct operation operations[OPERATIONS] = {
	{ "stat", do_stat },
	{ "access", do_access },
	{ "open", do_open },
	{ "list", do_list },
	{ "create", do_create },
	{ "create in a group's directory", do_create_in_team },
	{ "create what is there", do_create_existing },
	{ "tmpfile", do_tmpfile },
	{ "mkdir", do_mkdir },
	{ "mknod", do_mknod },
	{ "symlink", do_symlink },
	{ "link", do_link },
	{ "unlink", do_unlink },
	{ "rmdir", do_rmdir },
	{ "rename", do_rename },
	{ "rename with whiteout", do_whiteout },
	{ "chmod", do_chmod },
	{ "chown", do_chown },
	{ "utimes", do_utimes },
	{ "truncate", do_truncate },
	{ "ftruncate", do_ftruncate },
	{ "write", do_write },
	{ "setxattr", do_setxattr },
};

/* ---- Threads and fixtures ---- */

void in_memory(void)
{
	must(unshare(CLONE_NEWNS));
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	must(mount("none", "/tmp", "tmpfs", 0, "mode=1777"));
}

void serve_tree(struct fixture *f, enum fsb_permissions permissions)
{
	fixture_make(f);
	f->config.permissions = permissions;
	make_tree(f->host);
	fixture_start(f);
}

/* A body on a thread of its own, donated, and its result. */
struct in_thread {
	int (*body)(void *arg);
	void *arg;
	int result;
};

static void *run_donated(void *arg)
{
	struct in_thread *thread = arg;

	thread->result = fsb_thread_donate();
	if (thread->result == 0)
		thread->result = thread->body(thread->arg);
	return NULL;
}

int on_donated_thread(int (*body)(void *arg), void *arg)
{
	struct in_thread in_thread = { body, arg, 0 };
	pthread_t thread;

	must_be(pthread_create(&thread, NULL, run_donated, &in_thread), 0);
	must_be(pthread_join(thread, NULL), 0);
	return in_thread.result;
}

const char *mode_name(enum fsb_permissions permissions)
{
	return permissions == FSB_PERMISSIONS_SERVER ? "server mode" : "client mode";
}

void must_belong(struct fixture *f, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	must(fstatat(f->host, path, &st, AT_SYMLINK_NOFOLLOW));
	cr_assert(st.st_uid == uid && st.st_gid == gid && (st.st_mode & 07777) == mode,
		  "%s is %u:%u %04o, not %u:%u %04o", path, st.st_uid, st.st_gid,
		  st.st_mode & 07777, uid, gid, mode);
}

int create_by(struct fsb_filesystem *fs, const struct user *user, const char *path)
{
	struct actor a;
	int err = actor_serve(&a, fs, user);

	if (!err)
		err = act_create(&a, path, O_RDWR | O_EXCL, 0640);
	actor_clear(&a);
	return err;
}
