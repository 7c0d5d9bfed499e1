/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection's bytes: frames read from a non-blocking descriptor straight to where they belong,
 * and a queue of what goes out. It knows no locks: reading is one thread's at a time, and so is
 * writing.
 *
 * Small frames come several at a time into a small stage. What does not fit there is read to its
 * destination; no more than a stage of it is ever copied.
 */
#ifndef FSB_STREAM_LINK_H
#define FSB_STREAM_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "frame.h"

enum { LINK_STAGE = 8192, OUTGOING_PIECES = 4 };

/**
 * Something on its way out, in the memory of whoever sends it.
 *
 * @iov:  its pieces; used up as they are sent
 * @done: it was sent, or will not be: the memory is its owner's again
 */
struct outgoing {
	struct outgoing *next;
	struct iovec iov[OUTGOING_PIECES];
	unsigned int niov;
	void (*done)(struct outgoing *outgoing);
};

/**
 * @in, @out:   may be the same
 * @queued:     whether something waits to be sent; for readers without the writer's lock
 * @moved:      counts progress of writing
 */
struct link {
	int in;
	int out;
	bool in_socket;
	bool out_socket;
	size_t at;
	size_t end;
	struct outgoing *first;
	struct outgoing **last;
	atomic_bool queued;
	atomic_uint moved;
	_Alignas(8) uint8_t stage[LINK_STAGE];
};

/** Take over two descriptors, which become non-blocking. Return: 0 or a negative errno. */
int link_init(struct link *link, int in, int out);

/** Close both, and give up what waits to be sent. */
void link_clear(struct link *link);

/**
 * Read the next frame's header.
 *
 * Return: 0; -EAGAIN when it is not there as a whole; -EPIPE at the end of the stream, -EBADMSG
 * when that is in the middle of a frame; or the errno of reading.
 */
int link_header(struct link *link, struct frame_header *header);

/**
 * Read @length bytes to @to, of which @filled are there already. Return: 0 when all are; as
 * link_header() otherwise.
 */
int link_body(struct link *link, void *to, size_t length, size_t *filled);

/** Bytes that were read already, before anything else is. At most LINK_STAGE. */
void link_put_back(struct link *link, const void *bytes, size_t length);

/** Whether bytes of the next frame are here already. */
static inline bool link_has_more(const struct link *link)
{
	return link->end > link->at;
}

/** Whether all of the next frame is here already. */
bool link_has_frame(const struct link *link);

/** Put something behind what is to be sent. */
void link_queue(struct link *link, struct outgoing *outgoing);

/** Send what can be sent. Return: 0 when nothing is left; -EAGAIN; or the errno of writing. */
int link_flush(struct link *link);

/** Write at once, past the queue. Return: how many bytes; or a negative errno. */
ssize_t link_write(struct link *link, struct iovec *iov, unsigned int niov);

/** Nothing can be sent any more: give up what waits. */
void link_drop(struct link *link);

#endif
