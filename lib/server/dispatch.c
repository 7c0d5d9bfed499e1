// SPDX-License-Identifier: BSD-3-Clause
/*
 * A typed request to a call of the vtable: who asks, what the operation is told, and whether there
 * will be room for its answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "server/server.h"

/* A copy's answer has 32 bits in the old opcode, and Linux moves no more than this at once anyway.
 */
#define COPY_MAX 0x7ffff000u

/* A remap's too. Ranges to share must be whole blocks: this is a multiple of any block size. */
#define REMAP_MAX 0xc0000000u

/* The longest xattr or list of them; Linux cuts what is asked for to this as well. */
#define XATTR_MAX 65536u

/* A symlink's target without its NUL. */
#define TARGET_MAX 4095u

/* Bits of open(2) that the client's kernel has dealt with. */
#define OPEN_DONE (O_CREAT | O_EXCL | O_NOCTTY)

#define REQUEST(call) (&(call)->request)
#define NODEID(call) ((call)->request.header.nodeid)

/* ---- Who asks ---- */

/* Whether the operation may have to judge the caller, and so wants to know its groups. */
static bool wants_groups(const struct fsb_call *call)
{
	uint64_t flags = call->server->protocol.flags;

	/* From the page cache: whoever wrote that is long gone. */
	if (call->row->op.number == FUSE_WRITE &&
	    (REQUEST(call)->in.write.write_flags & FUSE_WRITE_CACHE))
		return false;
	switch (call->row->caller) {
	case CALLER_NONE:
		return false;
	case CALLER_FILE:
		return flags & FUSE_NO_OPEN_SUPPORT;
	case CALLER_DIR:
		return flags & FUSE_NO_OPENDIR_SUPPORT;
	case CALLER_JUDGED:
		break;
	}
	return call->ctx.uid != (uid_t)FUSE_INVALID_UIDGID;
}

/* One group that the request itself carries, because it matters to what is created. It is not all
 * of them. */
static int add_group(struct fsb_context *ctx, gid_t group)
{
	int err = fsb_context_set_groups(ctx, 1, &group);
	ctx->flags &= ~FSB_CONTEXT_GROUPS_KNOWN;
	return err;
}

static bool ask_provider(struct fsb_call *call)
{
	const struct fsb_server_config *config = &call->server->config;
	struct fsb_context *ctx = &call->ctx;

	if (config->groups(config->groups_opaque, ctx) < 0)
		fsb_context_unset_groups(ctx);
	return fsb_context_groups_known(ctx);
}

int fsb_call_groups(const struct fsb_context *ctx)
{
	struct fsb_call *call = ctx->call;

	if (fsb_context_groups_known(ctx))
		return 0;
	if (!call || !call->server->config.groups)
		return -ENODATA;
	if (ask_provider(call))
		return 0;
	/* In vain, and the one that came with the request is still the caller's. */
	if (REQUEST(call)->has_group)
		add_group(&call->ctx, REQUEST(call)->group);
	return -ENODATA;
}

/*
 * The transport's groups win; else the provider's; else the one of an extension. Groups that cannot
 * be kept refuse the request: with fewer of them the file system could judge wrongly.
 */
static int find_caller(struct fsb_call *call)
{
	const struct fsb_server_config *config = &call->server->config;
	const struct fuse_in_header *header = &REQUEST(call)->header;
	const struct fsb_message *message = call->message;
	struct fsb_context *ctx = &call->ctx;

	ctx->uid = header->uid;
	ctx->gid = header->gid;
	ctx->pid = (pid_t)header->pid;
	ctx->flags = 0;
	ctx->ngroups = 0;
	ctx->call = call;
	if (message->groups_known)
		return fsb_context_set_groups(ctx, message->ngroups, message->groups);
	if (config->groups && !config->groups_on_demand && wants_groups(call) && ask_provider(call))
		return 0;
	return REQUEST(call)->has_group ? add_group(ctx, REQUEST(call)->group) : 0;
}

/* ---- What it is told ---- */

static bool operation_missing(const struct fsb_server *server, size_t offset)
{
	void (*operation)(void);

	if (offset == 0)
		return false;
	memcpy(&operation, (const char *)&server->ops + offset, sizeof(operation));
	return !operation;
}

ssize_t dispatch(struct fsb_call *call)
{
	const struct opcode_row *row = call->row;

	if (operation_missing(call->server, row->operation))
		return -ENOSYS;
	/* Before anything is done, so that nothing has to be undone. */
	if (row->op.out_size > 0 && !payload_has(call->message, row->op.out_size))
		return -EIO;
	int err = find_caller(call);
	if (err)
		return err;
	return row->run(call);
}

/* The wire keeps 20 bits of minor number around 12 bits of major number. */
static dev_t device_of(uint32_t rdev)
{
	return makedev((rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00));
}

static const uint64_t *handle_of(uint32_t getattr_flags, const uint64_t *fh)
{
	return getattr_flags & FUSE_GETATTR_FH ? fh : NULL;
}

static const struct fsb_create *how_to_create(struct fsb_call *call, uint32_t mode, uint32_t umask)
{
	struct fsb_create *how = &call->in.create;

	/* Without DONT_MASK the client has masked already, but says its umask all the same. */
	*how = (struct fsb_create){
		.mode = mode,
		.umask = call->server->protocol.flags & FUSE_DONT_MASK ? umask & 0777 : 0,
		.nsecurity = REQUEST(call)->nsecurity,
		.security = REQUEST(call)->security,
	};
	return how;
}

/* How files are opened: what the client's kernel has done is not asked for again. */
static int open_flags(const struct fsb_call *call, uint32_t flags)
{
	flags &= ~(uint32_t)OPEN_DONE;
	/* The client truncates by SETATTR then, and is not asking for it here. */
	if (!(call->server->protocol.flags & FUSE_ATOMIC_O_TRUNC))
		flags &= ~(uint32_t)O_TRUNC;
	return (int)flags;
}

static bool kills_suidgid(const struct fsb_call *call, uint32_t flags)
{
	return call->server->protocol.minor >= 33 && (flags & FUSE_OPEN_KILL_SUIDGID);
}

static struct fsb_time time_of(uint64_t sec, uint32_t nsec)
{
	return (struct fsb_time){ (int64_t)sec, nsec };
}

/* Private memory for an answer: an operation may read what it has put there, which the payload does
 * not allow. */
static int reserve(struct fsb_call *call, size_t size)
{
	call->room = size;
	return buffer_reserve(&call->spare, &call->spare_capacity, size);
}

/* Operations find nothing of earlier requests where they fill something in. */
static struct fsb_entry *blank_entry(struct fsb_call *call)
{
	call->entry = (struct fsb_entry){ 0 };
	return &call->entry;
}

static struct fsb_open *blank_open(struct fsb_call *call)
{
	call->out.open = (struct fsb_open){ 0 };
	return &call->out.open;
}

static struct fsb_attr *blank_attr(struct fsb_call *call)
{
	call->timeout_ns = 0;
	call->out.attr = (struct fsb_attr){ 0 };
	return &call->out.attr;
}

/* ---- Names ---- */

#define OPS(call) ((call)->server->ops)
#define FS(call) ((call)->server->fs)

ssize_t run_lookup(struct fsb_call *call)
{
	return OPS(call).lookup(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
				blank_entry(call));
}

ssize_t run_forget(struct fsb_call *call)
{
	OPS(call).forget(FS(call), NODEID(call), REQUEST(call)->in.forget.nlookup);
	return 0;
}

_Static_assert(sizeof(struct fsb_forget) == sizeof(struct fuse_forget_one) &&
		       offsetof(struct fsb_forget, nlookup) ==
			       offsetof(struct fuse_forget_one, nlookup),
	       "batches of forgets are handed on as they come");

ssize_t run_batch_forget(struct fsb_call *call)
{
	const struct fsb_forget *list = REQUEST(call)->data;
	size_t count = REQUEST(call)->in.batch_forget.count;

	if (count > 0 && OPS(call).batch_forget) {
		OPS(call).batch_forget(FS(call), list, count);
		return 0;
	}
	if (!OPS(call).forget)
		return -ENOSYS;
	for (size_t i = 0; i < count; i++)
		OPS(call).forget(FS(call), list[i].nodeid, list[i].nlookup);
	return 0;
}

ssize_t run_readlink(struct fsb_call *call)
{
	int err = reserve(call, TARGET_MAX);
	if (err)
		return err;
	return OPS(call).readlink(FS(call), &call->ctx, NODEID(call), (char *)call->spare,
				  call->room);
}

ssize_t run_symlink(struct fsb_call *call)
{
	return OPS(call).symlink(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
				 REQUEST(call)->name2, how_to_create(call, S_IFLNK | 0777, 0),
				 blank_entry(call));
}

ssize_t run_mknod(struct fsb_call *call)
{
	const struct fuse_mknod_in *in = &REQUEST(call)->in.mknod;

	how_to_create(call, in->mode, in->umask);
	call->in.create.rdev = device_of(in->rdev);
	return OPS(call).mknod(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
			       &call->in.create, blank_entry(call));
}

ssize_t run_mkdir(struct fsb_call *call)
{
	const struct fuse_mkdir_in *in = &REQUEST(call)->in.mkdir;

	return OPS(call).mkdir(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
			       how_to_create(call, in->mode, in->umask), blank_entry(call));
}

ssize_t run_unlink(struct fsb_call *call)
{
	return OPS(call).unlink(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name);
}

ssize_t run_rmdir(struct fsb_call *call)
{
	return OPS(call).rmdir(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name);
}

ssize_t run_rename(struct fsb_call *call)
{
	const struct fsb_request *request = REQUEST(call);

	return OPS(call).rename(FS(call), &call->ctx, NODEID(call), request->name,
				request->in.rename2.newdir, request->name2,
				request->in.rename2.flags);
}

ssize_t run_link(struct fsb_call *call)
{
	return OPS(call).link(FS(call), &call->ctx, REQUEST(call)->in.link.oldnodeid, NODEID(call),
			      REQUEST(call)->name, blank_entry(call));
}

/* ---- Attributes ---- */

ssize_t run_getattr(struct fsb_call *call)
{
	const struct fuse_getattr_in *in = &REQUEST(call)->in.getattr;

	return OPS(call).getattr(FS(call), &call->ctx, NODEID(call),
				 handle_of(in->getattr_flags, &in->fh), blank_attr(call),
				 &call->timeout_ns);
}

ssize_t run_statx(struct fsb_call *call)
{
	const struct fuse_statx_in *in = &REQUEST(call)->in.statx;

	call->timeout_ns = 0;
	call->out.statx = (struct statx){ 0 };
	return OPS(call).statx(FS(call), &call->ctx, NODEID(call),
			       handle_of(in->getattr_flags, &in->fh), in->sx_flags, in->sx_mask,
			       &call->out.statx, &call->timeout_ns);
}

ssize_t run_setattr(struct fsb_call *call)
{
	const struct fuse_setattr_in *in = &REQUEST(call)->in.setattr;
	struct fsb_setattr *set = &call->in.setattr;

	*set = (struct fsb_setattr){
		.valid = in->valid & ~FATTR_FH,
		.mode = in->mode,
		.uid = in->uid,
		.gid = in->gid,
		.size = in->size,
		.atime = time_of(in->atime, in->atimensec),
		.mtime = time_of(in->mtime, in->mtimensec),
		.ctime = time_of(in->ctime, in->ctimensec),
		.lock_owner = in->lock_owner,
	};
	return OPS(call).setattr(FS(call), &call->ctx, NODEID(call),
				 in->valid & FATTR_FH ? &in->fh : NULL, set, blank_attr(call),
				 &call->timeout_ns);
}

ssize_t run_access(struct fsb_call *call)
{
	return OPS(call).access(FS(call), &call->ctx, NODEID(call),
				(int)REQUEST(call)->in.access.mask);
}

ssize_t run_setxattr(struct fsb_call *call)
{
	const struct fsb_request *request = REQUEST(call);
	const struct fuse_setxattr_in *in = &request->in.setxattr;

	return OPS(call).setxattr(FS(call), &call->ctx, NODEID(call), request->name, request->data,
				  request->data_size, (int)in->flags,
				  in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID);
}

/* Room for as many bytes of xattr as the client takes; none when it only asks for their number. */
static int reserve_xattr(struct fsb_call *call)
{
	size_t size = REQUEST(call)->in.getxattr.size;

	if (size == 0 && !payload_has(call->message, sizeof(struct fuse_getxattr_out)))
		return -EIO;
	return reserve(call, size < XATTR_MAX ? size : XATTR_MAX);
}

ssize_t run_getxattr(struct fsb_call *call)
{
	int err = reserve_xattr(call);
	if (err)
		return err;
	return OPS(call).getxattr(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
				  call->spare, call->room);
}

ssize_t run_listxattr(struct fsb_call *call)
{
	int err = reserve_xattr(call);
	if (err)
		return err;
	return OPS(call).listxattr(FS(call), &call->ctx, NODEID(call), (char *)call->spare,
				   call->room);
}

ssize_t run_removexattr(struct fsb_call *call)
{
	return OPS(call).removexattr(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name);
}

/* ---- Files ---- */

ssize_t run_open(struct fsb_call *call)
{
	const struct fuse_open_in *in = &REQUEST(call)->in.open;

	return OPS(call).open(FS(call), &call->ctx, NODEID(call), open_flags(call, in->flags),
			      kills_suidgid(call, in->open_flags), blank_open(call));
}

static const struct fsb_create *how_to_create_file(struct fsb_call *call)
{
	const struct fuse_create_in *in = &REQUEST(call)->in.create;

	how_to_create(call, in->mode, in->umask);
	call->in.create.flags = (int)in->flags;
	call->in.create.kill_suidgid = kills_suidgid(call, in->open_flags);
	return &call->in.create;
}

ssize_t run_create(struct fsb_call *call)
{
	return OPS(call).create(FS(call), &call->ctx, NODEID(call), REQUEST(call)->name,
				how_to_create_file(call), blank_entry(call), blank_open(call));
}

ssize_t run_tmpfile(struct fsb_call *call)
{
	return OPS(call).tmpfile(FS(call), &call->ctx, NODEID(call), how_to_create_file(call),
				 blank_entry(call), blank_open(call));
}

ssize_t run_read(struct fsb_call *call)
{
	const struct fuse_read_in *in = &REQUEST(call)->in.read;
	const struct fsb_message *message = call->message;

	/* A shorter answer would look like the end of the file. */
	fsb_transfer_init(&call->transfer, message->payload, message->npayload, in->size);
	if (call->transfer.left < in->size)
		return -EIO;
	call->transfer.pipe = message->pipe;
	return OPS(call).read(
		FS(call), &call->ctx, NODEID(call), in->fh, in->offset, in->size, (int)in->flags,
		in->read_flags & FUSE_READ_LOCKOWNER ? in->lock_owner : 0, &call->transfer);
}

/* The file data of a request: where it lies, behind header and arguments. */
static struct fsb_transfer *file_data(struct fsb_call *call)
{
	const struct fsb_message *message = call->message;

	fsb_transfer_init(&call->transfer, message->request, message->nrequest, call->total);
	fsb_transfer_skip(&call->transfer, call->total - REQUEST(call)->data_size);
	return &call->transfer;
}

ssize_t run_write(struct fsb_call *call)
{
	const struct fuse_write_in *in = &REQUEST(call)->in.write;

	return OPS(call).write(FS(call), &call->ctx, NODEID(call), in->fh, in->offset, in->size,
			       (int)in->flags, in->write_flags,
			       in->write_flags & FUSE_WRITE_LOCKOWNER ? in->lock_owner : 0,
			       file_data(call));
}

ssize_t run_notify_reply(struct fsb_call *call)
{
	const struct fuse_notify_retrieve_in *in = &REQUEST(call)->in.notify_retrieve;

	/* Nobody waits for an answer that could come later. */
	call->ctx.call = NULL;
	OPS(call).notify_reply(FS(call), &call->ctx, REQUEST(call)->header.unique, NODEID(call),
			       in->offset, in->size, file_data(call));
	return 0;
}

ssize_t run_flush(struct fsb_call *call)
{
	const struct fuse_flush_in *in = &REQUEST(call)->in.flush;

	return OPS(call).flush(FS(call), &call->ctx, NODEID(call), in->fh, in->lock_owner);
}

ssize_t run_release(struct fsb_call *call)
{
	const struct fuse_release_in *in = &REQUEST(call)->in.release;

	return OPS(call).release(FS(call), &call->ctx, NODEID(call), in->fh, (int)in->flags,
				 in->release_flags & FUSE_RELEASE_FLOCK_UNLOCK, in->lock_owner);
}

ssize_t run_fsync(struct fsb_call *call)
{
	const struct fuse_fsync_in *in = &REQUEST(call)->in.fsync;

	return OPS(call).fsync(FS(call), &call->ctx, NODEID(call), in->fh,
			       in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

ssize_t run_fallocate(struct fsb_call *call)
{
	const struct fuse_fallocate_in *in = &REQUEST(call)->in.fallocate;

	return OPS(call).fallocate(FS(call), &call->ctx, NODEID(call), in->fh, (int)in->mode,
				   in->offset, in->length);
}

ssize_t run_lseek(struct fsb_call *call)
{
	const struct fuse_lseek_in *in = &REQUEST(call)->in.lseek;

	call->out.number = 0;
	return OPS(call).lseek(FS(call), &call->ctx, NODEID(call), in->fh, in->offset,
			       (int)in->whence, &call->out.number);
}

static const struct fsb_copy *what_to_copy(struct fsb_call *call, uint64_t max)
{
	const struct fuse_copy_file_range_in *in = &REQUEST(call)->in.copy_file_range;

	call->in.copy = (struct fsb_copy){
		.nodeid_in = NODEID(call),
		.fh_in = in->fh_in,
		.off_in = in->off_in,
		.nodeid_out = in->nodeid_out,
		.fh_out = in->fh_out,
		.off_out = in->off_out,
		.len = in->len < max ? in->len : max,
		.flags = in->flags,
	};
	return &call->in.copy;
}

ssize_t run_copy_file_range(struct fsb_call *call)
{
	return OPS(call).copy_file_range(FS(call), &call->ctx, what_to_copy(call, COPY_MAX));
}

ssize_t run_copy_file_range_64(struct fsb_call *call)
{
	/* What the return value of the operation holds. */
	return OPS(call).copy_file_range(FS(call), &call->ctx, what_to_copy(call, SSIZE_MAX));
}

ssize_t run_remap(struct fsb_call *call)
{
	const struct fsb_remap_file_range_in *in = &REQUEST(call)->in.remap;

	call->in.copy = (struct fsb_copy){
		.nodeid_in = NODEID(call),
		.fh_in = in->fh_in,
		.off_in = in->off_in,
		.nodeid_out = in->nodeid_out,
		.fh_out = in->fh_out,
		.off_out = in->off_out,
		.len = in->len < REMAP_MAX ? in->len : REMAP_MAX,
		.flags = in->remap_flags,
	};
	return OPS(call).remap_file_range(FS(call), &call->ctx, &call->in.copy);
}

ssize_t run_ioctl(struct fsb_call *call)
{
	const struct fuse_ioctl_in *in = &REQUEST(call)->in.ioctl;

	if (!payload_has(call->message, sizeof(struct fuse_ioctl_out) + in->out_size))
		return -EIO;
	int err = reserve(call, in->out_size);
	if (err)
		return err;
	/* What an operation counts without having written it must not be somebody else's. */
	memset(call->spare, 0, in->out_size);
	call->out.ioctl = (struct fsb_ioctl_result){ .out = call->spare };
	call->in.ioctl = (struct fsb_ioctl){
		.cmd = in->cmd,
		.flags = in->flags,
		.arg = in->arg,
		.in = REQUEST(call)->data,
		.in_size = in->in_size,
		.out_size = in->out_size,
	};
	return OPS(call).ioctl(FS(call), &call->ctx, NODEID(call), in->fh, &call->in.ioctl,
			       &call->out.ioctl);
}

ssize_t run_poll(struct fsb_call *call)
{
	const struct fuse_poll_in *in = &REQUEST(call)->in.poll;

	call->out.revents = 0;
	return OPS(call).poll(FS(call), &call->ctx, NODEID(call), in->fh, in->kh,
			      in->flags & FUSE_POLL_SCHEDULE_NOTIFY, in->events,
			      &call->out.revents);
}

ssize_t run_bmap(struct fsb_call *call)
{
	const struct fuse_bmap_in *in = &REQUEST(call)->in.bmap;

	call->out.number = 0;
	return OPS(call).bmap(FS(call), &call->ctx, NODEID(call), in->block, in->blocksize,
			      &call->out.number);
}

/* ---- Locks ---- */

static void lock_of(struct fsb_call *call)
{
	const struct fuse_lk_in *in = &REQUEST(call)->in.lk;

	call->in.owner = (struct fsb_lock_owner){ in->owner, in->lk_flags & FUSE_LK_FLOCK };
	call->out.lock =
		(struct fsb_lock){ in->lk.start, in->lk.end, (int)in->lk.type, (pid_t)in->lk.pid };
}

ssize_t run_getlk(struct fsb_call *call)
{
	lock_of(call);
	return OPS(call).getlk(FS(call), &call->ctx, NODEID(call), REQUEST(call)->in.lk.fh,
			       &call->in.owner, &call->out.lock);
}

ssize_t run_setlk(struct fsb_call *call)
{
	lock_of(call);
	return OPS(call).setlk(FS(call), &call->ctx, NODEID(call), REQUEST(call)->in.lk.fh,
			       &call->in.owner, &call->out.lock);
}

ssize_t run_setlkw(struct fsb_call *call)
{
	lock_of(call);
	return OPS(call).setlkw(FS(call), &call->ctx, NODEID(call), REQUEST(call)->in.lk.fh,
				&call->in.owner, &call->out.lock);
}

/* ---- Directories ---- */

ssize_t run_opendir(struct fsb_call *call)
{
	return OPS(call).opendir(FS(call), &call->ctx, NODEID(call),
				 open_flags(call, REQUEST(call)->in.open.flags), blank_open(call));
}

ssize_t run_readdir(struct fsb_call *call)
{
	const struct fuse_read_in *in = &REQUEST(call)->in.read;
	int err = listing_begin(call, in->size, false);
	if (err)
		return err;
	return OPS(call).readdir(FS(call), &call->ctx, NODEID(call), in->fh, in->offset,
				 &call->listing.list);
}

ssize_t run_readdirplus(struct fsb_call *call)
{
	const struct fuse_read_in *in = &REQUEST(call)->in.read;
	int err = listing_begin(call, in->size, true);
	if (err)
		return err;
	return OPS(call).readdirplus(FS(call), &call->ctx, NODEID(call), in->fh, in->offset,
				     &call->listing.list);
}

ssize_t run_releasedir(struct fsb_call *call)
{
	const struct fuse_release_in *in = &REQUEST(call)->in.release;

	return OPS(call).releasedir(FS(call), &call->ctx, NODEID(call), in->fh, (int)in->flags);
}

ssize_t run_fsyncdir(struct fsb_call *call)
{
	const struct fuse_fsync_in *in = &REQUEST(call)->in.fsync;

	return OPS(call).fsyncdir(FS(call), &call->ctx, NODEID(call), in->fh,
				  in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

/* ---- The file system as a whole ---- */

ssize_t run_statfs(struct fsb_call *call)
{
	call->out.statfs = (struct fsb_statfs){ 0 };
	return OPS(call).statfs(FS(call), &call->ctx, NODEID(call), &call->out.statfs);
}

ssize_t run_syncfs(struct fsb_call *call)
{
	return OPS(call).syncfs(FS(call), &call->ctx, NODEID(call));
}

ssize_t run_setupmapping(struct fsb_call *call)
{
	const struct fuse_setupmapping_in *in = &REQUEST(call)->in.setupmapping;
	struct fsb_window *window = call->server->config.window;

	if (!window)
		return -ENOSYS;
	call->in.mapping = (struct fsb_mapping){
		.file_offset = in->foffset,
		.window_offset = in->moffset,
		.length = in->len,
		.read = in->flags & FUSE_SETUPMAPPING_FLAG_READ,
		.write = in->flags & FUSE_SETUPMAPPING_FLAG_WRITE,
	};
	return OPS(call).setupmapping(FS(call), &call->ctx, NODEID(call), in->fh, &call->in.mapping,
				      window);
}

ssize_t run_removemapping(struct fsb_call *call)
{
	const char *list = REQUEST(call)->data;
	struct fsb_window *window = call->server->config.window;
	struct fuse_removemapping_one one;
	int err = 0;

	if (!window)
		return -ENOSYS;
	/* Several calls for one answer: none of them can put it off. */
	call->ctx.call = NULL;
	for (uint32_t i = 0; i < REQUEST(call)->in.removemapping.count && !err; i++) {
		/* Behind 4 bytes of arguments they are not aligned. */
		memcpy(&one, list + i * sizeof(one), sizeof(one));
		err = OPS(call).removemapping(FS(call), &call->ctx, one.moffset, one.len, window);
	}
	return err;
}
