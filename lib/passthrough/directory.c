// SPDX-License-Identifier: BSD-3-Clause
/*
 * Listing directories. Names are read by getdents64() into a buffer of the handle; one that did not fit into a reply stays there for the
 * next. Reading on where the last reply ended seeks nowhere; any other cookie does.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "passthrough.h"

enum { BUFFER_SIZE = 32768 };

/* What getdents64(2) gives. */
struct host_dirent {
	uint64_t ino;
	int64_t next;
	unsigned short length;
	unsigned char type;
	char name[];
};

/*
 * The client shall keep the listing of a directory that it opens again unchanged, but no longer than it believes the names: from then on
 * a listing by READDIRPLUS brings all of them anew, where the kept one would leave it to look up one after the other.
 */
static uint32_t opendir_answer_flags(struct passthrough *pt, struct inode *inode, int fd)
{
	uint64_t timeout_ms = pt->config.entry_timeout_ns / 1000000;
	struct fsb_attr attr;

	if (pt->config.cache == FSB_CACHE_ALWAYS)
		return FSB_OPEN_CACHE_DIR | FSB_OPEN_KEEP_CACHE;
	struct opened *opened = timeout_ms > 0 && pt->config.cache == FSB_CACHE_AUTO ? opened_get(inode) : NULL;
	if (!opened || attributes_of_fd(pt, fd, &attr) < 0)
		return 0;
	bool unchanged = opened_unchanged(opened, inode->mount->foreign, &attr);
	uint32_t now = opened_clock();
	if (unchanged && now - atomic_load_explicit(&opened->listed, memory_order_relaxed) < timeout_ms)
		return FSB_OPEN_CACHE_DIR | FSB_OPEN_KEEP_CACHE;
	atomic_store_explicit(&opened->listed, now, memory_order_relaxed);
	return unchanged ? FSB_OPEN_CACHE_DIR : 0;
}

int passthrough_opendir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, int flags,
			struct fsb_open *open)
{
	struct passthrough *pt = passthrough_of(fs);
	if (pt->no_opendir)
		return -ENOSYS;
	_cleanup_inode_ struct inode_use inode = { pt, NULL };
	int path = inode_use_fd(&inode, nodeid);
	if (path < 0)
		return path;
	if (!S_ISDIR(inode.inode->type))
		return -ENOTDIR;
	int err = budget_check(pt), fd;
	if (err)
		return err;
	{
		_cleanup_worn_ struct worn worn = { 0 };
		err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);
		if (err)
			return err;
		fd = reopen(pt, path, S_IFDIR, O_RDONLY | O_DIRECTORY | (flags & O_NOATIME));
		if (fd < 0)
			return fd;
	}
	*open = (struct fsb_open){ .flags = opendir_answer_flags(pt, inode.inode, fd) };
	return handle_new(pt, inode.inode, fd, flags, HANDLE_DIRECTORY, &open->fh);
}

int passthrough_releasedir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			   int flags)
{
	(void)ctx, (void)nodeid, (void)flags;
	return handle_close(passthrough_of(fs), fh, HANDLE_DIRECTORY);
}

/* A directory handle for one request: the client's, or, where it opens none, one of our own, which the scope closes. */
struct directory_use {
	struct passthrough *pt;
	struct handle *handle;
	uint64_t opened; /* 0: the client's */
};

static int directory_use_begin(struct passthrough *pt, uint64_t nodeid, uint64_t fh, struct directory_use *use)
{
	*use = (struct directory_use){ .pt = pt };
	if (fh == 0 && pt->no_opendir) {
		_cleanup_inode_ struct inode_use inode = { pt, NULL };
		int fd = open_as_server(pt, &inode, nodeid, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
		int err = handle_new(pt, inode.inode, fd, O_RDONLY, HANDLE_DIRECTORY, &use->opened);
		if (err)
			return err;
		fh = use->opened;
	}
	return handle_get(pt, fh, HANDLE_DIRECTORY, &use->handle);
}

static void directory_use_end(struct directory_use *use)
{
	if (use->handle)
		handle_put(use->pt, use->handle);
	if (use->opened)
		(void)handle_close(use->pt, use->opened, HANDLE_DIRECTORY);
}

#define _cleanup_directory_ __attribute__((cleanup(directory_use_end)))

int passthrough_fsyncdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			 bool datasync)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_directory_ struct directory_use use;
	int err = directory_use_begin(pt, nodeid, fh, &use);

	(void)ctx;
	if (err)
		return err;
	return (datasync ? fdatasync(use.handle->fd) : fsync(use.handle->fd)) < 0 ? -errno : 0;
}

/* ---- Reading; the stream's lock is held ---- */

/* Stand at a cookie. Offset 0 is always read afresh: rewinddir(3) shows what has changed. */
static int stream_seek(struct handle *handle, uint64_t offset)
{
	struct dirstream *dir = handle->dir;

	if (offset == dir->next && (offset != 0 || !dir->begun))
		return 0;
	if (offset > INT64_MAX)
		return -EINVAL;
	if (lseek(handle->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	dir->start = dir->end = 0;
	dir->next = offset;
	return 0;
}

/* The next entry, or NULL at the end. Return: 0 or a negative errno. */
static int stream_peek(struct handle *handle, const struct host_dirent **entry)
{
	struct dirstream *dir = handle->dir;

	if (dir->start == dir->end) {
		if (!dir->buffer)
			dir->buffer = malloc(BUFFER_SIZE);
		if (!dir->buffer)
			return -ENOMEM;
		dir->begun = true;
		long length = syscall(SYS_getdents64, handle->fd, dir->buffer, BUFFER_SIZE);
		if (length < 0)
			return -errno;
		dir->start = 0;
		dir->end = (size_t)length;
	}
	*entry = dir->start < dir->end ? (const struct host_dirent *)(dir->buffer + dir->start) : NULL;
	return 0;
}

static void stream_advance(struct dirstream *dir, const struct host_dirent *entry)
{
	dir->start += entry->length;
	dir->next = (uint64_t)entry->next;
}

/* ---- Giving ---- */

/* Each kind of listing adds an entry its own way. Return: 0; -ENOSPC when the list is full. */
typedef int (*give_fn)(struct passthrough *pt, const struct fsb_context *ctx, struct handle *dir, const struct fsb_dirent *dirent,
		       struct fsb_dirlist *list);

static int give_name(struct passthrough *pt, const struct fsb_context *ctx, struct handle *dir, const struct fsb_dirent *dirent,
		     struct fsb_dirlist *list)
{
	(void)pt, (void)ctx, (void)dir;
	return list->add(list, dirent, NULL);
}

static int give_entry(struct passthrough *pt, const struct fsb_context *ctx, struct handle *dir, const struct fsb_dirent *dirent,
		      struct fsb_dirlist *list)
{
	struct fsb_entry entry;

	if (!list->fits(list, dirent->namelen))
		return -ENOSPC;
	if (strcmp(dirent->name, ".") == 0 || strcmp(dirent->name, "..") == 0)
		return list->add(list, dirent, NULL);
	/* What cannot be looked up now goes out as a bare name; the client will ask again by itself. */
	if (entry_of_name(pt, ctx, dir->inode, dir->fd, dirent->name, &entry) < 0)
		return list->add(list, dirent, NULL);
	int err = list->add(list, dirent, &entry);
	if (err)
		inode_forget(pt, entry.nodeid, 1);
	return err;
}

static int list_from(struct passthrough *pt, const struct fsb_context *ctx, struct handle *handle, uint64_t offset,
		     struct fsb_dirlist *list, give_fn give)
{
	int err = stream_seek(handle, offset);
	bool given = false;

	while (!err) {
		const struct host_dirent *entry = NULL;
		err = stream_peek(handle, &entry);
		if (err || !entry)
			break;
		struct fsb_dirent dirent = {
			.name = entry->name,
			.namelen = strlen(entry->name),
			.ino = entry->ino ^ handle->dir->difference,
			.next = (uint64_t)entry->next,
			.type = entry->type,
		};
		err = give(pt, ctx, handle, &dirent, list);
		if (!err) {
			stream_advance(handle->dir, entry);
			given = true;
		}
	}
	/* Names that were given are not lost by an error behind them: it comes again at the next call. */
	return err == -ENOSPC || given ? 0 : err;
}

static int list_directory(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			  uint64_t offset, struct fsb_dirlist *list, give_fn give)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_directory_ struct directory_use use;
	int err = directory_use_begin(pt, nodeid, fh, &use);
	if (err)
		return err;
	pthread_mutex_lock(&use.handle->dir->lock);
	err = list_from(pt, ctx, use.handle, offset, list, give);
	pthread_mutex_unlock(&use.handle->dir->lock);
	return err;
}

int passthrough_readdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			uint64_t offset, struct fsb_dirlist *list)
{
	return list_directory(fs, ctx, nodeid, fh, offset, list, give_name);
}

int passthrough_readdirplus(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid, uint64_t fh,
			    uint64_t offset, struct fsb_dirlist *list)
{
	return list_directory(fs, ctx, nodeid, fh, offset, list, give_entry);
}
