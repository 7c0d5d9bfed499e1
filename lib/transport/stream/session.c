// SPDX-License-Identifier: BSD-3-Clause
/* Sessions: the mounts of clients, from the first hello until nobody uses them any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "../../log.h"
#include "../clock.h"
#include "serve.h"

/* ---- Notifications ---- */

struct notification {
	struct channel *channel;
	struct note note; /* last */
};

static void notification_sent(struct outgoing *out)
{
	struct note *note = (struct note *)out;
	struct notification *n =
		(struct notification *)((char *)note - offsetof(struct notification, note));

	n->channel->notified -= note->length;
	free(n);
}

static struct notification *notification_new(struct channel *channel, size_t length)
{
	size_t size = sizeof(struct frame_header) + frame_pad(length);
	struct notification *n = malloc(sizeof(*n) + size);

	if (!n)
		return NULL;
	n->channel = channel;
	n->note.length = size;
	n->note.out.iov[0] = (struct iovec){ n->note.bytes, size };
	n->note.out.niov = 1;
	n->note.out.done = notification_sent;
	return n;
}

static void copy_message(uint8_t *to, const struct iovec *iov, size_t niov, size_t length)
{
	memset(to + length, 0, frame_pad(length) - length);
	for (size_t i = 0; i < niov; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

/* Under the lock: the frame in @bytes is complete. @kept: it is the log's. */
static void send_notification(struct channel *channel, struct notification *n,
			      struct retained *kept)
{
	if (kept)
		retained_add(&channel->log, kept);
	if (!channel->live)
		return;
	if (kept) {
		retained_send(kept, &channel->live->link);
	} else {
		channel->notified += n->note.length;
		link_queue(&channel->live->link, &n->note.out);
	}
	connection_flush(channel->live);
}

/*
 * All of them go by the first channel, so that they stay in order. A client that does not read its
 * notifications does not get more of them.
 */
static int notify(void *opaque, const struct iovec *iov, size_t niov)
{
	struct session *session = opaque;
	struct channel *channel = &session->channels[0];
	struct notification *n = NULL;
	struct retained *kept = NULL;
	size_t length = 0;

	for (size_t i = 0; i < niov; i++)
		length += iov[i].iov_len;
	if (length > session->max_message)
		return -EMSGSIZE;
	struct frame_header header = frame_make(FRAME_NOTIFY, length);
	if (session->resumable)
		kept = retained_new(header.length);
	else
		n = notification_new(channel, length);
	if (!kept && !n)
		return -ENOMEM;
	uint8_t *bytes = kept ? kept->bytes : n->note.bytes;
	copy_message(bytes + sizeof(header), iov, niov, length);

	pthread_mutex_lock(&channel->lock);
	int err = 0;
	if (!channel->live && !kept)
		err = -ENOTCONN;
	else if (channel->notified + channel->log.bytes > NOTIFY_MOST)
		err = -ENOBUFS;
	header.ack = channel->received;
	memcpy(bytes, &header, sizeof(header));
	if (!err)
		send_notification(channel, n, kept);
	pthread_mutex_unlock(&channel->lock);
	if (err) {
		retained_free(kept);
		free(n);
	}
	return err;
}

/* ---- Life ---- */

static void session_free(struct session *session)
{
	for (unsigned int i = 0; i < session->nchannels; i++) {
		retained_clear(&session->channels[i].log);
		group_sets_clear(&session->channels[i].groups);
		pthread_mutex_destroy(&session->channels[i].lock);
	}
	pthread_mutex_destroy(&session->lock);
	kept_close(session->serve, session->kept, !session->stays);
	free(session->uids);
	free(session->gids);
	free(session);
}

static struct fsb_stream_ids *copy_ids(const struct fsb_stream_ids *ids, size_t count)
{
	struct fsb_stream_ids *copy = malloc(count * sizeof(*ids) + 1);

	if (copy && count > 0)
		memcpy(copy, ids, count * sizeof(*ids));
	return copy;
}

static int take_terms(struct session *session, const struct fsb_stream_terms *terms)
{
	session->uids = copy_ids(terms->uids, terms->nuids);
	session->nuids = terms->nuids;
	session->gids = copy_ids(terms->gids, terms->ngids);
	session->ngids = terms->ngids;
	return session->uids && session->gids ? 0 : -ENOMEM;
}

static struct session *allocate(struct fsb_stream_serve *serve)
{
	unsigned int nchannels = serve->config.max_channels;
	struct session *session = calloc(1, sizeof(*session) + nchannels * sizeof(struct channel));

	if (!session)
		return NULL;
	session->serve = serve;
	session->nchannels = nchannels;
	pthread_mutex_init(&session->lock, NULL);
	for (unsigned int i = 0; i < nchannels; i++) {
		session->channels[i].session = session;
		pthread_mutex_init(&session->channels[i].lock, NULL);
		retained_init(&session->channels[i].log);
	}
	return session;
}

static int open_server(struct session *session)
{
	const struct fsb_stream_serve_config *config = &session->serve->config;
	struct fsb_protocol protocol;
	int err = config->open(config->opaque, &session->peer, &session->server);

	if (err)
		return err;
	fsb_server_protocol(session->server, &protocol);
	if (protocol.max_write != UINT32_MAX && protocol.max_write > config->max_write) {
		log_write(&config->log, FSB_LOG_ERROR,
			  "stream: the server's max_write is larger than the transport's");
		config->close(config->opaque, session->server);
		return -EINVAL;
	}
	fsb_server_set_notify(session->server, notify, session);
	return 0;
}

/* For how long a session has had no connection at all, in seconds; 0 while it has one. */
static unsigned int away_for(struct session *session)
{
	unsigned int least = UINT32_MAX;

	for (unsigned int i = 0; i < session->nchannels; i++) {
		struct channel *channel = &session->channels[i];
		pthread_mutex_lock(&channel->lock);
		unsigned int away = channel->live   ? 0
				    : channel->used ? now_s() - channel->lost_s + 1
						    : least;
		pthread_mutex_unlock(&channel->lock);
		if (away < least)
			least = away;
	}
	return least == UINT32_MAX ? 0 : least;
}

/* Under the lock: the session whose client has been away for longest. Return: it, or NULL. */
static struct session *find_deserted(struct fsb_stream_serve *serve)
{
	struct session *deserted = NULL;
	unsigned int longest = 0;

	for (struct session *session = serve->sessions; session; session = session->next) {
		unsigned int away = away_for(session);
		/* Of several, the one that came first: new ones are put in front. */
		if (away < longest || away == 0)
			continue;
		longest = away;
		deserted = session;
	}
	return deserted;
}

static bool try_reserve(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	bool room = serve->nsessions < serve->config.max_sessions && !serve->closed;
	if (room)
		serve->nsessions++;
	pthread_mutex_unlock(&serve->lock);
	return room;
}

/* Room for one more: if need be, in place of one whose client may never come back. */
static bool reserve(struct fsb_stream_serve *serve)
{
	if (try_reserve(serve))
		return true;
	pthread_mutex_lock(&serve->lock);
	struct session *deserted = serve->closed ? NULL : find_deserted(serve);
	if (deserted)
		atomic_fetch_add_explicit(&deserted->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&serve->lock);
	if (!deserted)
		return false;
	log_write(&serve->config.log, FSB_LOG_WARNING,
		  "stream: session %llu, whose client is away, makes room for another one",
		  (unsigned long long)deserted->number);
	session_end(deserted, -ESTALE);
	session_put(deserted);
	/* It is the keeper that makes sessions, and closes them. */
	sessions_reap(serve);
	return try_reserve(serve);
}

static void unreserve(struct fsb_stream_serve *serve)
{
	pthread_mutex_lock(&serve->lock);
	serve->nsessions--;
	pthread_cond_broadcast(&serve->idle);
	pthread_mutex_unlock(&serve->lock);
}

/* The file of a session becomes its own, if there is one. */
static void keep(struct session *session, struct kept *kept)
{
	session->kept = kept;
	session->peer.state_fd = kept ? kept->fd : -1;
	session->peer.state_offset = kept ? KEPT_SIZE : 0;
	for (unsigned int i = 0; kept && i < session->nchannels; i++)
		session->channels[i].counts = &kept->page->received[i];
}

static int fill(struct session *session, const struct fsb_stream_peer *peer,
		const struct fsb_stream_terms *terms, const struct frame_hello *hello)
{
	struct fsb_stream_serve *serve = session->serve;

	session->peer = *peer;
	session->resumable = (hello->features & FEATURE_RESUME) && serve->config.grace_s > 0;
	session->max_message =
		hello->max_message < serve->max_message ? hello->max_message : serve->max_message;
	atomic_init(&session->refs, 1);
	if (getrandom(session->token, sizeof(session->token), 0) != (ssize_t)sizeof(session->token))
		return -EIO;
	session->token[0] |= 1; /* no half of it is 0 */
	memcpy(&session->peer.session, session->token, sizeof(session->peer.session));
	int err = take_terms(session, terms);
	if (!err && session->resumable && (hello->features & FEATURE_RECOVER) &&
	    serve->config.state_dir >= 0)
		keep(session, kept_new(session));
	return err ? err : open_server(session);
}

static void enlist(struct session *session)
{
	struct fsb_stream_serve *serve = session->serve;

	pthread_mutex_lock(&serve->lock);
	session->number = ++serve->counted;
	session->next = serve->sessions;
	serve->sessions = session;
	pthread_mutex_unlock(&serve->lock);
}

int session_new(struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
		const struct fsb_stream_terms *terms, const struct frame_hello *hello,
		struct session **out)
{
	kept_sweep(serve);
	if (!reserve(serve))
		return -EAGAIN;
	struct session *session = allocate(serve);
	int err = session ? fill(session, peer, terms, hello) : -ENOMEM;
	if (err) {
		if (session)
			session_free(session);
		unreserve(serve);
		return err;
	}
	enlist(session);
	*out = session;
	return 0;
}

/* ---- Sessions of a process that has died ---- */

/** The answer to an INIT that is said once more. */
struct repeated {
	int error;
	size_t length;
	union {
		struct fuse_init_out out;
		uint8_t bytes[KEPT_INIT_MOST];
	} answer;
};

static int take_answer(struct fsb_message *message, const struct fuse_out_header *header)
{
	struct repeated *repeated = message->owner;

	repeated->error = header->error;
	repeated->length = header->len - sizeof(*header);
	return 0;
}

/* The client cannot be told of anything new: all has to be as it was. */
static int repeat_init(struct session *session)
{
	const struct kept_init *init = &session->kept->page->init;
	const struct fuse_init_out *agreed = &init->agreed;
	struct repeated repeated = { .error = -EIO };
	struct iovec in = { (void *)init->request, init->length };
	struct iovec out = { &repeated.answer, sizeof(repeated.answer) };
	struct fsb_message message;

	if (!kept_has_init(session->kept))
		return -ESTALE;
	fsb_message_init(&message, take_answer, &repeated);
	message.request = &in, message.nrequest = 1;
	message.payload = &out, message.npayload = 1;
	int err = fsb_server_handle(session->server, &message);
	fsb_message_clear(&message);
	if (err || repeated.error || repeated.length != sizeof(repeated.answer.out) ||
	    memcmp(agreed, &repeated.answer.out, sizeof(*agreed)))
		return -ESTALE;
	return 0;
}

/* Whatever its client has received is what was sent; what has come was noted. */
static int restore_channels(struct session *session)
{
	const struct kept_page *page = session->kept->page;

	for (unsigned int i = 0; i < KEPT_CHANNELS; i++) {
		if (page->used[i] && i >= session->nchannels)
			return -ESTALE;
		if (!page->used[i])
			continue;
		struct channel *channel = &session->channels[i];
		channel->received = channel->told = page->received[i];
		channel->used = channel->adopts = true;
		channel->lost_s = now_s();
	}
	return 0;
}

static int restore(struct session *session, const struct fsb_stream_peer *peer,
		   const struct fsb_stream_terms *terms, struct kept *kept)
{
	session->peer = *peer;
	session->peer.recovers = true;
	session->resumable = true;
	session->max_message = kept->page->session.max_message;
	atomic_init(&session->refs, 1);
	memcpy(session->token, kept->page->session.token, TOKEN_SIZE);
	memcpy(&session->peer.session, session->token, sizeof(session->peer.session));
	keep(session, kept);
	int err = take_terms(session, terms);
	if (!err)
		err = restore_channels(session);
	if (!err)
		err = open_server(session);
	if (err)
		return err;
	err = repeat_init(session);
	if (err) {
		session->serve->config.close(session->serve->config.opaque, session->server);
		return err;
	}
	kept->page->epoch++;
	return 0;
}

static int check_client(const struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
			const struct frame_hello *hello, const struct kept_session *known)
{
	const struct fsb_stream_peer owner = { .kind = known->kind,
					       .uid = known->uid,
					       .cid = known->cid };

	if (!peer_is_same(&owner, peer))
		return -EPERM;
	if (!(hello->features & FEATURE_RECOVER) || hello->max_message < known->max_message)
		return -EPROTO;
	return known->max_message > serve->max_message || serve->config.grace_s == 0 ? -ESTALE : 0;
}

/* Return: the session, in the list; NULL with the errno in @err. The file is taken over. */
static struct session *recover(struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
			       const struct fsb_stream_terms *terms, struct kept *kept, int *err)
{
	struct session *session = allocate(serve);

	*err = session ? restore(session, peer, terms, kept) : -ENOMEM;
	if (*err) {
		/* What could be used another time is left for it. */
		if (session)
			session->stays = *err != -ESTALE;
		if (session)
			session_free(session);
		else
			kept_close(serve, kept, false);
		return NULL;
	}
	enlist(session);
	return session;
}

int session_recover(struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
		    const struct fsb_stream_terms *terms, const struct frame_hello *hello,
		    struct session **out)
{
	struct kept *kept = NULL;
	int err = serve->config.state_dir < 0 ? -ESTALE : kept_find(serve, hello->token, &kept);

	if (!err)
		err = check_client(serve, peer, hello, &kept->page->session);
	if (!err && !reserve(serve))
		err = -EAGAIN;
	if (err) {
		kept_close(serve, kept, false);
		return err;
	}
	*out = recover(serve, peer, terms, kept, &err);
	if (*out) {
		atomic_fetch_add_explicit(&(*out)->refs, 1, memory_order_relaxed);
		log_write(&serve->config.log, FSB_LOG_WARNING,
			  "stream: session %llu of a process before goes on",
			  (unsigned long long)(*out)->number);
		return 0;
	}
	unreserve(serve);
	log_write(&serve->config.log, FSB_LOG_WARNING,
		  "stream: a session of a process before cannot go on: %s", strerror(-err));
	return err;
}

struct session *session_find(struct fsb_stream_serve *serve, const uint8_t *token)
{
	struct session *session;

	for (session = serve->sessions; session; session = session->next) {
		unsigned int difference = 0;
		/* Takes the same time wherever they differ. */
		for (size_t i = 0; i < TOKEN_SIZE; i++)
			difference |= session->token[i] ^ token[i];
		if (!difference)
			break;
	}
	return session;
}

/* Under the lock. Return: whether it was there. */
static bool take_from_list(struct fsb_stream_serve *serve, struct session *session)
{
	struct session **link = &serve->sessions;

	while (*link && *link != session)
		link = &(*link)->next;
	if (!*link)
		return false;
	*link = session->next;
	return true;
}

void session_end(struct session *session, int reason)
{
	struct fsb_stream_serve *serve = session->serve;
	struct frame_bye bye = { .reason = (uint32_t)-reason };

	pthread_mutex_lock(&serve->lock);
	bool first = take_from_list(serve, session);
	session->ended = true;
	/* That this process ends is no reason to end a session that the next one can go on with. */
	if (first)
		session->stays = session->kept && serve->closed;
	pthread_mutex_unlock(&serve->lock);
	if (!first)
		return;
	for (unsigned int i = 0; i < session->nchannels; i++) {
		struct channel *channel = &session->channels[i];
		pthread_mutex_lock(&channel->lock);
		if (channel->live && !session->stays)
			channel_send_note(channel, FRAME_BYE, &bye, sizeof(bye));
		struct connection *live = channel_detach(channel);
		pthread_mutex_unlock(&channel->lock);
		if (live) {
			connection_leave(live);
			connection_put(live);
		}
	}
	session_put(session);
}

void session_put(struct session *session)
{
	struct fsb_stream_serve *serve = session->serve;

	if (atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) > 1)
		return;
	pthread_mutex_lock(&serve->lock);
	session->next = serve->ended;
	serve->ended = session;
	pthread_mutex_unlock(&serve->lock);
	keeper_call(serve);
}

static void reap(struct session *session)
{
	struct fsb_stream_serve *serve = session->serve;

	fsb_server_set_notify(session->server, NULL, NULL);
	fsb_server_disconnect(session->server);
	serve->config.close(serve->config.opaque, session->server);
	requests_free(session);
	log_write(&serve->config.log, FSB_LOG_INFO, "stream: session %llu has ended",
		  (unsigned long long)session->number);
	session_free(session);
	unreserve(serve);
}

void sessions_reap(struct fsb_stream_serve *serve)
{
	for (;;) {
		pthread_mutex_lock(&serve->lock);
		struct session *session = serve->ended;
		if (session)
			serve->ended = session->next;
		pthread_mutex_unlock(&serve->lock);
		if (!session)
			return;
		reap(session);
	}
}

/* ---- Terms ---- */

static bool is_within(uint32_t id, const struct fsb_stream_ids *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (id - ids[i].first < ids[i].count)
			return true;
	return count == 0;
}

bool session_may_speak_for(const struct session *session, uid_t uid, gid_t gid)
{
	return is_within(uid, session->uids, session->nuids) &&
	       is_within(gid, session->gids, session->ngids);
}

bool session_may_claim(const struct session *session, const gid_t *groups, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_within(groups[i], session->gids, session->ngids))
			return false;
	return true;
}
