// SPDX-License-Identifier: BSD-3-Clause
/*
 * Locks on the host: owners with their open file descriptions, and the operations that take, drop
 * and find locks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "passthrough.h"

/* ---- Owners ---- */

static uint64_t hash_pointer(const struct inode *inode)
{
	uint64_t hash = (uintptr_t)inode * 0x9e3779b97f4a7c15u;

	return hash ^ hash >> 32;
}

/* By inode alone, so that all owners of one are found in one chain. */
static uint64_t hash_owner(const struct hash_link *link)
{
	return hash_pointer(hash_entry(link, struct lock_owner, link)->inode);
}

/* The table's lock is held. */
static struct lock_owner *find_owner(struct lock_table *table, const struct inode *inode,
				     uint64_t owner)
{
	struct hash_link *link = hashtable_chain(&table->owners, hash_pointer(inode));

	for (; link; link = link->next) {
		struct lock_owner *found = hash_entry(link, struct lock_owner, link);
		if (found->inode == inode && found->owner == owner)
			return found;
	}
	return NULL;
}

static void owner_put(struct passthrough *pt, struct lock_owner *owner)
{
	pthread_mutex_lock(&pt->locks.lock);
	bool last = --owner->refs == 0;
	pthread_mutex_unlock(&pt->locks.lock);
	if (!last)
		return;
	/* His locks go with the description. */
	close(owner->fd);
	atomic_fetch_sub_explicit(&pt->locks.descriptions, 1, memory_order_relaxed);
	lock_queue_wake(pt, owner->inode);
	inode_release(pt, owner->inode);
	free(owner);
}

static struct lock_owner *owner_get(struct passthrough *pt, const struct inode *inode,
				    uint64_t number)
{
	pthread_mutex_lock(&pt->locks.lock);
	struct lock_owner *owner = find_owner(&pt->locks, inode, number);
	if (owner)
		owner->refs++;
	pthread_mutex_unlock(&pt->locks.lock);
	return owner;
}

/*
 * An open file description of an owner's own. Writable whatever the first lock is, as a later one
 * may have to be a write lock, and locks cannot move to another description; but an immutable file,
 * a running program or a read-only mount refuses that.
 */
static int open_description(struct passthrough *pt, const struct handle *handle)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
	if (err)
		return err;
	int fd =
		pt->config.read_only ? -EROFS : reopen(pt, handle->fd, handle->inode->type, O_RDWR);
	if (fd == -EACCES || fd == -EPERM || fd == -EROFS || fd == -ETXTBSY || fd == -EWOULDBLOCK)
		fd = reopen(pt, handle->fd, handle->inode->type, handle->flags & O_ACCMODE);
	return fd == -ENFILE ? -ENOLCK : fd;
}

static struct lock_owner *owner_new(struct handle *handle, uint64_t number, int fd)
{
	struct lock_owner *owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->inode = handle->inode;
	owner->owner = number;
	owner->fd = fd;
	owner->refs = 1;
	return owner;
}

/*
 * Find an owner or make him. Another thread of his may do the same: the first one in the table
 * counts.
 */
static int owner_get_or_make(struct passthrough *pt, struct handle *handle, uint64_t number,
			     struct lock_owner **owner)
{
	*owner = owner_get(pt, handle->inode, number);
	if (*owner)
		return 0;
	if (budget_check(pt) < 0)
		return -ENOLCK;
	_cleanup_fd_ int fd = open_description(pt, handle);
	if (fd < 0)
		return fd;
	_cleanup_free_ struct lock_owner *made = owner_new(handle, number, fd);
	if (!made)
		return -ENOMEM;
	int err = 0;
	pthread_mutex_lock(&pt->locks.lock);
	*owner = find_owner(&pt->locks, handle->inode, number);
	if (!*owner) {
		err = hashtable_insert(&pt->locks.owners, &made->link);
		if (!err) {
			inode_keep(made->inode);
			atomic_fetch_add_explicit(&pt->locks.descriptions, 1, memory_order_relaxed);
			*owner = made;
			made = NULL;
			fd = -1;
		}
	}
	if (!err)
		(*owner)->refs++;
	pthread_mutex_unlock(&pt->locks.lock);
	return err;
}

/*
 * All locks of a description that somebody else uses as well, so that closing it would come too
 * late.
 */
static void unlock_all(const struct lock_owner *owner)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	(void)fcntl(owner->fd, F_OFD_SETLK, &all);
}

/* ---- Requests ---- */

static int check_lock(const struct fsb_lock *lock)
{
	if (lock->type != F_RDLCK && lock->type != F_WRLCK && lock->type != F_UNLCK)
		return -EINVAL;
	return lock->end > INT64_MAX || lock->start > lock->end ? -EINVAL : 0;
}

/*
 * A client that keeps its locks itself was told so, and nothing would tell when those that it sends
 * all the same shall go.
 */
static int begin(struct passthrough *pt, uint64_t fh, const struct fsb_lock *lock,
		 struct handle **handle)
{
	if (pt->config.locks != FSB_LOCKS_HOST)
		return -ENOSYS;
	int err = handle_get(pt, fh, HANDLE_FILE, handle);
	return err ? err : check_lock(lock);
}

static struct flock range_of(const struct fsb_lock *lock)
{
	/* Length 0 is to the end, wherever that comes to be. */
	uint64_t length = lock->end == INT64_MAX ? 0 : lock->end - lock->start + 1;

	return (struct flock){
		.l_type = (short)lock->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)lock->start,
		.l_len = (off_t)length,
	};
}

/* As fcntl(2): who may not read gets no read lock, who may not write no write lock. */
static int check_access(const struct handle *handle, const struct fsb_lock *lock)
{
	int mode = handle->flags & O_ACCMODE;

	if (lock->type == F_RDLCK && mode == O_WRONLY)
		return -EBADF;
	return lock->type == F_WRLCK && mode == O_RDONLY ? -EBADF : 0;
}

static int flock_operation(const struct fsb_lock *lock)
{
	if (lock->type == F_UNLCK)
		return LOCK_UN;
	return lock->type == F_WRLCK ? LOCK_EX : LOCK_SH;
}

/*
 * Make a request of what the client wants. To drop the locks of an owner who has none is nothing to
 * ask of the host: @nothing.
 */
static int request_begin(struct passthrough *pt, uint64_t fh, const struct fsb_lock_owner *who,
			 const struct fsb_lock *lock, struct lock_request *request, bool *nothing)
{
	*request = (struct lock_request){ 0 };
	*nothing = false;
	int err = begin(pt, fh, lock, &request->handle);
	if (err)
		return err;
	if (who->flock) {
		request->operation = flock_operation(lock);
		return 0;
	}
	err = check_access(request->handle, lock);
	if (err)
		return err;
	request->range = range_of(lock);
	if (lock->type == F_UNLCK) {
		request->owner = owner_get(pt, request->handle->inode, who->owner);
		*nothing = !request->owner;
		return 0;
	}
	err = owner_get_or_make(pt, request->handle, who->owner, &request->owner);
	if (err)
		return err;
	pthread_mutex_lock(&pt->locks.lock);
	request->owner->fh = fh;
	request->owner->pid = lock->pid;
	pthread_mutex_unlock(&pt->locks.lock);
	return 0;
}

void lock_request_end(struct passthrough *pt, struct lock_request *request)
{
	if (request->owner)
		owner_put(pt, request->owner);
	if (request->handle)
		handle_put(pt, request->handle);
}

static int set_lock(struct lock_request *request, bool wait)
{
	int result;

	if (request->owner)
		result = fcntl(request->owner->fd, wait ? F_OFD_SETLKW : F_OFD_SETLK,
			       &request->range);
	else
		result = flock(request->handle->fd, request->operation | (wait ? 0 : LOCK_NB));
	if (result == 0)
		return 0;
	if (errno == EACCES || errno == EWOULDBLOCK)
		return -EAGAIN;
	/* The handle may, but the description could not be opened for it. */
	return errno == EBADF ? -ENOLCK : -errno;
}

int lock_request_try(struct lock_request *request)
{
	return set_lock(request, false);
}

/* ---- Operations ---- */

struct request_use {
	struct passthrough *pt;
	struct lock_request request;
};

static void request_use_end(struct request_use *use)
{
	lock_request_end(use->pt, &use->request);
}

#define _cleanup_request_ __attribute__((cleanup(request_use_end)))

/* A lock that was set may be less than what it replaces. */
static int set_and_wake(struct passthrough *pt, struct lock_request *request, bool wait)
{
	int err = set_lock(request, wait);

	if (!err)
		lock_queue_wake(pt, request->handle->inode);
	return err;
}

int passthrough_setlk(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, const struct fsb_lock_owner *owner, const struct fsb_lock *lock)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_request_ struct request_use use = { .pt = pt };
	bool nothing;
	int err = request_begin(pt, fh, owner, lock, &use.request, &nothing);

	(void)ctx, (void)nodeid;
	return err || nothing ? err : set_and_wake(pt, &use.request, false);
}

int passthrough_setlkw(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		       uint64_t fh, const struct fsb_lock_owner *owner, const struct fsb_lock *lock)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_request_ struct request_use use = { .pt = pt };
	bool nothing;
	int err = request_begin(pt, fh, owner, lock, &use.request, &nothing);

	(void)nodeid;
	if (err || nothing)
		return err;
	/* Called directly there is no call to answer later. */
	if (!ctx->call)
		return set_and_wake(pt, &use.request, true);
	if (lock->type == F_UNLCK || !lock_queue_holds(pt, use.request.handle->inode)) {
		err = set_and_wake(pt, &use.request, false);
		if (err != -EAGAIN)
			return err;
	}
	return lock_queue_add(pt, ctx, &use.request);
}

/*
 * The process that holds what was found, when it is one of this client's: the host tells a pid only
 * of POSIX locks. Whoever has nothing in his way where the lock lies has it himself. Where several
 * read, none is found.
 */
static pid_t find_holder(struct passthrough *pt, const struct inode *inode,
			 const struct flock *found)
{
	enum { MOST = 64 };
	struct lock_owner *owners[MOST];
	pid_t pids[MOST];
	unsigned int count = 0;

	pthread_mutex_lock(&pt->locks.lock);
	struct hash_link *link = hashtable_chain(&pt->locks.owners, hash_pointer(inode));
	for (; link && count < MOST; link = link->next) {
		struct lock_owner *owner = hash_entry(link, struct lock_owner, link);
		if (owner->inode != inode)
			continue;
		owner->refs++;
		pids[count] = owner->pid;
		owners[count++] = owner;
	}
	pthread_mutex_unlock(&pt->locks.lock);

	pid_t pid = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct flock probe = *found;
		probe.l_type = F_WRLCK;
		probe.l_pid = 0;
		if (!pid && fcntl(owners[i]->fd, F_OFD_GETLK, &probe) == 0 &&
		    probe.l_type == F_UNLCK)
			pid = pids[i];
		owner_put(pt, owners[i]);
	}
	return pid;
}

int passthrough_getlk(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, const struct fsb_lock_owner *who, struct fsb_lock *lock)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_request_ struct request_use use = { .pt = pt };
	int err = begin(pt, fh, lock, &use.request.handle);

	(void)ctx, (void)nodeid;
	if (err)
		return err;
	if (who->flock)
		return -EINVAL;
	const struct handle *handle = use.request.handle;
	use.request.owner = owner_get(pt, handle->inode, who->owner);
	struct flock range = range_of(lock);
	/*
	 * An owner without a description has no locks; nor has the handle's, so that it sees all of
	 * them. F_UNLCK asks for the owner's own ones (Linux 6.5).
	 */
	if (fcntl(use.request.owner ? use.request.owner->fd : handle->fd, F_OFD_GETLK, &range) < 0)
		return -errno;
	lock->type = range.l_type;
	if (range.l_type == F_UNLCK)
		return 0;
	lock->start = (uint64_t)range.l_start;
	lock->end =
		range.l_len == 0 ? INT64_MAX : (uint64_t)range.l_start + (uint64_t)range.l_len - 1;
	lock->pid = range.l_pid > 0 ? range.l_pid : find_holder(pt, handle->inode, &range);
	return 0;
}

/* ---- Dropping ---- */

void locks_drop_owner(struct passthrough *pt, struct inode *inode, uint64_t number)
{
	pthread_mutex_lock(&pt->locks.lock);
	struct lock_owner *owner = find_owner(&pt->locks, inode, number);
	bool in_use = owner && owner->refs > 1;
	if (in_use)
		owner->refs++;
	else if (owner)
		hashtable_remove(&pt->locks.owners, &owner->link);
	pthread_mutex_unlock(&pt->locks.lock);
	if (!owner)
		return;
	if (in_use) {
		unlock_all(owner);
		lock_queue_wake(pt, inode);
	}
	owner_put(pt, owner);
}

/* Take an owner who asked through @fh last out of the table, with the table's reference. */
static struct lock_owner *take_owner(struct passthrough *pt, const struct inode *inode, uint64_t fh)
{
	pthread_mutex_lock(&pt->locks.lock);
	struct hash_link *link = hashtable_chain(&pt->locks.owners, hash_pointer(inode));
	struct lock_owner *owner = NULL;
	for (; link && !owner; link = link->next)
		if (hash_entry(link, struct lock_owner, link)->inode == inode &&
		    hash_entry(link, struct lock_owner, link)->fh == fh)
			owner = hash_entry(link, struct lock_owner, link);
	if (owner)
		hashtable_remove(&pt->locks.owners, &owner->link);
	pthread_mutex_unlock(&pt->locks.lock);
	return owner;
}

void locks_drop_handle(struct passthrough *pt, struct handle *handle)
{
	struct lock_owner *owner;

	lock_queue_drop(pt, handle);
	while ((owner = take_owner(pt, handle->inode, handle->fh)) != NULL) {
		unlock_all(owner);
		owner_put(pt, owner);
	}
	/* Closing it would do, but that comes later, when nobody uses the handle any more. */
	(void)flock(handle->fd, LOCK_UN);
	lock_queue_wake(pt, handle->inode);
}

/* ---- Life ---- */

int locks_init(struct lock_table *table)
{
	pthread_mutex_init(&table->lock, NULL);
	hashtable_init(&table->owners, hash_owner);
	return lock_queue_init(&table->queue);
}

static struct lock_owner *take_any_owner(struct passthrough *pt)
{
	struct lock_owner *owner = NULL;

	pthread_mutex_lock(&pt->locks.lock);
	for (size_t i = 0; i < pt->locks.owners.nbuckets && !owner; i++)
		if (pt->locks.owners.buckets[i])
			owner = hash_entry(pt->locks.owners.buckets[i], struct lock_owner, link);
	if (owner)
		hashtable_remove(&pt->locks.owners, &owner->link);
	pthread_mutex_unlock(&pt->locks.lock);
	return owner;
}

void locks_clear(struct passthrough *pt)
{
	struct lock_owner *owner;

	lock_queue_clear(pt);
	while ((owner = take_any_owner(pt)) != NULL)
		owner_put(pt, owner);
}
