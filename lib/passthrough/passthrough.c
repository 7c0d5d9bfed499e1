// SPDX-License-Identifier: BSD-3-Clause
/* The passthrough as a file system: its table of operations, its life, and what it agrees on with the client. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../sized.h"
#include "config.h"
#include "passthrough.h"

/* ---- Negotiation ---- */

static uint64_t wanted_capabilities(const struct passthrough *pt, const struct fsb_init *init)
{
	uint64_t capable = init->capable;
	const struct fsb_passthrough_config *config = &pt->config;
	uint64_t want = FSB_CAP_EXPORT_SUPPORT | FSB_CAP_DONT_MASK | FSB_CAP_CACHE_SYMLINKS |
			FSB_CAP_HANDLE_KILLPRIV_V2 | FSB_CAP_CREATE_SUPP_GROUP | FSB_CAP_PARALLEL_DIROPS |
			FSB_CAP_READDIRPLUS | FSB_CAP_READDIRPLUS_AUTO | FSB_CAP_DIRECT_IO_ALLOW_MMAP;

	if (config->locks == FSB_LOCKS_HOST)
		want |= FSB_CAP_POSIX_LOCKS | FSB_CAP_FLOCK_LOCKS;
	if (config->writeback)
		want |= FSB_CAP_WRITEBACK_CACHE;
	/*
	 * Where the client knows ACLs it judges, and does so by them. FSB_CAP_ALLOW_IDMAP is left alone: with it the client tells who
	 * creates something, and of no other request who asks.
	 */
	bool client_judges = config->permissions == FSB_PERMISSIONS_CLIENT || config->client_checks;
	if (config->posix_acl && client_judges)
		want |= FSB_CAP_POSIX_ACL;
	if (config->announce_submounts)
		want |= FSB_CAP_SUBMOUNTS;
	/* What is not opened cannot be truncated by it. And a client that has to clear set-id bits itself forgets to when it opens. */
	if (config->no_open && (capable & FSB_CAP_NO_OPEN_SUPPORT) && credentials_can_open_again(&pt->own))
		want |= FSB_CAP_NO_OPEN_SUPPORT | (config->cache == FSB_CACHE_NONE ? 0 : FSB_CAP_AUTO_INVAL_DATA);
	else if (capable & FSB_CAP_HANDLE_KILLPRIV_V2)
		want |= FSB_CAP_ATOMIC_O_TRUNC;
	if (config->no_opendir)
		want |= FSB_CAP_NO_OPENDIR_SUPPORT;
	/*
	 * FSB_CAP_AUTO_INVAL_DATA is left alone: with it the client's own writes, whose times it learns of later, make it drop pages,
	 * and a page that is read again while another thread's write is under way keeps the bytes from before. Without it a new size
	 * still drops them, and so does an open after a change; where there are no opens it has to be taken all the same.
	 */
	if (init->backing && backing_possible(pt))
		want |= FSB_CAP_PASSTHROUGH;
	return want;
}

static int passthrough_init(struct fsb_filesystem *fs, struct fsb_init *init)
{
	struct passthrough *pt = passthrough_of(fs);
	/* Whatever depends on who judges or keeps things is decided here; the rest stays as the server has it. */
	uint64_t ours = FSB_CAP_POSIX_LOCKS | FSB_CAP_FLOCK_LOCKS | FSB_CAP_WRITEBACK_CACHE | FSB_CAP_POSIX_ACL |
			FSB_CAP_ALLOW_IDMAP | FSB_CAP_SUBMOUNTS | FSB_CAP_NO_OPEN_SUPPORT |
			FSB_CAP_ATOMIC_O_TRUNC | FSB_CAP_NO_OPENDIR_SUPPORT | FSB_CAP_AUTO_INVAL_DATA | FSB_CAP_PASSTHROUGH;

	/* One client has left, and another comes. */
	if (pt->mirror && !pt->state)
		state_reset(pt);
	init->want = ((init->want & ~ours) | wanted_capabilities(pt, init)) & init->capable;
	init->time_gran_ns = 1;
	pt->writeback = init->want & FSB_CAP_WRITEBACK_CACHE;
	pt->submounts = init->want & FSB_CAP_SUBMOUNTS;
	pt->client_kills = !(init->want & FSB_CAP_HANDLE_KILLPRIV_V2);
	pt->no_open = init->want & FSB_CAP_NO_OPEN_SUPPORT;
	pt->no_opendir = init->want & FSB_CAP_NO_OPENDIR_SUPPORT;
	pt->backing.files = init->want & FSB_CAP_PASSTHROUGH ? init->backing : NULL;
	if (pt->config.backing == FSB_BACKING_ON && !pt->backing.files)
		log_write(&pt->config.log, FSB_LOG_WARNING,
			  "passthrough: the client cannot use files by itself, or it takes CAP_SYS_ADMIN to let it; this process serves "
			  "them all");
	return 0;
}

static void passthrough_destroy(struct fsb_filesystem *fs)
{
	struct passthrough *pt = passthrough_of(fs);

	/* The file stays as it is: that this process ends is no reason to forget. */
	pt->state = NULL;
	locks_clear(pt);
	handles_clear(pt);
	inodes_forget_all(pt);
}

static const struct fsb_filesystem_ops passthrough_ops = {
	.size = sizeof(passthrough_ops),
	.init = passthrough_init,
	.destroy = passthrough_destroy,
	.lookup = passthrough_lookup,
	.forget = passthrough_forget,
	.getattr = passthrough_getattr,
	.statx = passthrough_statx,
	.setattr = passthrough_setattr,
	.readlink = passthrough_readlink,
	.symlink = passthrough_symlink,
	.mknod = passthrough_mknod,
	.mkdir = passthrough_mkdir,
	.unlink = passthrough_unlink,
	.rmdir = passthrough_rmdir,
	.rename = passthrough_rename,
	.link = passthrough_link,
	.open = passthrough_open,
	.create = passthrough_create,
	.tmpfile = passthrough_tmpfile,
	.read = passthrough_read,
	.write = passthrough_write,
	.flush = passthrough_flush,
	.release = passthrough_release,
	.fsync = passthrough_fsync,
	.opendir = passthrough_opendir,
	.readdir = passthrough_readdir,
	.readdirplus = passthrough_readdirplus,
	.releasedir = passthrough_releasedir,
	.fsyncdir = passthrough_fsyncdir,
	.statfs = passthrough_statfs,
	.syncfs = passthrough_syncfs,
	.setxattr = passthrough_setxattr,
	.getxattr = passthrough_getxattr,
	.listxattr = passthrough_listxattr,
	.removexattr = passthrough_removexattr,
	.access = passthrough_access,
	.getlk = passthrough_getlk,
	.setlk = passthrough_setlk,
	.setlkw = passthrough_setlkw,
	.fallocate = passthrough_fallocate,
	.lseek = passthrough_lseek,
	.copy_file_range = passthrough_copy_file_range,
	.remap_file_range = passthrough_remap_file_range,
	.ioctl = passthrough_ioctl,
	.poll = passthrough_poll,
	/*
	 * .bmap stays out: it would tell the client where on the host's disk a file lies, which is of no use to it, and only mounts of
	 * block devices ask.
	 */
	.setupmapping = passthrough_setupmapping,
	.removemapping = passthrough_removemapping,
	.interrupt = passthrough_interrupt,
};

/* ---- Life ---- */

static int open_source(const struct fsb_passthrough_config *config)
{
	int fd = config->source ? open(config->source, O_PATH | O_DIRECTORY | O_CLOEXEC) :
				  openat(config->source_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	int err = -errno;
	log_write(&config->log, FSB_LOG_ERROR, "passthrough: cannot open the source directory %s: %s",
		  config->source ? config->source : "by its descriptor", strerror(-err));
	return err;
}

static int setup_state(struct passthrough *pt, const struct fsb_passthrough_config *config)
{
	int err = config->state_fd < 0 ? 0 : state_open(pt, config->state_fd, config->state_offset);

	if (err)
		log_write(&config->log, FSB_LOG_ERROR, "passthrough: cannot use the state file: %s",
			  err == -EPERM ? "it is no regular file of this user that is closed to all others" :
			  err == -EBUSY ? "another process uses it" :
					  strerror(-err));
	return err;
}

static int setup(struct passthrough *pt, const struct fsb_passthrough_config *config)
{
	_cleanup_fd_ int root = open_source(config);
	struct stat st;
	if (root < 0)
		return root;
	if (fstat(root, &st) < 0)
		return -errno;
	pt->root_dev = st.st_dev;
	pt->root_ino = st.st_ino;
	pt->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (pt->proc_fd < 0) {
		log_write(&config->log, FSB_LOG_ERROR, "passthrough: cannot open /proc/self/fd: is /proc mounted?");
		return -errno;
	}
	int err = idmap_init(&pt->uids, config->uid_map, config->nuid_map);
	if (!err)
		err = idmap_init(&pt->gids, config->gid_map, config->ngid_map);
	if (err) {
		log_write(&config->log, FSB_LOG_ERROR, "passthrough: an id map is empty, overlaps or exceeds 32 bits");
		return err;
	}
	err = credentials_init(&pt->own);
	if (!err)
		err = locks_init(&pt->locks);
	if (!err)
		err = mounts_init(pt, root);
	if (!err)
		err = inodes_init(pt, fd_steal(&root), pt->config.max_fds);
	return err ? err : setup_state(pt, config);
}

int fsb_passthrough_new(const struct fsb_passthrough_config *theirs, struct fsb_filesystem **fs)
{
	struct fsb_passthrough_config known, *config = &known;

	fsb_passthrough_config_init(config);
	int err = sized_take(config, sizeof(*config), theirs, sizeof(*config));
	if (!err)
		err = config_check(config);
	if (err)
		return err;
	struct passthrough *pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->base.ops = &passthrough_ops;
	pt->config = *config;
	pt->config.source = NULL;
	pt->config.uid_map = pt->config.gid_map = NULL;
	pt->config.state_fd = -1;
	pt->proc_fd = -1;
	config_resolve(&pt->config);
	handles_init(&pt->handles, config->first_id);
	backing_init(&pt->backing);
	budget_join(pt);
	pthread_mutex_init(&pt->mounts.lock, NULL);
	err = setup(pt, config);
	if (err) {
		fsb_passthrough_free(&pt->base);
		return err;
	}
	*fs = &pt->base;
	return 0;
}

void fsb_passthrough_avoid(struct fsb_filesystem *fs, dev_t device)
{
	passthrough_of(fs)->avoided = device;
}

void fsb_passthrough_free(struct fsb_filesystem *fs)
{
	if (!fs)
		return;
	struct passthrough *pt = passthrough_of(fs);
	state_close(pt);
	locks_clear(pt);
	handles_clear(pt);
	inodes_clear(pt);
	mounts_clear(pt);
	credentials_clear(&pt->own);
	idmap_clear(&pt->uids);
	idmap_clear(&pt->gids);
	if (pt->proc_fd >= 0)
		close(pt->proc_fd);
	budget_leave(pt);
	free(pt);
}

bool fsb_passthrough_recovered(struct fsb_filesystem *fs)
{
	const struct passthrough *pt = passthrough_of(fs);

	return pt->mirror && pt->mirror->recovered;
}

void fsb_passthrough_usage(struct fsb_filesystem *fs, struct fsb_usage *usage)
{
	struct passthrough *pt = passthrough_of(fs);

	*usage = (struct fsb_usage){ .inodes = 1, .handles = handles_count(pt) };
	inodes_usage(pt, usage);
}
