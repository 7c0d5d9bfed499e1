// SPDX-License-Identifier: BSD-3-Clause
/* Large pieces of memory, used again and again. */
#include <string.h>
#include <sys/mman.h>

#include "memory.h"

enum { PAGE = 4096 };

int memory_init(struct memory_pool *pool, size_t size, unsigned int keep)
{
	*pool = (struct memory_pool){ .keep = keep, .size = (size + PAGE - 1) / PAGE * PAGE };
	return -pthread_mutex_init(&pool->lock, NULL);
}

void *memory_take(struct memory_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	void *memory = pool->free;
	if (memory) {
		memcpy(&pool->free, memory, sizeof(pool->free));
		pool->nfree--;
	}
	pthread_mutex_unlock(&pool->lock);
	if (memory)
		return memory;
	memory = mmap(NULL, pool->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void memory_give(struct memory_pool *pool, void *memory)
{
	if (!memory)
		return;
	pthread_mutex_lock(&pool->lock);
	if (pool->nfree < pool->keep) {
		memcpy(memory, &pool->free, sizeof(pool->free));
		pool->free = memory;
		pool->nfree++;
		memory = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	if (memory)
		munmap(memory, pool->size);
}

void memory_clear(struct memory_pool *pool)
{
	while (pool->free) {
		void *memory = pool->free;
		memcpy(&pool->free, memory, sizeof(pool->free));
		munmap(memory, pool->size);
	}
	pthread_mutex_destroy(&pool->lock);
}
