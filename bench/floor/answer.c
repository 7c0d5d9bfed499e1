// SPDX-License-Identifier: BSD-3-Clause
/* The answers of a mount in which every name is a directory. */
#include <errno.h>
#include <sys/stat.h>

#include <fsbackend/fuse_wire.h>

#include "answer.h"

enum { OPCODES = 64, OTHER_NODEID = 2, SECONDS = 3600 };

static struct fuse_init_out init_out;
static struct fuse_attr_out attr_out;
static struct fuse_entry_out entry_out;
static struct fuse_open_out open_out;

static const struct answer answers[OPCODES] = {
	[FUSE_INIT] = { &init_out, sizeof(init_out), 0 },
	[FUSE_LOOKUP] = { &entry_out, sizeof(entry_out), 0 },
	[FUSE_GETATTR] = { &attr_out, sizeof(attr_out), 0 },
	[FUSE_SETATTR] = { &attr_out, sizeof(attr_out), 0 },
	[FUSE_OPENDIR] = { &open_out, sizeof(open_out), 0 },
	[FUSE_RELEASEDIR] = { NULL, 0, 0 },
};
static const struct answer unknown = { NULL, 0, -ENOSYS };

void answers_init(int uring)
{
	uint64_t flags = FUSE_INIT_EXT | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS;

	if (uring)
		flags |= FUSE_OVER_IO_URING;
	attr_out = (struct fuse_attr_out){
		.attr_valid = SECONDS,
		.attr = { .ino = OTHER_NODEID, .mode = S_IFDIR | 0777, .nlink = 2 },
	};
	entry_out = (struct fuse_entry_out){
		.nodeid = OTHER_NODEID,
		.entry_valid = SECONDS,
		.attr_valid = SECONDS,
		.attr = attr_out.attr,
	};
	init_out = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
		.max_write = 1024 * 1024,
		.max_pages = 256,
		.max_background = 64,
		.congestion_threshold = 48,
		.time_gran = 1,
	};
}

const struct answer *answer_find(uint32_t opcode)
{
	if (opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT)
		return NULL;
	if (opcode < OPCODES && (answers[opcode].length || opcode == FUSE_RELEASEDIR))
		return &answers[opcode];
	return &unknown;
}
