/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a /dev/fuse session by io_uring (kernel 6.14). The kernel puts a request on the queue
 * of the core that its caller runs on; here a thread near that core serves it. INIT, FORGET,
 * INTERRUPT and notifications stay on the device.
 */
#ifndef FSB_TRANSPORT_URING_H
#define FSB_TRANSPORT_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fsbackend/log.h>
#include <fsbackend/server.h>

struct uring;

/**
 * @server, @log: the session's
 * @fd:       of the session, borrowed until uring_free()
 * @payload:  bytes of the longest message body, at least the negotiated max_write
 * @spin_ns:  how long a thread may spin
 * @required: it is an error if the kernel does not take the rings; otherwise it goes on with the
 * device
 * @failed:   called by a thread of the ring: the session cannot go on
 * @opaque:   handed to @failed
 */
struct uring_config {
	struct fsb_server *server;
	struct fsb_log log;
	int fd;
	size_t payload;
	uint64_t spin_ns;
	bool required;
	void (*failed)(void *opaque, int err);
	void *opaque;
};

/**
 * Make the rings, their memory and their threads, so that nothing of ours can fail once INIT has
 * said that they are used.
 *
 * Return: 0; a negative errno where io_uring is missing, forbidden or too old, or without memory or
 * threads.
 */
int uring_new(const struct uring_config *config, struct uring **uring);

/**
 * INIT was answered, with FUSE_OVER_IO_URING: tell the kernel of the rings. The rest happens in
 * their threads.
 */
void uring_start(struct uring *uring);

/** Whether a request has come by the rings: from then on none that anybody waits for comes by the device. */
bool uring_serves(const struct uring *uring);

/**
 * Have the threads finish what they work on, and end; also if they never started. Requests that
 * come afterwards are answered by nobody: the kernel fails them when the session's descriptors are
 * closed. Deferred ones may be answered still; their answers are lost.
 */
void uring_stop(struct uring *uring);

/** Free what uring_stop() has stopped. No request of it is in flight any more. NULL is nothing. */
void uring_free(struct uring *uring);

#endif
