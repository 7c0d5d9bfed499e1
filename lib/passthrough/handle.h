/* SPDX-License-Identifier: BSD-3-Clause */
/* The handle table: fh -> open file or directory. Handle numbers are never reused; 0 is none. */
#ifndef FSB_PASSTHROUGH_HANDLE_H
#define FSB_PASSTHROUGH_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hashtable.h"
#include "inode.h"

struct passthrough;

/** Where a directory handle stands; see directory.c. */
struct dirstream {
	pthread_mutex_t lock;
	uint64_t next;       /* the cookie of the first entry left in @buffer, or, if none is, of where the descriptor stands */
	uint64_t difference; /* see ino_difference() */
	bool begun;          /* the descriptor does not stand at the beginning any more */
	size_t start;        /* what is left in @buffer */
	size_t end;
	char *buffer;
};

/**
 * An open file or directory.
 *
 * @refs:  the table holds one, each use another
 * @flags: the client's open(2) flags, as far as they changed since
 * @dir:   NULL for files
 * @file:  no directory; counted by backing_begin()
 * @fd:    -1 for one of a former process that nobody has used since; then @inode is NULL for one whose inode is lost
 * @mirror: its slot in the mirror, 0 for none, or none any more; under the shard's lock
 */
struct handle {
	struct hash_link link;
	uint64_t fh;
	struct inode *inode;
	struct dirstream *dir;
	atomic_int fd;
	atomic_int flags;
	atomic_uint refs;
	uint32_t mirror;
	bool file;
};

enum { HANDLE_SHARDS = 16 };

struct handle_shard {
	pthread_mutex_t lock;
	struct hashtable table;
	uint64_t next;
} __attribute__((aligned(64)));

/**
 * @open:      handles, those included that were closed and are still in use
 * @reopening: of handles of a former process, one at a time
 */
struct handle_table {
	struct handle_shard shards[HANDLE_SHARDS];
	atomic_uint turn;
	atomic_uint open;
	pthread_mutex_t reopening;
};

enum handle_type { HANDLE_FILE, HANDLE_DIRECTORY };

void handles_init(struct handle_table *table, uint64_t first_id);
/** Close every handle. No use may be left. */
void handles_clear(struct passthrough *pt);
uint64_t handles_count(struct passthrough *pt);

/** Make a handle of an open descriptor, which it takes over in any case, and for a file with what backing_begin() counted; keeps @inode, which is in use. */
int handle_new(struct passthrough *pt, struct inode *inode, int fd, int flags, enum handle_type type, uint64_t *fh);
/**
 * Before anything runs: put back a handle that the client has from before. It is opened at its first use. @mirror: its slot
 * Return: 0; -EEXIST for a second one; -ENOMEM.
 */
int handle_restore(struct passthrough *pt, uint64_t fh, uint64_t nodeid, int flags, enum handle_type type, uint32_t mirror);
/**
 * Use a handle. Not inside a credentials scope, as it may have to be opened again. Return: 0; -EBADF for an unknown one, or one of another
 * type; -ESTALE for one of a former process whose file is gone, or what opening it gave.
 */
int handle_get(struct passthrough *pt, uint64_t fh, enum handle_type type, struct handle **handle);
/** Use a handle of either type. */
int handle_get_any(struct passthrough *pt, uint64_t fh, struct handle **handle);
void handle_put(struct passthrough *pt, struct handle *handle);
/** Take it out of the table; its descriptor is closed at the end of the last use. -EBADF for an unknown one. */
int handle_close(struct passthrough *pt, uint64_t fh, enum handle_type type);

/** A handle in use, until the end of a scope: _cleanup_handle_ struct handle_use use = { pt, NULL }; */
struct handle_use {
	struct passthrough *pt;
	struct handle *handle;
};

static inline void handle_use_end(struct handle_use *use)
{
	if (use->handle)
		handle_put(use->pt, use->handle);
}

#define _cleanup_handle_ __attribute__((cleanup(handle_use_end)))

#endif
