// SPDX-License-Identifier: BSD-3-Clause
/* A lane: requests from the device to the connection, answers from the connection to the device. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../log.h"
#include "../../server/opcodes.h"
#include "../clock.h"
#include "forward.h"

enum {
	LARGE_FRAME = 16 * 1024, /* what is not copied to be kept */
	ANSWERS = 64,            /* that are taken before the device is looked at */
	ACK_FRAMES = 32,
	ACK_BYTES = 256 * 1024,
	REFUSE_MS = 1000,
	FIRST_BACKOFF_MS = 100,
	LAST_BACKOFF_MS = 5000,
};

static const uint64_t second = 1000000000u;

/* Linux sets it in the id of an INTERRUPT, which is otherwise that of the request that it is for.
 */
static const uint64_t INTERRUPT_BIT = 1;

/* ---- Whose groups ---- */

/* What a file system asks for even where it judges nobody: creations, and what clears set-id bits.
 */
static bool wants_seldom(const struct opcode_row *row, const struct fuse_in_header *header)
{
	const void *body = header + 1;
	size_t length = header->len - sizeof(*header);

	switch (row->op.number) {
	case FUSE_SETATTR:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_COPY_FILE_RANGE_64:
		return true;
	case FUSE_OPEN:
		return length >= sizeof(struct fuse_open_in) &&
		       (((const struct fuse_open_in *)body)->open_flags & FUSE_OPEN_KILL_SUIDGID);
	case FUSE_WRITE:
		return length >= sizeof(struct fuse_write_in) &&
		       (((const struct fuse_write_in *)body)->write_flags &
			FUSE_WRITE_KILL_SUIDGID);
	default:
		return row->op.creates;
	}
}

static bool wants_groups(const struct fsb_stream_forward *forward,
			 const struct fuse_in_header *header)
{
	const struct opcode_row *row = opcode_row(header->opcode);
	uint64_t flags = atomic_load_explicit(&forward->flags, memory_order_relaxed);

	if (!row || header->uid == (uint32_t)FUSE_INVALID_UIDGID || !forward->config.groups)
		return false;
	if (wants_seldom(row, header))
		return true;
	if (forward->welcome.wants_groups == FSB_STREAM_GROUPS_SELDOM)
		return false;
	switch (row->caller) {
	case CALLER_FILE:
		return flags & FUSE_NO_OPEN_SUPPORT;
	case CALLER_DIR:
		return flags & FUSE_NO_OPENDIR_SUPPORT;
	default:
		return row->caller == CALLER_JUDGED;
	}
}

/* Find the caller's groups. Return: whether they are known. */
static bool find_groups(struct lane *lane, const struct fuse_in_header *header)
{
	const struct fsb_stream_forward_config *config = &lane->forward->config;
	struct fsb_context *ctx = &lane->ctx;

	if (lane->forward->welcome.wants_groups == FSB_STREAM_GROUPS_NEVER ||
	    !wants_groups(lane->forward, header))
		return false;
	ctx->uid = header->uid;
	ctx->gid = header->gid;
	ctx->pid = (pid_t)header->pid;
	fsb_context_unset_groups(ctx);
	return config->groups(config->groups_opaque, ctx) == 0 && fsb_context_groups_known(ctx);
}

/* ---- Sending ---- */

static void batch_sent(struct outgoing *out)
{
	struct lane *lane = (struct lane *)((char *)out - offsetof(struct lane, batch));

	lane->sending = false;
	lane->used = 0;
}

void lane_stamp(struct lane *lane, struct frame_header *header)
{
	header->ack = lane->received;
	lane->told = lane->received;
	lane->unacked_bytes = 0;
}

static struct retained *copy_frame(const uint8_t *frame, size_t length)
{
	struct retained *kept = retained_new(length);

	if (kept)
		memcpy(kept->bytes, frame, length);
	return kept;
}

/* Keep a large frame where it is, and find other memory for the next ones. */
static struct retained *steal_frame(struct lane *lane, size_t length)
{
	struct memory_pool *pool = &lane->forward->memory;
	void *next = memory_take(pool);
	struct retained *kept =
		next ? retained_new_large(pool, lane->requests, lane->requests, length) : NULL;

	if (kept)
		lane->requests = next;
	else
		memory_give(pool, next);
	return kept;
}

static int keep(struct lane *lane, struct retained *kept)
{
	if (!kept)
		return -ENOMEM;
	retained_add(&lane->log, kept);
	retained_send(kept, &lane->link);
	return 0;
}

/* Send the definition of a set, and move the request behind it. */
static int define_groups(struct lane *lane, uint32_t id, size_t request)
{
	size_t size = lane->ctx.ngroups * sizeof(gid_t);
	struct frame_groups fixed = { .count = (uint32_t)lane->ctx.ngroups };
	struct frame_header header = frame_make(FRAME_GROUPS, sizeof(fixed) + size);
	uint8_t *at = lane->requests + lane->used;

	memmove(at + header.length, at, request);
	memset(at, 0, header.length);
	header.groups = id;
	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), &fixed, sizeof(fixed));
	if (size > 0)
		memcpy(at + sizeof(header) + sizeof(fixed), lane->ctx.groups, size);
	lane_stamp(lane, (struct frame_header *)at);
	if (!lane->forward->resumable) {
		lane->used += header.length;
		return 0;
	}
	int err = keep(lane, copy_frame(at, header.length));
	memmove(at, at + header.length, request);
	return err;
}

/* A frame was laid out behind the others; where frames are kept, there are no others. @row: of the
 * answer that it gets, or NULL. */
static int send_frame(struct lane *lane, size_t length, struct pending *row)
{
	uint8_t *frame = lane->requests + lane->used;

	lane_stamp(lane, (struct frame_header *)frame);
	if (!lane->forward->resumable) {
		lane->used += length;
		return 0;
	}
	struct retained *kept =
		length < LARGE_FRAME ? copy_frame(frame, length) : steal_frame(lane, length);
	int err = keep(lane, kept);
	if (!err && row)
		lane_hold(lane, row, kept);
	return err;
}

/* ---- Requests ---- */

static uint8_t *request_at(const struct lane *lane)
{
	return lane->requests + lane->used + sizeof(struct frame_header);
}

/* Return: the length of the request; -EAGAIN; or what ended the session. */
static ssize_t read_request(struct lane *lane)
{
	size_t room =
		lane->forward->memory.size - lane->used - sizeof(struct frame_header) - GROUPS_ROOM;
	ssize_t length;

	/* ENOENT: the caller of the request was killed while it was being read. */
	do
		length = read(lane->device, request_at(lane), room);
	while (length < 0 && (errno == EINTR || errno == ENOENT));
	if (length < 0)
		return -errno;
	return length ? length : -ENODEV;
}

bool lane_expects_answer(const struct fuse_in_header *header)
{
	const struct opcode_row *row = opcode_row(header->opcode);

	return !row || !row->op.no_reply;
}

void lane_answer_error(struct lane *lane, uint64_t unique, int error)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = unique };
	ssize_t written = write(lane->device, &out, sizeof(out));

	(void)written; /* nobody waits any more, or the session is over: both are seen elsewhere */
}

static struct pending *note_request(struct lane *lane, const struct fuse_in_header *header)
{
	struct pending *row = pending_add(&lane->pending, header->unique);

	if (row)
		row->opcode = header->opcode;
	return row;
}

/* Keep it for a session that may have to begin anew. */
static void offer_init(struct lane *lane, void *request, size_t length)
{
	struct fsb_stream_forward *forward = lane->forward;

	init_offer(request, length);
	if (length > sizeof(forward->init))
		return;
	memcpy(forward->init, request, length);
	forward->init_length = length;
}

/* The request lies in place: send it, with its caller's groups in front if need be. */
static int send_request(struct lane *lane, size_t length)
{
	struct fuse_in_header *request = (void *)request_at(lane);
	struct frame_header header = frame_make(FRAME_REQUEST, length);
	struct pending *row = NULL;
	bool define = false;
	size_t pad = header.length - sizeof(header) - length;

	if (request->opcode == FUSE_INIT)
		offer_init(lane, request, length);
	if (lane_expects_answer(request)) {
		row = note_request(lane, request);
		if (!row) {
			lane_answer_error(lane, request->unique, -EIO);
			return 0;
		}
	}
	memset((uint8_t *)request + length, 0, pad);
	if (find_groups(lane, request))
		header.groups = group_notes_find(&lane->notes, lane->ctx.groups, lane->ctx.ngroups,
						 &define);
	memcpy(lane->requests + lane->used, &header, sizeof(header));
	int err = define && header.groups ? define_groups(lane, header.groups, header.length) : 0;
	return err ? err : send_frame(lane, header.length, row);
}

static bool may_take(const struct lane *lane)
{
	return !lane->sending && lane->used < BATCH_ROOM && lane->log.bytes < WINDOW &&
	       lane->pending.count < lane->pending.most;
}

/* Return: how many requests were taken; or what ended the session. */
static int take_requests(struct lane *lane)
{
	int taken = 0;

	while (taken < BATCH && may_take(lane)) {
		ssize_t length = read_request(lane);
		if (length == -EAGAIN)
			break;
		if (length < 0)
			return (int)length;
		int err = send_request(lane, (size_t)length);
		if (err)
			return err;
		taken++;
	}
	if (lane->used > 0 && !lane->sending) {
		lane->sending = true;
		lane->batch.iov[0] = (struct iovec){ lane->requests, lane->used };
		lane->batch.niov = 1;
		lane->batch.done = batch_sent;
		link_queue(&lane->link, &lane->batch);
	}
	return taken;
}

/* ---- Answers ---- */

static void write_answer(struct lane *lane, const struct fuse_out_header *header)
{
	ssize_t written = write(lane->device, header, header->len);
	int err = written < 0 ? -errno : 0;

	/* ENODEV, EPERM: the session is over. ENOENT: nobody waits any more. */
	if (!err || err == -ENOENT || err == -ENODEV || err == -EPERM)
		return;
	log_write(&lane->forward->config.log, FSB_LOG_ERROR,
		  "stream: the kernel does not take the answer to request %llu: %s",
		  (unsigned long long)header->unique, strerror(-err));
	/* Broken, but somebody waits. */
	lane_answer_error(lane, header->unique, -EIO);
}

static void agree(struct fsb_stream_forward *forward, struct fuse_out_header *header)
{
	size_t body = header->len - sizeof(*header);

	atomic_store(&forward->flags, init_agree(header, header->len, forward->max_message - 4096));
	if (body > sizeof(forward->agreed))
		body = sizeof(forward->agreed);
	memcpy(&forward->agreed, header + 1, body);
}

static int take_reply(struct lane *lane, size_t length)
{
	struct fsb_stream_forward *forward = lane->forward;
	struct fuse_out_header *header = (void *)lane->answer;
	int err = frame_check_message(header->len, length, sizeof(*header));

	if (err)
		return err;
	/* An interrupt that failed: the kernel knows what that means. */
	if (header->unique & INTERRUPT_BIT) {
		write_answer(lane, header);
		return 0;
	}
	struct pending *row = pending_find(&lane->pending, header->unique);
	/* Asked for by nobody, or answered already. */
	if (!row)
		return -EPROTO;
	uint32_t opcode = row->opcode;
	lane_forget(lane, row);
	if (opcode == FUSE_INIT && header->error == 0)
		agree(forward, header);
	write_answer(lane, header);
	if (opcode == FUSE_INIT)
		forward_initialised(forward, header->error);
	return 0;
}

static int take_notification(struct lane *lane, size_t length)
{
	const struct fuse_out_header *header = (const void *)lane->answer;
	int err = frame_check_message(header->len, length, sizeof(*header));

	if (err || header->unique != 0)
		return -EPROTO;
	return notifier_add(&lane->forward->notifier, lane->answer, header->len);
}

static void send_note(struct lane *lane, enum frame_type type)
{
	struct retained *frame = retained_new(sizeof(struct frame_header));
	struct frame_header header = frame_make(type, 0);

	if (!frame)
		return;
	lane_stamp(lane, &header);
	memcpy(frame->bytes, &header, sizeof(header));
	frame->acked = true; /* not numbered: it goes once it is sent */
	retained_send(frame, &lane->link);
}

static int take_bye(const struct lane *lane)
{
	const struct frame_bye *bye = (const void *)lane->answer;

	return bye->reason > 0 && bye->reason < 4096 ? -(int)bye->reason : -ESHUTDOWN;
}

static int take_body(struct lane *lane, size_t length)
{
	switch (lane->header.type) {
	case FRAME_REPLY:
		return take_reply(lane, length);
	case FRAME_NOTIFY:
		return take_notification(lane, length);
	case FRAME_AGAIN:
		return lane->forward->resumable ? lane_ask_again(lane) : -EPROTO;
	case FRAME_PING:
		send_note(lane, FRAME_PONG);
		return 0;
	case FRAME_BYE:
		return take_bye(lane);
	case FRAME_WELCOME:
		return -EPROTO;
	default:
		return 0;
	}
}

static int take_frame(struct lane *lane)
{
	bool resumable = lane->forward->resumable;
	size_t length = lane->header.length - sizeof(lane->header);

	if (resumable && retained_acknowledge(&lane->log, lane->header.ack))
		return -EPROTO;
	if (frame_is_numbered(lane->header.type)) {
		lane->received++;
		lane->unacked_bytes += lane->header.length;
	}
	int err = take_body(lane, length);
	if (!err && resumable &&
	    (lane->received - lane->told >= ACK_FRAMES || lane->unacked_bytes >= ACK_BYTES))
		send_note(lane, FRAME_ACK);
	return err;
}

int lane_read(struct lane *lane)
{
	if (!lane->has_header) {
		int err = link_header(&lane->link, &lane->header);
		if (!err)
			err = frame_check(&lane->header, false, lane->forward->max_message);
		if (err)
			return err;
		lane->has_header = true;
		lane->filled = 0;
	}
	int err = link_body(&lane->link, lane->answer, lane->header.length - sizeof(lane->header),
			    &lane->filled);
	if (!err)
		lane->has_header = false;
	return err;
}

/* Return: 0 when a frame was taken; -EAGAIN; or why the connection is over. */
static int read_frame(struct lane *lane)
{
	int err = lane_read(lane);

	return err ? err : take_frame(lane);
}

/*
 * Return: how many were taken, without those that only say that the server lives: they are no sign
 * that more will come soon; or why the connection is over.
 */
static int take_answers(struct lane *lane)
{
	int taken = 0;

	for (int i = 0; i < ANSWERS; i++) {
		int err = read_frame(lane);
		if (err == -EAGAIN) {
			/* A slow link is no silent one. */
			lane->heard = lane->heard || lane->filled != lane->mark;
			lane->mark = lane->filled;
			return taken;
		}
		if (err)
			return err;
		lane->heard = true;
		taken += frame_is_numbered(lane->header.type);
	}
	/* There may be more, whatever they were. */
	return ANSWERS;
}

/* ---- Waiting ---- */

/* One of the lanes is woken for a request, not all. */
static void watch_device(struct lane *lane, bool watches)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };

	if (watches == lane->watches)
		return;
	epoll_ctl(lane->epoll, watches ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, lane->device, &event);
	lane->watches = watches;
}

static void watch_room(struct lane *lane, bool wants)
{
	struct link *link = &lane->link;
	struct epoll_event event = { .events = (link->in == link->out ? EPOLLIN : 0u) |
					       (wants ? EPOLLOUT : 0u) };

	if (wants == lane->wants_out)
		return;
	epoll_ctl(lane->epoll, EPOLL_CTL_MOD, link->out, &event);
	lane->wants_out = wants;
}

/* Return: 0; -ETIMEDOUT when the server has not been heard for too long. */
static int look_at_clock(struct lane *lane)
{
	uint64_t now = now_ns(), idle = lane->forward->welcome.idle_s * second;

	if (lane->heard) {
		lane->heard = lane->asked = false;
		lane->heard_ns = now;
	}
	if (now - lane->heard_ns > 3 * idle)
		return -ETIMEDOUT;
	if (now - lane->heard_ns > idle && !lane->asked) {
		lane->asked = true;
		send_note(lane, FRAME_PING);
		int err = link_flush(&lane->link);
		return err == -EAGAIN ? 0 : err;
	}
	return 0;
}

static int sleep_lane(struct lane *lane)
{
	struct epoll_event events[4];
	int err = look_at_clock(lane);

	if (err)
		return err;
	watch_device(lane, may_take(lane));
	watch_room(lane, lane->link.first != NULL);
	epoll_wait(lane->epoll, events, 4, (int)lane->forward->welcome.idle_s * 1000 + 1);
	return 0;
}

/* ---- Without a connection ---- */

static void fail_pending(struct lane *lane)
{
	struct pending *row;

	while ((row = pending_any(&lane->pending))) {
		bool init = row->opcode == FUSE_INIT;
		lane_answer_error(lane, row->unique, -ENOTCONN);
		lane_forget(lane, row);
		if (init)
			forward_initialised(lane->forward, -ENOTCONN);
	}
}

static void close_link(struct lane *lane)
{
	link_clear(&lane->link);
	lane->up = false;
	lane->has_header = false;
	/* What was on its way in a batch is lost; what is kept is in the log. */
	lane->used = 0;
	lane->sending = false;
}

/* Changes whenever something got through. */
static uint32_t progress_of(const struct lane *lane)
{
	return lane->received + lane->log.acked;
}

/*
 * A connection that is lost and comes back again and again is worth a word a second. What was lost
 * in silence comes back in silence.
 */
static void say_lost(struct lane *lane, int err)
{
	uint64_t now = now_ns();

	lane->silent = lane->said_ns && now - lane->said_ns < second;
	if (lane->silent)
		return;
	lane->said_ns = now;
	log_write(&lane->forward->config.log, FSB_LOG_WARNING,
		  "stream: connection %u is lost: %s; dialling again", lane->index,
		  dial_describe(err));
}

static void say_back(const struct lane *lane)
{
	if (lane->silent)
		return;
	log_write(&lane->forward->config.log, FSB_LOG_WARNING,
		  "stream: connection %u is back after %.1f s", lane->index,
		  (double)(now_ns() - lane->lost_ns) / (double)second);
}

static void lost(struct lane *lane, int err)
{
	struct fsb_stream_forward *forward = lane->forward;

	close_link(lane);
	if (!forward->resumable || err == -ESHUTDOWN) {
		forward_down(forward, err);
		return;
	}
	lane->lost_ns = now_ns();
	if (lane->progress != progress_of(lane))
		lane->backoff_ms = FIRST_BACKOFF_MS;
	say_lost(lane, err);
}

static bool is_final(int err)
{
	return err == -ESTALE || err == -EPERM || err == -EACCES || err == -EPROTO ||
	       err == -EPROTONOSUPPORT || err == -EBUSY;
}

/* Wait a little, unless something happens to the session. Return: 0; -ENODEV when it is gone. */
static int wait_to_dial(struct lane *lane)
{
	struct pollfd fds[] = { { .fd = lane->forward->end, .events = POLLIN },
				{ .fd = lane->forward->alarm, .events = POLLIN },
				{ .fd = lane->device, .events = 0 } };

	poll(fds, 3, (int)lane->backoff_ms);
	lane->backoff_ms *= 2;
	if (lane->backoff_ms > LAST_BACKOFF_MS)
		lane->backoff_ms = LAST_BACKOFF_MS;
	return fds[2].revents ? -ENODEV : 0;
}

/* The session ends: who is away stays away. Return: 0; -ENODEV when it is gone. */
static int wait_to_quit(struct lane *lane)
{
	struct pollfd fds[] = { { .fd = lane->forward->quit, .events = POLLIN },
				{ .fd = lane->device, .events = 0 } };

	poll(fds, 2, REFUSE_MS);
	return fds[1].revents ? -ENODEV : 0;
}

/* Return: 0, or what ended the session. */
static int dial_again(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	uint64_t hold = forward->config.hold_s < forward->welcome.grace_s
				? forward->config.hold_s
				: forward->welcome.grace_s;
	/* One that broke before anything got through would do so again and again. */
	int err = lane->progress == progress_of(lane) ? wait_to_dial(lane) : 0;
	if (err)
		return err;
	lane->progress = progress_of(lane);
	err = lane_dial(lane);
	if (!err) {
		say_back(lane);
		return 0;
	}
	/* The others still say goodbye. */
	if (err == -ECANCELED)
		return wait_to_quit(lane);
	if (!is_final(err) && now_ns() - lane->lost_ns <= hold * second)
		return wait_to_dial(lane);
	forward_down(forward, err);
	return 0;
}

/* As it was at first. */
static void reset(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;

	if (lane->up)
		close_link(lane);
	fail_pending(lane);
	retained_clear(&lane->log);
	group_notes_clear(&lane->notes);
	group_notes_init(&lane->notes, forward->welcome.max_sets, forward->welcome.max_groups);
	lane->received = lane->told = 0;
	lane->unacked_bytes = 0;
	lane->progress = UINT32_MAX;
	lane->met = false;
}

static void begin_to_refuse(struct lane *lane)
{
	reset(lane);
	epoll_ctl(lane->epoll, EPOLL_CTL_DEL, lane->forward->alarm, NULL);
	lane->backoff_ms = FIRST_BACKOFF_MS;
	lane->due_ns = now_ns();
	lane->refuses = true;
	atomic_fetch_add(&lane->forward->refusing, 1);
}

static void stop_refusing(struct lane *lane)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_ctl(lane->epoll, EPOLL_CTL_ADD, lane->forward->alarm, &event);
	lane->refuses = false;
	atomic_fetch_sub(&lane->forward->refusing, 1);
}

/*
 * The session is gone, but its server may come again, or a new one in its place. Then the mount
 * goes on with a new session: the kernel finds names again, and what was open is gone. One lane
 * sees to that, while nobody else uses anything of the session.
 */
static void try_to_renew(struct lane *lane)
{
	struct fsb_stream_forward *forward = lane->forward;
	eventfd_t count;

	if (atomic_load(&forward->refusing) < forward->nlanes || !forward->init_length)
		return;
	reset(lane);
	int err = lane_renew(lane);
	if (!err) {
		log_write(
			&forward->config.log, FSB_LOG_WARNING,
			"stream: the server is back, with a new session: files that were open are "
			"lost");
		(void)eventfd_read(forward->alarm, &count);
		stop_refusing(lane);
		atomic_store(&forward->down, false);
		return;
	}
	lane->due_ns = now_ns() + lane->backoff_ms * (second / 1000);
	lane->backoff_ms *= 2;
	if (lane->backoff_ms > LAST_BACKOFF_MS)
		lane->backoff_ms = LAST_BACKOFF_MS;
}

static bool renews(const struct lane *lane)
{
	return lane->index == 0 && lane->forward->config.reconnect;
}

static int wait_to_refuse(struct lane *lane)
{
	struct epoll_event events[4];
	uint64_t now = now_ns();
	int timeout = REFUSE_MS;

	if (renews(lane))
		timeout = lane->due_ns > now ? (int)((lane->due_ns - now) * 1000 / second) + 1 : 0;
	watch_device(lane, true);
	return epoll_wait(lane->epoll, events, 4, timeout);
}

/* Whoever asks is told that there is no connection. Return: 0, or what ended the session. */
static int refuse(struct lane *lane)
{
	if (!lane->refuses)
		begin_to_refuse(lane);
	ssize_t length = read_request(lane);
	if (length == -EAGAIN) {
		wait_to_refuse(lane);
		if (renews(lane) && now_ns() >= lane->due_ns)
			try_to_renew(lane);
		return 0;
	}
	if (length < 0)
		return (int)length;
	const struct fuse_in_header *header = (const void *)request_at(lane);
	if (lane_expects_answer(header))
		lane_answer_error(lane, header->unique, -ENOTCONN);
	if (header->opcode == FUSE_INIT)
		forward_initialised(lane->forward, -ENOTCONN);
	return 0;
}

/* There is a new session: carry a channel of it. */
static void join_renewed(struct lane *lane)
{
	reset(lane);
	stop_refusing(lane);
	lane->lost_ns = now_ns();
	lane->backoff_ms = FIRST_BACKOFF_MS;
}

/* ---- The thread ---- */

/*
 * Send what can be sent, and take what has come: also when it cannot be sent, as that may say why.
 * Return: how many frames were taken; or why the connection is over.
 */
static int exchange(struct lane *lane)
{
	int err = lane->link.first ? link_flush(&lane->link) : 0;
	int got = take_answers(lane);

	if (got >= 0 && (!err || err == -EAGAIN) && lane->link.first)
		err = link_flush(&lane->link);
	return got >= 0 && err && err != -EAGAIN ? err : got;
}

/* Return: 0, or what ended the session. */
static int step(struct lane *lane)
{
	int sent = take_requests(lane);
	if (sent < 0)
		return sent;
	int got = exchange(lane);
	if (got >= 0 && (sent > 0 || got > 0)) {
		patience_ends(&lane->patience, true);
		return 0;
	}
	if (got == 0 && !patience_looks(&lane->patience))
		got = sleep_lane(lane);
	if (got < 0)
		lost(lane, got);
	return 0;
}

void *lane_run(void *opaque)
{
	struct lane *lane = opaque;
	struct fsb_stream_forward *forward = lane->forward;
	int err = 0;

	while (!err && !atomic_load_explicit(&forward->quitting, memory_order_relaxed)) {
		if (atomic_load_explicit(&forward->down, memory_order_acquire))
			err = refuse(lane);
		else if (lane->refuses)
			join_renewed(lane);
		else if (lane->up)
			err = step(lane);
		else
			err = dial_again(lane);
	}
	patience_ends(&lane->patience, false);
	forward_end(forward, err);
	return NULL;
}

void lane_leave(struct lane *lane)
{
	struct {
		struct frame_header header;
		struct frame_bye body;
	} bye = { .header = frame_make(FRAME_BYE, sizeof(bye.body)) };
	struct iovec iov = { &bye, sizeof(bye) };

	if (!lane->up)
		return;
	bye.header.ack = lane->received;
	/* In the middle of a frame there is no room for it. */
	if (link_flush(&lane->link) == 0)
		link_write(&lane->link, &iov, 1);
	close_link(lane);
}
