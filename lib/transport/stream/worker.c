// SPDX-License-Identifier: BSD-3-Clause
/*
 * The pool: threads that read frames and work on requests. Whoever owns a connection reads it until
 * there is nothing more, looks again for a while if that is worth it, and gives it back to the
 * epoll. While it works on a request the keeper may give the connection to others: then it only
 * ends its work.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>

#include <fsbackend/thread.h>

#include "../../log.h"
#include "../../server/opcodes.h"
#include "../clock.h"
#include "serve.h"

/* The connection is somebody else's now. No errno has this value. */
enum { TAKEN_AWAY = 1 };

/* ---- Reading ---- */

/* Find the place for the frame's body. */
static int begin_frame(struct connection *connection)
{
	const struct frame_header *header = &connection->header;
	int err = frame_check(header, true, connection->session->max_message);

	if (err)
		return err;
	connection->length = header->length - sizeof(*header);
	connection->filled = 0;
	connection->into = connection->small;
	if (header->type == FRAME_REQUEST) {
		connection->request = request_take(connection->channel, connection->length, &err);
		if (!connection->request)
			return err;
		connection->into = connection->request->request.iov_base;
	} else if (connection->length > sizeof(connection->small)) {
		connection->large = memory_take(&connection->serve->memory);
		if (!connection->large)
			return -ENOMEM;
		connection->into = connection->large;
	}
	return 0;
}

/* Return: 0 when a frame is here as a whole; -EAGAIN; or why the connection is over. */
static int read_frame(struct connection *connection)
{
	int err;

	if (!connection->has_header) {
		err = link_header(&connection->link, &connection->header);
		if (!err)
			err = begin_frame(connection);
		if (err)
			return err;
		connection->has_header = true;
	}
	err = link_body(&connection->link, connection->into, connection->length,
			&connection->filled);
	if (!err)
		connection->has_header = false;
	return err;
}

/* ---- Requests ---- */

static bool has_caller(const struct fuse_in_header *header)
{
	const struct opcode_row *row = opcode_row(header->opcode);

	return row && row->caller == CALLER_JUDGED && header->uid != (uint32_t)FUSE_INVALID_UIDGID;
}

/* A creation may name a group of the caller in the message itself. */
static bool may_claim_within(const struct request *request)
{
	struct session *session = request->session;
	const struct fuse_in_header *header = request->request.iov_base;
	const struct opcode_row *row = opcode_row(header->opcode);
	struct fsb_protocol protocol;
	struct fsb_request decoded;

	if (session->ngids == 0 || !row->op.creates)
		return true;
	fsb_server_protocol(session->server, &protocol);
	/* What cannot be decoded is refused by the server. */
	if (fsb_request_decode(&protocol, header, header->len, header->len, &decoded) ||
	    !decoded.has_group)
		return true;
	return session_may_claim(session, &decoded.group, 1);
}

static bool may_ask(struct request *request)
{
	struct session *session = request->session;
	const struct fuse_in_header *header = request->request.iov_base;

	if (!has_caller(header))
		return true;
	if (session_may_speak_for(session, header->uid, header->gid) &&
	    !(request->groups && request->groups->refused) && may_claim_within(request))
		return true;
	if (!atomic_exchange(&session->warned, true))
		log_write(&session->serve->config.log, FSB_LOG_WARNING,
			  "stream: session %llu speaks for user %u, group %u, or groups that it "
			  "must not speak for; such requests are refused",
			  (unsigned long long)session->number, header->uid, header->gid);
	return false;
}

static int handle(struct request *request)
{
	struct fsb_message *message = &request->message;

	message->groups_known = request->groups != NULL;
	message->ngroups = request->groups ? request->groups->count : 0;
	message->groups = request->groups ? request->groups->groups : NULL;
	if (!may_ask(request)) {
		request_refuse(request, -EPERM);
		return 0;
	}
	return fsb_server_handle(request->session->server, message);
}

static void let_go(struct request *request, int result)
{
	/* One that was deferred may have been answered meanwhile, and is not ours to look at. */
	if (result != FSB_DEFERRED && !request->answered)
		request_put(request);
	request_put(request);
}

/* Return: whether the connection is still ours. */
static bool end_work(struct worker *worker)
{
	int phase = PHASE_WORKING;

	while (!atomic_compare_exchange_strong(&worker->phase, &phase, PHASE_IDLE)) {
		if (phase == PHASE_LEFT) {
			atomic_store(&worker->phase, PHASE_IDLE);
			return false;
		}
		/* The keeper is about it: let it end with what we hold. */
		sched_yield();
		phase = PHASE_WORKING;
	}
	return true;
}

/* If it sleeps for long. */
static void wake_keeper(struct fsb_stream_serve *serve)
{
	if (atomic_load(&serve->dozes) && atomic_exchange(&serve->dozes, false))
		keeper_call(serve);
}

static int work(struct worker *worker, struct connection *connection)
{
	struct request *request = connection->request;
	struct session *session = connection->session;

	connection->request = NULL;
	atomic_store_explicit(&connection->corked, link_has_frame(&connection->link),
			      memory_order_relaxed);
	atomic_store_explicit(&worker->connection, connection, memory_order_relaxed);
	atomic_store_explicit(&worker->since_ns, now_ns(), memory_order_relaxed);
	/* In this order, and the keeper in the other one: one of both sees it. */
	atomic_store(&worker->phase, PHASE_WORKING);
	wake_keeper(worker->serve);
	int result = handle(request);
	bool mine = end_work(worker);
	let_go(request, result);
	if (!mine) {
		atomic_fetch_sub(&session->slow, 1);
		return TAKEN_AWAY;
	}
	return result == -EBADMSG ? -EPROTO : 0;
}

/* ---- Frames ---- */

static int check_body(struct connection *connection)
{
	const struct frame_groups *groups = (const void *)connection->into;
	struct fuse_in_header *header = (void *)connection->into;

	switch (connection->header.type) {
	case FRAME_GROUPS:
		if (frame_check_groups(groups, connection->length) ||
		    groups->count > FSB_NGROUPS_MAX)
			return -EPROTO;
		return 0;
	case FRAME_REQUEST:
		if (frame_check_message(header->len, connection->length, sizeof(*header)))
			return -EPROTO;
		connection->request->request.iov_len = header->len;
		return request_make_room(connection->request);
	default:
		return 0;
	}
}

/* Under the lock: enter the frame into the books. */
static int count_frame(struct channel *channel, const struct frame_header *header)
{
	bool resumable = channel->session->resumable;
	int err = resumable ? retained_acknowledge(&channel->log, header->ack) : 0;

	if (err)
		return err;
	if (channel->log.bytes > RETAINED_MOST)
		return -EDQUOT;
	if (!frame_is_numbered(header->type))
		return 0;
	channel->received++;
	/* Before anything is done about it. */
	if (channel->counts)
		__atomic_store_n(channel->counts, channel->received, __ATOMIC_RELEASE);
	channel->unacked_bytes += header->length;
	if (resumable && (channel->received - channel->told >= ACK_FRAMES ||
			  channel->unacked_bytes >= ACK_BYTES))
		channel_send_note(channel, FRAME_ACK, NULL, 0);
	return 0;
}

static int define_groups(struct connection *connection)
{
	struct frame_groups fixed;
	struct channel *channel = connection->channel;

	memcpy(&fixed, connection->into, sizeof(fixed));
	struct group_set *set =
		group_set_new((const gid_t *)(connection->into + sizeof(fixed)), fixed.count);
	if (!set)
		return -ENOMEM;
	set->refused = !session_may_claim(connection->session, set->groups, set->count);
	int err = group_sets_define(&channel->groups, connection->header.groups, set);
	if (err)
		group_set_put(set);
	memory_give(&connection->serve->memory, connection->large);
	connection->large = NULL;
	return err;
}

static int find_groups(struct connection *connection)
{
	uint32_t id = connection->header.groups;

	connection->request->groups = group_sets_get(&connection->channel->groups, id);
	return id && !connection->request->groups ? -EPROTO : 0;
}

/* Under the lock: the connection is still the channel's, and the frame counts. */
static int accept_frame(struct connection *connection)
{
	struct channel *channel = connection->channel;

	if (channel->live != connection)
		return -ESHUTDOWN;
	int err = count_frame(channel, &connection->header);
	if (err)
		return err;
	switch (connection->header.type) {
	case FRAME_GROUPS:
		return define_groups(connection);
	case FRAME_REQUEST:
		return find_groups(connection);
	case FRAME_PING:
		channel_send_note(channel, FRAME_PONG, NULL, 0);
		return 0;
	case FRAME_HELLO:
		return -EPROTO;
	default:
		return 0;
	}
}

/* Return: 0; TAKEN_AWAY; or why the connection is over, 0 being said by -ENODATA. */
static int take_frame(struct worker *worker, struct connection *connection)
{
	int err = check_body(connection);

	if (err)
		return err;
	pthread_mutex_lock(&connection->channel->lock);
	err = accept_frame(connection);
	pthread_mutex_unlock(&connection->channel->lock);
	atomic_store_explicit(&connection->heard_s, now_s(), memory_order_relaxed);
	if (err)
		return err;
	if (connection->header.type == FRAME_BYE)
		return -ENODATA;
	return connection->header.type == FRAME_REQUEST ? work(worker, connection) : 0;
}

/* ---- Connections ---- */

/* Send what waits, unless more is to join it. Return: whether it has to wait. */
static bool is_held_up(struct connection *connection)
{
	struct link *link = &connection->link;

	if (atomic_load_explicit(&connection->corked, memory_order_relaxed)) {
		if (link_has_frame(link))
			return false;
		atomic_store_explicit(&connection->corked, false, memory_order_relaxed);
	}
	if (!atomic_load_explicit(&link->queued, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&connection->channel->lock);
	if (!connection->dead)
		connection_flush(connection);
	bool held_up = link->first != NULL;
	pthread_mutex_unlock(&connection->channel->lock);
	return held_up;
}

/* Return: 0 when something was done; -EAGAIN; TAKEN_AWAY; or why it is over. */
static int step(struct worker *worker, struct connection *connection)
{
	if (is_held_up(connection))
		return -EAGAIN;
	if (atomic_load_explicit(&connection->broken, memory_order_relaxed))
		return -EPIPE;
	int err = read_frame(connection);
	if (err)
		return err;
	/* That the client lives does not say that it will ask for something soon. */
	if (frame_is_numbered(connection->header.type))
		patience_ends(&connection->patience, true);
	return take_frame(worker, connection);
}

static void give_back(struct connection *connection)
{
	/* A slow link is no silent one. */
	if (connection->filled != connection->mark)
		atomic_store_explicit(&connection->heard_s, now_s(), memory_order_relaxed);
	connection->mark = connection->filled;
	bool partial = connection->has_header || link_has_more(&connection->link);
	atomic_store(&connection->partial, partial);
	if (partial)
		wake_keeper(connection->serve);
	pthread_mutex_lock(&connection->channel->lock);
	atomic_store(&connection->owned, false);
	if (!connection->dead)
		connection_arm(connection, false);
	pthread_mutex_unlock(&connection->channel->lock);
}

static void close_it(struct connection *connection, int err)
{
	switch (err) {
	case -ENODATA:
		connection_lost(connection, 0, NULL);
		break;
	case -EPIPE:
		connection_lost(connection, err, "the client hung up");
		break;
	case -EBADMSG:
		connection_lost(connection, err, "the client hung up in the middle of a frame");
		break;
	case -EPROTO:
		connection_lost(connection, err, "the client broke the protocol");
		break;
	case -EMSGSIZE:
		connection_lost(connection, err, "the client's frame is longer than agreed");
		break;
	case -EDQUOT:
		connection_lost(connection, err, "the client has more in flight than agreed");
		break;
	case -E2BIG:
		connection_lost(connection, err, "the client has more groups than agreed");
		break;
	default:
		connection_lost(connection, err, NULL);
	}
}

static void serve_connection(struct worker *worker, struct connection *connection)
{
	int err;

	do
		err = step(worker, connection);
	while (err == 0 || (err == -EAGAIN && patience_looks(&connection->patience)));
	if (err == TAKEN_AWAY)
		return;
	if (err == -EAGAIN) {
		give_back(connection);
		return;
	}
	patience_ends(&connection->patience, false);
	close_it(connection, err);
}

/* Not one that is only just being given its channel: it will be armed, and comes again. */
static bool own(struct connection *connection)
{
	struct channel *channel = connection->channel;

	if (!channel)
		return false;
	pthread_mutex_lock(&channel->lock);
	bool mine = !connection->dead && !connection->owned;
	if (mine)
		connection->owned = true;
	pthread_mutex_unlock(&channel->lock);
	return mine;
}

void *worker_run(void *opaque)
{
	struct worker *worker = opaque;
	struct fsb_stream_serve *serve = worker->serve;
	struct epoll_event event;
	int err = fsb_thread_donate();

	if (err)
		log_write(&serve->config.log, FSB_LOG_INFO,
			  "stream: a thread keeps the umask of the process: %s", strerror(-err));
	for (;;) {
		if (epoll_wait(serve->epoll, &event, 1, -1) < 1)
			continue;
		if (event.data.u64 == 0)
			return NULL;
		struct connection *connection = connection_get(serve, event.data.u64);
		if (!connection)
			continue;
		if (own(connection))
			serve_connection(worker, connection);
		connection_put(connection);
	}
}
