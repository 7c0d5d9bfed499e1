/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is remembered of an inode from its first open on: what it was like at the last one, so that
 * the client may keep what it has cached, and how its file is served while it is open. Most inodes
 * are never opened, and have none of this.
 */
#ifndef FSB_PASSTHROUGH_OPENED_H
#define FSB_PASSTHROUGH_OPENED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fsb_attr;
struct inode;

/**
 * @fh:         a handle of the file, that may still be open; 0: there was none
 * @seen:       size and ctime at the last open in one number; 0 when they tell nothing
 * @listed:     of a directory: when its names were last given to the client, in milliseconds
 *
 * Under the lock of backing.c:
 * @handles:    of the file, that are open
 * @id:         under which the file is registered with the client's kernel, while there are any; 0:
 * it is not
 * @privileged: it was registered for somebody whose writes leave set-id bits alone
 * @passed:     it was registered once
 */
struct opened {
	_Atomic uint64_t fh;
	_Atomic uint64_t seen;
	_Atomic uint32_t listed;
	uint32_t handles;
	int32_t id;
	bool privileged;
	atomic_bool passed;
};

/** That of an inode, made at the first call. Return: it, valid as long as the inode is; NULL
 * without memory. */
struct opened *opened_get(struct inode *inode);

/**
 * Whether the file or directory is as it was at the last call, by its present attributes, as far as
 * that can be told: not soon after its last change, which may go on, or hide a further one at the
 * same tick of the file system's clock. @foreign: that clock may not be ours.
 */
bool opened_unchanged(struct opened *opened, bool foreign, const struct fsb_attr *attr);

/** A clock in milliseconds for @listed. It wraps. */
uint32_t opened_clock(void);

#endif
