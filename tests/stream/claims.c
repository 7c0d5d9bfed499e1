// SPDX-License-Identifier: BSD-3-Clause
/*
 * Whom a client may speak for: with --claim-uid and --claim-gid requests of others are refused, whatever the client claims, and
 * everybody else goes on. Run by ../integration/run in the configuration stream-claims: 0 and 1000 to 1999 are
 * allowed, and the server judges.
 */
#include <stdio.h>

#include "../integration/testing.h"
#include "peer.h"

enum { INSIDE = 1500, GROUP_INSIDE = 1600, OUTSIDE = 2000, GROUP_OUTSIDE = 50 };

TestSuite(claims, .init = enter_fresh_directory, .timeout = 30);

static int open_it(void *name)
{
	int fd = openat(mnt, name, O_RDONLY);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void put_group_file(const char *name, gid_t gid)
{
	put_text(host, name, "content");
	must(fchownat(host, name, 0, gid, 0));
	must(fchmodat(host, name, 0640, 0));
}

Test(claims, a_user_within_reads_by_a_supplementary_group_within)
{
	const struct user user = { .uid = INSIDE, .gid = INSIDE, .ngroups = 2, .groups = { 1001, GROUP_INSIDE } };
	const struct user stranger = { .uid = INSIDE, .gid = INSIDE, .ngroups = 1, .groups = { 1001 } };

	put_group_file("file", GROUP_INSIDE);
	cr_expect_eq(as_user(&user, open_it, "file"), 0);
	cr_expect_eq(as_user(&stranger, open_it, "file"), EACCES);
}

Test(claims, a_user_outside_is_refused)
{
	const struct user user = { .uid = OUTSIDE, .gid = INSIDE };

	put_text(host, "file", "content");
	cr_expect_eq(as_user(&user, open_it, "file"), EPERM);
}

Test(claims, a_group_outside_is_refused)
{
	const struct user user = { .uid = INSIDE, .gid = GROUP_OUTSIDE };

	put_text(host, "file", "content");
	cr_expect_eq(as_user(&user, open_it, "file"), EPERM);
}

Test(claims, a_supplementary_group_outside_is_refused)
{
	const struct user user = { .uid = INSIDE, .gid = INSIDE, .ngroups = 2, .groups = { 1001, GROUP_OUTSIDE } };

	put_group_file("file", GROUP_OUTSIDE);
	cr_expect_eq(as_user(&user, open_it, "file"), EPERM);
}

static int open_by(struct peer *peer, uint64_t nodeid)
{
	struct fuse_open_in in = { .flags = O_RDONLY };

	return peer_call(peer, FUSE_OPEN, nodeid, &in, sizeof(in), NULL);
}

Test(claims, a_peer_that_lies_about_groups_is_refused_and_one_that_does_not_is_served)
{
	struct peer peer = peer_come(0);
	const gid_t lie[] = { 1001, GROUP_OUTSIDE }, truth[] = { 1001, GROUP_INSIDE };

	put_group_file("outside", GROUP_OUTSIDE);
	put_group_file("inside", GROUP_INSIDE);
	uint64_t directory = peer_directory(&peer);
	uint64_t outside = peer_lookup(&peer, directory, "outside"), inside = peer_lookup(&peer, directory, "inside");
	cr_assert(peer_define_groups(&peer, 1, lie, 2));
	cr_assert(peer_define_groups(&peer, 2, truth, 2));
	peer.caller = INSIDE;
	peer.group = INSIDE;
	peer.groups = 1;
	cr_expect_eq(open_by(&peer, outside), -EPERM);
	cr_expect_eq(open_by(&peer, inside), -EPERM);
	peer.groups = 2;
	cr_expect_eq(open_by(&peer, inside), 0);
	cr_expect_eq(open_by(&peer, outside), -EACCES);
	peer.caller = OUTSIDE;
	cr_expect_eq(open_by(&peer, inside), -EPERM);
	peer_close(&peer);
}

Test(claims, a_set_that_is_defined_anew_counts_as_it_is_now)
{
	struct peer peer = peer_come(0);
	const gid_t lie[] = { GROUP_OUTSIDE }, truth[] = { GROUP_INSIDE };

	put_group_file("inside", GROUP_INSIDE);
	uint64_t inside = peer_lookup(&peer, peer_directory(&peer), "inside");
	peer.caller = peer.group = INSIDE;
	peer.groups = 7;
	for (int round = 0; round < 3; round++) {
		peer_define_groups(&peer, 7, truth, 1);
		cr_expect_eq(open_by(&peer, inside), 0);
		peer_define_groups(&peer, 7, lie, 1);
		cr_expect_eq(open_by(&peer, inside), -EPERM);
	}
	peer_close(&peer);
}

static void make_group_directory(const char *name, gid_t gid)
{
	must(mkdirat(host, name, 0770));
	must(fchownat(host, name, 0, gid, 0));
	must(fchmodat(host, name, 0770, 0));
}

Test(claims, a_group_claimed_within_the_message_is_not_what_the_server_judges_by)
{
	make_group_directory("inside", GROUP_INSIDE);
	make_group_directory("outside", GROUP_OUTSIDE);
	cr_expect_eq(peer_create_with_group(INSIDE, "inside", GROUP_INSIDE, 0644), -EACCES);
	cr_expect_eq(peer_create_with_group(INSIDE, "outside", GROUP_OUTSIDE, 0644), -EPERM);
	cr_expect_not(exists(host, "inside/created"));
	cr_expect_not(exists(host, "outside/created"));
}
