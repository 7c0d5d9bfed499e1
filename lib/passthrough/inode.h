/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inode table: nodeid -> host inode, with the client's lookup counts, and the bounded cache of
 * O_PATH descriptors.
 *
 * Sharded. An inode's identity decides its shard, and the low bits of its nodeid name the shard, so
 * that both ways to find it, its lookup count, and the descriptor cache are under one lock: a
 * lookup can neither revive a dying inode nor miss a live one. The budget of descriptors is one for
 * all shards.
 */
#ifndef FSB_PASSTHROUGH_INODE_H
#define FSB_PASSTHROUGH_INODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "hashtable.h"
#include "identity.h"

struct fsb_usage;
struct opened;
struct passthrough;

enum { INODE_SHARD_BITS = 4, INODE_SHARDS = 1 << INODE_SHARD_BITS };

/**
 * One host inode that the client knows, or that an open handle needs.
 *
 * @refs:    who holds the struct: the table (one), users, handles
 * @users:   calls in flight; while there are any the descriptor stays. Raised under the shard's
 * lock only
 * @nlookup: the client's lookup count, under the shard's lock
 * @fd:      O_PATH, or -1. Set under the shard's lock; a user may read it without
 * @writers: handles that are open for writing
 * @opened:  see opened.h; NULL before the first open
 * @slot:    where the shard's cache lists the descriptor, or SLOT_NONE: it has none, or one that is
 * not to be taken away
 *
 * A million of these are kept, so no field is wider than it has to be, and what only a mirror needs
 * (see state.h) lies behind the handle, where there is one.
 */
struct inode {
	uint64_t nodeid;
	uint64_t nlookup;
	struct hash_link by_id;
	struct hash_link by_identity;
	struct mount *mount;
	struct opened *_Atomic opened;
	atomic_uint refs;
	atomic_uint users;
	atomic_uint writers;
	atomic_int fd;
	uint32_t slot;
	int32_t handle_type;
	uint16_t type; /* S_IFMT of the mode */
	bool pinned;   /* the descriptor is the only way to it: no handle, or its last name is gone */
	bool gone;     /* no longer in the table */
	uint8_t length;
	/* What changes without the lock lies apart: compilers read several of the above at once. */
	_Alignas(8) atomic_bool used; /* since the clock's hand came by */
	/* of a directory: the name that was looked up last was known, so the next one may be too */
	atomic_bool children_known;
	/* it was seen with several names: which of them the handle leads by is not told */
	atomic_bool linked;
	unsigned char bytes[]; /* the handle */
};

#define SLOT_NONE UINT32_MAX

/** Its slot in the mirror, 0 for none; only where there is a mirror. */
static inline uint32_t inode_mirror(const struct inode *inode)
{
	uint32_t slot;

	memcpy(&slot, inode->bytes + inode->length, sizeof(slot));
	return slot;
}

static inline void inode_set_mirror(struct inode *inode, uint32_t slot)
{
	memcpy(inode->bytes + inode->length, &slot, sizeof(slot));
}

/**
 * Those of a shard's descriptors that may be taken away, in a ring that the clock's hand goes
 * round.
 */
struct fdcache {
	struct inode **slots;
	uint32_t count;
	uint32_t capacity;
	uint32_t hand;
};

struct inode_shard {
	pthread_mutex_t lock;
	struct hashtable by_id;
	struct hashtable by_identity;
	struct fdcache cache;
	uint64_t next;
	uint64_t lookups; /* the sum of the lookup counts */
} __attribute__((aligned(64)));

/**
 * @fds:    descriptors that inodes hold
 * @cached: those of them that are in a shard's cache
 * @nameless: inodes whose descriptor is the only way to them since their last name went
 * @exhausted: that there are none left has been told
 */
struct inode_table {
	struct inode *root;
	unsigned int max_fds;
	atomic_uint fds;
	atomic_uint cached;
	atomic_uint nameless;
	atomic_bool exhausted;
	struct inode_shard shards[INODE_SHARDS];
};

/**
 * Make the table with the root, which takes over @root_fd (O_PATH). @max_fds: the budget for all.
 */
int inodes_init(struct passthrough *pt, int root_fd, unsigned int max_fds);
/** Free everything. No user may be left. */
void inodes_clear(struct passthrough *pt);
/** The client is gone: all lookup counts become 0. */
void inodes_forget_all(struct passthrough *pt);

/** Use the inode of a nodeid. Return: 0; -ESTALE for one that the client does not hold. */
int inode_get(struct passthrough *pt, uint64_t nodeid, struct inode **inode);
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
 * The O_PATH descriptor of an inode in use, opened by its handle when it has none now (which wears
 * the server's credentials). Borrowed, valid until inode_put(). Return: the descriptor, or a
 * negative errno: -ESTALE when the file is gone.
 */
int inode_fd(struct passthrough *pt, struct inode *inode);

/**
 * Open an inode by its handle, if its mount has such, as whoever is worn: who needs
 * CAP_DAC_READ_SEARCH. Return: the descriptor, or a negative errno.
 */
int inode_open_handle(struct passthrough *pt, const struct inode *inode, int flags);

/**
 * The inode of what @fd (O_PATH) is open on, with its lookup count raised by one: found, or made.
 * It is in use as after inode_get().
 * @fd: taken over in any case
 * @type: S_IFMT of its mode
 * Return: 0, or 1 when the inode had a descriptor already; -ENOMEM; -ENFILE when the inode needs a
 * descriptor of its own and there is none to be had.
 */
int inode_lookup(struct passthrough *pt, int fd, mode_t type, struct inode **inode);
/**
 * The same by a descriptor that is open for real and stays the caller's. @unnamed: the inode gets
 * one of its own at once.
 */
int inode_lookup_opened(struct passthrough *pt, int fd, mode_t type, bool unnamed,
			struct inode **inode);

/**
 * Look an identity up once more if the client knows it and it has a descriptor, which is used until
 * inode_put(). Return: the inode in use, its lookup count one higher; or NULL.
 */
struct inode *inode_lookup_again(struct passthrough *pt, const struct identity *identity);

/**
 * Before anything runs: put back an inode that the client knows from before, whose mount is taken
 * over if that succeeds. @slot: of the mirror
 * Return: 0; -EINVAL when such an identity cannot have this number; -EEXIST for a second one;
 * -ENOMEM.
 */
int inodes_restore(struct passthrough *pt, struct identity *identity, uint64_t nodeid,
		   uint64_t nlookup, mode_t type, uint32_t slot);

/** Use the inode of an identity if the client knows it. Return: the inode in use, or NULL. */
struct inode *inode_find(struct passthrough *pt, const struct identity *identity);

/** Its descriptor is (no longer) the only way to it. The inode is in use and has a descriptor. */
void inode_pin(struct passthrough *pt, struct inode *inode, bool pinned);

/**
 * Its names have changed: pin the descriptor if there is none left, and no longer if there is one.
 * The inode is in use.
 */
void inode_settle(struct passthrough *pt, struct inode *inode);

/** Lower the lookup count. Unknown nodeids are ignored. */
void inode_forget(struct passthrough *pt, uint64_t nodeid, uint64_t nlookup);

/**
 * A system call that makes a descriptor failed with @err, for the (@attempts + 1)th time. If that
 * is for want of descriptors, close some that nobody uses. Return: whether it is worth another try.
 */
bool inodes_made_room(struct passthrough *pt, int err, unsigned int attempts);

/**
 * The descriptor that @call, a system call, makes: a full descriptor table is a matter of cached
 * descriptors first, and the client hears of it only when there are none. Value: the descriptor, or
 * a negative errno: -ENFILE, never -EMFILE.
 */
#define fd_with_room(pt, call)                                                         \
	({                                                                             \
		unsigned int room_attempts = 0;                                        \
		int room_fd, room_err;                                                 \
		do {                                                                   \
			room_fd = (call);                                              \
			room_err = room_fd < 0 ? errno : 0;                            \
		} while (room_err && inodes_made_room(pt, room_err, room_attempts++)); \
		room_err == EMFILE ? -ENFILE : room_err ? -room_err : room_fd;         \
	})

/** Add what the table holds beside the root. */
void inodes_usage(struct passthrough *pt, struct fsb_usage *usage);

/**
 * An inode in use, until the end of a scope: _cleanup_inode_ struct inode_use dir = { pt, NULL };
 */
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

/**
 * Use the inode of a nodeid and have its descriptor. Return: the descriptor (borrowed), or a
 * negative errno.
 */
int inode_use_fd(struct inode_use *use, uint64_t nodeid);

/* fdcache.c; the shard's lock is held */
/** List the descriptor of an inode as one that may be taken away. Return: 0; -ENOMEM. */
int fdcache_add(struct fdcache *cache, struct inode *inode);
/** No longer, if it was. */
void fdcache_remove(struct fdcache *cache, struct inode *inode);
/** An inode that nobody uses, nor has used of late, and no longer listed; or NULL. */
struct inode *fdcache_victim(struct fdcache *cache);
void fdcache_clear(struct fdcache *cache);

#endif
