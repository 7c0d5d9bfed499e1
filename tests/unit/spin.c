// SPDX-License-Identifier: BSD-3-Clause
/* The policy of spinning, fed with times. */
#include <criterion/criterion.h>

#include "transport/spin.h"

enum { US = 1000, LIMIT = 50 * US };

static void note(struct spin *spin, int times, uint64_t waited_ns)
{
	for (int i = 0; i < times; i++)
		spin_note(spin, waited_ns);
}

Test(spin, does_not_spin_before_it_knows_that_it_pays)
{
	struct spin spin;

	spin_init(&spin, LIMIT);
	cr_expect_eq(spin_span(&spin), 0);
	note(&spin, SPIN_WORTH - 1, 10 * US);
	cr_expect_eq(spin_span(&spin), 0);
	note(&spin, 1, 10 * US);
	cr_expect_eq(spin_span(&spin), LIMIT);
}

Test(spin, a_limit_of_zero_turns_it_off)
{
	struct spin spin;

	spin_init(&spin, 0);
	note(&spin, 100, 0);
	cr_expect_eq(spin_span(&spin), 0);
}

Test(spin, a_wait_of_just_the_limit_pays_and_a_longer_one_does_not)
{
	struct spin spin;

	spin_init(&spin, LIMIT);
	note(&spin, 100, LIMIT);
	cr_expect_eq(spin_span(&spin), LIMIT);
	spin_init(&spin, LIMIT);
	note(&spin, 100, LIMIT + 1);
	cr_expect_eq(spin_span(&spin), 0);
}

Test(spin, one_pause_of_a_busy_mount_is_forgiven)
{
	struct spin spin;

	spin_init(&spin, LIMIT);
	note(&spin, 100, 5 * US);
	note(&spin, 1, 1000 * US);
	cr_expect_eq(spin_span(&spin), LIMIT);
}

Test(spin, two_pauses_end_it)
{
	struct spin spin;

	spin_init(&spin, LIMIT);
	note(&spin, 100, 5 * US);
	note(&spin, 2, 1000 * US);
	cr_expect_eq(spin_span(&spin), 0);
}

/* However busy it was, little is wasted on requests that come too seldom. */
Test(spin, requests_now_and_then_never_make_it_spin)
{
	struct spin spin;
	int wasted = 0;

	spin_init(&spin, LIMIT);
	note(&spin, 1000, 5 * US);
	for (int i = 0; i < 1000; i++) {
		wasted += spin_span(&spin) > 0;
		spin_note(&spin, 1000 * US);
	}
	cr_expect_leq(wasted, 2);
}

/* Three requests together and then a pause: the pause is longer than what the three could gain. */
Test(spin, short_bursts_are_not_worth_it)
{
	struct spin spin;
	int spans = 0;

	spin_init(&spin, LIMIT);
	for (int i = 0; i < 1000; i++) {
		note(&spin, 3, 5 * US);
		spans += spin_span(&spin) > 0;
		spin_note(&spin, 200 * US);
	}
	cr_expect_eq(spans, 0);
}

Test(spin, long_bursts_are)
{
	struct spin spin;
	int spans = 0;

	spin_init(&spin, LIMIT);
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 50; j++) {
			spans += spin_span(&spin) > 0;
			spin_note(&spin, 5 * US);
		}
		spin_note(&spin, 20000 * US);
	}
	cr_expect_geq(spans, 100 * 46);
}

Test(spin, a_core_that_others_want_is_left_to_them_for_long)
{
	struct spin spin;

	spin_init(&spin, LIMIT);
	note(&spin, 100, 5 * US);
	spin_crowded(&spin);
	cr_expect_eq(spin_span(&spin), 0);
	note(&spin, -SPIN_CROWDED, 5 * US);
	cr_expect_eq(spin_span(&spin), 0);
	note(&spin, SPIN_WORTH, 5 * US);
	cr_expect_eq(spin_span(&spin), LIMIT);
}
