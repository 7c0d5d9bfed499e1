// SPDX-License-Identifier: BSD-3-Clause
/* Id maps: both directions, their edges, and which ranges make no sense. */
#include <criterion/criterion.h>
#include <errno.h>

#include "passthrough/idmap.h"

static const struct fsb_id_range two[] = {
	{ .client = 0, .host = 100000, .count = 1000 },
	{ .client = 5000, .host = 7, .count = 1 },
};

Test(idmap, without_ranges_ids_are_the_same)
{
	struct idmap map;
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, NULL, 0), 0);
	cr_expect(idmap_identity(&map));
	cr_expect_eq(idmap_to_host(&map, 1234, &id), 0);
	cr_expect_eq(id, 1234);
	cr_expect_eq(idmap_to_client(&map, 4294967294u), 4294967294u);
	cr_expect(idmap_is_host_root(&map, 0));
	cr_expect_not(idmap_is_host_root(&map, 1));
	idmap_clear(&map);
}

Test(idmap, ids_in_a_range_go_both_ways)
{
	struct idmap map;
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, two, 2), 0);
	cr_expect_not(idmap_identity(&map));
	cr_expect_eq(idmap_to_host(&map, 0, &id), 0);
	cr_expect_eq(id, 100000);
	cr_expect_eq(idmap_to_host(&map, 999, &id), 0);
	cr_expect_eq(id, 100999);
	cr_expect_eq(idmap_to_host(&map, 5000, &id), 0);
	cr_expect_eq(id, 7);
	cr_expect_eq(idmap_to_client(&map, 100000), 0);
	cr_expect_eq(idmap_to_client(&map, 100999), 999);
	cr_expect_eq(idmap_to_client(&map, 7), 5000);
	idmap_clear(&map);
}

Test(idmap, ids_outside_are_refused_or_shown_as_nobody)
{
	struct idmap map;
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, two, 2), 0);
	cr_expect_eq(idmap_to_host(&map, 1000, &id), -EOVERFLOW);
	cr_expect_eq(idmap_to_host(&map, 4999, &id), -EOVERFLOW);
	cr_expect_eq(idmap_to_host(&map, 5001, &id), -EOVERFLOW);
	cr_expect_eq(idmap_to_host(&map, 100000, &id), -EOVERFLOW);
	cr_expect_eq(idmap_to_client(&map, 0), IDMAP_OVERFLOW);
	cr_expect_eq(idmap_to_client(&map, 99999), IDMAP_OVERFLOW);
	cr_expect_eq(idmap_to_client(&map, 101000), IDMAP_OVERFLOW);
	cr_expect_not(idmap_find_client(&map, 8, &id));
	cr_expect_not(idmap_is_host_root(&map, 0), "the client's root is not the host's");
	idmap_clear(&map);
}

Test(idmap, minus_one_is_no_id_and_stays)
{
	struct idmap map;
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, two, 2), 0);
	cr_expect_eq(idmap_to_host(&map, UINT32_MAX, &id), 0);
	cr_expect_eq(id, UINT32_MAX);
	cr_expect_eq(idmap_to_client(&map, UINT32_MAX), UINT32_MAX);
	idmap_clear(&map);
}

Test(idmap, another_user_may_be_root_of_the_host)
{
	struct idmap map;
	const struct fsb_id_range range = { .client = 1000, .host = 0, .count = 1 };

	cr_assert_eq(idmap_init(&map, &range, 1), 0);
	cr_expect(idmap_is_host_root(&map, 1000));
	cr_expect_not(idmap_is_host_root(&map, 0));
	idmap_clear(&map);
}

Test(idmap, ranges_are_copied)
{
	struct idmap map;
	struct fsb_id_range range = { .client = 0, .host = 100, .count = 1 };

	cr_assert_eq(idmap_init(&map, &range, 1), 0);
	range.host = 200;
	cr_expect_eq(idmap_to_client(&map, 100), 0);
	idmap_clear(&map);
	idmap_clear(&map);
}

Test(idmap, the_largest_id_can_be_mapped)
{
	struct idmap map;
	const struct fsb_id_range range = { .client = 0, .host = 0, .count = UINT32_MAX };
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, &range, 1), 0);
	cr_expect_eq(idmap_to_host(&map, UINT32_MAX - 1, &id), 0);
	cr_expect_eq(id, UINT32_MAX - 1);
	idmap_clear(&map);
}

Test(idmap, senseless_ranges_are_refused)
{
	static const struct {
		struct fsb_id_range ranges[2];
		size_t count;
		const char *why;
	} cases[] = {
		{ { { 0, 0, 0 } }, 1, "empty" },
		{ { { UINT32_MAX, 0, 1 } }, 1, "-1 of the client" },
		{ { { 0, UINT32_MAX, 1 } }, 1, "-1 of the host" },
		{ { { 4294967000u, 0, 1000 } }, 1, "beyond 32 bits" },
		{ { { 0, 4294967000u, 1000 } }, 1, "beyond 32 bits on the host" },
		{ { { 0, 100, 10 }, { 9, 200, 10 } }, 2, "overlapping in the client" },
		{ { { 0, 100, 10 }, { 50, 91, 10 } }, 2, "overlapping on the host" },
		{ { { 0, 100, 10 }, { 0, 100, 10 } }, 2, "twice the same" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct idmap map;
		cr_expect_eq(idmap_init(&map, cases[i].ranges, cases[i].count), -EINVAL, "%s",
			     cases[i].why);
		cr_expect_eq(map.count, 0);
		idmap_clear(&map);
	}
}

Test(idmap, neighbouring_ranges_are_fine)
{
	static const struct fsb_id_range ranges[] = { { 0, 100, 10 }, { 10, 110, 10 } };
	struct idmap map;
	uint32_t id = 0;

	cr_assert_eq(idmap_init(&map, ranges, 2), 0);
	cr_expect_eq(idmap_to_host(&map, 10, &id), 0);
	cr_expect_eq(id, 110);
	idmap_clear(&map);
}
