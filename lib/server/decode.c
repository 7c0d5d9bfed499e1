// SPDX-License-Identifier: BSD-3-Clause
/* Bytes to a typed, checked request. Pure: it reads the bytes and writes the request, nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "server/decode.h"
#include "server/opcodes.h"

/* What Linux itself allows, and so no client can need more of. */
#define NAME_MAX_BYTES 255
#define TARGET_MAX_BYTES 4095
#define XATTR_MAX_BYTES 65536
/* ioctl numbers hold 14 bits of size; measuring and enabling fs-verity take a little more than 64
 * KiB. */
#define IOCTL_MAX_BYTES (128u * 1024)

#define NSEC_PER_SEC 1000000000u

#define MODE_BITS 0177777u

/* remap_flags: the client takes a shorter range than it asked for. */
#define REMAP_CAN_SHORTEN 2u

void fsb_protocol_init(struct fsb_protocol *protocol)
{
	*protocol = (struct fsb_protocol){ .max_write = UINT32_MAX };
}

/* ---- Lengths and ranges ---- */

static bool overflows(uint64_t offset, uint64_t length)
{
	return length > UINT64_MAX - offset;
}

/* Before INIT nothing is negotiated, and whatever the protocol knows is taken. */
static bool negotiated(const struct fsb_protocol *protocol, uint64_t flag)
{
	return protocol->minor == 0 || (protocol->flags & flag);
}

/* ---- Fixed arguments ---- */

int check_getattr(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	/* GETATTR and STATX begin alike. */
	return request->in.getattr.getattr_flags & ~FUSE_GETATTR_FH ? -EINVAL : 0;
}

#define FATTR_ALL                                                                                 \
	(FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME | FATTR_FH | \
	 FATTR_ATIME_NOW | FATTR_MTIME_NOW | FATTR_LOCKOWNER | FATTR_CTIME | FATTR_KILL_SUIDGID)

int check_setattr(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_setattr_in *in = &request->in.setattr;

	(void)protocol;
	if (in->valid & ~FATTR_ALL)
		return -EINVAL;
	if ((in->valid & FATTR_MODE) && (in->mode & ~MODE_BITS))
		return -EINVAL;
	/* -1 means "leave it" to chown(2), and here it was said not to be left. */
	if ((in->valid & FATTR_UID) && in->uid == FUSE_INVALID_UIDGID)
		return -EINVAL;
	if ((in->valid & FATTR_GID) && in->gid == FUSE_INVALID_UIDGID)
		return -EINVAL;
	if ((in->valid & FATTR_SIZE) && in->size > INT64_MAX)
		return -EINVAL;
	if ((in->valid & FATTR_ATIME) && !(in->valid & FATTR_ATIME_NOW) &&
	    in->atimensec >= NSEC_PER_SEC)
		return -EINVAL;
	if ((in->valid & FATTR_MTIME) && !(in->valid & FATTR_MTIME_NOW) &&
	    in->mtimensec >= NSEC_PER_SEC)
		return -EINVAL;
	if ((in->valid & FATTR_CTIME) && in->ctimensec >= NSEC_PER_SEC)
		return -EINVAL;
	return 0;
}

int check_mknod(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	uint32_t mode = request->in.mknod.mode;

	(void)protocol;
	if (mode & ~MODE_BITS)
		return -EINVAL;
	switch (mode & S_IFMT) {
	case 0: /* a regular file, says mknod(2) */
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_mode(uint32_t mode, uint32_t type)
{
	if (mode & ~MODE_BITS)
		return -EINVAL;
	return (mode & S_IFMT) != 0 && (mode & S_IFMT) != type ? -EINVAL : 0;
}

int check_mkdir(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return check_mode(request->in.mkdir.mode, S_IFDIR);
}

#define RENAME_ALL (1u | 2u | 4u) /* NOREPLACE, EXCHANGE, WHITEOUT */

int check_rename(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.rename2.flags & ~RENAME_ALL ? -EINVAL : 0;
}

/* Before 7.33 the field was unused, and what lay in it meant nothing. */
static int check_open_flags(const struct fsb_protocol *protocol, uint32_t flags)
{
	if (protocol->minor != 0 && protocol->minor < 33)
		return 0;
	return flags & ~FUSE_OPEN_KILL_SUIDGID ? -EINVAL : 0;
}

int check_open(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	return check_open_flags(protocol, request->in.open.open_flags);
}

int check_create(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	int err = check_mode(request->in.create.mode, S_IFREG);
	return err ? err : check_open_flags(protocol, request->in.create.open_flags);
}

int check_release(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.release.release_flags & ~(FUSE_RELEASE_FLUSH | FUSE_RELEASE_FLOCK_UNLOCK)
		       ? -EINVAL
		       : 0;
}

int check_read(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_read_in *in = &request->in.read;

	if (in->read_flags & ~FUSE_READ_LOCKOWNER)
		return -EINVAL;
	if (in->size > protocol->max_write)
		return -E2BIG;
	return overflows(in->offset, in->size) ? -EOVERFLOW : 0;
}

/* The offset is a cookie, and a listing may always be shorter than asked for. */
int check_readdir(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.read.read_flags & ~FUSE_READ_LOCKOWNER ? -EINVAL : 0;
}

int check_write(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_write_in *in = &request->in.write;

	if (in->write_flags & ~(FUSE_WRITE_CACHE | FUSE_WRITE_LOCKOWNER | FUSE_WRITE_KILL_SUIDGID))
		return -EINVAL;
	if (in->size > protocol->max_write)
		return -E2BIG;
	if (in->size != request->data_size)
		return -EINVAL;
	return overflows(in->offset, in->size) ? -EOVERFLOW : 0;
}

int check_notify_reply(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_notify_retrieve_in *in = &request->in.notify_retrieve;

	if (in->size > protocol->max_write)
		return -E2BIG;
	if (in->size != request->data_size)
		return -EINVAL;
	return overflows(in->offset, in->size) ? -EOVERFLOW : 0;
}

int check_fsync(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.fsync.fsync_flags & ~FUSE_FSYNC_FDATASYNC ? -EINVAL : 0;
}

int check_setxattr(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_setxattr_in *in = &request->in.setxattr;

	(void)protocol;
	if (in->size > XATTR_MAX_BYTES)
		return -E2BIG;
	if (in->size != request->data_size)
		return -EINVAL;
	if (in->flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	return in->setxattr_flags & ~FUSE_SETXATTR_ACL_KILL_SGID ? -EINVAL : 0;
}

int check_lk(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_lk_in *in = &request->in.lk;

	(void)protocol;
	if (in->lk_flags & ~FUSE_LK_FLOCK)
		return -EINVAL;
	if (in->lk.type != F_RDLCK && in->lk.type != F_WRLCK && in->lk.type != F_UNLCK)
		return -EINVAL;
	return in->lk.start > in->lk.end || in->lk.end > INT64_MAX ? -EINVAL : 0;
}

int check_access(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.access.mask & ~(uint32_t)(R_OK | W_OK | X_OK) ? -EINVAL : 0;
}

#define IOCTL_ALL                                                                            \
	(FUSE_IOCTL_COMPAT | FUSE_IOCTL_UNRESTRICTED | FUSE_IOCTL_RETRY | FUSE_IOCTL_32BIT | \
	 FUSE_IOCTL_DIR | FUSE_IOCTL_COMPAT_X32)

int check_ioctl(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_ioctl_in *in = &request->in.ioctl;

	(void)protocol;
	/* RETRY is for answers. */
	if (in->flags & (~IOCTL_ALL | FUSE_IOCTL_RETRY))
		return -EINVAL;
	if (in->in_size > IOCTL_MAX_BYTES || in->out_size > IOCTL_MAX_BYTES)
		return -E2BIG;
	return in->in_size != request->data_size ? -EINVAL : 0;
}

int check_poll(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.poll.flags & ~FUSE_POLL_SCHEDULE_NOTIFY ? -EINVAL : 0;
}

int check_fallocate(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return overflows(request->in.fallocate.offset, request->in.fallocate.length) ? -EOVERFLOW
										     : 0;
}

int check_lseek(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return request->in.lseek.whence > SEEK_HOLE ? -EINVAL : 0;
}

int check_copy(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_copy_file_range_in *in = &request->in.copy_file_range;

	(void)protocol;
	if (in->flags != 0)
		return -EINVAL;
	return overflows(in->off_in, in->len) || overflows(in->off_out, in->len) ? -EOVERFLOW : 0;
}

int check_remap(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fsb_remap_file_range_in *in = &request->in.remap;

	(void)protocol;
	if (in->remap_flags & ~REMAP_CAN_SHORTEN)
		return -EINVAL;
	return overflows(in->off_in, in->len) || overflows(in->off_out, in->len) ? -EOVERFLOW : 0;
}

int check_setupmapping(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	const struct fuse_setupmapping_in *in = &request->in.setupmapping;

	(void)protocol;
	if (in->flags & ~(FUSE_SETUPMAPPING_FLAG_WRITE | FUSE_SETUPMAPPING_FLAG_READ))
		return -EINVAL;
	if (in->len == 0)
		return -EINVAL;
	return overflows(in->foffset, in->len) || overflows(in->moffset, in->len) ? -EOVERFLOW : 0;
}

/* Whether @count elements of @size bytes are what follows the fixed arguments. */
static bool array_fits(const struct fsb_request *request, uint32_t count, size_t size)
{
	return request->data_size / size == count && request->data_size % size == 0;
}

int check_removemapping(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	uint32_t count = request->in.removemapping.count;
	struct fuse_removemapping_one one;

	(void)protocol;
	if (count == 0 || count > FUSE_REMOVEMAPPING_MAX_ENTRY ||
	    !array_fits(request, count, sizeof(one)))
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(&one, (const char *)request->data + i * sizeof(one), sizeof(one));
		if (overflows(one.moffset, one.len))
			return -EOVERFLOW;
	}
	return 0;
}

int check_batch_forget(const struct fsb_protocol *protocol, const struct fsb_request *request)
{
	(void)protocol;
	return array_fits(request, request->in.batch_forget.count, sizeof(struct fuse_forget_one))
		       ? 0
		       : -EINVAL;
}

/*
 * INIT had 16 bytes before 7.36 brought flags2. Of a version that we do not speak only the version
 * itself means something, whatever follows it.
 */
static int decode_init(struct fsb_request *request, const uint8_t *at, size_t left)
{
	struct fuse_init_in *in = &request->in.init;
	size_t old = offsetof(struct fuse_init_in, flags2);

	memset(in, 0, sizeof(*in));
	if (left < offsetof(struct fuse_init_in, max_readahead))
		return -EINVAL;
	memcpy(in, at, left < sizeof(*in) ? left : sizeof(*in));
	if (in->major != FUSE_KERNEL_VERSION || in->minor < 31 ||
	    in->minor > FUSE_KERNEL_MINOR_VERSION) {
		/* A later minor is spoken to in ours, so its flags must be there. */
		return in->major == FUSE_KERNEL_VERSION && in->minor >= 31 && left < sizeof(*in)
			       ? -EINVAL
			       : 0;
	}
	if (left == sizeof(*in))
		return 0;
	return left == old && !(in->flags & FUSE_INIT_EXT) ? 0 : -EINVAL;
}

/* ---- Names ---- */

/* Take a NUL-terminated string off the front. */
static int take_string(const uint8_t **at, size_t *left, size_t max, const char **string)
{
	const uint8_t *end = memchr(*at, 0, *left);
	if (!end)
		return -EINVAL;

	size_t length = (size_t)(end - *at);
	if (length > max)
		return -ENAMETOOLONG;
	if (length == 0)
		return -EINVAL;
	*string = (const char *)*at;
	*at += length + 1;
	*left -= length + 1;
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* The same for the name of a file: one component of a path. */
static int take_name(const uint8_t **at, size_t *left, bool dots, const char **name)
{
	int err = take_string(at, left, NAME_MAX_BYTES, name);
	if (err)
		return err;
	if (strchr(*name, '/') || (!dots && is_dots(*name)))
		return -EINVAL;
	return 0;
}

static int decode_name(const struct fsb_protocol *protocol, struct fsb_request *request,
		       const uint8_t **at, size_t *left)
{
	/* The kernel makes one up, "/", which is no name at all. */
	if (request->header.opcode == FUSE_TMPFILE) {
		const char *unused;
		return take_string(at, left, NAME_MAX_BYTES, &unused);
	}
	/* NFS servers look for parents this way. */
	bool dots =
		request->header.opcode == FUSE_LOOKUP && (protocol->flags & FUSE_EXPORT_SUPPORT);
	return take_name(at, left, dots, &request->name);
}

/* ---- Extensions ---- */

/* The contexts behind a struct fuse_secctx_header, each padded to 8 bytes. */
static int decode_security(struct fsb_request *request, const uint8_t *at, size_t left,
			   uint32_t count)
{
	if (count > FSB_MAX_SECURITY_CONTEXTS || request->nsecurity > 0)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		struct fsb_security_context *context = &request->security[i];
		struct fuse_secctx head;
		size_t before = left;

		if (left < sizeof(head))
			return -EINVAL;
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		left -= sizeof(head);
		if (take_string(&at, &left, NAME_MAX_BYTES, &context->name) || head.size > left)
			return -EINVAL;
		/* A label, not a way to set any other attribute. */
		if (strncmp(context->name, "security.", 9) != 0)
			return -EINVAL;
		context->value = at;
		context->size = head.size;
		at += head.size;
		left -= head.size;

		size_t padding = FUSE_REC_ALIGN(before - left) - (before - left);
		/* Only behind the last one there can be less: 7.36 did not pad it. */
		if (padding > left)
			padding = left;
		at += padding;
		left -= padding;
	}
	request->nsecurity = count;
	return left == 0 ? 0 : -EINVAL;
}

static int decode_group(struct fsb_request *request, const uint8_t *at, size_t left)
{
	uint32_t count;
	uint32_t group;

	if (request->has_group || left < sizeof(count))
		return -EINVAL;
	memcpy(&count, at, sizeof(count));
	if (count > 1)
		return -EINVAL;
	if (FUSE_REC_ALIGN(sizeof(struct fuse_ext_header) + sizeof(count) +
			   count * sizeof(group)) != sizeof(struct fuse_ext_header) + left)
		return -EINVAL;
	if (count == 1) {
		memcpy(&group, at + sizeof(count), sizeof(group));
		request->has_group = true;
		request->group = group;
	}
	return 0;
}

static int decode_extensions(const struct fsb_protocol *protocol, struct fsb_request *request,
			     const uint8_t *at, size_t left)
{
	bool security = false;

	while (left > 0) {
		struct fuse_ext_header head;
		int err = -EINVAL;

		if (left < sizeof(head))
			return -EINVAL;
		memcpy(&head, at, sizeof(head));
		if (head.size < sizeof(head) || head.size > left || head.size % 8 != 0)
			return -EINVAL;
		if (head.type <= FUSE_MAX_NR_SECCTX && !security &&
		    negotiated(protocol, FUSE_SECURITY_CTX)) {
			security = true;
			err = decode_security(request, at + sizeof(head), head.size - sizeof(head),
					      head.type);
		} else if (head.type == FUSE_EXT_GROUPS &&
			   negotiated(protocol, FUSE_CREATE_SUPP_GROUP)) {
			err = decode_group(request, at + sizeof(head), head.size - sizeof(head));
		}
		if (err)
			return err;
		at += head.size;
		left -= head.size;
	}
	return 0;
}

/* 7.36 and 7.37 put the security contexts behind the names without a word in the header. */
static bool has_unannounced_security(const struct fsb_protocol *protocol,
				     const struct fsb_request *request,
				     const struct opcode_row *row)
{
	return row->op.creates && (protocol->minor == 36 || protocol->minor == 37) &&
	       (protocol->flags & FUSE_SECURITY_CTX) && request->header.total_extlen == 0;
}

static int decode_unannounced_security(struct fsb_request *request, const uint8_t *at, size_t left)
{
	struct fuse_secctx_header head;

	if (left < sizeof(head))
		return -EINVAL;
	memcpy(&head, at, sizeof(head));
	if (head.size != left)
		return -EINVAL;
	return decode_security(request, at + sizeof(head), left - sizeof(head), head.nr_secctx);
}

/* ---- Messages ---- */

/* What follows the fixed arguments. @left bytes are at @at, @total there should be. */
static int decode_tail(const struct fsb_protocol *protocol, struct fsb_request *request,
		       const struct opcode_row *row, const uint8_t *at, size_t left, size_t total)
{
	int err = 0;

	switch (row->op.tail) {
	case FSB_TAIL_NONE:
		break;
	case FSB_TAIL_NAME:
		err = decode_name(protocol, request, &at, &left);
		break;
	case FSB_TAIL_NAME_NAME:
		err = take_name(&at, &left, false, &request->name);
		if (!err)
			err = take_name(&at, &left, false, &request->name2);
		break;
	case FSB_TAIL_NAME_PATH:
		err = take_name(&at, &left, false, &request->name);
		if (!err)
			err = take_string(&at, &left, TARGET_MAX_BYTES, &request->name2);
		break;
	case FSB_TAIL_XATTR:
		err = take_string(&at, &left, NAME_MAX_BYTES, &request->name);
		break;
	case FSB_TAIL_NAME_VALUE:
		err = take_string(&at, &left, NAME_MAX_BYTES, &request->name);
		/* fall through */
	case FSB_TAIL_ARRAY:
	case FSB_TAIL_BYTES:
		request->data = at;
		request->data_size = left;
		left = 0;
		break;
	case FSB_TAIL_DATA:
		request->data = left == total ? at : NULL;
		request->data_size = total;
		left = 0;
		break;
	}
	if (err)
		return err;
	if (has_unannounced_security(protocol, request, row))
		return decode_unannounced_security(request, at, left);
	return left == 0 ? 0 : -EINVAL;
}

/* How many bytes of fixed arguments there are in this protocol. */
static size_t in_size(const struct fsb_protocol *protocol, const struct opcode_row *row)
{
	if (row->op.number == FUSE_SETXATTR && !(protocol->flags & FUSE_SETXATTR_EXT))
		return FUSE_COMPAT_SETXATTR_IN_SIZE;
	return row->op.in_size;
}

static int decode_arguments(const struct fsb_protocol *protocol, struct fsb_request *request,
			    const struct opcode_row *row, const uint8_t *at, size_t size,
			    size_t total)
{
	size_t extensions = (size_t)request->header.total_extlen * 8;
	size_t fixed = in_size(protocol, row);
	int err;

	if (row->op.number == FUSE_INIT)
		return extensions ? -EINVAL : decode_init(request, at, size);
	if (extensions > 0 && !row->op.creates)
		return -EINVAL;
	if (size < fixed || size - fixed < extensions)
		return -EINVAL;

	memcpy(&request->in, at, fixed);
	if (fixed < row->op.in_size)
		memset((char *)&request->in + fixed, 0, row->op.in_size - fixed);
	if (row->op.number == FUSE_RENAME) {
		request->in.rename2.flags = 0;
		request->in.rename2.padding = 0;
	}
	if (extensions > 0) {
		err = decode_extensions(protocol, request, at + size - extensions, extensions);
		if (err)
			return err;
	}
	err = decode_tail(protocol, request, row, at + fixed, size - fixed - extensions,
			  total - fixed - extensions);
	if (err)
		return err;
	return row->check ? row->check(protocol, request) : 0;
}

int fsb_request_decode(const struct fsb_protocol *protocol, const void *bytes, size_t size,
		       size_t total, struct fsb_request *request)
{
	const uint8_t *at = bytes;

	/* Not all of it: the array of security contexts is long, and nsecurity says how much of it
	 * counts. */
	request->op = NULL;
	request->header.len = 0;
	request->name = NULL;
	request->name2 = NULL;
	request->data = NULL;
	request->data_size = 0;
	request->nsecurity = 0;
	request->has_group = false;
	request->group = 0;

	if (size < sizeof(request->header))
		return -EBADMSG;
	memcpy(&request->header, at, sizeof(request->header));
	if (request->header.len != total || size > total)
		return -EBADMSG;

	const struct opcode_row *row = opcode_row(request->header.opcode);
	if (!row || (row->op.number == FSB_REMAP_FILE_RANGE && !protocol->remap_opcode) ||
	    (protocol->minor != 0 && row->since > protocol->minor))
		return -ENOSYS;
	if (size < total && row->op.tail != FSB_TAIL_DATA)
		return -EBADMSG;

	int err = decode_arguments(protocol, request, row, at + sizeof(request->header),
				   size - sizeof(request->header), total - sizeof(request->header));
	if (err)
		return err;
	request->op = &row->op;
	return 0;
}
