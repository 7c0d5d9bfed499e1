/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On whose behalf an operation runs: user, group, process and supplementary groups of the caller, as the client's
 * kernel or the transport reported them.
 *
 * Smallest correct use:
 *
 *	struct fsb_context ctx;
 *	fsb_context_init(&ctx, 1000, 1000, 0);
 *	gid_t groups[] = { 27, 44 };
 *	if (fsb_context_set_groups(&ctx, 2, groups) == 0)
 *		... call the vtable with &ctx ...
 *	fsb_context_clear(&ctx);
 */
#ifndef FSBACKEND_CONTEXT_H
#define FSBACKEND_CONTEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <fsbackend/base.h>

FSB_BEGIN_DECLS

/** The most supplementary groups that a context takes: Linux' NGROUPS_MAX. */
#define FSB_NGROUPS_MAX 65536

/** Set in fsb_context.flags when @groups is all of the caller's supplementary groups (it may be none). */
#define FSB_CONTEXT_GROUPS_KNOWN (1u << 0)

struct fsb_call;

/**
 * The caller of an operation. Read the fields as you like; change the groups only through the functions below.
 *
 * @uid, @gid: the caller's file system ids (fsuid, fsgid), in the client's numbering
 * @pid:       the caller's thread id as the client's kernel saw it, 0 when unknown or from another pid namespace
 * @flags:     FSB_CONTEXT_*
 * @ngroups:   how many supplementary groups; 0 with FSB_CONTEXT_GROUPS_KNOWN means none, without it unknown. Without it there
 *             may be 1, in creations: a group of the caller that matters to what is made (the directory's)
 * @groups:    the supplementary groups, on the heap, owned by the context; NULL when there are none
 * @capacity:  how many @groups has room for; the library's
 * @call:      the request that the operation answers, for fsb_call_defer(); NULL when the vtable is called directly
 */
struct fsb_context {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	uint32_t flags;
	size_t ngroups;
	gid_t *groups;
	size_t capacity;
	struct fsb_call *call;
};

/**
 * Make @ctx a context of that user, group and process whose supplementary groups are unknown. No memory is taken.
 */
FSB_API void fsb_context_init(struct fsb_context *ctx, uid_t uid, gid_t gid, pid_t pid);

/**
 * Set the supplementary groups of a context.
 *
 * @ctx:     an initialised context
 * @ngroups: how many, 0 to FSB_NGROUPS_MAX
 * @groups:  @ngroups group ids, copied; may be NULL when @ngroups is 0
 *
 * Afterwards the groups are known, even if there are none. The array is kept on the heap, is used again by the next
 * call, and is freed by fsb_context_clear(). Not safe against concurrent use of the same context.
 *
 * Return: 0; -EINVAL for more than FSB_NGROUPS_MAX, or for NULL with @ngroups above 0; -ENOMEM; each leaves @ctx as
 * it was.
 */
FSB_API int fsb_context_set_groups(struct fsb_context *ctx, size_t ngroups, const gid_t *groups);

/** Forget the supplementary groups: they are unknown afterwards. Keeps the array's memory for later. */
FSB_API void fsb_context_unset_groups(struct fsb_context *ctx);

/** Whether the supplementary groups of @ctx are known (they may be none). */
static inline int fsb_context_groups_known(const struct fsb_context *ctx)
{
	return (ctx->flags & FSB_CONTEXT_GROUPS_KNOWN) != 0;
}

/**
 * Make @to the same caller as @from, with groups of its own. @to is an initialised context, and not @from.
 * @to's call is left as it is: a copy does not answer the request.
 *
 * Return: 0; -ENOMEM, leaving @to as it was.
 */
FSB_API int fsb_context_copy(struct fsb_context *to, const struct fsb_context *from);

/** Free what @ctx owns. It is then a context of nobody (uid and gid -1) with unknown groups, and may be set again. */
FSB_API void fsb_context_clear(struct fsb_context *ctx);

FSB_END_DECLS

#endif
