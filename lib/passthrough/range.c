// SPDX-License-Identifier: BSD-3-Clause
/*
 * Ranges of open files: copying and sharing them, allocating and punching them, finding data and
 * holes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "passthrough.h"

#ifndef FALLOC_FL_WRITE_ZEROES
#define FALLOC_FL_WRITE_ZEROES 0x80 /* Linux 6.17 */
#endif

/*
 * All that are known; FALLOC_FL_NO_HIDE_STALE would show what was deleted, and Linux itself refuses
 * it.
 */
#define FALLOCATE_MODES                                                            \
	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |   \
	 FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE | \
	 FALLOC_FL_WRITE_ZEROES)

/* The most that Linux moves in one call; also fits the 32 bits of the older opcode's reply. */
#define COPY_MAX 0x7ffff000u

/*
 * Opens have been judged; what is worn decides whether the host clears set-id bits and file
 * capabilities of what is changed. The protocol has no flag that asks for it here, and under
 * killpriv v2 the client leaves it to us: root alone keeps them.
 */
static int wear_writer(struct passthrough *pt, const struct fsb_context *ctx, int fd,
		       struct worn *worn)
{
	if (idmap_is_host_root(&pt->uids, ctx->uid))
		return credentials_wear(pt, ctx, WEAR_JUDGED, worn);
	return credentials_wear(pt, ctx, WEAR_JUDGED | credentials_kill(ctx, fd), worn);
}

static int check_offset(uint64_t offset)
{
	return offset > INT64_MAX ? -EINVAL : 0;
}

int passthrough_fallocate(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
			  uint64_t fh, int mode, uint64_t offset, uint64_t length)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_writable(pt);
	if (err)
		return err;
	_cleanup_file_ struct file_use file;
	err = file_use_begin(pt, nodeid, fh, O_WRONLY, &file);
	if (err)
		return err;
	if (mode & ~FALLOCATE_MODES)
		return -EOPNOTSUPP;
	if (check_offset(offset) || check_offset(length))
		return -EINVAL;
	_cleanup_worn_ struct worn worn = { 0 };
	err = wear_writer(pt, ctx, file.fd, &worn);
	if (err)
		return err;
	return fallocate(file.fd, mode, (off_t)offset, (off_t)length) < 0 ? -errno : file_use_written(&file);
}

int passthrough_lseek(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t nodeid,
		      uint64_t fh, uint64_t offset, int whence, uint64_t *result)
{
	_cleanup_file_ struct file_use file;
	int err = file_use_begin(passthrough_of(fs), nodeid, fh, O_RDONLY, &file);

	(void)ctx;
	if (err)
		return err;
	/*
	 * Two's complement where an offset may be negative, and nowhere else. That no data is to be
	 * found there lseek(2) says by another error than that one cannot go there.
	 */
	if (offset > INT64_MAX && (whence == SEEK_DATA || whence == SEEK_HOLE))
		return -ENXIO;
	if (offset > INT64_MAX && whence != SEEK_CUR && whence != SEEK_END)
		return -EINVAL;
	/* This moves the position of the handle's descriptor, by which nothing else goes. */
	off_t found = lseek(file.fd, (off_t)offset, whence);
	if (found < 0)
		return -errno;
	*result = (uint64_t)found;
	return 0;
}

/* ---- From file to file ---- */

struct both {
	struct file_use in;
	struct file_use out;
};

static void both_end(struct both *both)
{
	file_use_end(&both->out);
	file_use_end(&both->in);
}

static int both_begin(struct passthrough *pt, const struct fsb_copy *copy, struct both *both)
{
	both->out = (struct file_use){ .pt = pt, .opened = -1 };
	int err = file_use_begin(pt, copy->nodeid_in, copy->fh_in, O_RDONLY, &both->in);
	if (!err)
		err = file_use_begin(pt, copy->nodeid_out, copy->fh_out, O_WRONLY, &both->out);
	if (!err)
		err = check_offset(copy->off_in);
	return err ? err : check_offset(copy->off_out);
}

#define _cleanup_both_ __attribute__((cleanup(both_end)))

ssize_t passthrough_copy_file_range(struct fsb_filesystem *fs, const struct fsb_context *ctx,
				    const struct fsb_copy *copy)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_writable(pt);
	if (err)
		return err;
	_cleanup_both_ struct both both;
	err = both_begin(pt, copy, &both);
	if (err)
		return err;
	if (copy->flags != 0)
		return -EINVAL;
	_cleanup_worn_ struct worn worn = { 0 };
	err = wear_writer(pt, ctx, both.out.fd, &worn);
	if (err)
		return err;
	off_t in = (off_t)copy->off_in, out = (off_t)copy->off_out;
	size_t length = copy->len < COPY_MAX ? (size_t)copy->len : COPY_MAX;
	ssize_t copied = copy_file_range(both.in.fd, &in, both.out.fd, &out, length, 0);
	if (copied < 0)
		return -errno;
	err = file_use_written(&both.out);
	return err ? err : copied;
}

/* Share exactly @length bytes, in one step. */
static int share(const struct both *both, const struct fsb_copy *copy, uint64_t length)
{
	struct file_clone_range range = {
		.src_fd = both->in.fd,
		.src_offset = copy->off_in,
		.src_length = length,
		.dest_offset = copy->off_out,
	};

	return ioctl(both->out.fd, FICLONERANGE, &range) < 0 ? -errno : 0;
}

/*
 * To the end of the source. The ioctl(2) would find the end by itself, but not tell where it was. A
 * length that has become wrong meanwhile is refused by the host, unless it is whole blocks: then it
 * is right for the moment in which it was looked up.
 */
static int share_to_end(const struct both *both, const struct fsb_copy *copy, uint64_t *length)
{
	enum { ATTEMPTS = 8 };
	int err = -EINVAL;

	for (int i = 0; i < ATTEMPTS; i++) {
		struct stat before, after;
		if (fstat(both->in.fd, &before) < 0)
			return -errno;
		if (copy->off_in > (uint64_t)before.st_size)
			return -EINVAL;
		*length = (uint64_t)before.st_size - copy->off_in;
		/*
		 * With nothing left this is a length of 0, by which the host looks for the end
		 * itself.
		 */
		err = share(both, copy, *length);
		if (*length > 0 && err != -EINVAL)
			return err;
		if (fstat(both->in.fd, &after) < 0)
			return -errno;
		if (before.st_size == after.st_size)
			return err;
	}
	return err;
}

ssize_t passthrough_remap_file_range(struct fsb_filesystem *fs, const struct fsb_context *ctx,
				     const struct fsb_copy *copy)
{
	struct passthrough *pt = passthrough_of(fs);
	int err = check_writable(pt);
	if (err)
		return err;
	_cleanup_both_ struct both both;
	err = both_begin(pt, copy, &both);
	if (!err)
		err = check_offset(copy->len);
	if (err)
		return err;
	/* Sharing alone: neither deduplication nor the leave to share less. */
	if (copy->flags != 0)
		return -EINVAL;
	_cleanup_worn_ struct worn worn = { 0 };
	err = wear_writer(pt, ctx, both.out.fd, &worn);
	if (err)
		return err;
	uint64_t length = copy->len;
	err = length > 0 ? share(&both, copy, length) : share_to_end(&both, copy, &length);
	if (!err)
		err = file_use_written(&both.out);
	return err ? err : (ssize_t)length;
}
