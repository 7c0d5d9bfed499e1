/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system in memory behind a stream server, and a client that speaks frames by hand.
 *
 * Names say what a lookup of them, or an rmdir, does: "file" is found; "late" is deferred until late_release();
 * "slow" takes one and a half seconds. Each lookup of a name that begins with a digit is counted,
 * to see whether anything runs twice.
 */
#ifndef FSB_TESTS_STREAMING_H
#define FSB_TESTS_STREAMING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fsbackend/fsbackend.h>

#include "transport/stream/frame.h"

enum { RUNS = 65536, MAX_LATE = 64 };

/** Of all file systems together. */
struct streaming {
	struct fsb_stream_serve *serve;
	atomic_int opened;
	atomic_int closed;
	atomic_int destroyed;
	atomic_int runs[RUNS];
	atomic_int nlate;
	atomic_uint ngroups; /* of the last caller of a lookup; UINT32_MAX for unknown */
	atomic_uint last_group;
	struct fsb_server *_Atomic server; /* of the last session */
};

extern struct streaming streaming;

/** Start serving. @change: of the configuration, or NULL. */
void streaming_start(void (*change)(struct fsb_stream_serve_config *config));
void streaming_stop(void);

/** Answer all lookups of "late". */
void late_release(void);

/** Wait until a counter has a value; fail after some seconds. */
void await(atomic_int *counter, int value);

/* ---- A client by hand ---- */

struct hand {
	int fd;
	uint8_t token[TOKEN_SIZE];
	struct frame_welcome welcome;
	uint32_t received;
};

/** Connect without saying anything. */
int hand_connect(void);

/** Connect and say hello: a new session, or @hand's again, as its token says. Return: the error. */
int hand_greet(struct hand *hand, uint64_t features, uint32_t channel);

/** Send a frame. */
void hand_send(struct hand *hand, enum frame_type type, uint32_t groups, const void *body,
	       size_t length);

/** Send a request. */
void hand_ask(struct hand *hand, uint32_t groups, uint32_t opcode, uint64_t unique,
	      const void *body, size_t length);
void hand_lookup(struct hand *hand, uint32_t groups, uint64_t unique, const char *name);

/** INIT, and wait for its answer. */
void hand_init(struct hand *hand);

/**
 * Receive the next frame, PING and ACK excepted. Return: its type; -1 at the end of the stream.
 *
 * @body: at most 4096 bytes of it
 */
int hand_receive(struct hand *hand, void *body);

/** Receive an answer, which must be to @unique. Return: its error. */
int hand_answer(struct hand *hand, uint64_t unique);

/** The server must have hung up. */
void hand_must_be_cut_off(struct hand *hand);

#endif
