// SPDX-License-Identifier: BSD-3-Clause
/*
 * A ring of io_uring. The kernel and this thread share head and tail of both queues: each reads the
 * other's with acquire.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

/* Newer than some installed headers. */
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1u << 16) /* since 6.6: entries are submitted in their order */
#endif

enum { SQE_SIZE = 128 };

static int setup(unsigned int entries, struct io_uring_params *params)
{
	int fd = (int)syscall(SYS_io_uring_setup, entries, params);

	return fd < 0 ? -errno : fd;
}

static void *map(const struct ring *ring, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, what);
}

static unsigned int *word(const struct ring *ring, uint32_t offset)
{
	return (unsigned int *)((char *)ring->memory + offset);
}

static int map_all(struct ring *ring, const struct io_uring_params *params)
{
	ring->size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
	ring->memory = map(ring, ring->size, IORING_OFF_SQ_RING);
	if (ring->memory == MAP_FAILED)
		return -errno;
	ring->sqes_size = (size_t)params->sq_entries * SQE_SIZE;
	ring->sqes = map(ring, ring->sqes_size, IORING_OFF_SQES);
	if (ring->sqes == MAP_FAILED)
		return -errno;
	ring->entries = params->sq_entries;
	ring->sq_tail = word(ring, params->sq_off.tail);
	ring->sq_flags = word(ring, params->sq_off.flags);
	ring->cq_head = word(ring, params->cq_off.head);
	ring->cq_tail = word(ring, params->cq_off.tail);
	ring->cq_mask = params->cq_entries - 1;
	ring->cqes = (struct io_uring_cqe *)((char *)ring->memory + params->cq_off.cqes);
	return 0;
}

int ring_init(struct ring *ring, unsigned int entries)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_NO_SQARRAY |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
	};

	*ring = (struct ring){ .memory = MAP_FAILED, .sqes = MAP_FAILED };
	ring->fd = setup(entries, &params);
	if (ring->fd < 0)
		return ring->fd;
	int err = map_all(ring, &params);
	if (err)
		ring_clear(ring);
	return err;
}

void ring_clear(struct ring *ring)
{
	if (ring->fd < 0)
		return;
	if (ring->sqes != MAP_FAILED)
		munmap(ring->sqes, ring->sqes_size);
	if (ring->memory != MAP_FAILED)
		munmap(ring->memory, ring->size);
	close(ring->fd);
	ring->fd = -1;
}

int ring_enable(struct ring *ring)
{
	return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0
		       ? -errno
		       : 0;
}

int ring_enter(struct ring *ring, bool wait)
{
	__atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_RELEASE);
	long done = syscall(SYS_io_uring_enter, ring->fd, ring->pending, wait ? 1 : 0,
			    IORING_ENTER_GETEVENTS, NULL, 0);
	if (done < 0)
		return -errno;
	ring->pending -= (unsigned int)done;
	return 0;
}

struct io_uring_sqe *ring_prepare(struct ring *ring, uint64_t user_data)
{
	if (ring->pending == ring->entries &&
	    (ring_enter(ring, false) < 0 || ring->pending == ring->entries))
		return NULL;
	void *sqe = (char *)ring->sqes + (size_t)(ring->tail++ & (ring->entries - 1)) * SQE_SIZE;
	ring->pending++;
	memset(sqe, 0, SQE_SIZE);
	((struct io_uring_sqe *)sqe)->user_data = user_data;
	return sqe;
}

const struct io_uring_cqe *ring_peek(const struct ring *ring)
{
	unsigned int head = *ring->cq_head;

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return NULL;
	return &ring->cqes[head & ring->cq_mask];
}

void ring_seen(struct ring *ring)
{
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
}

bool ring_has_news(const struct ring *ring)
{
	return (__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) &
		(IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ||
	       ring_peek(ring);
}
