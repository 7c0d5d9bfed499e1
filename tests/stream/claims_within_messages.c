// SPDX-License-Identifier: BSD-3-Clause
/*
 * Groups that a message itself carries, of a client that judges by itself: they count for a creation if the client may claim
 * them. Run by ../integration/run in the configuration stream-claims-client: 0 and 1000 to 1999 are allowed.
 */
#include "../integration/testing.h"
#include "peer.h"

enum { INSIDE = 1500, GROUP_INSIDE = 1600, GROUP_OUTSIDE = 50 };

TestSuite(claims_within_messages, .init = enter_fresh_directory, .timeout = 30);

/* Whose group it is decides whether a file created there may have the set-group-id bit. */
static void make_group_directory(const char *name, gid_t gid)
{
	must(mkdirat(host, name, 0777));
	must(fchownat(host, name, 0, gid, 0));
	must(fchmodat(host, name, 02777, 0));
}

Test(claims_within_messages, a_group_claimed_within_the_message_counts_when_it_lies_within)
{
	make_group_directory("inside", GROUP_INSIDE);
	cr_expect_eq(peer_create_with_group(INSIDE, "inside", GROUP_INSIDE, 02755), 0);
	cr_expect_eq(stat_of(host, "inside/created").st_gid, GROUP_INSIDE);
	cr_expect_eq(stat_of(host, "inside/created").st_mode & 07777, 02755);
}

Test(claims_within_messages, a_group_claimed_within_the_message_is_refused_when_it_lies_outside)
{
	make_group_directory("outside", GROUP_OUTSIDE);
	cr_expect_eq(peer_create_with_group(INSIDE, "outside", GROUP_OUTSIDE, 02755), -EPERM);
	cr_expect_not(exists(host, "outside/created"));
}
