// SPDX-License-Identifier: BSD-3-Clause
/*
 * Files whose bytes the client's kernel reads and writes by itself.
 *
 * The kernel acts as the thread that registers the file, CAP_SYS_ADMIN included: so only files of
 * file systems that do not ask for it. That is the server, or whoever it wears already: with
 * CAP_FSETID for a client's root, whose writes leave set-id bits alone; without it for all others,
 * so that the host clears them. Somebody of the other kind who opens the file for writing meanwhile
 * is answered FSB_OPEN_DIRECT_IO beside the id: mappings go to the host's file as those of the
 * others do, reads and writes come to the server.
 *
 * The client's kernel counts opens and closes before the server hears of them, so that what is open
 * here is never less than there: an inode changes between the two ways of being served only while
 * it is not open at all. A mapping may outlive the handle that it was made by, with nothing to tell
 * the server. So a file that was registered once always is, until the client forgets it, which it
 * does not as long as the mapping is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "passthrough.h"

#define NSEC_PER_SEC 1000000000u

/* Bytes of a file that is only read. */
#define PAYS_FROM (64 * 1024)

void backing_init(struct backing *backing)
{
	for (unsigned int i = 0; i < BACKING_LOCKS; i++)
		pthread_mutex_init(&backing->locks[i].lock, NULL);
}

static pthread_mutex_t *lock_of(struct passthrough *pt, const struct inode *inode)
{
	return &pt->backing.locks[inode->nodeid % BACKING_LOCKS].lock;
}

bool backing_possible(const struct passthrough *pt)
{
	return pt->config.backing != FSB_BACKING_OFF && !pt->config.writeback &&
	       !pt->config.no_open && !pt->mirror && credentials_can_register(&pt->own);
}

/* ---- Who writes ---- */

/* As the client's kernel says of each write that it sends: its root's leave set-id bits alone. */
static bool is_privileged(const struct fsb_context *ctx)
{
	return ctx->uid == 0;
}

static bool is_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* Whether its set-group-id bit stays or goes by the groups of the one who writes, which differ from
 * one to the other. */
static bool depends_on_groups(const struct fsb_context *ctx, const struct fsb_attr *attr, int flags)
{
	return is_writing(flags) && !is_privileged(ctx) &&
	       (attr->mode & (S_ISGID | S_IXGRP)) == S_ISGID;
}

/*
 * Root's writes leave set-id bits alone, so the client's kernel would have to ask for them to be
 * cleared when another writes by root's descriptor, in a request that does not differ from a
 * stranger's chown(2) that changes nothing.
 */
static bool keeps_set_id(const struct fsb_context *ctx, const struct fsb_attr *attr, int flags)
{
	return is_writing(flags) && is_privileged(ctx) && (attr->mode & (S_ISUID | S_ISGID));
}

static bool is_direct(const struct passthrough *pt, int flags)
{
	return (flags & O_DIRECT) && !pt->config.direct_io;
}

/* ---- Registering ---- */

/*
 * Each write is a round trip otherwise, and so is each read where the client caches nothing. What
 * it does cache it reads faster when it opens the file the next time, as registering takes some
 * microseconds; but the first time it has to fetch it, and to copy it once more. See
 * docs/architecture.md for what that comes to.
 */
static bool is_worth_it(const struct passthrough *pt, const struct fsb_attr *attr, int flags)
{
	return pt->config.backing == FSB_BACKING_ON || is_writing(flags) ||
	       pt->config.cache == FSB_CACHE_NONE || pt->config.attr_timeout_ns == 0 ||
	       attr->size >= PAYS_FROM;
}

static bool is_wanted(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode,
		      const struct fsb_attr *attr, int flags)
{
	if (!S_ISREG(inode->type) || inode->mount->foreign ||
	    atomic_load_explicit(&pt->backing.refused, memory_order_relaxed))
		return false;
	if (atomic_load_explicit(&opened_get(inode)->passed, memory_order_relaxed))
		return true;
	return !is_direct(pt, flags) && !depends_on_groups(ctx, attr, flags) &&
	       !keeps_set_id(ctx, attr, flags) && is_worth_it(pt, attr, flags);
}

static void note_refusal(struct passthrough *pt, int err)
{
	if (err == -EPERM && !atomic_exchange(&pt->backing.refused, true))
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: the kernel does not let files be registered; all are "
			  "served by this process");
}

/* In client mode a thread is the server mostly, and a change costs more than it is worth for a
 * reader. */
static bool is_registered_privileged(const struct passthrough *pt, const struct fsb_context *ctx,
				     int flags)
{
	return is_privileged(ctx) ||
	       (pt->config.permissions == FSB_PERMISSIONS_CLIENT && !is_writing(flags));
}

/* Return: the id, or 0 for a file that cannot be registered. */
static int register_file(struct passthrough *pt, const struct fsb_context *ctx, int fd,
			 bool privileged)
{
	_cleanup_worn_ struct worn worn = { 0 };
	unsigned int how = WEAR_SERVER | WEAR_REGISTER | (privileged ? 0 : WEAR_KILL);

	if (credentials_wear(pt, ctx, how, &worn) != 0)
		return 0;
	int id = pt->backing.files->open(pt->backing.files, fd);
	if (id < 0)
		note_refusal(pt, id);
	return id > 0 ? id : 0;
}

static void unregister_file(struct passthrough *pt, int id)
{
	_cleanup_worn_ struct worn worn = { 0 };

	/* After the end of the connection it is gone already. */
	if (credentials_wear(pt, NULL, WEAR_ANYBODY | WEAR_REGISTER, &worn) == 0)
		(void)pt->backing.files->close(pt->backing.files, id);
}

/* ---- Handles ---- */

/* The kernel opens the host's file with the client's flags: what it would refuse must be refused
 * here, where the error is told. */
static bool takes_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0 &&
	       fcntl(fd, F_SETFL, flags) == 0;
}

static void answer(const struct passthrough *pt, const struct fsb_context *ctx,
		   const struct opened *opened, const struct fsb_attr *attr, int flags,
		   struct fsb_open *open)
{
	bool like_others = !is_writing(flags) || opened->privileged == is_privileged(ctx);

	open->backing_id = opened->id;
	open->flags = FSB_OPEN_PASSTHROUGH | (open->flags & FSB_OPEN_NOFLUSH);
	if (!like_others || is_direct(pt, flags) || depends_on_groups(ctx, attr, flags) ||
	    keeps_set_id(ctx, attr, flags))
		open->flags |= FSB_OPEN_DIRECT_IO | FSB_OPEN_PARALLEL_DIRECT_WRITES;
}

static int begin(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode,
		 const struct fsb_attr *attr, int fd, int flags, struct fsb_open *open)
{
	struct opened *opened = opened_get(inode);

	if (opened->handles == 0 && is_wanted(pt, ctx, inode, attr, flags)) {
		opened->privileged = is_registered_privileged(pt, ctx, flags);
		opened->id = register_file(pt, ctx, fd, opened->privileged);
	}
	if (opened->id > 0) {
		if (is_direct(pt, flags) && !takes_direct(fd))
			return -EINVAL;
		atomic_store_explicit(&opened->passed, true, memory_order_relaxed);
		answer(pt, ctx, opened, attr, flags, open);
	} else if (atomic_load_explicit(&opened->passed, memory_order_relaxed)) {
		/* Written past what the client has cached. */
		open->flags &= ~FSB_OPEN_KEEP_CACHE;
	}
	return 0;
}

static void end(struct passthrough *pt, struct opened *opened)
{
	if (opened->handles > 0 || opened->id == 0)
		return;
	unregister_file(pt, opened->id);
	opened->id = 0;
}

int backing_begin(struct passthrough *pt, const struct fsb_context *ctx, struct inode *inode,
		  const struct fsb_attr *attr, int fd, int flags, struct fsb_open *open)
{
	if (!pt->backing.files)
		return 0;
	pthread_mutex_lock(lock_of(pt, inode));
	int err = begin(pt, ctx, inode, attr, fd, flags, open);
	if (err)
		end(pt, opened_get(inode));
	else
		opened_get(inode)->handles++;
	pthread_mutex_unlock(lock_of(pt, inode));
	return err;
}

void backing_end(struct passthrough *pt, struct inode *inode)
{
	if (!pt->backing.files)
		return;
	pthread_mutex_lock(lock_of(pt, inode));
	opened_get(inode)->handles--;
	end(pt, opened_get(inode));
	pthread_mutex_unlock(lock_of(pt, inode));
}

/* ---- What follows from it ---- */

uint64_t backing_attr_timeout(const struct passthrough *pt, struct inode *inode)
{
	uint64_t timeout_ns = pt->config.attr_timeout_ns;
	struct opened *opened = atomic_load_explicit(&inode->opened, memory_order_acquire);

	if (opened && atomic_load_explicit(&opened->passed, memory_order_relaxed) &&
	    timeout_ns > NSEC_PER_SEC)
		return NSEC_PER_SEC;
	return timeout_ns;
}

bool backing_is_written(struct passthrough *pt, struct inode *inode)
{
	struct opened *opened = atomic_load_explicit(&inode->opened, memory_order_acquire);

	if (!pt->backing.files || !opened)
		return false;
	pthread_mutex_lock(lock_of(pt, inode));
	bool written = opened->id > 0 && inode_is_written(inode);
	pthread_mutex_unlock(lock_of(pt, inode));
	return written;
}
