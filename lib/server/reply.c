// SPDX-License-Identifier: BSD-3-Clause
/*
 * The result of an operation to reply bytes: laid out in private memory, copied once to where the
 * transport wants them, sent, and taken back when they did not arrive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "log.h"
#include "server/server.h"

#define NSEC_PER_SEC 1000000000u

/* Numbers from here on are the kernel's own (ERESTARTSYS and its like); it refuses a reply that has
 * one. */
#define KERNEL_ERRNO 512

#define TRACE_MAX 512

/* ---- The payload ---- */

/* How many bytes of payload there is room for, at most @limit. */
static size_t payload_room(const struct fsb_message *message, size_t limit)
{
	size_t room = 0;

	for (size_t i = 0; i < message->npayload && room < limit; i++)
		room = message->payload[i].iov_len < limit - room
			       ? room + message->payload[i].iov_len
			       : limit;
	return room;
}

bool payload_has(const struct fsb_message *message, size_t need)
{
	return payload_room(message, need) == need;
}

/* Copy to the payload from byte @at of it on. There is room: somebody has looked. */
static void payload_copy(const struct fsb_message *message, size_t at, const void *bytes,
			 size_t length)
{
	const struct iovec *piece = message->payload;
	const char *from = bytes;

	while (length > 0) {
		if (at >= piece->iov_len) {
			at -= piece++->iov_len;
			continue;
		}
		size_t step = piece->iov_len - at < length ? piece->iov_len - at : length;
		memcpy((char *)piece->iov_base + at, from, step);
		from += step;
		length -= step;
		at += step;
	}
}

ssize_t payload_put(struct fsb_call *call, const void *bytes, size_t length)
{
	payload_copy(call->message, 0, bytes, length);
	call->body = bytes;
	call->body_length = length;
	return (ssize_t)length;
}

/* ---- Attributes and entries ---- */

static uint32_t wire_device(dev_t dev)
{
	return (minor(dev) & 0xff) | (major(dev) << 8) | ((minor(dev) & ~0xffu) << 12);
}

static void wire_attr(struct fuse_attr *out, const struct fsb_attr *attr)
{
	*out = (struct fuse_attr){
		.ino = attr->ino,
		.size = attr->size,
		.blocks = attr->blocks,
		.atime = (uint64_t)attr->atime.sec,
		.mtime = (uint64_t)attr->mtime.sec,
		.ctime = (uint64_t)attr->ctime.sec,
		.atimensec = attr->atime.nsec,
		.mtimensec = attr->mtime.nsec,
		.ctimensec = attr->ctime.nsec,
		.mode = attr->mode,
		.nlink = attr->nlink,
		.uid = attr->uid,
		.gid = attr->gid,
		.rdev = wire_device(attr->rdev),
		.blksize = attr->blksize,
		.flags = attr->flags,
	};
}

static void wire_entry(struct fuse_entry_out *out, const struct fsb_entry *entry)
{
	out->nodeid = entry->nodeid;
	out->generation = entry->generation;
	out->entry_valid = entry->entry_timeout_ns / NSEC_PER_SEC;
	out->entry_valid_nsec = (uint32_t)(entry->entry_timeout_ns % NSEC_PER_SEC);
	out->attr_valid = entry->attr_timeout_ns / NSEC_PER_SEC;
	out->attr_valid_nsec = (uint32_t)(entry->attr_timeout_ns % NSEC_PER_SEC);
	wire_attr(&out->attr, &entry->attr);
}

/* Nothing but the timeout of a negative entry means something. */
static void wire_negative(struct fuse_entry_out *out, const struct fsb_entry *entry)
{
	*out = (struct fuse_entry_out){
		.entry_valid = entry->entry_timeout_ns / NSEC_PER_SEC,
		.entry_valid_nsec = (uint32_t)(entry->entry_timeout_ns % NSEC_PER_SEC),
	};
}

/* The client's kernel drops an entry or attributes that it does not like, and with them the
 * reference. */
static bool usable(const struct fsb_attr *attr)
{
	switch (attr->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return attr->size <= INT64_MAX;
	default:
		return false;
	}
}

/* The file system did something that cannot be told to the client. */
static ssize_t useless(const struct fsb_call *call, const char *what)
{
	log_write(&call->server->config.log, FSB_LOG_ERROR, "%s: the file system returned %s",
		  call->row->op.name, what);
	return -EIO;
}

ssize_t answer_entry(struct fsb_call *call)
{
	call->undo.entry = call->entry.nodeid;
	if (call->entry.nodeid == 0) {
		wire_negative(&call->wire.entry, &call->entry);
	} else {
		if (!usable(&call->entry.attr))
			return useless(call,
				       "attributes of no known type, or of a size above 2^63");
		wire_entry(&call->wire.entry, &call->entry);
	}
	return payload_put(call, &call->wire.entry, sizeof(call->wire.entry));
}

/* What was made exists, and is not the root. */
static bool made(const struct fsb_call *call)
{
	return call->entry.nodeid != 0 && call->entry.nodeid != FSB_ROOT_NODEID;
}

ssize_t answer_made(struct fsb_call *call)
{
	if (!made(call)) {
		call->undo.entry = call->entry.nodeid;
		return useless(call, "no nodeid, or the root's");
	}
	return answer_entry(call);
}

/* What of an open's flags stays with its handle, as RELEASE would say them. */
static int handle_flags(uint32_t flags)
{
	return (int)flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
}

static void wire_open(struct fuse_open_out *out, const struct fsb_open *open)
{
	out->fh = open->fh;
	out->open_flags = open->flags;
	out->backing_id = open->flags & FSB_OPEN_PASSTHROUGH ? open->backing_id : 0;
}

ssize_t answer_create(struct fsb_call *call)
{
	call->undo.open = true;
	call->undo.opened = call->undo.entry = call->entry.nodeid;
	call->undo.fh = call->out.open.fh;
	call->undo.flags = handle_flags(call->request.in.create.flags);
	if (!made(call))
		return useless(call, "no nodeid, or the root's");
	if (!usable(&call->entry.attr))
		return useless(call, "attributes of no known type, or of a size above 2^63");
	wire_entry(&call->wire.create.entry, &call->entry);
	wire_open(&call->wire.create.open, &call->out.open);
	return payload_put(call, &call->wire.create, sizeof(call->wire.create));
}

ssize_t answer_attr(struct fsb_call *call)
{
	if (!usable(&call->out.attr))
		return useless(call, "attributes of no known type, or of a size above 2^63");
	call->wire.attr.attr_valid = call->timeout_ns / NSEC_PER_SEC;
	call->wire.attr.attr_valid_nsec = (uint32_t)(call->timeout_ns % NSEC_PER_SEC);
	call->wire.attr.dummy = 0;
	wire_attr(&call->wire.attr.attr, &call->out.attr);
	return payload_put(call, &call->wire.attr, sizeof(call->wire.attr));
}

static struct fuse_sx_time wire_sx_time(const struct statx_timestamp *time)
{
	return (struct fuse_sx_time){ .tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec };
}

ssize_t answer_statx(struct fsb_call *call)
{
	const struct statx *stx = &call->out.statx;

	call->wire.statx = (struct fuse_statx_out){
		.attr_valid = call->timeout_ns / NSEC_PER_SEC,
		.attr_valid_nsec = (uint32_t)(call->timeout_ns % NSEC_PER_SEC),
		.stat = {
			.mask = stx->stx_mask,
			.blksize = stx->stx_blksize,
			.attributes = stx->stx_attributes,
			.nlink = stx->stx_nlink,
			.uid = stx->stx_uid,
			.gid = stx->stx_gid,
			.mode = stx->stx_mode,
			.ino = stx->stx_ino,
			.size = stx->stx_size,
			.blocks = stx->stx_blocks,
			.attributes_mask = stx->stx_attributes_mask,
			.atime = wire_sx_time(&stx->stx_atime),
			.btime = wire_sx_time(&stx->stx_btime),
			.ctime = wire_sx_time(&stx->stx_ctime),
			.mtime = wire_sx_time(&stx->stx_mtime),
			.rdev_major = stx->stx_rdev_major,
			.rdev_minor = stx->stx_rdev_minor,
			.dev_major = stx->stx_dev_major,
			.dev_minor = stx->stx_dev_minor,
		},
	};
	return payload_put(call, &call->wire.statx, sizeof(call->wire.statx));
}

ssize_t answer_statfs(struct fsb_call *call)
{
	const struct fsb_statfs *statfs = &call->out.statfs;

	call->wire.statfs = (struct fuse_statfs_out){
		.st = {
			.blocks = statfs->blocks,
			.bfree = statfs->bfree,
			.bavail = statfs->bavail,
			.files = statfs->files,
			.ffree = statfs->ffree,
			.bsize = statfs->bsize,
			.namelen = statfs->namelen,
			.frsize = statfs->frsize,
		},
	};
	return payload_put(call, &call->wire.statfs, sizeof(call->wire.statfs));
}

/* ---- Files ---- */

ssize_t answer_open(struct fsb_call *call)
{
	call->undo.open = true;
	call->undo.opened = call->request.header.nodeid;
	call->undo.fh = call->out.open.fh;
	call->undo.flags = handle_flags(call->request.in.open.flags);
	wire_open(&call->wire.open, &call->out.open);
	return payload_put(call, &call->wire.open, sizeof(call->wire.open));
}

ssize_t answer_opendir(struct fsb_call *call)
{
	ssize_t length = answer_open(call);

	call->undo.open = false;
	call->undo.opendir = true;
	return length;
}

ssize_t answer_read(struct fsb_call *call)
{
	/* Bytes that were counted but not moved would be whatever lay in the payload before. */
	if ((size_t)call->result > call->request.in.read.size - call->transfer.left)
		return useless(call, "more bytes than it moved");
	return call->result;
}

static ssize_t put_write(struct fsb_call *call, size_t count)
{
	call->wire.write = (struct fuse_write_out){ .size = (uint32_t)count };
	return payload_put(call, &call->wire.write, sizeof(call->wire.write));
}

ssize_t answer_write(struct fsb_call *call)
{
	if ((size_t)call->result > call->request.in.write.size)
		return useless(call, "more bytes than it was given");
	return put_write(call, (size_t)call->result);
}

ssize_t answer_copy(struct fsb_call *call)
{
	if ((size_t)call->result > call->in.copy.len)
		return useless(call, "more bytes than it was to copy");
	return put_write(call, (size_t)call->result);
}

ssize_t answer_copy_64(struct fsb_call *call)
{
	if ((size_t)call->result > call->in.copy.len)
		return useless(call, "more bytes than it was to copy");
	call->wire.copy.bytes_copied = (uint64_t)call->result;
	return payload_put(call, &call->wire.copy, sizeof(call->wire.copy));
}

ssize_t answer_remap(struct fsb_call *call)
{
	/* All of a source that is longer than 32 bits tell: its client only looks whether it
	 * worked. */
	size_t most = UINT32_MAX - 4095;

	if (call->in.copy.len > 0 && (size_t)call->result > call->in.copy.len)
		return useless(call, "more bytes than it was to share");
	return put_write(call, (size_t)call->result < most ? (size_t)call->result : most);
}

ssize_t answer_lseek(struct fsb_call *call)
{
	call->wire.lseek.offset = call->out.number;
	return payload_put(call, &call->wire.lseek, sizeof(call->wire.lseek));
}

ssize_t answer_bmap(struct fsb_call *call)
{
	call->wire.bmap.block = call->out.number;
	return payload_put(call, &call->wire.bmap, sizeof(call->wire.bmap));
}

ssize_t answer_poll(struct fsb_call *call)
{
	call->wire.poll = (struct fuse_poll_out){ .revents = call->out.revents };
	return payload_put(call, &call->wire.poll, sizeof(call->wire.poll));
}

ssize_t answer_lk(struct fsb_call *call)
{
	const struct fsb_lock *lock = &call->out.lock;

	call->wire.lk.lk = (struct fuse_file_lock){
		.start = lock->start,
		.end = lock->end,
		.type = (uint32_t)lock->type,
		.pid = (uint32_t)lock->pid,
	};
	return payload_put(call, &call->wire.lk, sizeof(call->wire.lk));
}

/*
 * Asking again with other memory is for unrestricted ioctls only, the others' kernel takes it for
 * an error. The vectors are the bytes then, first those to read, then those to write.
 */
static bool retry_makes_sense(const struct fsb_call *call)
{
	const struct fsb_ioctl_result *answer = &call->out.ioctl;

	if (!(answer->flags & FSB_IOCTL_RETRY))
		return answer->in_iovs == 0 && answer->out_iovs == 0;
	return (call->in.ioctl.flags & FSB_IOCTL_UNRESTRICTED) &&
	       answer->in_iovs <= FUSE_IOCTL_MAX_IOV && answer->out_iovs <= FUSE_IOCTL_MAX_IOV &&
	       answer->out_size ==
		       (answer->in_iovs + answer->out_iovs) * sizeof(struct fuse_ioctl_iovec);
}

ssize_t answer_ioctl(struct fsb_call *call)
{
	const struct fsb_ioctl_result *answer = &call->out.ioctl;
	struct fuse_ioctl_out *out = &call->wire.ioctl;

	if (answer->out_size > call->in.ioctl.out_size || answer->out != call->spare ||
	    !retry_makes_sense(call))
		return useless(
			call,
			"more bytes than there was room for, or a retry of a restricted ioctl");
	*out = (struct fuse_ioctl_out){
		.result = answer->result,
		.flags = answer->flags,
		.in_iovs = answer->in_iovs,
		.out_iovs = answer->out_iovs,
	};
	payload_put(call, out, sizeof(*out));
	payload_copy(call->message, sizeof(*out), call->spare, answer->out_size);
	return (ssize_t)(sizeof(*out) + answer->out_size);
}

/* ---- Bytes of any length ---- */

ssize_t answer_bytes(struct fsb_call *call)
{
	if ((size_t)call->result > call->room)
		return useless(call, "more bytes than there was room for");
	if (!payload_has(call->message, (size_t)call->result))
		return -EIO;
	return payload_put(call, call->spare, (size_t)call->result);
}

ssize_t answer_xattr(struct fsb_call *call)
{
	if (call->room > 0)
		return answer_bytes(call);
	call->wire.getxattr = (struct fuse_getxattr_out){ .size = (uint32_t)call->result };
	return payload_put(call, &call->wire.getxattr, sizeof(call->wire.getxattr));
}

/* ---- Directories ---- */

static struct listing *listing_of(struct fsb_dirlist *list)
{
	return (struct listing *)list;
}

static size_t entry_size(const struct listing *listing, size_t namelen)
{
	size_t head = listing->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	return FUSE_DIRENT_ALIGN(head + namelen);
}

static bool listing_fits(struct fsb_dirlist *list, size_t namelen)
{
	struct listing *listing = listing_of(list);

	if (entry_size(listing, namelen) <= listing->size - listing->used)
		return true;
	listing->full = true;
	return false;
}

/* Entries may be packed right into the payload: it is written, never read. */
static int listing_add(struct fsb_dirlist *list, const struct fsb_dirent *dirent,
		       const struct fsb_entry *entry)
{
	struct listing *listing = listing_of(list);
	struct fsb_call *call = listing->call;
	uint8_t *at = listing->memory + listing->used;

	if (dirent->namelen == 0 || dirent->namelen > 255 || (entry && !listing->plus))
		return -EINVAL;
	if (!listing_fits(list, dirent->namelen))
		return -ENOSPC;
	size_t size = entry_size(listing, dirent->namelen);

	if (listing->plus) {
		struct fuse_entry_out out = { 0 };
		if (entry && entry->nodeid != 0) {
			wire_entry(&out, entry);
			call->nodeids[call->nnodeids++] = entry->nodeid;
		}
		memcpy(at, &out, sizeof(out));
		at += sizeof(out);
		size -= sizeof(out);
		listing->used += sizeof(out);
	}
	struct fuse_dirent head = {
		.ino = dirent->ino,
		.off = dirent->next,
		.namelen = (uint32_t)dirent->namelen,
		.type = dirent->type,
	};
	memcpy(at, &head, FUSE_NAME_OFFSET);
	memcpy(at + FUSE_NAME_OFFSET, dirent->name, dirent->namelen);
	memset(at + FUSE_NAME_OFFSET + dirent->namelen, 0,
	       size - FUSE_NAME_OFFSET - dirent->namelen);
	listing->used += size;
	return 0;
}

/* Where @size bytes of the payload lie together, or NULL. */
static uint8_t *payload_in_one(const struct fsb_message *message, size_t size)
{
	for (size_t i = 0; i < message->npayload; i++)
		if (message->payload[i].iov_len > 0)
			return message->payload[i].iov_len >= size ? message->payload[i].iov_base
								   : NULL;
	return NULL;
}

/* Room to remember every nodeid that a listing may give out. */
static int reserve_nodeids(struct fsb_call *call, size_t count)
{
	if (count <= call->nodeids_capacity)
		return 0;
	uint64_t *larger = malloc(count * sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	free(call->nodeids);
	call->nodeids = larger;
	call->nodeids_capacity = count;
	return 0;
}

int listing_begin(struct fsb_call *call, size_t size, bool plus)
{
	struct listing *listing = &call->listing;

	/* A listing may be shorter than asked for, as long as it goes on. */
	if (size > call->server->protocol.max_write)
		size = call->server->protocol.max_write;
	size = payload_room(call->message, size);
	if (size == 0)
		return -EIO;
	*listing = (struct listing){
		.list = { .fits = listing_fits, .add = listing_add },
		.call = call,
		.memory = payload_in_one(call->message, size),
		.size = size,
		.plus = plus,
	};
	if (!listing->memory) {
		int err = buffer_reserve(&call->spare, &call->spare_capacity, size);
		if (err)
			return err;
		listing->memory = call->spare;
	}
	return plus ? reserve_nodeids(call, size / entry_size(listing, 1) + 1) : 0;
}

ssize_t answer_listing(struct fsb_call *call)
{
	const struct listing *listing = &call->listing;

	/* Nothing would say that this is the end. */
	if (listing->used == 0 && listing->full)
		return -EINVAL;
	if (listing->memory == call->spare)
		return payload_put(call, call->spare, listing->used);
	return (ssize_t)listing->used;
}

/* ---- Taking back ---- */

static void take_back(struct fsb_server *server, const struct fsb_context *ctx,
		      const struct undo *undo)
{
	const struct fsb_filesystem_ops *ops = &server->ops;
	struct fsb_filesystem *fs = server->fs;

	/* The handle first: it may need the inode. */
	if (undo->open && ops->release)
		ops->release(fs, ctx, undo->opened, undo->fh, undo->flags, false, 0);
	if (undo->opendir && ops->releasedir)
		ops->releasedir(fs, ctx, undo->opened, undo->fh, undo->flags);
	if (!ops->forget)
		return;
	if (undo->entry)
		ops->forget(fs, undo->entry, 1);
	for (size_t i = 0; i < undo->nnodeids; i++)
		ops->forget(fs, undo->nodeids[i], 1);
}

/* Whether the answer was going to give something away. */
static bool owes(const struct fsb_call *call)
{
	return call->undo.entry || call->undo.open || call->undo.opendir || call->nnodeids > 0;
}

static void settled(struct fsb_call *call)
{
	call->undo.entry = 0;
	call->undo.open = false;
	call->undo.opendir = false;
	call->nnodeids = 0;
}

static void undo_now(struct fsb_call *call)
{
	struct fsb_context nobody;

	if (!owes(call))
		return;
	call->undo.nodeids = call->nodeids;
	call->undo.nnodeids = call->nnodeids;
	fsb_context_init(&nobody, call->ctx.uid, call->ctx.gid, call->ctx.pid);
	take_back(call->server, &nobody, &call->undo);
	settled(call);
}

/* ---- Sending ---- */

/* What a client may see of an error. */
static int error_of(const struct fsb_call *call, ssize_t result)
{
	if (result > -KERNEL_ERRNO)
		return (int)result;
	log_write(&call->server->config.log, FSB_LOG_ERROR,
		  "%s: the file system returned %zd, which is no errno",
		  call->row ? call->row->op.name : "a request", result);
	return -EIO;
}

static bool answerable(const struct fsb_call *call, int error)
{
	if (!call->row || !call->row->op.no_reply)
		return true;
	/* An INTERRUPT succeeds without a word. */
	return call->row->op.number == FUSE_INTERRUPT && error != 0;
}

/* Tell those who watch, before the client knows: whoever asks after an answer finds it counted. */
static void observe(struct fsb_call *call, int error, size_t length)
{
	struct fsb_server *server = call->server;
	uint64_t ns = server_clock() - call->started_ns;

	if (server->stats)
		stats_count(server->stats, call->row ? call->row->op.number : 0, error != 0, ns);
	if (server->config.trace) {
		struct fsb_trace trace = {
			.request = &call->request,
			.error = error,
			.body = length > 0 ? call->body : NULL,
			.length = length,
			.ns = ns,
		};
		if (trace.body)
			trace.length =
				call->body_length < TRACE_MAX ? call->body_length : TRACE_MAX;
		server->config.trace(server->config.trace_opaque, &trace);
	}
}

/* Send, where nothing is done with the call afterwards: it is somebody else's from then on. */
static int send_deferred(struct fsb_call *call, const struct fuse_out_header *header, bool lost)
{
	struct fsb_server *server = call->server;
	struct fsb_message *message = call->message;
	struct undo undo = call->undo;
	struct fsb_context nobody;

	fsb_context_init(&nobody, call->ctx.uid, call->ctx.gid, call->ctx.pid);
	undo.nodeids = NULL;
	undo.nnodeids = call->nnodeids;
	if (call->nnodeids > 0) {
		undo.nodeids = call->nodeids;
		call->nodeids = NULL;
		call->nodeids_capacity = 0;
	}
	settled(call);
	int err = lost ? -ENOTCONN : message->reply(message, header);
	if (err < 0)
		take_back(server, &nobody, &undo);
	free(undo.nodeids);
	return err;
}

int call_finish(struct fsb_call *call, ssize_t result, bool lost)
{
	struct fuse_out_header header = { .len = sizeof(header),
					  .unique = call->request.header.unique };
	size_t length = 0;

	call->result = result;
	if (result > 0 && !call->row->counts)
		result = useless(call, "a count");
	else if (result >= 0 && call->row->answer)
		result = call->row->answer(call);
	if (result < 0) {
		header.error = error_of(call, result);
		undo_now(call);
	} else {
		length = (size_t)result;
		header.len += (uint32_t)length;
	}
	if (call->server->timed)
		observe(call, header.error, length);
	if (!answerable(call, header.error))
		return 0;
	if (call->deferred)
		return send_deferred(call, &header, lost);
	int err = call->message->reply(call->message, &header);
	if (err < 0)
		undo_now(call);
	else
		settled(call);
	return err < 0 ? err : 0;
}
