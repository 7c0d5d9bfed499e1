/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pipes by which the bytes of large reads go from the host's page cache to the client's: one copy
 * less than by a slot's payload. A pool of few pipes, made when they are needed; a request has one
 * from the moment its file is read until its reply is sent, so that one that waits long (for a
 * lock) keeps none.
 */
#ifndef FSB_TRANSPORT_REPLYPIPE_H
#define FSB_TRANSPORT_REPLYPIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <fsbackend/fuse_wire.h>

#include "pipe.h"

/**
 * @head:  a page that lies in front in the pipe, by reference: the reply's header is written there
 * when its length is known
 * @taken: by a request, or not usable for good
 */
struct reply_pipe {
	int in;
	int out;
	struct fuse_out_header *head;
	size_t pages; /* room for data */
	bool taken;
};

struct pipe_pool {
	pthread_mutex_t lock;
	struct reply_pipe *pipes;
	unsigned int npipes;
};

/** A slot's place for a pipe. */
struct slot_pipe {
	struct fsb_pipe base; /* first */
	struct pipe_pool *pool;
	struct reply_pipe *taken;
};

/**
 * Make a pool of at most @wanted pipes, and no more descriptors than a thirty-second part of the
 * soft RLIMIT_NOFILE; 0 for none at all.
 *
 * Return: 0, -ENOMEM.
 */
int pipes_init(struct pipe_pool *pool, unsigned int wanted);

/** Close all pipes. Nothing may use them any more. */
void pipes_clear(struct pipe_pool *pool);

/** Give a slot its place. */
void slot_pipe_init(struct slot_pipe *slot, struct pipe_pool *pool);

/** Whether there is something in the pipe, so that the reply has to be sent by slot_pipe_send(). */
static inline bool slot_pipe_used(const struct slot_pipe *slot)
{
	return slot->base.moved != 0;
}

/** Throw away what a request has left that nobody answered. */
void slot_pipe_discard(struct slot_pipe *slot);

static inline void slot_pipe_reset(struct slot_pipe *slot)
{
	if (__builtin_expect(slot->taken || slot_pipe_used(slot), 0))
		slot_pipe_discard(slot);
}

/**
 * Send a reply: @header, and behind it what lies in the pipe, if it wants any. Afterwards the pipe
 * is empty, or thrown away.
 *
 * @fd: of the device
 *
 * Return: 0, or a negative errno of the device.
 */
int slot_pipe_send(struct slot_pipe *slot, int fd, const struct fuse_out_header *header);

#endif
