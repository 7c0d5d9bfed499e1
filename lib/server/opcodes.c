// SPDX-License-Identifier: BSD-3-Clause
/*
 * The table of opcodes: one row says how a request of that kind is read, checked, carried out and
 * answered. Decoding, dispatch, tracing, statistics and the tests all go by it.
 */
#include <stddef.h>

#include "server/decode.h"
#include "server/opcodes.h"
#include "server/server.h"

#define OPERATION(member) offsetof(struct fsb_filesystem_ops, member)
#define IN(type) sizeof(struct type)
#define OUT(type) sizeof(struct type)
#define OUT_CREATE (sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out))

/*
 * Indexed by number; numbers that were never given out have no name. Answers of any length (data,
 * names, listings) have an out_size of 0: how much room they need is decided when they are run.
 */
static const struct opcode_row rows[OPCODE_LIMIT] = {
	[FUSE_LOOKUP] = {
		.op = { FUSE_LOOKUP, "LOOKUP", 0, OUT(fuse_entry_out),
			FSB_TAIL_NAME, false, false },
		.operation = OPERATION(lookup), .caller = CALLER_JUDGED,
		.repeats = true, .run = run_lookup, .answer = answer_entry,
	},
	[FUSE_FORGET] = {
		.op = { FUSE_FORGET, "FORGET", IN(fuse_forget_in), 0, FSB_TAIL_NONE, true, false },
		.operation = OPERATION(forget), .caller = CALLER_NONE,
		.run = run_forget,
	},
	[FUSE_GETATTR] = {
		.op = { FUSE_GETATTR, "GETATTR", IN(fuse_getattr_in), OUT(fuse_attr_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(getattr), .caller = CALLER_JUDGED, .check = check_getattr,
		.repeats = true, .run = run_getattr, .answer = answer_attr,
	},
	[FUSE_SETATTR] = {
		.op = { FUSE_SETATTR, "SETATTR", IN(fuse_setattr_in), OUT(fuse_attr_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(setattr), .caller = CALLER_JUDGED, .check = check_setattr,
		.run = run_setattr, .answer = answer_attr,
	},
	[FUSE_READLINK] = {
		.op = { FUSE_READLINK, "READLINK", 0, 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(readlink), .caller = CALLER_JUDGED,
		.repeats = true, .counts = true, .run = run_readlink, .answer = answer_bytes,
	},
	[FUSE_SYMLINK] = {
		.op = { FUSE_SYMLINK, "SYMLINK", 0, OUT(fuse_entry_out),
			FSB_TAIL_NAME_PATH, false, true },
		.operation = OPERATION(symlink), .caller = CALLER_JUDGED,
		.run = run_symlink, .answer = answer_made,
	},
	[FUSE_MKNOD] = {
		.op = { FUSE_MKNOD, "MKNOD", IN(fuse_mknod_in), OUT(fuse_entry_out),
			FSB_TAIL_NAME, false, true },
		.operation = OPERATION(mknod), .caller = CALLER_JUDGED, .check = check_mknod,
		.run = run_mknod, .answer = answer_made,
	},
	[FUSE_MKDIR] = {
		.op = { FUSE_MKDIR, "MKDIR", IN(fuse_mkdir_in), OUT(fuse_entry_out),
			FSB_TAIL_NAME, false, true },
		.operation = OPERATION(mkdir), .caller = CALLER_JUDGED, .check = check_mkdir,
		.run = run_mkdir, .answer = answer_made,
	},
	[FUSE_UNLINK] = {
		.op = { FUSE_UNLINK, "UNLINK", 0, 0, FSB_TAIL_NAME, false, false },
		.operation = OPERATION(unlink), .caller = CALLER_JUDGED,
		.run = run_unlink,
	},
	[FUSE_RMDIR] = {
		.op = { FUSE_RMDIR, "RMDIR", 0, 0, FSB_TAIL_NAME, false, false },
		.operation = OPERATION(rmdir), .caller = CALLER_JUDGED,
		.run = run_rmdir,
	},
	[FUSE_RENAME] = {
		.op = { FUSE_RENAME, "RENAME", IN(fuse_rename_in), 0,
			FSB_TAIL_NAME_NAME, false, false },
		.operation = OPERATION(rename), .caller = CALLER_JUDGED,
		.run = run_rename,
	},
	[FUSE_LINK] = {
		.op = { FUSE_LINK, "LINK", IN(fuse_link_in), OUT(fuse_entry_out),
			FSB_TAIL_NAME, false, false },
		.operation = OPERATION(link), .caller = CALLER_JUDGED,
		.run = run_link, .answer = answer_made,
	},
	[FUSE_OPEN] = {
		.op = { FUSE_OPEN, "OPEN", IN(fuse_open_in), OUT(fuse_open_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(open), .caller = CALLER_JUDGED, .check = check_open,
		.repeats = true, .run = run_open, .answer = answer_open,
	},
	[FUSE_READ] = {
		.op = { FUSE_READ, "READ", IN(fuse_read_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(read), .caller = CALLER_FILE, .check = check_read,
		.repeats = true, .counts = true, .run = run_read, .answer = answer_read,
	},
	[FUSE_WRITE] = {
		.op = { FUSE_WRITE, "WRITE", IN(fuse_write_in), OUT(fuse_write_out),
			FSB_TAIL_DATA, false, false },
		.operation = OPERATION(write), .caller = CALLER_FILE, .check = check_write,
		.repeats = true, .counts = true, .run = run_write, .answer = answer_write,
	},
	[FUSE_STATFS] = {
		.op = { FUSE_STATFS, "STATFS", 0, OUT(fuse_statfs_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(statfs), .caller = CALLER_JUDGED,
		.repeats = true, .run = run_statfs, .answer = answer_statfs,
	},
	[FUSE_RELEASE] = {
		.op = { FUSE_RELEASE, "RELEASE", IN(fuse_release_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(release), .caller = CALLER_NONE, .check = check_release,
		.repeats = true, .run = run_release,
	},
	[FUSE_FSYNC] = {
		.op = { FUSE_FSYNC, "FSYNC", IN(fuse_fsync_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(fsync), .caller = CALLER_FILE, .check = check_fsync,
		.repeats = true, .run = run_fsync,
	},
	[FUSE_SETXATTR] = {
		.op = { FUSE_SETXATTR, "SETXATTR", IN(fuse_setxattr_in), 0,
			FSB_TAIL_NAME_VALUE, false, false },
		.operation = OPERATION(setxattr), .caller = CALLER_JUDGED, .check = check_setxattr,
		.run = run_setxattr,
	},
	[FUSE_GETXATTR] = {
		.op = { FUSE_GETXATTR, "GETXATTR", IN(fuse_getxattr_in), 0,
			FSB_TAIL_XATTR, false, false },
		.operation = OPERATION(getxattr), .caller = CALLER_JUDGED,
		.repeats = true, .counts = true, .run = run_getxattr, .answer = answer_xattr,
	},
	[FUSE_LISTXATTR] = {
		.op = { FUSE_LISTXATTR, "LISTXATTR", IN(fuse_getxattr_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(listxattr), .caller = CALLER_JUDGED,
		.repeats = true, .counts = true, .run = run_listxattr, .answer = answer_xattr,
	},
	[FUSE_REMOVEXATTR] = {
		.op = { FUSE_REMOVEXATTR, "REMOVEXATTR", 0, 0, FSB_TAIL_XATTR, false, false },
		.operation = OPERATION(removexattr), .caller = CALLER_JUDGED,
		.run = run_removexattr,
	},
	[FUSE_FLUSH] = {
		.op = { FUSE_FLUSH, "FLUSH", IN(fuse_flush_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(flush), .caller = CALLER_FILE,
		.repeats = true, .run = run_flush,
	},
	[FUSE_INIT] = {
		.op = { FUSE_INIT, "INIT", IN(fuse_init_in), OUT(fuse_init_out),
			FSB_TAIL_NONE, false, false },
		.caller = CALLER_NONE,
		.run = run_init, .answer = answer_init,
	},
	[FUSE_OPENDIR] = {
		.op = { FUSE_OPENDIR, "OPENDIR", IN(fuse_open_in), OUT(fuse_open_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(opendir), .caller = CALLER_JUDGED, .check = check_open,
		.repeats = true, .run = run_opendir, .answer = answer_opendir,
	},
	[FUSE_READDIR] = {
		.op = { FUSE_READDIR, "READDIR", IN(fuse_read_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(readdir), .caller = CALLER_DIR, .check = check_readdir,
		.repeats = true, .run = run_readdir, .answer = answer_listing,
	},
	[FUSE_RELEASEDIR] = {
		.op = { FUSE_RELEASEDIR, "RELEASEDIR", IN(fuse_release_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(releasedir), .caller = CALLER_NONE, .check = check_release,
		.repeats = true, .run = run_releasedir,
	},
	[FUSE_FSYNCDIR] = {
		.op = { FUSE_FSYNCDIR, "FSYNCDIR", IN(fuse_fsync_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(fsyncdir), .caller = CALLER_DIR, .check = check_fsync,
		.repeats = true, .run = run_fsyncdir,
	},
	[FUSE_GETLK] = {
		.op = { FUSE_GETLK, "GETLK", IN(fuse_lk_in), OUT(fuse_lk_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(getlk), .caller = CALLER_JUDGED, .check = check_lk,
		.repeats = true, .run = run_getlk, .answer = answer_lk,
	},
	[FUSE_SETLK] = {
		.op = { FUSE_SETLK, "SETLK", IN(fuse_lk_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(setlk), .caller = CALLER_JUDGED, .check = check_lk,
		.repeats = true, .run = run_setlk,
	},
	[FUSE_SETLKW] = {
		.op = { FUSE_SETLKW, "SETLKW", IN(fuse_lk_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(setlkw), .caller = CALLER_JUDGED, .check = check_lk,
		.repeats = true, .run = run_setlkw,
	},
	[FUSE_ACCESS] = {
		.op = { FUSE_ACCESS, "ACCESS", IN(fuse_access_in), 0, FSB_TAIL_NONE, false, false },
		.operation = OPERATION(access), .caller = CALLER_JUDGED, .check = check_access,
		.repeats = true, .run = run_access,
	},
	[FUSE_CREATE] = {
		.op = { FUSE_CREATE, "CREATE", IN(fuse_create_in), OUT_CREATE,
			FSB_TAIL_NAME, false, true },
		.operation = OPERATION(create), .caller = CALLER_JUDGED, .check = check_create,
		.run = run_create, .answer = answer_create,
	},
	[FUSE_INTERRUPT] = {
		.op = { FUSE_INTERRUPT, "INTERRUPT", IN(fuse_interrupt_in), 0,
			FSB_TAIL_NONE, true, false },
		.operation = OPERATION(interrupt), .caller = CALLER_NONE,
		.run = run_interrupt,
	},
	[FUSE_BMAP] = {
		.op = { FUSE_BMAP, "BMAP", IN(fuse_bmap_in), OUT(fuse_bmap_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(bmap), .caller = CALLER_JUDGED,
		.run = run_bmap, .answer = answer_bmap,
	},
	[FUSE_DESTROY] = {
		.op = { FUSE_DESTROY, "DESTROY", 0, 0, FSB_TAIL_NONE, false, false },
		.caller = CALLER_NONE,
		.run = run_destroy,
	},
	[FUSE_IOCTL] = {
		.op = { FUSE_IOCTL, "IOCTL", IN(fuse_ioctl_in), OUT(fuse_ioctl_out),
			FSB_TAIL_BYTES, false, false },
		.operation = OPERATION(ioctl), .caller = CALLER_JUDGED, .check = check_ioctl,
		.run = run_ioctl, .answer = answer_ioctl,
	},
	[FUSE_POLL] = {
		.op = { FUSE_POLL, "POLL", IN(fuse_poll_in), OUT(fuse_poll_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(poll), .caller = CALLER_FILE, .check = check_poll,
		.repeats = true, .run = run_poll, .answer = answer_poll,
	},
	[FUSE_NOTIFY_REPLY] = {
		.op = { FUSE_NOTIFY_REPLY, "NOTIFY_REPLY", IN(fuse_notify_retrieve_in), 0,
			FSB_TAIL_DATA, true, false },
		.operation = OPERATION(notify_reply), .caller = CALLER_NONE,
		.check = check_notify_reply,
		.run = run_notify_reply,
	},
	[FUSE_BATCH_FORGET] = {
		.op = { FUSE_BATCH_FORGET, "BATCH_FORGET", IN(fuse_batch_forget_in), 0,
			FSB_TAIL_ARRAY, true, false },
		.caller = CALLER_NONE, .check = check_batch_forget,
		.run = run_batch_forget,
	},
	[FUSE_FALLOCATE] = {
		.op = { FUSE_FALLOCATE, "FALLOCATE", IN(fuse_fallocate_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(fallocate), .caller = CALLER_JUDGED,
		.check = check_fallocate,
		.run = run_fallocate,
	},
	[FUSE_READDIRPLUS] = {
		.op = { FUSE_READDIRPLUS, "READDIRPLUS", IN(fuse_read_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(readdirplus), .caller = CALLER_JUDGED,
		.check = check_readdir,
		.repeats = true, .run = run_readdirplus, .answer = answer_listing,
	},
	[FUSE_RENAME2] = {
		.op = { FUSE_RENAME2, "RENAME2", IN(fuse_rename2_in), 0,
			FSB_TAIL_NAME_NAME, false, false },
		.operation = OPERATION(rename), .caller = CALLER_JUDGED, .check = check_rename,
		.run = run_rename,
	},
	[FUSE_LSEEK] = {
		.op = { FUSE_LSEEK, "LSEEK", IN(fuse_lseek_in), OUT(fuse_lseek_out),
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(lseek), .caller = CALLER_FILE, .check = check_lseek,
		.repeats = true, .run = run_lseek, .answer = answer_lseek,
	},
	[FUSE_COPY_FILE_RANGE] = {
		.op = { FUSE_COPY_FILE_RANGE, "COPY_FILE_RANGE", IN(fuse_copy_file_range_in),
			OUT(fuse_write_out), FSB_TAIL_NONE, false, false },
		.operation = OPERATION(copy_file_range), .caller = CALLER_JUDGED,
		.check = check_copy,
		.counts = true, .run = run_copy_file_range, .answer = answer_copy,
	},
	[FUSE_SETUPMAPPING] = {
		.op = { FUSE_SETUPMAPPING, "SETUPMAPPING", IN(fuse_setupmapping_in), 0,
			FSB_TAIL_NONE, false, false },
		.operation = OPERATION(setupmapping), .caller = CALLER_JUDGED,
		.check = check_setupmapping,
		.run = run_setupmapping,
	},
	[FUSE_REMOVEMAPPING] = {
		.op = { FUSE_REMOVEMAPPING, "REMOVEMAPPING", IN(fuse_removemapping_in), 0,
			FSB_TAIL_ARRAY, false, false },
		.operation = OPERATION(removemapping), .caller = CALLER_NONE,
		.check = check_removemapping,
		.run = run_removemapping,
	},
	[FUSE_SYNCFS] = {
		.op = { FUSE_SYNCFS, "SYNCFS", IN(fuse_syncfs_in), 0, FSB_TAIL_NONE, false, false },
		.since = 34,
		.operation = OPERATION(syncfs), .caller = CALLER_NONE,
		.repeats = true, .run = run_syncfs,
	},
	[FUSE_TMPFILE] = {
		.op = { FUSE_TMPFILE, "TMPFILE", IN(fuse_create_in), OUT_CREATE,
			FSB_TAIL_NAME, false, true },
		.since = 37,
		.operation = OPERATION(tmpfile), .caller = CALLER_JUDGED, .check = check_create,
		.run = run_tmpfile, .answer = answer_create,
	},
	[FUSE_STATX] = {
		.op = { FUSE_STATX, "STATX", IN(fuse_statx_in), OUT(fuse_statx_out),
			FSB_TAIL_NONE, false, false },
		.since = 39,
		.operation = OPERATION(statx), .caller = CALLER_JUDGED, .check = check_getattr,
		.repeats = true, .run = run_statx, .answer = answer_statx,
	},
	[FUSE_COPY_FILE_RANGE_64] = {
		.op = { FUSE_COPY_FILE_RANGE_64, "COPY_FILE_RANGE_64", IN(fuse_copy_file_range_in),
			OUT(fuse_copy_file_range_out), FSB_TAIL_NONE, false, false },
		.since = 45,
		.operation = OPERATION(copy_file_range), .caller = CALLER_JUDGED,
		.check = check_copy,
		.counts = true, .run = run_copy_file_range_64, .answer = answer_copy_64,
	},
	[FSB_REMAP_FILE_RANGE] = {
		.op = { FSB_REMAP_FILE_RANGE, "REMAP_FILE_RANGE", IN(fsb_remap_file_range_in),
			OUT(fuse_write_out), FSB_TAIL_NONE, false, false },
		.operation = OPERATION(remap_file_range), .caller = CALLER_JUDGED,
		.check = check_remap,
		.counts = true, .run = run_remap, .answer = answer_remap,
	},
};

_Static_assert(FSB_REMAP_FILE_RANGE + 1 == OPCODE_LIMIT, "the table ends with the last opcode");
_Static_assert(sizeof(struct fsb_remap_file_range_in) == 56, "the peers' layout of opcode 54");

const struct opcode_row *opcode_row(uint32_t number)
{
	if (number >= OPCODE_LIMIT || !rows[number].op.name)
		return NULL;
	return &rows[number];
}

const struct fsb_opcode *fsb_opcode_find(uint32_t number)
{
	const struct opcode_row *row = opcode_row(number);
	return row ? &row->op : NULL;
}

const struct fsb_opcode *fsb_opcode_at(size_t index)
{
	for (uint32_t number = 0; number < OPCODE_LIMIT; number++)
		if (rows[number].op.name && index-- == 0)
			return &rows[number].op;
	return NULL;
}
