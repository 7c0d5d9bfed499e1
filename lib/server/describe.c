// SPDX-License-Identifier: BSD-3-Clause
/* Requests and replies in words, for those who watch. Pure, and never longer than what it is given
 * room for. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/opcodes.h"

/* ---- Text of bounded length ---- */

struct text {
	char *at;
	size_t left; /* with the place of the NUL */
};

static void __attribute__((format(printf, 2, 3))) put(struct text *text, const char *format, ...)
{
	va_list arguments;

	if (text->left <= 1)
		return;
	va_start(arguments, format);
	int length = vsnprintf(text->at, text->left, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	size_t step = (size_t)length < text->left ? (size_t)length : text->left - 1;
	text->at += step;
	text->left -= step;
}

static void put_quoted(struct text *text, const char *bytes, size_t length)
{
	put(text, "\"");
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
			put(text, "\\x%02x", byte);
		else
			put(text, "%c", byte);
	}
	put(text, "\"");
}

/* ---- Fields ---- */

/** How a field is shown. TIME is seconds with nanoseconds elsewhere, SIGNED two's complement. */
enum form { END, DECIMAL, SIGNED, HEX, OCTAL, TIME };

/**
 * A field of a struct.
 *
 * @offset, @size: where
 * @nsec:          for TIME: where the nanoseconds are
 * @valid:         bits of the first 32 of the struct that say whether it means anything; 0: always
 */
struct field {
	const char *name;
	enum form form;
	uint16_t offset;
	uint16_t size;
	uint16_t nsec;
	uint32_t valid;
};

#define MEMBER_SIZE(type, member) sizeof(((struct type *)0)->member)

/* clang-format off */
#define NAMED_VALID(type, member, how, label, bits) \
	{ label, how, offsetof(struct type, member), MEMBER_SIZE(type, member), 0, bits }
#define NAMED(type, member, how, label) NAMED_VALID(type, member, how, label, 0)
#define FIELD(type, member, how) NAMED_VALID(type, member, how, #member, 0)
#define VALID(type, member, how, bits) NAMED_VALID(type, member, how, #member, bits)
#define MOMENT(type, member, bits) \
	{ #member, TIME, offsetof(struct type, member), 8, offsetof(struct type, member##nsec), \
	  bits }
/* Fields of a struct that begins at byte @at of another. */
#define INNER(type, member, how, at) \
	{ #member, how, (at) + offsetof(struct type, member), MEMBER_SIZE(type, member), 0, 0 }
#define PERIOD(type, member) \
	{ #member, TIME, offsetof(struct type, member), 8, offsetof(struct type, member##_nsec), 0 }
/* clang-format on */

#define ATTR_FIELDS(at)                                                                   \
	INNER(fuse_attr, ino, DECIMAL, at), INNER(fuse_attr, mode, OCTAL, at),            \
		INNER(fuse_attr, nlink, DECIMAL, at), INNER(fuse_attr, uid, DECIMAL, at), \
		INNER(fuse_attr, gid, DECIMAL, at), INNER(fuse_attr, size, DECIMAL, at),  \
		INNER(fuse_attr, blocks, DECIMAL, at)

#define ENTRY_FIELDS                                                                        \
	FIELD(fuse_entry_out, nodeid, DECIMAL), FIELD(fuse_entry_out, generation, DECIMAL), \
		PERIOD(fuse_entry_out, entry_valid), PERIOD(fuse_entry_out, attr_valid),    \
		ATTR_FIELDS(offsetof(struct fuse_entry_out, attr))

#define OPEN_FIELDS(at) \
	INNER(fuse_open_out, fh, DECIMAL, at), INNER(fuse_open_out, open_flags, HEX, at)

#define MAX_FIELDS 16

typedef struct field fields[MAX_FIELDS];

static const fields in_fields[OPCODE_LIMIT] = {
	[FUSE_FORGET] = { FIELD(fuse_forget_in, nlookup, DECIMAL) },
	[FUSE_GETATTR] = { VALID(fuse_getattr_in, fh, DECIMAL, FUSE_GETATTR_FH) },
	[FUSE_SETATTR] = {
		FIELD(fuse_setattr_in, valid, HEX),
		VALID(fuse_setattr_in, fh, DECIMAL, FATTR_FH),
		VALID(fuse_setattr_in, mode, OCTAL, FATTR_MODE),
		NAMED_VALID(fuse_setattr_in, uid, DECIMAL, "to_uid", FATTR_UID),
		NAMED_VALID(fuse_setattr_in, gid, DECIMAL, "to_gid", FATTR_GID),
		VALID(fuse_setattr_in, size, DECIMAL, FATTR_SIZE),
		MOMENT(fuse_setattr_in, atime, FATTR_ATIME),
		MOMENT(fuse_setattr_in, mtime, FATTR_MTIME),
		MOMENT(fuse_setattr_in, ctime, FATTR_CTIME),
	},
	[FUSE_MKNOD] = {
		FIELD(fuse_mknod_in, mode, OCTAL),
		FIELD(fuse_mknod_in, rdev, HEX),
		FIELD(fuse_mknod_in, umask, OCTAL),
	},
	[FUSE_MKDIR] = { FIELD(fuse_mkdir_in, mode, OCTAL), FIELD(fuse_mkdir_in, umask, OCTAL) },
	[FUSE_RENAME] = { FIELD(fuse_rename_in, newdir, DECIMAL) },
	[FUSE_RENAME2] = {
		FIELD(fuse_rename2_in, newdir, DECIMAL),
		FIELD(fuse_rename2_in, flags, HEX),
	},
	[FUSE_LINK] = { FIELD(fuse_link_in, oldnodeid, DECIMAL) },
	[FUSE_OPEN] = { FIELD(fuse_open_in, flags, HEX), FIELD(fuse_open_in, open_flags, HEX) },
	[FUSE_OPENDIR] = { FIELD(fuse_open_in, flags, HEX), FIELD(fuse_open_in, open_flags, HEX) },
	[FUSE_READ] = {
		FIELD(fuse_read_in, fh, DECIMAL),
		FIELD(fuse_read_in, offset, DECIMAL),
		FIELD(fuse_read_in, size, DECIMAL),
		FIELD(fuse_read_in, flags, HEX),
	},
	[FUSE_READDIR] = {
		FIELD(fuse_read_in, fh, DECIMAL),
		FIELD(fuse_read_in, offset, DECIMAL),
		FIELD(fuse_read_in, size, DECIMAL),
	},
	[FUSE_READDIRPLUS] = {
		FIELD(fuse_read_in, fh, DECIMAL),
		FIELD(fuse_read_in, offset, DECIMAL),
		FIELD(fuse_read_in, size, DECIMAL),
	},
	[FUSE_WRITE] = {
		FIELD(fuse_write_in, fh, DECIMAL),
		FIELD(fuse_write_in, offset, DECIMAL),
		FIELD(fuse_write_in, size, DECIMAL),
		FIELD(fuse_write_in, write_flags, HEX),
		FIELD(fuse_write_in, flags, HEX),
	},
	[FUSE_RELEASE] = {
		FIELD(fuse_release_in, fh, DECIMAL),
		FIELD(fuse_release_in, flags, HEX),
		FIELD(fuse_release_in, release_flags, HEX),
	},
	[FUSE_RELEASEDIR] = {
		FIELD(fuse_release_in, fh, DECIMAL),
		FIELD(fuse_release_in, flags, HEX),
	},
	[FUSE_FSYNC] = {
		FIELD(fuse_fsync_in, fh, DECIMAL),
		FIELD(fuse_fsync_in, fsync_flags, HEX),
	},
	[FUSE_FSYNCDIR] = {
		FIELD(fuse_fsync_in, fh, DECIMAL),
		FIELD(fuse_fsync_in, fsync_flags, HEX),
	},
	[FUSE_FLUSH] = { FIELD(fuse_flush_in, fh, DECIMAL), FIELD(fuse_flush_in, lock_owner, HEX) },
	[FUSE_SETXATTR] = {
		FIELD(fuse_setxattr_in, size, DECIMAL),
		FIELD(fuse_setxattr_in, flags, HEX),
		FIELD(fuse_setxattr_in, setxattr_flags, HEX),
	},
	[FUSE_GETXATTR] = { FIELD(fuse_getxattr_in, size, DECIMAL) },
	[FUSE_LISTXATTR] = { FIELD(fuse_getxattr_in, size, DECIMAL) },
#define LOCK_IN                                                        \
	FIELD(fuse_lk_in, fh, DECIMAL), FIELD(fuse_lk_in, owner, HEX), \
		NAMED(fuse_lk_in, lk.start, DECIMAL, "start"),         \
		NAMED(fuse_lk_in, lk.end, DECIMAL, "end"),             \
		NAMED(fuse_lk_in, lk.type, DECIMAL, "type"),           \
		NAMED(fuse_lk_in, lk.pid, DECIMAL, "lock_pid"), FIELD(fuse_lk_in, lk_flags, HEX)
	[FUSE_GETLK] = { LOCK_IN },
	[FUSE_SETLK] = { LOCK_IN },
	[FUSE_SETLKW] = { LOCK_IN },
	[FUSE_ACCESS] = { FIELD(fuse_access_in, mask, DECIMAL) },
#define CREATE_IN                                                              \
	FIELD(fuse_create_in, flags, HEX), FIELD(fuse_create_in, mode, OCTAL), \
		FIELD(fuse_create_in, umask, OCTAL), FIELD(fuse_create_in, open_flags, HEX)
	[FUSE_CREATE] = { CREATE_IN },
	[FUSE_TMPFILE] = { CREATE_IN },
	[FUSE_INIT] = {
		FIELD(fuse_init_in, major, DECIMAL),
		FIELD(fuse_init_in, minor, DECIMAL),
		FIELD(fuse_init_in, max_readahead, DECIMAL),
		FIELD(fuse_init_in, flags, HEX),
		FIELD(fuse_init_in, flags2, HEX),
	},
	[FUSE_INTERRUPT] = { NAMED(fuse_interrupt_in, unique, DECIMAL, "of") },
	[FUSE_BMAP] = {
		FIELD(fuse_bmap_in, block, DECIMAL),
		FIELD(fuse_bmap_in, blocksize, DECIMAL),
	},
	[FUSE_IOCTL] = {
		FIELD(fuse_ioctl_in, fh, DECIMAL),
		FIELD(fuse_ioctl_in, flags, HEX),
		FIELD(fuse_ioctl_in, cmd, HEX),
		FIELD(fuse_ioctl_in, arg, HEX),
		FIELD(fuse_ioctl_in, in_size, DECIMAL),
		FIELD(fuse_ioctl_in, out_size, DECIMAL),
	},
	[FUSE_POLL] = {
		FIELD(fuse_poll_in, fh, DECIMAL),
		FIELD(fuse_poll_in, kh, DECIMAL),
		FIELD(fuse_poll_in, flags, HEX),
		FIELD(fuse_poll_in, events, HEX),
	},
	[FUSE_NOTIFY_REPLY] = {
		FIELD(fuse_notify_retrieve_in, offset, DECIMAL),
		FIELD(fuse_notify_retrieve_in, size, DECIMAL),
	},
	[FUSE_BATCH_FORGET] = { FIELD(fuse_batch_forget_in, count, DECIMAL) },
	[FUSE_FALLOCATE] = {
		FIELD(fuse_fallocate_in, fh, DECIMAL),
		FIELD(fuse_fallocate_in, offset, DECIMAL),
		FIELD(fuse_fallocate_in, length, DECIMAL),
		FIELD(fuse_fallocate_in, mode, HEX),
	},
	[FUSE_LSEEK] = {
		FIELD(fuse_lseek_in, fh, DECIMAL),
		FIELD(fuse_lseek_in, offset, DECIMAL),
		FIELD(fuse_lseek_in, whence, DECIMAL),
	},
#define COPY_IN                                                      \
	FIELD(fuse_copy_file_range_in, fh_in, DECIMAL),              \
		FIELD(fuse_copy_file_range_in, off_in, DECIMAL),     \
		FIELD(fuse_copy_file_range_in, nodeid_out, DECIMAL), \
		FIELD(fuse_copy_file_range_in, fh_out, DECIMAL),     \
		FIELD(fuse_copy_file_range_in, off_out, DECIMAL),    \
		FIELD(fuse_copy_file_range_in, len, DECIMAL),        \
		FIELD(fuse_copy_file_range_in, flags, HEX)
	[FUSE_COPY_FILE_RANGE] = { COPY_IN },
	[FUSE_COPY_FILE_RANGE_64] = { COPY_IN },
	[FSB_REMAP_FILE_RANGE] = {
		FIELD(fsb_remap_file_range_in, fh_in, DECIMAL),
		FIELD(fsb_remap_file_range_in, off_in, DECIMAL),
		FIELD(fsb_remap_file_range_in, nodeid_out, DECIMAL),
		FIELD(fsb_remap_file_range_in, fh_out, DECIMAL),
		FIELD(fsb_remap_file_range_in, off_out, DECIMAL),
		FIELD(fsb_remap_file_range_in, len, DECIMAL),
		FIELD(fsb_remap_file_range_in, remap_flags, HEX),
	},
	[FUSE_SETUPMAPPING] = {
		FIELD(fuse_setupmapping_in, fh, DECIMAL),
		FIELD(fuse_setupmapping_in, foffset, DECIMAL),
		FIELD(fuse_setupmapping_in, len, DECIMAL),
		FIELD(fuse_setupmapping_in, flags, HEX),
		FIELD(fuse_setupmapping_in, moffset, DECIMAL),
	},
	[FUSE_REMOVEMAPPING] = { FIELD(fuse_removemapping_in, count, DECIMAL) },
	[FUSE_STATX] = {
		VALID(fuse_statx_in, fh, DECIMAL, FUSE_GETATTR_FH),
		FIELD(fuse_statx_in, sx_flags, HEX),
		FIELD(fuse_statx_in, sx_mask, HEX),
	},
};

static const fields out_fields[OPCODE_LIMIT] = {
	[FUSE_LOOKUP] = { ENTRY_FIELDS },
	[FUSE_SYMLINK] = { ENTRY_FIELDS },
	[FUSE_MKNOD] = { ENTRY_FIELDS },
	[FUSE_MKDIR] = { ENTRY_FIELDS },
	[FUSE_LINK] = { ENTRY_FIELDS },
	[FUSE_CREATE] = { ENTRY_FIELDS, OPEN_FIELDS(sizeof(struct fuse_entry_out)) },
	[FUSE_TMPFILE] = { ENTRY_FIELDS, OPEN_FIELDS(sizeof(struct fuse_entry_out)) },
#define ATTR_OUT \
	PERIOD(fuse_attr_out, attr_valid), ATTR_FIELDS(offsetof(struct fuse_attr_out, attr))
	[FUSE_GETATTR] = { ATTR_OUT },
	[FUSE_SETATTR] = { ATTR_OUT },
	[FUSE_STATX] = {
		PERIOD(fuse_statx_out, attr_valid),
		NAMED(fuse_statx_out, stat.mask, HEX, "mask"),
		NAMED(fuse_statx_out, stat.ino, DECIMAL, "ino"),
		NAMED(fuse_statx_out, stat.mode, OCTAL, "mode"),
		NAMED(fuse_statx_out, stat.nlink, DECIMAL, "nlink"),
		NAMED(fuse_statx_out, stat.uid, DECIMAL, "uid"),
		NAMED(fuse_statx_out, stat.gid, DECIMAL, "gid"),
		NAMED(fuse_statx_out, stat.size, DECIMAL, "size"),
		NAMED(fuse_statx_out, stat.blocks, DECIMAL, "blocks"),
	},
	[FUSE_OPEN] = { OPEN_FIELDS(0) },
	[FUSE_OPENDIR] = { OPEN_FIELDS(0) },
	[FUSE_WRITE] = { FIELD(fuse_write_out, size, DECIMAL) },
	[FUSE_COPY_FILE_RANGE] = { FIELD(fuse_write_out, size, DECIMAL) },
	[FSB_REMAP_FILE_RANGE] = { FIELD(fuse_write_out, size, DECIMAL) },
	[FUSE_COPY_FILE_RANGE_64] = { FIELD(fuse_copy_file_range_out, bytes_copied, DECIMAL) },
	[FUSE_STATFS] = {
		NAMED(fuse_statfs_out, st.blocks, DECIMAL, "blocks"),
		NAMED(fuse_statfs_out, st.bfree, DECIMAL, "bfree"),
		NAMED(fuse_statfs_out, st.bavail, DECIMAL, "bavail"),
		NAMED(fuse_statfs_out, st.files, DECIMAL, "files"),
		NAMED(fuse_statfs_out, st.ffree, DECIMAL, "ffree"),
		NAMED(fuse_statfs_out, st.bsize, DECIMAL, "bsize"),
		NAMED(fuse_statfs_out, st.namelen, DECIMAL, "namelen"),
		NAMED(fuse_statfs_out, st.frsize, DECIMAL, "frsize"),
	},
	[FUSE_GETLK] = {
		NAMED(fuse_lk_out, lk.start, DECIMAL, "start"),
		NAMED(fuse_lk_out, lk.end, DECIMAL, "end"),
		NAMED(fuse_lk_out, lk.type, DECIMAL, "type"),
		NAMED(fuse_lk_out, lk.pid, DECIMAL, "pid"),
	},
	[FUSE_INIT] = {
		FIELD(fuse_init_out, major, DECIMAL),
		FIELD(fuse_init_out, minor, DECIMAL),
		FIELD(fuse_init_out, max_readahead, DECIMAL),
		FIELD(fuse_init_out, flags, HEX),
		FIELD(fuse_init_out, flags2, HEX),
		FIELD(fuse_init_out, max_background, DECIMAL),
		FIELD(fuse_init_out, congestion_threshold, DECIMAL),
		FIELD(fuse_init_out, max_write, DECIMAL),
		FIELD(fuse_init_out, time_gran, DECIMAL),
		FIELD(fuse_init_out, max_pages, DECIMAL),
		FIELD(fuse_init_out, map_alignment, DECIMAL),
		FIELD(fuse_init_out, max_stack_depth, DECIMAL),
		FIELD(fuse_init_out, request_timeout, DECIMAL),
	},
	[FUSE_BMAP] = { FIELD(fuse_bmap_out, block, DECIMAL) },
	[FUSE_IOCTL] = {
		FIELD(fuse_ioctl_out, result, SIGNED),
		FIELD(fuse_ioctl_out, flags, HEX),
		FIELD(fuse_ioctl_out, in_iovs, DECIMAL),
		FIELD(fuse_ioctl_out, out_iovs, DECIMAL),
	},
	[FUSE_POLL] = { FIELD(fuse_poll_out, revents, HEX) },
	[FUSE_LSEEK] = { FIELD(fuse_lseek_out, offset, DECIMAL) },
};

static uint64_t load(const uint8_t *bytes, size_t offset, size_t size)
{
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	switch (size) {
	case sizeof(two):
		memcpy(&two, bytes + offset, sizeof(two));
		return two;
	case sizeof(four):
		memcpy(&four, bytes + offset, sizeof(four));
		return four;
	default:
		memcpy(&eight, bytes + offset, sizeof(eight));
		return eight;
	}
}

static void put_field(struct text *text, const struct field *field, const uint8_t *bytes)
{
	unsigned long long value = load(bytes, field->offset, field->size);

	switch (field->form) {
	case DECIMAL:
		put(text, " %s %llu", field->name, value);
		break;
	case SIGNED:
		put(text, " %s %lld", field->name,
		    field->size == 4 ? (long long)(int32_t)value : (long long)value);
		break;
	case HEX:
		put(text, " %s 0x%llx", field->name, value);
		break;
	case OCTAL:
		put(text, " %s 0%llo", field->name, value);
		break;
	case TIME:
		put(text, " %s %lld.%09u", field->name, (long long)value,
		    (unsigned)load(bytes, field->nsec, 4));
		break;
	case END:
		break;
	}
}

/* All of a struct's fields that lie within @length bytes and mean something. */
static void put_fields(struct text *text, const struct field *field, const uint8_t *bytes,
		       size_t length)
{
	for (size_t i = 0; i < MAX_FIELDS && field[i].form != END; i++) {
		if (field[i].offset + field[i].size > length || field[i].nsec + 4u > length)
			continue;
		if (field[i].valid && !(load(bytes, 0, 4) & field[i].valid))
			continue;
		put_field(text, &field[i], bytes);
	}
}

/* ---- Requests ---- */

static void put_header(struct text *text, const struct fuse_in_header *header)
{
	const struct fsb_opcode *op = fsb_opcode_find(header->opcode);

	if (op)
		put(text, "%s", op->name);
	else
		put(text, "opcode %u", header->opcode);
	put(text, " #%llu nodeid %llu uid %u gid %u pid %u", (unsigned long long)header->unique,
	    (unsigned long long)header->nodeid, header->uid, header->gid, header->pid);
}

static void put_name(struct text *text, const char *what, const char *name)
{
	if (!name)
		return;
	put(text, " %s ", what);
	put_quoted(text, name, strlen(name));
}

static void put_extensions(struct text *text, const struct fsb_request *request)
{
	for (size_t i = 0; i < request->nsecurity; i++) {
		put_name(text, "label", request->security[i].name);
		put(text, " of %zu bytes", request->security[i].size);
	}
	if (request->has_group)
		put(text, " group %u", request->group);
}

static void put_forgets(struct text *text, const struct fsb_request *request)
{
	struct fuse_forget_one one;

	for (size_t i = 0; i < request->data_size / sizeof(one) && text->left > 1; i++) {
		memcpy(&one, (const char *)request->data + i * sizeof(one), sizeof(one));
		put(text, " %llu-%llu", (unsigned long long)one.nodeid,
		    (unsigned long long)one.nlookup);
	}
}

static void put_mappings(struct text *text, const struct fsb_request *request)
{
	struct fuse_removemapping_one one;

	for (size_t i = 0; i < request->data_size / sizeof(one) && text->left > 1; i++) {
		memcpy(&one, (const char *)request->data + i * sizeof(one), sizeof(one));
		put(text, " %llu+%llu", (unsigned long long)one.moffset,
		    (unsigned long long)one.len);
	}
}

const char *fsb_request_describe(const struct fsb_request *request, char *buffer, size_t size)
{
	struct text text = { buffer, size };

	if (size > 0)
		*buffer = '\0';
	put_header(&text, &request->header);
	if (!request->op) {
		put(&text, ": not understood");
		return buffer;
	}

	/* The colon only stands where something follows. */
	struct text before = text;
	put(&text, ":");
	struct text colon = text;
	put_fields(&text, in_fields[request->op->number], (const uint8_t *)&request->in,
		   sizeof(request->in));
	put_name(&text, "name", request->name);
	put_name(&text, request->op->tail == FSB_TAIL_NAME_PATH ? "target" : "newname",
		 request->name2);
	put_extensions(&text, request);
	if (request->op->number == FUSE_BATCH_FORGET)
		put_forgets(&text, request);
	else if (request->op->number == FUSE_REMOVEMAPPING)
		put_mappings(&text, request);
	if (text.at == colon.at && before.left > 1)
		*before.at = '\0';
	return buffer;
}

/* ---- Replies ---- */

#define ERROR(name) [name] = #name

/* Those that a file system has reason to return. */
static const char *const errors[] = {
	ERROR(EPERM),     ERROR(ENOENT),       ERROR(EINTR),        ERROR(EIO),
	ERROR(ENXIO),     ERROR(E2BIG),        ERROR(EBADF),        ERROR(EAGAIN),
	ERROR(ENOMEM),    ERROR(EACCES),       ERROR(EFAULT),       ERROR(EBUSY),
	ERROR(EEXIST),    ERROR(EXDEV),        ERROR(ENODEV),       ERROR(ENOTDIR),
	ERROR(EISDIR),    ERROR(EINVAL),       ERROR(ENFILE),       ERROR(EMFILE),
	ERROR(ENOTTY),    ERROR(ETXTBSY),      ERROR(EFBIG),        ERROR(ENOSPC),
	ERROR(ESPIPE),    ERROR(EROFS),        ERROR(EMLINK),       ERROR(ERANGE),
	ERROR(EDEADLK),   ERROR(ENAMETOOLONG), ERROR(ENOLCK),       ERROR(ENOSYS),
	ERROR(ENOTEMPTY), ERROR(ELOOP),        ERROR(ENODATA),      ERROR(EPROTO),
	ERROR(EBADMSG),   ERROR(EOVERFLOW),    ERROR(EOPNOTSUPP),   ERROR(EISCONN),
	ERROR(ENOTCONN),  ERROR(ETIMEDOUT),    ERROR(ECONNREFUSED), ERROR(ESTALE),
	ERROR(EDQUOT),    ERROR(ECANCELED),
};

static void put_error(struct text *text, int error)
{
	size_t number = (size_t) - (long)error;

	if (error < 0 && number < sizeof(errors) / sizeof(errors[0]) && errors[number])
		put(text, "%s", errors[number]);
	else
		put(text, "error %d", error);
}

/* Bytes that are names: a symlink's target. */
static bool is_text(const struct fsb_opcode *op)
{
	return op && op->number == FUSE_READLINK;
}

const char *fsb_reply_describe(const struct fsb_opcode *op, int error, const void *body,
			       size_t length, char *buffer, size_t size)
{
	struct text text = { buffer, size };

	if (size > 0)
		*buffer = '\0';
	if (error) {
		put_error(&text, error);
		return buffer;
	}
	put(&text, "ok");
	if (length == 0)
		return buffer;

	/* What of the fixed part there is; else only how much. */
	struct text before = text;
	put(&text, ":");
	struct text colon = text;
	if (body && is_text(op)) {
		put(&text, " ");
		put_quoted(&text, body, length);
	} else if (body && op && op->number < OPCODE_LIMIT) {
		put_fields(&text, out_fields[op->number], body, length);
	}
	if (text.at == colon.at) {
		text = before;
		put(&text, ", %zu bytes", length);
	}
	return buffer;
}
