/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pipe of the transport's, by which the bytes of a read can go from a file to the client without
 * passing through memory: fsb_transfer_from_fd() puts them in, the transport sends them from there.
 */
#ifndef FSB_LIB_PIPE_H
#define FSB_LIB_PIPE_H

#include <stddef.h>

enum {
	/* From here on what is saved is clearly more than what the pipe costs: at 64 KiB 1.13 times
	 * as fast, at 32 KiB 1.06, at 16 KiB 1.01. */
	PIPE_LEAST = 65536,
	/* No transport puts more in front. */
	PIPE_FRONT_MAX = 64,
};

/**
 * @begin:  make the pipe ready for bytes of so many pages, behind what the transport has put in.
 * Return: 0; or a negative errno when the bytes have to go by memory, with nothing changed
 * @drop:   end what @begin began, whatever lies in the pipe
 * @in:     where bytes go in, between @begin and @drop or the reply
 * @out:    where they come out
 * @front:  how many bytes of the transport's own lie in front of them
 * @moved:  how many of the read's bytes lie in the pipe: the first ones of the payload, which are
 * then not in its memory. 0 without @begin. SIZE_MAX when they were lost, so that no answer may be
 * given
 */
struct fsb_pipe {
	int (*begin)(struct fsb_pipe *pipe, size_t pages);
	void (*drop)(struct fsb_pipe *pipe);
	int in;
	int out;
	size_t front;
	size_t moved;
};

#endif
