// SPDX-License-Identifier: BSD-3-Clause
/* The handle table: fh -> open file or directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "passthrough.h"

enum { SHARD_MASK = HANDLE_SHARDS - 1, SHARD_BITS = 4 };
_Static_assert(1 << SHARD_BITS == HANDLE_SHARDS, "the low bits of a handle are its shard");

static uint64_t hash_handle(const struct hash_link *link)
{
	return hash_entry(link, struct handle, link)->fh >> SHARD_BITS;
}

void handles_init(struct handle_table *table, uint64_t first_id)
{
	for (unsigned int i = 0; i < HANDLE_SHARDS; i++) {
		pthread_mutex_init(&table->shards[i].lock, NULL);
		hashtable_init(&table->shards[i].table, hash_handle);
		table->shards[i].next = 1 + first_id; /* so that 0 is never a handle */
	}
	pthread_mutex_init(&table->reopening, NULL);
}

/* Does not change: only O_APPEND and O_DIRECT follow the client. */
static bool handle_writes(const struct handle *handle)
{
	return (atomic_load_explicit(&handle->flags, memory_order_relaxed) & O_ACCMODE) != O_RDONLY;
}

static void handle_free(struct passthrough *pt, struct handle *handle)
{
	if (handle->dir) {
		pthread_mutex_destroy(&handle->dir->lock);
		free(handle->dir->buffer);
		free(handle->dir);
	}
	if (handle->fd >= 0)
		close(handle->fd);
	if (handle->file && handle->inode)
		backing_end(pt, handle->inode);
	if (handle->inode && handle_writes(handle))
		atomic_fetch_sub_explicit(&handle->inode->writers, 1, memory_order_relaxed);
	if (handle->inode)
		inode_release(pt, handle->inode);
	atomic_fetch_sub_explicit(&pt->handles.open, 1, memory_order_relaxed);
	free(handle);
}

void handle_put(struct passthrough *pt, struct handle *handle)
{
	if (atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) == 1)
		handle_free(pt, handle);
}

void handles_clear(struct passthrough *pt)
{
	for (unsigned int s = 0; s < HANDLE_SHARDS; s++) {
		struct handle_shard *shard = &pt->handles.shards[s];
		pthread_mutex_lock(&shard->lock);
		for (size_t i = 0; shard->table.count > 0; i++) {
			struct hash_link *link = hashtable_chain(&shard->table, i);
			if (!link)
				continue;
			hashtable_remove(&shard->table, link);
			handle_put(pt, hash_entry(link, struct handle, link));
		}
		pthread_mutex_unlock(&shard->lock);
	}
}

uint64_t handles_count(struct passthrough *pt)
{
	uint64_t count = 0;

	for (unsigned int s = 0; s < HANDLE_SHARDS; s++) {
		pthread_mutex_lock(&pt->handles.shards[s].lock);
		count += pt->handles.shards[s].table.count;
		pthread_mutex_unlock(&pt->handles.shards[s].lock);
	}
	return count;
}

static int dirstream_new(struct dirstream **made)
{
	struct dirstream *dir = calloc(1, sizeof(*dir));
	if (!dir)
		return -ENOMEM;
	pthread_mutex_init(&dir->lock, NULL);
	*made = dir;
	return 0;
}

static int dirstream_begin(struct passthrough *pt, struct dirstream *dir, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	dir->difference = ino_difference(pt, st.st_dev);
	return 0;
}

static struct handle *allocate(struct passthrough *pt, struct inode *inode, int fd, int flags, enum handle_type type)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	atomic_fetch_add_explicit(&pt->handles.open, 1, memory_order_relaxed);
	if (inode)
		inode_keep(inode);
	handle->inode = inode;
	handle->file = type == HANDLE_FILE;
	handle->fd = fd;
	atomic_init(&handle->flags, flags);
	if (inode && handle_writes(handle))
		atomic_fetch_add_explicit(&inode->writers, 1, memory_order_relaxed);
	atomic_init(&handle->refs, 1);
	return handle;
}

/* Into the table, under the next number. */
static int enter(struct passthrough *pt, struct handle *handle, uint64_t *fh)
{
	unsigned int number = atomic_fetch_add_explicit(&pt->handles.turn, 1, memory_order_relaxed) & SHARD_MASK;
	struct handle_shard *shard = &pt->handles.shards[number];

	pthread_mutex_lock(&shard->lock);
	handle->fh = shard->next++ << SHARD_BITS | number;
	int err = hashtable_insert(&shard->table, &handle->link);
	if (!err && pt->state)
		state_add_handle(pt, handle, shard->next);
	/* Read under the lock: a client may close what it has not been told of yet. */
	*fh = handle->fh;
	pthread_mutex_unlock(&shard->lock);
	return err;
}

int handle_new(struct passthrough *pt, struct inode *inode, int fd, int flags, enum handle_type type, uint64_t *fh)
{
	struct handle *handle = allocate(pt, inode, fd, flags, type);
	if (!handle) {
		close(fd);
		if (type == HANDLE_FILE)
			backing_end(pt, inode);
		return -ENOMEM;
	}
	int err = type == HANDLE_DIRECTORY ? dirstream_new(&handle->dir) : 0;
	if (!err && handle->dir)
		err = dirstream_begin(pt, handle->dir, fd);
	if (!err)
		err = enter(pt, handle, fh);
	if (err)
		handle_put(pt, handle);
	return err;
}

static struct handle *find(struct handle_shard *shard, uint64_t fh)
{
	struct hash_link *link = hashtable_chain(&shard->table, fh >> SHARD_BITS);

	for (; link; link = link->next)
		if (hash_entry(link, struct handle, link)->fh == fh)
			return hash_entry(link, struct handle, link);
	return NULL;
}

/* ---- Handles of a former process ---- */

int handle_restore(struct passthrough *pt, uint64_t fh, uint64_t nodeid, int flags, enum handle_type type, uint32_t mirror)
{
	struct handle_shard *shard = &pt->handles.shards[fh & SHARD_MASK];
	_cleanup_inode_ struct inode_use use = { pt, NULL };

	if (find(shard, fh))
		return -EEXIST;
	/* Without its inode it is kept all the same, so that its user hears ESTALE. */
	(void)inode_get(pt, nodeid, &use.inode);
	struct handle *handle = allocate(pt, use.inode, -1, flags, type);
	if (!handle)
		return -ENOMEM;
	handle->fh = fh;
	handle->mirror = mirror;
	int err = type == HANDLE_DIRECTORY ? dirstream_new(&handle->dir) : 0;
	if (!err)
		err = hashtable_insert(&shard->table, &handle->link);
	if (err)
		handle_put(pt, handle);
	return err;
}

/* What it was opened by, as far as that makes sense once more. */
static int reopen_flags(const struct passthrough *pt, const struct handle *handle)
{
	int flags = atomic_load_explicit(&handle->flags, memory_order_relaxed);

	if (!handle->file)
		return O_RDONLY | O_DIRECTORY | (flags & O_NOATIME);
	return host_flags(pt, flags) & ~O_TRUNC;
}

/* The open was judged when it was made: this one is the server's. */
static int open_again(struct passthrough *pt, const struct handle *handle)
{
	_cleanup_inode_ struct inode_use inode = { pt, NULL }, again = { pt, NULL };
	int flags = reopen_flags(pt, handle);

	if (!handle->inode || S_ISDIR(handle->inode->type) == handle->file)
		return -ESTALE;
	_cleanup_fd_ int fd = open_as_server(pt, &inode, handle->inode->nodeid, flags);
	/* The append-only flag of a file: see open_judged(). Others write where they say, or not at
	 * all. */
	if (fd == -EPERM && (handle->flags & O_APPEND))
		fd = open_as_server(pt, &again, handle->inode->nodeid, flags | O_APPEND);
	int err = fd >= 0 && handle->dir ? dirstream_begin(pt, handle->dir, fd) : 0;
	return err ? err : fd_steal(&fd);
}

static int revive(struct passthrough *pt, struct handle *handle)
{
	pthread_mutex_lock(&pt->handles.reopening);
	int fd = handle->fd;
	if (fd < 0) {
		fd = open_again(pt, handle);
		if (fd >= 0)
			atomic_store_explicit(&handle->fd, fd, memory_order_release);
	}
	pthread_mutex_unlock(&pt->handles.reopening);
	return fd < 0 ? fd : 0;
}

/* ---- Use ---- */

int handle_get_any(struct passthrough *pt, uint64_t fh, struct handle **handle)
{
	struct handle_shard *shard = &pt->handles.shards[fh & SHARD_MASK];

	pthread_mutex_lock(&shard->lock);
	*handle = find(shard, fh);
	if (*handle)
		atomic_fetch_add_explicit(&(*handle)->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&shard->lock);
	if (!*handle)
		return -EBADF;
	if (__builtin_expect(atomic_load_explicit(&(*handle)->fd, memory_order_acquire) >= 0, 1))
		return 0;
	int err = revive(pt, *handle);
	if (err) {
		handle_put(pt, *handle);
		*handle = NULL;
	}
	return err;
}

static bool is_type(const struct handle *handle, enum handle_type type)
{
	return handle->file == (type == HANDLE_FILE);
}

int handle_get(struct passthrough *pt, uint64_t fh, enum handle_type type, struct handle **handle)
{
	int err = handle_get_any(pt, fh, handle);

	if (err || is_type(*handle, type))
		return err;
	handle_put(pt, *handle);
	*handle = NULL;
	return -EBADF;
}

int handle_close(struct passthrough *pt, uint64_t fh, enum handle_type type)
{
	struct handle_shard *shard = &pt->handles.shards[fh & SHARD_MASK];

	pthread_mutex_lock(&shard->lock);
	struct handle *handle = find(shard, fh);
	if (handle && is_type(handle, type)) {
		hashtable_remove(&shard->table, &handle->link);
		if (pt->state)
			state_remove_handle(pt, handle);
	} else {
		handle = NULL;
	}
	pthread_mutex_unlock(&shard->lock);
	if (!handle)
		return -EBADF;
	handle_put(pt, handle);
	return 0;
}
