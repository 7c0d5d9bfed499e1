/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session on /dev/fuse: worker threads that read requests of the local kernel from a device descriptor, hand them to
 * a server, and write the replies back.
 *
 * Smallest correct use:
 *
 *	struct fsb_device_config config;
 *	struct fsb_device *device;
 *	fsb_device_config_init(&config);
 *	config.server = server;
 *	config.fd = fd;                         // from fsb_mount(), or any other open, mounted /dev/fuse
 *	if (fsb_device_start(&config, &device) == 0) {
 *		int err = fsb_device_wait(device);  // until it is unmounted or stopped
 *		fsb_device_free(device);
 *	}
 */
#ifndef FSBACKEND_DEVICE_H
#define FSBACKEND_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include <fsbackend/base.h>
#include <fsbackend/log.h>
#include <fsbackend/server.h>

FSB_BEGIN_DECLS

struct fsb_device;

/** How requests come. */
enum fsb_device_io {
	FSB_IO_AUTO = 0,    /* by io_uring where that works, else by the device */
	FSB_IO_CLASSIC = 1, /* by read(2) and write(2) of the device */
	FSB_IO_URING = 2,   /* by io_uring, or not at all */
};

/**
 * How a session is made. Set it up by fsb_device_config_init().
 *
 * @size:    sizeof the struct
 * @server:  whom to hand requests to, of this session alone; borrowed. Its max_write decides the size of the workers' buffers
 * @fd:      an open /dev/fuse with a mount behind it; duplicated, the caller keeps and closes its own
 * @threads: worker threads, 1 to 256; 0 (default): as many as there are online cores, two at least
 * @log:     where messages go
 * @io:      how requests come. By io_uring, each core has a thread of its own, and @threads are for
 *           what stays on the device. It needs a kernel that offers it (6.14, with fuse's parameter
 *           enable_uring), and a max_write of 128 KiB at least. Operations that take long hold up
 *           the others of their core, unless they are deferred
 * @spin_us: microseconds, at most 1000, for which a thread may look for the next request before it
 *           sleeps, as long as that pays by the requests before; 0: never; default 50
 */
struct fsb_device_config {
	size_t size;
	struct fsb_server *server;
	int fd;
	unsigned int threads;
	struct fsb_log log;
	enum fsb_device_io io;
	unsigned int spin_us;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_device_config_init(). */
FSB_API void fsb_device_config_defaults(struct fsb_device_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_device_config_init(struct fsb_device_config *config)
{
	fsb_device_config_defaults(config, sizeof(*config));
}

/**
 * Start serving, in threads of the library (all signals blocked, donated as fsb_thread_donate() says). Returns at once. Each
 * worker has a descriptor of its own (FUSE_DEV_IOC_CLONE); where /dev/fuse cannot be opened or the kernel refuses that, they share
 * @config's, which then becomes non-blocking, the caller's copy included.
 *
 * Return: 0; -EINVAL; -ENOMEM; -EAGAIN when no thread could be made; -EMFILE, -ENFILE; -EBADF. Nothing runs after an error.
 */
FSB_API int fsb_device_start(const struct fsb_device_config *config, struct fsb_device **device);

/**
 * Wait until INIT was answered.
 *
 * Return: 0; -ENODEV when the session ended before; -EPROTO when the negotiation failed; -EOPNOTSUPP
 * when FSB_IO_URING was asked for and is not to be had (the log says why).
 */
FSB_API int fsb_device_wait_ready(struct fsb_device *device);

/**
 * Wait until the session ends: unmounted, aborted or stopped; then wait for the requests in flight, disconnect the
 * server, and close the session's descriptors: with the last one of a mount, the caller's included, the kernel gives up
 * the connection, and whoever still waits for an answer gets an error. (A child of fork(2) that goes on without execve(2) has
 * copies: as long as it lives they hang, and not even SIGKILL ends them.) One thread at a time.
 *
 * Return: 0 after an unmount or a stop; -ECONNABORTED when it was aborted; -EPERM when there is no mount behind the descriptor;
 * another negative errno of reading it.
 */
FSB_API int fsb_device_wait(struct fsb_device *device);

/**
 * Ask the session to end, which it does in fsb_device_wait() or fsb_device_free(). Returns at once. Async-signal-safe, any
 * thread, any number of times. Does not unmount.
 */
FSB_API void fsb_device_stop(struct fsb_device *device);

/** Stop, wait, and free. NULL is nothing. */
FSB_API void fsb_device_free(struct fsb_device *device);

FSB_END_DECLS

#endif
