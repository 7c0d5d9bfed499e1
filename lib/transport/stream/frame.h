/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of frames, as docs/stream-protocol.md specifies it, and the checks of what comes from
 * outside. Pure: no side effect, no memory of its own.
 */
#ifndef FSB_STREAM_FRAME_H
#define FSB_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC 0x53425346u /* "FSBS" in the memory of a little-endian machine */
#define FRAME_VERSION 1u

enum {
	FRAME_ALIGN = 8,
	TOKEN_SIZE = 16,
	/* Of the longest message: a write of 128 KiB, which is more than any xattr; and 1 MiB. */
	MESSAGE_LEAST = 128 * 1024 + 4096,
	MESSAGE_MOST = 1024 * 1024 + 4096,
};

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_WELCOME,
	FRAME_GROUPS,
	FRAME_REQUEST,
	FRAME_REPLY,
	FRAME_NOTIFY,
	FRAME_AGAIN,
	FRAME_ACK,
	FRAME_PING,
	FRAME_PONG,
	FRAME_BYE,
};

/** Features that hello asks for and welcome grants. */
#define FEATURE_RESUME (1ull << 0)
#define FEATURE_RECOVER (1ull << 1)

/**
 * In front of every frame.
 *
 * @length: of the whole frame, this header included; a multiple of FRAME_ALIGN
 * @type:   enum frame_type
 * @groups: REQUEST: the caller's set of groups, 0 for unknown; GROUPS: the set that is defined;
 * else 0
 * @ack:    how many numbered frames its sender has received so far on this channel
 */
struct frame_header {
	uint32_t length;
	uint8_t type;
	uint8_t flags;
	uint16_t reserved;
	uint32_t groups;
	uint32_t ack;
};

/**
 * HELLO's body.
 *
 * @magic:       also tells the byte order
 * @version:     the newest that the client speaks
 * @features:    FEATURE_* that it would like
 * @max_message: bytes of the longest message that it takes
 * @channel:     which one of the session's this connection carries
 * @token:       the session's, or zeroes for a new one
 * @received:    numbered frames received on this channel before
 */
struct frame_hello {
	uint32_t magic;
	uint32_t version;
	uint64_t features;
	uint32_t max_message;
	uint32_t channel;
	uint8_t token[TOKEN_SIZE];
	uint32_t received;
	uint32_t reserved[3];
};

/**
 * WELCOME's body.
 *
 * @version:      that both speak from here on
 * @features:     those that are granted
 * @max_message:  bytes of the longest message that the server takes
 * @error:        0, or an errno: then the connection ends
 * @token:        names the session
 * @received:     numbered frames received on this channel before
 * @channels:     how many a session may have
 * @max_requests: that may be unanswered at a time, on all channels together
 * @max_sets:     sets of groups of a channel: ids 1 to this
 * @max_groups:   groups in all sets of a channel together
 * @grace_s:      how long a session lives without its connection, seconds
 * @idle_s:       after so many seconds without a frame the other side is asked whether it lives
 * @advice:       ADVICE_*
 * @wants_groups: enum wants_groups
 * @epoch:        with FEATURE_RECOVER: how many processes of the server have had the session before
 */
struct frame_welcome {
	uint32_t magic;
	uint32_t version;
	uint64_t features;
	uint32_t max_message;
	int32_t error;
	uint8_t token[TOKEN_SIZE];
	uint32_t received;
	uint32_t channels;
	uint32_t max_requests;
	uint32_t max_sets;
	uint32_t max_groups;
	uint32_t grace_s;
	uint32_t idle_s;
	uint32_t advice;
	uint32_t wants_groups;
	uint32_t epoch;
	uint32_t reserved[2];
};

/** GROUPS' body; @count group ids follow. */
struct frame_groups {
	uint32_t count;
	uint32_t reserved;
};

/** AGAIN's body: the request whose answer was not kept. */
struct frame_again {
	uint64_t unique;
};

/** BYE's body: why, a positive errno, or 0 for an orderly end. */
struct frame_bye {
	uint32_t reason;
	uint32_t reserved;
};

static inline size_t frame_pad(size_t length)
{
	return (length + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/** The header of a frame whose body has @length bytes before it is padded. */
struct frame_header frame_make(enum frame_type type, size_t length);

/** Whether frames of that type count for acknowledgement. */
bool frame_is_numbered(uint8_t type);

/**
 * Check a header that came from outside.
 *
 * @from_client: who sent it
 * @max_message: the longest message that is taken
 *
 * Return: 0; -EPROTO for a type that the sender may not send, for a length that the type cannot
 * have, or for bits that must be 0; -EMSGSIZE for more than was agreed.
 */
int frame_check(const struct frame_header *header, bool from_client, uint32_t max_message);

/** Check HELLO's body. Return: 0; -EPROTO; -EPROTONOSUPPORT for another byte order. */
int frame_check_hello(const struct frame_hello *hello);

/** Check WELCOME's body. Return: 0; -EPROTO; -EPROTONOSUPPORT; or the errno that it tells. */
int frame_check_welcome(const struct frame_welcome *welcome);

/** Check that @count groups fill a body of @length bytes. Return: 0; -EPROTO. */
int frame_check_groups(const struct frame_groups *groups, size_t length);

/**
 * Check that the message in a body of @length bytes says of itself that it fills it but for the
 * padding, and has at least @least bytes. @message_length is its first field. Return: 0; -EPROTO.
 */
int frame_check_message(uint32_t message_length, size_t length, size_t least);

#endif
