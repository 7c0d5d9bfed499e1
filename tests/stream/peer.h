/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of fsbackend-serve that is not ours: it knows nothing but docs/stream-protocol.md, and keeps to as much of it as
 * a test wants. All functions fail the test on errors that they were not asked about.
 */
#ifndef FSBACKEND_TESTS_STREAM_PEER_H
#define FSBACKEND_TESTS_STREAM_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/fuse_wire.h>

#define WIRE_MAGIC 0x53425346u

enum wire_type {
	WIRE_HELLO = 1,
	WIRE_WELCOME = 2,
	WIRE_GROUPS = 3,
	WIRE_REQUEST = 4,
	WIRE_REPLY = 5,
	WIRE_NOTIFY = 6,
	WIRE_AGAIN = 7,
	WIRE_ACK = 8,
	WIRE_PING = 9,
	WIRE_PONG = 10,
	WIRE_BYE = 11,
};

enum { WIRE_RESUME = 1 };

struct wire_header {
	uint32_t length;
	uint8_t type;
	uint8_t flags;
	uint16_t reserved;
	uint32_t groups;
	uint32_t ack;
};

struct wire_hello {
	uint32_t magic;
	uint32_t version;
	uint64_t features;
	uint32_t max_message;
	uint32_t channel;
	uint8_t token[16];
	uint32_t received;
	uint32_t reserved[3];
};

struct wire_welcome {
	uint32_t magic;
	uint32_t version;
	uint64_t features;
	uint32_t max_message;
	int32_t error;
	uint8_t token[16];
	uint32_t received;
	uint32_t channels;
	uint32_t max_requests;
	uint32_t max_sets;
	uint32_t max_groups;
	uint32_t grace_s;
	uint32_t idle_s;
	uint32_t advice;
	uint32_t wants_groups;
	uint32_t reserved[3];
};

/**
 * @unique:   of the last request
 * @received: numbered frames that came, which is what goes into @ack; a peer that lies changes it
 * @caller, @group: who asks
 * @groups:   the number of the set that goes with requests, 0 for unknown groups
 * @extensions: bytes of extensions at the end of the next request's arguments
 */
struct peer {
	int fd;
	uint64_t unique;
	uint32_t received;
	uid_t caller;
	gid_t group;
	uint32_t groups;
	uint16_t extensions;
	struct wire_welcome welcome;
};

/** Connect to the server under test. Nothing is said yet. */
struct peer peer_dial(void);

/** What a polite client says first. */
struct wire_hello hello_of(uint64_t features);

/** Say hello, and take what comes back into @welcome. Return: its error, or -EPIPE when nothing came. */
int peer_greet(struct peer *peer, const struct wire_hello *hello);

/** Dial, greet and INIT: a client like any other. */
struct peer peer_come(uint64_t features);

void peer_close(struct peer *peer);

/* ---- Sending ---- */

/** Raw bytes. Return: whether they went out; not so when the server has hung up, or does not read within two seconds. */
bool peer_send(struct peer *peer, const void *bytes, size_t length);

/** A header for a body of that length, padding included. */
struct wire_header header_of(struct peer *peer, enum wire_type type, size_t length);

/** A frame, padded. */
bool peer_send_frame(struct peer *peer, enum wire_type type, uint32_t groups, const void *body, size_t length);

/** A set of groups under a number. */
bool peer_define_groups(struct peer *peer, uint32_t number, const gid_t *groups, uint32_t count);

/** A request's frame in @frame, which has to have room: @length of @arguments follow the header. Return: its length. */
size_t frame_of_request(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length,
			uint8_t *frame);

/** A request, whose number is @unique afterwards. */
bool peer_ask(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length);

/* ---- Receiving ---- */

/**
 * The next frame; its body, less than 1200000 bytes, is valid until the next call. Acknowledgements and questions whether
 * we live are passed over.
 *
 * Return: the body; NULL when the server has hung up, or says nothing for ten seconds (then *header is
 * zeroes, and the test has failed).
 */
const void *peer_receive(struct peer *peer, struct wire_header *header);

/** The answer to the last request, notifications passed over. Return: as peer_receive(). */
const struct fuse_out_header *peer_answer(struct peer *peer);

/** Ask, and wait. Return: the answer's error, 0 or negative; -EPIPE when the server has hung up. @answer may be NULL. */
int peer_call(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length,
	      const void **answer);

/** Whether the server hangs up within so many milliseconds, whatever it says before. */
bool peer_is_cut(struct peer *peer, int ms);

/* ---- Requests ---- */

/** Look up a name in a directory. Return: its nodeid. */
uint64_t peer_lookup(struct peer *peer, uint64_t parent, const char *name);

/** The directory of the test. Return: its nodeid. */
uint64_t peer_directory(struct peer *peer);

/** Open a file. Return: its handle. */
uint64_t peer_open(struct peer *peer, uint64_t nodeid, uint32_t flags);

/**
 * Come as another client, and create "created" in a directory of the test for a caller whose own group has the same number, whose
 * supplementary groups are unknown but for one, which the message itself carries, as kernels do it. Return: the answer's error.
 */
int peer_create_with_group(uid_t caller, const char *in_directory, gid_t gid, uint32_t mode);

#endif
