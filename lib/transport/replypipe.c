// SPDX-License-Identifier: BSD-3-Clause
/*
 * Pipes of replies. No byte of one reply may come into another: whenever it is not certain that a
 * pipe is empty, it is closed, and another one made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../cleanup.h"
#include "replypipe.h"

enum {
	/* What may be asked for without privilege, as a rule (pipe-max-size). */
	LARGEST = 1024 * 1024,
	/* Two descriptors a pipe, a thirty-second part of all. */
	LIMIT_SHARE = 64,
};

int pipes_init(struct pipe_pool *pool, unsigned int wanted)
{
	struct rlimit limit;

	*pool = (struct pipe_pool){ .npipes = wanted };
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / LIMIT_SHARE < wanted)
		pool->npipes = (unsigned int)(limit.rlim_cur / LIMIT_SHARE);
	pool->pipes = calloc(pool->npipes ? pool->npipes : 1, sizeof(*pool->pipes));
	if (!pool->pipes)
		return -ENOMEM;
	for (unsigned int i = 0; i < pool->npipes; i++)
		pool->pipes[i].in = pool->pipes[i].out = -1;
	return -pthread_mutex_init(&pool->lock, NULL);
}

/* ---- One pipe ---- */

static void pipe_close(struct reply_pipe *pipe)
{
	fd_close(&pipe->in);
	fd_close(&pipe->out);
	/* What still refers to the page keeps it. */
	if (pipe->head)
		munmap(pipe->head, (size_t)sysconf(_SC_PAGESIZE));
	pipe->head = NULL;
}

/* As large as it may be: the limit is the user's as well, over all pipes. */
static size_t pipe_grow(int fd, size_t page)
{
	for (int size = LARGEST; size >= PIPE_LEAST; size /= 2)
		if (fcntl(fd, F_SETPIPE_SZ, size) >= 0)
			break;
	int size = fcntl(fd, F_GETPIPE_SZ);
	return size > 0 ? (size_t)size / page : 0;
}

/* Return: 0; -E2BIG when the pipe has no use, and no other will have; or a negative errno, that may
 * change. */
static int pipe_make(struct reply_pipe *pipe)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ends[2];

	/* Shared, so that no fork(2) of the host makes us write to a copy that the pipe does not
	 * refer to. */
	void *head = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (head == MAP_FAILED)
		return -errno;
	pipe->head = head;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pipe->out = ends[0];
	pipe->in = ends[1];
	pipe->pages = pipe_grow(pipe->in, page);
	/* One is the header's. */
	if (pipe->pages <= PIPE_LEAST / page)
		return -E2BIG;
	pipe->pages--;
	return 0;
}

static int pipe_put_head(struct reply_pipe *pipe)
{
	const struct iovec head = { pipe->head, sizeof(*pipe->head) };
	ssize_t put = vmsplice(pipe->in, &head, 1, SPLICE_F_NONBLOCK);

	if (put < 0)
		return -errno;
	return put == sizeof(*pipe->head) ? 0 : -EIO;
}

/* ---- The pool ---- */

static struct reply_pipe *pool_take(struct pipe_pool *pool)
{
	struct reply_pipe *found = NULL;

	pthread_mutex_lock(&pool->lock);
	for (unsigned int i = 0; i < pool->npipes && !found; i++)
		if (!pool->pipes[i].taken)
			found = &pool->pipes[i];
	if (found)
		found->taken = true;
	pthread_mutex_unlock(&pool->lock);
	return found;
}

static void pool_give(struct pipe_pool *pool, struct reply_pipe *pipe, bool empty)
{
	if (!empty)
		pipe_close(pipe);
	pthread_mutex_lock(&pool->lock);
	pipe->taken = false;
	pthread_mutex_unlock(&pool->lock);
}

void pipes_clear(struct pipe_pool *pool)
{
	for (unsigned int i = 0; i < pool->npipes; i++)
		pipe_close(&pool->pipes[i]);
	free(pool->pipes);
	pthread_mutex_destroy(&pool->lock);
}

/* ---- A slot's ---- */

static struct slot_pipe *slot_pipe_of(struct fsb_pipe *base)
{
	return (struct slot_pipe *)base;
}

static void give(struct slot_pipe *slot, bool empty)
{
	struct reply_pipe *taken = slot->taken;

	slot->taken = NULL;
	slot->base.moved = 0;
	if (taken)
		pool_give(slot->pool, taken, empty);
}

static int begin(struct fsb_pipe *base, size_t pages)
{
	struct slot_pipe *slot = slot_pipe_of(base);
	struct reply_pipe *pipe =
		pages < LARGEST / (size_t)sysconf(_SC_PAGESIZE) ? pool_take(slot->pool) : NULL;

	if (!pipe)
		return -EBUSY;
	int err = pipe->in < 0 ? pipe_make(pipe) : 0;
	if (err == -E2BIG) {
		/* It stays taken. */
		pipe_close(pipe);
		return err;
	}
	if (!err && pages > pipe->pages) {
		pool_give(slot->pool, pipe, true);
		return -EBUSY;
	}
	if (!err)
		err = pipe_put_head(pipe);
	if (err) {
		pool_give(slot->pool, pipe, false);
		return err;
	}
	slot->taken = pipe;
	slot->base.in = pipe->in;
	slot->base.out = pipe->out;
	return 0;
}

/* At most the header may be left in it. */
static bool is_emptied(int out)
{
	struct fuse_out_header head;
	ssize_t length = read(out, &head, sizeof(head));

	if (length == sizeof(head))
		length = read(out, &head, sizeof(head));
	return length < 0 && errno == EAGAIN;
}

static void drop(struct fsb_pipe *base)
{
	struct slot_pipe *slot = slot_pipe_of(base);

	give(slot, is_emptied(slot->base.out));
}

void slot_pipe_init(struct slot_pipe *slot, struct pipe_pool *pool)
{
	*slot = (struct slot_pipe){
		.base = { .begin = begin, .drop = drop, .front = sizeof(struct fuse_out_header) },
		.pool = pool,
	};
}

void slot_pipe_discard(struct slot_pipe *slot)
{
	give(slot, false);
}

static int send_alone(int fd, const struct fuse_out_header *header)
{
	return write(fd, header, sizeof(*header)) < 0 ? -errno : 0;
}

static int send_lost(int fd, const struct fuse_out_header *header)
{
	const struct fuse_out_header lost = { sizeof(lost), -EIO, header->unique };
	int err = send_alone(fd, &lost);

	return err ? err : -EIO;
}

int slot_pipe_send(struct slot_pipe *slot, int fd, const struct fuse_out_header *header)
{
	size_t body = header->len - sizeof(*header);
	bool whole = body == slot->base.moved;
	int err;

	if (body == 0) {
		err = send_alone(fd, header);
	} else if (body > slot->base.moved || !slot->taken) {
		err = send_lost(fd, header);
	} else {
		*slot->taken->head = *header;
		ssize_t sent = splice(slot->taken->out, NULL, fd, NULL, header->len, 0);
		err = sent < 0 ? -errno : (size_t)sent == header->len ? 0 : -EIO;
		/* The device may have failed before it knew whose answer that is; if it did know, this one is nobody's. */
		if (err && err != -ENOENT && err != -ENODEV && err != -EPERM)
			(void)send_lost(fd, header);
	}
	give(slot, whole && !err);
	return err;
}
