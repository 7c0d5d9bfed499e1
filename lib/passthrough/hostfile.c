// SPDX-License-Identifier: BSD-3-Clause
/* Opening files of the host: names, what O_PATH descriptors stand for, and what a request works on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "passthrough.h"

struct fd_name fd_name(int fd)
{
	struct fd_name name;
	char *at = &name.text[sizeof(name.text) - 1];
	unsigned int rest = (unsigned int)fd;

	*at = '\0';
	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	memmove(name.text, at, (size_t)(&name.text[sizeof(name.text)] - at));
	return name;
}

static int open_healing(struct passthrough *pt, int dirfd, const char *name, int flags)
{
	return fd_with_room(pt, openat(dirfd, name, flags));
}

int directory_to_change(struct inode_use *dir, uint64_t nodeid, const char *name)
{
	int dirfd = inode_use_fd(dir, nodeid);
	if (dirfd < 0)
		return dirfd;
	int err = check_name(name);
	if (!err)
		err = check_writable(dir->pt);
	return err ? err : dirfd;
}

int reopen(struct passthrough *pt, int fd, mode_t type, int flags)
{
	if (S_ISLNK(type))
		return -ELOOP;
	if (!S_ISREG(type) && !S_ISDIR(type))
		return -ENXIO;
	/*
	 * O_NOFOLLOW would refuse the magic link. O_NONBLOCK: whoever holds a lease on the file must not stall a thread; regular
	 * files and directories do not look at it otherwise.
	 */
	flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW);
	return open_healing(pt, pt->proc_fd, fd_name(fd).text, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Asked so that the mount need not answer: what is asked for is nothing, and the device number comes all the same. */
static bool is_avoided(struct passthrough *pt, int fd)
{
	struct statx stx;

	return pt->avoided && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &stx) == 0 &&
	       makedev(stx.stx_dev_major, stx.stx_dev_minor) == pt->avoided;
}

int open_name(struct passthrough *pt, int dirfd, const char *name)
{
	int fd = open_healing(pt, dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !is_avoided(pt, fd))
		return fd;
	close(fd);
	return -ELOOP;
}

/* Linux 6.6; the same number on every architecture of today. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* A filter of system calls may answer in the kernel's place, with any errno, but not with EBADF. */
static bool have_fchmodat2(void)
{
	enum { UNKNOWN, YES, NO };
	static atomic_int known = UNKNOWN;
	int have = atomic_load_explicit(&known, memory_order_relaxed);

	if (have == UNKNOWN) {
		have = syscall(SYS_fchmodat2, -1, "", 0, AT_EMPTY_PATH) < 0 && errno == EBADF ? YES : NO;
		atomic_store_explicit(&known, have, memory_order_relaxed);
	}
	return have == YES;
}

int change_mode(struct passthrough *pt, int fd, mode_t mode)
{
	long result = have_fchmodat2() ? syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) :
					 fchmodat(pt->proc_fd, fd_name(fd).text, mode, 0);

	return result < 0 ? -errno : 0;
}

int file_use_begin(struct passthrough *pt, uint64_t nodeid, uint64_t fh, int flags, struct file_use *use)
{
	*use = (struct file_use){ .pt = pt, .opened = -1 };
	if (fh != 0 || !pt->no_open) {
		int err = handle_get(pt, fh, HANDLE_FILE, &use->handle);
		if (!err)
			use->fd = use->handle->fd;
		return err;
	}
	struct inode_use inode = { pt, NULL };
	use->fd = use->opened = open_as_server(pt, &inode, nodeid, flags);
	use->inode = inode.inode;
	return use->fd < 0 ? use->fd : 0;
}

int file_use_written(struct file_use *use)
{
	int fd = use->opened;

	use->opened = -1;
	return fd >= 0 && close(fd) < 0 ? -errno : 0;
}

void file_use_end(struct file_use *use)
{
	if (use->opened >= 0)
		close(use->opened);
	if (use->handle)
		handle_put(use->pt, use->handle);
	if (use->inode)
		inode_put(use->pt, use->inode);
}
