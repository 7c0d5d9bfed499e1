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
		return "the server speaks another version of the protocol, or has another byte "
		       "order";
	case -ESTALE:
		return "the server does not know the session any more";
	case -ETIMEDOUT:
		return "the server does not answer";
	default:
		return strerror(-err);
	}
}

static void nothing(struct outgoing *out)
{
	(void)out;
}

/* Wait for the connection. Return: 0; -ETIMEDOUT; -ECANCELED when the session ends. */
static int wait_for(struct lane *lane, bool writes, uint64_t deadline)
{
	struct link *link = &lane->link;
	struct pollfd fds[] = { { .fd = lane->forward->end, .events = POLLIN },
				{ .fd = lane->device, .events = 0 },
				{ .fd = link->in, .events = POLLIN },
				{ .fd = writes ? link->out : -1, .events = POLLOUT } };
	uint64_t now = now_ns();

	if (now >= deadline)
		return -ETIMEDOUT;
	if (poll(fds, 4, (int)((deadline - now) / ms) + 1) < 0 && errno != EINTR)
		return -errno;
	return fds[0].revents || fds[1].revents ? -ECANCELED : 0;
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
			.features = forward->config.reconnect ? FEATURE_RESUME | FEATURE_RECOVER : 0,
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

/*
 * The first one decides what holds for all. With a further session there are threads already, and a
 * kernel that was told how long messages may be.
 */
static int settle_first(struct fsb_stream_forward *forward, const struct frame_welcome *welcome)
{
	if (forward->started &&
	    (welcome->max_message < forward->max_message || welcome->channels < forward->nlanes))
		return -EPROTO;
	forward->welcome = *welcome;
	forward->resumable = forward->config.reconnect && (welcome->features & FEATURE_RESUME);
	forward->recoverable = forward->resumable && (welcome->features & FEATURE_RECOVER);
	if (forward->started)
		return 0;
	forward->max_message = forward->config.max_write + 4096;
	if (welcome->max_message < forward->max_message)
		forward->max_message = welcome->max_message;
	if (welcome->channels < forward->nlanes)
		forward->nlanes = welcome->channels;
	return 0;
}

/* The server has the session; its process may be another one. */
static int take_up(struct lane *lane, const struct frame_welcome *welcome)
{
	bool another = lane->met && welcome->epoch != lane->epoch;

	if (another && !lane->forward->recoverable)
		return -EPROTO;
	int err = another ? lane_recover(lane, welcome->received)
			  : retained_acknowledge(&lane->log, welcome->received);
	if (!err)
		lane->epoch = welcome->epoch;
	return err;
}

static int settle(struct lane *lane, const struct frame_welcome *welcome)
{
	static const uint8_t none[TOKEN_SIZE];
	struct fsb_stream_forward *forward = lane->forward;

	if (!memcmp(welcome->token, none, TOKEN_SIZE))
		return -EPROTO;
	if (!memcmp(forward->welcome.token, none, TOKEN_SIZE)) {
		lane->epoch = welcome->epoch;
		return settle_first(forward, welcome);
	}
	if (memcmp(forward->welcome.token, welcome->token, TOKEN_SIZE))
		return -EPROTO;
	if (!forward->resumable)
		return welcome->received == 0 ? 0 : -EPROTO;
	return take_up(lane, welcome);
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
	lane->met = true;
	lane->heard = true;
	lane->asked = false;
	return 0;
}

/* ---- A new session ---- */

static int send_init(struct lane *lane, uint64_t deadline)
{
	struct fsb_stream_forward *forward = lane->forward;
	struct frame_header header = frame_make(FRAME_REQUEST, forward->init_length);
	uint8_t frame[sizeof(header) + INIT_MOST] = { 0 };
	struct outgoing out = { .iov = { { frame, header.length } }, .niov = 1, .done = nothing };

	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), forward->init, forward->init_length);
	lane->log.sent++;
	link_queue(&lane->link, &out);
	int err;
	while ((err = link_flush(&lane->link)) == -EAGAIN) {
		err = wait_for(lane, true, deadline);
		if (err)
			break;
	}
	if (err)
		link_drop(&lane->link);
	return err;
}

/* Nothing else can come before INIT is answered, but signs of life. */
static int read_init_answer(struct lane *lane, uint64_t deadline)
{
	do {
		int err;
		while ((err = lane_read(lane)) == -EAGAIN) {
			err = wait_for(lane, false, deadline);
			if (err)
				return err;
		}
		if (err)
			return err;
	} while (lane->header.type == FRAME_PING || lane->header.type == FRAME_ACK);
	lane->received++;
	return lane->header.type == FRAME_REPLY ? 0 : -EPROTO;
}

/* The kernel cannot be told of anything new: all has to be as it was. */
static int check_agreement(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	struct fuse_out_header header;
	struct fuse_init_out out;

	memcpy(&header, lane->answer, sizeof(header));
	if (header.error || header.len < sizeof(header) + sizeof(out) ||
	    frame_check_message(header.len, lane->header.length - sizeof(lane->header),
				sizeof(header)))
		return -EPROTO;
	init_agree(lane->answer, header.len, forward->max_message - 4096);
	memcpy(&out, lane->answer + sizeof(header), sizeof(out));
	if (out.minor != forward->agreed.minor || out.flags != forward->agreed.flags ||
	    out.flags2 != forward->agreed.flags2 || out.max_write < forward->agreed.max_write)
		return -EPROTO;
	return 0;
}

int lane_renew(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	uint64_t deadline = now_ns() + (uint64_t)forward->config.hello_s * 1000 * ms;

	memset(forward->welcome.token, 0, TOKEN_SIZE);
	int err = lane_dial(lane);
	if (err)
		return err;
	err = send_init(lane, deadline);
	if (!err)
		err = read_init_answer(lane, deadline);
	if (!err)
		err = check_agreement(lane);
	/* INIT was not kept. */
	if (!err && forward->resumable && lane->header.ack != lane->log.sent)
		err = -EPROTO;
	lane->log.acked = lane->log.sent;
	if (err) {
		link_clear(&lane->link);
		lane->up = false;
	}
	return err;
}
