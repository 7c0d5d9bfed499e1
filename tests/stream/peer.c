// SPDX-License-Identifier: BSD-3-Clause
/* Speaking the stream protocol as docs/stream-protocol.md has it. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../integration/testing.h"
#include "peer.h"

enum { MOST = 1200000, PATIENCE_MS = 10000 };

_Static_assert(sizeof(struct wire_header) == 16, "");
_Static_assert(sizeof(struct wire_hello) == 56, "");
_Static_assert(sizeof(struct wire_welcome) == 88, "");

static size_t padded(size_t length)
{
	return (length + 7) / 8 * 8;
}

/* ---- Life ---- */

struct peer peer_dial(void)
{
	const char *at = getenv("FSBACKEND_TEST_ADDRESS");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer peer = { .fd = -1 };

	cr_assert(at && !strncmp(at, "unix:", 5), "the test has to be run in a stream configuration");
	cr_assert(snprintf(address.sun_path, sizeof(address.sun_path), "%s", at + 5) <
		  (int)sizeof(address.sun_path));
	peer.fd = (int)must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	must(connect(peer.fd, (struct sockaddr *)&address, sizeof(address)));
	return peer;
}

struct wire_hello hello_of(uint64_t features)
{
	return (struct wire_hello){
		.magic = WIRE_MAGIC,
		.version = 1,
		.features = features,
		.max_message = 1024 * 1024 + 4096,
	};
}

int peer_greet(struct peer *peer, const struct wire_hello *hello)
{
	struct wire_header header;

	if (!peer_send_frame(peer, WIRE_HELLO, 0, hello, sizeof(*hello)))
		return -EPIPE;
	const void *body = peer_receive(peer, &header);
	if (!body)
		return -EPIPE;
	cr_assert_eq(header.type, WIRE_WELCOME);
	cr_assert_eq(header.length, sizeof(header) + sizeof(peer->welcome));
	memcpy(&peer->welcome, body, sizeof(peer->welcome));
	return peer->welcome.error;
}

struct peer peer_come(uint64_t features)
{
	struct peer peer = peer_dial();
	struct wire_hello hello = hello_of(features);
	struct fuse_init_in init = { .major = 7, .minor = 36, .max_readahead = 131072 };

	cr_assert_eq(peer_greet(&peer, &hello), 0);
	cr_assert_eq(peer_call(&peer, FUSE_INIT, 0, &init, sizeof(init), NULL), 0);
	return peer;
}

void peer_close(struct peer *peer)
{
	close(peer->fd);
	peer->fd = -1;
}

/* ---- Sending ---- */

bool peer_send(struct peer *peer, const void *bytes, size_t length)
{
	struct pollfd polled = { .fd = peer->fd, .events = POLLOUT };

	while (length > 0) {
		ssize_t sent = send(peer->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN && poll(&polled, 1, 2000) == 1)
			continue;
		if (sent < 0)
			return false;
		bytes = (const char *)bytes + sent;
		length -= (size_t)sent;
	}
	return true;
}

struct wire_header header_of(struct peer *peer, enum wire_type type, size_t length)
{
	return (struct wire_header){
		.length = (uint32_t)(sizeof(struct wire_header) + padded(length)),
		.type = (uint8_t)type,
		.ack = peer->received,
	};
}

bool peer_send_frame(struct peer *peer, enum wire_type type, uint32_t groups, const void *body, size_t length)
{
	struct wire_header header = header_of(peer, type, length);
	uint8_t *frame = calloc(1, header.length);

	cr_assert(frame);
	header.groups = groups;
	memcpy(frame, &header, sizeof(header));
	if (length)
		memcpy(frame + sizeof(header), body, length);
	bool sent = peer_send(peer, frame, header.length);
	free(frame);
	return sent;
}

bool peer_define_groups(struct peer *peer, uint32_t number, const gid_t *groups, uint32_t count)
{
	size_t length = 8 + count * sizeof(*groups);
	uint8_t *body = calloc(1, length);

	cr_assert(body);
	memcpy(body, &count, sizeof(count));
	if (count)
		memcpy(body + 8, groups, count * sizeof(*groups));
	bool sent = peer_send_frame(peer, WIRE_GROUPS, number, body, length);
	free(body);
	return sent;
}

size_t frame_of_request(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length,
			uint8_t *frame)
{
	struct fuse_in_header in = {
		.len = (uint32_t)(sizeof(in) + length),
		.opcode = opcode,
		.unique = ++peer->unique * 2,
		.nodeid = nodeid,
		.uid = peer->caller,
		.gid = peer->group,
		.pid = 1,
		.total_extlen = peer->extensions / 8,
	};
	struct wire_header header = header_of(peer, WIRE_REQUEST, in.len);

	peer->extensions = 0;
	header.groups = peer->groups;
	memset(frame, 0, header.length);
	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), &in, sizeof(in));
	if (length)
		memcpy(frame + sizeof(header) + sizeof(in), arguments, length);
	return header.length;
}

bool peer_ask(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length)
{
	uint8_t *frame = malloc(length + 256);

	cr_assert(frame);
	bool sent = peer_send(peer, frame, frame_of_request(peer, opcode, nodeid, arguments, length, frame));
	free(frame);
	return sent;
}

/* ---- Receiving ---- */

/* Return: whether all came; not so when the server has hung up. */
static bool receive_all(struct peer *peer, void *bytes, size_t length)
{
	struct pollfd polled = { .fd = peer->fd, .events = POLLIN };

	while (length > 0) {
		cr_assert_neq(poll(&polled, 1, PATIENCE_MS), 0, "the server says nothing");
		ssize_t got = recv(peer->fd, bytes, length, 0);
		if (got <= 0)
			return false;
		bytes = (char *)bytes + got;
		length -= (size_t)got;
	}
	return true;
}

static bool is_numbered(uint8_t type)
{
	return type == WIRE_REPLY || type == WIRE_NOTIFY || type == WIRE_AGAIN;
}

const void *peer_receive(struct peer *peer, struct wire_header *header)
{
	static uint64_t body[MOST / 8];

	do {
		if (!receive_all(peer, header, sizeof(*header))) {
			memset(header, 0, sizeof(*header));
			return NULL;
		}
		cr_assert(header->length >= sizeof(*header) && header->length % 8 == 0);
		cr_assert_leq(header->length - sizeof(*header), MOST);
		if (!receive_all(peer, body, header->length - sizeof(*header)))
			return NULL;
		peer->received += is_numbered(header->type);
		if (header->type == WIRE_PING)
			peer_send_frame(peer, WIRE_PONG, 0, NULL, 0);
	} while (header->type == WIRE_ACK || header->type == WIRE_PING || header->type == WIRE_PONG);
	return body;
}

const struct fuse_out_header *peer_answer(struct peer *peer)
{
	struct wire_header header;

	for (;;) {
		const struct fuse_out_header *out = peer_receive(peer, &header);
		if (!out || header.type == WIRE_BYE)
			return NULL;
		if (header.type == WIRE_REPLY && out->unique == peer->unique * 2)
			return out;
	}
}

int peer_call(struct peer *peer, uint32_t opcode, uint64_t nodeid, const void *arguments, size_t length,
	      const void **answer)
{
	const struct fuse_out_header *out = NULL;

	if (peer_ask(peer, opcode, nodeid, arguments, length))
		out = peer_answer(peer);
	if (!out)
		return -EPIPE;
	if (answer)
		*answer = out + 1;
	return out->error;
}

bool peer_is_cut(struct peer *peer, int ms)
{
	struct pollfd polled = { .fd = peer->fd, .events = POLLIN };
	static char rest[65536];

	while (poll(&polled, 1, ms) == 1)
		if (recv(peer->fd, rest, sizeof(rest), 0) <= 0)
			return true;
	return false;
}

/* ---- Requests ---- */

uint64_t peer_lookup(struct peer *peer, uint64_t parent, const char *name)
{
	const void *answer;

	cr_assert_eq(peer_call(peer, FUSE_LOOKUP, parent, name, strlen(name) + 1, &answer), 0, "%s", name);
	return ((const struct fuse_entry_out *)answer)->nodeid;
}

uint64_t peer_directory(struct peer *peer)
{
	char path[4096];

	/* ".../DIRECTORY/" */
	snprintf(path, sizeof(path), "%s", host_path(""));
	path[strlen(path) - 1] = '\0';
	return peer_lookup(peer, FUSE_ROOT_ID, strrchr(path, '/') + 1);
}

uint64_t peer_open(struct peer *peer, uint64_t nodeid, uint32_t flags)
{
	struct fuse_open_in open_in = { .flags = flags };
	const void *answer;

	cr_assert_eq(peer_call(peer, FUSE_OPEN, nodeid, &open_in, sizeof(open_in), &answer), 0);
	return ((const struct fuse_open_out *)answer)->fh;
}

int peer_create_with_group(uid_t caller, const char *in_directory, gid_t gid, uint32_t mode)
{
	struct {
		struct fuse_create_in create;
		char name[8];
		struct fuse_ext_header extension;
		uint32_t nr_groups; /* struct fuse_supp_groups */
		uint32_t group;
	} arguments = {
		.create = { .flags = O_CREAT | O_EXCL | O_WRONLY, .mode = S_IFREG | mode },
		.name = "created",
		.extension = { .size = sizeof(arguments.extension) + 8, .type = FUSE_EXT_GROUPS },
		.nr_groups = 1,
		.group = gid,
	};
	struct fuse_init_in init = {
		.major = 7,
		.minor = 38,
		.flags = FUSE_INIT_EXT,
		.flags2 = (uint32_t)(FUSE_CREATE_SUPP_GROUP >> 32),
	};
	struct peer peer = peer_dial();
	struct wire_hello hello = hello_of(0);

	cr_assert_eq(peer_greet(&peer, &hello), 0);
	cr_assert_eq(peer_call(&peer, FUSE_INIT, 0, &init, sizeof(init), NULL), 0);
	uint64_t directory = peer_lookup(&peer, peer_directory(&peer), in_directory);
	peer.caller = peer.group = caller;
	peer.extensions = arguments.extension.size;
	int result = peer_call(&peer, FUSE_CREATE, directory, &arguments, sizeof(arguments), NULL);
	peer_close(&peer);
	return result;
}
