// SPDX-License-Identifier: BSD-3-Clause
/* The handshake, as the client sees it, the first one and those after a connection was lost. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../clock.h"
#include "forward.h"

static const uint64_t ms = 1000000;

const char *dial_describe(int err)
{
	switch (err) {
	case -EPIPE:
	case -EBADMSG:
	case -ECONNRESET:
		return "the server hung up";
	case -EPROTO:
		return "the server does not speak the stream protocol, or breaks it";
	case -EPROTONOSUPPORT:
		return "the server speaks another version of the protocol, or has another byte order";
	case -ESTALE:
		return "the server does not know the session any more";
	case -ETIMEDOUT:
		return "the server does not answer";
	default:
		return strerror(-err);
	}
}

/* Wait for the connection. Return: 0; -ETIMEDOUT; -ECANCELED when the session ends. */
static int wait_for(struct lane *lane, bool writes, uint64_t deadline)
{
	struct link *link = &lane->link;
	struct pollfd fds[] = { { .fd = lane->forward->end, .events = POLLIN },
				{ .fd = link->in, .events = POLLIN },
				{ .fd = writes ? link->out : -1, .events = POLLOUT } };
	uint64_t now = now_ns();

	if (now >= deadline)
		return -ETIMEDOUT;
	if (poll(fds, 3, (int)((deadline - now) / ms) + 1) < 0 && errno != EINTR)
		return -errno;
	return fds[0].revents ? -ECANCELED : 0;
}

static int send_hello(struct lane *lane, uint64_t deadline)
{
	struct fsb_stream_forward *forward = lane->forward;
	struct {
		struct frame_header header;
		struct frame_hello body;
	} hello = {
		.header = frame_make(FRAME_HELLO, sizeof(hello.body)),
		.body = {
			.magic = FRAME_MAGIC,
			.version = FRAME_VERSION,
			.features = forward->config.reconnect ? FEATURE_RESUME : 0,
			.max_message = forward->config.max_write + 4096,
			.channel = lane->index,
			.received = lane->received,
		},
	};
	struct iovec iov = { &hello, sizeof(hello) };
	size_t sent = 0;

	memcpy(hello.body.token, forward->welcome.token, TOKEN_SIZE);
	while (sent < sizeof(hello)) {
		ssize_t length = link_write(&lane->link, &iov, 1);
		if (length == -EAGAIN) {
			int err = wait_for(lane, true, deadline);
			if (err)
				return err;
			continue;
		}
		if (length < 0)
			return (int)length;
		sent += (size_t)length;
		iov = (struct iovec){ (uint8_t *)&hello + sent, sizeof(hello) - sent };
	}
	return 0;
}

static int read_part(struct lane *lane, struct frame_welcome *welcome)
{
	if (!lane->has_header) {
		int err = link_header(&lane->link, &lane->header);
		if (!err)
			err = frame_check(&lane->header, false, MESSAGE_MOST);
		if (!err && lane->header.type != FRAME_WELCOME)
			err = -EPROTO;
		if (err)
			return err;
		lane->has_header = true;
	}
	return link_body(&lane->link, welcome, sizeof(*welcome), &lane->filled);
}

static int read_welcome(struct lane *lane, struct frame_welcome *welcome, uint64_t deadline)
{
	int err;

	while ((err = read_part(lane, welcome)) == -EAGAIN) {
		err = wait_for(lane, false, deadline);
		if (err)
			return err;
	}
	lane->has_header = false;
	lane->filled = 0;
	return err ? err : frame_check_welcome(welcome);
}

/* The first one decides what holds for all. */
static int settle_first(struct fsb_stream_forward *forward, const struct frame_welcome *welcome)
{
	forward->welcome = *welcome;
	forward->resumable = forward->config.reconnect && (welcome->features & FEATURE_RESUME);
	forward->max_message = forward->config.max_write + 4096;
	if (welcome->max_message < forward->max_message)
		forward->max_message = welcome->max_message;
	if (welcome->channels < forward->nlanes)
		forward->nlanes = welcome->channels;
	return 0;
}

static int settle(struct lane *lane, const struct frame_welcome *welcome)
{
	static const uint8_t none[TOKEN_SIZE];
	struct fsb_stream_forward *forward = lane->forward;

	if (!memcmp(welcome->token, none, TOKEN_SIZE))
		return -EPROTO;
	if (!memcmp(forward->welcome.token, none, TOKEN_SIZE))
		return settle_first(forward, welcome);
	if (memcmp(forward->welcome.token, welcome->token, TOKEN_SIZE))
		return -EPROTO;
	if (!forward->resumable)
		return welcome->received == 0 ? 0 : -EPROTO;
	return retained_acknowledge(&lane->log, welcome->received);
}

static int watch(struct lane *lane)
{
	struct link *link = &lane->link;
	struct epoll_event in = { .events = EPOLLIN }, out = { .events = 0 };

	if (epoll_ctl(lane->epoll, EPOLL_CTL_ADD, link->in, &in) < 0 ||
	    (link->out != link->in && epoll_ctl(lane->epoll, EPOLL_CTL_ADD, link->out, &out) < 0))
		return -errno;
	lane->wants_out = false;
	return 0;
}

int lane_dial(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	const struct fsb_stream_forward_config *config = &forward->config;
	uint64_t deadline;
	struct frame_welcome welcome;
	int in = -1, out = -1;
	int err = config->dial(config->opaque, lane->index, &in, &out);

	if (err)
		return err;
	deadline = now_ns() + (uint64_t)config->hello_s * 1000 * ms;
	lane->has_header = false;
	lane->filled = 0;
	err = link_init(&lane->link, in, out);
	if (!err)
		err = send_hello(lane, deadline);
	if (!err)
		err = read_welcome(lane, &welcome, deadline);
	if (!err)
		err = settle(lane, &welcome);
	if (!err)
		err = watch(lane);
	if (err) {
		link_clear(&lane->link);
		return err;
	}
	lane->told = lane->received;
	lane->unacked_bytes = 0;
	retained_send_again(&lane->log, &lane->link, lane->received);
	lane->up = true;
	lane->heard = true;
	lane->asked = false;
	return 0;
}
