// SPDX-License-Identifier: BSD-3-Clause
/* The mirror of inodes and handles in a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough.h"

enum {
	SHORT_STRIDE = 64,
	LONG_STRIDE = (offsetof(struct state_inode, bytes) + IDENTITY_MAX + 7) / 8 * 8,
	/* Slots that the file grows by. */
	LEAST_STEP = 16 * STATE_CHUNK,
	MOST_STEP = 1024 * STATE_CHUNK,
};

/* Numbers beyond this would not fit beside a shard's. */
#define NUMBER_MOST (1ull << 58)

_Static_assert(sizeof(struct state_header) <= STATE_HEADER_SIZE, "the header has its place");
_Static_assert(sizeof(struct state_handle) == 32, "handles fill cache lines");

/* ---- Slots ---- */

static void *slot_at(const struct state_table *table, uint32_t index)
{
	return table->slots + (size_t)(index - 1) * table->stride;
}

static struct state_inode *inode_slot(const struct state *state, uint32_t index)
{
	return slot_at(&state->inodes, index);
}

static struct state_handle *handle_slot(const struct state *state, uint32_t index)
{
	return slot_at(&state->handles, index);
}

static uint64_t check_inode(const struct state_inode *slot)
{
	size_t start = offsetof(struct state_inode, nodeid);

	return statefile_check((const char *)slot + start,
			       offsetof(struct state_inode, bytes) - start + slot->length);
}

static uint64_t check_handle(const struct state_handle *slot)
{
	size_t start = offsetof(struct state_handle, is_dir);

	return statefile_check((const char *)slot + start, sizeof(*slot) - start);
}

/* Both kinds of slots begin with it. */
static void set_check(void *slot, uint64_t check)
{
	__atomic_store_n((uint64_t *)slot, check, __ATOMIC_RELEASE);
}

/* Where a free slot says which one is next: by what a torn slot is not recognised by. */
static uint64_t *link_of(const struct state *state, const struct state_table *table, uint32_t index)
{
	return table == &state->inodes ? &inode_slot(state, index)->nodeid
				       : &handle_slot(state, index)->fh;
}

static void put_back(struct state *state, struct state_table *table, unsigned int shard,
		     uint32_t index)
{
	*link_of(state, table, index) = table->free[shard];
	table->free[shard] = index;
}

/* Have room for another chunk; the lock is held. */
static int grow(struct state *state, struct state_table *table)
{
	uint32_t step = table->room < LEAST_STEP  ? LEAST_STEP
			: table->room > MOST_STEP ? MOST_STEP
						  : table->room;
	uint64_t at = table->offset + (uint64_t)table->room * table->stride;

	if (table->given + STATE_CHUNK <= table->room)
		return 0;
	if (table->given + STATE_CHUNK > table->most)
		return -ENOSPC;
	int err = statefile_extend(state->fd, at, (uint64_t)step * table->stride);
	if (!err)
		table->room += step;
	return err;
}

static int give_chunk(struct passthrough *pt, struct state_table *table, unsigned int shard)
{
	struct state *state = pt->state;

	pthread_mutex_lock(&state->lock);
	int err = grow(state, table);
	uint32_t first = table->given;
	if (!err) {
		table->given += STATE_CHUNK;
		*table->used = table->given;
	}
	bool tell = err && !state->full;
	state->full = state->full || err;
	pthread_mutex_unlock(&state->lock);
	if (tell)
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: the state file cannot grow: %s; what does not fit into it "
			  "is lost with this process",
			  strerror(-err));
	for (uint32_t i = STATE_CHUNK; !err && i > 0; i--)
		put_back(state, table, shard, first + i);
	return err;
}

/* A slot for something of a shard, whose lock is held. Return: it, or 0. */
static uint32_t take(struct passthrough *pt, struct state_table *table, unsigned int shard)
{
	uint32_t index = table->free[shard];

	if (!index && give_chunk(pt, table, shard) < 0)
		return 0;
	index = table->free[shard];
	uint64_t next = *link_of(pt->state, table, index);
	/* Never beyond what is there, whoever may have written to the file. */
	table->free[shard] = next <= table->given ? (uint32_t)next : 0;
	return index;
}

/* ---- Mounts ---- */

/* The place of a mount, from 1; 0 for one that could not be found again. */
static uint32_t place_mount(struct passthrough *pt, struct mount *mount)
{
	struct state_mount *places = pt->state->header->mounts;
	struct mount_wanted wanted = { .id = mount->id };

	for (uint32_t i = 0; i < STATE_MOUNTS; i++) {
		if (places[i].check)
			continue;
		if (mountinfo_device(&wanted) < 0)
			return 0;
		places[i].number = mount->number;
		places[i].major = wanted.major;
		places[i].minor = wanted.minor;
		places[i].id = mount->id;
		set_check(&places[i], statefile_check(&places[i].number, sizeof(places[i]) - 8));
		return i + 1;
	}
	return 0;
}

static uint32_t place_of(struct passthrough *pt, struct mount *mount)
{
	uint32_t place = atomic_load_explicit(&mount->place, memory_order_acquire);

	if (place != MOUNT_UNPLACED)
		return place;
	pthread_mutex_lock(&pt->state->lock);
	place = atomic_load_explicit(&mount->place, memory_order_relaxed);
	if (place == MOUNT_UNPLACED) {
		place = place_mount(pt, mount);
		atomic_store_explicit(&mount->place, place, memory_order_release);
	}
	pthread_mutex_unlock(&pt->state->lock);
	return place;
}

void state_remove_mount(struct passthrough *pt, struct mount *mount)
{
	uint32_t place = atomic_load_explicit(&mount->place, memory_order_relaxed);

	if (place == 0 || place == MOUNT_UNPLACED)
		return;
	pthread_mutex_lock(&pt->state->lock);
	set_check(&pt->state->header->mounts[place - 1], 0);
	pthread_mutex_unlock(&pt->state->lock);
}

/* ---- Inodes and handles ---- */

static bool fits(const struct passthrough *pt, const struct inode *inode)
{
	return inode->mount->handles && inode->handle_type != IDENTITY_BY_NUMBER &&
	       offsetof(struct state_inode, bytes) + inode->length <= pt->state->inodes.stride;
}

void state_add_inode(struct passthrough *pt, struct inode *inode, uint64_t next)
{
	struct state *state = pt->state;
	unsigned int shard = inode->nodeid & (STATE_SHARDS - 1);
	bool at_root = inode->mount == pt->mounts.root;

	/* First, so that no number is given out twice. */
	state->header->next_inode[shard] = next;
	inode_set_mirror(inode, 0);
	uint32_t place = at_root || !fits(pt, inode) ? 0 : place_of(pt, inode->mount);
	uint32_t index =
		fits(pt, inode) && (at_root || place) ? take(pt, &state->inodes, shard) : 0;
	if (!index)
		return;
	struct state_inode *slot = inode_slot(state, index);
	slot->nlookup = inode->nlookup;
	slot->nodeid = inode->nodeid;
	slot->handle_type = inode->handle_type;
	slot->mount = place;
	slot->type = inode->type;
	slot->length = inode->length;
	memcpy(slot->bytes, inode->bytes, inode->length);
	set_check(slot, check_inode(slot));
	inode_set_mirror(inode, index);
}

void state_count_inode(struct passthrough *pt, struct inode *inode)
{
	uint32_t index = inode_mirror(inode);

	if (!index)
		return;
	struct state_inode *slot = inode_slot(pt->state, index);
	if (inode->nlookup > 0) {
		__atomic_store_n(&slot->nlookup, inode->nlookup, __ATOMIC_RELAXED);
		return;
	}
	set_check(slot, 0);
	put_back(pt->state, &pt->state->inodes, inode->nodeid & (STATE_SHARDS - 1), index);
}

void state_add_handle(struct passthrough *pt, struct handle *handle, uint64_t next)
{
	struct state *state = pt->state;
	unsigned int shard = handle->fh & (STATE_SHARDS - 1);

	state->header->next_handle[shard] = next;
	handle->mirror = take(pt, &state->handles, shard);
	if (!handle->mirror)
		return;
	struct state_handle *slot = handle_slot(state, handle->mirror);
	slot->flags = atomic_load_explicit(&handle->flags, memory_order_relaxed);
	slot->is_dir = !handle->file;
	slot->fh = handle->fh;
	slot->nodeid = handle->inode->nodeid;
	set_check(slot, check_handle(slot));
}

void state_remove_handle(struct passthrough *pt, struct handle *handle)
{
	struct state *state = pt->state;

	if (!handle->mirror)
		return;
	set_check(handle_slot(state, handle->mirror), 0);
	put_back(state, &state->handles, handle->fh & (STATE_SHARDS - 1), handle->mirror);
	/* Who still uses the handle does not write to what will be another's. */
	handle->mirror = 0;
}

void state_flag_handle(struct passthrough *pt, struct handle *handle, int flags)
{
	struct handle_shard *shard = &pt->handles.shards[handle->fh & (HANDLE_SHARDS - 1)];

	pthread_mutex_lock(&shard->lock);
	if (handle->mirror)
		handle_slot(pt->state, handle->mirror)->flags = flags;
	pthread_mutex_unlock(&shard->lock);
}

/* ---- Loading ---- */

/** @mounts: those that were found again; @tried: those that were looked for */
struct loading {
	struct passthrough *pt;
	struct mount *mounts[STATE_MOUNTS];
	bool tried[STATE_MOUNTS];
	uint64_t known;
	uint64_t lost;
};

/* Says nothing about what is in the file: another time it may be of use. */
static bool is_want(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE;
}

/* A mount of the file's, counted for the caller. Return: 0; -ESTALE; or what there is none of. */
static int find_mount(struct loading *loading, uint32_t place, struct mount **mount)
{
	struct passthrough *pt = loading->pt;

	*mount = pt->mounts.root;
	if (place == 0)
		return 0;
	if (place > STATE_MOUNTS)
		return -ESTALE;
	struct mount **found = &loading->mounts[place - 1];
	if (!loading->tried[place - 1]) {
		struct state_mount copy = pt->state->header->mounts[place - 1];
		int err = 0;
		loading->tried[place - 1] = true;
		if (copy.check == statefile_check(&copy.number, sizeof(copy) - 8))
			err = mount_restore(pt, &copy, place, found);
		if (is_want(err))
			return err;
	}
	if (!*found)
		return -ESTALE;
	(*found)->refs++;
	*mount = *found;
	return 0;
}

static bool is_sound(const struct state *state, const struct state_inode *slot)
{
	uint64_t number = slot->nodeid >> INODE_SHARD_BITS;

	return slot->length <= IDENTITY_MAX &&
	       offsetof(struct state_inode, bytes) + slot->length <= state->inodes.stride &&
	       slot->check == check_inode(slot) && slot->nlookup > 0 &&
	       slot->nlookup < NUMBER_MOST && number > 0 && (slot->type & ~S_IFMT) == 0 &&
	       number < state->header->next_inode[slot->nodeid & (STATE_SHARDS - 1)];
}

static int load_inode(struct loading *loading, uint32_t index)
{
	struct passthrough *pt = loading->pt;
	const struct state_inode *slot = inode_slot(pt->state, index);
	struct identity identity = { .length = slot->length, .type = slot->handle_type };

	if (!is_sound(pt->state, slot))
		return -EINVAL;
	memcpy(identity.bytes, slot->bytes, slot->length);
	int err = find_mount(loading, slot->mount, &identity.mount);
	if (err)
		return err;
	if (!identity.mount->handles || identity.type == IDENTITY_BY_NUMBER) {
		identity_clear(pt, &identity);
		return -ESTALE;
	}
	err = inodes_restore(pt, &identity, slot->nodeid, slot->nlookup, slot->type, index);
	if (err)
		identity_clear(pt, &identity);
	return err;
}

static int load_handle(struct loading *loading, uint32_t index)
{
	struct passthrough *pt = loading->pt;
	const struct state_handle *slot = handle_slot(pt->state, index);
	uint64_t number = slot->fh / HANDLE_SHARDS;

	if (slot->check != check_handle(slot) || slot->is_dir > 1 || number == 0 ||
	    number >= pt->state->header->next_handle[slot->fh & (STATE_SHARDS - 1)])
		return -EINVAL;
	return handle_restore(pt, slot->fh, slot->nodeid, slot->flags,
			      slot->is_dir ? HANDLE_DIRECTORY : HANDLE_FILE, index);
}

/* What is not sound is not there: its client is told ESTALE, or EBADF. */
static int load_table(struct loading *loading, struct state_table *table,
		      int (*load)(struct loading *loading, uint32_t index))
{
	struct state *state = loading->pt->state;

	for (uint32_t index = table->given; index > 0; index--) {
		bool taken = *(uint64_t *)slot_at(table, index) != 0;
		int err = taken ? load(loading, index) : 0;
		if (is_want(err))
			return err;
		loading->known += taken && !err;
		loading->lost += taken && err;
		if (taken && !err)
			continue;
		set_check(slot_at(table, index), 0);
		put_back(state, table, (index - 1) / STATE_CHUNK % STATE_SHARDS, index);
	}
	return 0;
}

/* The places of mounts that nobody refers to. */
static void settle_mounts(struct loading *loading)
{
	struct passthrough *pt = loading->pt;

	for (uint32_t i = 0; i < STATE_MOUNTS; i++) {
		if (loading->mounts[i])
			mount_put(pt, loading->mounts[i]); /* ours */
		else if (pt->state)
			set_check(&pt->state->header->mounts[i], 0);
	}
}

static int load(struct passthrough *pt)
{
	struct state *state = pt->state;
	struct loading loading = { .pt = pt };

	for (unsigned int i = 0; i < STATE_SHARDS; i++) {
		pt->inodes.shards[i].next = state->header->next_inode[i];
		pt->handles.shards[i].next = state->header->next_handle[i];
	}
	int err = load_table(&loading, &state->inodes, load_inode);
	if (!err)
		err = load_table(&loading, &state->handles, load_handle);
	/* Then it stays as it is, for another time. */
	if (err)
		pt->state = NULL;
	settle_mounts(&loading);
	state->recovered = !err;
	if (!err)
		log_write(&pt->config.log, loading.lost ? FSB_LOG_WARNING : FSB_LOG_INFO,
			  "passthrough: %llu inodes and handles were found in the state file; %llu "
			  "could not be used",
			  (unsigned long long)loading.known, (unsigned long long)loading.lost);
	return err;
}

/* ---- The file ---- */

/* Return: 0, or why the boot is not known: then it is like no other. */
static int describe_root(struct passthrough *pt, struct state_root *root)
{
	const struct inode *inode = pt->inodes.root;

	memset(root, 0, sizeof(*root));
	int err = statefile_boot_id(root->boot);
	if (err)
		memset(root->boot, 0, sizeof(root->boot));
	root->dev = pt->root_dev;
	root->ino = pt->root_ino;
	root->handle_type = inode->handle_type;
	root->length = inode->length;
	memcpy(root->bytes, inode->bytes, inode->length);
	return err;
}

static uint64_t check_header(const struct state_header *header)
{
	size_t start = offsetof(struct state_header, version);

	return statefile_check((const char *)header + start,
			       offsetof(struct state_header, next_inode) - start);
}

static bool is_count(uint32_t count, const struct state_table *table, uint64_t file_size)
{
	return count % STATE_CHUNK == 0 && count <= table->most &&
	       (count == 0 || table->offset + (uint64_t)count * table->stride <= file_size);
}

/* Why what is in the file cannot be gone on with; NULL when it can. */
static const char *find_fault(const struct state *state, const struct state_root *root)
{
	const struct state_header *header = state->header;
	struct stat st;

	if (header->magic != STATE_MAGIC || header->version != STATE_VERSION)
		return "it is of another version";
	if (header->check != check_header(header) || fstat(state->fd, &st) < 0)
		return "it is damaged";
	if (memcmp(&header->root, root, sizeof(*root)) || header->stride != state->inodes.stride)
		return "it is of another directory, or from before a reboot";
	for (unsigned int i = 0; i < STATE_SHARDS; i++)
		if (header->next_inode[i] == 0 || header->next_inode[i] >= NUMBER_MOST ||
		    header->next_handle[i] == 0 || header->next_handle[i] >= NUMBER_MOST)
			return "it is damaged";
	if (!is_count(header->inodes, &state->inodes, (uint64_t)st.st_size) ||
	    !is_count(header->handles, &state->handles, (uint64_t)st.st_size))
		return "it is damaged";
	return NULL;
}

/* Wipe it, and begin with a tree of which nothing is known. */
static int format(struct passthrough *pt, const struct state_root *root)
{
	struct state *state = pt->state;
	struct state_header *header = state->header;

	if (ftruncate(state->fd, (off_t)state->offset) < 0)
		return -errno;
	int err = statefile_extend(state->fd, state->offset, STATE_HEADER_SIZE);
	if (err)
		return err;
	state->inodes.given = state->inodes.room = 0;
	state->handles.given = state->handles.room = 0;
	memset(state->inodes.free, 0, sizeof(state->inodes.free));
	memset(state->handles.free, 0, sizeof(state->handles.free));
	header->version = STATE_VERSION;
	header->stride = state->inodes.stride;
	header->root = *root;
	header->check = check_header(header);
	for (unsigned int i = 0; i < STATE_SHARDS; i++) {
		header->next_inode[i] = pt->inodes.shards[i].next;
		header->next_handle[i] = pt->handles.shards[i].next;
	}
	set_check(&header->magic, STATE_MAGIC);
	return 0;
}

static void lay_out(struct passthrough *pt, struct state *state)
{
	size_t needed = offsetof(struct state_inode, bytes) + pt->inodes.root->length;

	state->handles = (struct state_table){ .stride = sizeof(struct state_handle),
					       .most = STATE_MOST_HANDLES,
					       .offset = state->offset + STATE_HEADER_SIZE };
	state->inodes = (struct state_table){
		.stride = needed <= SHORT_STRIDE ? SHORT_STRIDE : LONG_STRIDE,
		.most = STATE_MOST_INODES,
		.offset = state->handles.offset +
			  (uint64_t)STATE_MOST_HANDLES * sizeof(struct state_handle),
	};
	state->size = (size_t)(state->inodes.offset - state->offset) +
		      (size_t)STATE_MOST_INODES * state->inodes.stride;
}

/* What is not there yet is never touched: see grow(). */
static int map(struct state *state)
{
	int err = statefile_extend(state->fd, state->offset, STATE_HEADER_SIZE);
	if (err)
		return err;
	void *start = mmap(NULL, state->size, PROT_READ | PROT_WRITE, MAP_SHARED, state->fd,
			   (off_t)state->offset);
	if (start == MAP_FAILED)
		return -errno;
	state->header = start;
	state->handles.slots = (uint8_t *)start + (state->handles.offset - state->offset);
	state->inodes.slots = (uint8_t *)start + (state->inodes.offset - state->offset);
	state->handles.used = &state->header->handles;
	state->inodes.used = &state->header->inodes;
	return 0;
}

static int take_up(struct passthrough *pt)
{
	struct state *state = pt->state;
	struct state_root root;

	int err = describe_root(pt, &root);
	if (is_want(err))
		return err;
	bool empty = state->header->magic == 0;
	const char *fault = empty ? NULL : find_fault(state, &root);
	if (fault)
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: the state file is not used: %s; beginning afresh", fault);
	if (empty || fault)
		return format(pt, &root);
	state->inodes.given = state->inodes.room = state->header->inodes;
	state->handles.given = state->handles.room = state->header->handles;
	return load(pt);
}

int state_open(struct passthrough *pt, int fd, uint64_t offset)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	pthread_mutex_init(&state->lock, NULL);
	pt->mirror = pt->state = state;
	state->offset = offset;
	state->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int err = state->fd < 0 ? -errno : statefile_claim(state->fd);
	if (!err && offset % (uint64_t)sysconf(_SC_PAGESIZE))
		err = -EINVAL;
	if (err)
		return err;
	lay_out(pt, state);
	err = map(state);
	if (!err)
		err = take_up(pt);
	if (!err && !pt->mounts.root->handles)
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: files of the source have no lasting handles: after this "
			  "process only names are found again");
	return err;
}

void state_close(struct passthrough *pt)
{
	struct state *state = pt->mirror;

	pt->mirror = pt->state = NULL;
	if (!state)
		return;
	if (state->header)
		munmap(state->header, state->size);
	if (state->fd >= 0)
		close(state->fd);
	pthread_mutex_destroy(&state->lock);
	free(state);
}

void state_reset(struct passthrough *pt)
{
	struct state_root root;

	pt->state = pt->mirror;
	(void)describe_root(pt, &root);
	int err = format(pt, &root);
	if (!err)
		return;
	log_write(&pt->config.log, FSB_LOG_WARNING,
		  "passthrough: the state file cannot be written: %s", strerror(-err));
	pt->state = NULL;
}
