// SPDX-License-Identifier: BSD-3-Clause
/* Attributes: reading and setting them, access, the target of a symlink, and what the file system as a whole has. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "passthrough.h"

/*
 * Two devices below the source may number their inodes alike (another mount, a btrfs subvolume), while the client sees one device. Made
 * different by how the devices differ, in the upper half: exact as long as inode numbers have 32 bits. Numbers of the root's device
 * stay as they are.
 */
uint64_t ino_difference(const struct passthrough *pt, uint64_t dev)
{
	uint64_t differ = dev ^ pt->root_dev;
	uint64_t folded = (uint64_t)major(differ) << 20 ^ minor(differ);

	return folded << 32;
}

static struct fsb_time from_statx_time(struct statx_timestamp time)
{
	return (struct fsb_time){ .sec = time.tv_sec, .nsec = time.tv_nsec };
}

static uint64_t client_ino(const struct passthrough *pt, const struct statx *stx)
{
	return stx->stx_ino ^ ino_difference(pt, makedev(stx->stx_dev_major, stx->stx_dev_minor));
}

static bool is_submount(const struct passthrough *pt, const struct statx *stx)
{
	return (stx->stx_attributes & STATX_ATTR_MOUNT_ROOT) && S_ISDIR(stx->stx_mode) &&
	       !(stx->stx_ino == pt->root_ino &&
		 makedev(stx->stx_dev_major, stx->stx_dev_minor) == pt->root_dev);
}

static void from_statx(const struct passthrough *pt, const struct statx *stx, struct fsb_attr *attr)
{
	*attr = (struct fsb_attr){
		.ino = client_ino(pt, stx),
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = from_statx_time(stx->stx_atime),
		.mtime = from_statx_time(stx->stx_mtime),
		.ctime = from_statx_time(stx->stx_ctime),
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = idmap_to_client(&pt->uids, stx->stx_uid),
		.gid = idmap_to_client(&pt->gids, stx->stx_gid),
		.rdev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.blksize = stx->stx_blksize,
		.flags = pt->submounts && is_submount(pt, stx) ? FSB_ATTR_SUBMOUNT : 0,
	};
}

int attributes_of_fd(struct passthrough *pt, int fd, struct fsb_attr *attr)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	from_statx(pt, &stx, attr);
	return 0;
}

/* ---- Reading ---- */

static struct inode *named_inode(const struct handle_use *handle, const struct inode_use *inode)
{
	return handle->handle ? handle->handle->inode : inode->inode;
}

/* What a request names: an open handle's descriptor, or the inode's. Borrowed until the uses end. */
static int named_fd(struct passthrough *pt, uint64_t nodeid, const uint64_t *fh, struct handle_use *handle,
		    struct inode_use *inode)
{
	if (!fh || (*fh == 0 && (pt->no_open || pt->no_opendir)))
		return inode_use_fd(inode, nodeid);
	int err = handle_get_any(pt, *fh, &handle->handle);
	return err ? err : handle->handle->fd;
}

int passthrough_getattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh,
			struct fsb_attr *attr, uint64_t *timeout_ns)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_handle_ struct handle_use handle = { pt, NULL };
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = named_fd(pt, nodeid, fh, &handle, &inode);

	(void)ctx; /* stat(2) asks no permission of the file itself */
	if (fd < 0)
		return fd;
	*timeout_ns = backing_attr_timeout(pt, named_inode(&handle, &inode));
	return attributes_of_fd(pt, fd, attr);
}

int passthrough_statx(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh,
		      uint32_t flags, uint32_t mask, struct statx *stx, uint64_t *timeout_ns)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_handle_ struct handle_use handle = { pt, NULL };
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = named_fd(pt, nodeid, fh, &handle, &inode);

	(void)ctx;
	if (fd < 0)
		return fd;
	int sync = (int)(flags & AT_STATX_SYNC_TYPE);
	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | sync, mask & ~(uint32_t)STATX__RESERVED, stx) < 0)
		return -errno;
	stx->stx_ino = client_ino(pt, stx);
	stx->stx_uid = idmap_to_client(&pt->uids, stx->stx_uid);
	stx->stx_gid = idmap_to_client(&pt->gids, stx->stx_gid);
	*timeout_ns = backing_attr_timeout(pt, named_inode(&handle, &inode));
	return 0;
}

ssize_t passthrough_readlink(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, char *target,
			     size_t size)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);

	(void)ctx;
	if (fd < 0)
		return fd;
	ssize_t length = readlinkat(fd, "", target, size);
	if (length >= 0)
		return length;
	/* An empty path on what is no symlink says ENOENT; readlink(2) by name says EINVAL. */
	return errno == ENOENT && !S_ISLNK(inode.inode->type) ? -EINVAL : -errno;
}

int passthrough_access(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int mask)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);

	if (fd < 0)
		return fd;
	if (mask & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if ((mask & W_OK) && (S_ISREG(inode.inode->type) || S_ISDIR(inode.inode->type))) {
		int err = check_writable(pt);
		if (err)
			return err;
	}
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);
	if (err)
		return err;
	/* The raw call: libc's would judge by the real ids, or by the mode bits alone. */
	return syscall(SYS_faccessat2, fd, "", mask, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int passthrough_statfs(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		       struct fsb_statfs *statfs)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);
	struct statfs host;

	(void)ctx;
	if (fd < 0)
		return fd;
	if (fstatfs(fd, &host) < 0)
		return -errno;
	*statfs = (struct fsb_statfs){
		.blocks = host.f_blocks,
		.bfree = host.f_bfree,
		.bavail = host.f_bavail,
		.files = host.f_files,
		.ffree = host.f_ffree,
		.bsize = (uint32_t)host.f_bsize,
		.frsize = (uint32_t)(host.f_frsize ? host.f_frsize : host.f_bsize),
		.namelen = host.f_namelen < 255 ? (uint32_t)host.f_namelen : 255,
	};
	return 0;
}

/* ---- Setting ---- */

/* What setattr acts on: @path is always there, for what has no call by descriptor; @fd only with a handle. */
struct target {
	struct inode *inode;
	int path;
	int fd;
	mode_t type;
};

static int set_owner(struct passthrough *pt, const struct target *target, const struct fsb_setattr *set)
{
	uint32_t uid = (uid_t)-1, gid = (gid_t)-1;
	int err = 0;

	if (set->valid & FSB_SET_UID)
		err = idmap_to_host(&pt->uids, set->uid, &uid);
	if (!err && (set->valid & FSB_SET_GID))
		err = idmap_to_host(&pt->gids, set->gid, &gid);
	if (err)
		return err;
	return fchownat(target->path, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_mode(struct passthrough *pt, const struct target *target, const struct fsb_setattr *set)
{
	if (S_ISLNK(target->type))
		return -EOPNOTSUPP;
	return change_mode(pt, target->path, set->mode & 07777);
}

static int set_size(struct passthrough *pt, const struct target *target, const struct fsb_setattr *set)
{
	if (set->size > INT64_MAX)
		return -EFBIG;
	/* By handle: was judged by the open. */
	if (target->fd >= 0)
		return ftruncate(target->fd, (off_t)set->size) < 0 ? -errno : 0;
	if (!S_ISREG(target->type))
		return S_ISDIR(target->type) ? -EISDIR : -EINVAL;
	/* No call truncates what an O_PATH descriptor stands for. Opening for writing is judged as truncate(2) is. */
	_cleanup_fd_ int fd = reopen(pt, target->path, target->type, O_WRONLY);
	if (fd < 0)
		return fd;
	return ftruncate(fd, (off_t)set->size) < 0 ? -errno : 0;
}

static struct timespec wanted_time(uint32_t valid, uint32_t set, uint32_t now, struct fsb_time time)
{
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return (struct timespec){ .tv_sec = time.sec, .tv_nsec = time.nsec };
}

static int set_times(const struct target *target, const struct fsb_setattr *set)
{
	struct timespec times[2] = {
		wanted_time(set->valid, FSB_SET_ATIME, FSB_SET_ATIME_NOW, set->atime),
		wanted_time(set->valid, FSB_SET_MTIME, FSB_SET_MTIME_NOW, set->mtime),
	};

	if ((set->valid & FSB_SET_ATIME && !(set->valid & FSB_SET_ATIME_NOW) && set->atime.nsec > 999999999) ||
	    (set->valid & FSB_SET_MTIME && !(set->valid & FSB_SET_MTIME_NOW) && set->mtime.nsec > 999999999))
		return -EINVAL;
	return utimensat(target->path, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

enum { SETS_OWNER = FSB_SET_UID | FSB_SET_GID, SETS_TIMES = FSB_SET_ATIME | FSB_SET_MTIME };

static bool sets_something(uint32_t valid)
{
	return valid & (SETS_OWNER | FSB_SET_MODE | FSB_SET_SIZE | SETS_TIMES);
}

static unsigned int wear_to_set(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target,
				uint32_t valid)
{
	/* With a change of owner the client asks for it whoever the caller is; root keeps what the host lets it keep. */
	if (!(valid & FSB_SET_KILL_SUIDGID) || ((valid & SETS_OWNER) && idmap_is_host_root(&pt->uids, ctx->uid)))
		return WEAR_JUDGED;
	return WEAR_JUDGED | credentials_kill(ctx, target->path);
}

/*
 * Under writeback the client's kernel keeps mtime and ctime by itself, and hands them over in the name of whoever happens to be there: by
 * the handle of a file that is open for writing, or with a new size. They go with what the open or the truncation has judged.
 */
static bool hands_over_times(const struct passthrough *pt, const struct target *target, uint32_t valid)
{
	if (!pt->writeback || !(valid & FSB_SET_CTIME) || (valid & SETS_TIMES) != FSB_SET_MTIME)
		return false;
	return (valid & FSB_SET_SIZE) || (target->fd >= 0 && (fcntl(target->fd, F_GETFL) & O_ACCMODE) != O_RDONLY);
}

/*
 * The same without a handle, after a rename for example: nothing has changed but the ctime, which nobody sets. And utimes(2) without times
 * comes with the client's present time for the mtime; the client has judged then that nothing else was meant.
 */
static int set_refused_times(struct passthrough *pt, const struct target *target, const struct fsb_setattr *set)
{
	struct fsb_setattr now = { .valid = set->valid | FSB_SET_MTIME_NOW };
	struct fsb_attr attr = { 0 };

	if (!pt->writeback || !(set->valid & FSB_SET_CTIME) || !(set->valid & FSB_SET_MTIME))
		return -EPERM;
	if ((set->valid & FSB_SET_ATIME_NOW) && pt->config.client_checks)
		return set_times(target, &now);
	if ((set->valid & FSB_SET_ATIME) || attributes_of_fd(pt, target->path, &attr) != 0)
		return -EPERM;
	return attr.mtime.sec == set->mtime.sec && attr.mtime.nsec == set->mtime.nsec ? 0 : -EPERM;
}

static int set_times_as_server(struct passthrough *pt, const struct target *target, const struct fsb_setattr *set)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);

	return err ? err : set_times(target, set);
}

/* In this order: chown clears set-id bits that chmod may set, and truncate touches the times. */
static int set_judged(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target,
		      const struct fsb_setattr *set)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, wear_to_set(pt, ctx, target, set->valid), &worn);

	if (!err && set->valid & SETS_OWNER)
		err = set_owner(pt, target, set);
	if (!err && set->valid & FSB_SET_MODE)
		err = set_mode(pt, target, set);
	if (!err && set->valid & FSB_SET_SIZE)
		err = set_size(pt, target, set);
	if (!err && set->valid & SETS_TIMES) {
		err = set_times(target, set);
		if (err == -EPERM)
			err = set_refused_times(pt, target, set);
	}
	return err;
}

static bool may_write(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target)
{
	if (target->fd >= 0 && (fcntl(target->fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return true;
	_cleanup_worn_ struct worn worn = { 0 };
	return credentials_wear(pt, ctx, WEAR_JUDGED, &worn) == 0 &&
	       syscall(SYS_faccessat2, target->path, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

/*
 * A client without killpriv clears set-id bits by itself before a file is written or truncated, in the name of the writer, who need not be
 * the owner: whoever may write to it may have them cleared. Return: whether it was that, and is done.
 */
static bool clear_set_id(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target,
			 const struct fsb_setattr *set)
{
	struct stat st;

	if (!pt->client_kills || pt->config.permissions != FSB_PERMISSIONS_SERVER || !(set->valid & FSB_SET_MODE) ||
	    fstat(target->path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	mode_t cleared = (st.st_mode ^ set->mode) & 07777;
	if (cleared == 0 || (cleared & ~(mode_t)(S_ISUID | S_ISGID)) || (set->mode & cleared) ||
	    !may_write(pt, ctx, target))
		return false;
	_cleanup_worn_ struct worn worn = { 0 };
	return credentials_wear(pt, NULL, WEAR_SERVER, &worn) == 0 && set_mode(pt, target, set) == 0;
}

static int set_all(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target,
		   const struct fsb_setattr *set)
{
	bool times = hands_over_times(pt, target, set->valid);
	struct fsb_setattr judged = *set;

	if (clear_set_id(pt, ctx, target, set))
		judged.valid &= ~(uint32_t)FSB_SET_MODE;
	if (times)
		judged.valid &= ~(uint32_t)(FSB_SET_MTIME | FSB_SET_CTIME);
	int err = sets_something(judged.valid) ? set_judged(pt, ctx, target, &judged) : 0;
	return !err && times ? set_times_as_server(pt, target, set) : err;
}

/*
 * A request that sets nothing stands for one of two things, and does not say which. chown(2) with -1 for both moves the ctime, clears
 * set-id bits, and is refused to whoever may not clear them. Before a write of any kind the client has set-id bits and file capabilities
 * cleared, and that must not be refused. So it is done as chown(2) of the caller, whom the client's kernel has not judged here; and what is
 * refused is left undone without a word, as the write itself will clear them. Where the client's kernel writes by itself, as somebody else,
 * it is done in the server's name.
 */
static int touch_owner(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target, unsigned int how)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, how, &worn);

	if (!err && fchownat(target->path, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH) < 0)
		err = -errno;
	return err;
}

static int set_nothing(struct passthrough *pt, const struct fsb_context *ctx, const struct target *target)
{
	int err = fsb_call_groups(ctx) == 0 ? touch_owner(pt, ctx, target, WEAR_CALLER) : -EACCES;

	if (err != -EPERM && err != -EACCES)
		return err;
	/* Not WEAR_SERVER, which with WEAR_KILL may be anybody: it takes the power to change what is somebody else's. */
	if (backing_is_written(pt, target->inode))
		return touch_owner(pt, ctx, target, WEAR_SERVER_ADMIN | credentials_kill(ctx, target->path));
	return 0;
}

int passthrough_setattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, const uint64_t *fh,
			const struct fsb_setattr *set, struct fsb_attr *attr, uint64_t *timeout_ns)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_handle_ struct handle_use handle = { pt, NULL };
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int err = check_writable(pt);
	if (err)
		return err;
	struct target target = { .fd = -1, .path = named_fd(pt, nodeid, fh, &handle, &inode) };
	if (target.path < 0)
		return target.path;
	if (handle.handle)
		target.fd = target.path;
	target.inode = named_inode(&handle, &inode);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the descriptor came from one or the other. */
	target.type = target.inode->type;

	bool empty = !sets_something(set->valid);
	err = empty ? set_nothing(pt, ctx, &target) : set_all(pt, ctx, &target, set);
	if (err)
		return err;
	/* The write that may follow changes the mode once more. */
	*timeout_ns = empty ? 0 : backing_attr_timeout(pt, target.inode);
	return attributes_of_fd(pt, target.path, attr);
}
