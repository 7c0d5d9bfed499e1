/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was sent on a channel and may have to be sent again: numbered frames that the other side has
 * not acknowledged. Numbers count from 1 and wrap around.
 */
#ifndef FSB_STREAM_RETAINED_H
#define FSB_STREAM_RETAINED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link.h"
#include "memory.h"

/**
 * A frame.
 *
 * @out:     first, sends a copy of it
 * @sending: it is in a link's queue
 * @acked:   the other side has it: to be freed as soon as it is not being sent, nor held
 * @held:    whoever has a reference may add it once more when it is @acked, and not @sending
 * @bytes:   its memory: @own, or @large of a pool
 * @length:  of @bytes
 */
struct retained {
	struct outgoing out;
	struct retained *next;
	bool sending;
	bool acked;
	bool held;
	size_t length;
	uint8_t *bytes;
	struct memory_pool *pool;
	void *large;
	_Alignas(8) uint8_t own[];
};

/** @acked: the number of the last acknowledged frame; @sent: of the last one. */
struct retained_list {
	struct retained *first;
	struct retained **last;
	uint32_t acked;
	uint32_t sent;
	size_t bytes;
};

void retained_init(struct retained_list *list);

/** A frame with room for @length bytes, all to be filled. Return: it, or NULL without memory. */
struct retained *retained_new(size_t length);

/** A frame that lies at @bytes in @large, which is taken over from @pool. Return: it, or NULL. */
struct retained *retained_new_large(struct memory_pool *pool, void *large, uint8_t *bytes,
				    size_t length);

/** No longer hold one. */
void retained_let_go(struct retained *frame);

/** Free one that was not added to a list. */
void retained_free(struct retained *frame);

/** Take over from another process: the other side has received @count frames of its, and what was
 * added here follows them. */
void retained_adopt(struct retained_list *list, uint32_t count);

/** Keep a frame: it is the next one. */
void retained_add(struct retained_list *list, struct retained *frame);

/**
 * The other side has received @count frames. Return: 0; -EPROTO when that many were not sent, or
 * fewer than it has said before.
 */
int retained_acknowledge(struct retained_list *list, uint32_t count);

/** Take all out, in order: they are the caller's, and have not been sent. Return: the first. */
struct retained *retained_take_all(struct retained_list *list);

/** Queue all that are left, in order, with @ack in their headers. */
void retained_send_again(struct retained_list *list, struct link *link, uint32_t ack);

/** Queue one that is kept. */
void retained_send(struct retained *frame, struct link *link);

/** Forget all. None is being sent. */
void retained_clear(struct retained_list *list);

#endif
