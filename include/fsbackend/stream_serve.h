/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serving side of a stream: raw FUSE messages of clients elsewhere, each with its caller's
 * supplementary groups, over connected sockets (Unix, vsock, any other) or pipes, by the protocol of
 * docs/stream-protocol.md. The other side is stream_forward.h, or a peer of yours.
 *
 * A client's mount is a session. It has a server and a file system of its own, which the host makes
 * when the client comes, and one or more connections. One object serves any number of sessions with
 * few threads.
 *
 * Smallest correct use:
 *
 *	struct fsb_stream_serve_config config;
 *	struct fsb_stream_serve *serve;
 *	fsb_stream_serve_config_init(&config);
 *	config.open = my_open;                       // makes a file system and a server
 *	config.close = my_close;                     // frees them
 *	if (fsb_stream_serve_start(&config, &serve) == 0) {
 *		fsb_stream_serve_add(serve, fd, fd); // a connection
 *		...
 *		fsb_stream_serve_free(serve);
 *	}
 */
#ifndef FSBACKEND_STREAM_SERVE_H
#define FSBACKEND_STREAM_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/base.h>
#include <fsbackend/log.h>
#include <fsbackend/server.h>

FSB_BEGIN_DECLS

struct fsb_stream_serve;

/** What kind of descriptor a peer is at the other end of. */
enum fsb_stream_kind {
	FSB_STREAM_OTHER = 0, /* nothing is known of the peer */
	FSB_STREAM_UNIX = 1,  /* @uid, @gid, @pid, as the kernel knows them (SO_PEERCRED) */
	FSB_STREAM_VSOCK = 2, /* @cid, @port */
};

/**
 * Who is at the other end of a connection. What does not go with @kind is 0, ids are -1.
 *
 * @session: names the session: a new one for @open, the one that it asks for (0: a new one) for @admit. Not its secret
 * @state_fd, @state_offset: for @open: where a passthrough of this session may mirror its state
 *           (fsb_passthrough_config), -1 for nowhere. Borrowed
 * @recovers: for @open: the session is one of a process that has died, and its state lies there. When it cannot be gone on with, @open
 *           says -ESTALE, and the client begins anew
 */
struct fsb_stream_peer {
	size_t size;
	enum fsb_stream_kind kind;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint32_t cid;
	uint32_t port;
	uint64_t session;
	int state_fd;
	uint64_t state_offset;
	bool recovers;
};

/** @count ids from @first on. */
struct fsb_stream_ids {
	uint32_t first;
	uint32_t count;
};

/**
 * What a client may do. A request by a caller that the client must not speak for (its user, its
 * group, or one of its supplementary groups lies outside) is refused with EPERM; others go on.
 * Requests that have no caller (FORGET, RELEASE, reads and writes of what is open) are not looked at.
 *
 * @uids, @nuids: callers' user ids; none: any. Copied
 * @gids, @ngids: callers' groups, supplementary ones too; none: any. Copied
 */
struct fsb_stream_terms {
	size_t size;
	const struct fsb_stream_ids *uids;
	size_t nuids;
	const struct fsb_stream_ids *gids;
	size_t ngids;
};

/** Which requests the server wants to know their callers' groups of. */
enum fsb_stream_groups {
	FSB_STREAM_GROUPS_NEVER = 0,
	/* Where a file system that judges nobody asks for them (fsb_server_config.groups_on_demand): creations, changes of attributes,
	 * and whatever clears set-id bits */
	FSB_STREAM_GROUPS_SELDOM = 1,
	FSB_STREAM_GROUPS_ALWAYS = 2 /* all that are judged */
};

/** Advice to the client: the kernel has to judge permissions (default_permissions), as the server does not. */
#define FSB_STREAM_CLIENT_JUDGES (1u << 0)
/** Advice: what is served cannot be changed. */
#define FSB_STREAM_READ_ONLY (1u << 1)

/**
 * How to serve. Set it up by fsb_stream_serve_config_init().
 *
 * @size:         sizeof the struct
 * @admit:        called for each connection once it has said hello: may this peer come, and on what terms? @terms is set
 *                to no limits before. Return: 0; a negative errno, which the peer is told. NULL: everybody
 * @open:         make the server of a new session, with a file system of its own. Its max_write must not be above
 *                @max_write. Descriptors that clients hold are the file systems' matter: passthroughs share a budget
 *                (fsb_passthrough_budget_new()). Return: 0; a negative errno, which the peer is told
 * @close:        the session has ended, and fsb_server_disconnect() was called: free both
 * @opaque:       handed to all three, which are called in one thread of the library, one at a time
 * @threads:      1 to 256; 0 (default): two more than there are online cores
 * @spin_us:      microseconds, at most 1000, for which a thread may look for the next request before it sleeps, as long as
 *                that pays; 0: never; default 50
 * @max_sessions: at a time; further ones are told EAGAIN; default 256
 * @max_channels: connections of one session; default 16
 * @max_requests: unanswered requests of one session; default 1024. One that sends more is cut off
 * @max_write:    the largest max_write of a server, bytes, 128 KiB to 1 MiB (default)
 * @grace_s:      seconds for which a session whose client asked for it waits for a lost connection; 0 for never; default 60
 * @idle_s:       seconds without a sign of life after which a client is asked; three times as long, and it is gone; default 15
 * @stall_s:      seconds that may pass within a frame or before the hello, either way; default 30
 * @wants_groups: which requests come with groups; default FSB_STREAM_GROUPS_ALWAYS
 * @advice:       FSB_STREAM_CLIENT_JUDGES, FSB_STREAM_READ_ONLY; default none
 * @log:          where messages go
 * @state_dir:    a directory, open, that nobody else may enter, for a file a session, in which is what a process that follows this one needs
 *                to go on with the session; default -1: none. Files of sessions that end in order are removed, and those
 *                whose client did not come back within @grace_s and four times @idle_s. After fsb_stream_serve_stop() sessions are not ended
 *                but left to the next process. Processes may share it. Must stay open as long as the object lives. A session whose client does not know of such things,
 *                or that does not wait for lost connections, has no file
 */
struct fsb_stream_serve_config {
	size_t size;
	int (*admit)(void *opaque, const struct fsb_stream_peer *peer, struct fsb_stream_terms *terms);
	int (*open)(void *opaque, const struct fsb_stream_peer *peer, struct fsb_server **server);
	void (*close)(void *opaque, struct fsb_server *server);
	void *opaque;
	unsigned int threads;
	unsigned int spin_us;
	unsigned int max_sessions;
	unsigned int max_channels;
	unsigned int max_requests;
	uint32_t max_write;
	unsigned int grace_s;
	unsigned int idle_s;
	unsigned int stall_s;
	enum fsb_stream_groups wants_groups;
	uint32_t advice;
	struct fsb_log log;
	int state_dir;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_stream_serve_config_init(). */
FSB_API void fsb_stream_serve_config_defaults(struct fsb_stream_serve_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_stream_serve_config_init(struct fsb_stream_serve_config *config)
{
	fsb_stream_serve_config_defaults(config, sizeof(*config));
}

/**
 * Start serving, in threads of the library (all signals blocked, donated as fsb_thread_donate() says, but for the one that
 * calls back). There are no connections yet.
 *
 * Return: 0; -EINVAL; -ENOMEM; -EAGAIN when no thread could be made; -EMFILE, -ENFILE. Nothing runs after an error.
 */
FSB_API int fsb_stream_serve_start(const struct fsb_stream_serve_config *config,
				   struct fsb_stream_serve **serve);

/**
 * Take over a connection. Any thread.
 *
 * @in, @out: where it is read and written: one stream socket twice, or two pipes. They become non-blocking, and are
 *            closed when the connection ends, or at once after an error
 *
 * Return: 0; -EINVAL for descriptors that cannot be waited for (regular files); -ENOMEM; -ESHUTDOWN after
 * fsb_stream_serve_stop(); errnos of fcntl(2).
 */
FSB_API int fsb_stream_serve_add(struct fsb_stream_serve *serve, int in, int out);

/** The bytes of HELLO, the first frame of a connection. */
#define FSB_STREAM_HELLO_SIZE 72

/**
 * A hello that was read but not answered.
 *
 * @session:   names the session that the client comes back to; 0 for a new one
 * @companion: a descriptor to be closed with the connection, or -1: whoever holds its other end learns of that
 */
struct fsb_stream_hello {
	uint64_t session;
	int companion;
	uint8_t bytes[FSB_STREAM_HELLO_SIZE];
};

/**
 * Read a connection's hello and nothing more: for programs that serve one connection each, and have to find the one that keeps the
 * session. Blocks for at most @timeout_ms.
 *
 * Return: 0; -EPIPE at the end of the stream; -ETIMEDOUT; -EPROTO for something else than a hello; errnos of read(2).
 */
FSB_API int fsb_stream_hello_read(int in, int timeout_ms, struct fsb_stream_hello *hello);

/** As fsb_stream_serve_add(), for a connection whose hello was read. Its companion is taken over, too. */
FSB_API int fsb_stream_serve_add_greeted(struct fsb_stream_serve *serve, int in, int out,
					 const struct fsb_stream_hello *hello);

/**
 * Accept connections from a listening stream socket, which is taken over and closed at the end. Any thread, any number.
 *
 * Return: 0; -EINVAL for something else; -ENOMEM; -ESHUTDOWN; errnos of fcntl(2).
 */
FSB_API int fsb_stream_serve_listen(struct fsb_stream_serve *serve, int fd);

/** What goes on at this moment. */
struct fsb_stream_usage {
	uint64_t connections; /* those that have not said hello included */
	uint64_t sessions;    /* those that wait for their connections included */
	uint64_t requests;    /* being worked on, deferred, or answered by bytes that were not sent yet */
	uint64_t retained;    /* bytes of answers kept until the client says that it has them */
};

/** Count. Any thread. */
FSB_API void fsb_stream_serve_usage(struct fsb_stream_serve *serve, struct fsb_stream_usage *usage);

/** Wait until no session and no connection is left, or fsb_stream_serve_stop() was called. Any thread. */
FSB_API void fsb_stream_serve_wait_idle(struct fsb_stream_serve *serve);

/**
 * Ask everything to end: no connection is accepted, and all sessions end, with a word to their clients. It is done in
 * fsb_stream_serve_free(). Async-signal-safe, any thread, any number of times.
 */
FSB_API void fsb_stream_serve_stop(struct fsb_stream_serve *serve);

/** Stop, wait for what is being worked on, close every session, and free. NULL is nothing. */
FSB_API void fsb_stream_serve_free(struct fsb_stream_serve *serve);

FSB_END_DECLS

#endif
