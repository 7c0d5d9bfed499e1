/* SPDX-License-Identifier: BSD-3-Clause */
/* Every request reaches its operation with exactly its arguments, and the answer's bytes are
 * exactly its result. */
#include "messages.h"

#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/sysmacros.h>

/* ---- A file system that writes down what it is told ---- */

static char heard[4096]; /* the calls, one a line */
static ssize_t verdict;  /* what operations return, unless it is 0: then they succeed */
static struct fsb_entry found;
static struct fsb_open opened;
static size_t names_to_list;
static bool defers;
static struct fsb_call *deferred_call;

static void hear(const struct fsb_context *ctx, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void hear(const struct fsb_context *ctx, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	/* Who asks is the same for all of them, and so worth a word only when it is not. */
	if (ctx && (ctx->uid != 1000 || ctx->gid != 100 || ctx->pid != 77))
		snprintf(line + length, sizeof(line) - (size_t)length, " by %d:%d:%d",
			 (int)ctx->uid, (int)ctx->gid, (int)ctx->pid);
	strncat(line, "\n", sizeof(line) - strlen(line) - 1);
	strncat(heard, line, sizeof(heard) - strlen(heard) - 1);
	if (ctx && defers)
		deferred_call = fsb_call_defer(ctx);
}

/* What an operation returns after it was heard. */
static ssize_t answer(ssize_t success)
{
	if (defers)
		return FSB_DEFERRED;
	return verdict ? verdict : success;
}

#define FS struct fsb_filesystem *fs
#define CTX const struct fsb_context *ctx

static int fake_lookup(FS, CTX, uint64_t parent, const char *name, struct fsb_entry *entry)
{
	(void)fs;
	hear(ctx, "lookup %lu %s", parent, name);
	*entry = found;
	return (int)answer(0);
}

static void fake_forget(FS, uint64_t nodeid, uint64_t nlookup)
{
	(void)fs;
	hear(NULL, "forget %lu %lu", nodeid, nlookup);
}

static void fake_batch_forget(FS, const struct fsb_forget *list, size_t count)
{
	(void)fs;
	for (size_t i = 0; i < count; i++)
		hear(NULL, "batch_forget %lu %lu", list[i].nodeid, list[i].nlookup);
}

static int fh_or_none(const uint64_t *fh)
{
	return fh ? (int)*fh : -1;
}

static int fake_getattr(FS, CTX, uint64_t nodeid, const uint64_t *fh, struct fsb_attr *attr,
			uint64_t *timeout_ns)
{
	(void)fs;
	hear(ctx, "getattr %lu fh %d", nodeid, fh_or_none(fh));
	*attr = found.attr;
	*timeout_ns = found.attr_timeout_ns;
	return (int)answer(0);
}

static int fake_statx(FS, CTX, uint64_t nodeid, const uint64_t *fh, uint32_t flags, uint32_t mask,
		      struct statx *stx, uint64_t *timeout_ns)
{
	(void)fs;
	hear(ctx, "statx %lu fh %d flags %#x mask %#x", nodeid, fh_or_none(fh), flags, mask);
	memset(stx, 0, sizeof(*stx));
	stx->stx_mask = 0x7ff;
	stx->stx_blksize = 4096;
	stx->stx_attributes = 1ull << 40;
	stx->stx_nlink = 2;
	stx->stx_uid = 3;
	stx->stx_gid = 4;
	stx->stx_mode = 0100644;
	stx->stx_ino = 5;
	stx->stx_size = 6;
	stx->stx_blocks = 7;
	stx->stx_attributes_mask = 8;
	stx->stx_atime = (struct statx_timestamp){ .tv_sec = -1, .tv_nsec = 1 };
	stx->stx_btime = (struct statx_timestamp){ .tv_sec = 2, .tv_nsec = 2 };
	stx->stx_ctime = (struct statx_timestamp){ .tv_sec = 3, .tv_nsec = 3 };
	stx->stx_mtime = (struct statx_timestamp){ .tv_sec = 4, .tv_nsec = 4 };
	stx->stx_rdev_major = 9;
	stx->stx_rdev_minor = 10;
	stx->stx_dev_major = 11;
	stx->stx_dev_minor = 12;
	*timeout_ns = 1500000000;
	return (int)answer(0);
}

static int fake_setattr(FS, CTX, uint64_t nodeid, const uint64_t *fh, const struct fsb_setattr *set,
			struct fsb_attr *attr, uint64_t *timeout_ns)
{
	(void)fs;
	hear(ctx,
	     "setattr %lu fh %d valid %#x mode %o uid %u gid %u size %lu atime %ld.%u mtime %ld.%u "
	     "ctime %ld.%u owner %lu",
	     nodeid, fh_or_none(fh), set->valid, set->mode, set->uid, set->gid, set->size,
	     set->atime.sec, set->atime.nsec, set->mtime.sec, set->mtime.nsec, set->ctime.sec,
	     set->ctime.nsec, set->lock_owner);
	*attr = found.attr;
	*timeout_ns = found.attr_timeout_ns;
	return (int)answer(0);
}

static ssize_t fake_readlink(FS, CTX, uint64_t nodeid, char *target, size_t size)
{
	(void)fs;
	hear(ctx, "readlink %lu size %zu", nodeid, size);
	memcpy(target, "tar/get", 7);
	return answer(7);
}

static void hear_creation(CTX, const char *what, uint64_t parent, const char *name,
			  const struct fsb_create *how)
{
	hear(ctx, "%s %lu %s mode %o umask %o rdev %u:%u flags %#x kill %d labels %zu", what,
	     parent, name ? name : "-", how->mode, how->umask, major(how->rdev), minor(how->rdev),
	     how->flags, how->kill_suidgid, how->nsecurity);
}

static int fake_symlink(FS, CTX, uint64_t parent, const char *name, const char *target,
			const struct fsb_create *how, struct fsb_entry *entry)
{
	(void)fs;
	hear_creation(ctx, target, parent, name, how);
	*entry = found;
	return (int)answer(0);
}

static int fake_mknod(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		      struct fsb_entry *entry)
{
	(void)fs;
	hear_creation(ctx, "mknod", parent, name, how);
	*entry = found;
	return (int)answer(0);
}

static int fake_mkdir(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		      struct fsb_entry *entry)
{
	(void)fs;
	hear_creation(ctx, "mkdir", parent, name, how);
	for (size_t i = 0; i < how->nsecurity; i++)
		hear(ctx, "label %s=%.*s", how->security[i].name, (int)how->security[i].size,
		     (const char *)how->security[i].value);
	*entry = found;
	return (int)answer(0);
}

static int fake_unlink(FS, CTX, uint64_t parent, const char *name)
{
	(void)fs;
	hear(ctx, "unlink %lu %s", parent, name);
	return (int)answer(0);
}

static int fake_rmdir(FS, CTX, uint64_t parent, const char *name)
{
	(void)fs;
	hear(ctx, "rmdir %lu %s", parent, name);
	return (int)answer(0);
}

static int fake_rename(FS, CTX, uint64_t parent, const char *name, uint64_t newparent,
		       const char *newname, uint32_t flags)
{
	(void)fs;
	hear(ctx, "rename %lu %s %lu %s flags %#x", parent, name, newparent, newname, flags);
	return (int)answer(0);
}

static int fake_link(FS, CTX, uint64_t nodeid, uint64_t newparent, const char *newname,
		     struct fsb_entry *entry)
{
	(void)fs;
	hear(ctx, "link %lu %lu %s", nodeid, newparent, newname);
	*entry = found;
	return (int)answer(0);
}

static int fake_open(FS, CTX, uint64_t nodeid, int flags, bool kill_suidgid, struct fsb_open *open)
{
	(void)fs;
	hear(ctx, "open %lu flags %#x kill %d", nodeid, flags, kill_suidgid);
	*open = opened;
	return (int)answer(0);
}

static int fake_create(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		       struct fsb_entry *entry, struct fsb_open *open)
{
	(void)fs;
	hear_creation(ctx, "create", parent, name, how);
	*entry = found;
	*open = opened;
	return (int)answer(0);
}

static int fake_tmpfile(FS, CTX, uint64_t parent, const struct fsb_create *how,
			struct fsb_entry *entry, struct fsb_open *open)
{
	(void)fs;
	hear_creation(ctx, "tmpfile", parent, NULL, how);
	*entry = found;
	*open = opened;
	return (int)answer(0);
}

static ssize_t fake_read(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size,
			 int flags, uint64_t lock_owner, struct fsb_transfer *to)
{
	(void)fs;
	hear(ctx, "read %lu fh %lu offset %lu size %zu flags %#x owner %lu", nodeid, fh, offset,
	     size, flags, lock_owner);
	return answer((ssize_t)fsb_transfer_put(to, "the file's bytes", 16));
}

static ssize_t fake_write(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, size_t size,
			  int flags, uint32_t write_flags, uint64_t lock_owner,
			  struct fsb_transfer *from)
{
	char data[64] = { 0 };

	(void)fs;
	fsb_transfer_get(from, data, sizeof(data) - 1);
	hear(ctx,
	     "write %lu fh %lu offset %lu size %zu flags %#x write_flags %#x owner %lu data %s",
	     nodeid, fh, offset, size, flags, write_flags, lock_owner, data);
	return answer((ssize_t)size);
}

static int fake_flush(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t lock_owner)
{
	(void)fs;
	hear(ctx, "flush %lu fh %lu owner %lu", nodeid, fh, lock_owner);
	return (int)answer(0);
}

static int fake_release(FS, CTX, uint64_t nodeid, uint64_t fh, int flags, bool unlock_flock,
			uint64_t lock_owner)
{
	(void)fs;
	hear(ctx, "release %lu fh %lu flags %#x unlock %d owner %lu", nodeid, fh, flags,
	     unlock_flock, lock_owner);
	return (int)answer(0);
}

static int fake_fsync(FS, CTX, uint64_t nodeid, uint64_t fh, bool datasync)
{
	(void)fs;
	hear(ctx, "fsync %lu fh %lu datasync %d", nodeid, fh, datasync);
	return (int)answer(0);
}

static int fake_opendir(FS, CTX, uint64_t nodeid, int flags, struct fsb_open *open)
{
	(void)fs;
	hear(ctx, "opendir %lu flags %#x", nodeid, flags);
	*open = opened;
	return (int)answer(0);
}

static int list_names(struct fsb_dirlist *list, uint64_t offset, bool plus)
{
	for (size_t i = 0; i < names_to_list; i++) {
		char name[32];
		struct fsb_dirent dirent = {
			.name = name,
			.ino = 100 + i,
			.next = offset + i + 1,
			.type = i ? DT_REG : DT_DIR,
		};
		struct fsb_entry entry = found;

		dirent.namelen = (size_t)sprintf(name, i ? "name%zu" : ".", i);
		entry.nodeid = 100 + i;
		if (!list->fits(list, dirent.namelen))
			break;
		cr_assert_eq(list->add(list, &dirent, plus && i ? &entry : NULL), 0);
	}
	return (int)answer(0);
}

static int fake_readdir(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset,
			struct fsb_dirlist *list)
{
	(void)fs;
	hear(ctx, "readdir %lu fh %lu offset %lu", nodeid, fh, offset);
	return list_names(list, offset, false);
}

static int fake_readdirplus(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset,
			    struct fsb_dirlist *list)
{
	(void)fs;
	hear(ctx, "readdirplus %lu fh %lu offset %lu", nodeid, fh, offset);
	return list_names(list, offset, true);
}

static int fake_releasedir(FS, CTX, uint64_t nodeid, uint64_t fh, int flags)
{
	(void)fs;
	hear(ctx, "releasedir %lu fh %lu flags %#x", nodeid, fh, flags);
	return (int)answer(0);
}

static int fake_fsyncdir(FS, CTX, uint64_t nodeid, uint64_t fh, bool datasync)
{
	(void)fs;
	hear(ctx, "fsyncdir %lu fh %lu datasync %d", nodeid, fh, datasync);
	return (int)answer(0);
}

static int fake_statfs(FS, CTX, uint64_t nodeid, struct fsb_statfs *statfs)
{
	(void)fs;
	hear(ctx, "statfs %lu", nodeid);
	*statfs = (struct fsb_statfs){ 1, 2, 3, 4, 5, 6, 7, 8 };
	return (int)answer(0);
}

static int fake_syncfs(FS, CTX, uint64_t nodeid)
{
	(void)fs;
	hear(ctx, "syncfs %lu", nodeid);
	return (int)answer(0);
}

static int fake_setxattr(FS, CTX, uint64_t nodeid, const char *name, const void *value, size_t size,
			 int flags, bool kill_sgid)
{
	(void)fs;
	cr_assert_eq(memcmp(value, "v\0lue", 5), 0);
	hear(ctx, "setxattr %lu %s size %zu flags %d kill %d", nodeid, name, size, flags,
	     kill_sgid);
	return (int)answer(0);
}

static ssize_t fake_getxattr(FS, CTX, uint64_t nodeid, const char *name, void *value, size_t size)
{
	(void)fs;
	hear(ctx, "getxattr %lu %s size %zu", nodeid, name, size);
	if (size >= 5)
		memcpy(value, "v\0lue", 5);
	return answer(5);
}

static ssize_t fake_listxattr(FS, CTX, uint64_t nodeid, char *list, size_t size)
{
	(void)fs;
	hear(ctx, "listxattr %lu size %zu", nodeid, size);
	if (size >= 14)
		memcpy(list, "user.a\0user.b", 14);
	return answer(14);
}

static int fake_removexattr(FS, CTX, uint64_t nodeid, const char *name)
{
	(void)fs;
	hear(ctx, "removexattr %lu %s", nodeid, name);
	return (int)answer(0);
}

static int fake_access(FS, CTX, uint64_t nodeid, int mask)
{
	(void)fs;
	hear(ctx, "access %lu mask %d", nodeid, mask);
	return (int)answer(0);
}

static void hear_lock(CTX, const char *what, uint64_t nodeid, uint64_t fh,
		      const struct fsb_lock_owner *owner, const struct fsb_lock *lock)
{
	hear(ctx, "%s %lu fh %lu owner %#lx flock %d %lu-%lu type %d pid %d", what, nodeid, fh,
	     owner->owner, owner->flock, lock->start, lock->end, lock->type, lock->pid);
}

static int fake_getlk(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		      struct fsb_lock *lock)
{
	(void)fs;
	hear_lock(ctx, "getlk", nodeid, fh, owner, lock);
	*lock = (struct fsb_lock){ 1, 2, F_RDLCK, 3 };
	return (int)answer(0);
}

static int fake_setlk(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		      const struct fsb_lock *lock)
{
	(void)fs;
	hear_lock(ctx, "setlk", nodeid, fh, owner, lock);
	return (int)answer(0);
}

static int fake_setlkw(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_lock_owner *owner,
		       const struct fsb_lock *lock)
{
	(void)fs;
	hear_lock(ctx, "setlkw", nodeid, fh, owner, lock);
	return (int)answer(0);
}

static int fake_fallocate(FS, CTX, uint64_t nodeid, uint64_t fh, int mode, uint64_t offset,
			  uint64_t length)
{
	(void)fs;
	hear(ctx, "fallocate %lu fh %lu mode %#x %lu+%lu", nodeid, fh, mode, offset, length);
	return (int)answer(0);
}

static int fake_lseek(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset, int whence,
		      uint64_t *result)
{
	(void)fs;
	hear(ctx, "lseek %lu fh %lu offset %lu whence %d", nodeid, fh, offset, whence);
	*result = 4242;
	return (int)answer(0);
}

static void hear_copy(CTX, const char *what, const struct fsb_copy *copy)
{
	hear(ctx, "%s %lu:%lu:%lu %lu:%lu:%lu len %lu flags %lu", what, copy->nodeid_in,
	     copy->fh_in, copy->off_in, copy->nodeid_out, copy->fh_out, copy->off_out, copy->len,
	     copy->flags);
}

static ssize_t fake_copy_file_range(FS, CTX, const struct fsb_copy *copy)
{
	(void)fs;
	hear_copy(ctx, "copy", copy);
	return answer(250);
}

static ssize_t fake_remap_file_range(FS, CTX, const struct fsb_copy *copy)
{
	(void)fs;
	hear_copy(ctx, "remap", copy);
	return answer(4096);
}

static int fake_ioctl(FS, CTX, uint64_t nodeid, uint64_t fh, const struct fsb_ioctl *ioctl,
		      struct fsb_ioctl_result *result)
{
	(void)fs;
	hear(ctx, "ioctl %lu fh %lu cmd %#x flags %#x arg %#lx in %.*s out_size %zu", nodeid, fh,
	     ioctl->cmd, ioctl->flags, ioctl->arg, (int)ioctl->in_size, (const char *)ioctl->in,
	     ioctl->out_size);
	memcpy(result->out, "answer", ioctl->out_size < 6 ? ioctl->out_size : 6);
	result->out_size = 6;
	result->result = 7;
	return (int)answer(0);
}

static int fake_poll(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t kh, bool notify,
		     uint32_t events, uint32_t *revents)
{
	(void)fs;
	hear(ctx, "poll %lu fh %lu kh %lu notify %d events %u", nodeid, fh, kh, notify, events);
	*revents = 4;
	return (int)answer(0);
}

static int fake_bmap(FS, CTX, uint64_t nodeid, uint64_t block, uint32_t blocksize, uint64_t *result)
{
	(void)fs;
	hear(ctx, "bmap %lu block %lu size %u", nodeid, block, blocksize);
	*result = 77;
	return (int)answer(0);
}

static int fake_setupmapping(FS, CTX, uint64_t nodeid, uint64_t fh,
			     const struct fsb_mapping *mapping, struct fsb_window *window)
{
	(void)fs;
	hear(ctx, "setupmapping %lu fh %lu %lu at %lu length %lu read %d write %d%s", nodeid, fh,
	     mapping->file_offset, mapping->window_offset, mapping->length, mapping->read,
	     mapping->write, window ? "" : " nowhere");
	return (int)answer(0);
}

static int fake_removemapping(FS, CTX, uint64_t window_offset, uint64_t length,
			      struct fsb_window *window)
{
	(void)fs;
	hear(ctx, "removemapping %lu+%lu%s", window_offset, length, window ? "" : " nowhere");
	return (int)answer(0);
}

static void fake_notify_reply(FS, CTX, uint64_t cookie, uint64_t nodeid, uint64_t offset,
			      size_t size, struct fsb_transfer *from)
{
	char data[64] = { 0 };

	(void)fs;
	fsb_transfer_get(from, data, sizeof(data) - 1);
	hear(ctx, "notify_reply %lu of %lu offset %lu size %zu data %s", cookie, nodeid, offset,
	     size, data);
}

static void fake_interrupt(FS, struct fsb_call *call)
{
	(void)fs;
	(void)call;
	hear(NULL, "interrupt");
}

static uint64_t wanted; /* what init asks for beside the defaults */

static int fake_init(FS, struct fsb_init *init)
{
	(void)fs;
	init->want |= wanted;
	return 0;
}

static const struct fsb_filesystem_ops fake_ops = {
	.size = sizeof(fake_ops),
	.init = fake_init,
	.lookup = fake_lookup,
	.forget = fake_forget,
	.batch_forget = fake_batch_forget,
	.getattr = fake_getattr,
	.statx = fake_statx,
	.setattr = fake_setattr,
	.readlink = fake_readlink,
	.symlink = fake_symlink,
	.mknod = fake_mknod,
	.mkdir = fake_mkdir,
	.unlink = fake_unlink,
	.rmdir = fake_rmdir,
	.rename = fake_rename,
	.link = fake_link,
	.open = fake_open,
	.create = fake_create,
	.tmpfile = fake_tmpfile,
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.release = fake_release,
	.fsync = fake_fsync,
	.opendir = fake_opendir,
	.readdir = fake_readdir,
	.readdirplus = fake_readdirplus,
	.releasedir = fake_releasedir,
	.fsyncdir = fake_fsyncdir,
	.statfs = fake_statfs,
	.syncfs = fake_syncfs,
	.setxattr = fake_setxattr,
	.getxattr = fake_getxattr,
	.listxattr = fake_listxattr,
	.removexattr = fake_removexattr,
	.access = fake_access,
	.getlk = fake_getlk,
	.setlk = fake_setlk,
	.setlkw = fake_setlkw,
	.fallocate = fake_fallocate,
	.lseek = fake_lseek,
	.copy_file_range = fake_copy_file_range,
	.remap_file_range = fake_remap_file_range,
	.ioctl = fake_ioctl,
	.poll = fake_poll,
	.bmap = fake_bmap,
	.setupmapping = fake_setupmapping,
	.removemapping = fake_removemapping,
	.notify_reply = fake_notify_reply,
	.interrupt = fake_interrupt,
};

static struct fsb_filesystem fake = { .ops = &fake_ops };

static int window_map(struct fsb_window *window, int fd, const struct fsb_mapping *mapping)
{
	(void)window;
	(void)fd;
	(void)mapping;
	return 0;
}

static int window_unmap(struct fsb_window *window, uint64_t window_offset, uint64_t length)
{
	(void)window;
	(void)window_offset;
	(void)length;
	return 0;
}

static struct fsb_window window = { .map = window_map, .unmap = window_unmap };

static struct fsb_server_config fake_config(void)
{
	struct fsb_server_config config;

	fsb_server_config_init(&config);
	config.filesystem = &fake;
	config.remap_opcode = true;
	config.window = &window;
	return config;
}

static struct client *client;

static void set_up(void)
{
	struct fsb_server_config config = fake_config();

	found = (struct fsb_entry){
		.nodeid = 9,
		.generation = 8,
		.entry_timeout_ns = 1500000007,
		.attr_timeout_ns = 2000000000,
		.attr = {
			.ino = 1, .size = 2, .blocks = 3, .atime = { -4, 5 }, .mtime = { 6, 7 },
			.ctime = { 8, 9 },
			.mode = S_IFREG | 0644, .nlink = 10, .uid = 11, .gid = 12,
			.rdev = makedev(0x123, 0x45678),
			.blksize = 13, .flags = FSB_ATTR_SUBMOUNT,
		},
	};
	opened = (struct fsb_open){ .fh = 31, .flags = FSB_OPEN_KEEP_CACHE, .backing_id = 32 };
	names_to_list = 3;
	client = client_ready(&config);
}

/* A client of a mount on which init wanted more. */
static void set_up_wanting(uint64_t flags)
{
	struct fsb_server_config config = fake_config();

	client_free(client);
	wanted = flags;
	client = client_ready(&config);
}

static void tear_down(void)
{
	client_free(client);
}

TestSuite(dispatch, .init = set_up, .fini = tear_down);

/* ---- What the answers are ---- */

/* The answer's bytes for what the file system returns, laid out by hand. */
static const struct fuse_attr wire_attr = {
	.ino = 1,
	.size = 2,
	.blocks = 3,
	.atime = (uint64_t)-4,
	.mtime = 6,
	.ctime = 8,
	.atimensec = 5,
	.mtimensec = 7,
	.ctimensec = 9,
	.mode = 0100644,
	.nlink = 10,
	.uid = 11,
	.gid = 12,
	.rdev = 0x45612378,
	.blksize = 13,
	.flags = 1,
};

static struct fuse_entry_out wire_entry(void)
{
	return (struct fuse_entry_out){
		.nodeid = 9,
		.generation = 8,
		.entry_valid = 1,
		.entry_valid_nsec = 500000007,
		.attr_valid = 2,
		.attr = wire_attr,
	};
}

static size_t expected_answer(uint32_t opcode, uint8_t *bytes)
{
	size_t length = 0;

#define APPEND(value)                                            \
	do {                                                     \
		memcpy(bytes + length, &(value), sizeof(value)); \
		length += sizeof(value);                         \
	} while (0)

	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_LINK: {
		struct fuse_entry_out out = wire_entry();
		APPEND(out);
		break;
	}
	case FUSE_CREATE:
	case FUSE_TMPFILE: {
		struct fuse_entry_out out = wire_entry();
		struct fuse_open_out open = { .fh = 31, .open_flags = 2 };
		APPEND(out);
		APPEND(open);
		break;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		/* A backing id only counts with its flag. */
		struct fuse_open_out out = { .fh = 31, .open_flags = 2 };
		APPEND(out);
		break;
	}
	case FUSE_GETATTR:
	case FUSE_SETATTR: {
		struct fuse_attr_out out = { .attr_valid = 2, .attr = wire_attr };
		APPEND(out);
		break;
	}
	case FUSE_STATX: {
		struct fuse_statx_out out = {
			.attr_valid = 1, .attr_valid_nsec = 500000000,
			.stat = {
				.mask = 0x7ff, .blksize = 4096,
				.attributes = 1ull << 40, .nlink = 2,
				.uid = 3, .gid = 4, .mode = 0100644, .ino = 5, .size = 6,
				.blocks = 7, .attributes_mask = 8,
				.atime = { -1, 1, 0 }, .btime = { 2, 2, 0 },
				.ctime = { 3, 3, 0 }, .mtime = { 4, 4, 0 },
				.rdev_major = 9, .rdev_minor = 10, .dev_major = 11, .dev_minor = 12,
			},
		};
		APPEND(out);
		break;
	}
	case FUSE_READLINK:
		memcpy(bytes, "tar/get", length = 7);
		break;
	case FUSE_READ:
		memcpy(bytes, "the file's bytes", length = 16);
		break;
	case FUSE_WRITE: {
		struct fuse_write_out out = { .size = 5 };
		APPEND(out);
		break;
	}
	case FUSE_STATFS: {
		struct fuse_statfs_out out = {
			.st = { .blocks = 1,
				.bfree = 2,
				.bavail = 3,
				.files = 4,
				.ffree = 5,
				.bsize = 6,
				.frsize = 7,
				.namelen = 8 },
		};
		APPEND(out);
		break;
	}
	case FUSE_GETXATTR:
		memcpy(bytes, "v\0lue", length = 5);
		break;
	case FUSE_LISTXATTR:
		memcpy(bytes, "user.a\0user.b", length = 14);
		break;
	case FUSE_GETLK: {
		struct fuse_lk_out out = { .lk = { 1, 2, F_RDLCK, 3 } };
		APPEND(out);
		break;
	}
	case FUSE_LSEEK: {
		struct fuse_lseek_out out = { .offset = 4242 };
		APPEND(out);
		break;
	}
	case FUSE_COPY_FILE_RANGE: {
		struct fuse_write_out out = { .size = 250 };
		APPEND(out);
		break;
	}
	case FUSE_COPY_FILE_RANGE_64: {
		struct fuse_copy_file_range_out out = { .bytes_copied = 250 };
		APPEND(out);
		break;
	}
	case FSB_REMAP_FILE_RANGE: {
		struct fuse_write_out out = { .size = 4096 };
		APPEND(out);
		break;
	}
	case FUSE_IOCTL: {
		struct fuse_ioctl_out out = { .result = 7 };
		APPEND(out);
		memcpy(bytes + length, "answer", 6);
		length += 6;
		break;
	}
	case FUSE_POLL: {
		struct fuse_poll_out out = { .revents = 4 };
		APPEND(out);
		break;
	}
	case FUSE_BMAP: {
		struct fuse_bmap_out out = { .block = 77 };
		APPEND(out);
		break;
	}
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		for (size_t i = 0; i < 3; i++) {
			struct fuse_dirent dirent = {
				.ino = 100 + i,
				.off = 4096 + i + 1,
				.namelen = i ? 5 : 1,
				.type = i ? DT_REG : DT_DIR,
			};
			char name[8] = { 0 };

			if (opcode == FUSE_READDIRPLUS) {
				struct fuse_entry_out out = { 0 };
				if (i) {
					out = wire_entry();
					out.nodeid = 100 + i;
				}
				APPEND(out);
			}
			snprintf(name, sizeof(name), i ? "name%zu" : ".", i);
			APPEND(dirent);
			APPEND(name);
		}
		break;
	default:
		break;
	}
	return length;
}

/* ---- Every opcode ---- */

static const struct expectation {
	uint32_t opcode;
	const char *call;
} expectations[] = {
	{ FUSE_LOOKUP, "lookup 2 file\n" },
	{ FUSE_FORGET, "forget 5 3\n" },
	{ FUSE_GETATTR, "getattr 5 fh 11\n" },
	{ FUSE_SETATTR,
	  "setattr 5 fh 11 valid 0xe3f mode 640 uid 1001 gid 101 size 4096 atime -2.999999999"
	  " mtime 1700000000.2 ctime 3.1 owner 9\n" },
	{ FUSE_READLINK, "readlink 5 size 4095\n" },
	{ FUSE_SYMLINK,
	  "../tar/get 2 link mode 120777 umask 0 rdev 0:0 flags 0 kill 0 labels 0\n" },
	{ FUSE_MKNOD, "mknod 2 node mode 20600 umask 0 rdev 1110:74616 flags 0 kill 0 labels 0\n" },
	{ FUSE_MKDIR, "mkdir 2 dir mode 755 umask 0 rdev 0:0 flags 0 kill 0 labels 0\n" },
	{ FUSE_UNLINK, "unlink 2 file\n" },
	{ FUSE_RMDIR, "rmdir 2 file\n" },
	{ FUSE_RENAME, "rename 2 old 3 new flags 0\n" },
	{ FUSE_RENAME2, "rename 2 old 3 new flags 0x1\n" },
	{ FUSE_LINK, "link 5 2 hard\n" },
	/* O_RDWR is left of what was asked: the rest is the client's kernel's. */
	{ FUSE_OPEN, "open 5 flags 0x2 kill 1\n" },
	{ FUSE_READ, "read 5 fh 11 offset 4096 size 512 flags 0x2 owner 9\n" },
	{ FUSE_WRITE,
	  "write 5 fh 11 offset 4096 size 5 flags 0x1 write_flags 0x6 owner 9 data hello\n" },
	{ FUSE_STATFS, "statfs 5\n" },
	{ FUSE_RELEASE, "release 5 fh 11 flags 0x2 unlock 1 owner 9\n" },
	{ FUSE_FSYNC, "fsync 5 fh 11 datasync 1\n" },
	{ FUSE_SETXATTR, "setxattr 5 user.name size 5 flags 1 kill 1\n" },
	{ FUSE_GETXATTR, "getxattr 5 user.name size 256\n" },
	{ FUSE_LISTXATTR, "listxattr 5 size 256\n" },
	{ FUSE_REMOVEXATTR, "removexattr 5 user.na/me\n" },
	{ FUSE_FLUSH, "flush 5 fh 11 owner 9\n" },
	{ FUSE_OPENDIR, "opendir 5 flags 0x2\n" },
	{ FUSE_READDIR, "readdir 5 fh 11 offset 4096\n" },
	{ FUSE_RELEASEDIR, "releasedir 5 fh 11 flags 0x2\n" },
	{ FUSE_FSYNCDIR, "fsyncdir 5 fh 11 datasync 1\n" },
	{ FUSE_GETLK, "getlk 5 fh 11 owner 0xabcdef flock 0 10-19 type 1 pid 77\n" },
	{ FUSE_SETLK, "setlk 5 fh 11 owner 0xabcdef flock 0 10-19 type 1 pid 77\n" },
	{ FUSE_SETLKW, "setlkw 5 fh 11 owner 0xabcdef flock 0 10-19 type 1 pid 77\n" },
	{ FUSE_ACCESS, "access 5 mask 5\n" },
	{ FUSE_CREATE, "create 2 file mode 100644 umask 0 rdev 0:0 flags 0x42 kill 1 labels 0\n" },
	{ FUSE_BMAP, "bmap 5 block 7 size 4096\n" },
	{ FUSE_IOCTL,
	  "ioctl 5 fh 11 cmd 0x80086601 flags 0x10 arg 0x7fff0000 in ioct out_size 8\n" },
	{ FUSE_POLL, "poll 5 fh 11 kh 99 notify 1 events 5\n" },
	{ FUSE_NOTIFY_REPLY, "notify_reply 4660 of 5 offset 8192 size 6 data cached\n" },
	{ FUSE_BATCH_FORGET, "batch_forget 5 1\nbatch_forget 6 2\n" },
	{ FUSE_FALLOCATE, "fallocate 5 fh 11 mode 0x1 4096+8192\n" },
	{ FUSE_READDIRPLUS, "readdirplus 5 fh 11 offset 4096\n" },
	{ FUSE_LSEEK, "lseek 5 fh 11 offset 18446744073709551612 whence 2\n" },
	{ FUSE_COPY_FILE_RANGE, "copy 5:11:100 6:12:200 len 300 flags 0\n" },
	{ FUSE_COPY_FILE_RANGE_64, "copy 5:11:100 6:12:200 len 300 flags 0\n" },
	{ FSB_REMAP_FILE_RANGE, "remap 5:11:4096 6:12:8192 len 65536 flags 0\n" },
	{ FUSE_SETUPMAPPING, "setupmapping 5 fh 11 2097152 at 8192 length 4096 read 0 write 1\n" },
	{ FUSE_REMOVEMAPPING, "removemapping 0+4096\nremovemapping 8192+4096\n" },
	{ FUSE_SYNCFS, "syncfs 5\n" },
	{ FUSE_TMPFILE, "tmpfile 2 - mode 100644 umask 0 rdev 0:0 flags 0x42 kill 1 labels 0\n" },
	{ FUSE_STATX, "statx 5 fh -1 flags 0x100 mask 0xfff\n" },
};

#define EXPECTATIONS (sizeof(expectations) / sizeof(expectations[0]))

Test(dispatch, every_opcode_has_an_expectation)
{
	/* But INIT, DESTROY and INTERRUPT, which are the server's own. */
	size_t count = 0;

	while (fsb_opcode_at(count))
		count++;
	cr_assert_eq(EXPECTATIONS + 3, count);
}

static bool has_reply(uint32_t opcode)
{
	return !fsb_opcode_find(opcode)->no_reply;
}

Test(dispatch, every_opcode_reaches_its_operation_and_is_answered_exactly)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		uint32_t opcode = expectations[i].opcode;
		const char *name = fsb_opcode_find(opcode)->name;
		static uint8_t expected[1024];

		heard[0] = '\0';
		client_send_sample(client, opcode);
		cr_assert_str_eq(heard, expectations[i].call, "%s: %s", name, heard);
		cr_assert_eq(client->result, 0);
		cr_assert_eq(client->replies, has_reply(opcode) ? 1 : 0, "%s", name);
		if (!has_reply(opcode))
			continue;
		cr_assert_eq(client->out.error, 0);
		cr_assert_eq(client->out.unique, UNIQUE);
		size_t length = expected_answer(opcode, expected);
		cr_assert_eq(client_length(client), length, "%s: %zu", name, client_length(client));
		cr_assert_eq(memcmp(client->room, expected, length), 0, "%s", name);
	}
}

Test(dispatch, every_error_is_the_whole_answer)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		uint32_t opcode = expectations[i].opcode;

		if (!has_reply(opcode))
			continue;
		verdict = -EDQUOT;
		heard[0] = '\0';
		client_send_sample(client, opcode);
		cr_assert_eq(client->replies, 1);
		cr_assert_eq(client->out.error, -EDQUOT);
		cr_assert_eq(client->out.len, sizeof(client->out));
		/* A failed operation has given nothing away: only READDIRPLUS has entries to take
		 * back. */
		if (opcode == FUSE_READDIRPLUS)
			cr_assert_str_eq(
				heard,
				"readdirplus 5 fh 11 offset 4096\nforget 101 1\nforget 102 1\n");
		else
			cr_assert_null(strstr(heard, "forget"));
		cr_assert_null(opcode == FUSE_RELEASE ? NULL : strstr(heard, "release "));
	}
}

Test(dispatch, values_that_are_no_errno_become_eio)
{
	const ssize_t odd[] = { -512, -513, -516, -4095, -4096, -4097, -100000, INT32_MIN };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		verdict = odd[i];
		client_send_sample(client, FUSE_UNLINK);
		cr_assert_eq(client->out.error, -EIO);
		client_send_sample(client, FUSE_READ);
		cr_assert_eq(client->out.error, -EIO);
	}
	verdict = -511;
	client_send_sample(client, FUSE_UNLINK);
	cr_assert_eq(client->out.error, -511);
}

Test(dispatch, count_where_none_belongs_becomes_eio_and_takes_nothing_back)
{
	verdict = 1;
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, -EIO);
	cr_assert_str_eq(heard, "lookup 2 file\n");
	client_send_sample(client, FUSE_UNLINK);
	cr_assert_eq(client->out.error, -EIO);
}

Test(dispatch, missing_operation_is_enosys)
{
	static const struct fsb_filesystem_ops none = { .size = sizeof(none) };
	/* A table that was compiled before there were other members than init and destroy. */
	static struct fsb_filesystem_ops old;
	const struct fsb_filesystem_ops *tables[] = { &none, &old };

	old = fake_ops;
	old.size = offsetof(struct fsb_filesystem_ops, lookup);
	for (size_t t = 0; t < 2; t++) {
		struct fsb_filesystem fs = { .ops = tables[t] };
		struct fsb_server_config config = fake_config();

		config.filesystem = &fs;
		struct client *other = client_ready(&config);
		for (size_t i = 0; i < EXPECTATIONS; i++) {
			client_send_sample(other, expectations[i].opcode);
			cr_assert_eq(other->replies, has_reply(expectations[i].opcode) ? 1 : 0);
			if (other->replies)
				cr_assert_eq(other->out.error, -ENOSYS);
		}
		client_free(other);
	}
	cr_assert_str_eq(heard, "");
}

Test(dispatch, batch_of_forgets_falls_back_to_forget)
{
	static struct fsb_filesystem_ops ops;
	struct fsb_filesystem fs = { .ops = &ops };
	struct fsb_server_config config = fake_config();

	ops = fake_ops;
	ops.batch_forget = NULL;
	config.filesystem = &fs;
	struct client *other = client_ready(&config);
	client_send_sample(other, FUSE_BATCH_FORGET);
	cr_assert_str_eq(heard, "forget 5 1\nforget 6 2\n");
	client_free(other);
}

Test(dispatch, mappings_need_a_window)
{
	struct fsb_server_config config = fake_config();

	config.window = NULL;
	struct client *other = client_ready(&config);
	client_send_sample(other, FUSE_SETUPMAPPING);
	cr_assert_eq(other->out.error, -ENOSYS);
	client_send_sample(other, FUSE_REMOVEMAPPING);
	cr_assert_eq(other->out.error, -ENOSYS);
	client_free(other);
}

/* ---- What was negotiated ---- */

Test(dispatch, umask_counts_only_where_the_client_does_not_mask)
{
	set_up_wanting(FSB_CAP_DONT_MASK);
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_str_eq(heard, "mkdir 2 dir mode 755 umask 22 rdev 0:0 flags 0 kill 0 labels 0\n");
}

Test(dispatch, open_truncates_only_where_that_was_agreed)
{
	set_up_wanting(FSB_CAP_ATOMIC_O_TRUNC);
	client_send_sample(client, FUSE_OPEN);
	cr_assert_str_eq(heard, "open 5 flags 0x202 kill 1\n");
}

Test(dispatch, backing_id_goes_with_its_flag)
{
	struct fuse_open_out out;

	opened.flags = FSB_OPEN_PASSTHROUGH;
	client_send_sample(client, FUSE_OPEN);
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.backing_id, 32);
}

Test(dispatch, labels_reach_the_file_system)
{
	struct bytes b;

	set_up_wanting(FSB_CAP_SECURITY_CTX);
	sample(&b, FUSE_MKDIR);
	add_security(&b, "security.selinux", "label");
	client_send(client, &b);
	cr_assert_str_eq(heard, "mkdir 2 dir mode 755 umask 0 rdev 0:0 flags 0 kill 0 labels "
				"1\nlabel security.selinux=label\n");
}

Test(dispatch, long_copies_are_cut_to_what_the_answer_holds)
{
	struct fuse_copy_file_range_in in = { .len = 1ull << 40 };
	struct fsb_remap_file_range_in remap = { .len = 1ull << 40 };
	struct fuse_write_out out;
	struct bytes b;

	verdict = 0x7ffff000;
	BUILD(&b, FUSE_COPY_FILE_RANGE, 5, in, NULL);
	client_send(client, &b);
	cr_assert_str_eq(heard, "copy 5:0:0 0:0:0 len 2147479552 flags 0\n");
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.size, 0x7ffff000);

	heard[0] = '\0';
	verdict = 0;
	BUILD(&b, FUSE_COPY_FILE_RANGE_64, 5, in, NULL);
	client_send(client, &b);
	cr_assert_str_eq(heard, "copy 5:0:0 0:0:0 len 1099511627776 flags 0\n");

	heard[0] = '\0';
	verdict = 0xc0000000;
	BUILD(&b, FSB_REMAP_FILE_RANGE, 5, remap, NULL);
	client_send(client, &b);
	cr_assert_str_eq(heard, "remap 5:0:0 0:0:0 len 3221225472 flags 0\n");
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.size, 0xc0000000);
}

Test(dispatch, copy_of_64_bits_is_answered_in_64_bits)
{
	struct fuse_copy_file_range_in in = { .len = 1ull << 40 };
	struct fuse_copy_file_range_out out;
	struct bytes b;

	verdict = 1ll << 40;
	BUILD(&b, FUSE_COPY_FILE_RANGE_64, 5, in, NULL);
	client_send(client, &b);
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.bytes_copied, 1ull << 40);
}

Test(dispatch, remap_to_the_end_of_a_huge_source_is_answered_in_32_bits)
{
	struct fsb_remap_file_range_in in = { .len = 0 };
	struct fuse_write_out out;
	struct bytes b;

	verdict = 1ll << 40;
	BUILD(&b, FSB_REMAP_FILE_RANGE, 5, in, NULL);
	client_send(client, &b);
	cr_assert_str_eq(heard, "remap 5:0:0 0:0:0 len 0 flags 0\n");
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(out.size, 0xfffff000);
}

Test(dispatch, length_of_an_xattr_is_asked_with_size_0)
{
	const struct {
		uint32_t opcode;
		uint32_t length;
	} asked[] = { { FUSE_GETXATTR, 5 }, { FUSE_LISTXATTR, 14 } };

	for (size_t i = 0; i < 2; i++) {
		struct fuse_getxattr_in in = { .size = 0 };
		struct fuse_getxattr_out out;
		struct bytes b;

		BUILD(&b, asked[i].opcode, 5, in, i == 0 ? "user.name" : NULL);
		client_send(client, &b);
		cr_assert_eq(client->out.error, 0);
		cr_assert_eq(client_length(client), sizeof(out));
		memcpy(&out, client->room, sizeof(out));
		cr_assert_eq(out.size, asked[i].length);
	}
}

Test(dispatch, xattr_is_never_asked_for_more_than_linux_has)
{
	struct fuse_getxattr_in in = { .size = UINT32_MAX };
	struct bytes b;

	BUILD(&b, FUSE_GETXATTR, 5, in, "user.name");
	client_send(client, &b);
	cr_assert_str_eq(heard, "getxattr 5 user.name size 65536\n");
	verdict = 65537;
	client_send(client, &b);
	cr_assert_eq(client->out.error, -EIO);
}

/* ---- Answers that are of no use ---- */

Test(dispatch, counts_above_what_was_asked_become_eio)
{
	const uint32_t counting[] = {
		FUSE_READ,      FUSE_WRITE,           FUSE_READLINK,           FUSE_GETXATTR,
		FUSE_LISTXATTR, FUSE_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE_64, FSB_REMAP_FILE_RANGE,
	};

	for (size_t i = 0; i < sizeof(counting) / sizeof(counting[0]); i++) {
		verdict = 1000000;
		client_send_sample(client, counting[i]);
		cr_assert_eq(client->out.error, -EIO, "%s", fsb_opcode_find(counting[i])->name);
	}
}

Test(dispatch, read_that_counts_bytes_it_did_not_move_becomes_eio)
{
	/* The fake moves 16. What lies behind them is of an earlier answer. */
	verdict = 17;
	client_send_sample(client, FUSE_READ);
	cr_assert_eq(client->out.error, -EIO);
}

Test(dispatch, ioctl_may_not_answer_more_than_there_was_room_for)
{
	struct fuse_ioctl_in in = { .out_size = 5 };
	struct bytes b;

	/* The fake says six bytes. */
	BUILD(&b, FUSE_IOCTL, 5, in, NULL);
	client_send(client, &b);
	cr_assert_eq(client->out.error, -EIO);
}

Test(dispatch, negative_entry_is_nothing_but_its_timeout)
{
	struct fuse_entry_out out, expected = { .entry_valid = 1, .entry_valid_nsec = 500000007 };

	found.nodeid = 0;
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_eq(client->out.error, 0);
	memcpy(&out, client->room, sizeof(out));
	cr_assert_eq(memcmp(&out, &expected, sizeof(out)), 0);
}

Test(dispatch, entry_that_the_client_would_drop_is_taken_back)
{
	const mode_t bad[] = { 0644, 0130000, S_IFREG | S_IFLNK | S_IFIFO };

	for (size_t i = 0; i < 3; i++) {
		heard[0] = '\0';
		found.attr.mode = bad[i];
		client_send_sample(client, FUSE_LOOKUP);
		cr_assert_eq(client->out.error, -EIO);
		cr_assert_str_eq(heard, "lookup 2 file\nforget 9 1\n");
	}
	found.attr.mode = S_IFREG;
	found.attr.size = 1ull << 63;
	heard[0] = '\0';
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_eq(client->out.error, -EIO);
	cr_assert_not_null(strstr(heard, "forget 9 1\n"));
	client_send_sample(client, FUSE_GETATTR);
	cr_assert_eq(client->out.error, -EIO);
}

Test(dispatch, what_was_made_needs_a_nodeid)
{
	const uint32_t making[] = { FUSE_SYMLINK, FUSE_MKNOD,  FUSE_MKDIR,
				    FUSE_LINK,    FUSE_CREATE, FUSE_TMPFILE };

	for (size_t i = 0; i < 6; i++) {
		found.nodeid = 0;
		client_send_sample(client, making[i]);
		cr_assert_eq(client->out.error, -EIO);
		found.nodeid = FSB_ROOT_NODEID;
		client_send_sample(client, making[i]);
		cr_assert_eq(client->out.error, -EIO);
	}
	cr_assert_not_null(strstr(heard, "release 0 fh 31 flags 0x2 unlock 0 owner 0\n"));
}

/* ---- Answers that do not arrive ---- */

Test(dispatch, what_does_not_arrive_is_taken_back)
{
	static const struct {
		uint32_t opcode;
		const char *undone;
	} undo[] = {
		{ FUSE_LOOKUP, "forget 9 1\n" },
		{ FUSE_SYMLINK, "forget 9 1\n" },
		{ FUSE_MKNOD, "forget 9 1\n" },
		{ FUSE_MKDIR, "forget 9 1\n" },
		{ FUSE_LINK, "forget 9 1\n" },
		{ FUSE_OPEN, "release 5 fh 31 flags 0x2 unlock 0 owner 0\n" },
		{ FUSE_OPENDIR, "releasedir 5 fh 31 flags 0x2\n" },
		{ FUSE_CREATE, "release 9 fh 31 flags 0x2 unlock 0 owner 0\nforget 9 1\n" },
		{ FUSE_TMPFILE, "release 9 fh 31 flags 0x2 unlock 0 owner 0\nforget 9 1\n" },
		{ FUSE_READDIRPLUS, "forget 101 1\nforget 102 1\n" },
	};

	client->undeliverable = -ENOENT;
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		uint32_t opcode = expectations[i].opcode;
		char expected[512];

		strcpy(expected, expectations[i].call);
		for (size_t j = 0; j < sizeof(undo) / sizeof(undo[0]); j++)
			if (undo[j].opcode == opcode)
				strcat(expected, undo[j].undone);
		heard[0] = '\0';
		client_send_sample(client, opcode);
		cr_assert_str_eq(heard, expected, "%s: %s", fsb_opcode_find(opcode)->name, heard);
		cr_assert_eq(client->result, has_reply(opcode) ? -ENOENT : 0);
	}
}

Test(dispatch, negative_entry_that_does_not_arrive_has_nothing_to_take_back)
{
	found.nodeid = 0;
	client->undeliverable = -ENOENT;
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_str_eq(heard, "lookup 2 file\n");
}

Test(dispatch, what_was_taken_back_is_not_taken_back_again)
{
	/* The failed answer of one request must not haunt the next one of the same message. */
	client->undeliverable = -ENOENT;
	client_send_sample(client, FUSE_READDIRPLUS);
	client_send_sample(client, FUSE_CREATE);
	heard[0] = '\0';
	verdict = -EACCES;
	client_send_sample(client, FUSE_UNLINK);
	client_send_sample(client, FUSE_LOOKUP);
	cr_assert_str_eq(heard, "unlink 2 file\nlookup 2 file\n");
}

Test(dispatch, undo_of_an_unknown_operation_is_left_out)
{
	static struct fsb_filesystem_ops ops;
	struct fsb_filesystem fs = { .ops = &ops };
	struct fsb_server_config config = fake_config();

	ops = fake_ops;
	ops.release = NULL;
	ops.forget = NULL;
	config.filesystem = &fs;
	struct client *other = client_ready(&config);
	other->undeliverable = -EPIPE;
	client_send_sample(other, FUSE_CREATE);
	cr_assert_eq(other->result, -EPIPE);
	client_free(other);
}

/* ---- Room for the answer ---- */

/* Send with the payload cut to @room bytes. */
static void send_with_room(uint32_t opcode, size_t room)
{
	struct bytes b;

	sample(&b, opcode);
	client->request = (struct iovec){ b.at, b.length };
	client->payload = (struct iovec){ client->room, room };
	client->message.request = &client->request;
	client->message.nrequest = 1;
	client->message.payload = &client->payload;
	client->message.npayload = room > 0 ? 1 : 0;
	client->replies = 0;
	heard[0] = '\0';
	client->result = fsb_server_handle(client->server, &client->message);
}

Test(dispatch, answers_without_payload_need_no_room)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		uint32_t opcode = expectations[i].opcode;
		static uint8_t bytes[1024];

		if (expected_answer(opcode, bytes) > 0)
			continue;
		send_with_room(opcode, 0);
		cr_assert_str_eq(heard, expectations[i].call);
		cr_assert_eq(client->replies, has_reply(opcode) ? 1 : 0);
		cr_assert_eq(client->out.error, 0);
	}
}

Test(dispatch, answer_without_room_is_refused_before_anything_is_done)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		size_t fixed = fsb_opcode_find(expectations[i].opcode)->out_size;

		if (fixed == 0)
			continue;
		for (size_t room = 0; room < fixed; room += room + 1 < fixed ? fixed - 1 : 1) {
			send_with_room(expectations[i].opcode, room);
			cr_assert_str_eq(heard, "");
			cr_assert_eq(client->out.error, -EIO);
			cr_assert_eq(client->replies, 1);
		}
	}
	send_with_room(FUSE_IOCTL, sizeof(struct fuse_ioctl_out) + 7);
	cr_assert_str_eq(heard, "");
	cr_assert_eq(client->out.error, -EIO);
}

Test(dispatch, read_is_refused_rather_than_cut)
{
	send_with_room(FUSE_READ, 511);
	cr_assert_str_eq(heard, "");
	cr_assert_eq(client->out.error, -EIO);
	send_with_room(FUSE_READ, 512);
	cr_assert_eq(client->out.error, 0);
}

Test(dispatch, bytes_that_find_no_room_are_refused)
{
	const struct {
		uint32_t opcode;
		size_t need;
	} some[] = {
		{ FUSE_READLINK, 7 },
		{ FUSE_GETXATTR, 5 },
		{ FUSE_LISTXATTR, 14 },
	};

	for (size_t i = 0; i < 3; i++) {
		send_with_room(some[i].opcode, some[i].need - 1);
		cr_assert_eq(client->out.error, -EIO);
		send_with_room(some[i].opcode, some[i].need);
		cr_assert_eq(client->out.error, 0);
	}
}

/* ---- Directories ---- */

/* Count the entries of a listing, and that each lies as it should. */
static size_t entries_in(size_t length, size_t head)
{
	size_t count = 0;
	size_t at = 0;

	while (at < length) {
		struct fuse_dirent dirent;

		cr_assert_leq(at + head + sizeof(dirent), length);
		memcpy(&dirent, client->room + at + head, sizeof(dirent));
		cr_assert_eq(dirent.off, 4096 + ++count);
		at += FUSE_DIRENT_ALIGN(head + sizeof(dirent) + dirent.namelen);
	}
	cr_assert_eq(at, length);
	return count;
}

Test(dispatch, listing_ends_where_the_next_name_does_not_fit)
{
	struct fuse_read_in in = { .fh = 11, .offset = 4096, .size = 0 };

	names_to_list = 1000;
	for (in.size = 200; in.size < 600; in.size++) {
		struct bytes b;

		BUILD(&b, FUSE_READDIR, 5, in, NULL);
		client_send(client, &b);
		cr_assert_eq(client->out.error, 0);
		cr_assert_leq(client_length(client), in.size);
		/* All of 32 bytes. */
		cr_assert_eq(entries_in(client_length(client), 0), in.size / 32);

		BUILD(&b, FUSE_READDIRPLUS, 5, in, NULL);
		client_send(client, &b);
		cr_assert_eq(client->out.error, 0);
		cr_assert_leq(client_length(client), in.size);
		cr_assert_eq(entries_in(client_length(client), sizeof(struct fuse_entry_out)),
			     in.size / 160);
	}
}

Test(dispatch, listing_without_room_for_a_name_is_not_taken_for_the_end)
{
	const uint32_t listing[] = { FUSE_READDIR, FUSE_READDIRPLUS };

	for (size_t i = 0; i < 2; i++) {
		struct fuse_read_in in = { .fh = 11, .offset = 4096, .size = i ? 159 : 31 };
		struct bytes b;

		BUILD(&b, listing[i], 5, in, NULL);
		client_send(client, &b);
		cr_assert_eq(client->out.error, -EINVAL);
	}
}

Test(dispatch, end_of_a_directory_is_an_empty_answer)
{
	names_to_list = 0;
	client_send_sample(client, FUSE_READDIR);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(client->out.len, sizeof(client->out));
	client_send_sample(client, FUSE_READDIRPLUS);
	cr_assert_eq(client->out.len, sizeof(client->out));
}

Test(dispatch, listing_is_cut_to_the_room_there_is)
{
	names_to_list = 1000;
	send_with_room(FUSE_READDIR, 100);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(entries_in(client_length(client), 0), 3);
	send_with_room(FUSE_READDIR, 0);
	cr_assert_eq(client->out.error, -EIO);
}

static int add_badly(FS, CTX, uint64_t nodeid, uint64_t fh, uint64_t offset,
		     struct fsb_dirlist *list)
{
	char name[257];
	struct fsb_dirent dirent = { .name = name, .next = offset + 1, .type = DT_REG };

	(void)fs;
	(void)ctx;
	(void)nodeid;
	(void)fh;
	memset(name, 'n', sizeof(name));
	cr_assert_eq(list->add(list, &dirent, NULL), -EINVAL);
	dirent.namelen = 256;
	cr_assert_eq(list->add(list, &dirent, NULL), -EINVAL);
	/* Entries are for readdirplus: here they would be counted and never told. */
	dirent.namelen = 1;
	cr_assert_eq(list->add(list, &dirent, &found), -EINVAL);
	dirent.namelen = 255;
	cr_assert_eq(list->add(list, &dirent, NULL), 0);
	cr_assert_eq(list->add(list, &dirent, NULL), -ENOSPC);
	return 0;
}

Test(dispatch, names_of_1_to_255_bytes_are_listed)
{
	static struct fsb_filesystem_ops ops;
	struct fsb_filesystem fs = { .ops = &ops };
	struct fsb_server_config config = fake_config();

	ops = fake_ops;
	ops.readdir = add_badly;
	config.filesystem = &fs;
	struct client *other = client_ready(&config);
	client_send_sample(other, FUSE_READDIR);
	cr_assert_eq(other->out.error, 0);
	cr_assert_eq(client_length(other), 280);
	client_free(other);
}

/* ---- Scattered memory ---- */

/* The same message and payload, each cut in two at every byte, with an empty piece in between. */
static void send_in_all_cuts(uint32_t opcode)
{
	static uint8_t expected[1024], room[1024];
	size_t length = expected_answer(opcode, expected);
	const char *call = NULL;
	struct bytes b;

	for (size_t i = 0; i < EXPECTATIONS; i++)
		if (expectations[i].opcode == opcode)
			call = expectations[i].call;
	sample(&b, opcode);
	for (size_t in = 0; in <= b.length; in++) {
		/* The room is cut where the answer has bytes. */
		for (size_t out = 0; out <= length;
		     out += in == 40 || length < 8 ? 1 : length / 8) {
			uint8_t *first = malloc(in ? in : 1), *second = malloc(b.length - in + 1);
			struct iovec request[] = { { first, in },
						   { NULL, 0 },
						   { second, b.length - in } };
			struct iovec payload[] = { { room, out },
						   { NULL, 0 },
						   { room + out, sizeof(room) - out } };

			memcpy(first, b.at, in);
			memcpy(second, b.at + in, b.length - in);
			memset(room, 0xee, sizeof(room));
			heard[0] = '\0';
			client->message.request = request;
			client->message.nrequest = 3;
			client->message.payload = payload;
			client->message.npayload = 3;
			client->replies = 0;
			cr_assert_eq(fsb_server_handle(client->server, &client->message), 0);
			cr_assert_str_eq(heard, call);
			cr_assert_eq(client->out.error, 0);
			cr_assert_eq(client->out.len, sizeof(client->out) + length);
			cr_assert_eq(memcmp(room, expected, length), 0);
			/* And not a byte more than the answer; a listing may clear what it takes.
			 */
			cr_assert_eq(room[length], 0xee);
			free(first);
			free(second);
		}
	}
}

Test(dispatch, messages_are_understood_in_any_cut)
{
	const uint32_t some[] = {
		FUSE_LOOKUP,       FUSE_WRITE,   FUSE_READ,  FUSE_CREATE,   FUSE_SETXATTR,
		FUSE_READDIRPLUS,  FUSE_READDIR, FUSE_IOCTL, FUSE_READLINK, FUSE_NOTIFY_REPLY,
		FUSE_BATCH_FORGET, FUSE_RENAME2, FUSE_STATX,
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		if (has_reply(some[i]))
			send_in_all_cuts(some[i]);
		else
			client_send_sample(client, some[i]);
	}
}

Test(dispatch, message_in_single_bytes_is_understood)
{
	struct iovec request[256], payload[256];
	static uint8_t expected[1024];
	struct bytes b;

	sample(&b, FUSE_WRITE);
	for (size_t i = 0; i < b.length; i++)
		request[i] = (struct iovec){ b.at + i, 1 };
	for (size_t i = 0; i < 256; i++)
		payload[i] = (struct iovec){ client->room + i, 1 };
	client->message = (struct fsb_message){
		.request = request,
		.nrequest = b.length,
		.payload = payload,
		.npayload = 256,
		.reply = client_reply,
		.owner = client,
		.call = client->message.call,
	};
	cr_assert_eq(fsb_server_handle(client->server, &client->message), 0);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(client_length(client), expected_answer(FUSE_WRITE, expected));
	cr_assert_eq(memcmp(client->room, expected, client_length(client)), 0);
	cr_assert_not_null(strstr(heard, "data hello"));
}

/* ---- What changes while it is read ---- */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RACES_ARE_REPORTED
#endif
#elif defined(__SANITIZE_THREAD__)
#define RACES_ARE_REPORTED
#endif

static struct bytes shared;
static _Atomic int stop;

/* A guest that rewrites a name between a good one and one that leads out of the tree. */
static void *rewrite(void *unused)
{
	volatile uint8_t *name = shared.at + HEADER;

	(void)unused;
	while (!stop) {
		name[0] = name[1] = '.';
		name[0] = 'f';
		name[1] = 'i';
	}
	return NULL;
}

Test(dispatch, name_that_is_changed_meanwhile_is_judged_as_it_is_used)
{
	struct iovec request = { shared.at, 0 };
	pthread_t thread;

#ifdef RACES_ARE_REPORTED
	cr_skip_test("a race on purpose, which the sanitizer would report");
#endif
	sample(&shared, FUSE_LOOKUP);
	shared.at[HEADER + 2] = '\0';
	shared.length = HEADER + 3;
	seal(&shared);
	request.iov_len = shared.length;
	cr_assert_eq(pthread_create(&thread, NULL, rewrite, NULL), 0);
	client->message.request = &request;
	client->message.nrequest = 1;
	for (int i = 0; i < 200000; i++) {
		heard[0] = '\0';
		fsb_server_handle(client->server, &client->message);
		cr_assert_null(strstr(heard, " ..\n"));
		cr_assert(client->out.error == 0 || client->out.error == -EINVAL);
		cr_assert_eq(client->out.error == 0, heard[0] != '\0');
	}
	stop = 1;
	pthread_join(thread, NULL);
}

/* ---- Who asks ---- */

static size_t seen_groups;
static bool seen_known;
static gid_t seen_first;
static int provider_calls;
static bool asks; /* the operation asks for them */
static int told;  /* what it was told */

static int see_groups(FS, CTX, uint64_t parent, const char *name, const struct fsb_create *how,
		      struct fsb_entry *entry)
{
	(void)fs;
	(void)parent;
	(void)name;
	(void)how;
	if (asks)
		told = fsb_call_groups(ctx);
	seen_groups = ctx->ngroups;
	seen_known = fsb_context_groups_known(ctx);
	seen_first = ctx->ngroups ? ctx->groups[0] : 0;
	*entry = found;
	return 0;
}

static int provide(void *opaque, struct fsb_context *ctx)
{
	gid_t groups[] = { 501, 502 };

	provider_calls++;
	if (*(int *)opaque)
		return *(int *)opaque;
	return fsb_context_set_groups(ctx, 2, groups);
}

static int provider_error;
static uint64_t also_wanted;

static void set_up_groups(void)
{
	static struct fsb_filesystem_ops ops;
	static struct fsb_filesystem fs = { .ops = &ops };
	struct fsb_server_config config = fake_config();

	set_up();
	tear_down();
	ops = fake_ops;
	ops.mkdir = see_groups;
	wanted = FSB_CAP_CREATE_SUPP_GROUP | also_wanted;
	config.filesystem = &fs;
	config.groups = provide;
	config.groups_opaque = &provider_error;
	config.groups_on_demand = asks;
	client = client_ready(&config);
}

TestSuite(groups, .init = set_up_groups, .fini = tear_down);

Test(groups, transport_s_groups_win)
{
	gid_t groups[] = { 7, 8, 9 };
	struct bytes b;

	client->message.groups_known = true;
	client->message.groups = groups;
	client->message.ngroups = 3;
	sample(&b, FUSE_MKDIR);
	add_group(&b, 42);
	client_send(client, &b);
	cr_assert(seen_known);
	cr_assert_eq(seen_groups, 3);
	cr_assert_eq(seen_first, 7);
	cr_assert_eq(provider_calls, 0);
	/* None is an answer too. */
	client->message.ngroups = 0;
	client_send(client, &b);
	cr_assert(seen_known);
	cr_assert_eq(seen_groups, 0);
	cr_assert_eq(provider_calls, 0);
}

Test(groups, provider_is_asked_where_the_transport_has_none)
{
	client_send_sample(client, FUSE_MKDIR);
	cr_assert(seen_known);
	cr_assert_eq(seen_groups, 2);
	cr_assert_eq(seen_first, 501);
	cr_assert_eq(provider_calls, 1);
}

Test(groups, unknown_groups_stay_unknown)
{
	provider_error = -ESRCH;
	client_send_sample(client, FUSE_MKDIR);
	cr_assert(!seen_known);
	cr_assert_eq(seen_groups, 0);
	cr_assert_eq(client->out.error, 0);
}

Test(groups, group_of_an_extension_is_one_of_unknown_others)
{
	struct bytes b;

	provider_error = -ESRCH;
	sample(&b, FUSE_MKDIR);
	add_group(&b, 42);
	client_send(client, &b);
	cr_assert(!seen_known);
	cr_assert_eq(seen_groups, 1);
	cr_assert_eq(seen_first, 42);
	/* And is not the next one's. */
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_eq(seen_groups, 0);
}

Test(groups, operation_may_ask_for_them_on_demand)
{
	asks = true;
	tear_down();
	set_up_groups();
	client_send_sample(client, FUSE_UNLINK);
	cr_assert_eq(provider_calls, 0);
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_eq(told, 0);
	cr_assert(seen_known);
	cr_assert_eq(seen_groups, 2);
	cr_assert_eq(provider_calls, 1);
}

Test(groups, asking_in_vain_keeps_the_group_of_an_extension)
{
	struct bytes b;

	asks = true;
	provider_error = -ESRCH;
	tear_down();
	set_up_groups();
	sample(&b, FUSE_MKDIR);
	add_group(&b, 42);
	client_send(client, &b);
	cr_assert_eq(told, -ENODATA);
	cr_assert(!seen_known);
	cr_assert_eq(seen_groups, 1);
	cr_assert_eq(seen_first, 42);
}

Test(groups, more_groups_than_a_caller_can_have_refuse_the_request)
{
	static gid_t groups[FSB_NGROUPS_MAX + 1];

	client->message.groups_known = true;
	client->message.groups = groups;
	client->message.ngroups = FSB_NGROUPS_MAX;
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_eq(client->out.error, 0);
	cr_assert_eq(seen_groups, FSB_NGROUPS_MAX);
	client->message.ngroups++;
	client_send_sample(client, FUSE_MKDIR);
	cr_assert_eq(client->out.error, -EINVAL);
}

Test(groups, provider_is_not_asked_where_nobody_is_judged)
{
	static const uint32_t unjudged[] = {
		FUSE_FORGET,  FUSE_BATCH_FORGET, FUSE_NOTIFY_REPLY, FUSE_RELEASE, FUSE_RELEASEDIR,
		FUSE_READ,    FUSE_WRITE,        FUSE_FLUSH,        FUSE_FSYNC,   FUSE_FSYNCDIR,
		FUSE_READDIR, FUSE_LSEEK,        FUSE_POLL,         FUSE_SYNCFS,  FUSE_INTERRUPT,
	};

	for (size_t i = 0; i < sizeof(unjudged) / sizeof(unjudged[0]); i++) {
		client_send_sample(client, unjudged[i]);
		cr_assert_eq(provider_calls, 0, "%s", fsb_opcode_find(unjudged[i])->name);
	}
}

Test(groups, provider_is_asked_for_files_that_are_never_opened)
{
	tear_down();
	also_wanted = FSB_CAP_NO_OPEN_SUPPORT;
	set_up_groups();
	client_send_sample(client, FUSE_READ);
	cr_assert_eq(provider_calls, 1);
	client_send_sample(client, FUSE_READDIR);
	cr_assert_eq(provider_calls, 1);
}

Test(groups, callers_without_an_identity_are_passed_on_as_nobody)
{
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	header_of(&b)->uid = FUSE_INVALID_UIDGID;
	header_of(&b)->gid = FUSE_INVALID_UIDGID;
	header_of(&b)->pid = 0;
	client_send(client, &b);
	cr_assert_str_eq(heard, "lookup 2 file by -1:-1:0\n");
	cr_assert_eq(provider_calls, 0);
}

/* ---- Deferral ---- */

static void *complete_later(void *result)
{
	fsb_call_complete(deferred_call, (ssize_t)(intptr_t)result);
	return NULL;
}

Test(dispatch, every_deferrable_opcode_is_answered_from_another_thread)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		uint32_t opcode = expectations[i].opcode;
		static uint8_t expected[1024];
		/* What the operation would have returned. */
		ssize_t success =
			opcode == FUSE_READLINK                                               ? 7
			: opcode == FUSE_READ                                                 ? 16
			: opcode == FUSE_WRITE                                                ? 5
			: opcode == FUSE_GETXATTR                                             ? 5
			: opcode == FUSE_LISTXATTR                                            ? 14
			: opcode == FUSE_COPY_FILE_RANGE || opcode == FUSE_COPY_FILE_RANGE_64 ? 250
			: opcode == FSB_REMAP_FILE_RANGE                                      ? 4096
											      : 0;
		pthread_t thread;
		struct bytes b;

		if (!has_reply(opcode) || opcode == FUSE_REMOVEMAPPING)
			continue;
		defers = true;
		sample(&b, opcode);
		client->request = (struct iovec){ b.at, b.length };
		client->payload = (struct iovec){ client->room, sizeof(client->room) };
		client->message.request = &client->request;
		client->message.nrequest = 1;
		client->message.payload = &client->payload;
		client->message.npayload = 1;
		client->replies = 0;
		cr_assert_eq(fsb_server_handle(client->server, &client->message), FSB_DEFERRED);
		cr_assert_eq(client->replies, 0);
		pthread_create(&thread, NULL, complete_later, (void *)(intptr_t)success);
		pthread_join(thread, NULL);
		cr_assert_eq(client->replies, 1);
		cr_assert_eq(client->out.error, 0, "%s", fsb_opcode_find(opcode)->name);
		cr_assert_eq(client_length(client), expected_answer(opcode, expected));
		cr_assert_eq(memcmp(client->room, expected, client_length(client)), 0);
	}
	defers = false;
}

/* ---- What the transport is told ---- */

Test(dispatch, message_shorter_than_a_header_cannot_be_answered)
{
	for (size_t length = 0; length < HEADER; length++) {
		struct bytes b;

		sample(&b, FUSE_LOOKUP);
		b.length = length;
		client_send(client, &b);
		cr_assert_eq(client->result, -EBADMSG);
		cr_assert_eq(client->replies, 0);
	}
}

Test(dispatch, malformed_message_is_refused_by_its_id)
{
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	header_of(&b)->len++;
	client_send(client, &b);
	cr_assert_eq(client->result, 0);
	cr_assert_eq(client->out.error, -EBADMSG);
	cr_assert_eq(client->out.unique, UNIQUE);
	cr_assert_eq(client->out.len, sizeof(client->out));

	begin(&b, 4711, 1);
	client_send(client, &b);
	cr_assert_eq(client->out.error, -ENOSYS);
	cr_assert_str_eq(heard, "");
}

Test(dispatch, id_of_a_request_sent_again_is_echoed_as_it_came)
{
	struct bytes b;

	sample(&b, FUSE_LOOKUP);
	header_of(&b)->unique |= FUSE_UNIQUE_RESEND;
	client_send(client, &b);
	cr_assert_eq(client->out.unique, UNIQUE | FUSE_UNIQUE_RESEND);
}

Test(dispatch, malformed_forget_is_met_with_silence)
{
	const uint32_t silent[] = { FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_NOTIFY_REPLY };

	for (size_t i = 0; i < 3; i++) {
		struct bytes b;

		sample(&b, silent[i]);
		b.length--;
		seal(&b);
		client_send(client, &b);
		cr_assert_eq(client->replies, 0);
		cr_assert_eq(client->result, 0);
	}
	cr_assert_str_eq(heard, "");
}

Test(dispatch, request_of_absurd_length_is_too_big)
{
	static uint8_t bytes[5 * 1024 * 1024];
	struct bytes b;

	sample(&b, FUSE_SETXATTR);
	header_of(&b)->len = sizeof(bytes);
	memcpy(bytes, b.at, b.length);
	client->request = (struct iovec){ bytes, sizeof(bytes) };
	client->replies = 0;
	cr_assert_eq(fsb_server_handle(client->server, &client->message), 0);
	cr_assert_eq(client->out.error, -E2BIG);
	cr_assert_eq(client->out.unique, UNIQUE);
}

Test(dispatch, long_request_finds_memory)
{
	enum { COUNT = 60000 };
	static struct {
		struct fuse_in_header header;
		struct fuse_batch_forget_in in;
		struct fuse_forget_one list[COUNT];
	} batch;

	batch.header = (struct fuse_in_header){ .len = sizeof(batch),
						.opcode = FUSE_BATCH_FORGET,
						.unique = UNIQUE };
	batch.in.count = COUNT;
	for (size_t i = 0; i < COUNT; i++)
		batch.list[i] = (struct fuse_forget_one){ i, 1 };
	client->request = (struct iovec){ &batch, sizeof(batch) };
	cr_assert_eq(fsb_server_handle(client->server, &client->message), 0);
	cr_assert_not_null(strstr(heard, "batch_forget 0 1\nbatch_forget 1 1\n"));
}

/* ---- Tracing ---- */

static char traced[512];
static size_t traced_length;
static bool traced_body;

static void trace(void *opaque, const struct fsb_trace *trace)
{
	(void)opaque;
	fsb_request_describe(trace->request, traced, sizeof(traced));
	strcat(traced, " = ");
	fsb_reply_describe(trace->request->op, trace->error, trace->body, trace->length,
			   traced + strlen(traced), sizeof(traced) - strlen(traced));
	traced_length = trace->length;
	traced_body = trace->body != NULL;
}

Test(dispatch, requests_are_traced_with_their_answers)
{
	struct fsb_server_config config = fake_config();

	config.trace = trace;
	struct client *other = client_ready(&config);
	cr_assert_not_null(strstr(traced, "INIT #4660"));
	client_send_sample(other, FUSE_WRITE);
	cr_assert_str_eq(traced, "WRITE #4660 nodeid 5 uid 1000 gid 100 pid 77: fh 11 offset 4096 "
				 "size 5 write_flags 0x6 flags 0x1"
				 " = ok: size 5");
	verdict = -ENOENT;
	client_send_sample(other, FUSE_UNLINK);
	cr_assert_str_eq(traced,
			 "UNLINK #4660 nodeid 2 uid 1000 gid 100 pid 77: name \"file\" = ENOENT");
	verdict = 0;
	/* Data is not looked at, only counted. */
	client_send_sample(other, FUSE_READ);
	cr_assert(!traced_body);
	cr_assert_eq(traced_length, 16);
	client_send_sample(other, FUSE_FORGET);
	cr_assert_not_null(strstr(traced, "FORGET #4660"));
	client_send_sample(other, FUSE_IOCTL);
	cr_assert_not_null(strstr(traced, "ok: result 7"));
	struct bytes b;
	begin(&b, 4711, 1);
	client_send(other, &b);
	cr_assert_not_null(strstr(traced, "not understood = ENOSYS"));
	client_free(other);
}
