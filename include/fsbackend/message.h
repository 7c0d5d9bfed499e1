/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw FUSE bytes to a typed, checked request, and back to words. Pure: no side effect, no allocation, no global state.
 * The server uses it, and so may whoever only wants to look at a stream of messages.
 *
 * Smallest correct use:
 *
 *	struct fsb_protocol protocol;
 *	struct fsb_request request;
 *	char text[256];
 *	fsb_protocol_init(&protocol);
 *	if (fsb_request_decode(&protocol, bytes, length, length, &request) == 0)
 *		puts(fsb_request_describe(&request, text, sizeof(text)));
 */
#ifndef FSBACKEND_MESSAGE_H
#define FSBACKEND_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/base.h>
#include <fsbackend/filesystem.h>
#include <fsbackend/fuse_wire.h>

FSB_BEGIN_DECLS

/** Opcode 54, FICLONERANGE through FUSE: this project's and its peers' own; the server takes it only when the host opts in. */
#define FSB_REMAP_FILE_RANGE 54

/** The request of opcode 54. The answer is a struct fuse_write_out with the number of bytes shared. */
struct fsb_remap_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint32_t remap_flags;
	uint32_t padding;
};

/**
 * What both sides agreed on, as far as it changes the meaning of bytes.
 *
 * @minor:       the negotiated minor version, 31 to 45; 0 before INIT
 * @flags:       the negotiated INIT flags (FUSE_SETXATTR_EXT, FUSE_SECURITY_CTX, FUSE_CREATE_SUPP_GROUP, FUSE_EXPORT_SUPPORT
 *               change how requests are read)
 * @max_write:   the most bytes that one WRITE may carry and one READ may ask for
 * @remap_opcode: whether opcode 54 is remap
 */
struct fsb_protocol {
	uint32_t minor;
	uint64_t flags;
	uint32_t max_write;
	bool remap_opcode;
};

/** The state before INIT: only INIT has a meaning that depends on nothing; everything else is read as minor 45, no flags. */
FSB_API void fsb_protocol_init(struct fsb_protocol *protocol);

/** What follows the fixed arguments of a request. */
enum fsb_tail {
	FSB_TAIL_NONE,       /* nothing */
	FSB_TAIL_NAME,       /* one NUL-terminated name */
	FSB_TAIL_NAME_NAME,  /* two names: RENAME */
	FSB_TAIL_NAME_PATH,  /* a name and a symlink's target */
	FSB_TAIL_NAME_VALUE, /* an xattr's name and its value */
	FSB_TAIL_XATTR,      /* an xattr's name */
	FSB_TAIL_DATA,       /* file data, which is used in place */
	FSB_TAIL_ARRAY,      /* elements, counted in the fixed arguments */
	FSB_TAIL_BYTES       /* ioctl input, counted in the fixed arguments */
};

/** A row of the table of opcodes. */
struct fsb_opcode {
	uint32_t number;
	const char *name;    /* "LOOKUP" */
	size_t in_size;      /* bytes of fixed arguments behind the header */
	size_t out_size;     /* bytes of fixed reply behind the header */
	enum fsb_tail tail;
	bool no_reply;       /* FORGET, BATCH_FORGET, NOTIFY_REPLY, and INTERRUPT when it succeeds */
	bool creates;        /* may carry security contexts and a supplementary group */
};

/** The row of an opcode, or NULL for one that the protocol does not have (CUSE's included). Any thread. */
FSB_API const struct fsb_opcode *fsb_opcode_find(uint32_t number);

/** Walk the table: rows from @index 0 until NULL. */
FSB_API const struct fsb_opcode *fsb_opcode_at(size_t index);

/** The most security contexts that a request may carry (FUSE_MAX_NR_SECCTX). */
#define FSB_MAX_SECURITY_CONTEXTS 31

/**
 * A decoded request. Pointers lead into the bytes that were decoded. Everything was checked against the length; @in is in
 * the layout of the newest protocol minor, missing fields zero.
 *
 * @op:        the opcode's row
 * @header:    the request's header
 * @in:        the fixed arguments
 * @name:      first name (LOOKUP, UNLINK, an xattr ...) or NULL
 * @name2:     second name (RENAME's new name, SYMLINK's target) or NULL
 * @data:      an xattr's value, ioctl input, or the array of BATCH_FORGET and REMOVEMAPPING; for file data NULL when it
 *             lies outside of the decoded bytes
 * @data_size: bytes of @data
 * @nsecurity, @security: security contexts of a creation
 * @has_group, @group: the supplementary group of a creation (FUSE_EXT_GROUPS)
 */
struct fsb_request {
	const struct fsb_opcode *op;
	struct fuse_in_header header;
	union {
		struct fuse_forget_in forget;
		struct fuse_batch_forget_in batch_forget;
		struct fuse_getattr_in getattr;
		struct fuse_statx_in statx;
		struct fuse_setattr_in setattr;
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename_in rename;
		struct fuse_rename2_in rename2; /* RENAME is read as RENAME2 with flags 0 */
		struct fuse_link_in link;
		struct fuse_open_in open;
		struct fuse_create_in create;
		struct fuse_release_in release;
		struct fuse_flush_in flush;
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fsync_in fsync;
		struct fuse_setxattr_in setxattr;
		struct fuse_getxattr_in getxattr;
		struct fuse_lk_in lk;
		struct fuse_access_in access;
		struct fuse_init_in init;
		struct fuse_interrupt_in interrupt;
		struct fuse_bmap_in bmap;
		struct fuse_ioctl_in ioctl;
		struct fuse_poll_in poll;
		struct fuse_fallocate_in fallocate;
		struct fuse_lseek_in lseek;
		struct fuse_copy_file_range_in copy_file_range;
		struct fsb_remap_file_range_in remap;
		struct fuse_setupmapping_in setupmapping;
		struct fuse_removemapping_in removemapping;
		struct fuse_syncfs_in syncfs;
		struct fuse_notify_retrieve_in notify_retrieve;
	} in;
	const char *name;
	const char *name2;
	const void *data;
	size_t data_size;
	size_t nsecurity;
	struct fsb_security_context security[FSB_MAX_SECURITY_CONTEXTS];
	bool has_group;
	gid_t group;
};

/**
 * Decode one message.
 *
 * @protocol: what was negotiated
 * @bytes:    the message, in memory that nobody else can change; header, arguments, names, and all but file data
 * @size:     bytes at @bytes
 * @total:    length of the whole message as the transport received it; more than @size only for WRITE and NOTIFY_REPLY,
 *            whose data may stay where it is
 * @request:  filled; on an error its header is filled as far as it could be read, so that the request can be refused by its
 *            unique id (header.len is 0 when not even that)
 *
 * The caller may free or change @bytes only after it is done with @request.
 *
 * Return: 0; -EBADMSG (shorter than a header, or its length does not match @total); -ENOSYS (unknown opcode, or 54
 * without opt-in); -EINVAL (arguments cut short, trailing bytes, a name that is not terminated, empty, ".", ".." or holds a
 * '/', a count that does not fit its array, unknown or malformed extension, flags that the protocol does not know);
 * -ENAMETOOLONG (a name above 255 bytes, a symlink target above 4095); -E2BIG (more data than negotiated, an xattr above 65536
 * bytes); -EOVERFLOW (offset and length that together exceed 64 bits).
 */
FSB_API int fsb_request_decode(const struct fsb_protocol *protocol, const void *bytes, size_t size, size_t total,
			       struct fsb_request *request);

/**
 * Put a request into words, one line: "LOOKUP #12 nodeid 1 uid 1000 gid 1000 pid 77: name \"file\"". Bytes of names that are
 * not printable ASCII are shown as \xNN. Cut at @size, always terminated. Return: @text.
 */
FSB_API const char *fsb_request_describe(const struct fsb_request *request, char *text, size_t size);

/**
 * Put a reply into words: its error, or its fixed part by the opcode that it answers.
 *
 * @op:    the opcode answered; NULL when not known
 * @error: the header's error, 0 or a negative errno
 * @body, @length: the bytes behind the header, in memory that nobody else can change
 */
FSB_API const char *fsb_reply_describe(const struct fsb_opcode *op, int error, const void *body, size_t length,
				       char *text, size_t size);

FSB_END_DECLS

#endif
