// SPDX-License-Identifier: BSD-3-Clause
/*
 * Connections and the channels that they carry. A connection is found by its id, so that an event
 * of one that is gone meanwhile leads nowhere; its descriptors are closed with the last reference,
 * so that nobody reads what became another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../log.h"
#include "../clock.h"
#include "serve.h"

enum { LEAST_PLACES = 64, MOST_PLACES = 1 << 20 };

/* ---- The table ---- */

static int grow(struct fsb_stream_serve *serve)
{
	uint32_t count = serve->nplaces ? serve->nplaces * 2 : LEAST_PLACES;
	struct place *places =
		count <= MOST_PLACES ? realloc(serve->places, count * sizeof(*places)) : NULL;

	if (!places)
		return -ENOMEM;
	memset(places + serve->nplaces, 0, (count - serve->nplaces) * sizeof(*places));
	serve->places = places;
	serve->nplaces = count;
	return 0;
}

/* Under the lock. */
static int enter(struct fsb_stream_serve *serve, struct connection *connection)
{
	if (serve->nconnections == serve->nplaces && grow(serve) < 0)
		return -ENOMEM;
	uint32_t index = 0;
	while (serve->places[index].connection)
		index++;
	struct place *place = &serve->places[index];
	place->connection = connection;
	/* Neither 0 nor ID_LISTENER: see the keeper. */
	place->generation = place->generation % INT32_MAX + 1;
	connection->id = (uint64_t)place->generation << 32 | index;
	connection->number = ++serve->accepted;
	serve->nconnections++;
	return 0;
}

struct connection *connection_get(struct fsb_stream_serve *serve, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct connection *connection = NULL;

	pthread_mutex_lock(&serve->lock);
	if (index < serve->nplaces && serve->places[index].generation == id >> 32)
		connection = serve->places[index].connection;
	if (connection)
		atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	return connection;
}

/* ---- Life ---- */

static void close_all(int in, int out, const struct fsb_stream_hello *hello)
{
	close(in);
	if (out != in)
		close(out);
	if (hello && hello->companion >= 0)
		close(hello->companion);
}

static struct connection *allocate(struct fsb_stream_serve *serve, int in,
				   const struct fsb_stream_hello *hello)
{
	struct connection *connection = aligned_alloc(64, (sizeof(*connection) + 63) / 64 * 64);

	if (!connection)
		return NULL;
	memset(connection, 0, offsetof(struct connection, link));
	connection->serve = serve;
	connection->companion = hello ? hello->companion : -1;
	atomic_init(&connection->refs, 1);
	atomic_init(&connection->heard_s, now_s());
	connection->asked_s = now_s();
	patience_init(&connection->patience, &serve->crowd,
		      (uint64_t)serve->config.spin_us * 1000);
	peer_find(in, &connection->peer);
	return connection;
}

/* Open it to the keeper. */
static int introduce(struct connection *connection, const struct fsb_stream_hello *hello)
{
	struct fsb_stream_serve *serve = connection->serve;
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = connection->id };

	if (hello) {
		link_put_back(&connection->link, hello->bytes, sizeof(hello->bytes));
		atomic_store(&connection->greeted, true);
	}
	if (epoll_ctl(serve->gate, EPOLL_CTL_ADD, connection->link.in, &event) < 0)
		return errno == EPERM ? -EINVAL : -errno;
	if (hello) {
		atomic_store(&serve->greeted, true);
		keeper_call(serve);
	}
	return 0;
}

int connection_new(struct fsb_stream_serve *serve, int in, int out,
		   const struct fsb_stream_hello *hello)
{
	struct connection *connection = allocate(serve, in, hello);

	if (!connection) {
		close_all(in, out, hello);
		return -ENOMEM;
	}
	int err = link_init(&connection->link, in, out);
	pthread_mutex_lock(&serve->lock);
	if (!err && serve->closed)
		err = -ESHUTDOWN;
	if (!err)
		err = enter(serve, connection);
	/* Once it is in the table it can go at any time. */
	if (!err)
		atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	if (!err) {
		err = introduce(connection, hello);
		if (err)
			connection_lost(connection, err, NULL);
	}
	connection_put(connection);
	return err;
}

static void connection_free(struct connection *connection)
{
	if (connection->request) {
		request_put(connection->request);
		request_put(connection->request);
	}
	memory_give(&connection->serve->memory, connection->large);
	link_clear(&connection->link);
	if (connection->companion >= 0)
		close(connection->companion);
	if (connection->session)
		session_put(connection->session);
	free(connection);
}

void connection_put(struct connection *connection)
{
	if (atomic_fetch_sub_explicit(&connection->refs, 1, memory_order_acq_rel) == 1)
		connection_free(connection);
}

void connection_leave(struct connection *connection)
{
	struct fsb_stream_serve *serve = connection->serve;

	pthread_mutex_lock(&serve->lock);
	struct place *place = &serve->places[(uint32_t)connection->id];
	bool there = place->connection == connection;
	if (there) {
		place->connection = NULL;
		serve->nconnections--;
		pthread_cond_broadcast(&serve->idle);
	}
	pthread_mutex_unlock(&serve->lock);
	if (there)
		connection_put(connection);
}

/* Nothing moves on it any more, whoever has it open. */
static void cut(struct connection *connection)
{
	struct link *link = &connection->link;

	epoll_ctl(connection->serve->epoll, EPOLL_CTL_DEL, link->in, NULL);
	if (link->out != link->in)
		epoll_ctl(connection->serve->epoll, EPOLL_CTL_DEL, link->out, NULL);
	if (link->in_socket)
		shutdown(link->in, SHUT_RDWR);
	if (link->out_socket)
		shutdown(link->out, SHUT_RDWR);
}

struct connection *channel_detach(struct channel *channel)
{
	struct connection *live = channel->live;

	if (!live)
		return NULL;
	channel->live = NULL;
	channel->lost_s = now_s();
	live->dead = true;
	link_drop(&live->link);
	cut(live);
	return live;
}

/* Of one session not more than once a second, however often it happens. */
static void say_lost(const struct connection *connection, int error, const char *why)
{
	struct session *session = connection->session;
	const struct fsb_log *log = &connection->serve->config.log;

	if (!session)
		log_write(log, error ? FSB_LOG_WARNING : FSB_LOG_DEBUG,
			  "stream: a connection was closed before its hello: %s",
			  why ? why : strerror(-error));
	else if (error && atomic_exchange(&session->said_s, now_s()) != now_s())
		log_write(log, FSB_LOG_WARNING, "stream: session %llu lost a connection: %s%s",
			  (unsigned long long)session->number, why ? why : strerror(-error),
			  session->resumable ? "; it waits for another one" : "");
}

void connection_lost(struct connection *connection, int error, const char *why)
{
	struct fsb_stream_serve *serve = connection->serve;
	struct channel *channel = connection->channel;
	bool mine = !channel;

	if (channel) {
		pthread_mutex_lock(&channel->lock);
		mine = channel->live == connection;
		if (mine)
			channel_detach(channel);
		pthread_mutex_unlock(&channel->lock);
	}
	if (mine)
		say_lost(connection, error, why);
	if (mine && channel && (error == 0 || !connection->session->resumable))
		session_end(connection->session, error);
	if (mine && channel)
		connection_put(connection);
	connection_leave(connection);
	/* It may have been counting on a later deadline. */
	if (mine)
		keeper_call(serve);
}

/* ---- Sending ---- */

static void note_done(struct outgoing *out)
{
	free(out);
}

struct note *note_new(enum frame_type type, const void *body, size_t length)
{
	struct frame_header header = frame_make(type, length);
	struct note *note = calloc(1, sizeof(*note) + header.length);

	if (!note)
		return NULL;
	memcpy(note->bytes, &header, sizeof(header));
	if (length > 0)
		memcpy(note->bytes + sizeof(header), body, length);
	note->length = header.length;
	note->out.iov[0] = (struct iovec){ note->bytes, header.length };
	note->out.niov = 1;
	note->out.done = note_done;
	return note;
}

void channel_send_note(struct channel *channel, enum frame_type type, const void *body,
		       size_t length)
{
	struct note *note = note_new(type, body, length);

	if (!note)
		return;
	((struct frame_header *)note->bytes)->ack = channel->received;
	channel->told = channel->received;
	channel->unacked_bytes = 0;
	link_queue(&channel->live->link, &note->out);
	connection_flush(channel->live);
}

void connection_arm(struct connection *connection, bool at_once)
{
	struct link *link = &connection->link;
	bool both = link->in == link->out;
	bool writes = link->first != NULL;
	struct epoll_event in = {
		/* Who has yet to send takes no more: that is how a client is held back. */
		.events = EPOLLONESHOT | (writes ? 0u : EPOLLIN) |
			  (both && (writes || at_once) ? EPOLLOUT : 0u),
		.data.u64 = connection->id,
	};
	struct epoll_event out = {
		.events = EPOLLONESHOT | (writes || at_once ? EPOLLOUT : 0u),
		.data.u64 = connection->id,
	};

	epoll_ctl(connection->serve->epoll, EPOLL_CTL_MOD, link->in, &in);
	if (!both)
		epoll_ctl(connection->serve->epoll, EPOLL_CTL_MOD, link->out, &out);
}

void connection_flush(struct connection *connection)
{
	if (atomic_load_explicit(&connection->corked, memory_order_relaxed))
		return;
	int err = link_flush(&connection->link);
	if (err == 0)
		return;
	/*
	 * Whoever owns it sees by itself that it has to be sent on, or is over.
	 */
	if (err != -EAGAIN) {
		link_drop(&connection->link);
		atomic_store(&connection->broken, true);
	}
	if (!connection->owned)
		connection_arm(connection, err != -EAGAIN);
}
