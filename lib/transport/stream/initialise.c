// SPDX-License-Identifier: BSD-3-Clause
/*
 * INIT between a kernel here and a server elsewhere. What would need memory, descriptors or rings
 * that both share is taken out on its way.
 */
#include <string.h>
#include <unistd.h>

#include "forward.h"

#define CANNOT_CARRY \
	(FUSE_OVER_IO_URING | FUSE_PASSTHROUGH | FUSE_MAP_ALIGNMENT | FUSE_HAS_INODE_DAX)

void init_offer(void *message, size_t length)
{
	struct fuse_init_in *in = (void *)((uint8_t *)message + sizeof(struct fuse_in_header));
	size_t body = length - sizeof(struct fuse_in_header);

	if (body >= offsetof(struct fuse_init_in, flags) + sizeof(in->flags))
		in->flags &= ~(uint32_t)CANNOT_CARRY;
	if (body >= offsetof(struct fuse_init_in, flags2) + sizeof(in->flags2))
		in->flags2 &= ~(uint32_t)(CANNOT_CARRY >> 32);
}

uint64_t init_agree(void *message, size_t length, uint32_t max_write)
{
	struct fuse_init_out *out = (void *)((uint8_t *)message + sizeof(struct fuse_out_header));
	uint32_t max_pages = max_write / (uint32_t)sysconf(_SC_PAGESIZE);

	if (length < sizeof(struct fuse_out_header) + sizeof(*out))
		return 0;
	out->flags &= ~(uint32_t)CANNOT_CARRY;
	out->flags2 &= ~(uint32_t)(CANNOT_CARRY >> 32);
	if (out->max_write > max_write)
		out->max_write = max_write;
	if (out->max_pages > max_pages)
		out->max_pages = (uint16_t)max_pages;
	return out->flags | (out->flags & FUSE_INIT_EXT ? (uint64_t)out->flags2 << 32 : 0);
}
