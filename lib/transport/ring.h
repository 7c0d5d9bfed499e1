/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of io_uring by raw system calls, as far as the transport needs one: entries of 128 bytes,
 * one thread that submits, and completions that show up only when that thread enters the kernel.
 */
#ifndef FSB_TRANSPORT_RING_H
#define FSB_TRANSPORT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/io_uring.h>

/**
 * @fd:       of io_uring, -1 when there is none
 * @pending:  entries that were prepared and not submitted yet
 */
struct ring {
	int fd;
	unsigned int entries;
	unsigned int pending;
	unsigned int tail; /* of what was prepared */
	void *memory;
	size_t size;
	void *sqes;
	size_t sqes_size;
	unsigned int *sq_tail;
	unsigned int *sq_flags;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
};

/**
 * Make a ring of @entries, a power of two, that nobody can use before ring_enable().
 *
 * Return: 0; a negative errno of io_uring_setup(2) or mmap(2) (-ENOSYS, -EPERM where io_uring is
 * switched off, -EINVAL on kernels before 6.6).
 */
int ring_init(struct ring *ring, unsigned int entries);

/** Close it, if there is one. What is still submitted is cancelled by the kernel, later. */
void ring_clear(struct ring *ring);

/** From now on the calling thread, and no other, uses the ring. Return: 0 or a negative errno. */
int ring_enable(struct ring *ring);

/**
 * A cleared entry for the next command, to be filled before the ring is used again. Submits those
 * before it when there is no room.
 *
 * @user_data: comes back with the completion
 *
 * Return: the entry of 128 bytes, or NULL when the kernel takes none at the moment.
 */
struct io_uring_sqe *ring_prepare(struct ring *ring, uint64_t user_data);

/**
 * Submit what was prepared, let the kernel complete what it has to on this thread, and wait for one
 * completion if @wait.
 *
 * Return: 0 or a negative errno (-EINTR).
 */
int ring_enter(struct ring *ring, bool wait);

/** The next completion, to be given back by ring_seen(); NULL when there is none. */
const struct io_uring_cqe *ring_peek(const struct ring *ring);

/** Done with the completion that ring_peek() gave. */
void ring_seen(struct ring *ring);

/** Whether there are completions, or would be after ring_enter(). Makes no system call. */
bool ring_has_news(const struct ring *ring);

#endif
