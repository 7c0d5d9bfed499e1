// SPDX-License-Identifier: BSD-3-Clause
/* What tells one host inode from every other, and the mounts over which inodes were reached. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "passthrough.h"

/* What stands in for a handle where there is none: the inode is pinned, so the number cannot be reused meanwhile. */
struct number {
	uint64_t ino;
	uint64_t dev;
	int64_t btime_sec;
	uint64_t btime_nsec;
};

static struct file_handle *handle_of(struct identity *identity)
{
	_Static_assert(offsetof(struct identity, type) - offsetof(struct identity, length) ==
			       offsetof(struct file_handle, handle_type),
		       "an identity ends as a file_handle");
	_Static_assert(offsetof(struct identity, bytes) - offsetof(struct identity, length) ==
			       offsetof(struct file_handle, f_handle),
		       "an identity ends as a file_handle");
	return (struct file_handle *)((char *)identity + offsetof(struct identity, length));
}

static int number_of(int dirfd, const char *name, struct identity *identity, int *mount_id)
{
	struct statx stx;

	if (statx(dirfd, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_INO | STATX_BTIME | STATX_MNT_ID, &stx) < 0)
		return -errno;
	struct number number = { .ino = stx.stx_ino, .dev = makedev(stx.stx_dev_major, stx.stx_dev_minor) };
	if (stx.stx_mask & STATX_BTIME) {
		number.btime_sec = stx.stx_btime.tv_sec;
		number.btime_nsec = stx.stx_btime.tv_nsec;
	}
	identity->type = IDENTITY_BY_NUMBER;
	identity->length = sizeof(number);
	memcpy(identity->bytes, &number, sizeof(number));
	*mount_id = (stx.stx_mask & STATX_MNT_ID) ? (int)stx.stx_mnt_id : -1;
	return 0;
}

/* Without a mount the handle alone; the mount's id beside it. */
static int raw_identity(int dirfd, const char *name, struct identity *identity, int *mount_id)
{
	identity->length = IDENTITY_MAX;
	if (name_to_handle_at(dirfd, name, handle_of(identity), mount_id, *name ? 0 : AT_EMPTY_PATH) == 0)
		return 0;
	/* EOVERFLOW: a handle beyond MAX_HANDLE_SZ, or a file system that has none */
	if (errno != EOPNOTSUPP && errno != EOVERFLOW && errno != ENOSYS)
		return -errno;
	return number_of(dirfd, name, identity, mount_id);
}

/* Handles of FUSE are good only while the inode is cached there. */
static bool handles_last(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type != FUSE_SUPER_MAGIC;
}

/*
 * File systems of the host's own disks and memory have no errors of writes left for close(2), and look at the capabilities of who writes
 * for set-id bits alone. Of all others neither is known: those of a network, stacked ones, those that show the kernel's own state.
 */
static bool is_foreign(int fd)
{
	static const unsigned long known[] = {
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((unsigned long)fs.f_type == known[i])
			return false;
	return true;
}

/* A descriptor on the mount that is open for real, as open_by_handle_at() wants, and opens what was just named. */
static int handle_root(struct passthrough *pt, int fd, struct identity *identity)
{
	if (identity->type == IDENTITY_BY_NUMBER || !handles_last(fd))
		return -EOPNOTSUPP;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	_cleanup_fd_ int root = reopen(pt, fd, st.st_mode & S_IFMT, O_RDONLY);
	if (root < 0)
		return root;
	_cleanup_fd_ int probe = fd_with_room(pt, open_by_handle_at(root, handle_of(identity), O_PATH | O_CLOEXEC));
	return probe < 0 ? probe : fd_steal(&root);
}

static int mount_new(struct passthrough *pt, int fd, int id, struct identity *identity, struct mount **made)
{
	_cleanup_free_ struct mount *mount = calloc(1, sizeof(*mount));
	if (!mount)
		return -ENOMEM;
	mount->id = id;
	mount->refs = 1;
	mount->place = MOUNT_UNPLACED;
	mount->fd = handle_root(pt, fd, identity);
	/* That there is no room now says nothing about the mount. */
	if (mount->fd == -ENFILE || mount->fd == -ENOMEM)
		return mount->fd;
	mount->handles = mount->fd >= 0;
	mount->foreign = is_foreign(fd);
	if (mount->foreign)
		atomic_store_explicit(&pt->mounts.any_foreign, true, memory_order_relaxed);
	if (!mount->handles) {
		log_write(&pt->config.log, FSB_LOG_INFO,
			  "passthrough: mount %d below the source has no lasting file handles: each "
			  "of its files that the client knows holds a descriptor",
			  id);
		mount->fd = copy_fd(pt, fd);
		if (mount->fd < 0)
			return mount->fd;
	}
	*made = mount;
	mount = NULL;
	return 0;
}

static struct mount *mount_known(struct mount_list *list, int id)
{
	for (struct mount *mount = list->first; mount; mount = mount->next)
		if (mount->id == id) {
			mount->refs++;
			return mount;
		}
	return NULL;
}

static int mount_of(struct passthrough *pt, int fd, int id, struct identity *identity)
{
	struct mount_list *list = &pt->mounts;

	if (id == list->root->id) {
		identity->mount = list->root;
		return 0;
	}
	pthread_mutex_lock(&list->lock);
	identity->mount = mount_known(list, id);
	pthread_mutex_unlock(&list->lock);
	if (identity->mount)
		return 0;
	if (fd < 0)
		return -ENODATA;

	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, NULL, WEAR_SERVER, &worn);
	if (err)
		return err;
	struct mount *mount;
	err = mount_new(pt, fd, id, identity, &mount);
	if (err)
		return err;
	pthread_mutex_lock(&list->lock);
	identity->mount = mount_known(list, id);
	if (!identity->mount) {
		mount->number = ++list->next_number;
		mount->next = list->first;
		list->first = identity->mount = mount;
		mount = NULL;
	}
	pthread_mutex_unlock(&list->lock);
	if (mount) {
		close(mount->fd);
		free(mount);
	}
	return 0;
}

int identity_of_fd(struct passthrough *pt, int fd, struct identity *identity)
{
	int mount_id;
	int err = raw_identity(fd, "", identity, &mount_id);

	if (!err)
		err = mount_of(pt, fd, mount_id, identity);
	/* A mount that turned out to have no lasting handles is known by numbers. */
	if (!err && !identity->mount->handles && identity->type != IDENTITY_BY_NUMBER)
		err = number_of(fd, "", identity, &mount_id);
	return err;
}

int identity_of_name(struct passthrough *pt, int dirfd, const char *name, struct identity *identity)
{
	int mount_id;
	int err = raw_identity(dirfd, name, identity, &mount_id);

	if (!err)
		err = mount_of(pt, -1, mount_id, identity);
	if (!err && !identity->mount->handles && identity->type != IDENTITY_BY_NUMBER)
		err = number_of(dirfd, name, identity, &mount_id);
	return err;
}

void identity_clear(struct passthrough *pt, struct identity *identity)
{
	mount_put(pt, identity->mount);
}

int mounts_init(struct passthrough *pt, int root_fd)
{
	struct identity identity;
	int mount_id;
	int err = raw_identity(root_fd, "", &identity, &mount_id);

	if (!err)
		err = mount_new(pt, root_fd, mount_id, &identity, &pt->mounts.root);
	return err;
}

void mounts_clear(struct passthrough *pt)
{
	if (!pt->mounts.root)
		return;
	close(pt->mounts.root->fd);
	free(pt->mounts.root);
	pt->mounts.root = NULL;
}

void mount_put(struct passthrough *pt, struct mount *mount)
{
	struct mount_list *list = &pt->mounts;

	if (mount == list->root)
		return;
	pthread_mutex_lock(&list->lock);
	bool last = --mount->refs == 0;
	if (last) {
		struct mount **at = &list->first;
		while (*at != mount)
			at = &(*at)->next;
		*at = mount->next;
	}
	pthread_mutex_unlock(&list->lock);
	if (last) {
		if (pt->state)
			state_remove_mount(pt, mount);
		close(mount->fd);
		free(mount);
	}
}

int mount_restore(struct passthrough *pt, const struct state_mount *known, uint32_t place, struct mount **restored)
{
	struct mount_wanted wanted = { known->major, known->minor, known->id };
	struct mount_list *list = &pt->mounts;
	struct identity identity;
	char path[PATH_MAX];
	int id;

	int err = known->number ? mountinfo_find(pt->inodes.root->fd, &wanted, path, sizeof(path)) : -ESTALE;
	if (err)
		return err;
	for (const struct mount *mount = list->first; mount; mount = mount->next)
		if (mount->number == known->number || mount->id == wanted.id)
			return -ESTALE;
	_cleanup_fd_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Another may have been mounted over it. */
	if (raw_identity(fd, "", &identity, &id) < 0 || id != wanted.id || id == list->root->id)
		return -ESTALE;
	struct mount *mount;
	err = mount_new(pt, fd, id, &identity, &mount);
	if (err)
		return err;
	mount->number = known->number;
	mount->place = place;
	mount->next = list->first;
	list->first = mount;
	if (mount->number > list->next_number)
		list->next_number = mount->number;
	*restored = mount;
	return 0;
}
