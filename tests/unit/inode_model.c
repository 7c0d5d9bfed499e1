// SPDX-License-Identifier: BSD-3-Clause
/*
 * The inode table and its descriptors under every interleaving: the sources themselves
 * (lib/passthrough/inode.c, hashtable.c, fdcache.c, remove.c), on a simulated host of two files,
 * with two or three threads that look up, use, forget, keep and unlink. Each lock that is taken,
 * each atomic access and each system call is a step before which another thread may go first.
 *
 * What has to hold is said in check(), in end(), and by what the threads expect of what they do.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "explorer.h"
#include "passthrough/passthrough.h"

/* After what it gives other names has been declared. */
#include "inode_model.h"

enum { FILES = 2, DESCRIPTORS = 16, NONE = -1, ROOT_FD = DESCRIPTORS };
enum { MEMORY = 16384, BLOCKS = 64 };

/* ---- What is explored ---- */

struct action {
	void (*run)(int file);
	int file;
};

/**
 * @budget:     of descriptors, beside the root's
 * @limit:      what the host allows
 * @known:      the client's count of each file before the threads start
 * @names:      of each file, 1 if nothing is said
 * @hostile:    the client's counts say nothing
 * @no_handles: no file can be opened by its handle
 * @apart:      the two files are in two shards
 */
struct scenario {
	unsigned int budget;
	unsigned int limit;
	unsigned int known;
	unsigned int names;
	bool hostile;
	bool no_handles;
	bool apart;
	unsigned int threads;
	struct action actions[EXPLORER_THREADS][4];
};

static const struct scenario *scenario;

/* ---- What is shared, all of it part of the explored state ---- */

static struct {
	struct {
		unsigned int names;
		unsigned int opens;
	} files[FILES];
	int opened[DESCRIPTORS]; /* which file, or NONE */
	unsigned int open;
	unsigned int limit; /* of descriptors */
} host;

/* The client's counts, and the nodeids that it has them for. */
static struct {
	uint64_t lookups[FILES];
	uint64_t nodeid[FILES];
} client;

/* Never used again within a run, so that whoever uses what was freed is found out. */
static struct {
	struct {
		unsigned char *start;
		size_t size;
		bool freed;
	} blocks[BLOCKS];
	unsigned int nblocks;
	size_t used;
	_Alignas(64) unsigned char bytes[MEMORY];
} memory;

/* What decides a file's shard, and which it is; the same for a whole exploration. */
static unsigned char salt[FILES];
static unsigned int shards[FILES];

static struct passthrough pt;
static struct mount mount;
static bool taken[INODE_SHARDS];
static unsigned int locks_of[EXPLORER_THREADS + 1];
static bool names_taken[FILES];

/* ---- Memory ---- */

enum { POISON = 0xdd };

static unsigned int block_of(const volatile void *address)
{
	const unsigned char *at = (const unsigned char *)address;

	for (unsigned int i = 0; i < memory.nblocks; i++)
		if (at >= memory.blocks[i].start &&
		    at < memory.blocks[i].start + memory.blocks[i].size)
			return i;
	return BLOCKS;
}

void model_free(void *address)
{
	if (!address)
		return;
	unsigned int block = block_of(address);
	explorer_expect(block < BLOCKS && memory.blocks[block].start == address);
	explorer_expect(!memory.blocks[block].freed);
	memory.blocks[block].freed = true;
	memset(address, POISON, memory.blocks[block].size);
}

void *model_allocate(void *old, size_t size)
{
	cr_assert(memory.nblocks < BLOCKS && memory.used + size <= MEMORY,
		  "the model has too little memory");
	unsigned char *start = memory.bytes + memory.used;
	memory.blocks[memory.nblocks].start = start;
	memory.blocks[memory.nblocks].size = size;
	memory.blocks[memory.nblocks].freed = false;
	memory.nblocks++;
	memory.used += (size + 15) & ~(size_t)15;
	memset(start, 0, size);
	if (old) {
		size_t had = memory.blocks[block_of(old)].size;
		memcpy(start, old, had < size ? had : size);
		model_free(old);
	}
	return start;
}

static bool is_freed(const volatile void *address)
{
	unsigned int block = block_of(address);

	return block < BLOCKS && memory.blocks[block].freed;
}

/* Nobody has written to what was freed. */
static bool poison_is_whole(void)
{
	for (unsigned int i = 0; i < memory.nblocks; i++)
		for (size_t at = 0; memory.blocks[i].freed && at < memory.blocks[i].size; at++)
			if (memory.blocks[i].start[at] != POISON)
				return false;
	return true;
}

/* ---- Locks and atomic accesses ---- */

static bool is_users(const volatile void *object)
{
	unsigned int block = block_of(object);

	return block < BLOCKS && (const unsigned char *)object ==
					 memory.blocks[block].start + offsetof(struct inode, users);
}

/*
 * Under a shard's lock nobody else changes anything but the number of users; so only that is worth
 * a step there. The sums over all shards only decide how much is evicted.
 */
void model_access(const volatile void *object)
{
	explorer_expect(!is_freed(object));
	if (object == &pt.inodes.fds || object == &pt.inodes.cached ||
	    object == &pt.inodes.nameless || (locks_of[explorer_thread()] && !is_users(object)))
		return;
	explorer_step("access");
	explorer_expect(!is_freed(object));
}

static unsigned int number_of(const pthread_mutex_t *lock)
{
	unsigned int number = 0;

	while (number < INODE_SHARDS && lock != &pt.inodes.shards[number].lock)
		number++;
	explorer_expect(number < INODE_SHARDS);
	return number;
}

/*
 * A shard that none of the files is in never holds anything: that its lock is taken changes nothing
 * for anybody.
 */
void model_lock(pthread_mutex_t *lock)
{
	unsigned int number = number_of(lock);

	if (number == shards[0] || number == shards[1])
		explorer_lock(&taken[number]);
	locks_of[explorer_thread()]++;
}

void model_unlock(pthread_mutex_t *lock)
{
	unsigned int number = number_of(lock);

	taken[number] = false;
	locks_of[explorer_thread()]--;
	if (number == shards[0] || number == shards[1])
		explorer_step("unlock");
}

/* ---- The host ---- */

static int host_open(int file)
{
	int fd = 0;

	if (host.open == host.limit) {
		errno = EMFILE;
		return -1;
	}
	while (host.opened[fd] != NONE)
		fd++;
	cr_assert_lt(fd, DESCRIPTORS);
	host.opened[fd] = file;
	host.open++;
	host.files[file].opens++;
	return fd;
}

/*
 * The lowest number is given out again at once, as on any Unix: who has a stale one meets another
 * file.
 */
int model_close(int fd)
{
	explorer_step("close");
	explorer_expect(fd >= 0 && fd < DESCRIPTORS && host.opened[fd] != NONE);
	host.files[host.opened[fd]].opens--;
	host.opened[fd] = NONE;
	host.open--;
	return 0;
}

int model_open_by_handle(const struct file_handle *handle)
{
	explorer_step("open_by_handle_at");
	int file = handle->f_handle[0];
	/* A file without a name lives only while something has it open. */
	if (host.files[file].names == 0 && host.files[file].opens == 0) {
		errno = ESTALE;
		return -1;
	}
	return host_open(file);
}

static int file_called(const char *name)
{
	return name[0] - 'a';
}

int model_unlink(int dirfd, const char *name, int flags)
{
	(void)dirfd, (void)flags;
	explorer_step("unlinkat");
	int file = file_called(name);
	if (host.files[file].names == 0) {
		errno = ENOENT;
		return -1;
	}
	host.files[file].names--;
	return 0;
}

int model_statx(int fd, struct statx *stx)
{
	explorer_step("statx");
	explorer_expect(fd >= 0 && host.opened[fd] != NONE);
	stx->stx_nlink = host.files[host.opened[fd]].names;
	return 0;
}

void model_sleep(const struct timespec *span)
{
	(void)span;
	explorer_step("nanosleep");
}

/* ---- What the table calls of the passthrough ---- */

static void identity_of_file(int file, struct identity *identity)
{
	*identity = (struct identity){ .mount = &mount, .length = 8, .type = 1 };
	identity->bytes[0] = (unsigned char)file;
	identity->bytes[1] = salt[file];
}

int identity_of_fd(struct passthrough *unused, int fd, struct identity *identity)
{
	(void)unused;
	if (fd == ROOT_FD) {
		*identity = (struct identity){ .mount = &mount };
		return 0;
	}
	explorer_expect(fd >= 0 && host.opened[fd] != NONE);
	identity_of_file(host.opened[fd], identity);
	return 0;
}

int identity_of_name(struct passthrough *unused, int dirfd, const char *name,
		     struct identity *identity)
{
	(void)unused, (void)dirfd;
	int file = file_called(name);
	if (host.files[file].names == 0)
		return -ENOENT;
	identity_of_file(file, identity);
	return 0;
}

void identity_clear(struct passthrough *unused, struct identity *identity)
{
	(void)unused, (void)identity;
}

void mount_put(struct passthrough *unused, struct mount *unused_mount)
{
	(void)unused, (void)unused_mount;
}

/* There is no mirror. */
void state_add_inode(struct passthrough *unused, struct inode *inode, uint64_t next)
{
	(void)unused, (void)inode, (void)next;
	explorer_expect(false);
}

void state_count_inode(struct passthrough *unused, struct inode *inode)
{
	(void)unused, (void)inode;
	explorer_expect(false);
}

int credentials_wear(struct passthrough *unused, const struct fsb_context *ctx, unsigned int how,
		     struct worn *worn)
{
	(void)unused, (void)ctx, (void)how, (void)worn;
	return 0;
}

void credentials_restore(struct worn *worn)
{
	(void)worn;
}

void log_write(const struct fsb_log *log, enum fsb_log_level level, const char *format, ...)
{
	(void)log, (void)level, (void)format;
}

bool budget_has_room(struct passthrough *unused)
{
	(void)unused;
	return true;
}

int budget_check(struct passthrough *unused)
{
	(void)unused;
	return 0;
}

struct fd_name fd_name(int fd)
{
	return (struct fd_name){ { (char)fd } };
}

int directory_to_change(struct inode_use *dir, uint64_t nodeid, const char *name)
{
	(void)dir, (void)nodeid, (void)name;
	return 0;
}

/* ---- What threads do ---- */

static void is_looked_up(int file, struct inode *inode)
{
	/* While the client has a count the file keeps its nodeid, and no nodeid comes back. */
	if (inode->nodeid != client.nodeid[file]) {
		explorer_expect(scenario->hostile ||
				(client.lookups[file] == 0 && inode->nodeid > client.nodeid[file]));
		client.nodeid[file] = inode->nodeid;
	}
	client.lookups[file]++;
}

/* Opening is a step of its own: then the descriptor is in nobody's table yet. */
static void look_up(int file)
{
	explorer_step("openat");
	if (host.files[file].names == 0)
		return;
	int fd = fd_with_room(&pt, host_open(file));
	struct inode *inode;
	explorer_expect(fd >= 0);
	explorer_expect(inode_lookup(&pt, fd, S_IFREG, &inode) >= 0);
	is_looked_up(file, inode);
	inode_put(&pt, inode);
}

static void forget(int file)
{
	explorer_step("forget");
	if (client.lookups[file] == 0)
		return;
	client.lookups[file]--;
	inode_forget(&pt, client.nodeid[file], 1);
}

/* More than the client has: what only a hostile one does. */
static void forget_too_much(int file)
{
	explorer_step("forget too much");
	inode_forget(&pt, client.nodeid[file], UINT64_MAX);
}

static void must_be_open_on(int fd, int file)
{
	explorer_expect(fd >= 0);
	explorer_step("use");
	explorer_expect(host.opened[fd] == file);
}

/* By its identity, without a descriptor of its own; where that leads nowhere the other way is taken. */
static void look_up_again(int file)
{
	struct identity identity;

	explorer_step("name_to_handle_at");
	if (host.files[file].names == 0)
		return;
	identity_of_file(file, &identity);
	struct inode *inode = inode_lookup_again(&pt, &identity);
	if (!inode)
		return;
	is_looked_up(file, inode);
	must_be_open_on(inode_fd(&pt, inode), file);
	inode_put(&pt, inode);
}

/*
 * Somebody's count may go meanwhile, as that of a FORGET that crosses; then the inode may not be
 * known any more.
 */
static void use(int file)
{
	struct inode *inode;

	explorer_step("begin of use");
	if (client.lookups[file] == 0)
		return;
	uint64_t nodeid = client.nodeid[file];
	int err = inode_get(&pt, nodeid, &inode);
	explorer_expect(err == 0 || client.nodeid[file] != nodeid || client.lookups[file] == 0 ||
			scenario->hostile);
	if (err)
		return;
	must_be_open_on(inode_fd(&pt, inode), file);
	inode_put(&pt, inode);
}

/* As an open file does. */
static void keep(int file)
{
	struct inode *inode;

	explorer_step("begin of keeping");
	if (client.lookups[file] == 0 || inode_get(&pt, client.nodeid[file], &inode) < 0)
		return;
	inode_keep(inode);
	inode_put(&pt, inode);
	explorer_step("keeping");
	inode_release(&pt, inode);
}

/* One that no inode gets. */
static void open_and_close(int file)
{
	explorer_step("open");
	int fd = fd_with_room(&pt, host_open(file));
	must_be_open_on(fd, file);
	model_close(fd);
}

/* A Linux client never asks for a name while it removes it: it locks the directory. */
static void look_up_locked(int file)
{
	explorer_lock(&names_taken[file]);
	look_up(file);
	names_taken[file] = false;
}

static void remove_file(int file)
{
	const char name[] = { (char)('a' + file), '\0' };

	explorer_lock(&names_taken[file]);
	(void)passthrough_unlink(&pt.base, NULL, FSB_ROOT_NODEID, name);
	names_taken[file] = false;
}

/* By another of its names, in another directory. */
static void remove_link(int file)
{
	const char name[] = { (char)('a' + file), '\0' };

	(void)passthrough_unlink(&pt.base, NULL, FSB_ROOT_NODEID, name);
}

static void run_actions(unsigned int thread)
{
	const struct action *action = scenario->actions[thread];

	for (unsigned int i = 0; i < 4 && action[i].run; i++)
		action[i].run(action[i].file);
}

/* ---- What must hold ---- */

static uint64_t counted(const struct inode_shard *shard, unsigned int *fds)
{
	uint64_t lookups = 0;

	for (size_t i = 0; i < shard->by_id.nbuckets; i++) {
		for (struct hash_link *link = shard->by_id.buckets[i]; link; link = link->next) {
			struct inode *inode = hash_entry(link, struct inode, by_id);
			explorer_expect(!is_freed(inode));
			explorer_expect(inode->nlookup > 0 && !inode->gone);
			explorer_expect(atomic_load(&inode->refs) >= 1);
			lookups += inode->nlookup;
			*fds += atomic_load(&inode->fd) >= 0;
			explorer_expect(atomic_load(&inode->fd) < 0 ||
					host.opened[inode->fd] == inode->bytes[0]);
		}
	}
	return lookups;
}

static void check_ring(const struct fdcache *cache)
{
	for (uint32_t i = 0; i < cache->count; i++) {
		struct inode *inode = cache->slots[i];
		explorer_expect(!is_freed(inode));
		explorer_expect(inode->slot == i && !inode->pinned && !inode->gone);
		explorer_expect(atomic_load(&inode->fd) >= 0);
	}
}

/* Of a shard whose lock nobody has. */
static void check(void)
{
	for (unsigned int i = 0; i < INODE_SHARDS; i++) {
		struct inode_shard *shard = &pt.inodes.shards[i];
		unsigned int fds = 0;
		if (taken[i])
			continue;
		explorer_expect(shard->by_id.count == shard->by_identity.count);
		explorer_expect(counted(shard, &fds) == shard->lookups);
		explorer_expect(shard->cache.count <= fds);
		check_ring(&shard->cache);
	}
}

static void forget_the_rest(void)
{
	for (int file = 0; file < FILES; file++)
		if (client.lookups[file])
			inode_forget(&pt, client.nodeid[file], client.lookups[file]);
}

/* What the client has a count of can be used, without a name too. */
static void what_is_known_can_be_used(void)
{
	for (int file = 0; file < FILES; file++) {
		struct inode *inode;
		if (client.lookups[file] == 0)
			continue;
		explorer_expect(inode_get(&pt, client.nodeid[file], &inode) == 0);
		must_be_open_on(inode_fd(&pt, inode), file);
		inode_put(&pt, inode);
	}
}

static struct fsb_usage usage(void)
{
	struct fsb_usage usage = { 0 };

	inodes_usage(&pt, &usage);
	return usage;
}

static void counts_are_the_client_s(void)
{
	uint64_t lookups = 0;

	for (int file = 0; file < FILES; file++)
		lookups += client.lookups[file];
	explorer_expect(usage().lookups == lookups);
}

static void nothing_is_left(void)
{
	explorer_expect(usage().inodes == 0 && usage().lookups == 0);
	explorer_expect(usage().inode_fds == 1 &&
			host.open == 0); /* the root's is not one of this host's */
	explorer_expect(atomic_load(&pt.inodes.cached) == 0);
	explorer_expect(atomic_load(&pt.inodes.nameless) == 0);
	explorer_expect(poison_is_whole());
	for (unsigned int i = 0; i < INODE_SHARDS; i++)
		fdcache_clear(&pt.inodes.shards[i].cache);
	for (unsigned int i = 0; i < memory.nblocks; i++)
		explorer_expect(memory.blocks[i].freed ||
				memory.blocks[i].start == (unsigned char *)pt.inodes.root);
}

static void end(void)
{
	explorer_expect(usage().inode_fds == host.open + 1);
	if (scenario->hostile) {
		inodes_forget_all(&pt);
	} else {
		counts_are_the_client_s();
		what_is_known_can_be_used();
		forget_the_rest();
	}
	nothing_is_left();
}

/* ---- Exploring ---- */

static void start_empty(void)
{
	memset(&memory, 0, sizeof(memory));
	memset(&pt, 0, sizeof(pt));
	memset(&client, 0, sizeof(client));
	memset(&host, 0, sizeof(host));
	memset(taken, 0, sizeof(taken));
	memset(locks_of, 0, sizeof(locks_of));
	memset(names_taken, 0, sizeof(names_taken));
	host.limit = scenario->limit;
	for (int i = 0; i < DESCRIPTORS; i++)
		host.opened[i] = NONE;
	for (int file = 0; file < FILES; file++)
		host.files[file].names = scenario->names ? scenario->names : 1;
	mount.handles = !scenario->no_handles;
	cr_assert_eq(inodes_init(&pt, ROOT_FD, scenario->budget + 1), 0);
}

static void start(void)
{
	start_empty();
	for (int file = 0; file < FILES; file++)
		for (unsigned int i = 0; i < scenario->known; i++)
			look_up(file);
}

static uint64_t state(void)
{
	uint64_t digest = explorer_digest(1, memory.bytes, memory.used);

	digest = explorer_digest(digest, memory.blocks, memory.nblocks * sizeof(memory.blocks[0]));
	digest = explorer_digest(digest, &pt.inodes, sizeof(pt.inodes));
	digest = explorer_digest(digest, &host, sizeof(host));
	digest = explorer_digest(digest, &client, sizeof(client));
	digest = explorer_digest(digest, names_taken, sizeof(names_taken));
	return explorer_digest(digest, taken, sizeof(taken));
}

static void find_shard(int file)
{
	start_empty();
	look_up(file);
	shards[file] = client.nodeid[file] % INODE_SHARDS;
}

static void choose_shards(void)
{
	salt[1] = 0;
	find_shard(0);
	find_shard(1);
	while ((shards[0] != shards[1]) != scenario->apart) {
		salt[1]++;
		find_shard(1);
	}
}

static void explore_scenario(const struct scenario *theirs)
{
	const struct exploration exploration = {
		.threads = theirs->threads,
		.start = start,
		.body = run_actions,
		.state = state,
		.check = check,
		.end = end,
	};

	scenario = theirs;
	choose_shards();
	struct explored explored = explore(&exploration);
	fprintf(stderr, "%lu states, %lu schedules, %lu ends\n", explored.states,
		explored.schedules, explored.ends);
	cr_expect_gt(explored.schedules, 100, "the threads have not met");
}

#define SCENARIO(...) explore_scenario(&(const struct scenario){ __VA_ARGS__ })

TestSuite(inode_model, .timeout = 300);

Test(inode_model, lookups_and_forgets_of_one_file)
{
	SCENARIO(.budget = 8, .limit = DESCRIPTORS, .threads = 2,
		 .actions = { { { look_up, 0 }, { forget, 0 }, { look_up, 0 }, { forget, 0 } },
			      { { look_up, 0 }, { forget, 0 }, { look_up, 0 }, { forget, 0 } } });
}

Test(inode_model, lookups_and_forgets_with_no_budget_at_all)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .threads = 2,
		 .actions = { { { look_up, 0 }, { use, 0 }, { forget, 0 } },
			      { { look_up, 0 }, { use, 0 }, { forget, 0 } } });
}

Test(inode_model, three_lookups_and_a_forget)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 3,
		 .actions = { { { look_up, 0 } }, { { look_up, 0 } }, { { forget, 0 } } });
}

Test(inode_model, who_forgets_too_much_harms_nobody_else)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .hostile = true, .threads = 3,
		 .actions = { { { forget_too_much, 0 } },
			      { { forget_too_much, 0 }, { look_up, 1 } },
			      { { use, 0 } } });
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .hostile = true, .threads = 2,
		 .actions = { { { look_up, 0 }, { forget_too_much, 0 } },
			      { { forget_too_much, 0 }, { look_up, 0 } } });
}

Test(inode_model, a_descriptor_in_use_is_not_taken_for_another_file)
{
	SCENARIO(.budget = 1, .limit = DESCRIPTORS, .known = 1, .threads = 3,
		 .actions = { { { use, 0 } }, { { look_up, 1 } }, { { forget, 0 } } });
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .apart = true, .threads = 2,
		 .actions = { { { use, 0 }, { use, 1 } }, { { use, 1 }, { use, 0 } } });
}

Test(inode_model, an_open_file_outlasts_the_forget)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 3,
		 .actions = { { { keep, 0 } }, { { forget, 0 } }, { { look_up, 0 } } });
}

Test(inode_model, a_file_without_a_name_stays_within_reach)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 2,
		 .actions = { { { remove_file, 0 } }, { { use, 0 }, { use, 1 } } });
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 2,
		 .actions = { { { remove_file, 0 } }, { { look_up_locked, 0 }, { look_up, 1 } } });
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 2,
		 .actions = { { { remove_file, 0 } },
			      { { forget, 0 }, { look_up_locked, 0 }, { look_up, 1 } } });
}

Test(inode_model, of_two_names_that_go_at_once_the_last_pins_the_descriptor)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .names = 2, .threads = 2,
		 .actions = { { { remove_file, 0 }, { look_up, 1 } }, { { remove_link, 0 } } });
}

Test(inode_model, a_full_descriptor_table_gives_way)
{
	SCENARIO(.budget = 8, .limit = 2, .known = 1, .threads = 2,
		 .actions = { { { open_and_close, 0 } },
			      { { open_and_close, 0 }, { open_and_close, 1 } } });
	/* Whoever looks up has two of them for a moment, if the inode has one already. */
	SCENARIO(.budget = 8, .limit = 3, .known = 1, .threads = 2,
		 .actions = { { { look_up, 0 }, { use, 1 } }, { { look_up, 1 }, { use, 0 } } });
}

Test(inode_model, who_is_looked_up_again_is_neither_dying_nor_without_a_descriptor)
{
	SCENARIO(.budget = 8, .limit = DESCRIPTORS, .known = 1, .threads = 2,
		 .actions = { { { look_up_again, 0 }, { forget, 0 }, { forget, 0 } },
			      { { look_up_again, 0 }, { look_up, 0 }, { forget, 0 } } });
	SCENARIO(.budget = 1, .limit = DESCRIPTORS, .known = 1, .threads = 3,
		 .actions = { { { look_up_again, 0 } }, { { look_up, 1 } }, { { forget, 0 } } });
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .known = 1, .threads = 2,
		 .actions = { { { remove_file, 0 } },
			      { { look_up_again, 0 }, { use, 0 }, { look_up, 1 } } });
}

Test(inode_model, without_handles_descriptors_stay_until_the_forget)
{
	SCENARIO(.budget = 0, .limit = DESCRIPTORS, .no_handles = true, .threads = 2,
		 .actions = { { { look_up, 0 }, { use, 0 }, { forget, 0 } },
			      { { look_up, 0 }, { look_up, 1 }, { forget, 0 } } });
}
