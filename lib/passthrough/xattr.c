// SPDX-License-Identifier: BSD-3-Clause
/* Extended attributes, of any kind of inode. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/xattr.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "passthrough.h"
#include "xattrids.h"

/* ---- System calls: by the magic link; an O_PATH descriptor refuses fsetxattr() ---- */

/* Linux 6.13; the same numbers on every architecture of today. */
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

/* The kernel's struct xattr_args. */
struct value_args {
	uint64_t value __attribute__((aligned(8)));
	uint32_t size;
	uint32_t flags;
};

/*
 * Whether there are calls that take a directory: they work where no path leads to /proc any more,
 * as in a sandbox. A filter of system calls may answer in their place, with any errno, but not with
 * EBADF.
 */
static bool have_at_calls(void)
{
	enum { UNKNOWN, YES, NO };
	static atomic_int known = UNKNOWN;
	int have = atomic_load_explicit(&known, memory_order_relaxed);

	if (have == UNKNOWN) {
		have = syscall(SYS_listxattrat, -1, "x", 0, NULL, 0) < 0 && errno == EBADF ? YES
											   : NO;
		atomic_store_explicit(&known, have, memory_order_relaxed);
	}
	return have == YES;
}

struct magic_link {
	char path[sizeof("/proc/self/fd/") + sizeof(struct fd_name)];
};

static struct magic_link magic_link(int fd)
{
	struct magic_link link = { "/proc/self/fd/" };

	strcat(link.path, fd_name(fd).text);
	return link;
}

/*
 * None of them may have AT_SYMLINK_NOFOLLOW or be an l*xattr(): the magic link is to be followed,
 * and it ends at a symlink as well.
 */

static int host_set(struct passthrough *pt, int fd, const char *name, const void *value,
		    size_t size, int flags)
{
	struct value_args args = { (uintptr_t)value, (uint32_t)size, (uint32_t)flags };
	long result = have_at_calls() ? syscall(SYS_setxattrat, pt->proc_fd, fd_name(fd).text, 0,
						name, &args, sizeof(args))
				      : setxattr(magic_link(fd).path, name, value, size, flags);

	return result < 0 ? -errno : 0;
}

/*
 * Reading is what clients do most. A file that is open need not be reached by the magic link, which costs more than the rest; who may read
 * it is judged by who is worn in any case.
 */
struct source {
	int path;
	struct handle_use open;
};

static void find_open(struct passthrough *pt, const struct inode *inode, struct source *source)
{
	struct opened *opened = atomic_load_explicit(&inode->opened, memory_order_acquire);
	uint64_t fh = opened ? atomic_load_explicit(&opened->fh, memory_order_relaxed) : 0;

	source->open = (struct handle_use){ pt, NULL };
	if (fh != 0 && handle_get(pt, fh, HANDLE_FILE, &source->open.handle) < 0)
		atomic_compare_exchange_strong(&opened->fh, &fh, 0);
}

static void source_end(struct source *source)
{
	handle_use_end(&source->open);
}

#define _cleanup_source_ __attribute__((cleanup(source_end)))

static ssize_t host_get(struct passthrough *pt, const struct source *source, const char *name, void *value, size_t size)
{
	if (source->open.handle) {
		ssize_t length = fgetxattr(source->open.handle->fd, name, value, size);
		return length < 0 ? -errno : length;
	}
	int fd = source->path;
	struct value_args args = { size > 0 ? (uintptr_t)value : 0,
				   size < UINT32_MAX ? (uint32_t)size : UINT32_MAX, 0 };
	long result = have_at_calls() ? syscall(SYS_getxattrat, pt->proc_fd, fd_name(fd).text, 0,
						name, &args, sizeof(args))
				      : getxattr(magic_link(fd).path, name, value, size);

	return result < 0 ? -errno : result;
}

static ssize_t host_list(struct passthrough *pt, int fd, char *list, size_t size)
{
	long result = have_at_calls() ? syscall(SYS_listxattrat, pt->proc_fd, fd_name(fd).text, 0,
						list, size)
				      : listxattr(magic_link(fd).path, list, size);

	return result < 0 ? -errno : result;
}

static int host_remove(struct passthrough *pt, int fd, const char *name)
{
	long result = have_at_calls()
			      ? syscall(SYS_removexattrat, pt->proc_fd, fd_name(fd).text, 0, name)
			      : removexattr(magic_link(fd).path, name);

	return result < 0 ? -errno : 0;
}

/* ---- Who may ---- */

static bool begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/*
 * Trusted xattrs are for root, in both modes. To a server without CAP_SYS_ADMIN the host denies
 * that there are any.
 */
static unsigned int wear_trusted(const struct passthrough *pt, const struct fsb_context *ctx)
{
	return idmap_is_host_root(&pt->uids, ctx->uid) ? WEAR_ADMIN : WEAR_JUDGED;
}

static unsigned int wear_to_get(const struct passthrough *pt, const struct fsb_context *ctx,
				const char *name)
{
	return begins(name, XATTR_TRUSTED_PREFIX) ? wear_trusted(pt, ctx) : WEAR_JUDGED;
}

/*
 * Security xattrs take more than permissions over files: a user that is judged has none of it, a
 * client has judged by itself.
 */
static unsigned int wear_to_change(const struct passthrough *pt, const struct fsb_context *ctx,
				   const char *name)
{
	if (begins(name, XATTR_SECURITY_PREFIX))
		return WEAR_ADMIN;
	return wear_to_get(pt, ctx, name);
}

/* The client takes ENOSYS for all of them, and tells its programs EOPNOTSUPP: it does not even ask before a write any more. */
static int check_enabled(const struct passthrough *pt)
{
	return pt->config.xattr ? 0 : -ENOSYS;
}

static int check_changeable(const struct passthrough *pt)
{
	int err = check_enabled(pt);

	return err ? err : check_writable(pt);
}

/* ---- Operations ---- */

/* The host does not clear the set-group-id bit if the file's group is one of the server's. */
static int kill_sgid_bit(struct passthrough *pt, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID))
		return 0;
	return change_mode(pt, fd, st.st_mode & 07777 & ~(mode_t)S_ISGID);
}

static int set_worn(struct passthrough *pt, const struct fsb_context *ctx, int fd, const char *name,
		    const void *value, size_t size, int flags, bool kill_sgid)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(
		pt, ctx, wear_to_change(pt, ctx, name) | (kill_sgid ? WEAR_KILL : 0), &worn);
	if (err)
		return err;
	err = host_set(pt, fd, name, value, size, flags);
	if (!err && kill_sgid)
		err = kill_sgid_bit(pt, fd);
	return err;
}

int passthrough_setxattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 const char *name, const void *value, size_t size, int flags,
			 bool kill_sgid)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_changeable(pt);
	if (err)
		return err;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);
	if (fd < 0)
		return fd;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (!xattr_has_ids(pt, name) || size == 0)
		return set_worn(pt, ctx, fd, name, value, size, flags, kill_sgid);

	_cleanup_free_ unsigned char *translated = malloc(size + XATTR_GROWTH);
	if (!translated)
		return -ENOMEM;
	memcpy(translated, value, size);
	err = xattr_to_host(pt, name, translated, &size);
	return err ? err : set_worn(pt, ctx, fd, name, translated, size, flags, kill_sgid);
}

/* Fetch a whole value, whose length may change between asking for it and getting it. */
static ssize_t fetch(struct passthrough *pt, const struct source *source, const char *name, unsigned char **value)
{
	for (;;) {
		ssize_t size = host_get(pt, source, name, NULL, 0);
		if (size < 0)
			return size;
		unsigned char *larger = realloc(*value, (size_t)size + XATTR_GROWTH);
		if (!larger)
			return -ENOMEM;
		*value = larger;
		/* Room for one more byte than asked for, so that 0 never asks for the length. */
		size = host_get(pt, source, name, larger, (size_t)size + 1);
		if (size != -ERANGE)
			return size;
	}
}

static ssize_t get_translated(struct passthrough *pt, const struct source *source, const char *name, void *value,
			      size_t size)
{
	_cleanup_free_ unsigned char *whole = NULL;
	ssize_t length = fetch(pt, source, name, &whole);
	if (length < 0)
		return length;
	size_t translated = (size_t)length;
	int err = xattr_to_client(pt, name, whole, &translated);
	if (err)
		return err;
	if (size == 0)
		return (ssize_t)translated;
	if (translated > size)
		return -ERANGE;
	memcpy(value, whole, translated);
	return (ssize_t)translated;
}

ssize_t passthrough_getxattr(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			     uint64_t nodeid, const char *name, void *value, size_t size)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_enabled(pt);
	if (err)
		return err;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	_cleanup_source_ struct source source = { .path = inode_use_fd(&inode, nodeid) };
	if (source.path < 0)
		return source.path;
	find_open(pt, inode.inode, &source);
	_cleanup_worn_ struct worn worn = { 0 };
	err = credentials_wear(pt, ctx, wear_to_get(pt, ctx, name), &worn);
	if (err)
		return err;
	return xattr_has_ids(pt, name) ? get_translated(pt, &source, name, value, size)
				       : host_get(pt, &source, name, value, size);
}

ssize_t passthrough_listxattr(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			      uint64_t nodeid, char *list, size_t size)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_enabled(pt);
	if (err)
		return err;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);
	if (fd < 0)
		return fd;
	_cleanup_worn_ struct worn worn = { 0 };
	err = credentials_wear(pt, ctx, wear_trusted(pt, ctx), &worn);
	return err ? err : host_list(pt, fd, list, size);
}

/* Whether the caller could write the file, or give it away, and so have its file capabilities cleared. */
static int check_may_kill(struct passthrough *pt, const struct fsb_context *ctx,
			  const struct inode *inode, int fd)
{
	struct stat st;
	uint32_t uid;

	if (idmap_to_host(&pt->uids, ctx->uid, &uid) < 0)
		return -EOVERFLOW;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* Who has it open for writing may have lost the permission since. */
	if (st.st_uid == uid || inode_is_written(inode))
		return 0;
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);
	if (err)
		return err;
	return syscall(SYS_faccessat2, fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -EPERM : 0;
}

/*
 * Before a file is written, truncated or given away its client's kernel takes the file
 * capabilities off, as the caller. So it does before a chown(2) to nobody in particular, which the
 * host refuses nobody unless set-id bits would go, too: from others it is taken for that one. Who
 * only wants to remove them does not come here, as the client asks for CAP_SETFCAP.
 */
static int kill_capability(struct passthrough *pt, const struct fsb_context *ctx,
			   const struct inode *inode, int fd)
{
	int err = check_may_kill(pt, ctx, inode, fd);
	if (err && err != -EPERM)
		return err;
	_cleanup_worn_ struct worn worn = { 0 };
	int wearing = err ? credentials_wear(pt, ctx, WEAR_JUDGED, &worn)
			  : credentials_wear(pt, NULL, WEAR_SERVER_ADMIN, &worn);
	if (wearing)
		return wearing;
	if (!err)
		return host_remove(pt, fd, XATTR_NAME_CAPS);
	return fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int passthrough_removexattr(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			    uint64_t nodeid, const char *name)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_changeable(pt);
	if (err)
		return err;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int fd = inode_use_fd(&inode, nodeid);
	if (fd < 0)
		return fd;
	if (strcmp(name, XATTR_NAME_CAPS) == 0 && pt->config.permissions == FSB_PERMISSIONS_SERVER)
		return kill_capability(pt, ctx, inode.inode, fd);
	_cleanup_worn_ struct worn worn = { 0 };
	err = credentials_wear(pt, ctx, wear_to_change(pt, ctx, name), &worn);
	return err ? err : host_remove(pt, fd, name);
}
