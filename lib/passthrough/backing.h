/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files whose bytes the client's kernel reads, writes and maps by itself (FUSE passthrough). The id
 * under which a file is registered for that belongs to its inode, and all handles that are open at
 * a time share it: the kernel refuses a file that is open in both ways at once, or by two ids.
 */
#ifndef FSB_PASSTHROUGH_BACKING_H
#define FSB_PASSTHROUGH_BACKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fsb_attr;
struct fsb_backing;
struct fsb_context;
struct fsb_open;
struct inode;
struct passthrough;

enum { BACKING_LOCKS = 16 };

/**
 * @files:   where to register them; NULL when that was not agreed on, and then nothing below is
 * used
 * @refused: the kernel does not let this process do it
 * @locks:   of what inodes keep about it; each of them has one
 */
struct backing {
	struct fsb_backing *files;
	atomic_bool refused;
	struct {
		pthread_mutex_t lock;
	} __attribute__((aligned(64))) locks[BACKING_LOCKS];
};

void backing_init(struct backing *backing);

/** Whether this passthrough would register files, if the client and the transport can. */
bool backing_possible(const struct passthrough *pt);

/**
 * Count a handle that is about to be made of @fd, open on the inode with these attributes, and
 * change its answer when the client's kernel shall serve it. The inode's opened_get() has
 * succeeded. Not inside a credentials scope.
 *
 * Return: 0; -EINVAL for O_DIRECT on a host file that does not have it; nothing is counted then.
 */
int backing_begin(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode,
		  const struct fsb_attr *attr, int fd, int flags, struct fsb_open *open);

/** The end of a handle that was counted. */
void backing_end(struct passthrough *pt, struct inode *inode);

/**
 * How long the client may believe attributes of an inode. What it maps of a file that it serves by
 * itself changes times that nobody tells it of.
 */
uint64_t backing_attr_timeout(const struct passthrough *pt, struct inode *inode);

/** Whether the client's kernel may write to it by itself, so that no write is going to clear its
 * set-id bits as for the one who writes. */
bool backing_is_written(struct passthrough *pt, struct inode *inode);

#endif
