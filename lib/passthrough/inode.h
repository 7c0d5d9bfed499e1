/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inode table: nodeid -> host inode, with the client's lookup counts, and the bounded cache of O_PATH descriptors.
 *
 * Sharded. An inode's identity decides its shard, and the low bits of its nodeid name the shard, so that both ways to find it,
 * its lookup count, and the descriptor cache are under one lock: a lookup can neither revive a dying inode nor miss a live one.
 */
#ifndef FSB_PASSTHROUGH_INODE_H
#define FSB_PASSTHROUGH_INODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hashtable.h"
#include "identity.h"

struct fsb_usage;
struct passthrough;

enum { INODE_SHARD_BITS = 4, INODE_SHARDS = 1 << INODE_SHARD_BITS };

/**
 * One host inode that the client knows, or that an open handle needs.
 *
 * @refs:    who holds the struct: the table (one), users, handles
 * @users:   calls in flight; while there are any the descriptor stays. Raised under the shard's lock only
 * @nlookup: the client's lookup count, under the shard's lock
 * @fd:      O_PATH, or -1. Set under the shard's lock; a user may read it without
 * @writers: handles that are open for writing
 * @slot:    where the shard's cache lists the descriptor; meaningful while fd >= 0
 */
struct inode {
	uint64_t nodeid;
	uint64_t nlookup;
	struct hash_link by_id;
	struct hash_link by_identity;
	struct mount *mount;
	atomic_uint refs;
	atomic_uint users;
	atomic_uint writers;
	atomic_int fd;
	uint32_t slot;
	atomic_bool used;      /* since the clock's hand came by */
	bool pinned;           /* the descriptor is the only way to it: no handle, or its last name is gone */
	uint16_t type;         /* S_IFMT of the mode */
	int32_t handle_type;
	uint32_t length;
	unsigned char bytes[]; /* the handle */
};

/** The descriptors of a shard's inodes, in a ring that the clock's hand goes round. */
struct fdcache {
	struct inode **slots;
	uint32_t count;
	uint32_t capacity;
	uint32_t hand;
	uint32_t budget;
};

struct inode_shard {
	pthread_mutex_t lock;
	struct hashtable by_id;
	struct hashtable by_identity;
	struct fdcache cache;
	uint64_t next;
} __attribute__((aligned(64)));

struct inode_table {
	struct inode *root;
	struct inode_shard shards[INODE_SHARDS];
};

/** Make the table with the root, which takes over @root_fd (O_PATH). @max_fds: the budget for all. */
int inodes_init(struct passthrough *pt, int root_fd, unsigned int max_fds);
/** Free everything. No user may be left. */
void inodes_clear(struct passthrough *pt);
/** The client is gone: all lookup counts become 0. */
void inodes_forget_all(struct passthrough *pt);

/** Use the inode of a nodeid. Return: 0; -ESTALE for one that the client does not hold. */
int inode_get(struct passthrough *pt, uint64_t nodeid, struct inode **inode);
/** Use an inode for which the caller holds a reference already (a handle's). */
void inode_use_again(struct passthrough *pt, struct inode *inode);
/** End of the use. */
void inode_put(struct passthrough *pt, struct inode *inode);

/** Whether somebody has it open for writing. */
static inline bool inode_is_written(const struct inode *inode)
{
	return atomic_load_explicit(&inode->writers, memory_order_relaxed) > 0;
}

/** For handles: keep the struct beyond its use; the descriptor may go. */
void inode_keep(struct inode *inode);
void inode_release(struct passthrough *pt, struct inode *inode);

/**
 * The O_PATH descriptor of an inode in use, opened by its handle when it has none now (which wears the server's credentials).
 * Borrowed, valid until inode_put(). Return: the descriptor, or a negative errno: -ESTALE when the file is gone.
 */
int inode_fd(struct passthrough *pt, struct inode *inode);

/**
 * The inode of what @fd (O_PATH) is open on, with its lookup count raised by one: found, or made. It is in use as after inode_get().
 * @fd: taken over in any case
 * @type: S_IFMT of its mode
 * Return: 0; -ENOMEM; -ENFILE when the inode needs a descriptor of its own and there is none to be had.
 */
int inode_lookup(struct passthrough *pt, int fd, mode_t type, struct inode **inode);
/** The same by a descriptor that is open for real and stays the caller's. @unnamed: the inode gets one of its own at once. */
int inode_lookup_opened(struct passthrough *pt, int fd, mode_t type, bool unnamed, struct inode **inode);

/** Use the inode of an identity if the client knows it. Return: the inode in use, or NULL. */
struct inode *inode_find(struct passthrough *pt, const struct identity *identity);

/** Its descriptor is (no longer) the only way to it. The inode is in use and has a descriptor. */
void inode_pin(struct passthrough *pt, struct inode *inode, bool pinned);

/** Its names have changed: pin the descriptor if there is none left, and no longer if there is one. The inode is in use. */
void inode_settle(struct passthrough *pt, struct inode *inode);

/** Lower the lookup count. Unknown nodeids are ignored. */
void inode_forget(struct passthrough *pt, uint64_t nodeid, uint64_t nlookup);

/** Close descriptors that nobody uses, in every shard: for whoever got EMFILE. Return: how many. */
unsigned int inodes_drop_fds(struct passthrough *pt);

/** Add what the table holds beside the root. */
void inodes_usage(struct passthrough *pt, struct fsb_usage *usage);

/** An inode in use, until the end of a scope: _cleanup_inode_ struct inode_use dir = { pt, NULL }; */
struct inode_use {
	struct passthrough *pt;
	struct inode *inode;
};

static inline void inode_use_end(struct inode_use *use)
{
	if (use->inode)
		inode_put(use->pt, use->inode);
}

#define _cleanup_inode_ __attribute__((cleanup(inode_use_end)))

/** Use the inode of a nodeid and have its descriptor. Return: the descriptor (borrowed), or a negative errno. */
int inode_use_fd(struct inode_use *use, uint64_t nodeid);

/* fdcache.c; the shard's lock is held */
int fdcache_add(struct fdcache *cache, struct inode *inode, int fd);
int fdcache_remove(struct fdcache *cache, struct inode *inode);
/** Take one descriptor that nobody uses out of a cache that is over its budget. Return: it, to be closed, or -1. */
int fdcache_evict(struct fdcache *cache, uint32_t budget);
void fdcache_clear(struct fdcache *cache);

#endif
