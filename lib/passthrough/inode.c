// SPDX-License-Identifier: BSD-3-Clause
/* The inode table: nodeid -> host inode, with lookup counts. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "passthrough.h"

/* ---- Hashes ---- */

static uint64_t hash_id(const struct hash_link *link)
{
	return hash_entry(link, struct inode, by_id)->nodeid >> INODE_SHARD_BITS;
}

static uint64_t hash_bytes(const struct mount *mount, int32_t type, const unsigned char *bytes,
			   size_t length)
{
	uint64_t hash = (uint64_t)mount->number << 32 ^ (uint32_t)type ^ length;

	for (size_t i = 0; i < length; i += 8) {
		uint64_t word = 0;
		memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash ^ hash >> 32;
}

static uint64_t hash_identity_of(const struct identity *identity)
{
	return hash_bytes(identity->mount, identity->type, identity->bytes, identity->length);
}

static uint64_t hash_inode(const struct inode *inode)
{
	return hash_bytes(inode->mount, inode->handle_type, inode->bytes, inode->length);
}

/* The shard took the low bits. */
static uint64_t hash_identity(const struct hash_link *link)
{
	return hash_inode(hash_entry(link, struct inode, by_identity)) >> INODE_SHARD_BITS;
}

static bool same(const struct inode *inode, const struct identity *identity)
{
	return inode->mount == identity->mount && inode->handle_type == identity->type &&
	       inode->length == identity->length &&
	       memcmp(inode->bytes, identity->bytes, identity->length) == 0;
}

/* ---- Life of the struct ---- */

static struct inode *inode_new(const struct passthrough *pt, const struct identity *identity,
			       mode_t type)
{
	size_t mirror = pt->mirror ? sizeof(uint32_t) : 0;
	struct inode *inode = calloc(1, offsetof(struct inode, bytes) + identity->length + mirror);
	if (!inode)
		return NULL;
	inode->mount = identity->mount;
	inode->handle_type = identity->type;
	inode->length = (uint8_t)identity->length;
	memcpy(inode->bytes, identity->bytes, identity->length);
	inode->type = (uint16_t)(type & S_IFMT);
	inode->pinned = !identity->mount->handles;
	inode->slot = SLOT_NONE;
	atomic_init(&inode->fd, -1);
	atomic_init(&inode->refs, 1);
	return inode;
}

static void unref(struct passthrough *pt, struct inode *inode)
{
	if (atomic_fetch_sub_explicit(&inode->refs, 1, memory_order_acq_rel) != 1)
		return;
	int fd = atomic_load_explicit(&inode->fd, memory_order_relaxed);
	if (fd >= 0) {
		atomic_fetch_sub_explicit(&pt->inodes.fds, 1, memory_order_relaxed);
		close(fd);
	}
	mount_put(pt, inode->mount);
	free(atomic_load_explicit(&inode->opened, memory_order_relaxed));
	free(inode);
}

static struct inode_shard *shard_of_hash(struct passthrough *pt, uint64_t hash)
{
	return &pt->inodes.shards[hash & (INODE_SHARDS - 1)];
}

static struct inode_shard *shard_of_id(struct passthrough *pt, uint64_t nodeid)
{
	return &pt->inodes.shards[nodeid & (INODE_SHARDS - 1)];
}

/* ---- Finding; the shard's lock is held ---- */

static struct inode *find_id(struct inode_shard *shard, uint64_t nodeid)
{
	struct hash_link *link = hashtable_chain(&shard->by_id, nodeid >> INODE_SHARD_BITS);

	for (; link; link = link->next)
		if (hash_entry(link, struct inode, by_id)->nodeid == nodeid)
			return hash_entry(link, struct inode, by_id);
	return NULL;
}

static struct inode *find_identity(struct inode_shard *shard, uint64_t hash,
				   const struct identity *identity)
{
	struct hash_link *link = hashtable_chain(&shard->by_identity, hash >> INODE_SHARD_BITS);

	for (; link; link = link->next)
		if (same(hash_entry(link, struct inode, by_identity), identity))
			return hash_entry(link, struct inode, by_identity);
	return NULL;
}

static void start_use(struct inode *inode)
{
	atomic_fetch_add_explicit(&inode->refs, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&inode->users, 1, memory_order_relaxed);
}

/* ---- Use ---- */

int inode_get(struct passthrough *pt, uint64_t nodeid, struct inode **inode)
{
	if (nodeid == FSB_ROOT_NODEID) {
		*inode = pt->inodes.root;
		start_use(*inode);
		return 0;
	}
	struct inode_shard *shard = shard_of_id(pt, nodeid);
	pthread_mutex_lock(&shard->lock);
	*inode = find_id(shard, nodeid);
	if (*inode)
		start_use(*inode);
	pthread_mutex_unlock(&shard->lock);
	return *inode ? 0 : -ESTALE;
}

void inode_put(struct passthrough *pt, struct inode *inode)
{
	atomic_fetch_sub_explicit(&inode->users, 1, memory_order_release);
	unref(pt, inode);
}

void inode_keep(struct inode *inode)
{
	atomic_fetch_add_explicit(&inode->refs, 1, memory_order_relaxed);
}

void inode_release(struct passthrough *pt, struct inode *inode)
{
	unref(pt, inode);
}

/* ---- Descriptors ---- */

/* What a file said of it is true: nothing special is ever taken for a regular file. */
static bool is_of_type(int fd, mode_t type)
{
	struct statx stx;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) == 0 &&
	       (stx.stx_mode & S_IFMT) == type;
}

int inode_open_handle(struct passthrough *pt, const struct inode *inode, int flags)
{
	enum { ATTEMPTS = 16 };
	struct {
		struct file_handle handle;
		unsigned char bytes[IDENTITY_MAX];
	} space;

	space.handle.handle_bytes = inode->length;
	space.handle.handle_type = inode->handle_type;
	memcpy((char *)&space + offsetof(struct file_handle, f_handle), inode->bytes,
	       inode->length);
	/*
	 * ENOMEM is also what ext4 says of a number that a new file is getting at this moment: a
	 * little later the handle is seen to be of another file.
	 */
	int fd = -ENOMEM;
	for (unsigned int attempts = 0; attempts < ATTEMPTS && fd == -ENOMEM; attempts++) {
		if (attempts > 0)
			sched_yield();
		fd = fd_with_room(pt, open_by_handle_at(inode->mount->fd, &space.handle,
							flags | O_NOFOLLOW | O_CLOEXEC));
	}
	return fd;
}

static int open_handle(struct passthrough *pt, const struct inode *inode)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER | WEAR_KEEP, &worn);

	/* O_NOFOLLOW: a symlink's handle opens the symlink itself. */
	int fd = err ? err : inode_open_handle(pt, inode, O_PATH);
	if (fd < 0 || !pt->state || is_of_type(fd, inode->type))
		return fd;
	close(fd);
	return -ESTALE;
}

/* Known to the client, and only a descriptor leads to it since its last name went. */
static bool is_nameless(const struct inode *inode)
{
	return inode->pinned && inode->mount->handles && !inode->gone;
}

static void count_nameless(struct passthrough *pt, bool before, bool now)
{
	if (before != now)
		atomic_fetch_add_explicit(&pt->inodes.nameless, now ? 1u : -1u,
					  memory_order_relaxed);
}

/* List an inode's descriptor as one that may be taken away, if it is; the shard's lock is held. */
static int list_fd(struct passthrough *pt, struct inode_shard *shard, struct inode *inode)
{
	if (inode->pinned || inode->gone)
		return 0;
	int err = fdcache_add(&shard->cache, inode);
	if (!err)
		atomic_fetch_add_explicit(&pt->inodes.cached, 1, memory_order_relaxed);
	return err;
}

static void unlist_fd(struct passthrough *pt, struct inode_shard *shard, struct inode *inode)
{
	if (inode->slot == SLOT_NONE)
		return;
	fdcache_remove(&shard->cache, inode);
	atomic_fetch_sub_explicit(&pt->inodes.cached, 1, memory_order_relaxed);
}

/* Give an inode @fd unless it has one; the shard's lock is held. Return: whether it was taken. */
static bool adopt_fd(struct passthrough *pt, struct inode_shard *shard, struct inode *inode, int fd)
{
	if (atomic_load_explicit(&inode->fd, memory_order_relaxed) >= 0 ||
	    list_fd(pt, shard, inode) < 0)
		return false;
	atomic_fetch_add_explicit(&pt->inodes.fds, 1, memory_order_relaxed);
	atomic_store_explicit(&inode->fd, fd, memory_order_release);
	return true;
}

/*
 * Take one descriptor that nobody uses from its inode. Return: it, to be closed outside of the
 * lock; -1.
 */
static int evict(struct passthrough *pt, struct inode_shard *shard)
{
	int fd = -1;

	pthread_mutex_lock(&shard->lock);
	struct inode *victim = fdcache_victim(&shard->cache);
	if (victim) {
		fd = atomic_load_explicit(&victim->fd, memory_order_relaxed);
		atomic_store_explicit(&victim->fd, -1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&pt->inodes.cached, 1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&pt->inodes.fds, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&shard->lock);
	return fd;
}

/* Close one that nobody uses, of this shard if there is one. Return: whether there was any. */
static bool close_one(struct passthrough *pt, struct inode_shard *shard)
{
	size_t first = (size_t)(shard - pt->inodes.shards);
	int fd = -1;

	for (size_t i = 0; i < INODE_SHARDS && fd < 0; i++) {
		if (atomic_load_explicit(&pt->inodes.cached, memory_order_relaxed) == 0)
			return false;
		fd = evict(pt, &pt->inodes.shards[(first + i) % INODE_SHARDS]);
	}
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool over_budget(const struct passthrough *pt)
{
	return atomic_load_explicit(&pt->inodes.fds, memory_order_relaxed) > pt->inodes.max_fds;
}

/*
 * Back to the budget, as far as descriptors are not in use. The shard that got one gives one, so
 * that none runs dry.
 */
static void trim(struct passthrough *pt, struct inode_shard *shard)
{
	while (over_budget(pt) && close_one(pt, shard))
		;
}

static void tell_exhaustion(struct passthrough *pt)
{
	if (!atomic_exchange_explicit(&pt->inodes.exhausted, true, memory_order_relaxed))
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: no descriptors are left: requests that need one fail with "
			  "ENFILE until files are closed or forgotten; raise RLIMIT_NOFILE");
}

/*
 * A client that removes many files at once may be faster than its own FORGETs, which come later and
 * by another thread: until then each of those files needs its descriptor.
 */
static bool may_wait_for_forgets(struct passthrough *pt, unsigned int attempts)
{
	enum { MILLISECONDS = 2000 };
	const struct timespec millisecond = { .tv_nsec = 1000000 };

	if (attempts >= MILLISECONDS ||
	    atomic_load_explicit(&pt->inodes.nameless, memory_order_relaxed) == 0)
		return false;
	nanosleep(&millisecond, NULL);
	return true;
}

bool inodes_made_room(struct passthrough *pt, int err, unsigned int attempts)
{
	enum { SOME = 32, RACES = 4 };
	unsigned int closed = 0;

	if (err != EMFILE && err != ENFILE)
		return false;
	while (closed < SOME && close_one(pt, &pt->inodes.shards[closed % INODE_SHARDS]))
		closed++;
	/* Where there was nothing to close, another thread may have closed it just before. */
	if (attempts == 0 || (closed > 0 && attempts < RACES) || may_wait_for_forgets(pt, attempts))
		return true;
	tell_exhaustion(pt);
	return false;
}

int inode_fd(struct passthrough *pt, struct inode *inode)
{
	int fd = atomic_load_explicit(&inode->fd, memory_order_acquire);

	if (fd >= 0) {
		/*
		 * Written only when it changes anything: the line stays shared between the cores.
		 */
		if (!atomic_load_explicit(&inode->used, memory_order_relaxed))
			atomic_store_explicit(&inode->used, true, memory_order_relaxed);
		return fd;
	}
	_cleanup_fd_ int opened = open_handle(pt, inode);
	if (opened < 0)
		return opened;
	struct inode_shard *shard = shard_of_id(pt, inode->nodeid);
	pthread_mutex_lock(&shard->lock);
	if (adopt_fd(pt, shard, inode, opened))
		opened = -1;
	fd = atomic_load_explicit(&inode->fd, memory_order_relaxed);
	pthread_mutex_unlock(&shard->lock);
	trim(pt, shard);
	return fd < 0 ? -ENOMEM : fd;
}

int inode_use_fd(struct inode_use *use, uint64_t nodeid)
{
	int err = inode_get(use->pt, nodeid, &use->inode);

	return err ? err : inode_fd(use->pt, use->inode);
}

/* The shard's lock is held. */
static void set_pinned(struct passthrough *pt, struct inode_shard *shard, struct inode *inode,
		       bool pinned)
{
	bool was_nameless = is_nameless(inode);

	inode->pinned = pinned || !inode->mount->handles;
	if (inode->pinned)
		unlist_fd(pt, shard, inode);
	else if (inode->slot == SLOT_NONE &&
		 atomic_load_explicit(&inode->fd, memory_order_relaxed) >= 0)
		inode->pinned = list_fd(pt, shard, inode) < 0;
	count_nameless(pt, was_nameless, is_nameless(inode));
}

void inode_pin(struct passthrough *pt, struct inode *inode, bool pinned)
{
	struct inode_shard *shard = shard_of_id(pt, inode->nodeid);

	if (inode == pt->inodes.root)
		return;
	pthread_mutex_lock(&shard->lock);
	set_pinned(pt, shard, inode, pinned);
	pthread_mutex_unlock(&shard->lock);
}

void inode_settle(struct passthrough *pt, struct inode *inode)
{
	struct inode_shard *shard = shard_of_id(pt, inode->nodeid);
	struct statx stx;

	if (inode == pt->inodes.root)
		return;
	/*
	 * Asked under the lock, so that of two names that go at once the last has the last word.
	 * What this host did is known here.
	 */
	pthread_mutex_lock(&shard->lock);
	int fd = atomic_load_explicit(&inode->fd, memory_order_relaxed);
	if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_NLINK, &stx) == 0)
		set_pinned(pt, shard, inode, stx.stx_nlink == 0);
	pthread_mutex_unlock(&shard->lock);
}

/* ---- Lookup counts ---- */

static int enter_table(struct inode_shard *shard, struct inode *inode)
{
	int err = hashtable_insert(&shard->by_id, &inode->by_id);
	if (err)
		return err;
	err = hashtable_insert(&shard->by_identity, &inode->by_identity);
	if (err)
		hashtable_remove(&shard->by_id, &inode->by_id);
	return err;
}

/*
 * Lower its count, by no more than it has. A descriptor stays with the struct, for who still uses
 * it. Return: whether it left the table.
 */
static bool lower(struct passthrough *pt, struct inode_shard *shard, struct inode *inode,
		  uint64_t nlookup)
{
	/* A client that forgets more than it got only loses its own inode. */
	if (nlookup > inode->nlookup)
		nlookup = inode->nlookup;
	inode->nlookup -= nlookup;
	shard->lookups -= nlookup;
	if (pt->state)
		state_count_inode(pt, inode);
	if (inode->nlookup > 0)
		return false;
	hashtable_remove(&shard->by_id, &inode->by_id);
	hashtable_remove(&shard->by_identity, &inode->by_identity);
	unlist_fd(pt, shard, inode);
	count_nameless(pt, is_nameless(inode), false);
	inode->gone = true;
	return true;
}

static int add_inode(struct passthrough *pt, struct inode_shard *shard, uint64_t nodeid,
		     const struct identity *identity, mode_t type, struct inode **added)
{
	struct inode *inode = inode_new(pt, identity, type);
	if (!inode)
		return -ENOMEM;
	inode->nodeid = nodeid;
	int err = enter_table(shard, inode);
	if (err) {
		free(inode);
		return err;
	}
	*added = inode;
	return 0;
}

static int add_next(struct passthrough *pt, struct inode_shard *shard, uint64_t number,
		    const struct identity *identity, mode_t type, struct inode **added)
{
	uint64_t nodeid = shard->next << INODE_SHARD_BITS | number;
	int err = add_inode(pt, shard, nodeid, identity, type, added);

	if (!err)
		shard->next++;
	return err;
}

/* One lookup more, by somebody who uses it. */
static void count_lookup(struct passthrough *pt, struct inode_shard *shard, struct inode *inode)
{
	inode->nlookup++;
	shard->lookups++;
	start_use(inode);
	if (!pt->state)
		return;
	if (inode->nlookup == 1)
		state_add_inode(pt, inode, shard->next);
	else
		state_count_inode(pt, inode);
}

/*
 * Find or make the inode of an identity, whose mount is taken over. *@fd becomes -1 when the inode
 * took it.
 */
static int lookup_identity(struct passthrough *pt, struct identity *identity, mode_t type, int *fd,
			   struct inode **found)
{
	uint64_t hash = hash_identity_of(identity);
	struct inode_shard *shard = shard_of_hash(pt, hash);
	int err = 0;

	pthread_mutex_lock(&shard->lock);
	struct inode *inode = find_identity(shard, hash, identity);
	bool known = inode != NULL;
	if (!known && !identity->mount->handles && !budget_has_room(pt))
		err = -ENFILE;
	else if (!known)
		err = add_next(pt, shard, hash & (INODE_SHARDS - 1), identity, type, &inode);
	if (!err) {
		if (*fd >= 0 && adopt_fd(pt, shard, inode, *fd))
			*fd = -1;
		count_lookup(pt, shard, inode);
		*found = inode;
	}
	pthread_mutex_unlock(&shard->lock);

	if (known || err)
		identity_clear(pt, identity); /* a new inode keeps the mount */
	trim(pt, shard);
	return err;
}

int inode_lookup(struct passthrough *pt, int fd, mode_t type, struct inode **found)
{
	_cleanup_fd_ int own = fd;
	struct identity identity;
	int err = identity_of_fd(pt, fd, &identity);
	if (err)
		return err;
	if (!same(pt->inodes.root, &identity)) {
		err = lookup_identity(pt, &identity, type, &own, found);
		return err ? err : own >= 0;
	}
	*found = pt->inodes.root;
	start_use(*found);
	identity_clear(pt, &identity);
	return 0;
}

/* Only O_PATH descriptors are kept: others would keep the file from being executed. */
static int open_path_of(struct passthrough *pt, int fd)
{
	return fd_with_room(pt, openat(pt->proc_fd, fd_name(fd).text, O_PATH | O_CLOEXEC));
}

int inode_lookup_opened(struct passthrough *pt, int fd, mode_t type, bool unnamed,
			struct inode **found)
{
	struct identity identity;
	int err = identity_of_fd(pt, fd, &identity);
	if (err)
		return err;
	_cleanup_fd_ int path = -1;
	if (unnamed || !identity.mount->handles) {
		path = open_path_of(pt, fd);
		if (path < 0) {
			identity_clear(pt, &identity);
			return path;
		}
	}
	return lookup_identity(pt, &identity, type, &path, found);
}

struct inode *inode_lookup_again(struct passthrough *pt, const struct identity *identity)
{
	uint64_t hash = hash_identity_of(identity);
	struct inode_shard *shard = shard_of_hash(pt, hash);

	pthread_mutex_lock(&shard->lock);
	struct inode *inode = find_identity(shard, hash, identity);
	if (inode && atomic_load_explicit(&inode->fd, memory_order_relaxed) < 0)
		inode = NULL;
	if (inode)
		count_lookup(pt, shard, inode);
	pthread_mutex_unlock(&shard->lock);
	return inode;
}

int inodes_restore(struct passthrough *pt, struct identity *identity, uint64_t nodeid,
		   uint64_t nlookup, mode_t type, uint32_t slot)
{
	uint64_t hash = hash_identity_of(identity);
	struct inode_shard *shard = shard_of_id(pt, nodeid);
	struct inode *inode;

	if (((hash ^ nodeid) & (INODE_SHARDS - 1)) || same(pt->inodes.root, identity))
		return -EINVAL;
	if (find_id(shard, nodeid) || find_identity(shard, hash, identity))
		return -EEXIST;
	int err = add_inode(pt, shard, nodeid, identity, type, &inode);
	if (err)
		return err;
	inode->nlookup = nlookup;
	shard->lookups += nlookup;
	inode_set_mirror(inode, slot);
	return 0;
}

struct inode *inode_find(struct passthrough *pt, const struct identity *identity)
{
	uint64_t hash = hash_identity_of(identity);
	struct inode_shard *shard = shard_of_hash(pt, hash);

	pthread_mutex_lock(&shard->lock);
	struct inode *inode = find_identity(shard, hash, identity);
	if (inode)
		start_use(inode);
	pthread_mutex_unlock(&shard->lock);
	return inode;
}

void inode_forget(struct passthrough *pt, uint64_t nodeid, uint64_t nlookup)
{
	if (nodeid == FSB_ROOT_NODEID)
		return;
	struct inode_shard *shard = shard_of_id(pt, nodeid);
	pthread_mutex_lock(&shard->lock);
	struct inode *inode = find_id(shard, nodeid);
	bool dead = inode && lower(pt, shard, inode, nlookup);
	pthread_mutex_unlock(&shard->lock);
	if (dead)
		unref(pt, inode);
}

static void empty_shard(struct passthrough *pt, struct inode_shard *shard)
{
	pthread_mutex_lock(&shard->lock);
	for (size_t i = 0; shard->by_id.count > 0; i++) {
		/* Round and round, as removing may shrink the table. */
		struct hash_link *link = hashtable_chain(&shard->by_id, i);
		if (!link)
			continue;
		struct inode *inode = hash_entry(link, struct inode, by_id);
		(void)lower(pt, shard, inode, UINT64_MAX);
		unref(pt, inode);
	}
	fdcache_clear(&shard->cache);
	pthread_mutex_unlock(&shard->lock);
}

void inodes_forget_all(struct passthrough *pt)
{
	for (unsigned int i = 0; i < INODE_SHARDS; i++)
		empty_shard(pt, &pt->inodes.shards[i]);
}

void inodes_usage(struct passthrough *pt, struct fsb_usage *usage)
{
	usage->inode_fds += atomic_load_explicit(&pt->inodes.fds, memory_order_relaxed);
	for (unsigned int i = 0; i < INODE_SHARDS; i++) {
		struct inode_shard *shard = &pt->inodes.shards[i];
		pthread_mutex_lock(&shard->lock);
		usage->inodes += shard->by_id.count;
		usage->lookups += shard->lookups;
		pthread_mutex_unlock(&shard->lock);
	}
}

int inodes_init(struct passthrough *pt, int root_fd, unsigned int max_fds)
{
	struct identity identity;
	int err = identity_of_fd(pt, root_fd, &identity);

	pt->inodes.root = err ? NULL : inode_new(pt, &identity, S_IFDIR);
	if (!pt->inodes.root) {
		close(root_fd);
		return err ? err : -ENOMEM;
	}
	pt->inodes.root->nodeid = FSB_ROOT_NODEID;
	pt->inodes.root->pinned = true;
	atomic_store(&pt->inodes.root->fd, root_fd);
	pt->inodes.fds = 1;
	pt->inodes.max_fds = max_fds;
	for (unsigned int i = 0; i < INODE_SHARDS; i++) {
		struct inode_shard *shard = &pt->inodes.shards[i];
		pthread_mutex_init(&shard->lock, NULL);
		hashtable_init(&shard->by_id, hash_id);
		hashtable_init(&shard->by_identity, hash_identity);
		/* Numbers 0 to 15 stay free: 1 is the root. */
		shard->next = 1 + pt->config.first_id;
	}
	return 0;
}

void inodes_clear(struct passthrough *pt)
{
	if (!pt->inodes.root)
		return;
	inodes_forget_all(pt);
	for (unsigned int i = 0; i < INODE_SHARDS; i++)
		pthread_mutex_destroy(&pt->inodes.shards[i].lock);
	unref(pt, pt->inodes.root);
	pt->inodes.root = NULL;
}
