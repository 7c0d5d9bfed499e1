// SPDX-License-Identifier: BSD-3-Clause
/*
 * Slots: the memory of requests in flight. The pool is locked only when a slot changes hands, that
 * is, when a request is deferred.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "slots.h"

enum {
	PAGE = 4096,
	/*
	 * The header and the fixed arguments of a WRITE; they end where a page ends, so that its
	 * data begins a page.
	 */
	HEAD = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in),
	/*
	 * What messages hold at most besides file data: an xattr's value (64 KiB), names, labels.
	 */
	LEAST_BODY = 65536,
};

int slots_init(struct slot_pool *pool, uint32_t max_write, unsigned int keep, unsigned int npipes,
	       fsb_reply_fn reply, void *owner)
{
	*pool = (struct slot_pool){ .keep = keep, .reply = reply, .owner = owner };
	pool->max_write = max_write > LEAST_BODY ? max_write : LEAST_BODY;
	int err = pipes_init(&pool->pipes, npipes);
	if (err)
		return err;
	err = -pthread_mutex_init(&pool->lock, NULL);
	if (err)
		pipes_clear(&pool->pipes);
	return err;
}

static struct slot *slot_new(struct slot_pool *pool)
{
	size_t body = (pool->max_write + PAGE - 1) / PAGE * PAGE + PAGE;
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->size = PAGE + body + body;
	slot->memory = mmap(NULL, slot->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slot->memory == MAP_FAILED) {
		free(slot);
		return NULL;
	}
	slot->pool = pool;
	slot->capacity = HEAD + body;
	slot->request.iov_base = (char *)slot->memory + PAGE - HEAD;
	slot->payload.iov_base = (char *)slot->memory + PAGE + body;
	slot->payload.iov_len = body;
	fsb_message_init(&slot->message, pool->reply, slot);
	slot->message.request = &slot->request;
	slot->message.nrequest = 1;
	slot->message.payload = &slot->payload;
	slot->message.npayload = 1;
	slot_pipe_init(&slot->pipe, &pool->pipes);
	slot->message.pipe = &slot->pipe.base;
	return slot;
}

static void slot_free(struct slot *slot)
{
	fsb_message_clear(&slot->message);
	munmap(slot->memory, slot->size);
	free(slot);
}

static void list_add(struct slot_pool *pool, struct slot *slot)
{
	slot->next = pool->all;
	slot->link = &pool->all;
	if (slot->next)
		slot->next->link = &slot->next;
	pool->all = slot;
}

static void list_remove(struct slot *slot)
{
	*slot->link = slot->next;
	if (slot->next)
		slot->next->link = slot->link;
}

struct slot *slot_take(struct slot_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct slot *slot = pool->free;
	if (slot) {
		pool->free = slot->next_free;
		pool->nfree--;
	} else {
		slot = slot_new(pool);
		if (slot)
			list_add(pool, slot);
	}
	pthread_mutex_unlock(&pool->lock);
	return slot;
}

void slot_give(struct slot *slot)
{
	struct slot_pool *pool = slot->pool;

	pthread_mutex_lock(&pool->lock);
	if (pool->nfree < pool->keep) {
		slot->next_free = pool->free;
		pool->free = slot;
		pool->nfree++;
		slot = NULL;
	} else {
		list_remove(slot);
	}
	pthread_mutex_unlock(&pool->lock);
	if (slot)
		slot_free(slot);
}

void slots_clear(struct slot_pool *pool)
{
	struct slot *slot;

	while ((slot = pool->all)) {
		list_remove(slot);
		slot_free(slot);
	}
	pipes_clear(&pool->pipes);
	pthread_mutex_destroy(&pool->lock);
}
