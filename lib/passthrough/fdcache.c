// SPDX-License-Identifier: BSD-3-Clause
/*
 * The bounded cache of O_PATH descriptors of a shard's inodes: a ring, and a clock's hand that gives each one a second chance. The
 * shard's lock is held in every function.
 */
#include <errno.h>
#include <stdlib.h>

#include "inode.h"

int fdcache_add(struct fdcache *cache, struct inode *inode, int fd)
{
	if (cache->count == cache->capacity) {
		uint32_t capacity = cache->capacity ? cache->capacity * 2 : 8;
		struct inode **slots = realloc(cache->slots, capacity * sizeof(struct inode *));
		if (!slots)
			return -ENOMEM;
		cache->slots = slots;
		cache->capacity = capacity;
	}
	inode->slot = cache->count;
	cache->slots[cache->count++] = inode;
	atomic_store_explicit(&inode->used, true, memory_order_relaxed);
	atomic_store_explicit(&inode->fd, fd, memory_order_release);
	return 0;
}

int fdcache_remove(struct fdcache *cache, struct inode *inode)
{
	int fd = atomic_load_explicit(&inode->fd, memory_order_relaxed);

	if (fd < 0)
		return fd;
	struct inode *last = cache->slots[--cache->count];
	cache->slots[inode->slot] = last;
	last->slot = inode->slot;
	atomic_store_explicit(&inode->fd, -1, memory_order_relaxed);
	return fd;
}

int fdcache_evict(struct fdcache *cache, uint32_t budget)
{
	/* Twice round: the first may only take the second chances away. */
	for (uint32_t steps = cache->count * 2; cache->count > budget && steps > 0; steps--) {
		if (cache->hand >= cache->count)
			cache->hand = 0;
		struct inode *inode = cache->slots[cache->hand];
		if (!inode->pinned && atomic_load_explicit(&inode->users, memory_order_acquire) == 0 &&
		    !atomic_exchange_explicit(&inode->used, false, memory_order_relaxed))
			return fdcache_remove(cache, inode);
		cache->hand++;
	}
	return -1;
}

void fdcache_clear(struct fdcache *cache)
{
	free(cache->slots);
	*cache = (struct fdcache){ .budget = cache->budget };
}
