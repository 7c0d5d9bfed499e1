// SPDX-License-Identifier: BSD-3-Clause
/* The caller of an operation and its supplementary groups. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <fsbackend/context.h>

void fsb_context_init(struct fsb_context *ctx, uid_t uid, gid_t gid, pid_t pid)
{
	*ctx = (struct fsb_context){ .uid = uid, .gid = gid, .pid = pid };
}

int fsb_context_set_groups(struct fsb_context *ctx, size_t ngroups, const gid_t *groups)
{
	if (ngroups > FSB_NGROUPS_MAX || (ngroups > 0 && !groups))
		return -EINVAL;
	if (ngroups > ctx->capacity) {
		gid_t *larger = malloc(ngroups * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		/* Copied before the old array goes: @groups may point into it. */
		memcpy(larger, groups, ngroups * sizeof(*larger));
		free(ctx->groups);
		ctx->groups = larger;
		ctx->capacity = ngroups;
	} else if (ngroups > 0) {
		memmove(ctx->groups, groups, ngroups * sizeof(*groups));
	}
	ctx->ngroups = ngroups;
	ctx->flags |= FSB_CONTEXT_GROUPS_KNOWN;
	return 0;
}

void fsb_context_unset_groups(struct fsb_context *ctx)
{
	ctx->ngroups = 0;
	ctx->flags &= ~FSB_CONTEXT_GROUPS_KNOWN;
}

int fsb_context_copy(struct fsb_context *to, const struct fsb_context *from)
{
	int err = fsb_context_set_groups(to, from->ngroups, from->groups);
	if (err)
		return err;
	to->uid = from->uid;
	to->gid = from->gid;
	to->pid = from->pid;
	to->flags = from->flags;
	return 0;
}

void fsb_context_clear(struct fsb_context *ctx)
{
	free(ctx->groups);
	fsb_context_init(ctx, (uid_t)-1, (gid_t)-1, 0);
}
