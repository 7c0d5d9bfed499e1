/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A served tree in which each operation has something to do that the user "member" may do, by a
 * supplementary group or as owner; and threads to do it on.
 */
#ifndef FSBACKEND_TESTS_UNIT_OPERATING_H
#define FSBACKEND_TESTS_UNIT_OPERATING_H

#include <fsbackend/passthrough.h>

#include "playing.h"
#include "fixture.h"

/* Only the member has a group more, TEAM. */
extern const struct user root, alice, member, other;

/** An operation that succeeds once for the member in that tree. */
struct operation {
	const char *name;
	int (*run)(struct actor *a);
};

#define OPERATIONS 23
extern const struct operation operations[OPERATIONS];

/** Have a /tmp of the test's own, in memory. */
void in_memory(void);
/** Fill a directory with what the operations need. "open" in it is writable by everybody. */
void make_tree(int root);
/** Make it below a directory of its own, and serve it. */
void serve_tree(struct fixture *f, enum fsb_permissions permissions);
/** Create a file of mode 0640 as that user. */
int create_by(struct fsb_filesystem *fs, const struct user *user, const char *path);

/** Run @body on a donated thread of its own. Return: its result. */
int on_donated_thread(int (*body)(void *arg), void *arg);
const char *mode_name(enum fsb_permissions permissions);
void must_belong(struct fixture *f, const char *path, uid_t uid, gid_t gid, mode_t mode);

#endif
