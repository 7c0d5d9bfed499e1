// SPDX-License-Identifier: BSD-3-Clause
/* Taking names away and moving them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "passthrough.h"

/*
 * A file without a name takes a descriptor as long as the client knows it. Where inodes hold one each anyway, removing is how to be
 * rid of it.
 */
static int check_victim(struct passthrough *pt, const struct inode *victim)
{
	return victim->mount->handles ? budget_check(pt) : 0;
}

/*
 * The inode whose name is about to go. A handle leads nowhere once the last name is gone and nothing has the file open, so an inode that the
 * client knows gets a descriptor before, and keeps it if that was the last name. Return: 0; -ENFILE when there is none for it.
 */
static int victim_begin(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name,
			struct inode_use *victim)
{
	struct identity identity;
	{
		/* As whoever is judged: who may not search here may not remove anything either. */
		_cleanup_worn_ struct worn worn = { 0 };
		if (credentials_wear(pt, ctx, WEAR_JUDGED, &worn) < 0 ||
		    identity_of_name(pt, dirfd, name, &identity) < 0)
			return 0; /* the operation itself will say why */
	}
	victim->inode = inode_find(pt, &identity);
	identity_clear(pt, &identity);
	if (!victim->inode)
		return 0;
	/* Before it is pinned, from when on it counts itself, as one that is about to be forgotten, too. */
	int err = check_victim(pt, victim->inode);
	if (!err && inode_fd(pt, victim->inode) >= 0)
		inode_pin(pt, victim->inode, true);
	return err;
}

static void victim_end(struct passthrough *pt, struct inode_use *victim)
{
	if (!victim->inode)
		return;
	inode_settle(pt, victim->inode);
	inode_use_end(victim);
}

static int remove_name_as(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name, int flags)
{
	_cleanup_worn_ struct worn worn = { 0 };
	int err = credentials_wear(pt, ctx, WEAR_JUDGED, &worn);

	if (err)
		return err;
	return unlinkat(dirfd, name, flags) < 0 ? -errno : 0;
}

static int remove_name(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		       int flags)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	int dirfd = directory_to_change(&dir, parent, name);
	if (dirfd < 0)
		return dirfd;
	struct inode_use victim = { pt, NULL };
	int err = victim_begin(pt, ctx, dirfd, name, &victim);
	if (!err)
		err = remove_name_as(pt, ctx, dirfd, name, flags);
	victim_end(pt, &victim);
	return err;
}

int passthrough_unlink(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name)
{
	return remove_name(fs, ctx, parent, name, 0);
}

int passthrough_rmdir(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name)
{
	return remove_name(fs, ctx, parent, name, AT_REMOVEDIR);
}

static int rename_as(struct passthrough *pt, const struct fsb_context *ctx, int dirfd, const char *name, int newdirfd,
		     const char *newname, uint32_t flags)
{
	_cleanup_worn_ struct worn worn = { 0 };
	/* A whiteout is made, and belongs to whoever made it. */
	int err = credentials_wear(pt, ctx, flags & RENAME_WHITEOUT ? WEAR_CREATOR : WEAR_JUDGED, &worn);

	if (err)
		return err;
	return renameat2(dirfd, name, newdirfd, newname, flags) < 0 ? -errno : 0;
}

int passthrough_rename(struct fsb_filesystem *fs, const struct fsb_context *ctx, uint64_t parent, const char *name,
		       uint64_t newparent, const char *newname, uint32_t flags)
{
	struct passthrough *pt = passthrough_of(fs);
	_cleanup_inode_ struct inode_use dir = { pt, NULL };
	_cleanup_inode_ struct inode_use newdir = { pt, NULL };
	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	int dirfd = directory_to_change(&dir, parent, name);
	if (dirfd < 0)
		return dirfd;
	int newdirfd = directory_to_change(&newdir, newparent, newname);
	if (newdirfd < 0)
		return newdirfd;
	struct inode_use victim = { pt, NULL };
	int err = 0;
	if (!(flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)))
		err = victim_begin(pt, ctx, newdirfd, newname, &victim);
	if (!err)
		err = rename_as(pt, ctx, dirfd, name, newdirfd, newname, flags);
	victim_end(pt, &victim);
	return err;
}
