/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users of the oracle; see identity.h.
 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY(number) (1ull << (number))
#define ALL_CAPABILITIES (CAPABILITY(CAP_LAST_CAP + 1) - 1)
#define IGNORING_MODES (CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH))

/* The first is root with everything: the executor and the generator rely on that. */
const struct identity identities[USERS] = {
	{ .name = "root", .umask = 0 },
	{ .name = "root, umask 022", .umask = 022, .groups = 5 },
	{ .name = "a user without groups", .uid = 1001, .gid = 1001, .umask = 022 },
	{ .name = "the same with another group",
	  .uid = 1001,
	  .gid = 2000,
	  .groups = 2,
	  .umask = 002 },
	{ .name = "a user in the first one's group",
	  .uid = 1002,
	  .gid = 1002,
	  .groups = 3,
	  .umask = 027 },
	{ .name = "a user in 200 groups", .uid = 1003, .gid = 1003, .groups = 4, .umask = 077 },
	{ .name = "nobody", .uid = 65534, .gid = 65534, .umask = 0 },
	{ .name = "a user in root's group", .uid = 1004, .gid = 2001, .groups = 6, .umask = 0 },
	{ .name = "root that obeys modes", .umask = 022, .lacks = IGNORING_MODES },
	{ .name = "root that owns nothing of others",
	  .umask = 022,
	  .lacks = CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_MKNOD) |
		   CAPABILITY(CAP_SETFCAP) },
	{ .name = "root that keeps no set-id bits", .umask = 022, .lacks = CAPABILITY(CAP_FSETID) },
	{ .name = "a user that ignores modes",
	  .uid = 1001,
	  .gid = 1001,
	  .umask = 022,
	  .has = IGNORING_MODES },
	{ .name = "a user that owns everything",
	  .uid = 1002,
	  .gid = 1002,
	  .groups = 1,
	  .umask = 022,
	  .has = CAPABILITY(CAP_FOWNER) | CAPABILITY(CAP_CHOWN) },
	{ .name = "a user that keeps set-id bits",
	  .uid = 1003,
	  .gid = 1003,
	  .groups = 2,
	  .umask = 022,
	  .has = CAPABILITY(CAP_FSETID) },
};

bool identity_has_odd_capabilities(const struct identity *identity)
{
	return identity->lacks || identity->has;
}

bool identity_is_odd_in(const struct identity *identity, int capability)
{
	return (identity->lacks | identity->has) & CAPABILITY(capability);
}

size_t group_set(int set, gid_t *groups)
{
	static const struct {
		gid_t first;
		size_t count;
	} ranges[GROUP_SETS] = { { 0, 0 },      { 2000, 1 }, { 2001, 2 }, { 1001, 1 },
				 { 2000, 200 }, { 0, 1 },    { 0, 2 } };

	for (size_t i = 0; i < ranges[set].count; i++)
		groups[i] = ranges[set].first + (gid_t)i;
	return ranges[set].count;
}

static int set_capabilities(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = (uint32_t)permitted, .effective = (uint32_t)effective },
		{ .permitted = (uint32_t)(permitted >> 32),
		  .effective = (uint32_t)(effective >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int get_permitted(uint64_t *permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static uint64_t effective_of(const struct identity *identity, uint64_t permitted)
{
	return permitted & (identity->uid ? identity->has : ALL_CAPABILITIES & ~identity->lacks);
}

/* CAP_SETGID stays permitted, though not in effect, so that groups can be changed later. */
int identity_wear(const struct identity *identity, int set, bool for_good)
{
	const uid_t saved = for_good ? identity->uid : 0;
	gid_t groups[GROUP_SET_MAX];
	const size_t count = group_set(set, groups);
	uint64_t permitted = 0, effective;
	int err = get_permitted(&permitted);

	if (err)
		return err;
	if (setgroups(count, groups) < 0 ||
	    setresgid(identity->gid, identity->gid, identity->gid) < 0)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(identity->uid, identity->uid, saved) < 0)
		return -errno;
	effective = effective_of(identity, permitted);
	if (for_good)
		permitted = effective | (permitted & CAPABILITY(CAP_SETGID));
	return set_capabilities(permitted, effective);
}

int identity_become_root(void)
{
	uint64_t permitted = 0;
	int err = get_permitted(&permitted);

	if (err)
		return err;
	err = set_capabilities(permitted, permitted);
	if (err)
		return err;
	if (setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0)
		return -errno;
	return set_capabilities(permitted, permitted);
}

int identity_change_groups(const struct identity *identity, int set)
{
	gid_t groups[GROUP_SET_MAX];
	const size_t count = group_set(set, groups);
	uint64_t permitted = 0;
	int err = get_permitted(&permitted);

	if (err)
		return err;
	err = set_capabilities(permitted,
			       effective_of(identity, permitted) | CAPABILITY(CAP_SETGID));
	if (err)
		return err;
	if (setgroups(count, groups) < 0)
		err = -errno;
	if (set_capabilities(permitted, effective_of(identity, permitted)) < 0)
		return -EPERM;
	return err;
}
