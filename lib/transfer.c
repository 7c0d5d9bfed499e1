// SPDX-License-Identifier: BSD-3-Clause
/* A position in scattered memory, and moving bytes between it and files or plain memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <fsbackend/transfer.h>

#include "pipe.h"

/* Pieces handed to the kernel in one call. A request of 1 MiB in pages of 4 KiB takes two calls. */
#define PIECES 128

void fsb_transfer_init(struct fsb_transfer *t, const struct iovec *iov, size_t niov, size_t length)
{
	size_t room = 0;

	/* Counting stops at @length: the sum of the pieces may be more than a size_t holds. */
	for (size_t i = 0; i < niov && room < length; i++)
		room = iov[i].iov_len < length - room ? room + iov[i].iov_len : length;
	*t = (struct fsb_transfer){ .iov = iov, .niov = niov, .left = room };
}

/* The memory at the position: how much of it lies in one piece. 0 only at the end. */
static size_t piece(struct fsb_transfer *t, char **memory)
{
	if (t->left == 0)
		return 0;
	while (t->offset == t->iov[t->index].iov_len) {
		t->index++;
		t->offset = 0;
	}
	size_t length = t->iov[t->index].iov_len - t->offset;
	*memory = (char *)t->iov[t->index].iov_base + t->offset;
	return length < t->left ? length : t->left;
}

static void advance(struct fsb_transfer *t, size_t length)
{
	char *memory;
	size_t step;

	while (length > 0 && (step = piece(t, &memory)) > 0) {
		if (step > length)
			step = length;
		t->offset += step;
		t->left -= step;
		length -= step;
	}
}

/* The next @length bytes, or as many of them as PIECES hold, without moving. Return: how many
 * pieces. */
static int gather(const struct fsb_transfer *t, size_t length, struct iovec *pieces)
{
	struct fsb_transfer ahead = *t;
	char *memory;
	size_t step;
	int n = 0;

	while (n < PIECES && length > 0 && (step = piece(&ahead, &memory)) > 0) {
		if (step > length)
			step = length;
		pieces[n++] = (struct iovec){ memory, step };
		ahead.offset += step;
		ahead.left -= step;
		length -= step;
	}
	return n;
}

typedef ssize_t (*vector_fn)(int fd, const struct iovec *iov, int niov, off_t offset);

static ssize_t move(struct fsb_transfer *t, int fd, uint64_t offset, size_t length, vector_fn call)
{
	struct iovec pieces[PIECES];
	size_t moved = 0;

	if (offset > INT64_MAX)
		return -EINVAL;
	while (moved < length) {
		int n = gather(t, length - moved, pieces);
		if (n == 0)
			break;
		ssize_t step = call(fd, pieces, n, (off_t)(offset + moved));
		if (step < 0 && errno == EINTR)
			continue;
		if (step < 0)
			return moved ? (ssize_t)moved : -errno;
		if (step == 0)
			break;
		advance(t, (size_t)step);
		moved += (size_t)step;
	}
	return (ssize_t)moved;
}

/* ---- By a pipe ---- */

/* Take @length bytes out of the pipe, which holds them all. */
static int drain(struct fsb_pipe *pipe, const struct fsb_transfer *to, size_t length)
{
	struct fsb_transfer t = *to;
	struct iovec pieces[PIECES];

	while (length > 0) {
		ssize_t step = readv(pipe->out, pieces, gather(&t, length, pieces));
		if (step < 0 && errno == EINTR)
			continue;
		if (step <= 0)
			return step < 0 ? -errno : -EIO;
		advance(&t, (size_t)step);
		length -= (size_t)step;
	}
	return 0;
}

/*
 * Bring what went into the pipe to where it would lie without one. What goes into a pipe goes
 * first, so it belongs to the beginning of the memory. From now on the transfer knows no pipe.
 */
static void into_memory(struct fsb_transfer *t)
{
	struct fsb_pipe *pipe = t->pipe;
	char front[PIPE_FRONT_MAX];
	struct iovec aside = { front, sizeof(front) };
	struct fsb_transfer first;
	size_t moved = pipe->moved;

	t->pipe = NULL;
	if (moved == 0)
		return;
	fsb_transfer_init(&first, &aside, 1, pipe->front);
	int err = drain(pipe, &first, pipe->front);
	first = (struct fsb_transfer){ .iov = t->iov, .niov = t->niov, .left = moved };
	if (!err)
		err = drain(pipe, &first, moved);
	pipe->drop(pipe);
	if (err)
		pipe->moved = SIZE_MAX;
}

static inline void use_memory(struct fsb_transfer *t)
{
	if (__builtin_expect(t->pipe != NULL, 0))
		into_memory(t);
}

static size_t pages_of(uint64_t offset, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (offset % page + length + page - 1) / page;
}

/* Nothing waits: whoever reads the pipe comes after us. */
static ssize_t splice_from(int fd, uint64_t offset, size_t length, int pipe, bool *ended)
{
	size_t moved = 0;

	*ended = false;
	while (moved < length && !*ended) {
		off64_t at = (off64_t)(offset + moved);
		/* Without SPLICE_F_MOVE: the pages stay in the host's cache. */
		ssize_t step = splice(fd, &at, pipe, NULL, length - moved, SPLICE_F_NONBLOCK);
		if (step < 0 && errno == EINTR)
			continue;
		if (step < 0)
			return moved ? (ssize_t)moved : -errno;
		*ended = step == 0;
		moved += (size_t)step;
	}
	*ended = true;
	return (ssize_t)moved;
}

/* Return: how many bytes went into the pipe. If @ended is false, the rest is to be tried by memory.
 */
static size_t move_by_pipe(struct fsb_transfer *t, int fd, uint64_t offset, size_t length,
			   bool *ended)
{
	struct fsb_pipe *pipe = t->pipe;

	*ended = false;
	if (t->index || t->offset || offset > INT64_MAX || length < PIPE_LEAST ||
	    pipe->begin(pipe, pages_of(offset, length)) < 0)
		return 0;
	ssize_t moved = splice_from(fd, offset, length, pipe->in, ended);
	if (moved <= 0) {
		/* Cannot be spliced, or has ended, or fails: preadv(2) says which. */
		pipe->drop(pipe);
		*ended = false;
		return 0;
	}
	pipe->moved = (size_t)moved;
	advance(t, (size_t)moved);
	return (size_t)moved;
}

/* ---- Files ---- */

ssize_t fsb_transfer_from_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length)
{
	size_t moved = 0;
	bool ended = false;

	if (t->pipe && t->pipe->moved == 0)
		moved = move_by_pipe(t, fd, offset, length < t->left ? length : t->left, &ended);
	if (ended)
		return (ssize_t)moved;
	use_memory(t);
	ssize_t rest = move(t, fd, offset + moved, length - moved, preadv);
	return rest < 0 && moved ? (ssize_t)moved : (ssize_t)moved + rest;
}

ssize_t fsb_transfer_to_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length)
{
	use_memory(t);
	return move(t, fd, offset, length, pwritev);
}

/* ---- Plain memory ---- */

void fsb_transfer_skip(struct fsb_transfer *t, size_t length)
{
	use_memory(t);
	advance(t, length);
}

size_t fsb_transfer_put(struct fsb_transfer *t, const void *data, size_t length)
{
	const char *from = data;
	size_t copied = 0;
	char *memory;
	size_t step;

	use_memory(t);
	while (copied < length && (step = piece(t, &memory)) > 0) {
		if (step > length - copied)
			step = length - copied;
		memcpy(memory, from + copied, step);
		t->offset += step;
		t->left -= step;
		copied += step;
	}
	return copied;
}

size_t fsb_transfer_get(struct fsb_transfer *t, void *data, size_t length)
{
	size_t copied = 0;
	char *to = data;
	char *memory;
	size_t step;

	use_memory(t);
	while (copied < length && (step = piece(t, &memory)) > 0) {
		if (step > length - copied)
			step = length - copied;
		memcpy(to + copied, memory, step);
		t->offset += step;
		t->left -= step;
		copied += step;
	}
	return copied;
}
