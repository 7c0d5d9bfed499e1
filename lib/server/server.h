/* SPDX-License-Identifier: BSD-3-Clause */
/* The server object and its calls, as the files of this folder share them. */
#ifndef FSB_LIB_SERVER_SERVER_H
#define FSB_LIB_SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include <fsbackend/server.h>

#include "server/opcodes.h"

struct server_stats;

/**
 * What the server does with requests. It changes under the lock, and is read without it: see
 * pending.c.
 */
enum server_state {
	STATE_NEW,      /* no INIT yet: all others are refused with -ENOTCONN */
	STATE_STARTING, /* INIT is being worked on */
	STATE_ACTIVE,
	STATE_CLOSING, /* DESTROY waits for the others */
	STATE_CLOSED,  /* after DESTROY: all but INIT are refused with -ENODEV */
	STATE_ENDING,  /* the client is gone: nobody is answered any more */
};

/* How many interrupts are remembered whose request has not been seen. */
#define EARLY_INTERRUPTS 256

struct fsb_server {
	/* Set when the server is made, then only read. */
	struct fsb_server_config config;
	struct fsb_filesystem *fs;
	struct fsb_filesystem_ops ops; /* the file system's; what its table does not have is NULL */
	struct server_stats *stats;    /* or NULL */
	bool timed;                    /* somebody wants to know how long requests take */
	struct fsb_backing *backing;   /* the transport's, or NULL; changes only between mounts */

	_Atomic enum server_state state;
	struct fsb_protocol protocol; /* written while nothing but INIT runs, under the lock */

	/* What changes with deferral, interrupts, and the life of calls. On cache lines of its own.
	 */
	_Alignas(64) pthread_mutex_t lock;
	pthread_cond_t idle;              /* ndeferred became 0 */
	struct fsb_call *calls;           /* all calls of all messages */
	struct fsb_call *deferred;        /* those that wait for fsb_call_complete() */
	size_t ndeferred;                 /* deferred ones whose answer is not given yet */
	uint64_t told;                    /* counts rounds of interrupts */
	uint64_t early[EARLY_INTERRUPTS]; /* ids of requests that were interrupted before they were
					     seen; 0 for none */
	size_t next_early;
	bool started; /* the file system's init succeeded, and its destroy is due */

	/* Where notifications go, under the lock, and how many are on their way there. */
	fsb_notify_fn notify;
	void *notify_opaque;
	size_t nnotifying;
	pthread_cond_t notified; /* nnotifying became 0 */
};

/** What has to be taken back when the answer does not reach the client. */
struct undo {
	uint64_t entry;  /* a nodeid whose lookup count is one too high, or 0 */
	uint64_t opened; /* the nodeid that @fh was opened on; with @open or @opendir */
	uint64_t fh;
	int flags;
	bool open;
	bool opendir;
	uint64_t *nodeids; /* READDIRPLUS: the same as @entry, many times */
	size_t nnodeids;
};

/**
 * One message at work: the request, what the operation is told and what it gives back. It belongs
 * to its message and is used again by the next request, so that a deferred operation finds
 * everything where it was.
 */
struct fsb_call {
	struct fsb_server *server;
	struct fsb_message *message;
	struct fsb_call *next, **link; /* server->calls */

	/* Seen by threads that interrupt or wait. */
	atomic_bool busy;        /* between entering and leaving fsb_server_handle() */
	_Atomic uint64_t unique; /* of the request, without FUSE_UNIQUE_RESEND */
	uint64_t marked; /* under the lock: the id of a request that was interrupted before it was
			    deferred */

	/* Deferral. The answer is given by whoever lets go of the last hold: see pending.c. */
	bool deferred;
	atomic_int holds;
	ssize_t result; /* of the operation */
	uint64_t told;
	struct fsb_call *next_deferred, **deferred_link;

	/* The request. */
	const struct opcode_row *row;
	uint64_t started_ns;
	uint8_t *bytes; /* its private copy, file data excepted */
	size_t capacity;
	size_t total; /* its length */
	struct fsb_context ctx;
	struct fsb_transfer transfer;
	union {
		struct fsb_setattr setattr;
		struct fsb_create create;
		struct fsb_copy copy;
		struct fsb_lock_owner owner;
		struct fsb_ioctl ioctl;
		struct fsb_mapping mapping;
	} in;

	/* What the operation gives back. */
	struct fsb_entry entry;
	uint64_t timeout_ns;
	union {
		struct fsb_attr attr;
		struct fsb_open open;
		struct fsb_statfs statfs;
		struct fsb_lock lock;
		struct fsb_ioctl_result ioctl;
		struct statx statx;
		uint64_t number;
		uint32_t revents;
	} out;
	struct listing {
		struct fsb_dirlist list; /* first */
		struct fsb_call *call;
		uint8_t *memory; /* where entries are packed: the payload itself, or @spare */
		size_t size;
		size_t used;
		bool plus;
		bool full; /* an entry did not fit */
	} listing;
	uint8_t *spare; /* private memory for answers of any length */
	size_t spare_capacity;
	size_t room;       /* how much of it readlink, getxattr, listxattr may fill */
	uint64_t *nodeids; /* READDIRPLUS: what was given out, for undo */
	size_t nodeids_capacity;
	size_t nnodeids;

	/* The answer. */
	struct undo undo;
	const void *body; /* its bytes in private memory, for tracing; NULL when they lie in the
			     payload alone */
	size_t body_length;
	union {
		struct fuse_entry_out entry;
		struct {
			struct fuse_entry_out entry;
			struct fuse_open_out open;
		} create;
		struct fuse_attr_out attr;
		struct fuse_statx_out statx;
		struct fuse_open_out open;
		struct fuse_statfs_out statfs;
		struct fuse_write_out write;
		struct fuse_getxattr_out getxattr;
		struct fuse_lk_out lk;
		struct fuse_bmap_out bmap;
		struct fuse_ioctl_out ioctl;
		struct fuse_poll_out poll;
		struct fuse_lseek_out lseek;
		struct fuse_copy_file_range_out copy;
		struct fuse_init_out init;
	} wire;

	struct fsb_request request; /* last: it is long, and mostly not touched */
};

/* ---- server.c ---- */

/** A clock for latencies, in ns. */
uint64_t server_clock(void);

/** Grow a buffer to @size bytes, forgetting its content. Return: 0 or -ENOMEM, leaving it as it
 * was. */
int buffer_reserve(uint8_t **buffer, size_t *capacity, size_t size);

/* ---- dispatch.c ---- */

/** Call the file system for a decoded request. Return: what the operation returned, or a negative
 * errno before it. */
ssize_t dispatch(struct fsb_call *call);

ssize_t run_lookup(struct fsb_call *call);
ssize_t run_forget(struct fsb_call *call);
ssize_t run_batch_forget(struct fsb_call *call);
ssize_t run_getattr(struct fsb_call *call);
ssize_t run_statx(struct fsb_call *call);
ssize_t run_setattr(struct fsb_call *call);
ssize_t run_readlink(struct fsb_call *call);
ssize_t run_symlink(struct fsb_call *call);
ssize_t run_mknod(struct fsb_call *call);
ssize_t run_mkdir(struct fsb_call *call);
ssize_t run_unlink(struct fsb_call *call);
ssize_t run_rmdir(struct fsb_call *call);
ssize_t run_rename(struct fsb_call *call);
ssize_t run_link(struct fsb_call *call);
ssize_t run_open(struct fsb_call *call);
ssize_t run_create(struct fsb_call *call);
ssize_t run_tmpfile(struct fsb_call *call);
ssize_t run_read(struct fsb_call *call);
ssize_t run_write(struct fsb_call *call);
ssize_t run_flush(struct fsb_call *call);
ssize_t run_release(struct fsb_call *call);
ssize_t run_fsync(struct fsb_call *call);
ssize_t run_opendir(struct fsb_call *call);
ssize_t run_readdir(struct fsb_call *call);
ssize_t run_readdirplus(struct fsb_call *call);
ssize_t run_releasedir(struct fsb_call *call);
ssize_t run_fsyncdir(struct fsb_call *call);
ssize_t run_statfs(struct fsb_call *call);
ssize_t run_syncfs(struct fsb_call *call);
ssize_t run_setxattr(struct fsb_call *call);
ssize_t run_getxattr(struct fsb_call *call);
ssize_t run_listxattr(struct fsb_call *call);
ssize_t run_removexattr(struct fsb_call *call);
ssize_t run_access(struct fsb_call *call);
ssize_t run_getlk(struct fsb_call *call);
ssize_t run_setlk(struct fsb_call *call);
ssize_t run_setlkw(struct fsb_call *call);
ssize_t run_fallocate(struct fsb_call *call);
ssize_t run_lseek(struct fsb_call *call);
ssize_t run_copy_file_range(struct fsb_call *call);
ssize_t run_copy_file_range_64(struct fsb_call *call);
ssize_t run_remap(struct fsb_call *call);
ssize_t run_ioctl(struct fsb_call *call);
ssize_t run_poll(struct fsb_call *call);
ssize_t run_bmap(struct fsb_call *call);
ssize_t run_setupmapping(struct fsb_call *call);
ssize_t run_removemapping(struct fsb_call *call);
ssize_t run_notify_reply(struct fsb_call *call);

/* ---- reply.c ---- */

/** Whether the message's payload memory has room for @need bytes. */
bool payload_has(const struct fsb_message *message, size_t need);

/** Copy private bytes to the beginning of the payload. Return: @length. */
ssize_t payload_put(struct fsb_call *call, const void *bytes, size_t length);

/** Prepare call->listing for at most @size bytes of entries. Return: 0; -EIO without room; -ENOMEM.
 */
int listing_begin(struct fsb_call *call, size_t size, bool plus);

/** Give the answer to a call: lay it out, count it, send it, and take back what did not arrive.
 *
 * @result: what the operation returned, or a negative errno
 * @lost:   there is nobody to send it to
 *
 * When the call was deferred, it and its message are the transport's once this sends.
 *
 * Return: 0, or the reply function's error.
 */
int call_finish(struct fsb_call *call, ssize_t result, bool lost);

ssize_t answer_entry(struct fsb_call *call);
ssize_t answer_made(struct fsb_call *call);
ssize_t answer_create(struct fsb_call *call);
ssize_t answer_attr(struct fsb_call *call);
ssize_t answer_statx(struct fsb_call *call);
ssize_t answer_bytes(struct fsb_call *call);
ssize_t answer_xattr(struct fsb_call *call);
ssize_t answer_open(struct fsb_call *call);
ssize_t answer_opendir(struct fsb_call *call);
ssize_t answer_read(struct fsb_call *call);
ssize_t answer_write(struct fsb_call *call);
ssize_t answer_copy(struct fsb_call *call);
ssize_t answer_copy_64(struct fsb_call *call);
ssize_t answer_remap(struct fsb_call *call);
ssize_t answer_listing(struct fsb_call *call);
ssize_t answer_statfs(struct fsb_call *call);
ssize_t answer_lk(struct fsb_call *call);
ssize_t answer_lseek(struct fsb_call *call);
ssize_t answer_ioctl(struct fsb_call *call);
ssize_t answer_poll(struct fsb_call *call);
ssize_t answer_bmap(struct fsb_call *call);
ssize_t answer_init(struct fsb_call *call);

/* ---- init.c ---- */

/** What becomes of a flag of INIT. */
enum init_decision {
	INIT_ALWAYS,     /* used whenever the client offers it */
	INIT_DEFAULT,    /* the same, but the file system may decline */
	INIT_WANTED,     /* used when the file system wants it */
	INIT_OPERATION,  /* the same, preset when it has the operation for it */
	INIT_TRANSPORT,  /* used when the transport says so (config.capabilities) */
	INIT_CONFIGURED, /* used when the server's configuration asks for it */
	INIT_NEVER,
};

/** A row of the table of INIT's flags. */
struct init_flag {
	uint64_t flag;
	const char *name;
	enum init_decision decision;
	const char *why;
};

/** Walk the table: rows from @index 0 until NULL. */
const struct init_flag *init_flag_at(size_t index);

ssize_t run_init(struct fsb_call *call);

/* ---- pending.c ---- */

/** Give a message a call of this server. Return: 0 or -ENOMEM. */
int call_attach(struct fsb_server *server, struct fsb_message *message);

/** Free a call that is idle. */
void call_free(struct fsb_call *call);

/** Leave all calls to their messages: the server goes away. */
void calls_orphan(struct fsb_server *server);

/** Say that the call works on request @unique. Return: the state of the server, which holds until
 * call_leave(). */
enum server_state call_enter(struct fsb_call *call, uint64_t unique);

/** The call is idle again. Not after it was deferred: then call_detach() does this. */
void call_leave(struct fsb_call *call);

/** The operation was deferred, and has returned. Return: as fsb_server_handle(). */
int call_detach(struct fsb_call *call);

ssize_t run_interrupt(struct fsb_call *call);
ssize_t run_destroy(struct fsb_call *call);

/* ---- stats.c ---- */

struct server_stats *stats_new(void);
void stats_free(struct server_stats *stats);
void stats_count(struct server_stats *stats, uint32_t opcode, bool failed, uint64_t ns);

#endif
