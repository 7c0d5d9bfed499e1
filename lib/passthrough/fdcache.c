// SPDX-License-Identifier: BSD-3-Clause
/*
 * Which of a shard's descriptors may be taken away: a ring of their inodes, and a clock's hand that
 * gives each one a second chance. The shard's lock is held in every function.
 */
#include <errno.h>
#include <stdlib.h>

#include "inode.h"

enum { SMALLEST = 8 };

static int resize(struct fdcache *cache, uint32_t capacity)
{
	struct inode **slots = realloc(cache->slots, capacity * sizeof(struct inode *));

	if (!slots)
		return -ENOMEM;
	cache->slots = slots;
	cache->capacity = capacity;
	return 0;
}

int fdcache_add(struct fdcache *cache, struct inode *inode)
{
	if (cache->count == cache->capacity &&
	    resize(cache, cache->capacity ? cache->capacity * 2 : SMALLEST) < 0)
		return -ENOMEM;
	inode->slot = cache->count;
	cache->slots[cache->count++] = inode;
	atomic_store_explicit(&inode->used, true, memory_order_relaxed);
	return 0;
}

void fdcache_remove(struct fdcache *cache, struct inode *inode)
{
	if (inode->slot == SLOT_NONE)
		return;
	struct inode *last = cache->slots[--cache->count];
	cache->slots[inode->slot] = last;
	last->slot = inode->slot;
	inode->slot = SLOT_NONE;
	/* If that fails it wastes memory, nothing more. */
	if (cache->capacity > SMALLEST && cache->count <= cache->capacity / 4)
		(void)resize(cache, cache->capacity / 2);
}

struct inode *fdcache_victim(struct fdcache *cache)
{
	/* Twice round: the first may only take the second chances away. */
	for (uint32_t steps = cache->count * 2; steps > 0; steps--) {
		if (cache->hand >= cache->count)
			cache->hand = 0;
		struct inode *inode = cache->slots[cache->hand];
		if (atomic_load_explicit(&inode->users, memory_order_acquire) == 0 &&
		    !atomic_exchange_explicit(&inode->used, false, memory_order_relaxed)) {
			fdcache_remove(cache, inode);
			return inode;
		}
		cache->hand++;
	}
	return NULL;
}

void fdcache_clear(struct fdcache *cache)
{
	free(cache->slots);
	*cache = (struct fdcache){ 0 };
}
