// SPDX-License-Identifier: BSD-3-Clause
/*
 * The ioctls that are safe to pass on: inode flags and project ids, lsattr(1) and chattr(1). All
 * others are refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "passthrough.h"

union argument {
	int flags; /* what the commands name "long" has always been an int */
	struct fsxattr attr;
};

/*
 * @cmd:  what the client sends
 * @host: what the host is asked: its own width, whatever the client's
 */
struct known_ioctl {
	uint32_t cmd;
	unsigned long host;
	size_t in_size;
	size_t out_size;
};

static const struct known_ioctl known_ioctls[] = {
	{ .cmd = FS_IOC_GETFLAGS, .host = FS_IOC_GETFLAGS, .out_size = sizeof(int) },
	{ .cmd = FS_IOC32_GETFLAGS, .host = FS_IOC_GETFLAGS, .out_size = sizeof(int) },
	{ .cmd = FS_IOC_SETFLAGS, .host = FS_IOC_SETFLAGS, .in_size = sizeof(int) },
	{ .cmd = FS_IOC32_SETFLAGS, .host = FS_IOC_SETFLAGS, .in_size = sizeof(int) },
	{ .cmd = FS_IOC_FSGETXATTR, .host = FS_IOC_FSGETXATTR, .out_size = sizeof(struct fsxattr) },
	{ .cmd = FS_IOC_FSSETXATTR, .host = FS_IOC_FSSETXATTR, .in_size = sizeof(struct fsxattr) },
};

static const struct known_ioctl *find(uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(known_ioctls) / sizeof(known_ioctls[0]); i++)
		if (known_ioctls[i].cmd == cmd)
			return &known_ioctls[i];
	return NULL;
}

/* A directory without a handle (no_opendir), opened for this call. */
static int open_directory(struct passthrough *pt, uint64_t nodeid, struct file_use *use)
{
	struct inode_use inode = { pt, NULL };
	int path = inode_use_fd(&inode, nodeid);

	use->inode = inode.inode;
	if (path < 0)
		return path;
	if (!S_ISDIR(use->inode->type))
		return -ENOTDIR;
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
	if (err)
		return err;
	use->fd = use->opened = reopen(pt, path, use->inode->type, O_RDONLY | O_DIRECTORY);
	return use->fd < 0 ? use->fd : 0;
}

static int directory_use_begin(struct passthrough *pt, uint64_t nodeid, uint64_t fh,
			       struct file_use *use)
{
	*use = (struct file_use){ .pt = pt, .opened = -1 };
	if (fh == 0 && pt->no_opendir)
		return open_directory(pt, nodeid, use);
	int err = handle_get(pt, fh, HANDLE_DIRECTORY, &use->handle);
	if (!err)
		use->fd = use->handle->fd;
	return err;
}

/*
 * The owner is judged by the host or the client; root needs all that it has for some flags (ext4's
 * journalled data).
 */
static int wear_for(struct passthrough *pt, const struct fsb_context *ctx, struct worn *worn)
{
	return credentials_wear(
		pt, ctx, idmap_is_host_root(&pt->uids, ctx->uid) ? WEAR_ADMIN : WEAR_JUDGED, worn);
}

int passthrough_ioctl(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, const struct fsb_ioctl *request, struct fsb_ioctl_result *result)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_file_ struct file_use file;
	int err = request->flags & FSB_IOCTL_DIR ? directory_use_begin(pt, nodeid, fh, &file)
						 : file_use_begin(pt, nodeid, fh, O_RDONLY, &file);
	if (err)
		return err;
	const struct known_ioctl *known = find(request->cmd);
	if (!known)
		return -ENOTTY;
	if (request->in_size != known->in_size || request->out_size != known->out_size)
		return -EINVAL;
	err = known->in_size > 0 ? check_writable(pt) : 0;
	if (err)
		return err;

	union argument argument = { 0 };
	if (known->in_size > 0)
		memcpy(&argument, request->in, known->in_size);
	_cleanup_worn_ struct worn worn = { 0 };
	err = wear_for(pt, ctx, &worn);
	if (err)
		return err;
	if (ioctl(file.fd, known->host, &argument) < 0)
		return -errno;
	if (known->out_size > 0)
		memcpy(result->out, &argument, known->out_size);
	result->result = 0;
	result->flags = 0;
	result->out_size = known->out_size;
	return 0;
}
