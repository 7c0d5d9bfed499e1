/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mirror: what the client knows, in a file that outlives this process.
 *
 * Inodes and handles have a slot each, which is written by plain stores into a shared mapping,
 * under the lock of their shard. A slot counts once its check word is there, which is stored last
 * and taken away first; so a process that dies half-way leaves a slot that says nothing. The lookup
 * count and a handle's flags are words of their own that change in place.
 *
 * Free slots are linked in the file, a list a shard. The next process does not believe them: it
 * goes through all slots once, and makes the lists anew.
 */
#ifndef FSB_PASSTHROUGH_STATE_H
#define FSB_PASSTHROUGH_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../statefile.h"
#include "handle.h"
#include "identity.h"
#include "inode.h"

struct passthrough;

enum {
	STATE_VERSION = 1,
	STATE_SHARDS = 16,
	STATE_MOUNTS = 64,
	/* Of slots that a shard gets at a time. */
	STATE_CHUNK = 256,
	/* Handles beyond these say that they are lost, and so do inodes. */
	STATE_MOST_HANDLES = 1 << 20,
	STATE_MOST_INODES = 1 << 24,
	/* As long as the largest page. */
	STATE_HEADER_SIZE = 64 * 1024,
};

_Static_assert((int)STATE_SHARDS == (int)INODE_SHARDS && (int)STATE_SHARDS == (int)HANDLE_SHARDS,
	       "a list a shard");

#define STATE_MAGIC 0x3145544154534246u /* "FBSTATE1" */

/** What is shared. A file of another tree, or of another boot of the machine, says nothing. */
struct state_root {
	uint8_t boot[BOOT_ID_SIZE];
	uint64_t dev;
	uint64_t ino;
	int32_t handle_type;
	uint32_t length;
	uint8_t bytes[IDENTITY_MAX];
};

/** A mount below the source. @check: over the rest; 0 for none. */
struct state_mount {
	uint64_t check;
	uint32_t number;
	uint32_t major;
	uint32_t minor;
	int32_t id;
};

/**
 * @magic:  stored last
 * @stride: of inode slots
 * @check:  over @version, @stride and @root
 * @next_inode, @next_handle: where each shard's numbers go on
 * @inodes, @handles: slots that shards were given, from the first on
 */
struct state_header {
	uint64_t magic;
	uint64_t check;
	uint32_t version;
	uint32_t stride;
	struct state_root root;
	uint64_t next_inode[STATE_SHARDS];
	uint64_t next_handle[STATE_SHARDS];
	uint32_t inodes;
	uint32_t handles;
	struct state_mount mounts[STATE_MOUNTS];
};

/** @check: over what follows @nlookup; 0 for a free slot, whose @nodeid is the next free one's. */
struct state_inode {
	uint64_t check;
	uint64_t nlookup;
	uint64_t nodeid;
	int32_t handle_type;
	uint32_t mount; /* 0: the root's; else one more than its place in @mounts */
	uint16_t type;
	uint8_t length;
	uint8_t bytes[];
};

/** @check: over what follows @flags; 0 for a free slot, whose @fh is the next free one's. */
struct state_handle {
	uint64_t check;
	int32_t flags;
	uint32_t is_dir;
	uint64_t fh;
	uint64_t nodeid;
};

/**
 * @room:  for so many slots there are bytes in the file
 * @given: so many of them belong to shards; @used: the same in the header
 * @free:  a shard's first free slot, under its lock. Slots are counted from 1; 0 is none
 */
struct state_table {
	uint8_t *slots;
	uint64_t offset; /* in the file */
	uint32_t stride;
	uint32_t most;
	uint32_t room;
	atomic_uint given;
	uint32_t *used;
	uint32_t free[STATE_SHARDS];
};

/**
 * @lock:      of growth, and of mounts
 * @full:      that there is no room has been said
 * @recovered: inodes and handles were found in the file
 */
struct state {
	int fd;
	uint64_t offset;
	pthread_mutex_t lock;
	bool full;
	bool recovered;
	size_t size;
	struct state_header *header;
	struct state_table inodes;
	struct state_table handles;
};

/**
 * Take up the file that the configuration gives, once the root is known: what it says of the same
 * tree comes into the tables, all else is wiped.
 *
 * Return: 0; statefile_claim()'s errnos; -ENOMEM, -EMFILE, -ENFILE, with the file as it was;
 * -EINVAL for an offset that is not a page's; errnos of fallocate(2), mmap(2).
 */
int state_open(struct passthrough *pt, int fd, uint64_t offset);

/** Nothing is mirrored any more; the file stays as it is. */
void state_close(struct passthrough *pt);

/** A new client: nothing is known of it. */
void state_reset(struct passthrough *pt);

/* The shard's lock is held in all of these, and pt->state is there. */

/** An inode has come into the table, with its count. */
void state_add_inode(struct passthrough *pt, struct inode *inode, uint64_t next);
/** Its count has changed, to 0 if it leaves the table. */
void state_count_inode(struct passthrough *pt, struct inode *inode);
/** A handle has come into the table, */
void state_add_handle(struct passthrough *pt, struct handle *handle, uint64_t next);
/** leaves it, */
void state_remove_handle(struct passthrough *pt, struct handle *handle);
/** or has other flags. It may have left by now; takes the lock itself. */
void state_flag_handle(struct passthrough *pt, struct handle *handle, int flags);

/** A mount is gone. */
void state_remove_mount(struct passthrough *pt, struct mount *mount);

/* mountinfo.c */

/** A mount: its device, and its number in this mount namespace. */
struct mount_wanted {
	uint32_t major;
	uint32_t minor;
	int id;
};

/** Find the device of the mount @wanted->id. Return: 0; -ENOENT; errnos of reading /proc. */
int mountinfo_device(struct mount_wanted *wanted);

/**
 * Find a mount below a directory again: the one with this device and id, or the only one of this
 * device, whose id becomes @wanted's.
 *
 * @top:  a descriptor of the directory
 * @path: its mount point, at most @size bytes
 *
 * Return: 0; -ENOENT; -EEXIST for several; -ENAMETOOLONG; -ENOMEM; errnos of reading /proc.
 */
int mountinfo_find(int top, struct mount_wanted *wanted, char *path, size_t size);

#endif
