// SPDX-License-Identifier: BSD-3-Clause
/* The handshake, as the server sees it: who comes, on what terms, to which session and channel. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "../../log.h"
#include "../clock.h"
#include "serve.h"

/* ---- The peer ---- */

static void ask_unix(int fd, struct fsb_stream_peer *peer)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return;
	peer->kind = FSB_STREAM_UNIX;
	peer->uid = credentials.uid;
	peer->gid = credentials.gid;
	peer->pid = credentials.pid;
}

void peer_find(int fd, struct fsb_stream_peer *peer)
{
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_storage storage;
	} address = { .any.sa_family = AF_UNSPEC };
	socklen_t length = sizeof(address);

	*peer = (struct fsb_stream_peer){
		.size = sizeof(*peer), .uid = (uid_t)-1, .gid = (gid_t)-1, .state_fd = -1
	};
	if (getpeername(fd, &address.any, &length) < 0)
		return;
	if (address.any.sa_family == AF_UNIX) {
		ask_unix(fd, peer);
	} else if (address.any.sa_family == AF_VSOCK) {
		peer->kind = FSB_STREAM_VSOCK;
		peer->cid = address.vm.svm_cid;
		peer->port = address.vm.svm_port;
	}
}

bool peer_is_same(const struct fsb_stream_peer *a, const struct fsb_stream_peer *b)
{
	return a->kind == b->kind && a->uid == b->uid && a->cid == b->cid;
}

/* ---- Sessions ---- */

/* The first half of a token is its name, the rest is the secret. */
static uint64_t name_of(const uint8_t *token)
{
	uint64_t name;

	memcpy(&name, token, sizeof(name));
	return name;
}

static bool is_new(const struct frame_hello *hello)
{
	static const uint8_t none[TOKEN_SIZE];

	return !memcmp(hello->token, none, TOKEN_SIZE);
}

/* Return: 0, with a reference to the session; -ESTALE when there is none; -EPERM when it is
 * another's. */
static int join(struct connection *connection, const struct frame_hello *hello,
		struct session **out)
{
	struct fsb_stream_serve *serve = connection->serve;
	int err = 0;

	pthread_mutex_lock(&serve->lock);
	struct session *session = session_find(serve, hello->token);
	if (!session)
		err = -ESTALE;
	else if (!peer_is_same(&session->peer, &connection->peer))
		err = -EPERM;
	else if (hello->max_message < session->max_message)
		err = -EPROTO;
	else
		atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	*out = session;
	return err;
}

static int find_session(struct connection *connection, const struct fsb_stream_terms *terms,
			const struct frame_hello *hello, struct session **session)
{
	if (hello->channel >= connection->serve->config.max_channels)
		return -ECHRNG;
	int err = is_new(hello) ? 0 : join(connection, hello, session);
	if (err == -ESTALE)
		return session_recover(connection->serve, &connection->peer, terms, hello, session);
	if (!is_new(hello))
		return err;
	err = session_new(connection->serve, &connection->peer, terms, hello, session);
	if (!err)
		atomic_fetch_add_explicit(&(*session)->refs, 1, memory_order_relaxed);
	return err;
}

/* ---- The answer ---- */

static struct note *make_welcome(const struct connection *connection, const struct session *session,
				 const struct channel *channel, int error)
{
	const struct fsb_stream_serve_config *config = &connection->serve->config;
	struct frame_welcome welcome = {
		.magic = FRAME_MAGIC,
		.version = FRAME_VERSION,
		.error = error,
	};

	if (session) {
		welcome.features = (session->resumable ? FEATURE_RESUME : 0) |
				   (session->kept ? FEATURE_RECOVER : 0);
		welcome.epoch = session->kept ? session->kept->page->epoch : 0;
		welcome.max_message = connection->serve->max_message;
		memcpy(welcome.token, session->token, TOKEN_SIZE);
		welcome.received = channel->received;
		welcome.channels = session->nchannels;
		welcome.max_requests = config->max_requests;
		welcome.max_sets = SETS_MOST;
		welcome.max_groups = GROUPS_TOTAL_MOST;
		welcome.grace_s = session->resumable ? config->grace_s : 0;
		welcome.idle_s = config->idle_s;
		welcome.advice = config->advice;
		welcome.wants_groups = config->wants_groups;
	}
	return note_new(FRAME_WELCOME, &welcome, sizeof(welcome));
}

static int enter_epoll(struct connection *connection)
{
	struct fsb_stream_serve *serve = connection->serve;
	struct epoll_event none = { .events = EPOLLONESHOT, .data.u64 = connection->id };
	struct link *link = &connection->link;

	epoll_ctl(serve->gate, EPOLL_CTL_DEL, link->in, NULL);
	if (epoll_ctl(serve->epoll, EPOLL_CTL_ADD, link->in, &none) < 0 ||
	    (link->out != link->in && epoll_ctl(serve->epoll, EPOLL_CTL_ADD, link->out, &none) < 0))
		return -errno;
	return 0;
}

/* Under the lock: whether the connection may carry the channel. */
static int check_channel(struct channel *channel, const struct frame_hello *hello)
{
	if (channel->used && !channel->session->resumable)
		return -EBUSY;
	if (!channel->session->resumable)
		return hello->received == 0 ? 0 : -EPROTO;
	if (channel->adopts) {
		retained_adopt(&channel->log, hello->received);
		channel->adopts = false;
	}
	return retained_acknowledge(&channel->log, hello->received);
}

/* A process that follows waits for those that had a connection. */
static void note_use(struct channel *channel, uint32_t number)
{
	channel->used = true;
	if (channel->session->kept)
		channel->session->kept->page->used[number] = 1;
}

/*
 * The welcome goes out first, behind it all that the client has not got so far. A connection that
 * carried the channel until now is over: its client knows better than we do.
 */
static int carry(struct connection *connection, struct session *session,
		 const struct frame_hello *hello)
{
	struct channel *channel = &session->channels[hello->channel];

	pthread_mutex_lock(&channel->lock);
	int err = check_channel(channel, hello);
	struct connection *former = err ? NULL : channel_detach(channel);
	struct note *welcome = err ? NULL : make_welcome(connection, session, channel, 0);
	if (!err)
		err = welcome ? enter_epoll(connection) : -ENOMEM;
	if (!err) {
		atomic_fetch_add_explicit(&connection->refs, 1, memory_order_relaxed);
		note_use(channel, hello->channel);
		channel->live = connection;
		connection->channel = channel;
		link_queue(&connection->link, &welcome->out);
		retained_send_again(&channel->log, &connection->link, channel->received);
		connection_flush(connection);
		connection_arm(connection, link_has_more(&connection->link));
	} else if (welcome) {
		welcome->out.done(&welcome->out);
	}
	pthread_mutex_unlock(&channel->lock);
	if (former) {
		connection_leave(former);
		connection_put(former);
	}
	return err;
}

static void refuse(struct connection *connection, int error)
{
	struct note *welcome = make_welcome(connection, NULL, NULL, error);

	if (!welcome)
		return;
	link_queue(&connection->link, &welcome->out);
	link_flush(&connection->link);
}

static bool is_covered(struct fsb_stream_terms *terms)
{
	return (!terms->nuids || terms->uids) && (!terms->ngids || terms->gids);
}

static int admit(struct connection *connection, const struct frame_hello *hello,
		 struct fsb_stream_terms *terms)
{
	const struct fsb_stream_serve_config *config = &connection->serve->config;

	*terms = (struct fsb_stream_terms){ .size = sizeof(*terms) };
	connection->peer.session = name_of(hello->token);
	int err = config->admit ? config->admit(config->opaque, &connection->peer, terms) : 0;
	return !err && !is_covered(terms) ? -EINVAL : err;
}

static int answer(struct connection *connection, const struct frame_hello *hello)
{
	struct fsb_stream_terms terms;
	struct session *session = NULL;

	int err = frame_check_hello(hello);
	if (!err)
		err = admit(connection, hello, &terms);
	if (!err)
		err = find_session(connection, &terms, hello, &session);
	if (err)
		return err;
	connection->session = session;
	err = carry(connection, session, hello);
	if (err && is_new(hello))
		session_end(session, err);
	return err;
}

int hello_read(struct connection *connection)
{
	struct frame_hello hello;
	int err;

	if (!connection->has_header) {
		err = link_header(&connection->link, &connection->header);
		if (!err)
			err = frame_check(&connection->header, true,
					  connection->serve->max_message);
		if (!err && connection->header.type != FRAME_HELLO)
			err = -EPROTO;
		if (err)
			return err;
		connection->has_header = true;
	}
	err = link_body(&connection->link, connection->small, sizeof(hello), &connection->filled);
	if (err)
		return err;
	connection->has_header = false;
	connection->filled = 0;
	memcpy(&hello, connection->small, sizeof(hello));
	err = answer(connection, &hello);
	if (err)
		refuse(connection, err);
	return err;
}

/* ---- Before it comes to a server ---- */

static int wait_to_read(int fd, uint64_t deadline)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint64_t now = now_ns();

	if (now >= deadline)
		return -ETIMEDOUT;
	if (poll(&readable, 1, (int)((deadline - now) / 1000000) + 1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int read_all(int fd, uint8_t *to, size_t length, uint64_t deadline)
{
	for (size_t have = 0; have < length;) {
		int err = wait_to_read(fd, deadline);
		if (err)
			return err;
		ssize_t got = read(fd, to + have, length - have);
		if (got == 0)
			return -EPIPE;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		have += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int fsb_stream_hello_read(int in, int timeout_ms, struct fsb_stream_hello *hello)
{
	struct frame_header header;
	struct frame_hello body;

	_Static_assert(sizeof(header) + sizeof(body) == FSB_STREAM_HELLO_SIZE, "HELLO's size");
	hello->companion = -1;
	int err = read_all(in, hello->bytes, sizeof(hello->bytes),
			   now_ns() + (uint64_t)timeout_ms * 1000000);
	if (err)
		return err;
	memcpy(&header, hello->bytes, sizeof(header));
	memcpy(&body, hello->bytes + sizeof(header), sizeof(body));
	hello->session = name_of(body.token);
	if (frame_check(&header, true, MESSAGE_MOST) || header.type != FRAME_HELLO)
		return -EPROTO;
	return frame_check_hello(&body);
}
