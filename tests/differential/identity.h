/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The users of the oracle: who they are and how a process becomes one of them. The programs that
 * the oracle prints contain this file and identity.c as they are.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_IDENTITY_H
#define FSBACKEND_TESTS_DIFFERENTIAL_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USERS 14
#define GROUP_SETS 7
#define GROUP_SET_MAX 256

struct identity {
	const char *name;
	uid_t uid;
	gid_t gid;
	int groups;     /* which of the group sets it has to begin with */
	mode_t umask;   /* to begin with */
	uint64_t lacks; /* capabilities that this root does without */
	uint64_t has;   /* capabilities that this user has all the same */
};

extern const struct identity identities[USERS];

/* Whether this is a root that lacks capabilities or a user that has some; whether @capability is
 * among them. */
bool identity_has_odd_capabilities(const struct identity *identity);
bool identity_is_odd_in(const struct identity *identity, int capability);

/* Fills @groups (GROUP_SET_MAX long) and yields how many there are. */
size_t group_set(int set, gid_t *groups);

/*
 * Become @identity with group set @set. For good means that there is no way back; else
 * identity_become_root() is one. Both yield 0 or a negative errno. The umask is the caller's to
 * set.
 */
int identity_wear(const struct identity *identity, int set, bool for_good);
int identity_become_root(void);

/* Change the supplementary groups of a process that wears @identity for good. */
int identity_change_groups(const struct identity *identity, int set);

#endif
