/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side of a stream: a /dev/fuse session whose requests are not answered here but sent,
 * each with its caller's supplementary groups, to a server elsewhere (stream_serve.h, or any peer that
 * speaks the protocol of docs/stream-protocol.md), whose answers are given to the kernel.
 *
 * Smallest correct use:
 *
 *	struct fsb_stream_forward_config config;
 *	struct fsb_stream_forward *forward;
 *	fsb_stream_forward_config_init(&config);
 *	config.dial = my_dial;                                 // gives a connected socket
 *	if (fsb_stream_forward_connect(&config, &forward) == 0) {
 *		... fsb_mount(&mount_config, &fd), as fsb_stream_forward_advice() says ...
 *		if (fsb_stream_forward_start(forward, fd) == 0)
 *			fsb_stream_forward_wait(forward);      // until it is unmounted or stopped
 *		fsb_stream_forward_free(forward);
 *	}
 */
#ifndef FSBACKEND_STREAM_FORWARD_H
#define FSBACKEND_STREAM_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fsbackend/base.h>
#include <fsbackend/context.h>
#include <fsbackend/log.h>

FSB_BEGIN_DECLS

struct fsb_stream_forward;

/**
 * How to forward. Set it up by fsb_stream_forward_config_init().
 *
 * @size:        sizeof the struct
 * @dial:        make a connection, the @channel'th: a stream socket twice, or two pipes, which are taken over. It may block as
 *               long as the host thinks right. Called by fsb_stream_forward_connect(), and, with @reconnect, by threads of the
 *               library, also for a channel that it was called for before. Return: 0; a negative errno
 * @opaque:      handed to @dial
 * @connections: 1 (default) to 16: so many requests can be on their way into the server at the same time. Each has a thread
 * @reconnect:   ask the server to keep the session when a connection is lost, and dial again. Without, a lost connection
 *               is for good: every request fails with ENOTCONN. Where the server keeps state for the process that follows it, the session goes
 *               on with that one, too; what the former may have run, and must not run twice, fails with ENOTCONN
 * @hold_s:      seconds for which requests wait for a lost connection (no longer than the server keeps the session); then it is
 *               for good as well; default 60
 * @max_write:   the most bytes of a write, 128 KiB to 1 MiB (default)
 * @spin_us:     microseconds, at most 1000, for which a thread may look for the next request or answer before it sleeps, as
 *               long as that pays; 0: never; default 50
 * @hello_s:     seconds in which the server has to answer the hello; default 20
 * @groups:      finds a caller's supplementary groups, as fsb_server_config.groups does; fsb_proc_groups_get() fits. Called only
 *               for requests that the server wants to know them of. NULL: they are unknown
 * @groups_opaque: handed to @groups
 * @log:         where messages go
 */
struct fsb_stream_forward_config {
	size_t size;
	int (*dial)(void *opaque, unsigned int channel, int *in, int *out);
	void *opaque;
	unsigned int connections;
	bool reconnect;
	unsigned int hold_s;
	uint32_t max_write;
	unsigned int spin_us;
	unsigned int hello_s;
	int (*groups)(void *opaque, struct fsb_context *ctx);
	void *groups_opaque;
	struct fsb_log log;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_stream_forward_config_init(). */
FSB_API void fsb_stream_forward_config_defaults(struct fsb_stream_forward_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_stream_forward_config_init(struct fsb_stream_forward_config *config)
{
	fsb_stream_forward_config_defaults(config, sizeof(*config));
}

/**
 * Dial, and say hello on every connection. No thread runs afterwards.
 *
 * Return: 0; -EINVAL; -ENOMEM; -EMFILE; what @dial returned; -EPIPE when the server hung up; -ETIMEDOUT when it did not answer; -EPROTO when it
 * broke the protocol, or speaks another one; -EPROTONOSUPPORT for another version or byte order; or what it refused us with (-EPERM, -EAGAIN ...).
 */
FSB_API int fsb_stream_forward_connect(const struct fsb_stream_forward_config *config,
				       struct fsb_stream_forward **forward);

/** How the server wants to be mounted: FSB_STREAM_CLIENT_JUDGES, FSB_STREAM_READ_ONLY of stream_serve.h. */
FSB_API uint32_t fsb_stream_forward_advice(const struct fsb_stream_forward *forward);

/** Whether all its connections are there at this moment. Any thread. */
FSB_API bool fsb_stream_forward_is_connected(const struct fsb_stream_forward *forward);

/**
 * Forward the requests of a mount, in threads of the library (all signals blocked). Returns at once. Once.
 *
 * @fd: an open /dev/fuse with a mount behind it; duplicated, the caller keeps and closes its own
 *
 * Return: 0; -EINVAL; -ENOMEM; -EAGAIN when no thread could be made; -EMFILE, -ENFILE; -EBADF. Nothing runs after an error.
 */
FSB_API int fsb_stream_forward_start(struct fsb_stream_forward *forward, int fd);

/** Wait until INIT was answered. Return: 0; -ENODEV when the session ended before; -EPROTO when the negotiation failed. */
FSB_API int fsb_stream_forward_wait_ready(struct fsb_stream_forward *forward);

/**
 * Wait until the session ends: unmounted, aborted or stopped; then say goodbye to the server, and close the session's descriptors, as
 * fsb_device_wait() does. A lost connection does not end it: the mount stays, and answers ENOTCONN. One thread at a time.
 *
 * Return: 0 after an unmount or a stop; -ECONNABORTED when it was aborted; -EPERM when there is no mount behind the descriptor;
 * another negative errno of reading it.
 */
FSB_API int fsb_stream_forward_wait(struct fsb_stream_forward *forward);

/** Ask the session to end, which it does in fsb_stream_forward_wait() or _free(). Async-signal-safe, any thread. Does not unmount. */
FSB_API void fsb_stream_forward_stop(struct fsb_stream_forward *forward);

/** Stop, wait, and free. NULL is nothing. */
FSB_API void fsb_stream_forward_free(struct fsb_stream_forward *forward);

FSB_END_DECLS

#endif
