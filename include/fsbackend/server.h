/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server: raw FUSE messages in, calls of a file system's vtable, reply bytes out. It has no threads and no file
 * descriptors of its own; a transport (one of this library's, or yours) brings it messages and takes the replies.
 *
 * Smallest correct use, a transport of one thread:
 *
 *	struct fsb_server_config config;
 *	struct fsb_server *server;
 *	fsb_server_config_init(&config);
 *	config.filesystem = fs;
 *	if (fsb_server_new(&config, &server) == 0) {
 *		struct fsb_message message;
 *		fsb_message_init(&message, my_reply, my_state);
 *		while (... a request of `length` bytes is in `in`, `out` has room for the reply's payload ...) {
 *			message.request = &in_iov; message.nrequest = 1;
 *			message.payload = &out_iov; message.npayload = 1;
 *			fsb_server_handle(server, &message);
 *		}
 *		fsb_message_clear(&message);
 *		fsb_server_free(server);
 *	}
 */
#ifndef FSBACKEND_SERVER_H
#define FSBACKEND_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <fsbackend/base.h>
#include <fsbackend/context.h>
#include <fsbackend/filesystem.h>
#include <fsbackend/fuse_wire.h>
#include <fsbackend/log.h>
#include <fsbackend/message.h>

FSB_BEGIN_DECLS

struct fsb_server;
struct fsb_message;

/* ---- Messages -------------------------------------------------------------------------------------------------- */

/**
 * Send a reply. The server calls it once for each request that is to be answered, from the thread that called
 * fsb_server_handle() or, for deferred requests, from any other. The payload lies in the message's payload memory already.
 *
 * @message: the request's message. It is the transport's again from this call on: it may be reused or cleared before the
 *           function returns when the request was deferred, and as soon as fsb_server_handle() has returned otherwise
 * @header:  len is 16 plus the bytes of payload; error; unique. Valid during the call
 *
 * Return: 0; a negative errno when the reply could not be delivered: the server then takes back what it had given (lookup
 * counts, handles).
 */
typedef int (*fsb_reply_fn)(struct fsb_message *message, const struct fuse_out_header *header);

/**
 * A request in the memory of a transport, and the place for its answer. The transport fills it for each request; all
 * memory stays valid and untouched by the transport until the reply function is called or fsb_server_handle() returns
 * without deferring.
 *
 * @request, @nrequest: where the request's bytes lie, in order, in any cut. The memory may be shared with a hostile guest
 * @payload, @npayload: where the bytes behind the reply's header go; the server only writes there, never reads. May be
 *                      none: then only replies without a payload can be given
 * @reply:              sends the answer
 * @owner:              for the transport, to find itself again
 * @groups, @ngroups, @groups_known: the caller's supplementary groups when the transport carries them (@groups_known), borrowed
 * @pipe:               of the library's own transports; NULL
 * @call:               the server's, kept between requests; NULL at first
 */
struct fsb_message {
	const struct iovec *request;
	size_t nrequest;
	const struct iovec *payload;
	size_t npayload;
	fsb_reply_fn reply;
	void *owner;
	bool groups_known;
	size_t ngroups;
	const gid_t *groups;
	struct fsb_pipe *pipe;
	struct fsb_call *call;
};

/** Make @message empty. It takes memory at its first request, and keeps it until fsb_message_clear(). */
FSB_API void fsb_message_init(struct fsb_message *message, fsb_reply_fn reply, void *owner);

/** Free what the server keeps in an idle message, also after the server was freed. Never while its request is being worked on. */
FSB_API void fsb_message_clear(struct fsb_message *message);

/* ---- The server ------------------------------------------------------------------------------------------------ */

/**
 * What was asked and what came of it, for tracing. @request is the decoded request, whose pointers are valid during the
 * call; its op is NULL when it could not be decoded, and then its header counts alone. @error is 0 or a negative errno; @body
 * and @length are the reply's bytes behind the header, at most 512 of them. @body is NULL when they lie nowhere but in the payload
 * (file data, listings); @length then counts all of them. @ns is how long it took, until the reply could be sent.
 */
struct fsb_trace {
	const struct fsb_request *request;
	int error;
	const void *body;
	size_t length;
	uint64_t ns;
};

/**
 * How a server is made. Set it up by fsb_server_config_init(), then change what you need.
 *
 * @size:          sizeof the struct, set by fsb_server_config_init()
 * @filesystem:    whom to call; borrowed, must outlive the server. One server at a time: the DESTROY of one client would make the
 *                 file system forget what another knows
 * @max_write:     the most bytes of one read or write, 4096 to 1 MiB (default), a multiple of 4096; a transport's
 *                 buffers must hold as much
 * @max_readahead: bytes, default 1 MiB
 * @max_background: default 64
 * @capabilities:  INIT flags that only the transport can decide: FUSE_OVER_IO_URING, FUSE_MAP_ALIGNMENT; default none
 * @disable:       INIT flags that shall not be used even though client and file system could
 * @map_alignment: with FUSE_MAP_ALIGNMENT: log2 of the alignment of mappings
 * @request_timeout_s: seconds after which the client gives up on a request, 0 for never (default)
 * @remap_opcode:  take opcode 54 as remap; only for clients that are known to mean it (default false)
 * @window:        the transport's shared memory window, or NULL: SETUPMAPPING then answers ENOSYS
 * @groups:        find the supplementary groups of a caller when neither the transport nor an extension of the request gives
 *                 them all: set them by fsb_context_set_groups(), or leave them unknown. Return: 0, or a negative errno that
 *                 leaves them unknown. Called before each request that may have to be judged, so not for those that have no
 *                 caller (FORGET, RELEASE, writes from the page cache) nor for READ, WRITE, READDIR and their like on what
 *                 is open already; NULL: none
 * @groups_opaque: handed to @groups
 * @groups_on_demand: call @groups only when the file system asks by fsb_call_groups(): right for one that does so
 *                 itself when it has to know, as the passthrough (default false)
 * @trace:         called after each request; NULL: none
 * @trace_opaque:  handed to @trace
 * @stats:         keep counts and latencies (costs two clock readings a request)
 * @log:           where messages go
 */
struct fsb_server_config {
	size_t size;
	struct fsb_filesystem *filesystem;
	uint32_t max_write;
	uint32_t max_readahead;
	uint16_t max_background;
	uint64_t capabilities;
	uint64_t disable;
	uint16_t map_alignment;
	uint16_t request_timeout_s;
	bool remap_opcode;
	struct fsb_window *window;
	int (*groups)(void *opaque, struct fsb_context *ctx);
	void *groups_opaque;
	bool groups_on_demand;
	void (*trace)(void *opaque, const struct fsb_trace *trace);
	void *trace_opaque;
	bool stats;
	struct fsb_log log;
};

/** Set every field that lies in the first @size bytes to its default; for fsb_server_config_init(). */
FSB_API void fsb_server_config_defaults(struct fsb_server_config *config, size_t size);

/** Set every field to its default, and @size to that of the struct in this very header. */
static inline void fsb_server_config_init(struct fsb_server_config *config)
{
	fsb_server_config_defaults(config, sizeof(*config));
}

/**
 * Make a server.
 *
 * @config: copied
 * @server: filled
 *
 * Return: 0; -EINVAL for a configuration that makes no sense (the log says which field); -ENOMEM.
 */
FSB_API int fsb_server_new(const struct fsb_server_config *config, struct fsb_server **server);

/**
 * Work on one request: decode, call the file system, reply. Blocks as long as the file system does. Any number of
 * threads at once, each with a message of its own. A DESTROY waits in here for all other requests, deferred ones too: where
 * the same thread completes those, they must not outlast their interrupt.
 *
 * Return: 0 when the message is done with (replied to, or none was due); FSB_DEFERRED when its answer comes later (the
 * message and its memory must stay until its reply function is called, or fsb_server_disconnect() has returned); -ENODEV after DESTROY; -EBADMSG when the message
 * was too broken to be answered (a transport may take that for a reason to hang up); -ENOMEM when not even a refusal could
 * be made; or the reply function's error. None of them concerns other requests.
 */
FSB_API int fsb_server_handle(struct fsb_server *server, struct fsb_message *message);

/**
 * The client is gone, or the transport ends: wait for the calls in flight (interrupting those that were deferred; their
 * answers go nowhere), then destroy the file system's state of this mount as DESTROY does. A new INIT may follow.
 * No fsb_server_handle() may run at the same time or start before it returns.
 */
FSB_API void fsb_server_disconnect(struct fsb_server *server);

/** fsb_server_disconnect(), then free. NULL is nothing. The file system is not freed. */
FSB_API void fsb_server_free(struct fsb_server *server);

/**
 * Set config.capabilities anew: for a transport that knows what it can do only once it sees what the
 * client offers. Before it hands in INIT, and from the same thread.
 *
 * Return: 0; -EINVAL for a flag that is not the transport's to decide.
 */
FSB_API int fsb_server_set_capabilities(struct fsb_server *server, uint64_t capabilities);

/** The negotiated protocol (minor 0 before INIT). Any thread. */
FSB_API void fsb_server_protocol(struct fsb_server *server, struct fsb_protocol *protocol);

/* ---- Notifications --------------------------------------------------------------------------------------------- */

/**
 * Send a notification: called with the complete message (header with unique 0 and the code in error, then the body).
 * Any thread. Return: 0 or a negative errno.
 */
typedef int (*fsb_notify_fn)(void *opaque, const struct iovec *iov, size_t niov);

/** Where notifications go; set by a transport when it starts, NULL when it ends. Waits for notifications under way. */
FSB_API void fsb_server_set_notify(struct fsb_server *server, fsb_notify_fn send, void *opaque);

/**
 * Where the file system may register files for the client's kernel to read and write by itself (FUSE_PASSTHROUGH, which is not
 * agreed on without); NULL: nowhere. Borrowed. Set by a transport before it hands in INIT, and taken away after
 * fsb_server_disconnect(), so that nobody else uses the server meanwhile.
 */
FSB_API void fsb_server_set_backing(struct fsb_server *server, struct fsb_backing *backing);

/*
 * All of these: any thread, except that fsb_server_notify_inval_inode(), _inval_entry() and _delete() must not be called by
 * a thread that is answering a request on the same inode or directory (the client's kernel would wait for itself).
 * Return: 0; -ENOTCONN without a transport or before INIT; -EOPNOTSUPP when the negotiated minor has no such
 * notification; -EINVAL for an argument out of range; -ENOENT when the client does not know the inode or name; or
 * the transport's errno.
 */

/** Drop cached attributes of an inode, and cached data of a range: @length 0 is to the end, a negative @offset no data. */
FSB_API int fsb_server_notify_inval_inode(struct fsb_server *server, uint64_t nodeid, int64_t offset, int64_t length);
/** Drop a cached name. @flags is 0 or FUSE_EXPIRE_ONLY (minor 38). */
FSB_API int fsb_server_notify_inval_entry(struct fsb_server *server, uint64_t parent, const char *name,
					  uint32_t flags);
/** A name was deleted on the host: drops it and tells inotify watchers of the client. */
FSB_API int fsb_server_notify_delete(struct fsb_server *server, uint64_t parent, uint64_t nodeid, const char *name);
/** Put @size bytes, at most max_write, into the client's page cache at @offset. */
FSB_API int fsb_server_notify_store(struct fsb_server *server, uint64_t nodeid, uint64_t offset, const void *data,
				    size_t size);
/** Ask for cached bytes; they come by notify_reply of the vtable with @cookie. */
FSB_API int fsb_server_notify_retrieve(struct fsb_server *server, uint64_t cookie, uint64_t nodeid, uint64_t offset,
				       uint32_t size);
/** Wake up a poller of @kh. */
FSB_API int fsb_server_notify_poll(struct fsb_server *server, uint64_t kh);
/** Ask for all unanswered requests once more (minor 40, FUSE_HAS_RESEND). */
FSB_API int fsb_server_notify_resend(struct fsb_server *server);
/** Make every cached name stale (minor 44). */
FSB_API int fsb_server_notify_inc_epoch(struct fsb_server *server);
/** Ask the client to forget inodes that it does not use (minor 45). */
FSB_API int fsb_server_notify_prune(struct fsb_server *server, const uint64_t *nodeids, uint32_t count);

/* ---- Statistics ------------------------------------------------------------------------------------------------ */

/** How many buckets a latency histogram has: bucket i counts requests that took [2^i, 2^(i+1)) ns; the last takes the rest. */
#define FSB_STATS_BUCKETS 32

/** Counts of one opcode since the server was made. */
struct fsb_stats {
	uint64_t count;
	uint64_t errors;
	uint64_t total_ns;
	uint64_t max_ns;
	uint64_t buckets[FSB_STATS_BUCKETS];
};

/**
 * The statistics of an opcode; one of unknown opcodes is kept under number 0. Any thread.
 *
 * Return: 0; -ENOENT for an opcode that the protocol does not have; -ENODATA when the server keeps none.
 */
FSB_API int fsb_server_stats(struct fsb_server *server, uint32_t opcode, struct fsb_stats *stats);

/** The latency below which @percent (0 to 100) of the requests stayed, in ns, to the accuracy of the buckets. */
FSB_API uint64_t fsb_stats_percentile(const struct fsb_stats *stats, double percent);

FSB_END_DECLS

#endif
