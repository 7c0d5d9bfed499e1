// SPDX-License-Identifier: BSD-3-Clause
/* Making inodes: files, directories, links, special files, files without a name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fsbackend/thread.h>

#include "passthrough.h"

/* ---- The mode, on threads whose umask is the host's ---- */

static bool has_default_acl(int dirfd)
{
	char path[sizeof("/proc/self/fd/") + sizeof(struct fd_name)] = "/proc/self/fd/";

	strcat(path, fd_name(dirfd).text);
	return getxattr(path, "system.posix_acl_default", NULL, 0) > 0;
}

/*
 * Whether the set-group-id bit may stay depends on the group's permission to execute as it is before the umask, so where that takes it the
 * bit is not asked for but set afterwards, which the host allows in the same cases.
 */
static bool sets_gid_later(const struct fsb_create *how)
{
	return !S_ISDIR(how->mode) && (how->mode & S_ISGID) && (how->mode & how->umask & S_IXGRP);
}

/*
 * The mode to hand to the host. On a donated thread the host applies umask or default ACL by itself. On a host's thread the umask is the
 * process's: the client's is taken off here unless an ACL rules, and mode_settle() puts back what the process's took.
 */
static mode_t mode_to_ask(int dirfd, const struct fsb_create *how)
{
	if (fsb_thread_is_donated())
		return credentials_mode(how->mode, how->umask);
	if (has_default_acl(dirfd))
		return how->mode;
	return credentials_mode(sets_gid_later(how) ? how->mode & ~(mode_t)S_ISGID : how->mode, how->umask);
}

/*
 * Not atomic: for a moment the new inode has fewer permissions than asked, never more. Somebody may have put another in its place meanwhile:
 * the change is made with no more power than its owner has, and on nothing of another type.
 */
static int mode_settle(struct passthrough *pt, int dirfd, int fd, const struct fsb_create *how, struct worn *worn)
{
	struct stat st;

	if (fsb_thread_is_donated() || S_ISLNK(how->mode) || has_default_acl(dirfd))
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	mode_t type = how->mode & S_IFMT ? how->mode & S_IFMT : S_IFREG;
	mode_t wanted = (how->mode & ~how->umask & 0777) | (st.st_mode & 07000) | (sets_gid_later(how) ? S_ISGID : 0);
	if ((st.st_mode & S_IFMT) != type || (st.st_mode & 07777) == wanted)
		return 0;
	/* A directory has the set-group-id bit of its parent, also when it is made by who is not in the group. */
	int err = credentials_settle(worn, st.st_mode & S_ISGID);
	if (err)
		return err;
	return change_mode(pt, fd, wanted);
}

/* ---- Inodes that are not opened ---- */

/* What to make: one of mkdir, mknod, symlink. */
struct making {
	const struct fsb_create *how;
	const char *target; /* of a symlink */
};

static int make(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
		const struct making *making)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_CREATOR, &worn);
	if (err)
		return err;
	mode_t mode = mode_to_ask(dirfd, making->how);
	if (S_ISLNK(making->how->mode))
		err = symlinkat(making->target, dirfd, name);
	else if (S_ISDIR(making->how->mode))
		err = mkdirat(dirfd, name, mode & 07777);
	else
		err = mknodat(dirfd, name, mode, making->how->rdev);
	if (err < 0)
		return -errno;
	_cleanup_fd_ int fd = open_name(pt, dirfd, name);
	if (fd < 0)
		return fd;
	err = mode_settle(pt, dirfd, fd, making->how, &worn);
	return err ? err : fd_steal(&fd);
}

static int make_entry(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		      const struct making *making, struct fsb_entry *entry)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int dirfd = directory_to_change(&dir, parent, name);
	if (dirfd < 0)
		return dirfd;
	/* Where an inode takes a descriptor of its own, it is asked for before there is one. */
	int err = dir.inode->mount->handles ? 0 : budget_check(pt);
	if (err)
		return err;
	int fd = make(pt, ctx, dirfd, name, making);
	return fd < 0 ? fd : entry_of_fd(pt, fd, entry);
}

int passthrough_symlink(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
			const char *target, const struct fsb_create *how, struct fsb_entry *entry)
{
	struct fsb_create link = *how;

	link.mode = S_IFLNK | 0777;
	return make_entry(fs, ctx, parent, name, &(struct making){ &link, target }, entry);
}

int passthrough_mknod(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		      const struct fsb_create *how, struct fsb_entry *entry)
{
	if (S_ISDIR(how->mode) || S_ISLNK(how->mode))
		return -EINVAL; /* other calls make those */
	return make_entry(fs, ctx, parent, name, &(struct making){ how, NULL }, entry);
}

int passthrough_mkdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		      const struct fsb_create *how, struct fsb_entry *entry)
{
	struct fsb_create directory = *how;

	directory.mode = S_IFDIR | (how->mode & 07777);
	return make_entry(fs, ctx, parent, name, &(struct making){ &directory, NULL }, entry);
}

/* ---- Links ---- */

static int link_fd(struct passthrough *pt, const struct fsb_context *ctx, int fd, int dirfd, const char *name)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);
	if (err)
		return err;
	/* By the magic link, not by AT_EMPTY_PATH: that asks for a capability instead of protected_hardlinks. */
	return linkat(pt->proc_fd, fd_name(fd).text, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int passthrough_link(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t newparent,
		     const char *newname, struct fsb_entry *entry)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);
	if (fd < 0)
		return fd;
	int dirfd = directory_to_change(&dir, newparent, newname);
	if (dirfd < 0)
		return dirfd;
	/* Before the link is made, as an error behind it would be a lie. */
	_cleanup_fd_ int copy = copy_fd(pt, fd);
	if (copy < 0)
		return copy;
	int err = link_fd(pt, ctx, fd, dirfd, newname);
	if (err)
		return err;
	inode_settle(pt, inode.inode); /* it has a name (again) */
	return entry_of_fd(pt, fd_steal(&copy), entry);
}

/* ---- Files that are opened at once ---- */

static int open_existing(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
			 const struct fsb_create *how)
{
	/*
	 * The client took the name for free, and has judged the directory only: in client mode nobody has judged the file. With all groups
	 * that is done here; otherwise let the client look again at what is there now, and judge by itself.
	 */
	if (pt->config.permissions == FSB_PERMISSIONS_CLIENT && fsb_call_groups(ctx) != 0)
		return -ESTALE;
	_cleanup_worn_ struct worn worn = { 0 };
	unsigned int kill = how->kill_suidgid ? WEAR_KILL : 0;
	int err = credentials_wear(pt, ctx, WEAR_CALLER | kill, &worn);
	if (err)
		return err;
	_cleanup_fd_ int path = open_name(pt, dirfd, name);
	if (path < 0)
		return path;
	struct stat st;
	if (fstat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	return reopen(pt, path, st.st_mode, host_flags(pt, how->flags));
}

static int create_new(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
		      const struct fsb_create *how)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_CREATOR | WEAR_KEEP, &worn);
	if (err)
		return err;
	int flags = host_flags(pt, how->flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	_cleanup_fd_ int fd = fd_with_room(pt, openat(dirfd, name, flags, mode_to_ask(dirfd, how) & 07777));
	if (fd < 0)
		return fd;
	err = mode_settle(pt, dirfd, fd, how, &worn);
	return err ? err : fd_steal(&fd);
}

/*
 * Always exclusive at first, as O_CREAT on its own would open whatever is there, a FIFO or a device too. The client sends CREATE only
 * for names that it takes for free, so the second step is rare.
 */
static int create_or_open(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
			  const struct fsb_create *how)
{
	for (int attempts = 0; attempts < 8; attempts++) {
		int fd = create_new(pt, ctx, dirfd, name, how);
		if (fd != -EEXIST || how->flags & O_EXCL)
			return fd;
		fd = open_existing(pt, ctx, dirfd, name, how);
		if (fd != -ENOENT)
			return fd;
	}
	return -ESTALE; /* somebody makes and removes it all the time */
}

/* The entry and the handle of a file that is open on @fd, which is taken over. @unnamed: its descriptor is the only way to it. */
static int opened_entry(struct passthrough *pt, const struct fsb_context *ctx, int fd, int flags, bool unnamed, struct fsb_entry *entry,
			struct fsb_open *open)
{
	_cleanup_fd_ int own = fd;
	int err = entry_fill(pt, 0, fd, entry);
	if (err)
		return err;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	err = inode_lookup_opened(pt, fd, entry->attr.mode, unnamed, &inode.inode);
	if (err)
		return err;
	if (unnamed)
		inode_pin(pt, inode.inode, true);
	err = open_answer(pt, ctx, inode.inode, fd_steal(&own), flags, &entry->attr, open);
	if (err)
		inode_forget(pt, inode.inode->nodeid, 1);
	else
		entry->nodeid = inode.inode->nodeid;
	entry->attr_timeout_ns = backing_attr_timeout(pt, inode.inode);
	return err;
}

int passthrough_create(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		       const struct fsb_create *how, struct fsb_entry *entry, struct fsb_open *open)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int dirfd = directory_to_change(&dir, parent, name);
	if (dirfd < 0)
		return dirfd;
	int err = budget_check(pt);
	if (err)
		return err;
	int fd = create_or_open(pt, ctx, dirfd, name, how);
	return fd < 0 ? fd : opened_entry(pt, ctx, fd, how->flags, false, entry, open);
}

static int open_tmpfile(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const struct fsb_create *how)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_CREATOR, &worn);
	if (err)
		return err;
	int flags = (host_flags(pt, how->flags) & ~O_TRUNC) | O_TMPFILE | (how->flags & O_EXCL) | O_CLOEXEC;
	_cleanup_fd_ int fd = fd_with_room(pt, openat(dirfd, ".", flags, mode_to_ask(dirfd, how) & 07777));
	if (fd < 0)
		return fd;
	err = mode_settle(pt, dirfd, fd, how, &worn);
	return err ? err : fd_steal(&fd);
}

int passthrough_tmpfile(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
			const struct fsb_create *how, struct fsb_entry *entry, struct fsb_open *open)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int dirfd = inode_use_fd(&dir, parent);
	if (dirfd < 0)
		return dirfd;
	int err = check_writable(pt);
	if (err)
		return err;
	if (!S_ISDIR(dir.inode->type))
		return -ENOTDIR;
	err = budget_check(pt);
	if (err)
		return err;
	int fd = open_tmpfile(pt, ctx, dirfd, how);
	return fd < 0 ? fd : opened_entry(pt, ctx, fd, how->flags, true, entry, open);
}
