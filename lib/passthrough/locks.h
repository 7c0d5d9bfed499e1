/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks on the host (locks=host). POSIX locks of a client's lock owner are OFD locks on an open
 * file description that he has for the inode; flock(2) locks are taken on the handle's own. Who has
 * to wait is put into a queue, and a thread, started at the first need, waits in place of the
 * workers.
 *
 * As on any host, a flock(2) lock that is converted is given up first, and nobody looks for
 * deadlocks between OFD locks: two clients that wait for each other wait until one is interrupted.
 */
#ifndef FSB_PASSTHROUGH_LOCKS_H
#define FSB_PASSTHROUGH_LOCKS_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "hashtable.h"

struct fsb_context;
struct passthrough;
struct handle;
struct inode;

/**
 * A lock owner of an inode, and his open file description.
 *
 * @fh:   the handle through which he asked last
 * @pid:  the process that he was then
 * @refs: under the table's lock: the table has one, each request another
 */
struct lock_owner {
	struct hash_link link;
	struct inode *inode;
	uint64_t owner;
	uint64_t fh;
	pid_t pid;
	int fd;
	unsigned int refs;
};

/**
 * What is asked of the host: of @owner's description, or, when it is NULL, by flock(2) of the
 * handle's.
 */
struct lock_request {
	struct handle *handle; /* in use */
	struct lock_owner *owner;
	struct flock range;
	int operation;
};

/** A request that waits. It leaves the queue, and is answered, by the thread alone. */
struct lock_wait {
	struct lock_wait *next;
	struct lock_request request;
	struct fsb_call *call;
	bool armed; /* the call is deferred, so that it may be answered */
	bool due;   /* to be tried */
	int ended;  /* 0, or what it ends with unless it has the lock */
};

struct lock_queue {
	struct lock_wait *first;
	struct lock_wait **last;
	unsigned int count;
	pthread_cond_t news; /* a wait came, is due or ended, or the thread shall stop */
	bool has_news;
	pthread_t thread;
	bool running;
	bool stop;
};

/** @descriptions: that owners have, each a descriptor */
struct lock_table {
	pthread_mutex_t lock;
	atomic_uint descriptions;
	struct hashtable owners; /* by inode */
	struct lock_queue queue;
};

int locks_init(struct lock_table *table);
/**
 * Drop every lock, and end the thread; waiters are answered with -EINTR. The table can be used
 * again.
 */
void locks_clear(struct passthrough *pt);

/**
 * For FLUSH: the POSIX locks that @owner has on @inode go. His waits stay: another thread of his
 * may wait through another descriptor, and Linux lets it.
 */
void locks_drop_owner(struct passthrough *pt, struct inode *inode, uint64_t owner);
/**
 * For RELEASE: the flock(2) lock of this open file goes, and whatever owners that asked through it
 * last have left: OFD locks of the client, of whose end no FLUSH tells. Waits end with -EBADF.
 */
void locks_drop_handle(struct passthrough *pt, struct handle *handle);

/* Between locks.c and lockqueue.c. */

/** Try without waiting. Return: 0; -EAGAIN when another lock is in the way; the host's errno. */
int lock_request_try(struct lock_request *request);
void lock_request_end(struct passthrough *pt, struct lock_request *request);

int lock_queue_init(struct lock_queue *queue);
/**
 * Put a request at the queue's end, taking it over, and defer its call. Return: FSB_DEFERRED;
 * -ENOLCK; -ENOMEM.
 */
int lock_queue_add(struct passthrough *pt, const struct fsb_context *ctx,
		   struct lock_request *request);
/** Whether somebody waits for a lock of this inode: who comes now goes behind him. */
bool lock_queue_holds(struct passthrough *pt, const struct inode *inode);
/** Locks of an inode were given up: whoever waits for one is tried. */
void lock_queue_wake(struct passthrough *pt, const struct inode *inode);
/** The waits of a handle end with -EBADF. */
void lock_queue_drop(struct passthrough *pt, const struct handle *handle);
/** End every wait with -EINTR, and the thread. */
void lock_queue_clear(struct passthrough *pt);

#endif
