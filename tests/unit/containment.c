/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing outside of the tree is reached: not by symlinks, magic links, "..", nodeids and handles
 * that are made up, mounts, nor while the host renames directories under way. And FIFOs, sockets
 * and devices are never opened.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "place.h"

#define OPEN_FOR_EXEC 0x20

static uint64_t child_of(struct fixture *f, uint64_t parent, const char *name)
{
	struct fsb_entry entry;

	must_be(f->fs->ops->lookup(f->fs, &f->ctx, parent, name, &entry), 0);
	cr_assert_neq(entry.nodeid, 0);
	return entry.nodeid;
}

/* ---- What takes names must not go through what is no directory ---- */

static void must_be_no_directory(struct fixture *f, uint64_t nodeid)
{
	const struct fsb_filesystem_ops *ops = f->fs->ops;
	struct fsb_create how = { .mode = 0666, .flags = O_RDWR };
	struct fsb_create node = { .mode = S_IFIFO | 0666 };
	uint64_t file = nodeid_of(f, "file");
	struct fsb_entry entry;
	struct fsb_open opened;

	must_be(ops->lookup(f->fs, &f->ctx, nodeid, "secret", &entry), -ENOTDIR);
	must_be(ops->lookup(f->fs, &f->ctx, nodeid, "..", &entry), -ENOTDIR);
	must_be(ops->create(f->fs, &f->ctx, nodeid, "secret", &how, &entry, &opened), -ENOTDIR);
	must_be(ops->create(f->fs, &f->ctx, nodeid, "new", &how, &entry, &opened), -ENOTDIR);
	must_be(ops->tmpfile(f->fs, &f->ctx, nodeid, &how, &entry, &opened), -ENOTDIR);
	must_be(ops->mkdir(f->fs, &f->ctx, nodeid, "new", &how, &entry), -ENOTDIR);
	must_be(ops->mknod(f->fs, &f->ctx, nodeid, "new", &node, &entry), -ENOTDIR);
	must_be(ops->symlink(f->fs, &f->ctx, nodeid, "new", "target", &how, &entry), -ENOTDIR);
	must_be(ops->link(f->fs, &f->ctx, file, nodeid, "new", &entry), -ENOTDIR);
	must_be(ops->unlink(f->fs, &f->ctx, nodeid, "secret"), -ENOTDIR);
	must_be(ops->rmdir(f->fs, &f->ctx, nodeid, "below"), -ENOTDIR);
	must_be(ops->rename(f->fs, &f->ctx, nodeid, "secret", FSB_ROOT_NODEID, "stolen", 0),
		-ENOTDIR);
	must_be(ops->rename(f->fs, &f->ctx, FSB_ROOT_NODEID, "file", nodeid, "given", 0), -ENOTDIR);
	must_be(ops->opendir(f->fs, &f->ctx, nodeid, O_RDONLY, &opened), -ENOTDIR);
}

static void must_not_be_followed(struct fixture *f, uint64_t nodeid)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC,
				     OPEN_FOR_EXEC };
	const struct fsb_filesystem_ops *ops = f->fs->ops;
	struct fsb_setattr size = { .valid = FSB_SET_SIZE, .size = 0 };
	struct fsb_setattr mode = { .valid = FSB_SET_MODE, .mode = 0 };
	struct fsb_attr attr;
	struct fsb_open opened;
	uint64_t timeout;

	for (size_t i = 0; i < COUNT(flags); i++)
		cr_assert_lt(ops->open(f->fs, &f->ctx, nodeid, flags[i], false, &opened), 0);
	cr_assert_lt(ops->setattr(f->fs, &f->ctx, nodeid, NULL, &size, &attr, &timeout), 0);
	must_be(ops->setattr(f->fs, &f->ctx, nodeid, NULL, &mode, &attr, &timeout), -EOPNOTSUPP);
	must_be(ops->getattr(f->fs, &f->ctx, nodeid, NULL, &attr, &timeout), 0);
	cr_assert(S_ISLNK(attr.mode));
	cr_assert_lt(ops->getxattr(f->fs, &f->ctx, nodeid, "user.test", NULL, 0), 0);
	cr_assert_lt(ops->setxattr(f->fs, &f->ctx, nodeid, "user.test", "value", 5, 0, false), 0);
}

/* What changes a symlink changes the link itself. */
static void change_link_itself(struct fixture *f, uint64_t nodeid)
{
	const struct fsb_filesystem_ops *ops = f->fs->ops;
	struct fsb_setattr set = { .valid = FSB_SET_UID | FSB_SET_GID | FSB_SET_MTIME,
				   .uid = 77,
				   .gid = 77,
				   .mtime = { 5, 0 } };
	struct fsb_attr attr;
	struct fsb_entry entry;
	uint64_t timeout;

	must_be(ops->setattr(f->fs, &f->ctx, nodeid, NULL, &set, &attr, &timeout), 0);
	cr_assert_eq(attr.uid, 77);
	must_be(ops->link(f->fs, &f->ctx, nodeid, FSB_ROOT_NODEID, "linked", &entry), 0);
	cr_assert(S_ISLNK(entry.attr.mode));
	must_be(ops->unlink(f->fs, &f->ctx, FSB_ROOT_NODEID, "linked"), 0);
}

static void try_symlinks(enum fsb_permissions permissions)
{
	static const char *const names[] = { "relative", "absolute", "file-symlink", "climbing" };
	struct place p;
	char target[100];

	place_make(&p, permissions);
	host_file(&p.f, "file", 0666, "file", 4);
	must(mkdirat(p.f.host, "dir", 0777));
	must(symlinkat("../outside", p.f.host, "relative"));
	must(symlinkat("../outside/secret", p.f.host, "file-symlink"));
	must(symlinkat("dir/../../outside/below", p.f.host, "climbing"));
	snprintf(target, sizeof(target), "%s/outside", p.scratch.dir);
	must(symlinkat(target, p.f.host, "absolute"));
	for (size_t i = 0; i < COUNT(names); i++) {
		uint64_t nodeid = nodeid_of(&p.f, names[i]);
		must_be_no_directory(&p.f, nodeid);
		must_not_be_followed(&p.f, nodeid);
		change_link_itself(&p.f, nodeid);
	}
	place_end(&p);
}

Test(containment, symlinks_to_outside_lead_nowhere_in_server_mode)
{
	try_symlinks(FSB_PERMISSIONS_SERVER);
}

Test(containment, symlinks_to_outside_lead_nowhere_in_client_mode)
{
	try_symlinks(FSB_PERMISSIONS_CLIENT);
}

Test(containment, a_created_file_is_never_the_target_of_a_symlink)
{
	struct fsb_create how = { .mode = S_IFREG | 0666, .flags = O_RDWR | O_TRUNC };
	struct place p;
	struct fsb_entry entry;
	struct fsb_open opened;

	place_make(&p, FSB_PERMISSIONS_SERVER);
	must(symlinkat("../outside/secret", p.f.host, "existing"));
	must(symlinkat("../outside/new", p.f.host, "dangling"));
	cr_expect_lt(p.f.fs->ops->create(p.f.fs, &p.f.ctx, FSB_ROOT_NODEID, "existing", &how,
					 &entry, &opened),
		     0);
	cr_expect_lt(p.f.fs->ops->create(p.f.fs, &p.f.ctx, FSB_ROOT_NODEID, "dangling", &how,
					 &entry, &opened),
		     0);
	place_end(&p);
}

/* ---- /proc inside of the tree ---- */

Test(containment, magic_links_are_symlinks_and_lead_nowhere)
{
	static const char *const names[] = { "root", "cwd", "exe" };
	struct fsb_entry entry;
	struct place p;
	char path[100], self[16];

	place_make(&p, FSB_PERMISSIONS_SERVER);
	host_file(&p.f, "file", 0666, "file", 4);
	must(mkdirat(p.f.host, "proc", 0755));
	snprintf(path, sizeof(path), "%s/proc", p.f.dir);
	must(mount("/proc", path, NULL, MS_BIND, NULL));
	uint64_t proc = nodeid_of(&p.f, "proc");
	must_be_no_directory(&p.f, child_of(&p.f, proc, "self"));
	snprintf(self, sizeof(self), "%d", getpid());
	uint64_t process = child_of(&p.f, proc, self);
	for (size_t i = 0; i < COUNT(names); i++) {
		uint64_t nodeid = child_of(&p.f, process, names[i]);
		must_be_no_directory(&p.f, nodeid);
		must_not_be_followed(&p.f, nodeid);
		must_be(p.f.fs->ops->link(p.f.fs, &p.f.ctx, nodeid, FSB_ROOT_NODEID, "stolen",
					  &entry),
			-EXDEV);
	}
	/* One that leads outside, by a descriptor of the server's process. */
	snprintf(self, sizeof(self), "%d", p.outside);
	uint64_t descriptor = child_of(&p.f, child_of(&p.f, process, "fd"), self);
	must_be_no_directory(&p.f, descriptor);
	p.f.fs->ops->destroy(p.f.fs);
	must(umount2(path, MNT_DETACH));
	place_end(&p);
}

/* ---- Up ---- */

static int look_up(struct fixture *f, uint64_t parent, const char *name, struct fsb_entry *entry)
{
	return f->fs->ops->lookup(f->fs, &f->ctx, parent, name, entry);
}

Test(containment, the_parent_of_the_root_is_the_root)
{
	struct fsb_entry entry;
	struct place p;

	place_make(&p, FSB_PERMISSIONS_SERVER);
	must(mkdirat(p.f.host, "dir", 0777));
	must_be(look_up(&p.f, FSB_ROOT_NODEID, "..", &entry), 0);
	cr_expect_eq(entry.nodeid, FSB_ROOT_NODEID);
	must_be(look_up(&p.f, FSB_ROOT_NODEID, ".", &entry), 0);
	cr_expect_eq(entry.nodeid, FSB_ROOT_NODEID);
	must_be(look_up(&p.f, nodeid_of(&p.f, "dir"), "..", &entry), 0);
	cr_expect_eq(entry.nodeid, FSB_ROOT_NODEID);
	place_end(&p);
}

Test(containment, a_directory_that_the_host_moved_out_has_no_parent)
{
	struct fsb_entry entry;
	struct place p;

	place_make(&p, FSB_PERMISSIONS_SERVER);
	must(mkdirat(p.f.host, "a", 0777));
	must(mkdirat(p.f.host, "a/b", 0777));
	uint64_t a = nodeid_of(&p.f, "a");
	uint64_t b = child_of(&p.f, a, "b");
	must(renameat(p.f.host, "a", p.outside, "a"));
	must_be(look_up(&p.f, a, "..", &entry), -ESTALE);
	must_be(look_up(&p.f, b, "..", &entry), -ESTALE);
	must(renameat(p.outside, "a", p.f.host, "a"));
	must_be(look_up(&p.f, b, "..", &entry), 0);
	cr_expect_eq(entry.nodeid, a);
	place_end(&p);
}

/* ---- Mounts ---- */

Test(containment, a_bind_mount_inside_is_part_of_the_tree_with_inodes_of_its_own)
{
	struct fsb_entry entry, twin;
	struct place p;
	char path[100], source[100];

	place_make(&p, FSB_PERMISSIONS_SERVER);
	must(mkdirat(p.f.host, "dir", 0777));
	must(mkdirat(p.f.host, "mnt", 0777));
	host_file(&p.f, "dir/file", 0666, "file", 4);
	snprintf(source, sizeof(source), "%s/dir", p.f.dir);
	snprintf(path, sizeof(path), "%s/mnt", p.f.dir);
	must(mount(source, path, NULL, MS_BIND, NULL));
	uint64_t dir = nodeid_of(&p.f, "dir"), mnt = nodeid_of(&p.f, "mnt");
	cr_expect_neq(dir, mnt);
	must_be(look_up(&p.f, dir, "file", &entry), 0);
	must_be(look_up(&p.f, mnt, "file", &twin), 0);
	cr_expect_neq(entry.nodeid, twin.nodeid);
	close_file(&p.f, open_node(&p.f, twin.nodeid, O_RDWR));
	must_be(look_up(&p.f, mnt, "..", &entry), 0);
	cr_expect_eq(entry.nodeid, FSB_ROOT_NODEID);
	must_be(p.f.fs->ops->rename(p.f.fs, &p.f.ctx, mnt, "file", dir, "moved", 0), -EXDEV);
	must_be(p.f.fs->ops->link(p.f.fs, &p.f.ctx, twin.nodeid, dir, "linked", &entry), -EXDEV);
	/* What was mounted is gone: the client keeps what it knows, and goes up no more. */
	must(umount2(path, MNT_DETACH));
	must_be(look_up(&p.f, mnt, "..", &entry), -ESTALE);
	place_end(&p);
}

/* ---- Numbers that are made up ---- */

Test(containment, nodeids_that_the_client_does_not_hold_are_stale)
{
	struct fsb_entry entry;
	struct place p;

	place_make(&p, FSB_PERMISSIONS_SERVER);
	host_file(&p.f, "file", 0666, "file", 4);
	uint64_t held = nodeid_of(&p.f, "file");
	uint64_t made_up[] = { 0,          2,       15, held + 1, held + 16, held | 1ull << 63,
			       UINT64_MAX, held ^ 1 };
	for (size_t i = 0; i < COUNT(made_up); i++)
		must_be(look_up(&p.f, made_up[i], "secret", &entry), -ESTALE);
	p.f.fs->ops->forget(p.f.fs, held, 1);
	must_be(look_up(&p.f, held, "..", &entry), -ESTALE);
	/* Nobody else ever gets the number. */
	cr_expect_neq(nodeid_of(&p.f, "file"), held);
	place_end(&p);
}

Test(containment, handles_that_are_not_open_or_of_another_kind_are_refused)
{
	struct fsb_dirlist list = { NULL, NULL };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct fsb_transfer to;
	struct place p;

	place_make(&p, FSB_PERMISSIONS_SERVER);
	host_file(&p.f, "file", 0666, "file", 4);
	uint64_t file = open_file(&p.f, "file", O_RDWR);
	uint64_t dir = open_node(&p.f, FSB_ROOT_NODEID, O_RDONLY | O_DIRECTORY);
	uint64_t made_up[] = { 0, 1, dir, file + 16, UINT64_MAX };
	for (size_t i = 0; i < COUNT(made_up); i++) {
		fsb_transfer_init(&to, &iov, 1, 1);
		must_be(p.f.fs->ops->read(p.f.fs, &p.f.ctx, 0, made_up[i], 0, 1, O_RDONLY, 0, &to),
			-EBADF);
	}
	must_be(p.f.fs->ops->readdir(p.f.fs, &p.f.ctx, FSB_ROOT_NODEID, file, 0, &list), -EBADF);
	must_be(p.f.fs->ops->releasedir(p.f.fs, &p.f.ctx, FSB_ROOT_NODEID, file, 0), -EBADF);
	close_file(&p.f, file);
	must_be(p.f.fs->ops->release(p.f.fs, &p.f.ctx, 0, file, 0, false, 0), -EBADF);
	place_end(&p);
}

/* ---- Special files ---- */

/* A process that waits in open(2) of a FIFO until somebody opens the other end. */
static pid_t wait_at_fifo(int dir, const char *name, int flags)
{
	pid_t pid = (pid_t)must(fork());

	if (pid == 0) {
		int fd = openat(dir, name, flags);
		_exit(fd < 0 ? 2 : 1);
	}
	return pid;
}

static void must_still_wait(pid_t pid, const char *what)
{
	struct timespec moment = { .tv_nsec = 100000000 };
	int status;

	nanosleep(&moment, NULL);
	cr_assert_eq(waitpid(pid, &status, WNOHANG), 0, "%s", what);
	must(kill(pid, SIGKILL));
	must_be(waitpid(pid, &status, 0), pid);
}

static void try_to_open(struct fixture *f, const char *name)
{
	static const int flags[] = { O_RDONLY,
				     O_WRONLY,
				     O_RDWR,
				     O_RDONLY | O_NONBLOCK,
				     O_WRONLY | O_NONBLOCK,
				     O_WRONLY | O_TRUNC,
				     OPEN_FOR_EXEC };
	const struct fsb_filesystem_ops *ops = f->fs->ops;
	struct fsb_setattr size = { .valid = FSB_SET_SIZE, .size = 0 };
	uint64_t nodeid = nodeid_of(f, name), timeout;
	struct fsb_entry entry;
	struct fsb_open opened;
	struct fsb_attr attr;

	for (size_t i = 0; i < COUNT(flags); i++) {
		struct fsb_create how = { .mode = S_IFREG | 0666, .flags = flags[i] };
		cr_assert_lt(ops->open(f->fs, &f->ctx, nodeid, flags[i], false, &opened), 0, "%s",
			     name);
		cr_assert_lt(
			ops->create(f->fs, &f->ctx, FSB_ROOT_NODEID, name, &how, &entry, &opened),
			0, "%s", name);
	}
	must_be(ops->opendir(f->fs, &f->ctx, nodeid, O_RDONLY, &opened), -ENOTDIR);
	cr_assert_lt(ops->setattr(f->fs, &f->ctx, nodeid, NULL, &size, &attr, &timeout), 0);
	must_be(ops->access(f->fs, &f->ctx, nodeid, R_OK | W_OK), 0);
	must_be(ops->getattr(f->fs, &f->ctx, nodeid, NULL, &attr, &timeout), 0);
	(void)ops->getxattr(f->fs, &f->ctx, nodeid, "user.test", NULL, 0);
	(void)ops->syncfs(f->fs, &f->ctx, nodeid);
}

static void try_special(enum fsb_permissions permissions, const char *name, mode_t mode, dev_t dev)
{
	struct place p;

	place_make(&p, permissions);
	must(mknodat(p.f.host, name, mode, dev));
	must(fchmodat(p.f.host, name, 0666, 0));
	pid_t writer = S_ISFIFO(mode) ? wait_at_fifo(p.f.host, name, O_WRONLY) : 0;
	try_to_open(&p.f, name);
	if (writer)
		must_still_wait(writer, "somebody opened the FIFO for reading");
	pid_t reader = S_ISFIFO(mode) ? wait_at_fifo(p.f.host, name, O_RDONLY) : 0;
	try_to_open(&p.f, name);
	if (reader)
		must_still_wait(reader, "somebody opened the FIFO for writing");
	place_end(&p);
}

Test(containment, fifos_are_never_opened)
{
	try_special(FSB_PERMISSIONS_SERVER, "fifo", S_IFIFO | 0666, 0);
}

Test(containment, fifos_are_never_opened_in_client_mode)
{
	try_special(FSB_PERMISSIONS_CLIENT, "fifo", S_IFIFO | 0666, 0);
}

Test(containment, devices_are_never_opened)
{
	try_special(FSB_PERMISSIONS_SERVER, "null", S_IFCHR | 0666, makedev(1, 3));
}

Test(containment, sockets_are_never_opened)
{
	try_special(FSB_PERMISSIONS_SERVER, "socket", S_IFSOCK | 0666, 0);
}
