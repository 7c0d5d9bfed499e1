/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serving side, as its files share it.
 *
 * A connection that has said hello carries a channel; a channel is one of those of a session, and
 * outlives its connection where the client asked for that. Connections are read by a pool of
 * threads: one thread owns a connection at a time, reads a request, works on it, and reads on. When
 * the work takes long, the keeper takes the connection away from it and offers it to the others.
 * The keeper is one thread more: it accepts, deals with connections until they have said hello,
 * looks at clocks, and calls the host back.
 *
 * Locks, outer ones first: serve->lock, channel->lock, session->lock.
 */
#ifndef FSB_STREAM_SERVE_H
#define FSB_STREAM_SERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fsbackend/stream_serve.h>

#include "frame.h"
#include "groups.h"
#include "kept.h"
#include "link.h"
#include "memory.h"
#include "../patience.h"
#include "retained.h"

struct connection;
struct session;
struct channel;

enum {
	/* Of a request and of its answer, if they are not file data or listings. */
	SMALL_MEMORY = 4096 + 256,
	/* Free requests of a session that are kept. */
	KEEP_REQUESTS = 32,
	/* So many frames or bytes are taken before the client is told, if there is no answer to
	   tell it with. */
	ACK_FRAMES = 64,
	ACK_BYTES = 256 * 1024,
	/* Answers that a client has got and does not acknowledge. */
	RETAINED_MOST = 16 * 1024 * 1024,
	/* Notifications that a client does not read. */
	NOTIFY_MOST = 4 * 1024 * 1024,
};

/* ---- Requests ---- */

/**
 * A request in flight.
 *
 * @holds:    of whoever works on it, and of its answer on its way
 * @answered: the answer has taken its hold over
 * @out:      first; sends the answer
 * @head:     of the answer: both headers
 * @request, @payload: the message's memory: the small pieces, or large ones of the pool
 */
struct request {
	struct outgoing out;
	struct fsb_message message;
	struct session *session;
	struct channel *channel;
	struct group_set *groups;
	atomic_int holds;
	bool answered;
	struct {
		struct frame_header frame;
		struct fuse_out_header fuse;
	} head;
	struct iovec request;
	struct iovec payload;
	void *large_request;
	void *large_payload;
	struct request *next_free;
	struct request *next;
	struct request **link;
	_Alignas(16) uint8_t small_request[SMALL_MEMORY];
	_Alignas(16) uint8_t small_payload[SMALL_MEMORY];
};

/** A request with room for @length bytes. Return: it; NULL without memory, or beyond the limit, as
 * @err says. */
struct request *request_take(struct channel *channel, size_t length, int *err);

/** Give it room for its answer. Return: 0 or -ENOMEM. */
int request_make_room(struct request *request);

/** Let go of a hold. */
void request_put(struct request *request);

/** Free all requests of a session, which nobody works on. */
void requests_free(struct session *session);

/** An answer that the server did not make: the request is refused. */
void request_refuse(struct request *request, int error);

/* ---- Sessions ---- */

/**
 * One of the connections of a mount, and what lasts from one to the next.
 *
 * @live:     the connection that carries it, or NULL
 * @received: numbered frames taken
 * @told:     of them, those that the client was told of
 * @unacked_bytes: taken since then
 * @lost_s:   when it lost its connection
 * @used:     it had a connection
 * @counts:   where @received is mirrored for a process that follows, or NULL
 * @adopts:   a process before had it: what its client has received is what was sent
 * @log:      what was sent
 * @notified: bytes of notifications that wait to be sent
 */
struct channel {
	struct session *session;
	pthread_mutex_t lock;
	struct connection *live;
	uint32_t received;
	uint32_t told;
	size_t unacked_bytes;
	uint32_t lost_s;
	bool used;
	bool adopts;
	uint32_t *counts;
	struct retained_list log;
	struct group_sets groups;
	size_t notified;
};

/**
 * A mount.
 *
 * @refs:      of the list, and of each connection
 * @slow:      threads whose connection was taken away from them
 * @resumable: it waits for lost connections
 * @ended:     it takes no more connections
 * @kept:      its file, or NULL
 * @stays:     that file is for a process that follows
 */
struct session {
	struct fsb_stream_serve *serve;
	struct fsb_server *server;
	struct session *next;
	uint8_t token[TOKEN_SIZE];
	struct fsb_stream_peer peer;
	struct fsb_stream_ids *uids;
	size_t nuids;
	struct fsb_stream_ids *gids;
	size_t ngids;
	uint64_t number;
	atomic_int refs;
	bool resumable;
	bool ended;
	bool stays;
	struct kept *kept;
	atomic_bool warned;
	atomic_uint slow;
	_Atomic uint32_t said_s; /* when the loss of a connection was reported last */
	uint32_t max_message;    /* that the client takes */

	pthread_mutex_t lock;
	struct request *all;
	struct request *free;
	unsigned int nfree;
	unsigned int nrequests;

	unsigned int nchannels;
	struct channel channels[];
};

/**
 * Make a session for a connection. Return: 0; -EAGAIN when there are too many; -ENOMEM; or what the
 * host says.
 */
int session_new(struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
		const struct fsb_stream_terms *terms, const struct frame_hello *hello,
		struct session **session);

/**
 * Go on with the session of a process that has died, for a connection that asks for it.
 *
 * Return: 0, with a reference for the caller; -ESTALE when nothing is known of it; -EPERM when it
 * is another's; -EPROTO; -EAGAIN when its process lives, or there are too many; -ENOMEM; or what
 * the host says.
 */
int session_recover(struct fsb_stream_serve *serve, const struct fsb_stream_peer *peer,
		    const struct fsb_stream_terms *terms, const struct frame_hello *hello,
		    struct session **session);

/** Under serve->lock: the session with that token, or NULL. */
struct session *session_find(struct fsb_stream_serve *serve, const uint8_t *token);

/** No more connections; those that it has are closed, after a word if @reason is not negative. */
void session_end(struct session *session, int reason);

/** Let go of a session. Whoever was last leaves it to the keeper. */
void session_put(struct session *session);

/** By the keeper: close those that nobody uses any more. */
void sessions_reap(struct fsb_stream_serve *serve);

/** Whether the client may speak for these. */
bool session_may_speak_for(const struct session *session, uid_t uid, gid_t gid);

/** Whether the client may speak for all groups of a set. */
bool session_may_claim(const struct session *session, const gid_t *groups, size_t count);

/* ---- Connections ---- */

enum { PHASE_IDLE, PHASE_WORKING, PHASE_LEAVING, PHASE_LEFT };

/**
 * One connection.
 *
 * @refs:       of the table, and of each thread that uses it
 * @id:         names it in the epoll
 * @number:     counts them
 * @owned:      under channel->lock: a thread reads it
 * @dead:       under channel->lock: it is over
 * @broken:     it cannot be written
 * @corked:     answers wait for those of the requests that were read with theirs
 * @greeted:    its hello was handed over with it, and was not looked at so far
 * @companion:  closed with it, or -1
 * @heard_s:    when the client was heard last; @asked_s: when it was asked whether it lives
 * @blocked_s:  since when it takes nothing, 0 if it does; @moved is how far it was
 * @partial:    some of a frame is here
 * @patience:   of whoever owns it: how long its requests let wait, also while nobody does
 */
struct connection {
	struct fsb_stream_serve *serve;
	struct session *session; /* NULL before hello */
	struct channel *_Atomic channel;
	struct fsb_stream_peer peer;
	uint64_t id;
	uint64_t number;
	atomic_int refs;
	atomic_bool owned;
	bool dead;
	atomic_bool greeted;
	int companion;
	atomic_bool broken;
	atomic_bool corked;
	_Atomic uint32_t heard_s;
	atomic_bool partial;
	uint32_t asked_s;
	uint32_t blocked_s;
	unsigned int moved;

	/* The frame that is being read. */
	bool has_header;
	struct frame_header header;
	struct request *request;
	void *large; /* GROUPS that do not fit */
	uint8_t *into;
	size_t length;
	size_t filled;
	size_t mark; /* @filled, when it was looked at last */
	struct patience patience;
	_Alignas(8) uint8_t small[sizeof(struct frame_welcome)];

	struct link link;
};

/** A thread of the pool. @phase: PHASE_*; @since_ns: when it began to work on a request of
 * @connection. */
struct worker {
	struct fsb_stream_serve *serve;
	pthread_t thread;
	atomic_int phase;
	_Atomic uint64_t since_ns;
	struct connection *_Atomic connection;
} __attribute__((aligned(64)));

/** A frame of our own making that needs no answer. */
struct note {
	struct outgoing out;
	size_t length;
	_Alignas(8) uint8_t bytes[];
};

struct listener {
	struct listener *next;
	int fd;
};

/** Connections by id: index and generation. */
struct place {
	struct connection *connection;
	uint32_t generation;
};

/**
 * @epoll:  of the pool: connections
 * @gate:   of the keeper: listeners, connections before hello, and @call
 * @call:   wakes up the keeper
 * @quit:   ends the pool's sleep
 */
struct fsb_stream_serve {
	struct fsb_stream_serve_config config;
	struct memory_pool memory;
	int epoll;
	int gate;
	int call;
	int quit;
	atomic_bool stopping;
	struct crowd crowd;
	uint32_t max_message;

	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct session *sessions;
	struct session *ended;  /* nobody uses them any more */
	unsigned int nsessions; /* both */
	uint64_t counted;       /* sessions ever */
	uint64_t accepted;      /* connections ever */
	struct place *places;
	uint32_t nplaces;
	unsigned int nconnections;
	struct listener *listeners;
	bool closed; /* nobody may come any more */

	/* The keeper's. */
	pthread_t keeper;
	uint32_t looked_s;   /* when clocks were looked at */
	uint32_t sweep_s;    /* when files of a process before may be old, or 0 */
	bool urgent;         /* something may be overdue soon */
	unsigned int calm;   /* ticks since somebody was seen at work */
	atomic_bool greeted; /* a connection came with its hello */
	atomic_bool dozes;   /* the keeper sleeps for long: to be woken by whoever begins to work */

	unsigned int nworkers;
	struct worker workers[];
};

/** In the gate's events: a listener, by its address; 0 is @call, others are connections. */
#define ID_LISTENER (1ull << 63)

/** Wake up the keeper. Async-signal-safe. */
void keeper_call(struct fsb_stream_serve *serve);

/** A pool thread. */
void *worker_run(void *worker);

/** Find a connection by its id, and hold it. */
struct connection *connection_get(struct fsb_stream_serve *serve, uint64_t id);

/** Let go of a connection. */
void connection_put(struct connection *connection);

/**
 * It is over: close it for its channel, and what follows for the session. @error says why, 0 for a
 * client that has left; @why says it in words, or is NULL.
 */
void connection_lost(struct connection *connection, int error, const char *why);

/** Take it out of the table, which lets go of it. Nothing if it was taken out before. */
void connection_leave(struct connection *connection);

/**
 * Under channel->lock: let the pool wait for it. @at_once: until it can be written, which is mostly
 * now.
 */
void connection_arm(struct connection *connection, bool at_once);

/** Under channel->lock: send what waits, and see to it that the rest follows. */
void connection_flush(struct connection *connection);

/**
 * Under channel->lock: take a connection off its channel, and end all traffic on it.
 *
 * Return: it, or NULL when there was none; the channel's reference is the caller's.
 */
struct connection *channel_detach(struct channel *channel);

/** Under channel->lock: send a small frame. Without memory it is left out. */
void channel_send_note(struct channel *channel, enum frame_type type, const void *body,
		       size_t length);

/** A frame of our own making; @done of it frees it. Return: it, or NULL without memory. */
struct note *note_new(enum frame_type type, const void *body, size_t length);

/**
 * Add a connection that has not said hello, or has as @hello says, which may be NULL. Return: 0 or
 * a negative errno; its descriptors are taken in any case.
 */
int connection_new(struct fsb_stream_serve *serve, int in, int out,
		   const struct fsb_stream_hello *hello);

/** Read what has come of a hello, and answer it. Return: 0; -EAGAIN; or why the connection is over.
 */
int hello_read(struct connection *connection);

/** Who is at the other end. */
void peer_find(int fd, struct fsb_stream_peer *peer);

/** Whether a connection is from whom the session is. */
bool peer_is_same(const struct fsb_stream_peer *a, const struct fsb_stream_peer *b);

#endif
