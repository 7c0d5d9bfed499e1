// SPDX-License-Identifier: BSD-3-Clause
/* The context: who calls, with how many groups, and whether they are known. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <fsbackend/context.h>

static gid_t *many_groups(size_t count)
{
	gid_t *groups = calloc(count, sizeof(*groups));

	cr_assert_not_null(groups);
	for (size_t i = 0; i < count; i++)
		groups[i] = (gid_t)(i * 7 + 1);
	return groups;
}

Test(context, groups_are_unknown_at_first)
{
	struct fsb_context ctx;

	fsb_context_init(&ctx, 1000, 100, 42);
	cr_expect_eq(ctx.uid, 1000);
	cr_expect_eq(ctx.gid, 100);
	cr_expect_eq(ctx.pid, 42);
	cr_expect_eq(ctx.ngroups, 0);
	cr_expect_null(ctx.groups);
	cr_expect_null(ctx.call);
	cr_expect_not(fsb_context_groups_known(&ctx));
	fsb_context_clear(&ctx);
}

Test(context, no_groups_differ_from_unknown_groups)
{
	struct fsb_context ctx;

	fsb_context_init(&ctx, 1000, 100, 0);
	cr_expect_eq(fsb_context_set_groups(&ctx, 0, NULL), 0);
	cr_expect(fsb_context_groups_known(&ctx));
	cr_expect_eq(ctx.ngroups, 0);
	fsb_context_unset_groups(&ctx);
	cr_expect_not(fsb_context_groups_known(&ctx));
	fsb_context_clear(&ctx);
}

Test(context, groups_are_copied)
{
	struct fsb_context ctx;
	gid_t groups[] = { 27, 44 };

	fsb_context_init(&ctx, 1000, 100, 0);
	cr_assert_eq(fsb_context_set_groups(&ctx, 2, groups), 0);
	groups[0] = 0;
	cr_expect_eq(ctx.ngroups, 2);
	cr_expect_eq(ctx.groups[0], 27);
	cr_expect_eq(ctx.groups[1], 44);
	fsb_context_clear(&ctx);
}

Test(context, takes_65536_groups_and_no_more)
{
	struct fsb_context ctx;
	gid_t *groups = many_groups(FSB_NGROUPS_MAX + 1);

	fsb_context_init(&ctx, 0, 0, 0);
	cr_assert_eq(fsb_context_set_groups(&ctx, FSB_NGROUPS_MAX, groups), 0);
	cr_expect_eq(ctx.ngroups, FSB_NGROUPS_MAX);
	cr_expect_eq(ctx.groups[FSB_NGROUPS_MAX - 1], groups[FSB_NGROUPS_MAX - 1]);
	cr_expect_eq(fsb_context_set_groups(&ctx, FSB_NGROUPS_MAX + 1, groups), -EINVAL);
	cr_expect_eq(ctx.ngroups, FSB_NGROUPS_MAX, "an error leaves it as it was");
	cr_expect_eq(fsb_context_set_groups(&ctx, SIZE_MAX, groups), -EINVAL);
	fsb_context_clear(&ctx);
	free(groups);
}

Test(context, refuses_groups_from_nowhere)
{
	struct fsb_context ctx;
	gid_t group = 5;

	fsb_context_init(&ctx, 0, 0, 0);
	cr_expect_eq(fsb_context_set_groups(&ctx, 1, NULL), -EINVAL);
	cr_expect_not(fsb_context_groups_known(&ctx));
	cr_assert_eq(fsb_context_set_groups(&ctx, 1, &group), 0);
	cr_expect_eq(fsb_context_set_groups(&ctx, 1, NULL), -EINVAL);
	cr_expect_eq(ctx.ngroups, 1);
	cr_expect_eq(ctx.groups[0], 5);
	fsb_context_clear(&ctx);
}

Test(context, memory_is_used_again)
{
	struct fsb_context ctx;
	gid_t *groups = many_groups(100);

	fsb_context_init(&ctx, 0, 0, 0);
	cr_assert_eq(fsb_context_set_groups(&ctx, 100, groups), 0);
	gid_t *memory = ctx.groups;
	cr_assert_eq(fsb_context_set_groups(&ctx, 3, groups + 10), 0);
	cr_expect_eq(ctx.groups, memory);
	cr_expect_eq(ctx.ngroups, 3);
	cr_expect_eq(ctx.groups[2], groups[12]);
	fsb_context_unset_groups(&ctx);
	cr_assert_eq(fsb_context_set_groups(&ctx, 100, groups), 0);
	cr_expect_eq(ctx.groups, memory);
	cr_expect_arr_eq(ctx.groups, groups, 100 * sizeof(*groups));
	fsb_context_clear(&ctx);
	free(groups);
}

Test(context, groups_may_come_from_the_context_itself)
{
	struct fsb_context ctx;
	gid_t groups[] = { 1, 2, 3, 4 };

	fsb_context_init(&ctx, 0, 0, 0);
	cr_assert_eq(fsb_context_set_groups(&ctx, 4, groups), 0);
	cr_assert_eq(fsb_context_set_groups(&ctx, 3, ctx.groups + 1), 0);
	cr_expect_eq(ctx.groups[0], 2);
	cr_expect_eq(ctx.groups[2], 4);
	fsb_context_clear(&ctx);
}

Test(context, a_copy_has_groups_of_its_own)
{
	struct fsb_context from, to;
	gid_t groups[] = { 27, 44 }, other = 9;

	fsb_context_init(&from, 1000, 100, 7);
	fsb_context_init(&to, 0, 0, 0);
	from.call = (struct fsb_call *)&groups;
	cr_assert_eq(fsb_context_set_groups(&from, 2, groups), 0);
	cr_assert_eq(fsb_context_copy(&to, &from), 0);
	cr_assert_eq(fsb_context_set_groups(&from, 1, &other), 0);
	cr_expect_eq(to.uid, 1000);
	cr_expect_eq(to.gid, 100);
	cr_expect_eq(to.pid, 7);
	cr_expect_eq(to.ngroups, 2);
	cr_expect_eq(to.groups[1], 44);
	cr_expect(fsb_context_groups_known(&to));
	cr_expect_null(to.call, "a copy does not answer the request");
	fsb_context_clear(&from);
	fsb_context_clear(&to);
}

Test(context, a_copy_of_unknown_groups_has_unknown_groups)
{
	struct fsb_context from, to;
	gid_t group = 9;

	fsb_context_init(&from, 1000, 100, 7);
	fsb_context_init(&to, 0, 0, 0);
	cr_assert_eq(fsb_context_set_groups(&to, 1, &group), 0);
	cr_assert_eq(fsb_context_copy(&to, &from), 0);
	cr_expect_not(fsb_context_groups_known(&to));
	cr_expect_eq(to.ngroups, 0);
	fsb_context_clear(&from);
	fsb_context_clear(&to);
}

Test(context, cleared_it_is_nobody_and_can_be_used_again)
{
	struct fsb_context ctx;
	gid_t group = 9;

	fsb_context_init(&ctx, 1000, 100, 7);
	cr_assert_eq(fsb_context_set_groups(&ctx, 1, &group), 0);
	fsb_context_clear(&ctx);
	cr_expect_eq(ctx.uid, (uid_t)-1);
	cr_expect_eq(ctx.gid, (gid_t)-1);
	cr_expect_null(ctx.groups);
	cr_expect_not(fsb_context_groups_known(&ctx));
	cr_assert_eq(fsb_context_set_groups(&ctx, 1, &group), 0);
	cr_expect_eq(ctx.groups[0], 9);
	fsb_context_clear(&ctx);
	fsb_context_clear(&ctx);
}

static void *copy_often(void *arg)
{
	const struct fsb_context *from = arg;
	struct fsb_context to;
	uintptr_t wrong = 0;

	fsb_context_init(&to, 0, 0, 0);
	for (int i = 0; i < 1000; i++) {
		wrong += fsb_context_copy(&to, from) != 0;
		wrong += to.ngroups != from->ngroups ||
			 to.groups[to.ngroups - 1] != from->groups[from->ngroups - 1];
		if (i % 10 == 0)
			fsb_context_clear(&to);
	}
	fsb_context_clear(&to);
	return (void *)wrong;
}

Test(context, threads_copy_one_context_at_once)
{
	struct fsb_context from;
	gid_t *groups = many_groups(300);
	pthread_t threads[4];

	fsb_context_init(&from, 1000, 100, 7);
	cr_assert_eq(fsb_context_set_groups(&from, 300, groups), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, copy_often, &from), 0);
	for (int i = 0; i < 4; i++) {
		void *wrong;
		cr_assert_eq(pthread_join(threads[i], &wrong), 0);
		cr_expect_null(wrong);
	}
	fsb_context_clear(&from);
	free(groups);
}
