/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A million malformed messages, random and mutated from real ones, through the server over a small
 * file system in memory. Nothing may crash, read or write beyond its memory (sanitizers see to
 * that), and every answer must be well-formed.
 */
#include "messages.h"

#include <dirent.h>
#include <stdio.h>

/* ---- A small file system ---- */

#define NODES 64
#define NAME_SIZE 32
#define FILE_SIZE 4096

/** An inode: a file or a directory. Slot 0 is not used, slot 1 is the root. */
struct node {
	bool used;
	mode_t mode;
	uint64_t parent;
	uint64_t lookups;
	char name[NAME_SIZE];
	size_t size;
	char data[FILE_SIZE];
};

static struct node nodes[NODES];
static uint64_t handles; /* opened and not released, more or less: clients release what they like */

static struct node *node_of(uint64_t nodeid)
{
	return nodeid > 0 && nodeid < NODES && nodes[nodeid].used ? &nodes[nodeid] : NULL;
}

static struct node *dir_of(uint64_t nodeid)
{
	struct node *node = node_of(nodeid);
	return node && S_ISDIR(node->mode) ? node : NULL;
}

static struct node *child_of(uint64_t parent, const char *name)
{
	for (uint64_t i = 2; i < NODES; i++)
		if (nodes[i].used && nodes[i].parent == parent &&
		    strncmp(nodes[i].name, name, NAME_SIZE) == 0)
			return &nodes[i];
	return NULL;
}

static void attr_of(const struct node *node, struct fsb_attr *attr)
{
	*attr = (struct fsb_attr){
		.ino = (uint64_t)(node - nodes),
		.size = node->size,
		.mode = node->mode,
		.nlink = 1,
		.blksize = 4096,
	};
}

static int give(struct node *node, struct fsb_entry *entry)
{
	node->lookups++;
	*entry = (struct fsb_entry){ .nodeid = (uint64_t)(node - nodes),
				     .generation = 1,
				     .entry_timeout_ns = 1000000000 };
	attr_of(node, &entry->attr);
	return 0;
}

static int make(uint64_t parent, const char *name, mode_t mode, struct fsb_entry *entry)
{
	if (!dir_of(parent))
		return -ESTALE;
	/* The server's part: these never get here. */
	cr_assert(strlen(name) > 0 && strlen(name) < 256 && !strchr(name, '/') &&
		  strcmp(name, ".") && strcmp(name, ".."));
	if (strlen(name) >= NAME_SIZE)
		return -ENAMETOOLONG;
	if (child_of(parent, name))
		return -EEXIST;
	for (uint64_t i = 2; i < NODES; i++) {
		if (nodes[i].used)
			continue;
		nodes[i] = (struct node){ .used = true, .mode = mode, .parent = parent };
		strcpy(nodes[i].name, name);
		return give(&nodes[i], entry);
	}
	return -ENOSPC;
}

#define FS struct fsb_filesystem *fs
#define CTX const struct fsb_context *ctx
#define IGNORE_ALL ((void)fs, (void)ctx)

static int mem_lookup(FS, CTX, uint64_t parent, const char *name, struct fsb_entry *entry)
{
	IGNORE_ALL;
	struct node *node = child_of(parent, name);
	return node ? give(node, entry) : -ENOENT;
}

static void mem_forget(FS, uint64_t nodeid, uint64_t nlookup)
{
	(void)fs;
	struct node *node = node_of(nodeid);
	if (node)
		node->lookups -= nlookup < node->lookups ? nlookup : node->lookups;
}

static int mem_getattr(FS, CTX, uint64_t nodeid, const uint64_t *fh, struct fsb_attr *attr,
		       uint64_t *timeout_ns)
{
	IGNORE_ALL;
	struct node *node = node_of(nodeid);
	if (!node)
		return -ESTALE;
	if (fh && *fh > 1000)
		return -EBADF;
	attr_of(node, attr);
	*timeout_ns = 1;
	return 0;
}

static int mem_statx(FS, CTX, uint64_t nodeid, const uint64_t *fh, uint32_t flags, uint32_t mask,
		     struct statx *stx, uint64_t *timeout_ns)
{
	IGNORE_ALL;
	(void)fh;
	(void)flags;
	stx->stx_mask = mask;
	*timeout_ns = 1;
	return node_of(nodeid) ? 0 : -ESTALE;
}

static int mem_setattr(FS, CTX, uint64_t nodeid, const uint64_t *fh, const struct fsb_setattr *set,
		       struct fsb_attr *attr, uint64_t *timeout_ns)
{
	struct node *node = node_of(nodeid);
	if (!node)
		return -ESTALE;
	if (set->valid & FSB_SET_SIZE) {
		if (set->size > FILE_SIZE)
			return -EFBIG;
		node->size = set->size;
	}
	return mem_getattr(fs, ctx, nodeid, fh, attr, timeout_ns);
}

static ssize_t mem_readlink(FS, CTX, uint64_t nodeid, char *target, size_t size)
{
	IGNORE_ALL;
	struct node *node = node_of(nodeid);
	if (!node || !S_ISLNK(node->mode))
		return -EINVAL;
	memcpy(target, node->data, node->size < size ? node->size : size);
	return (ssize_t)node->size;
}

static int mem_symlink(FS, CTX, uint64_t parent, const char *name, const char *target,
		       const struct fsb_create *how, struct fsb_entry *entry)
{
	IGNORE_ALL;
	(void)how;
	int err = make(parent, name, S_IFLNK | 0777, entry);
	if (err)
		return err;
	nodes[entry->nodeid].size = strlen(target);
	memcpy(nodes[entry->nodeid].data, target, strlen(target));
	return 0;
}

static int mem_mknod(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		     struct fsb_entry *entry)
{
	IGNORE_ALL;
	return make(parent, name, how->mode & S_IFMT ? how->mode : how->mode | S_IFREG, entry);
}

static int mem_mkdir(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		     struct fsb_entry *entry)
{
	IGNORE_ALL;
	for (size_t i = 0; i < how->nsecurity; i++)
		cr_assert_lt(strlen(how->security[i].name), 256);
	return make(parent, name, S_IFDIR | (how->mode & 07777), entry);
}

static int mem_unlink(FS, CTX, uint64_t parent, const char *name)
{
	IGNORE_ALL;
	struct node *node = child_of(parent, name);
	if (!node)
		return -ENOENT;
	node->used = false;
	return 0;
}

static int mem_rename(FS, CTX, uint64_t parent, const char *name, uint64_t newparent,
		      const char *newname, uint32_t flags)
{
	IGNORE_ALL;
	struct node *node = child_of(parent, name);
	if (!node || !dir_of(newparent))
		return -ENOENT;
	if (flags || strlen(newname) >= NAME_SIZE)
		return -EINVAL;
	strcpy(node->name, newname);
	node->parent = newparent;
	return 0;
}

static int mem_link(FS, CTX, uint64_t nodeid, uint64_t newparent, const char *newname,
		    struct fsb_entry *entry)
{
	IGNORE_ALL;
	(void)newname;
	return node_of(nodeid) && nodeid > 1 && dir_of(newparent) ? give(node_of(nodeid), entry)
								  : -EPERM;
}

static int mem_open(FS, CTX, uint64_t nodeid, int flags, bool kill, struct fsb_open *open)
{
	IGNORE_ALL;
	(void)flags;
	(void)kill;
	open->fh = ++handles;
	return node_of(nodeid) ? 0 : -ESTALE;
}

static int mem_opendir(FS, CTX, uint64_t nodeid, int flags, struct fsb_open *open)
{
	return dir_of(nodeid) ? mem_open(fs, ctx, nodeid, flags, false, open) : -ENOTDIR;
}

static int mem_create(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		      struct fsb_entry *entry, struct fsb_open *open)
{
	int err = mem_mknod(fs, ctx, parent, name, how, entry);
	return err ? err : mem_open(fs, ctx, entry->nodeid, how->flags, false, open);
}

static int mem_tmpfile(FS, CTX, uint64_t parent, const struct fsb_create *how,
		       struct fsb_entry *entry, struct fsb_open *open)
{
	return mem_create(fs, ctx, parent, "tmpfile", how, entry, open);
}

static ssize_t mem_read(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size,
			int flags, uint64_t lock_owner, struct fsb_transfer *to)
{
	IGNORE_ALL;
	(void)fh;
	(void)flags;
	(void)lock_owner;
	struct node *node = node_of(nodeid);
	if (!node)
		return -ESTALE;
	if (offset >= node->size)
		return 0;
	return (ssize_t)fsb_transfer_put(to, node->data + offset,
					 size < node->size - offset ? size : node->size - offset);
}

static ssize_t mem_write(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size,
			 int flags, uint32_t write_flags, uint64_t lock_owner,
			 struct fsb_transfer *from)
{
	IGNORE_ALL;
	(void)fh;
	(void)flags;
	(void)write_flags;
	(void)lock_owner;
	struct node *node = node_of(nodeid);
	if (!node)
		return -ESTALE;
	if (offset >= FILE_SIZE)
		return -EFBIG;
	size_t written = fsb_transfer_get(from, node->data + offset,
					  size < FILE_SIZE - offset ? size : FILE_SIZE - offset);
	if (offset + written > node->size)
		node->size = offset + written;
	return (ssize_t)written;
}

static int mem_release(FS, CTX, uint64_t nodeid, uint64_t fh, int flags, bool unlock_flock,
		       uint64_t lock_owner)
{
	IGNORE_ALL;
	(void)nodeid;
	(void)flags;
	(void)unlock_flock;
	(void)lock_owner;
	return fh > handles ? -EBADF : 0;
}

static int mem_list(FS, uint64_t nodeid, uint64_t offset, struct fsb_dirlist *list, bool plus)
{
	(void)fs;
	if (!dir_of(nodeid))
		return -ENOTDIR;
	for (uint64_t i = offset < NODES ? offset : NODES; i < NODES; i++) {
		struct fsb_dirent dirent = {
			.name = nodes[i].name,
			.namelen = strlen(nodes[i].name),
			.ino = i,
			.next = i + 1,
			.type = DT_UNKNOWN,
		};
		struct fsb_entry entry;

		if (!nodes[i].used || nodes[i].parent != nodeid)
			continue;
		if (!list->fits(list, dirent.namelen))
			break;
		if (plus)
			give(&nodes[i], &entry);
		cr_assert_eq(list->add(list, &dirent, plus ? &entry : NULL), 0);
	}
	return 0;
}

static int mem_readdir(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset,
		       struct fsb_dirlist *list)
{
	IGNORE_ALL;
	(void)fh;
	return mem_list(fs, nodeid, offset, list, false);
}

static int mem_readdirplus(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset,
			   struct fsb_dirlist *list)
{
	IGNORE_ALL;
	(void)fh;
	return mem_list(fs, nodeid, offset, list, true);
}

static int mem_statfs(FS, CTX, uint64_t nodeid, struct fsb_statfs *statfs)
{
	IGNORE_ALL;
	*statfs = (struct fsb_statfs){
		.blocks = NODES, .bsize = 4096, .frsize = 4096, .namelen = NAME_SIZE - 1
	};
	return node_of(nodeid) ? 0 : -ESTALE;
}

static int mem_setxattr(FS, CTX, uint64_t nodeid, const char *name, const void *value, size_t size,
			int flags, bool kill)
{
	IGNORE_ALL;
	(void)flags;
	(void)kill;
	struct node *node = node_of(nodeid);
	if (!node || strlen(name) > 255)
		return -ESTALE;
	if (size > FILE_SIZE)
		return -ENOSPC;
	/* One value for all names: what matters is that all of it can be read. */
	memcpy(node->data, value, size);
	node->size = size;
	return 0;
}

static ssize_t mem_getxattr(FS, CTX, uint64_t nodeid, const char *name, void *value, size_t size)
{
	IGNORE_ALL;
	(void)name;
	struct node *node = node_of(nodeid);
	if (!node)
		return -ESTALE;
	if (size > 0 && size < node->size)
		return -ERANGE;
	if (size > 0)
		memcpy(value, node->data, node->size);
	return (ssize_t)node->size;
}

static ssize_t mem_listxattr(FS, CTX, uint64_t nodeid, char *list, size_t size)
{
	return mem_getxattr(fs, ctx, nodeid, "", list, size);
}

static int mem_ioctl(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_ioctl *ioctl,
		     struct fsb_ioctl_result *result)
{
	IGNORE_ALL;
	(void)fh;
	if (!node_of(nodeid))
		return -ESTALE;
	size_t length = ioctl->in_size < ioctl->out_size ? ioctl->in_size : ioctl->out_size;
	memcpy(result->out, ioctl->in, length);
	memset(result->out, 1, ioctl->out_size);
	result->out_size = ioctl->out_size;
	return 0;
}

static int mem_lock(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		    const struct fsb_lock *lock)
{
	IGNORE_ALL;
	(void)fh;
	(void)owner;
	cr_assert_leq(lock->start, lock->end);
	return node_of(nodeid) ? -EAGAIN : -ESTALE;
}

/* A lock that is had after a while. One caller waits at most. */
static struct fsb_call *waiting;

static int mem_setlkw(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		      const struct fsb_lock *lock)
{
	(void)fs;
	(void)nodeid;
	(void)fh;
	(void)owner;
	(void)lock;
	if (waiting)
		return -EDEADLK;
	waiting = fsb_call_defer(ctx);
	return FSB_DEFERRED;
}

static void mem_interrupt(FS, struct fsb_call *call)
{
	(void)fs;
	if (call != waiting)
		return;
	waiting = NULL;
	fsb_call_complete(call, -EINTR);
}

static int mem_getlk(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		     struct fsb_lock *lock)
{
	IGNORE_ALL;
	(void)fh;
	(void)owner;
	lock->type = F_UNLCK;
	return node_of(nodeid) ? 0 : -ESTALE;
}

static int mem_lseek(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, int whence,
		     uint64_t *result)
{
	IGNORE_ALL;
	(void)nodeid;
	(void)fh;
	*result = offset;
	return whence > SEEK_HOLE ? -EINVAL : 0;
}

static ssize_t mem_copy(FS, CTX, const struct fsb_copy *copy)
{
	IGNORE_ALL;
	return node_of(copy->nodeid_in) && node_of(copy->nodeid_out)
		       ? (ssize_t)(copy->len < FILE_SIZE ? copy->len : FILE_SIZE)
		       : -ESTALE;
}

static void mem_notify_reply(FS, CTX, uint64_t cookie, uint64_t nodeid, uint64_t offset,
			     size_t size, struct fsb_transfer *from)
{
	char sink[256];

	IGNORE_ALL;
	(void)cookie;
	(void)nodeid;
	(void)offset;
	while (size > 0 && fsb_transfer_get(from, sink, sizeof(sink)) > 0)
		;
}

static void mem_destroy(FS)
{
	(void)fs;
	memset(nodes, 0, sizeof(nodes));
	nodes[1] = (struct node){ .used = true, .mode = S_IFDIR | 0755 };
}

static const struct fsb_filesystem_ops mem_ops = {
	.size = sizeof(mem_ops),
	.destroy = mem_destroy,
	.lookup = mem_lookup,
	.forget = mem_forget,
	.getattr = mem_getattr,
	.statx = mem_statx,
	.setattr = mem_setattr,
	.readlink = mem_readlink,
	.symlink = mem_symlink,
	.mknod = mem_mknod,
	.mkdir = mem_mkdir,
	.unlink = mem_unlink,
	.rmdir = mem_unlink,
	.rename = mem_rename,
	.link = mem_link,
	.open = mem_open,
	.create = mem_create,
	.tmpfile = mem_tmpfile,
	.read = mem_read,
	.write = mem_write,
	.release = mem_release,
	.opendir = mem_opendir,
	.readdir = mem_readdir,
	.readdirplus = mem_readdirplus,
	.statfs = mem_statfs,
	.setxattr = mem_setxattr,
	.getxattr = mem_getxattr,
	.listxattr = mem_listxattr,
	.getlk = mem_getlk,
	.setlk = mem_lock,
	.setlkw = mem_setlkw,
	.lseek = mem_lseek,
	.copy_file_range = mem_copy,
	.remap_file_range = mem_copy,
	.ioctl = mem_ioctl,
	.notify_reply = mem_notify_reply,
	.interrupt = mem_interrupt,
};

static struct fsb_filesystem mem = { .ops = &mem_ops };

/* ---- Chance ---- */

/* Of a known seed, so that every run is the same: xorshift by Marsaglia. */
static uint64_t state;

static uint64_t chance(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t below(uint64_t limit)
{
	return chance() % limit;
}

/* A number that is more often than not at an edge of something. */
static uint64_t odd_number(void)
{
	static const uint64_t edges[] = {
		0,
		1,
		2,
		7,
		8,
		15,
		16,
		39,
		40,
		255,
		256,
		4095,
		4096,
		65535,
		65536,
		1u << 20,
		INT32_MAX,
		1u << 31,
		UINT32_MAX,
		1ull << 32,
		INT64_MAX,
		1ull << 63,
		UINT64_MAX - 4095,
		UINT64_MAX,
	};

	return below(3) ? edges[below(sizeof(edges) / sizeof(edges[0]))] : chance();
}

/* ---- Messages ---- */

static void random_message(struct bytes *b)
{
	b->length = below(8) ? HEADER + below(200) : below(HEADER + 8);
	for (size_t i = 0; i < b->length; i++)
		b->at[i] = (uint8_t)chance();
	/* Mostly one that gets as far as its arguments. */
	if (b->length >= HEADER && below(8)) {
		seal(b);
		header_of(b)->opcode = (uint32_t)below(60);
		header_of(b)->nodeid = below(NODES);
		if (below(2))
			header_of(b)->total_extlen = 0;
	}
}

static void flip(struct bytes *b)
{
	size_t at = below(b->length);

	switch (below(4)) {
	case 0:
		b->at[at] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		b->at[at] = (uint8_t)chance();
		break;
	case 2: {
		uint32_t number = (uint32_t)odd_number();
		at &= ~3ull;
		if (at + sizeof(number) <= b->length)
			memcpy(b->at + at, &number, sizeof(number));
		break;
	}
	default: {
		uint64_t number = odd_number();
		at &= ~7ull;
		if (at + sizeof(number) <= b->length)
			memcpy(b->at + at, &number, sizeof(number));
		break;
	}
	}
}

static void cut_or_grow(struct bytes *b)
{
	if (below(2)) {
		b->length = below(b->length + 1);
	} else {
		size_t more = below(64);
		for (size_t i = 0; i < more; i++)
			b->at[b->length++] = (uint8_t)chance();
	}
}

static void mutated_message(struct bytes *b, size_t opcodes)
{
	sample(b, fsb_opcode_at(below(opcodes))->number);
	/* Mostly the root, or what was made in it first. */
	header_of(b)->nodeid = below(4) ? 1 + below(2) : below(8);
	if (fsb_opcode_find(header_of(b)->opcode)->creates && below(2)) {
		if (below(2))
			add_security(b, "security.selinux", "label");
		if (below(2))
			add_group(b, (uint32_t)below(1000));
	}
	size_t times = below(4);
	for (size_t i = 0; i < times && b->length > 0; i++) {
		if (below(3))
			flip(b);
		else
			cut_or_grow(b);
	}
	if (b->length >= HEADER && below(10))
		seal(b);
}

/* ---- Judging ---- */

#define SLOTS 2

/** A message whose request may be deferred. */
struct slot {
	struct fsb_message message;
	struct bytes bytes;
	uint8_t *exact; /* the request in memory of its exact length */
	uint8_t *room;  /* the payload, the same */
	size_t room_size;
	struct iovec request[3], payload[2];
	uint64_t unique;
	uint32_t opcode;
	bool busy;
	int replies;
};

static uint64_t answered, refused;

static void judge(struct slot *slot, const struct fuse_out_header *out)
{
	const struct fsb_opcode *op = fsb_opcode_find(slot->opcode);

	slot->replies++;
	cr_assert_eq(slot->replies, 1);
	cr_assert_geq(slot->bytes.length, HEADER);
	cr_assert_eq(out->unique, slot->unique);
	cr_assert(out->error <= 0 && out->error > -512, "error %d", out->error);
	cr_assert_geq(out->len, sizeof(*out));
	size_t length = out->len - sizeof(*out);
	cr_assert_leq(length, slot->room_size);
	if (out->error) {
		refused++;
		cr_assert_eq(length, 0);
	} else {
		answered++;
		cr_assert_not_null(op);
		/* A fixed reply is whole; only an ioctl's has something behind it. */
		if (op->out_size > 0 && op->number != FUSE_IOCTL)
			cr_assert_eq(length, op->out_size);
		if (op->number == FUSE_IOCTL)
			cr_assert_geq(length, op->out_size);
	}
	if (op && op->no_reply)
		cr_assert(op->number == FUSE_INTERRUPT && out->error);
}

static int slot_reply(struct fsb_message *message, const struct fuse_out_header *out)
{
	struct slot *slot = message->owner;

	judge(slot, out);
	slot->busy = false;
	/* Now and then an answer does not arrive. */
	return below(50) ? 0 : -ENOENT;
}

static struct fsb_server *server;
static struct slot slots[SLOTS];

/* Cut the request in up to three pieces, the payload in two. */
static void lay_out(struct slot *slot)
{
	size_t length = slot->bytes.length;
	size_t first = below(3) ? length : below(length + 1);
	size_t second = below(length - first + 1);

	free(slot->exact);
	free(slot->room);
	slot->exact = malloc(length ? length : 1);
	memcpy(slot->exact, slot->bytes.at, length);
	slot->request[0] = (struct iovec){ slot->exact, first };
	slot->request[1] = (struct iovec){ slot->exact + first, second };
	slot->request[2] = (struct iovec){ slot->exact + first + second, length - first - second };
	slot->message.request = slot->request;
	slot->message.nrequest = 3;

	slot->room_size = below(4) ? 70000 : below(300);
	slot->room = malloc(slot->room_size ? slot->room_size : 1);
	size_t cut = below(3) ? slot->room_size : below(slot->room_size + 1);
	slot->payload[0] = (struct iovec){ slot->room, cut };
	slot->payload[1] = (struct iovec){ slot->room + cut, slot->room_size - cut };
	slot->message.payload = slot->payload;
	slot->message.npayload = 2;
}

static void send_slot(struct slot *slot)
{
	const struct fuse_in_header *header = header_of(&slot->bytes);
	bool whole = slot->bytes.length >= HEADER;

	lay_out(slot);
	slot->unique = whole ? header->unique : 0;
	slot->opcode = whole ? header->opcode : 0;
	slot->replies = 0;
	slot->busy = true;
	int err = fsb_server_handle(server, &slot->message);
	if (err == FSB_DEFERRED)
		return;
	slot->busy = false;
	cr_assert(err == 0 || err == -EBADMSG || err == -ENODEV || err == -ENOENT, "%d", err);
	cr_assert_eq(err == -EBADMSG, !whole);
	const struct fsb_opcode *op = fsb_opcode_find(slot->opcode);
	if (whole && !(op && op->no_reply))
		cr_assert_eq(slot->replies, 1);
	if (!whole)
		cr_assert_eq(slot->replies, 0);
}

static struct slot *free_slot(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (!slots[i].busy)
			return &slots[i];
	return NULL;
}

static void end_waiting(void)
{
	struct fsb_call *call = waiting;

	waiting = NULL;
	if (call)
		fsb_call_complete(call, 0);
}

static void begin_mount(void)
{
	struct slot *slot = free_slot();

	fsb_server_disconnect(server);
	sample(&slot->bytes, FUSE_INIT);
	send_slot(slot);
}

static void trace(void *opaque, const struct fsb_trace *trace)
{
	char text[256];

	(void)opaque;
	/* Both must find all they read, whatever the message was. */
	fsb_request_describe(trace->request, text, sizeof(text));
	fsb_reply_describe(trace->request->op, trace->error, trace->body, trace->length, text,
			   sizeof(text));
}

static void run(uint64_t seed, size_t count)
{
	struct fsb_server_config config;
	size_t opcodes = 0;

	printf("seed %lu, %zu messages\n", seed, count);
	state = seed;
	while (fsb_opcode_at(opcodes))
		opcodes++;
	mem_destroy(&mem);
	fsb_server_config_init(&config);
	config.filesystem = &mem;
	config.max_write = 65536;
	config.remap_opcode = true;
	config.stats = true;
	config.trace = trace;
	cr_assert_eq(fsb_server_new(&config, &server), 0);
	for (size_t i = 0; i < SLOTS; i++)
		fsb_message_init(&slots[i].message, slot_reply, &slots[i]);
	begin_mount();

	for (size_t i = 0; i < count; i++) {
		struct fsb_protocol protocol;
		struct slot *slot = free_slot();

		if (below(3))
			mutated_message(&slot->bytes, opcodes);
		else
			random_message(&slot->bytes);
		send_slot(slot);
		if (below(4) == 0)
			end_waiting();
		fsb_server_protocol(server, &protocol);
		if (protocol.minor == 0 && below(4) == 0)
			begin_mount();
	}

	end_waiting();
	fsb_server_disconnect(server);
	for (size_t i = 0; i < SLOTS; i++) {
		fsb_message_clear(&slots[i].message);
		free(slots[i].exact);
		free(slots[i].room);
	}
	fsb_server_free(server);
	printf("answered %lu, refused %lu\n", answered, refused);
	/* Both kinds, or the messages were not what they should be. */
	cr_assert_gt(answered, count / 20);
	cr_assert_gt(refused, count / 20);
}

/* Under valgrind a tenth takes as long; it sets this. */
static size_t messages(void)
{
	const char *text = getenv("FSB_MESSAGES");
	return text ? strtoul(text, NULL, 10) : 1000000;
}

Test(malformed, a_million_malformed_messages_are_answered_or_refused, .timeout = 580)
{
	run(0x9e3779b97f4a7c15, messages());
}

/* ---- The decoder alone ---- */

Test(malformed, decoder_takes_any_bytes_in_any_protocol)
{
	static const uint64_t flags[] = {
		0,
		FUSE_SETXATTR_EXT,
		FUSE_SECURITY_CTX,
		FUSE_CREATE_SUPP_GROUP,
		FUSE_SECURITY_CTX | FUSE_CREATE_SUPP_GROUP,
		FUSE_EXPORT_SUPPORT,
		UINT64_MAX,
	};
	size_t opcodes = 0;
	size_t count = messages() / 4;

	state = 88172645463325252;
	while (fsb_opcode_at(opcodes))
		opcodes++;
	for (size_t i = 0; i < count; i++) {
		struct fsb_protocol protocol = {
			.minor = below(16) ? 31 + (uint32_t)below(15) : 0,
			.flags = flags[below(sizeof(flags) / sizeof(flags[0]))],
			.max_write = 65536,
			.remap_opcode = below(2),
		};
		static struct fsb_request request;
		struct bytes b;

		if (below(2))
			mutated_message(&b, opcodes);
		else
			random_message(&b);
		/* Not aligned, and of the exact length. */
		size_t shift = below(8);
		uint8_t *exact = malloc(b.length + shift + 1);
		memcpy(exact + shift, b.at, b.length);
		int err =
			fsb_request_decode(&protocol, exact + shift, b.length, b.length, &request);
		cr_assert(err == 0 || err == -EBADMSG || err == -ENOSYS || err == -EINVAL ||
			  err == -ENAMETOOLONG || err == -E2BIG || err == -EOVERFLOW);
		cr_assert_eq(err == 0, request.op != NULL);
		free(exact);
	}
}
