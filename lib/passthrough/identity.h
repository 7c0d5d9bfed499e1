/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tells one host inode from every other, also over reuse of its number: its file handle, and the mount that it was
 * reached over. Where the host file system has no handles that can be opened again, device, number and birth time do,
 * and the inode must then be pinned by a descriptor.
 */
#ifndef FSB_PASSTHROUGH_IDENTITY_H
#define FSB_PASSTHROUGH_IDENTITY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct passthrough;
struct state_mount;

/** A mount of the host that inodes were reached over. Counted; its descriptor keeps the mount id from being reused. */
struct mount {
	struct mount *next;
	int id;
	int fd;          /* on the mount, for open_by_handle_at(); O_PATH when there are no handles */
	bool handles;    /* inodes can be opened again by their handle */
	bool foreign;    /* its file system is none of those of the host's own disks and memory: see is_foreign() */
	uint32_t number; /* of this mount in this passthrough, 0 for the root's */
	uint32_t refs;   /* under the lock of the list; the root's is never counted, and never goes */
	atomic_uint place; /* in the mirror, from 1; 0 for none; or MOUNT_UNPLACED. Never the root's */
};

#define MOUNT_UNPLACED UINT32_MAX

struct mount_list {
	pthread_mutex_t lock;
	struct mount *first;
	struct mount *root; /* never changes after start, so it is found without the lock */
	uint32_t next_number;
	_Atomic bool any_foreign; /* of those seen so far; never taken back */
};

enum { IDENTITY_MAX = 128 }; /* MAX_HANDLE_SZ */

struct identity {
	struct mount *mount; /* counted, the root's excepted */
	uint32_t length;
	int32_t type; /* the handle's type, or IDENTITY_BY_NUMBER */
	unsigned char bytes[IDENTITY_MAX];
};

#define IDENTITY_BY_NUMBER INT32_MIN

int mounts_init(struct passthrough *pt, int root_fd);
void mounts_clear(struct passthrough *pt);
void mount_put(struct passthrough *pt, struct mount *mount);

/**
 * Before anything runs: find a mount below the source again that the mirror has at @place. Counted for the caller.
 * Return: 0; -ENOMEM, -EMFILE, -ENFILE; another errno when it is not there, is another, or has no handles.
 */
int mount_restore(struct passthrough *pt, const struct state_mount *known, uint32_t place, struct mount **restored);

/**
 * The identity of what @fd (O_PATH is enough) is open on; its mount is counted for the caller, who gives it to an inode
 * or drops it by identity_clear(). Needs no privilege for mounts that are known; wears the server's credentials
 * for a new one.
 */
int identity_of_fd(struct passthrough *pt, int fd, struct identity *identity);

/** The same of a name in a directory, a symlink not followed. -ENODATA when it cannot be told without opening it. */
int identity_of_name(struct passthrough *pt, int dirfd, const char *name, struct identity *identity);

void identity_clear(struct passthrough *pt, struct identity *identity);

#endif
