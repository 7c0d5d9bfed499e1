// SPDX-License-Identifier: BSD-3-Clause
/*
 * The session on /dev/fuse: workers that read requests, hand them to the server, and write the
 * replies.
 *
 * It ends in two steps. Whoever sees the end (a worker that reads ENODEV, or fsb_device_stop())
 * raises @end, at which fsb_device_wait() first shuts off notifications while the workers still
 * serve: one under way may wait in the kernel for a request that only they can answer. Then it
 * raises @quit, at which the workers go.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fsbackend/device.h>
#include <fsbackend/thread.h>

#include "../cleanup.h"
#include "../log.h"
#include "../sized.h"
#include "../thread.h"
#include "backing.h"
#include "call.h"
#include "clone.h"
#include "door.h"
#include "slots.h"
#include "uring.h"

enum {
	MAX_THREADS = 256,
	MAX_SPIN_US = 1000,
	SPIN_US = 50, /* longer than nearly all gaps of a client that does one thing after the other
		       */
	RETRY_MS = 10,
	GATHER_MS = 1,
	/* That a server agrees to; before INIT it does not say to how much. */
	LARGEST_WRITE = 1024 * 1024,
};

enum readiness { NOT_YET, READY, REFUSED, RINGLESS };

/**
 * @fd:     its own descriptor of the session, or the shared one
 * @waiter: at the device's door
 */
struct worker {
	struct fsb_device *device;
	pthread_t thread;
	int fd;
	struct waiter waiter;
} __attribute__((aligned(64)));

/** Something that happens once, and that poll(2) can wait for. */
struct event {
	int fd;
	atomic_bool raised;
};

struct fsb_device {
	struct fsb_server *server;
	struct fsb_log log;
	int fd; /* the caller's, duplicated: for notifications; for workers without their own */
	struct event answered; /* INIT was; see @readiness */
	struct event end;      /* the session has ended, or shall end */
	struct event quit;     /* workers go */
	atomic_int readiness;
	atomic_int result; /* the first error that ended the session */
	bool joined;
	enum fsb_device_io io;
	uint64_t spin_ns;
	struct uring *uring; /* NULL when all goes by the device */
	struct door door;
	struct device_backing backing;
	struct slot_pool slots;
	unsigned int nworkers;
	struct worker workers[];
};

static int event_init(struct event *event)
{
	event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return event->fd < 0 ? -errno : 0;
}

/* Async-signal-safe. Nobody reads the counter, so that everybody sees it raised. */
static void event_raise(struct event *event)
{
	atomic_store(&event->raised, true);
	eventfd_call(event->fd);
}

static bool event_raised(struct event *event)
{
	return atomic_load_explicit(&event->raised, memory_order_relaxed);
}

/* ---- Replies ---- */

static uint32_t opcode_of(const struct slot *slot)
{
	return ((const struct fuse_in_header *)slot->request.iov_base)->opcode;
}

static int send_from_memory(struct slot *slot, const struct fuse_out_header *header)
{
	struct iovec iov[2] = { { (void *)header, sizeof(*header) },
				{ slot->payload.iov_base, header->len - sizeof(*header) } };

	return writev(slot->fd, iov, iov[1].iov_len ? 2 : 1) < 0 ? -errno : 0;
}

static int reply(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct slot *slot = message->owner;
	struct fsb_device *device = slot->pool->owner;
	int err = slot_pipe_used(&slot->pipe) ? slot_pipe_send(&slot->pipe, slot->fd, header)
					      : send_from_memory(slot, header);

	/*
	 * ENOENT: the caller was killed. ENODEV, EPERM: the session is over. Neither is worth a
	 * word.
	 */
	if (err && err != -ENOENT && err != -ENODEV && err != -EPERM)
		log_write(&device->log, FSB_LOG_ERROR, "reply of %u bytes to request %llu: %s",
			  header->len, (unsigned long long)header->unique, strerror(-err));
	slot->error = header->error;
	if (atomic_fetch_or(&slot->state, SLOT_REPLIED) & SLOT_DEFERRED)
		slot_give(slot);
	return err;
}

/* ---- The beginning ---- */

static void end(struct fsb_device *device, int err)
{
	int none = 0;

	/* ENODEV is how an unmount looks from here. */
	if (err && err != -ENODEV && err != -ECANCELED)
		atomic_compare_exchange_strong(&device->result, &none, err);
	event_raise(&device->end);
}

static void ring_failed(void *device, int err)
{
	end(device, err);
}

static bool offers_ring(const struct slot *slot)
{
	const struct fuse_init_in *in =
		(void *)((char *)slot->request.iov_base + sizeof(struct fuse_in_header));

	return slot->request.iov_len >= sizeof(struct fuse_in_header) + sizeof(*in) &&
	       (in->flags & FUSE_INIT_EXT) && ((uint64_t)in->flags2 << 32 & FUSE_OVER_IO_URING);
}

static int make_ring(struct fsb_device *device, const struct slot *slot)
{
	struct uring_config config = {
		.server = device->server,
		.log = device->log,
		.fd = device->fd,
		.payload = LARGEST_WRITE,
		.spin_ns = device->spin_ns,
		.required = device->io == FSB_IO_URING,
		.failed = ring_failed,
		.opaque = device,
	};

	if (device->io == FSB_IO_CLASSIC || !offers_ring(slot))
		return -EOPNOTSUPP;
	int err = uring_new(&config, &device->uring);
	if (err)
		log_write(&device->log, FSB_LOG_INFO, "io_uring cannot be used: %s",
			  strerror(-err));
	return err;
}

/*
 * All of the ring that can fail comes before INIT's answer: after one that accepts it, the kernel
 * holds back all requests until it has the queues of all cores.
 */
static void before_init(struct fsb_device *device, const struct slot *slot)
{
	int err = device->uring ? 0 : make_ring(device, slot);

	fsb_server_set_capabilities(device->server, err ? 0 : FUSE_OVER_IO_URING);
}

/* Return: whether the session can go on. */
static bool settle_ring(struct fsb_device *device, uint64_t flags)
{
	if (flags & FUSE_OVER_IO_URING) {
		uring_start(device->uring);
		return true;
	}
	if (device->uring)
		uring_stop(device->uring);
	if (device->io != FSB_IO_URING)
		return true;
	log_write(
		&device->log, FSB_LOG_ERROR,
		"requests cannot come by io_uring: the kernel does not offer it (6.14, and fuse's "
		"parameter enable_uring), forbids it, or max_write is too small");
	return false;
}

/* Look whether the client and the server have agreed. */
static void after_init(struct fsb_device *device, const struct slot *slot)
{
	struct fsb_protocol protocol;
	enum readiness readiness = READY;

	fsb_server_protocol(device->server, &protocol);
	if (!protocol.minor && !slot->error)
		return; /* told our major version, the client asks once more */
	if (!protocol.minor)
		readiness = REFUSED;
	else if (!settle_ring(device, protocol.flags))
		readiness = RINGLESS;
	atomic_store(&device->readiness, readiness);
	event_raise(&device->answered);
	if (readiness == RINGLESS)
		end(device, -EOPNOTSUPP);
}

/* ---- Requests ---- */

/*
 * Another slot, while those of deferred requests are away. Without memory it may take until one of
 * them comes back.
 */
static struct slot *take_slot(struct fsb_device *device)
{
	struct pollfd quit = { .fd = device->quit.fd, .events = POLLIN };
	struct slot *slot;

	while (!(slot = slot_take(&device->slots)))
		if (poll(&quit, 1, RETRY_MS) > 0)
			break;
	return slot;
}

/* Return: the slot for the next request, or NULL at the end. */
static struct slot *handle(struct worker *worker, struct slot *slot)
{
	struct fsb_device *device = worker->device;
	bool init = opcode_of(slot) == FUSE_INIT &&
		    atomic_load_explicit(&device->readiness, memory_order_relaxed) == NOT_YET;

	if (init)
		before_init(device, slot);
	atomic_store_explicit(&slot->state, 0, memory_order_relaxed);
	slot_pipe_reset(&slot->pipe);
	/*
	 * If the answer came before the operation returned, this thread has the last word, and the
	 * slot.
	 */
	if (fsb_server_handle(device->server, &slot->message) == FSB_DEFERRED &&
	    !(atomic_fetch_or(&slot->state, SLOT_DEFERRED) & SLOT_REPLIED))
		return take_slot(device);
	if (init)
		after_init(device, slot);
	return slot;
}

/* ---- Workers ---- */

/* Whether the device brings nothing that a caller waits for: FORGET and INTERRUPT only. */
static bool is_aside(struct fsb_device *device)
{
	return atomic_load(&device->readiness) == READY && device->uring &&
	       uring_serves(device->uring);
}

/* FORGETs come one by one, a wake-up each: let some gather, which then are read at once. */
static void wait_aside(struct worker *worker)
{
	struct pollfd quit = { .fd = worker->device->quit.fd, .events = POLLIN };

	waiter_sleep(&worker->waiter);
	(void)poll(&quit, 1, GATHER_MS);
}

static void wait_for_request(struct worker *worker)
{
	if (is_aside(worker->device))
		wait_aside(worker);
	else
		waiter_wait(&worker->waiter);
}

/* Return: 0 with a request in @slot; -ECANCELED when asked to go; or what ended the session. */
static int look_for_request(struct worker *worker, struct slot *slot)
{
	while (!event_raised(&worker->device->quit)) {
		ssize_t length = read(worker->fd, slot->request.iov_base, slot->capacity);
		if (length > 0) {
			slot->fd = worker->fd;
			slot->request.iov_len = (size_t)length;
			return 0;
		}
		if (length == 0)
			return -ENODEV;
		if (errno == EAGAIN)
			wait_for_request(worker);
		/* ENOENT: the caller of the request was killed while it was being read. */
		else if (errno != EINTR && errno != ENOENT)
			return -errno;
	}
	return -ECANCELED;
}

static int receive(struct worker *worker, struct slot *slot)
{
	int err = look_for_request(worker, slot);

	waiter_done(&worker->waiter, !err);
	return err;
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	struct fsb_device *device = worker->device;
	struct slot *slot;
	int err = fsb_thread_donate();

	if (err)
		log_write(&device->log, FSB_LOG_INFO, "a worker keeps the umask of the process: %s",
			  strerror(-err));
	slot = take_slot(device);
	err = 0;
	while (slot && !(err = receive(worker, slot)))
		slot = handle(worker, slot);
	end(device, err);
	if (slot)
		slot_give(slot);
	return NULL;
}

/* ---- Notifications ---- */

static int notify(void *opaque, const struct iovec *iov, size_t niov)
{
	struct fsb_device *device = opaque;

	if (niov > IOV_MAX)
		return -EINVAL;
	return writev(device->fd, iov, (int)niov) < 0 ? -errno : 0;
}

/* ---- The session's life ---- */

void fsb_device_config_defaults(struct fsb_device_config *config, size_t size)
{
	const struct fsb_device_config defaults = { .fd = -1, .spin_us = SPIN_US };

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static int worker_init(struct worker *worker, struct fsb_device *device)
{
	worker->device = device;
	worker->fd = clone_session(device->fd, &device->log);
	return worker->fd < 0 ? worker->fd : waiter_init(&worker->waiter, &device->door);
}

static void worker_clear(struct worker *worker)
{
	waiter_clear(&worker->waiter);
	if (worker->fd >= 0 && worker->fd != worker->device->fd)
		close(worker->fd);
	worker->fd = -1;
}

/* Everything but the threads. */
static int open_all(struct fsb_device *device, int fd)
{
	int err;

	device->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (device->fd < 0)
		return -errno;
	if ((err = event_init(&device->answered)) || (err = event_init(&device->end)) ||
	    (err = event_init(&device->quit)))
		return err;
	err = door_init(&device->door, device->fd, device->quit.fd, device->spin_ns);
	if (err)
		return err;
	for (unsigned int i = 0; i < device->nworkers; i++) {
		err = worker_init(&device->workers[i], device);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Descriptors of the session itself: when all are closed, and nobody else has any, the kernel
 * aborts the connection.
 */
static void close_session(struct fsb_device *device)
{
	for (unsigned int i = 0; i < device->nworkers; i++)
		worker_clear(&device->workers[i]);
	door_clear(&device->door);
	fd_close(&device->fd);
}

static void device_free(struct fsb_device *device)
{
	close_session(device);
	fd_close(&device->answered.fd);
	fd_close(&device->end.fd);
	fd_close(&device->quit.fd);
	uring_free(device->uring);
	slots_clear(&device->slots);
	free(device);
}

static void join(struct fsb_device *device, unsigned int started)
{
	event_raise(&device->quit);
	for (unsigned int i = 0; i < started; i++)
		pthread_join(device->workers[i].thread, NULL);
	if (device->uring)
		uring_stop(device->uring);
}

static int start_threads(struct fsb_device *device)
{
	for (unsigned int i = 0; i < device->nworkers; i++) {
		struct worker *worker = &device->workers[i];
		int err = thread_start(&worker->thread, "fsbackend", work, worker);
		if (err) {
			join(device, i);
			return err;
		}
	}
	return 0;
}

static unsigned int default_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 2)
		return 2;
	return cores < MAX_THREADS ? (unsigned int)cores : MAX_THREADS;
}

/* A reply goes by a pipe only to the device itself, which takes what is spliced as one message. */
static bool takes_pipes(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

static struct fsb_device *device_new(const struct fsb_device_config *config)
{
	unsigned int nworkers = config->threads ? config->threads : default_threads();
	size_t size = sizeof(struct fsb_device) + nworkers * sizeof(struct worker);
	struct fsb_device *device = aligned_alloc(_Alignof(struct fsb_device), size);
	struct fsb_protocol protocol;

	if (!device)
		return NULL;
	memset(device, 0, size);
	device->server = config->server;
	device->log = config->log;
	device->nworkers = nworkers;
	device->io = config->io;
	device->spin_ns = (uint64_t)config->spin_us * 1000;
	device->door.epoll = -1;
	device->fd = device->answered.fd = device->end.fd = device->quit.fd = -1;
	for (unsigned int i = 0; i < nworkers; i++)
		device->workers[i] =
			(struct worker){ .device = device, .fd = -1, .waiter.epoll = -1 };

	fsb_server_protocol(config->server, &protocol);
	if (protocol.max_write > LARGEST_WRITE)
		protocol.max_write = LARGEST_WRITE;
	unsigned int npipes = takes_pipes(config->fd) ? nworkers : 0;
	if (slots_init(&device->slots, protocol.max_write, nworkers, npipes, reply, device)) {
		free(device);
		return NULL;
	}
	return device;
}

int fsb_device_start(const struct fsb_device_config *theirs, struct fsb_device **out)
{
	struct fsb_device_config known, *config = &known;

	fsb_device_config_init(config);
	if (sized_take(config, sizeof(*config), theirs, sizeof(*config)) < 0 || !config->server ||
	    config->fd < 0 || config->threads > MAX_THREADS || config->io > FSB_IO_URING ||
	    config->spin_us > MAX_SPIN_US)
		return -EINVAL;

	struct fsb_device *device = device_new(config);
	if (!device)
		return -ENOMEM;
	int err = open_all(device, config->fd);
	if (!err) {
		device_backing_init(&device->backing, device->fd);
		fsb_server_set_backing(device->server, &device->backing.base);
		fsb_server_set_notify(device->server, notify, device);
		err = start_threads(device);
		if (err) {
			fsb_server_set_notify(device->server, NULL, NULL);
			fsb_server_set_backing(device->server, NULL);
		}
	}
	if (err) {
		device_free(device);
		return err;
	}
	*out = device;
	return 0;
}

int fsb_device_wait_ready(struct fsb_device *device)
{
	struct pollfd events[] = { { .fd = device->answered.fd, .events = POLLIN },
				   { .fd = device->end.fd, .events = POLLIN } };

	while (poll(events, 2, -1) < 0)
		;
	switch (atomic_load(&device->readiness)) {
	case READY:
		return 0;
	case REFUSED:
		return -EPROTO;
	case RINGLESS:
		return -EOPNOTSUPP;
	default:
		return -ENODEV;
	}
}

int fsb_device_wait(struct fsb_device *device)
{
	struct pollfd ended = { .fd = device->end.fd, .events = POLLIN };

	if (!device->joined) {
		while (poll(&ended, 1, -1) < 0)
			;
		fsb_server_set_notify(device->server, NULL, NULL);
		join(device, device->nworkers);
		fsb_server_disconnect(device->server);
		fsb_server_set_backing(device->server, NULL);
		close_session(device);
		device->joined = true;
	}
	return atomic_load(&device->result);
}

void fsb_device_stop(struct fsb_device *device)
{
	event_raise(&device->end);
}

void fsb_device_free(struct fsb_device *device)
{
	if (!device)
		return;
	fsb_device_stop(device);
	fsb_device_wait(device);
	device_free(device);
}
