/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a thread is: a user with groups. */
#ifndef BENCH_CALLER_H
#define BENCH_CALLER_H

#include <sys/types.h>

enum { CALLER_MAX_GROUPS = 65536 };

/**
 * @gid:     primary group
 * @ngroups: supplementary groups, numbered from @gid on
 */
struct caller {
	uid_t uid;
	gid_t gid;
	unsigned int ngroups;
};

/** Parse UID:GID:NGROUPS. Return: 0 or -EINVAL. */
int caller_parse(const char *text, struct caller *caller);

/**
 * Make the calling thread, and no other, act as @caller from now on, and able to become another.
 *
 * Return: 0 or a negative errno.
 */
int caller_become(const struct caller *caller);

#endif
