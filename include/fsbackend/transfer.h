/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the bytes of a read go, and where those of a write come from. read and write of the vtable move no bytes
 * themselves: they get a transfer, and either name a file descriptor from which the host's kernel moves the bytes
 * straight to where the transport wants them (a guest's pages, a ring's payload, a worker's buffer), or copy from and
 * to memory of their own.
 *
 * Smallest correct use, calling a file system's read directly:
 *
 *	char buffer[4096];
 *	struct iovec iov = { buffer, sizeof(buffer) };
 *	struct fsb_transfer to;
 *	fsb_transfer_init(&to, &iov, 1, sizeof(buffer));
 *	ssize_t n = fs->ops->read(fs, &ctx, nodeid, fh, 0, sizeof(buffer), 0, 0, &to);
 */
#ifndef FSBACKEND_TRANSFER_H
#define FSBACKEND_TRANSFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <fsbackend/base.h>

FSB_BEGIN_DECLS

struct fsb_pipe;

/**
 * A position in scattered memory. The fields are the library's; set them by fsb_transfer_init().
 *
 * The memory may be shared with a hostile guest that changes it meanwhile: file data is moved, never interpreted.
 * One transfer is used by one thread at a time.
 */
struct fsb_transfer {
	const struct iovec *iov; /* borrowed, not changed */
	size_t niov;
	size_t index;  /* the first piece that is not used up */
	size_t offset; /* how much of that piece is used up */
	size_t left;   /* how many bytes may still be moved */
	struct fsb_pipe *pipe; /* borrowed: another way to the transport than by the memory, or NULL */
};

/**
 * Make @t a transfer of at most @length bytes over @niov pieces of memory, which must stay valid as long as @t is used.
 * A @length above the sum of the pieces is cut to it.
 */
FSB_API void fsb_transfer_init(struct fsb_transfer *t, const struct iovec *iov, size_t niov, size_t length);

/** Step over @length bytes (or all that are left) without moving them. */
FSB_API void fsb_transfer_skip(struct fsb_transfer *t, size_t length);

/**
 * Read from a file into the transfer's memory: preadv(2), repeated over short reads until @length bytes, the end of the
 * file, or the end of the transfer. Where the transport can send from a pipe (the library's own, on /dev/fuse) a large
 * read goes there by splice(2) instead, which spares a copy; nobody needs to know, as whatever else is done with the
 * transfer first brings the bytes into the memory.
 *
 * @fd:     open for reading, not O_PATH
 * @offset: in bytes, at most INT64_MAX
 *
 * Return: the number of bytes moved, 0 at the end of the file; -EINVAL for an @offset out of range; a negative errno
 * of preadv(2) when no byte was moved.
 */
FSB_API ssize_t fsb_transfer_from_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length);

/**
 * Write the transfer's memory to a file: pwritev(2), repeated over short writes. On an fd with O_APPEND the bytes go to
 * the end of the file whatever @offset says (Linux' pwrite(2)).
 *
 * Return: the number of bytes moved; -EINVAL; a negative errno of pwritev(2) when no byte was moved.
 */
FSB_API ssize_t fsb_transfer_to_fd(struct fsb_transfer *t, int fd, uint64_t offset, size_t length);

/** Copy from @data into the transfer's memory. Return: the number of bytes copied, less than @length when it is full. */
FSB_API size_t fsb_transfer_put(struct fsb_transfer *t, const void *data, size_t length);

/** Copy from the transfer's memory to @data. Return: the number of bytes copied, less than @length at its end. */
FSB_API size_t fsb_transfer_get(struct fsb_transfer *t, void *data, size_t length);

FSB_END_DECLS

#endif
