// SPDX-License-Identifier: BSD-3-Clause
/*
 * The client's side as an object: its lanes, and how it begins and ends. The end has two steps: the
 * notifier goes while the lanes still serve, as it may wait in the kernel for a request that only
 * they can pass on; then the lanes go.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../cleanup.h"
#include "../../log.h"
#include "../../sized.h"
#include "../../thread.h"
#include "../call.h"
#include "../clone.h"
#include "forward.h"

enum { MAX_SPIN_US = 1000, POOL_KEEP = 8 };

void fsb_stream_forward_config_defaults(struct fsb_stream_forward_config *config, size_t size)
{
	const struct fsb_stream_forward_config defaults = {
		.connections = 1,
		.hold_s = 60,
		.max_write = 1024 * 1024,
		.spin_us = 50,
		.hello_s = 20,
	};

	sized_fill(config, size, &defaults, sizeof(defaults));
}

static bool is_sound(const struct fsb_stream_forward_config *config)
{
	return config->dial && config->connections > 0 && config->connections <= MAX_LANES &&
	       config->max_write >= 128 * 1024 && config->max_write <= 1024 * 1024 &&
	       config->max_write % 4096 == 0 && config->spin_us <= MAX_SPIN_US &&
	       config->hello_s > 0;
}

/* ---- What lanes tell ---- */

void forward_end(struct fsb_stream_forward *forward, int err)
{
	pthread_mutex_lock(&forward->lock);
	forward->ended = true;
	/* ENODEV is how an unmount looks from here. */
	if (err && err != -ENODEV && !forward->result)
		forward->result = err;
	pthread_cond_broadcast(&forward->changed);
	pthread_mutex_unlock(&forward->lock);
	fsb_stream_forward_stop(forward);
}

void forward_down(struct fsb_stream_forward *forward, int err)
{
	if (atomic_exchange(&forward->down, true))
		return;
	if (!atomic_load(&forward->ending))
		log_write(&forward->config.log, FSB_LOG_ERROR,
			  "stream: the connection to the server is lost: %s; until it is %s "
			  "the mount answers that it is not connected",
			  err == -ESHUTDOWN ? "the server has ended" : dial_describe(err),
			  forward->config.reconnect ? "back" : "unmounted");
	eventfd_call(forward->alarm);
}

void forward_initialised(struct fsb_stream_forward *forward, int error)
{
	pthread_mutex_lock(&forward->lock);
	forward->state = error ? FORWARD_REFUSED : FORWARD_READY;
	pthread_cond_broadcast(&forward->changed);
	pthread_mutex_unlock(&forward->lock);
}

/* ---- Making and connecting ---- */

static struct fsb_stream_forward *allocate(const struct fsb_stream_forward_config *config)
{
	size_t size = sizeof(struct fsb_stream_forward) + config->connections * sizeof(struct lane);
	struct fsb_stream_forward *forward =
		aligned_alloc(_Alignof(struct fsb_stream_forward), (size + 63) / 64 * 64);

	if (!forward)
		return NULL;
	memset(forward, 0, size);
	forward->config = *config;
	forward->fd = forward->end = forward->quit = forward->alarm = -1;
	forward->nlanes = config->connections;
	crowd_init(&forward->crowd);
	pthread_mutex_init(&forward->lock, NULL);
	pthread_cond_init(&forward->changed, NULL);
	for (unsigned int i = 0; i < forward->nlanes; i++) {
		struct lane *lane = &forward->lanes[i];
		lane->forward = forward;
		lane->index = i;
		lane->device = lane->epoll = -1;
		lane->progress = UINT32_MAX;
		retained_init(&lane->log);
		fsb_context_init(&lane->ctx, (uid_t)-1, (gid_t)-1, 0);
		patience_init(&lane->patience, &forward->crowd, (uint64_t)config->spin_us * 1000);
	}
	return forward;
}

static int open_lane(struct lane *lane)
{
	struct epoll_event event = { .events = EPOLLIN };

	lane->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (lane->epoll < 0 ||
	    epoll_ctl(lane->epoll, EPOLL_CTL_ADD, lane->forward->quit, &event) < 0 ||
	    epoll_ctl(lane->epoll, EPOLL_CTL_ADD, lane->forward->alarm, &event) < 0)
		return -errno;
	return 0;
}

/* Once it is known what the server takes. */
static int furnish_lane(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	const struct frame_welcome *welcome = &forward->welcome;
	size_t share = welcome->max_requests / forward->nlanes;

	group_notes_init(&lane->notes, welcome->max_sets, welcome->max_groups);
	lane->requests = memory_take(&forward->memory);
	lane->answer = memory_take(&forward->memory);
	if (!lane->requests || !lane->answer)
		return -ENOMEM;
	return pending_init(&lane->pending, share > 0 ? share : 1);
}

static int connect_all(struct fsb_stream_forward *forward)
{
	int err = 0;

	forward->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	forward->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	forward->alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (forward->end < 0 || forward->quit < 0 || forward->alarm < 0)
		return -errno;
	/* The first one may lower their number. */
	for (unsigned int i = 0; i < forward->nlanes && !err; i++) {
		err = open_lane(&forward->lanes[i]);
		if (!err)
			err = lane_dial(&forward->lanes[i]);
	}
	if (err)
		return err;
	err = memory_init(&forward->memory,
			  forward->max_message + 2 * 4096 + BATCH_ROOM + GROUPS_ROOM, POOL_KEEP);
	for (unsigned int i = 0; i < forward->nlanes && !err; i++)
		err = furnish_lane(&forward->lanes[i]);
	return err;
}

static void lane_clear(struct lane *lane)
{
	struct memory_pool *pool = &lane->forward->memory;
	struct pending *row;

	if (lane->up)
		link_clear(&lane->link);
	while ((row = pending_any(&lane->pending)))
		lane_forget(lane, row);
	retained_clear(&lane->log);
	if (pool->size) {
		memory_give(pool, lane->requests);
		memory_give(pool, lane->answer);
	}
	pending_clear(&lane->pending);
	group_notes_clear(&lane->notes);
	fsb_context_clear(&lane->ctx);
	fd_close(&lane->epoll);
}

static void dispose(struct fsb_stream_forward *forward)
{
	for (unsigned int i = 0; i < forward->config.connections; i++)
		lane_clear(&forward->lanes[i]);
	if (forward->memory.size)
		memory_clear(&forward->memory);
	fd_close(&forward->end);
	fd_close(&forward->quit);
	fd_close(&forward->alarm);
	pthread_cond_destroy(&forward->changed);
	pthread_mutex_destroy(&forward->lock);
	free(forward);
}

int fsb_stream_forward_connect(const struct fsb_stream_forward_config *theirs,
			       struct fsb_stream_forward **out)
{
	struct fsb_stream_forward_config known, *config = &known;

	fsb_stream_forward_config_init(config);
	if (sized_take(config, sizeof(*config), theirs, sizeof(*config)) < 0 || !is_sound(config))
		return -EINVAL;
	struct fsb_stream_forward *forward = allocate(config);
	if (!forward)
		return -ENOMEM;
	int err = connect_all(forward);
	if (err) {
		dispose(forward);
		return err;
	}
	if (config->reconnect && !forward->resumable)
		log_write(&config->log, FSB_LOG_WARNING,
			  "stream: the server does not keep sessions, so a lost connection is for "
			  "good");
	*out = forward;
	return 0;
}

uint32_t fsb_stream_forward_advice(const struct fsb_stream_forward *forward)
{
	return forward->welcome.advice;
}

bool fsb_stream_forward_is_connected(const struct fsb_stream_forward *forward)
{
	bool up = true;

	for (unsigned int i = 0; i < forward->nlanes; i++)
		up = up && atomic_load(&forward->lanes[i].up);
	return up;
}

/* ---- Serving the device ---- */

static void close_devices(struct fsb_stream_forward *forward)
{
	for (unsigned int i = 0; i < forward->nlanes; i++) {
		struct lane *lane = &forward->lanes[i];
		if (lane->device >= 0 && lane->device != forward->fd)
			close(lane->device);
		lane->device = -1;
	}
	fd_close(&forward->fd);
}

static void quit_lanes(struct fsb_stream_forward *forward)
{
	atomic_store(&forward->quitting, true);
	eventfd_call(forward->quit);
	for (unsigned int i = 0; i < forward->nlanes; i++) {
		if (forward->lanes[i].running)
			pthread_join(forward->lanes[i].thread, NULL);
		forward->lanes[i].running = false;
	}
}

static int start_threads(struct fsb_stream_forward *forward)
{
	int err = notifier_start(&forward->notifier, forward);

	for (unsigned int i = 0; i < forward->nlanes && !err; i++) {
		struct lane *lane = &forward->lanes[i];
		err = thread_start(&lane->thread, "fsbackend", lane_run, lane);
		lane->running = !err;
	}
	if (err) {
		notifier_stop(&forward->notifier);
		quit_lanes(forward);
	}
	return err;
}

int fsb_stream_forward_start(struct fsb_stream_forward *forward, int fd)
{
	int err = 0;

	if (forward->started || fd < 0)
		return -EINVAL;
	forward->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (forward->fd < 0)
		return -errno;
	for (unsigned int i = 0; i < forward->nlanes && !err; i++) {
		forward->lanes[i].device = clone_session(forward->fd, &forward->config.log);
		err = forward->lanes[i].device < 0 ? forward->lanes[i].device : 0;
	}
	if (!err)
		err = start_threads(forward);
	if (err)
		close_devices(forward);
	forward->started = !err;
	return err;
}

int fsb_stream_forward_wait_ready(struct fsb_stream_forward *forward)
{
	pthread_mutex_lock(&forward->lock);
	while (forward->state == FORWARD_NEW && !forward->ended)
		pthread_cond_wait(&forward->changed, &forward->lock);
	enum forward_state state = forward->state;
	pthread_mutex_unlock(&forward->lock);
	if (state == FORWARD_READY)
		return 0;
	return state == FORWARD_REFUSED ? -EPROTO : -ENODEV;
}

static int await_end(struct fsb_stream_forward *forward)
{
	struct pollfd end = { .fd = forward->end, .events = POLLIN };

	while (poll(&end, 1, -1) < 0)
		;
	pthread_mutex_lock(&forward->lock);
	int result = forward->result;
	pthread_mutex_unlock(&forward->lock);
	return result;
}

int fsb_stream_forward_wait(struct fsb_stream_forward *forward)
{
	int result = forward->started ? await_end(forward) : 0;

	if (forward->joined)
		return result;
	notifier_stop(&forward->notifier);
	quit_lanes(forward);
	for (unsigned int i = 0; i < forward->nlanes; i++)
		lane_leave(&forward->lanes[i]);
	close_devices(forward);
	forward->joined = true;
	return result;
}

void fsb_stream_forward_stop(struct fsb_stream_forward *forward)
{
	atomic_store(&forward->ending, true);
	eventfd_call(forward->end);
}

void fsb_stream_forward_free(struct fsb_stream_forward *forward)
{
	if (!forward)
		return;
	fsb_stream_forward_stop(forward);
	fsb_stream_forward_wait(forward);
	dispose(forward);
}
