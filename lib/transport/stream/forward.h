/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's side, as its files share it.
 *
 * A lane is a connection, a descriptor of the device, and a thread that serves both: it reads a
 * request, sends it, and gives the answer to the device by the descriptor that the request came
 * from. Lanes share nothing but the state of the whole. None of them ever blocks on its connection:
 * while it cannot send it takes no more requests, and goes on taking answers.
 *
 * Notifications are given to the device by a thread of their own, as that may have to wait for
 * requests that the lanes serve.
 */
#ifndef FSB_STREAM_FORWARD_H
#define FSB_STREAM_FORWARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <fsbackend/fuse_wire.h>
#include <fsbackend/stream_forward.h>
#include <fsbackend/stream_serve.h>

#include "frame.h"
#include "groups.h"
#include "link.h"
#include "memory.h"
#include "../patience.h"
#include "pending.h"
#include "retained.h"

enum {
	MAX_LANES = 16,
	/* Requests that are taken at once, and how much room there is for those before the last
	   one. */
	BATCH = 16,
	BATCH_ROOM = 64 * 1024,
	/* The largest GROUPS frame: it may have to be put in front of a request. */
	GROUPS_ROOM = 65536 * 4 + 64,
	/* Frames that the server has not acknowledged. */
	WINDOW = 16 * 1024 * 1024,
	/* Notifications that wait for the device. */
	NOTIFY_WINDOW = 16 * 1024 * 1024,
	/* Of an INIT that can be said again. */
	INIT_MOST = 256,
};

/**
 * @device:     its own descriptor of the session, or the shared one
 * @epoll:      where it sleeps
 * @up:         there is a connection
 * @watches:    the device is in @epoll
 * @wants_out:  room to send is, too
 * @heard:      something came since it slept last; @heard_ns is when
 * @asked:      the server was asked whether it lives
 * @lost_ns:    since when there is no connection
 * @backoff_ms: until the next attempt
 * @due_ns:     when a new session is tried
 * @said_ns:    when a loss was reported last; @silent: the present one was not
 * @progress:   what had got through when it was dialled last
 * @requests:   memory for requests, as frames one behind the other; @used of it
 * @sending:    that is in the link's queue
 * @answer:     memory for a message from the server
 * @received, @told, @unacked_bytes: numbered frames that were taken; of them, those that the server
 * was told of
 * @log:        what may have to be sent again, where the server keeps sessions
 * @held:       bytes of long frames that are held for requests without an answer
 * @met:        there was a connection to this session; @epoch is which process of the server's it
 * led to
 */
struct lane {
	struct fsb_stream_forward *forward;
	unsigned int index;
	bool running;
	pthread_t thread;
	int device;
	int epoll;
	struct patience patience;
	atomic_bool up;
	bool watches;
	bool wants_out;
	bool heard;
	bool asked;
	bool refuses; /* its unanswered requests were told that the connection is gone */
	uint64_t heard_ns;
	uint64_t lost_ns;
	uint64_t due_ns;
	uint64_t said_ns;
	bool silent;
	uint32_t progress;
	unsigned int backoff_ms;

	uint8_t *requests;
	size_t used;
	bool sending;
	struct outgoing batch;

	bool has_header;
	struct frame_header header;
	uint8_t *answer;
	size_t filled;
	size_t mark; /* @filled, when it was looked at last */

	uint32_t received;
	uint32_t told;
	size_t unacked_bytes;
	struct retained_list log;
	size_t held;
	bool met;
	uint32_t epoch;
	struct pending_table pending;
	struct group_notes notes;
	struct fsb_context ctx;

	struct link link;
} __attribute__((aligned(64)));

struct notice {
	struct notice *next;
	size_t length;
	uint8_t message[];
};

/** Notifications on their way to the device. */
struct notifier {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct notice *first;
	struct notice **last;
	size_t bytes;
	bool quit;
	bool running;
	pthread_t thread;
};

enum forward_state { FORWARD_NEW, FORWARD_READY, FORWARD_REFUSED };

/**
 * @fd:     the device, duplicated
 * @end:    becomes readable when the session has ended, or shall end
 * @quit:   becomes readable when lanes shall go
 * @alarm:  becomes readable when @down is set
 * @down:   the session is gone: requests are refused
 * @refusing: lanes that have noticed
 * @resumable: the server keeps the session for lost connections; @recoverable: also beyond its
 * process
 * @init:   the kernel's INIT, which a new session gets once more; @agreed is the first one's answer
 * @token:  of the session
 * @welcome: what the server said first
 * @capacity: of a lane's @requests
 * @flags:  that INIT agreed on
 */
struct fsb_stream_forward {
	struct fsb_stream_forward_config config;
	int fd;
	int end;
	int quit;
	int alarm;
	atomic_bool down;
	atomic_bool ending;
	atomic_bool quitting;
	atomic_uint refusing;
	bool resumable;
	bool recoverable;
	struct frame_welcome welcome;
	uint32_t max_message;
	struct memory_pool memory;
	struct crowd crowd;
	_Atomic uint64_t flags;
	size_t init_length;
	_Alignas(8) uint8_t init[INIT_MOST];
	struct fuse_init_out agreed;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum forward_state state; /* under the lock */
	bool ended;
	int result;
	bool started;
	bool joined;
	struct notifier notifier;

	unsigned int nlanes;
	struct lane lanes[];
};

/* ---- forward.c ---- */

/** The session is over: unmounted (-ENODEV), asked to end (-ECANCELED), or broken. */
void forward_end(struct fsb_stream_forward *forward, int err);

/** The session is gone, because of @err. */
void forward_down(struct fsb_stream_forward *forward, int err);

/** INIT was answered: 0, or the errno. */
void forward_initialised(struct fsb_stream_forward *forward, int error);

/* ---- lane.c ---- */

/** A lane's thread. */
void *lane_run(void *lane);

/**
 * Go on reading a frame: its header into @header, its body into @answer.
 *
 * Return: 0 when it is there whole; -EAGAIN; or why the connection is over.
 */
int lane_read(struct lane *lane);

/** Say in a frame's header what was received. */
void lane_stamp(struct lane *lane, struct frame_header *header);

/** Tell who waits for an answer to a request that there is an error. */
void lane_answer_error(struct lane *lane, uint64_t unique, int error);

/** Whether a request gets an answer. */
bool lane_expects_answer(const struct fuse_in_header *header);

/** Say goodbye, and close the connection. */
void lane_leave(struct lane *lane);

/* ---- again.c ---- */

/** @frame was sent for @row, and may have to be sent once more: held for that if it may be. */
void lane_hold(struct lane *lane, struct pending *row, struct retained *frame);

/** Forget a request: it was answered, or will not be. */
void lane_forget(struct lane *lane, struct pending *row);

/** AGAIN came, which lies in @answer: ask once more. Return: 0; -EPROTO. */
int lane_ask_again(struct lane *lane);

/**
 * The server's process has died, and the one that has the session now has received @received frames
 * of those that were sent: lay out anew what is to be sent. What it may have run is asked again
 * where that does no harm, and fails otherwise.
 *
 * Return: 0; -EPROTO; -ENOMEM.
 */
int lane_recover(struct lane *lane, uint32_t received);

/* ---- dial.c ---- */

/** Dial, say hello, and carry on where the channel was. Return: 0 or a negative errno. */
int lane_dial(struct lane *lane);

/**
 * Begin a new session in place of the one that is gone, while all lanes refuse: by the lane that
 * calls.
 *
 * Return: 0; -EPROTO when the server now wants something else than the kernel was told; other
 * negative errnos.
 */
int lane_renew(struct lane *lane);

/** Words for why there is no connection. */
const char *dial_describe(int err);

/* ---- initialise.c ---- */

/** Take what a stream cannot carry out of what the kernel offers in INIT, a message of @length
 * bytes. */
void init_offer(void *message, size_t length);

/**
 * The answer to INIT: take the same out of it, and lower the sizes to @max_write.
 *
 * Return: the flags that were agreed on.
 */
uint64_t init_agree(void *message, size_t length, uint32_t max_write);

/* ---- notifier.c ---- */

int notifier_start(struct notifier *notifier, struct fsb_stream_forward *forward);

/** Pass one on. Return: 0; -ENOBUFS when the device is too far behind; -ENOMEM. */
int notifier_add(struct notifier *notifier, const void *message, size_t length);
void notifier_stop(struct notifier *notifier);

#endif
