// SPDX-License-Identifier: BSD-3-Clause
/* The file system that keeps nothing. A nodeid holds the type, and above it a hash of the name. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "nullfs.h"

enum {
	TYPE_BITS = 8,
	TYPE_MASK = (1 << TYPE_BITS) - 1,
	FILE_SIZE = 16 * 1024 * 1024,
};

/* Types are modes shifted down, so that the root's nodeid, 1, is none. */
enum { DIRECTORY = S_IFDIR >> 12, REGULAR = S_IFREG >> 12, SYMLINK = S_IFLNK >> 12 };

static const uint64_t long_time = 3600ull * 1000000000;

static bool begins(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static unsigned int type_of_name(const char *name)
{
	if (begins(name, "thread") || begins(name, "dir"))
		return DIRECTORY;
	return begins(name, "link") ? SYMLINK : REGULAR;
}

static uint64_t nodeid_of(const char *name)
{
	uint64_t hash = 14695981039346656037u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 1099511628211u;
	return hash << TYPE_BITS;
}

static void fill_attr(uint64_t nodeid, struct fsb_attr *attr)
{
	unsigned int type = nodeid == FSB_ROOT_NODEID ? DIRECTORY : nodeid & TYPE_MASK;

	*attr = (struct fsb_attr){
		.ino = nodeid,
		.mode = type << 12 | 0777,
		.nlink = type == DIRECTORY ? 2 : 1,
		.size = type == REGULAR ? FILE_SIZE : 0,
		.blksize = 4096,
	};
}

static int give(const char *name, unsigned int type, struct fsb_entry *entry)
{
	*entry = (struct fsb_entry){ .nodeid = nodeid_of(name) | type,
				     .entry_timeout_ns = long_time,
				     .attr_timeout_ns = long_time };
	fill_attr(entry->nodeid, &entry->attr);
	return 0;
}

static int null_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, struct fsb_entry *entry)
{
	(void)fs, (void)ctx, (void)parent;
	if (!begins(name, "thread") && !begins(name, "file") && !begins(name, "data"))
		return -ENOENT;
	return give(name, type_of_name(name), entry);
}

static void null_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	(void)fs, (void)nodeid, (void)nlookup;
}

static int null_getattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			const uint64_t *fh, struct fsb_attr *attr, uint64_t *timeout_ns)
{
	(void)fs, (void)ctx, (void)fh;
	*timeout_ns = long_time;
	fill_attr(nodeid, attr);
	return 0;
}

static int null_setattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			const uint64_t *fh, const struct fsb_setattr *set, struct fsb_attr *attr,
			uint64_t *timeout_ns)
{
	(void)set;
	return null_getattr(fs, ctx, nodeid, fh, attr, timeout_ns);
}

static ssize_t null_readlink(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			     uint64_t nodeid, char *target, size_t size)
{
	(void)fs, (void)ctx, (void)nodeid;
	memcpy(target, "target", size < 6 ? size : 6);
	return 6;
}

static int null_symlink(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
			const char *name, const char *target, const struct fsb_create *how,
			struct fsb_entry *entry)
{
	(void)fs, (void)ctx, (void)parent, (void)target, (void)how;
	return give(name, SYMLINK, entry);
}

static int null_mkdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		      const char *name, const struct fsb_create *how, struct fsb_entry *entry)
{
	(void)fs, (void)ctx, (void)parent, (void)how;
	return give(name, DIRECTORY, entry);
}

static int null_remove(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name)
{
	(void)fs, (void)ctx, (void)parent, (void)name;
	return 0;
}

static int null_rename(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, uint64_t newparent, const char *newname, uint32_t flags)
{
	(void)fs, (void)ctx, (void)parent, (void)name, (void)newparent, (void)newname, (void)flags;
	return 0;
}

static int null_open(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		     int flags, bool kill_suidgid, struct fsb_open *open)
{
	(void)fs, (void)ctx, (void)nodeid, (void)flags, (void)kill_suidgid;
	*open = (struct fsb_open){ .flags = FSB_OPEN_KEEP_CACHE | FSB_OPEN_NOFLUSH };
	return 0;
}

static int null_create(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent,
		       const char *name, const struct fsb_create *how, struct fsb_entry *entry,
		       struct fsb_open *open)
{
	(void)parent, (void)how;
	give(name, REGULAR, entry);
	return null_open(fs, ctx, entry->nodeid, 0, false, open);
}

/* What lies in the memory is as good as any other. */
static ssize_t null_read(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 uint64_t fh, uint64_t offset, size_t size, int flags, uint64_t lock_owner,
			 struct fsb_transfer *to)
{
	(void)fs, (void)ctx, (void)nodeid, (void)fh, (void)offset, (void)flags, (void)lock_owner;
	fsb_transfer_skip(to, size);
	return (ssize_t)size;
}

static ssize_t null_write(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			  uint64_t fh, uint64_t offset, size_t size, int flags,
			  uint32_t write_flags, uint64_t lock_owner, struct fsb_transfer *from)
{
	(void)write_flags;
	return null_read(fs, ctx, nodeid, fh, offset, size, flags, lock_owner, from);
}

static int null_release(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			uint64_t fh, int flags, bool unlock_flock, uint64_t lock_owner)
{
	(void)fs, (void)ctx, (void)nodeid, (void)fh, (void)flags, (void)unlock_flock,
		(void)lock_owner;
	return 0;
}

static int null_setxattr(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			 const char *name, const void *value, size_t size, int flags,
			 bool kill_sgid)
{
	(void)fs, (void)ctx, (void)nodeid, (void)name, (void)value, (void)size, (void)flags,
		(void)kill_sgid;
	return 0;
}

static ssize_t null_getxattr(struct fsb_filesystem *fs, const struct fsb_context *ctx,
			     uint64_t nodeid, const char *name, void *value, size_t size)
{
	(void)fs, (void)ctx, (void)nodeid;
	if (!begins(name, "user."))
		return -ENODATA;
	memcpy(value, "value", size < 5 ? size : 5);
	return 5;
}

const struct fsb_filesystem_ops nullfs_ops = {
	.size = sizeof(nullfs_ops),
	.lookup = null_lookup,
	.forget = null_forget,
	.getattr = null_getattr,
	.setattr = null_setattr,
	.readlink = null_readlink,
	.symlink = null_symlink,
	.mkdir = null_mkdir,
	.unlink = null_remove,
	.rmdir = null_remove,
	.rename = null_rename,
	.open = null_open,
	.create = null_create,
	.read = null_read,
	.write = null_write,
	.release = null_release,
	.setxattr = null_setxattr,
	.getxattr = null_getxattr,
};
