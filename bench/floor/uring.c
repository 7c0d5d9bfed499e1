// SPDX-License-Identifier: BSD-3-Clause
/* Requests by io_uring: each core has a queue, a thread, and some entries. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fsbackend/fuse_wire.h>
#include <transport/ring.h>

#include "answer.h"
#include "loops.h"

enum { ENTRIES = 16, RING_ENTRIES = 64, PAYLOAD = 1024 * 1024 };

struct entry {
	struct fuse_uring_req_header header;
	struct iovec registered[2];
};

struct queue {
	int fd;
	uint16_t core;
	uint64_t spin_ns;
	struct ring ring;
	struct entry entries[ENTRIES];
};

static void command(struct queue *queue, struct entry *entry, enum fuse_uring_cmd what)
{
	struct fuse_uring_cmd_req request = {
		.qid = queue->core,
		.commit_id = entry->header.ring_ent_in_out.commit_id,
	};
	struct io_uring_sqe *sqe = ring_prepare(&queue->ring, (uintptr_t)entry);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = queue->fd;
	sqe->cmd_op = what;
	sqe->addr = (uintptr_t)entry->registered;
	sqe->len = 2;
	memcpy(sqe->cmd, &request, sizeof(request));
}

static void give(struct entry *entry)
{
	struct fuse_in_header request;

	memcpy(&request, entry->header.in_out, sizeof(request));
	const struct answer *answer = answer_find(request.opcode);
	struct fuse_out_header header = { .error = answer->error, .unique = request.unique };

	memcpy(entry->header.in_out, &header, sizeof(header));
	if (answer->length)
		memcpy(entry->registered[1].iov_base, answer->body, answer->length);
	entry->header.ring_ent_in_out.payload_sz = (uint32_t)answer->length;
}

static void wait_for_news(struct queue *queue)
{
	uint64_t begin = now_ns();

	if (queue->spin_ns) {
		ring_enter(&queue->ring, false);
		while (!ring_has_news(&queue->ring) && now_ns() - begin < queue->spin_ns)
			sched_yield();
	}
	ring_enter(&queue->ring, !ring_has_news(&queue->ring));
}

static void *serve(void *opaque)
{
	struct queue *queue = opaque;
	const struct io_uring_cqe *cqe;
	cpu_set_t core;

	CPU_ZERO(&core);
	CPU_SET(queue->core, &core);
	sched_setaffinity(0, sizeof(core), &core);
	ring_enable(&queue->ring);
	for (unsigned int i = 0; i < ENTRIES; i++)
		command(queue, &queue->entries[i], FUSE_IO_URING_CMD_REGISTER);
	for (;;) {
		wait_for_news(queue);
		while ((cqe = ring_peek(&queue->ring))) {
			struct entry *entry = (struct entry *)(uintptr_t)cqe->user_data;
			if (cqe->res < 0)
				return NULL;
			ring_seen(&queue->ring);
			give(entry);
			command(queue, entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
		}
	}
}

static int start_queue(int fd, unsigned int core, uint64_t spin_ns)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	pthread_t thread;

	if (!queue)
		return -ENOMEM;
	queue->fd = fd;
	queue->core = (uint16_t)core;
	queue->spin_ns = spin_ns;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		struct entry *entry = &queue->entries[i];
		entry->registered[0] = (struct iovec){ &entry->header, sizeof(entry->header) };
		entry->registered[1] = (struct iovec){ aligned_alloc(4096, PAYLOAD), PAYLOAD };
		if (!entry->registered[1].iov_base)
			return -ENOMEM;
	}
	int err = ring_init(&queue->ring, RING_ENTRIES);
	return err ? err : -pthread_create(&thread, NULL, serve, queue);
}

int uring_start(int fd, uint64_t spin_ns)
{
	long cores = sysconf(_SC_NPROCESSORS_CONF);
	int err = 0;

	for (long core = 0; core < cores && !err; core++)
		err = start_queue(fd, (unsigned int)core, spin_ns);
	return err;
}
