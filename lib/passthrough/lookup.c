// SPDX-License-Identifier: BSD-3-Clause
/* From a name in a directory to an entry, and back by forget. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough.h"

int entry_fill(struct passthrough *pt, uint64_t nodeid, int fd, struct fsb_entry *entry)
{
	*entry = (struct fsb_entry){
		.nodeid = nodeid,
		.entry_timeout_ns = pt->config.entry_timeout_ns,
		.attr_timeout_ns = pt->config.attr_timeout_ns,
	};
	return attributes_of_fd(pt, fd, &entry->attr);
}

static void note_names(struct inode *inode, const struct fsb_attr *attr)
{
	if (attr->nlink > 1 && !S_ISDIR(attr->mode))
		atomic_store_explicit(&inode->linked, true, memory_order_relaxed);
}

/* Return: 1 when the inode had a descriptor already; 0; or a negative errno. */
static int look_up_fd(struct passthrough *pt, int fd, struct fsb_entry *entry)
{
	/* Attributes first: what has none is not looked up. */
	int err = entry_fill(pt, 0, fd, entry);
	if (err) {
		close(fd);
		return err;
	}
	struct inode *inode;
	int had = inode_lookup(pt, fd, entry->attr.mode, &inode);
	if (had < 0)
		return had;
	note_names(inode, &entry->attr);
	entry->nodeid = inode->nodeid;
	entry->attr_timeout_ns = backing_attr_timeout(pt, inode);
	inode_put(pt, inode);
	return had;
}

int entry_of_fd(struct passthrough *pt, int fd, struct fsb_entry *entry)
{
	int had = look_up_fd(pt, fd, entry);

	return had < 0 ? had : 0;
}

int copy_fd(struct passthrough *pt, int fd)
{
	return fd_with_room(pt, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int open_name_judged(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED | WEAR_KEEP, &worn);

	return err ? err : open_name(pt, dirfd, name);
}

static int identity_of_name_judged(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
				   struct identity *identity)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED | WEAR_KEEP, &worn);

	return err ? err : identity_of_name(pt, dirfd, name, identity);
}

/*
 * The way to an inode that has a descriptor already, at less than half of the cost: nothing is opened. Return: 0; -ENOENT where there is no such
 * name; anything else: to be looked up the long way.
 */
static int entry_of_known_name(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
			       struct fsb_entry *entry)
{
	struct identity identity;
	int err = identity_of_name_judged(pt, ctx, dirfd, name, &identity);
	if (err)
		return err;
	struct inode *inode = inode_lookup_again(pt, &identity);
	identity_clear(pt, &identity);
	if (!inode)
		return -ESTALE;
	err = entry_fill(pt, inode->nodeid, inode_fd(pt, inode), entry);
	if (err) {
		inode_forget(pt, inode->nodeid, 1);
	} else {
		note_names(inode, &entry->attr);
		entry->attr_timeout_ns = backing_attr_timeout(pt, inode);
	}
	inode_put(pt, inode);
	return err;
}

/* Which way pays is guessed by the last name of the directory. The short one may lead to the mount itself, which must not be asked. */
int entry_of_name(struct passthrough *pt, const struct fsb_context *ctx, struct inode *dir, int dirfd, const char *name,
		  struct fsb_entry *entry)
{
	if (atomic_load_explicit(&dir->children_known, memory_order_relaxed) && !pt->avoided) {
		int err = entry_of_known_name(pt, ctx, dirfd, name, entry);
		if (!err || err == -ENOENT)
			return err;
	}
	int fd = open_name_judged(pt, ctx, dirfd, name);
	/* What is known needs none. */
	if (fd == -ENFILE && !pt->avoided && entry_of_known_name(pt, ctx, dirfd, name, entry) == 0)
		return 0;
	if (fd < 0)
		return fd;
	int had = look_up_fd(pt, fd, entry);
	if (had < 0)
		return had;
	atomic_store_explicit(&dir->children_known, had, memory_order_relaxed);
	return 0;
}

/* ---- "." and "..", for export over NFS ---- */

static bool is_root(const struct passthrough *pt, const struct stat *st)
{
	return st->st_dev == pt->root_dev && st->st_ino == pt->root_ino;
}

/*
 * Whether a directory lies in the shared tree at this moment: going up from it comes by the root. The host may have moved it out, and
 * then its parent is none of the client's business.
 */
static int check_inside(struct passthrough *pt, int fd)
{
	_cleanup_fd_ int at = copy_fd(pt, fd);
	struct stat st, up;

	if (at < 0)
		return at;
	if (fstat(at, &st) < 0)
		return -errno;
	while (!is_root(pt, &st)) {
		int parent = fd_with_room(pt, openat(at, "..", O_PATH | O_CLOEXEC));
		if (parent < 0)
			return parent;
		if (fstat(parent, &up) < 0) {
			int err = -errno;
			cleanup_fd(&parent);
			return err;
		}
		close(at);
		at = parent;
		if (up.st_dev == st.st_dev && up.st_ino == st.st_ino)
			return -ESTALE; /* the top of the host */
		st = up;
	}
	return 0;
}

static int lookup_parent(struct passthrough *pt, int dirfd, struct fsb_entry *entry)
{
	_cleanup_fd_ int fd = -1;
	{
		_cleanup_worn_ struct worn worn = { 0 };
		int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
		if (err)
			return err;
		struct stat st;
		if (fstat(dirfd, &st) < 0)
			return -errno;
		const char *name = is_root(pt, &st) ? "." : "..";
		fd = fd_with_room(pt, openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (fd < 0)
			return fd;
		err = check_inside(pt, fd);
		if (err)
			return err;
	}
	return entry_of_fd(pt, fd_steal(&fd), entry);
}

static int lookup_self(struct passthrough *pt, int fd, struct fsb_entry *entry)
{
	int copy = copy_fd(pt, fd);

	return copy < 0 ? copy : entry_of_fd(pt, copy, entry);
}

/* ---- Operations ---- */

int passthrough_lookup(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		       struct fsb_entry *entry)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int dirfd = inode_use_fd(&dir, parent);
	if (dirfd < 0)
		return dirfd;
	if (strcmp(name, ".") == 0)
		return lookup_self(pt, dirfd, entry);
	if (strcmp(name, "..") == 0)
		return S_ISDIR(dir.inode->type) ? lookup_parent(pt, dirfd, entry) : -ENOTDIR;

	int err = check_name(name);
	if (err)
		return err;
	err = entry_of_name(pt, ctx, dir.inode, dirfd, name, entry);
	if (err != -ENOENT || pt->config.negative_timeout_ns == 0)
		return err;
	*entry = (struct fsb_entry){ .entry_timeout_ns = pt->config.negative_timeout_ns };
	return 0;
}

void passthrough_forget(struct fsb_filesystem *fs, uint64_t nodeid, uint64_t nlookup)
{
	inode_forget(passthrough_of(fs), nodeid, nlookup);
}
