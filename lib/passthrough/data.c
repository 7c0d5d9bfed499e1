// SPDX-License-Identifier: BSD-3-Clause
/* Opening files, reading and writing them, and making the bytes last. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "passthrough.h"

/* The kernel's mark of an open for execve(2), which it leaves in the flags that it sends. */
#define OPEN_FOR_EXEC 0x20

/* ---- Opening ---- */

int host_flags(const struct passthrough *pt, int flags)
{
	int kept = flags & (O_ACCMODE | O_APPEND | O_TRUNC | O_DSYNC | O_SYNC | O_NOATIME);

	if (pt->config.direct_io)
		kept |= flags & O_DIRECT;
	if (pt->writeback) {
		/* The client reads what it fills up pages with, and decides where the end is. */
		kept &= ~O_APPEND;
		if ((kept & O_ACCMODE) == O_WRONLY)
			kept = (kept & ~O_ACCMODE) | O_RDWR;
	}
	return kept;
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* execve(2) asks for the permission to execute, not to read. */
static int open_for_exec(struct passthrough *pt, const struct fsb_context *ctx, int path, mode_t type)
{
	{
		_cleanup_worn_ struct worn judged = { 0 };
		int err = credentials_wear(pt, ctx, WEAR_JUDGED, &judged);
		if (err)
			return err;
		if (syscall(SYS_faccessat2, path, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0)
			return -errno;
	}
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_SERVER, &worn);

	return err ? err : reopen(pt, path, type, O_RDONLY);
}

/*
 * The handle is the shorter way (by a fifth), for who has power over files: for the server, in client mode. It may lead by another name of the
 * file, in whose directory those who watch would hear of it. Where it leads nowhere the other way says why.
 */
static bool opens_by_handle(const struct passthrough *pt, const struct inode *inode)
{
	return pt->config.permissions == FSB_PERMISSIONS_CLIENT && inode->mount->handles && !inode->mount->foreign &&
	       S_ISREG(inode->type) && !atomic_load_explicit(&inode->linked, memory_order_relaxed);
}

static int open_again(struct passthrough *pt, const struct inode *inode, int path, int flags)
{
	if (opens_by_handle(pt, inode)) {
		int fd = inode_open_handle(pt, inode, flags | O_NONBLOCK | O_NOCTTY);
		/* A full table has been waited for once. */
		if (fd >= 0 || fd == -ENFILE)
			return fd;
	}
	return reopen(pt, path, inode->type, flags);
}

static int open_judged(struct passthrough *pt, const struct fsb_context *ctx, int path, const struct inode *inode, int flags,
		       bool kill_suidgid)
{
	unsigned int how = WEAR_JUDGED | (inode->mount->foreign ? 0 : WEAR_KEEP);
	mode_t type = inode->type;

	if ((flags & OPEN_FOR_EXEC) && (flags & O_ACCMODE) == O_RDONLY)
		return open_for_exec(pt, ctx, path, type);
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, how | (kill_suidgid ? credentials_kill(ctx, path) : 0), &worn);
	if (err)
		return err;
	int wanted = host_flags(pt, flags);
	int fd = open_again(pt, inode, path, wanted);
	/* The append-only flag of a file wants O_APPEND, which the client's writeback does without. */
	if (fd == -EPERM && (flags & O_APPEND) && !(wanted & O_APPEND))
		fd = reopen(pt, path, type, wanted | O_APPEND);
	/* Promoted for writeback: what may be written need not be readable. */
	if (fd == -EACCES && (wanted & O_ACCMODE) != (flags & O_ACCMODE))
		fd = reopen(pt, path, type, (wanted & ~O_ACCMODE) | (flags & O_ACCMODE));
	return fd;
}

static uint32_t open_answer_flags(const struct passthrough *pt, struct inode *inode, int flags, const struct fsb_attr *attr)
{
	const uint32_t direct = FSB_OPEN_DIRECT_IO | FSB_OPEN_PARALLEL_DIRECT_WRITES;
	bool unchanged = opened_unchanged(inode->opened, inode->mount->foreign, attr);
	uint32_t answer = 0;

	switch (pt->config.cache) {
	case FSB_CACHE_NONE:
		answer = direct;
		break;
	case FSB_CACHE_AUTO:
		/* Under writeback the client keeps the size, and so the order of writes that change it. */
		if ((flags & O_DIRECT) && !pt->writeback)
			answer = direct;
		else if (unchanged)
			answer = FSB_OPEN_KEEP_CACHE;
		break;
	case FSB_CACHE_ALWAYS:
		answer = FSB_OPEN_KEEP_CACHE;
		break;
	}
	/* A flush drops locks that are ours, and hears of writes that failed late. There is nothing else for it to do. */
	if (pt->config.locks == FSB_LOCKS_LOCAL && !((flags & O_ACCMODE) != O_RDONLY && inode->mount->foreign))
		answer |= FSB_OPEN_NOFLUSH;
	return answer;
}

int open_answer(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode, int fd, int flags, const struct fsb_attr *attr,
		struct fsb_open *open)
{
	_cleanup_fd_ int own = fd;
	struct fsb_attr asked;
	int err = attr ? 0 : attributes_of_fd(pt, fd, &asked);
	if (err)
		return err;
	if (!opened_get(inode))
		return -ENOMEM;
	if (!attr)
		attr = &asked;
	*open = (struct fsb_open){ .flags = open_answer_flags(pt, inode, flags, attr) };
	/* Appended to under writeback: not by pages of the cache, which begin before what is new. */
	if (pt->writeback && (flags & O_APPEND) && (fcntl(fd, F_GETFL) & O_APPEND))
		open->flags |= FSB_OPEN_DIRECT_IO;
	/* Files that are made would be the only open ones, and a client that opens none releases none. */
	if (pt->no_open)
		return 0;
	err = backing_begin(pt, ctx, inode, attr, fd, flags, open);
	if (!err)
		err = handle_new(pt, inode, fd_steal(&own), flags, HANDLE_FILE, &open->fh);
	if (!err)
		atomic_store_explicit(&inode->opened->fh, open->fh, memory_order_relaxed);
	return err;
}

int passthrough_open(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int flags,
		     bool kill_suidgid, struct fsb_open *open)
{
	struct passthrough *pt = passthrough_of(fs);
	if (pt->no_open)
		return -ENOSYS;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int path = inode_use_fd(&inode, nodeid);
	if (path < 0)
		return path;
	int err = writes(flags) ? check_writable(pt) : 0;
	if (err)
		return err;
	if (S_ISDIR(inode.inode->type))
		return -EISDIR;
	err = budget_check(pt);
	if (err)
		return err;
	int fd = open_judged(pt, ctx, path, inode.inode, flags, kill_suidgid);
	return fd < 0 ? fd : open_answer(pt, ctx, inode.inode, fd, flags, NULL, open);
}

/* ---- Bytes ---- */

/* fcntl(F_SETFL) of the client: with O_APPEND on the host's descriptor a write would go to the end whatever its offset says. */
static void follow_flags(struct passthrough *pt, struct handle *handle, int flags)
{
	const int changeable = O_APPEND | O_DIRECT;

	if (!handle || ((flags ^ atomic_load_explicit(&handle->flags, memory_order_relaxed)) & changeable) == 0)
		return;
	int host = fcntl(handle->fd, F_GETFL);
	if (host < 0 || fcntl(handle->fd, F_SETFL, (host & ~changeable) | (host_flags(pt, flags) & changeable)) < 0)
		return;
	int now = (atomic_load(&handle->flags) & ~changeable) | (flags & changeable);
	atomic_store_explicit(&handle->flags, now, memory_order_relaxed);
	if (pt->state)
		state_flag_handle(pt, handle, now);
}

ssize_t passthrough_read(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			 uint64_t offset, size_t size, int flags, uint64_t lock_owner, struct fsb_transfer *to)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_file_ struct file_use file;
	int err = file_use_begin(pt, nodeid, fh, O_RDONLY, &file);

	(void)ctx, (void)lock_owner; /* judged by the open */
	if (err)
		return err;
	follow_flags(pt, file.handle, flags);
	return fsb_transfer_from_fd(to, file.fd, offset, size);
}

/* Judged by the open; what is worn only decides whether the host clears set-id bits, for which it looks at the caller's groups as well. */
static unsigned int wear_to_write(const struct passthrough *pt, const struct fsb_context *ctx, int fd, uint32_t write_flags)
{
	if (!(write_flags & FSB_WRITE_KILL_SUIDGID))
		return WEAR_SERVER;
	/* Pages from the client's cache come from whoever. */
	if (write_flags & FSB_WRITE_CACHE)
		return WEAR_SERVER | WEAR_KILL;
	unsigned int kill = credentials_kill(ctx, fd);
	/* In server mode the caller is worn already, as a rule. */
	bool caller = pt->config.permissions == FSB_PERMISSIONS_SERVER && fsb_context_groups_known(ctx);
	return (caller ? WEAR_JUDGED : WEAR_SERVER) | kill;
}

ssize_t passthrough_write(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			  uint64_t offset, size_t size, int flags, uint32_t write_flags, uint64_t lock_owner,
			  struct fsb_transfer *from)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_file_ struct file_use file;
	int err = file_use_begin(pt, nodeid, fh, O_WRONLY | (host_flags(pt, flags) & O_APPEND), &file);

	(void)lock_owner;
	if (!err)
		err = check_writable(pt);
	if (err)
		return err;
	follow_flags(pt, file.handle, flags);
	_cleanup_worn_ struct worn worn = { 0 };
	err = credentials_wear(pt, ctx, wear_to_write(pt, ctx, file.fd, write_flags), &worn);
	if (err)
		return err;
	ssize_t written = fsb_transfer_to_fd(from, file.fd, offset, size);
	err = file_use_written(&file);
	return err ? err : written;
}

/* ---- Ends ---- */

int passthrough_flush(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
		      uint64_t lock_owner)
{
	struct passthrough *pt = passthrough_of(fs);
	/* Each write ended with a close(2) of its own, so there is nothing left to hear of, and the client need not ask again. */
	if (fh == 0 && pt->no_open)
		return -ENOSYS;
	_cleanup_file_ struct file_use file;
	int err = file_use_begin(pt, nodeid, fh, O_RDONLY, &file);

	(void)ctx;
	if (err)
		return err;
	if (pt->config.locks == FSB_LOCKS_HOST && file.handle)
		locks_drop_owner(pt, file.handle->inode, lock_owner);
	/* Some file systems tell of lost writes at close(2): close a copy to hear it. */
	int copy = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return errno == EMFILE ? 0 : -errno;
	return close(copy) < 0 ? -errno : 0;
}

int passthrough_release(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			int flags, bool unlock_flock, uint64_t lock_owner)
{
	struct passthrough *pt = passthrough_of(fs);

	(void)ctx, (void)nodeid, (void)flags, (void)unlock_flock, (void)lock_owner;
	if (fh == 0 && pt->no_open)
		return 0; /* the client did not know yet that nothing is open */
	if (pt->config.locks == FSB_LOCKS_HOST) {
		_cleanup_handle_ struct handle_use use = { pt, NULL };
		if (handle_get(pt, fh, HANDLE_FILE, &use.handle) == 0)
			locks_drop_handle(pt, use.handle);
	}
	return handle_close(pt, fh, HANDLE_FILE);
}

static int sync_fd(int fd, bool datasync)
{
	return (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? -errno : 0;
}

int passthrough_fsync(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
		      bool datasync)
{
	_cleanup_file_ struct file_use file;
	int err = file_use_begin(passthrough_of(fs), nodeid, fh, O_RDONLY, &file);

	(void)ctx;
	return err ? err : sync_fd(file.fd, datasync);
}

int open_as_server(struct passthrough *pt, struct inode_use *inode, uint64_t nodeid, int flags)
{
	int path = inode_use_fd(inode, nodeid);
	if (path < 0)
		return path;
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
	return err ? err : reopen(pt, path, inode->inode->type, flags);
}

int passthrough_syncfs(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	_cleanup_fd_ int fd = open_as_server(pt, &inode, nodeid, O_RDONLY);

	(void)ctx;
	if (fd < 0)
		return fd;
	return syncfs(fd) < 0 ? -errno : 0;
}

int passthrough_poll(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh, uint64_t kh,
		     bool notify, uint32_t events, uint32_t *revents)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_handle_ struct handle_use use = { pt, NULL };

	(void)ctx, (void)nodeid, (void)kh, (void)notify; /* files and directories are always ready: nothing will change */
	if (fh == 0 && (pt->no_open || pt->no_opendir)) {
		*revents = events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
		return 0;
	}
	int err = handle_get_any(pt, fh, &use.handle);
	if (err)
		return err;
	struct pollfd poll_fd = { .fd = use.handle->fd, .events = (short)events };
	if (poll(&poll_fd, 1, 0) < 0)
		return -errno;
	*revents = (uint32_t)(unsigned short)poll_fd.revents;
	return 0;
}

/* ---- Shared memory windows ---- */

int passthrough_setupmapping(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			     const struct fsb_mapping *mapping, struct fsb_window *window)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };

	(void)ctx, (void)fh; /* the client maps by inode, and has judged by its opens */
	int err = mapping->write ? check_writable(pt) : 0;
	if (err)
		return err;
	/* A mapping that is written has to be readable as well (mmap(2)). */
	_cleanup_fd_ int fd = open_as_server(pt, &inode, nodeid, mapping->write ? O_RDWR : O_RDONLY);
	return fd < 0 ? fd : window->map(window, fd, mapping);
}

int passthrough_removemapping(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t window_offset,
			      uint64_t length, struct fsb_window *window)
{
	(void)fs, (void)ctx;
	return window->unmap(window, window_offset, length);
}
