/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots: the memory of one request in flight, its message, and the descriptor that its reply goes
 * to. A worker owns one and uses it again and again; a request that is deferred takes its slot
 * along, and whoever answers it gives it back.
 */
#ifndef FSB_TRANSPORT_SLOTS_H
#define FSB_TRANSPORT_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <fsbackend/server.h>

#include "replypipe.h"

/*
 * Of a slot's request: the worker has let go of it, and the reply function has run. Both happen in
 * any order, on any two threads; whoever sets the second one owns the slot.
 */
enum { SLOT_DEFERRED = 1, SLOT_REPLIED = 2 };

/**
 * @message: whose owner is the slot
 * @pool:    where it came from
 * @fd:      where its request was read from: the kernel takes the reply only there
 * @state:   SLOT_*
 * @pipe:    another way to the device than the payload, for large reads
 * @error:   of the last reply's header
 * @request: the request's memory; what follows the fixed arguments of a WRITE is aligned to pages
 * @payload: the reply's memory, aligned to pages
 */
struct slot {
	struct fsb_message message;
	struct slot_pool *pool;
	int fd;
	atomic_uint state;
	struct slot_pipe pipe;
	int error;
	struct iovec request;
	struct iovec payload;
	size_t capacity; /* of @request, whose iov_len is the length of the present one */
	void *memory;
	size_t size;
	struct slot *next_free;
	struct slot *next;
	struct slot **link; /* what points here in the list of all */
};

struct slot_pool {
	pthread_mutex_t lock;
	struct slot *all;
	struct slot *free;
	unsigned int nfree;
	unsigned int keep; /* at most so many free ones; further ones go back to the system */
	size_t max_write;
	struct pipe_pool pipes;
	fsb_reply_fn reply;
	void *owner;
};

/**
 * Make an empty pool of slots for requests with at most @max_write bytes of data, that share at
 * most @npipes pipes.
 *
 * Return: 0, or a negative errno.
 */
int slots_init(struct slot_pool *pool, uint32_t max_write, unsigned int keep, unsigned int npipes,
	       fsb_reply_fn reply, void *owner);

/** Free all slots, those too whose requests were never answered. Nothing may use them any more. */
void slots_clear(struct slot_pool *pool);

/** A free slot, or a new one. Return: it, or NULL without memory. */
struct slot *slot_take(struct slot_pool *pool);

/** Give a slot back. */
void slot_give(struct slot *slot);

#endif
