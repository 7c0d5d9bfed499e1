// SPDX-License-Identifier: BSD-3-Clause
/* What frames look like, and whether those from outside do. */
#include <errno.h>
#include <limits.h>

#include <fsbackend/fuse_wire.h>

#include "frame.h"

/* The layouts are the protocol's: docs/stream-protocol.md tells them by offset. */
_Static_assert(sizeof(struct frame_header) == 16, "a frame's header has 16 bytes");
_Static_assert(sizeof(struct frame_hello) == 56, "HELLO's body has 56 bytes");
_Static_assert(sizeof(struct frame_welcome) == 88, "WELCOME's body has 88 bytes");
_Static_assert(sizeof(struct frame_groups) == 8, "GROUPS' fixed body has 8 bytes");
_Static_assert(sizeof(struct frame_again) == 8, "AGAIN's body has 8 bytes");
_Static_assert(sizeof(struct frame_bye) == 8, "BYE's body has 8 bytes");

enum { FROM_CLIENT = 1, FROM_SERVER = 2, FROM_BOTH = 3 };

/** A row: who sends it, how long its body may be (0 in @most: as long as the longest message). */
static const struct frame_kind {
	unsigned int from;
	bool numbered;
	uint32_t least;
	uint32_t most;
} kinds[] = {
	[FRAME_HELLO] = { FROM_CLIENT, false, sizeof(struct frame_hello),
			  sizeof(struct frame_hello) },
	[FRAME_WELCOME] = { FROM_SERVER, false, sizeof(struct frame_welcome),
			    sizeof(struct frame_welcome) },
	[FRAME_GROUPS] = { FROM_CLIENT, true, sizeof(struct frame_groups), 0 },
	[FRAME_REQUEST] = { FROM_CLIENT, true, sizeof(struct fuse_in_header), 0 },
	[FRAME_REPLY] = { FROM_SERVER, true, sizeof(struct fuse_out_header), 0 },
	[FRAME_NOTIFY] = { FROM_SERVER, true, sizeof(struct fuse_out_header), 0 },
	[FRAME_AGAIN] = { FROM_SERVER, true, sizeof(struct frame_again),
			  sizeof(struct frame_again) },
	[FRAME_ACK] = { FROM_BOTH, false, 0, 0 },
	[FRAME_PING] = { FROM_BOTH, false, 0, 0 },
	[FRAME_PONG] = { FROM_BOTH, false, 0, 0 },
	[FRAME_BYE] = { FROM_BOTH, false, sizeof(struct frame_bye), sizeof(struct frame_bye) },
};

enum { NKINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct frame_header frame_make(enum frame_type type, size_t length)
{
	return (struct frame_header){
		.length = (uint32_t)(sizeof(struct frame_header) + frame_pad(length)),
		.type = (uint8_t)type,
	};
}

bool frame_is_numbered(uint8_t type)
{
	return type < NKINDS && kinds[type].numbered;
}

static bool carries_groups(uint8_t type)
{
	return type == FRAME_GROUPS || type == FRAME_REQUEST;
}

int frame_check(const struct frame_header *header, bool from_client, uint32_t max_message)
{
	if (header->type >= NKINDS ||
	    !(kinds[header->type].from & (from_client ? FROM_CLIENT : FROM_SERVER)))
		return -EPROTO;
	const struct frame_kind *kind = &kinds[header->type];
	if (header->flags || header->reserved || header->length % FRAME_ALIGN ||
	    header->length < sizeof(*header) + kind->least)
		return -EPROTO;
	if (header->groups ? !carries_groups(header->type) : header->type == FRAME_GROUPS)
		return -EPROTO;

	size_t length = header->length - sizeof(*header);
	/* Only those that carry a message or groups have no longest body of their own. */
	if (kind->numbered && kind->most == 0)
		return length > frame_pad(max_message) ? -EMSGSIZE : 0;
	return length > kind->most ? -EPROTO : 0;
}

static int check_magic(uint32_t magic)
{
	if (magic == FRAME_MAGIC)
		return 0;
	return magic == __builtin_bswap32(FRAME_MAGIC) ? -EPROTONOSUPPORT : -EPROTO;
}

int frame_check_hello(const struct frame_hello *hello)
{
	int err = check_magic(hello->magic);

	if (err)
		return err;
	return hello->version == 0 || hello->max_message < MESSAGE_LEAST ? -EPROTO : 0;
}

int frame_check_welcome(const struct frame_welcome *welcome)
{
	int err = check_magic(welcome->magic);

	if (err)
		return err;
	if (welcome->error)
		return welcome->error < 0 && welcome->error > -4096 ? welcome->error : -EPROTO;
	if (welcome->version == 0 || welcome->version > FRAME_VERSION)
		return -EPROTONOSUPPORT;
	if (welcome->max_message < MESSAGE_LEAST || welcome->max_requests == 0 ||
	    welcome->channels == 0 || welcome->idle_s == 0)
		return -EPROTO;
	return 0;
}

int frame_check_groups(const struct frame_groups *groups, size_t length)
{
	size_t room = (length - sizeof(*groups)) / sizeof(uint32_t);

	/* An odd number is padded by one. */
	if (groups->reserved || groups->count > room || room - groups->count > 1)
		return -EPROTO;
	return 0;
}

int frame_check_message(uint32_t message_length, size_t length, size_t least)
{
	return message_length < least || frame_pad(message_length) != length ? -EPROTO : 0;
}
