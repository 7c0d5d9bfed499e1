// SPDX-License-Identifier: BSD-3-Clause
/* What a user does, natively or served. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "acting.h"

/* The kernel's mark of an open for execve(2). */
#define OPEN_FOR_EXEC 0x20

const struct timespec times_now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
const struct timespec times_old[2] = { { .tv_sec = 500000000 }, { .tv_sec = 600000000 } };
const struct timespec times_now_and_omitted[2] = { { .tv_nsec = UTIME_NOW },
						   { .tv_nsec = UTIME_OMIT } };

int become_user(const struct user *user)
{
	if (syscall(SYS_setgroups, user->ngroups, user->groups) < 0 ||
	    syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0 ||
	    syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return -errno;
	return 0;
}

int actor_serve(struct actor *a, struct fsb_filesystem *fs, const struct user *user)
{
	*a = (struct actor){ .root = -1, .fs = fs, .privileged = user->uid == 0 };
	fsb_context_init(&a->ctx, user->uid, user->gid, 0);
	return fsb_context_set_groups(&a->ctx, user->ngroups, user->groups);
}

void actor_clear(struct actor *a)
{
	fsb_context_clear(&a->ctx);
}

/* ---- How both ways are put together ---- */

static int result(long returned)
{
	return returned < 0 ? -errno : 0;
}

static int close_opened(int fd)
{
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Look up every name but the last, as a kernel walks. Lookup counts are left to destroy. */
static int walk(struct actor *a, const char *path, uint64_t *parent, const char **last)
{
	const char *slash;

	*parent = FSB_ROOT_NODEID;
	while ((slash = strchr(path, '/'))) {
		char name[256];
		struct fsb_entry entry;
		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		int err = a->fs->ops->lookup(a->fs, &a->ctx, *parent, name, &entry);
		if (err)
			return err;
		*parent = entry.nodeid;
		path = slash + 1;
	}
	*last = path;
	return 0;
}

static int find(struct actor *a, const char *path, uint64_t *nodeid)
{
	struct fsb_entry entry;
	const char *last;
	int err = walk(a, path, nodeid, &last);

	if (err || strcmp(last, ".") == 0)
		return err;
	err = a->fs->ops->lookup(a->fs, &a->ctx, *nodeid, last, &entry);
	*nodeid = entry.nodeid;
	return err;
}

static struct fsb_create how(struct actor *a, mode_t mode, int flags)
{
	return (struct fsb_create){
		.mode = mode, .umask = a->umask, .flags = flags, .kill_suidgid = !a->privileged
	};
}

static int release(struct actor *a, uint64_t nodeid, uint64_t fh)
{
	return a->fs->ops->release(a->fs, &a->ctx, nodeid, fh, 0, false, 0);
}

static int open_path(struct actor *a, const char *path, int flags, uint64_t *nodeid, uint64_t *fh)
{
	struct fsb_open opened;
	int err = find(a, path, nodeid);

	if (!err)
		err = a->fs->ops->open(a->fs, &a->ctx, *nodeid, flags,
				       (flags & O_TRUNC) && !a->privileged, &opened);
	*fh = err ? 0 : opened.fh;
	return err;
}

static int set_attributes(struct actor *a, const char *path, const struct fsb_setattr *set)
{
	struct fsb_attr attr;
	uint64_t nodeid, timeout;
	int err = find(a, path, &nodeid);

	return err ? err : a->fs->ops->setattr(a->fs, &a->ctx, nodeid, NULL, set, &attr, &timeout);
}

/* Xattr calls take no directory before Linux 6.13; native processes stand in the tree. */
static const char *xattr_path(struct actor *a, const char *path)
{
	return fchdir(a->root) < 0 ? "" : path;
}

/* ---- Reading ---- */

int act_stat(struct actor *a, const char *path)
{
	struct stat st;
	uint64_t nodeid;

	return a->fs ? find(a, path, &nodeid)
		     : result(fstatat(a->root, path, &st, AT_SYMLINK_NOFOLLOW));
}

int act_access(struct actor *a, const char *path, int mask)
{
	uint64_t nodeid;

	if (!a->fs)
		return result(faccessat(a->root, path, mask, 0));
	int err = find(a, path, &nodeid);
	return err ? err : a->fs->ops->access(a->fs, &a->ctx, nodeid, mask);
}

int act_open(struct actor *a, const char *path, int flags)
{
	uint64_t nodeid, fh;

	if (!a->fs)
		return close_opened(openat(a->root, path, flags | O_CLOEXEC));
	int err = open_path(a, path, flags, &nodeid, &fh);
	return err ? err : release(a, nodeid, fh);
}

/* What is no program fails with ENOEXEC once it was opened. */
static int exec_natively(struct actor *a, const char *path)
{
	char *const none[] = { NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execveat, a->root, path, none, none, 0);
		_exit(errno == ENOEXEC ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int read_opened(struct actor *a, uint64_t nodeid, uint64_t fh)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	struct fsb_transfer to;

	fsb_transfer_init(&to, &iov, 1, 1);
	ssize_t n = a->fs->ops->read(a->fs, &a->ctx, nodeid, fh, 0, 1, O_RDONLY, 0, &to);
	return n < 0 ? (int)n : 0;
}

int act_exec(struct actor *a, const char *path)
{
	uint64_t nodeid, fh;

	if (!a->fs)
		return exec_natively(a, path);
	int err = open_path(a, path, O_RDONLY | OPEN_FOR_EXEC, &nodeid, &fh);
	if (err)
		return err;
	err = read_opened(a, nodeid, fh);
	(void)release(a, nodeid, fh);
	return err;
}

static bool always_fits(struct fsb_dirlist *list, size_t namelen)
{
	(void)list, (void)namelen;
	return true;
}

static int take_name(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
		     const struct fsb_entry *entry)
{
	(void)list, (void)dirent, (void)entry;
	return 0;
}

static int list_served(struct actor *a, const char *path)
{
	struct fsb_dirlist list = { always_fits, take_name };
	struct fsb_open opened;
	uint64_t nodeid;
	int err = find(a, path, &nodeid);

	if (!err)
		err = a->fs->ops->opendir(a->fs, &a->ctx, nodeid, O_RDONLY, &opened);
	if (err)
		return err;
	err = a->fs->ops->readdirplus(a->fs, &a->ctx, nodeid, opened.fh, 0, &list);
	(void)a->fs->ops->releasedir(a->fs, &a->ctx, nodeid, opened.fh, 0);
	return err;
}

int act_list(struct actor *a, const char *path)
{
	char buffer[4096];

	if (a->fs)
		return list_served(a, path);
	int fd = openat(a->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = result(syscall(SYS_getdents64, fd, buffer, sizeof(buffer)));
	close(fd);
	return err;
}

int act_readlink(struct actor *a, const char *path)
{
	char target[4096];
	uint64_t nodeid;

	if (!a->fs)
		return result(readlinkat(a->root, path, target, sizeof(target)));
	int err = find(a, path, &nodeid);
	if (err)
		return err;
	ssize_t length = a->fs->ops->readlink(a->fs, &a->ctx, nodeid, target, sizeof(target));
	return length < 0 ? (int)length : 0;
}

/* ---- Making ---- */

int act_create(struct actor *a, const char *path, int flags, mode_t mode)
{
	struct fsb_create create = how(a, S_IFREG | mode, flags);
	struct fsb_entry entry;
	struct fsb_open opened;
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return close_opened(openat(a->root, path, flags | O_CREAT | O_CLOEXEC, mode));
	int err = walk(a, path, &parent, &last);
	if (!err)
		err = a->fs->ops->create(a->fs, &a->ctx, parent, last, &create, &entry, &opened);
	return err ? err : release(a, entry.nodeid, opened.fh);
}

int act_tmpfile(struct actor *a, const char *path, mode_t mode)
{
	struct fsb_create create = how(a, S_IFREG | mode, O_RDWR);
	struct fsb_entry entry;
	struct fsb_open opened;
	uint64_t nodeid;

	if (!a->fs)
		return close_opened(openat(a->root, path, O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
	int err = find(a, path, &nodeid);
	if (!err)
		err = a->fs->ops->tmpfile(a->fs, &a->ctx, nodeid, &create, &entry, &opened);
	return err ? err : release(a, entry.nodeid, opened.fh);
}

int act_mkdir(struct actor *a, const char *path, mode_t mode)
{
	struct fsb_create create = how(a, mode, 0);
	struct fsb_entry entry;
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return result(mkdirat(a->root, path, mode));
	int err = walk(a, path, &parent, &last);
	return err ? err : a->fs->ops->mkdir(a->fs, &a->ctx, parent, last, &create, &entry);
}

int act_mknod(struct actor *a, const char *path, mode_t mode, dev_t dev)
{
	struct fsb_create create = how(a, mode, 0);
	struct fsb_entry entry;
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return result(mknodat(a->root, path, mode, dev));
	create.rdev = dev;
	int err = walk(a, path, &parent, &last);
	return err ? err : a->fs->ops->mknod(a->fs, &a->ctx, parent, last, &create, &entry);
}

int act_symlink(struct actor *a, const char *target, const char *path)
{
	struct fsb_create create = how(a, S_IFLNK | 0777, 0);
	struct fsb_entry entry;
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return result(symlinkat(target, a->root, path));
	int err = walk(a, path, &parent, &last);
	return err ? err
		   : a->fs->ops->symlink(a->fs, &a->ctx, parent, last, target, &create, &entry);
}

int act_link(struct actor *a, const char *path, const char *to)
{
	struct fsb_entry entry;
	uint64_t nodeid, parent;
	const char *last;

	if (!a->fs)
		return result(linkat(a->root, path, a->root, to, 0));
	int err = find(a, path, &nodeid);
	if (!err)
		err = walk(a, to, &parent, &last);
	return err ? err : a->fs->ops->link(a->fs, &a->ctx, nodeid, parent, last, &entry);
}

/* ---- Taking names away ---- */

int act_unlink(struct actor *a, const char *path)
{
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return result(unlinkat(a->root, path, 0));
	int err = walk(a, path, &parent, &last);
	return err ? err : a->fs->ops->unlink(a->fs, &a->ctx, parent, last);
}

int act_rmdir(struct actor *a, const char *path)
{
	uint64_t parent;
	const char *last;

	if (!a->fs)
		return result(unlinkat(a->root, path, AT_REMOVEDIR));
	int err = walk(a, path, &parent, &last);
	return err ? err : a->fs->ops->rmdir(a->fs, &a->ctx, parent, last);
}

int act_rename(struct actor *a, const char *path, const char *to, unsigned int flags)
{
	uint64_t parent, newparent;
	const char *last, *newlast;

	if (!a->fs)
		return result(renameat2(a->root, path, a->root, to, flags));
	int err = walk(a, path, &parent, &last);
	if (!err)
		err = walk(a, to, &newparent, &newlast);
	return err ? err
		   : a->fs->ops->rename(a->fs, &a->ctx, parent, last, newparent, newlast, flags);
}

/* ---- Changing ---- */

static int write_opened(struct actor *a, uint64_t nodeid, uint64_t fh)
{
	struct iovec iov = { (void *)"w", 1 };
	struct fsb_transfer from;

	fsb_transfer_init(&from, &iov, 1, 1);
	ssize_t n = a->fs->ops->write(a->fs, &a->ctx, nodeid, fh, 0, 1, O_WRONLY,
				      a->privileged ? 0 : FSB_WRITE_KILL_SUIDGID, 0, &from);
	(void)release(a, nodeid, fh);
	return n < 0 ? (int)n : 0;
}

int act_write(struct actor *a, const char *path)
{
	uint64_t nodeid, fh;

	if (a->fs) {
		int err = open_path(a, path, O_WRONLY, &nodeid, &fh);
		return err ? err : write_opened(a, nodeid, fh);
	}
	int fd = openat(a->root, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = result(pwrite(fd, "w", 1, 0));
	close(fd);
	return err;
}

static uint32_t size_flags(const struct actor *a)
{
	return FSB_SET_SIZE | (a->privileged ? 0 : FSB_SET_KILL_SUIDGID);
}

int act_truncate(struct actor *a, const char *path, off_t size)
{
	struct fsb_setattr set = { .valid = size_flags(a), .size = (uint64_t)size };

	if (a->fs)
		return set_attributes(a, path, &set);
	return result(truncate(xattr_path(a, path), size));
}

int act_ftruncate(struct actor *a, const char *path, off_t size)
{
	struct fsb_setattr set = { .valid = size_flags(a), .size = (uint64_t)size };
	struct fsb_attr attr;
	uint64_t nodeid, fh, timeout;

	if (a->fs) {
		int err = open_path(a, path, O_WRONLY, &nodeid, &fh);
		if (err)
			return err;
		err = a->fs->ops->setattr(a->fs, &a->ctx, nodeid, &fh, &set, &attr, &timeout);
		(void)release(a, nodeid, fh);
		return err;
	}
	int fd = openat(a->root, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = result(ftruncate(fd, size));
	close(fd);
	return err;
}

int act_chmod(struct actor *a, const char *path, mode_t mode)
{
	struct fsb_setattr set = { .valid = FSB_SET_MODE, .mode = mode };

	return a->fs ? set_attributes(a, path, &set) : result(fchmodat(a->root, path, mode, 0));
}

int act_chown(struct actor *a, const char *path, uid_t uid, gid_t gid)
{
	/* The kernel asks for this at every chown of what is no directory, whoever does it. */
	struct fsb_setattr set = { .valid = FSB_SET_KILL_SUIDGID, .uid = uid, .gid = gid };

	if (!a->fs)
		return result(fchownat(a->root, path, uid, gid, AT_SYMLINK_NOFOLLOW));
	set.valid |= (uid != (uid_t)-1 ? FSB_SET_UID : 0) | (gid != (gid_t)-1 ? FSB_SET_GID : 0);
	return set_attributes(a, path, &set);
}

static uint32_t time_flags(struct timespec time, uint32_t set, uint32_t now)
{
	if (time.tv_nsec == UTIME_OMIT)
		return 0;
	return time.tv_nsec == UTIME_NOW ? set | now : set;
}

int act_utimes(struct actor *a, const char *path, const struct timespec times[2])
{
	struct fsb_setattr set = {
		.valid = time_flags(times[0], FSB_SET_ATIME, FSB_SET_ATIME_NOW) |
			 time_flags(times[1], FSB_SET_MTIME, FSB_SET_MTIME_NOW),
		.atime = { times[0].tv_sec, (uint32_t)times[0].tv_nsec },
		.mtime = { times[1].tv_sec, (uint32_t)times[1].tv_nsec },
	};

	return a->fs ? set_attributes(a, path, &set)
		     : result(utimensat(a->root, path, times, AT_SYMLINK_NOFOLLOW));
}

int act_setxattr(struct actor *a, const char *path, const char *name, const void *value,
		 size_t size)
{
	uint64_t nodeid;

	if (!a->fs)
		return result(lsetxattr(xattr_path(a, path), name, value, size, 0));
	int err = find(a, path, &nodeid);
	return err ? err
		   : a->fs->ops->setxattr(a->fs, &a->ctx, nodeid, name, value, size, 0, false);
}

int act_getxattr(struct actor *a, const char *path, const char *name)
{
	char value[4096];
	uint64_t nodeid;

	if (!a->fs)
		return result(lgetxattr(xattr_path(a, path), name, value, sizeof(value)));
	int err = find(a, path, &nodeid);
	if (err)
		return err;
	ssize_t size = a->fs->ops->getxattr(a->fs, &a->ctx, nodeid, name, value, sizeof(value));
	return size < 0 ? (int)size : 0;
}

int act_removexattr(struct actor *a, const char *path, const char *name)
{
	uint64_t nodeid;

	if (!a->fs)
		return result(lremovexattr(xattr_path(a, path), name));
	int err = find(a, path, &nodeid);
	return err ? err : a->fs->ops->removexattr(a->fs, &a->ctx, nodeid, name);
}
