// SPDX-License-Identifier: BSD-3-Clause
/* A position in scattered memory, and moving bytes between it and files or plain memory. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <fsbackend/transfer.h>

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

void fsb_transfer_skip(struct fsb_transfer *t, size_t length)
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
		fsb_transfer_skip(t, (size_t)step);
		moved += (size_t)step;
	}
	return (ssize_t)moved;
}

ssize_t fsb_transfer_from_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length)
{
	return move(t, fd, offset, length, preadv);
}

ssize_t fsb_transfer_to_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length)
{
	return move(t, fd, offset, length, pwritev);
}

size_t fsb_transfer_put(struct fsb_transfer *t, const void *data, size_t length)
{
	const char *from = data;
	size_t copied = 0;
	char *memory;
	size_t step;

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
