/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes that do the work: for each user one on each side, locked into its side's tree by
 * chroot, wearing the user's identity for good, and keeping the user's open files and working
 * directory. They start when first needed and are driven through shared memory.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_EXECUTOR_H
#define FSBACKEND_TESTS_DIFFERENTIAL_EXECUTOR_H

#include "identity.h"
#include "perform.h"

enum side { NATIVE, MOUNTED, SIDES };

/* Ways in which the second side can be made wrong on purpose, to see that the oracle sees it. */
enum sabotage { SABOTAGE_NONE, SABOTAGE_UMASK, SABOTAGE_GROUPS };

struct worker;

struct executor {
	const char *roots[SIDES];
	enum sabotage sabotage;
	struct worker *workers[SIDES][USERS];
};

/* @roots: absolute paths of the two trees, which must stay valid. */
void executor_init(struct executor *executor, const char *const roots[SIDES],
		   enum sabotage sabotage);

/*
 * Run one operation on both sides at once.
 *
 * Return: 0; -ETIMEDOUT when a side does not answer for half a minute; -ECHILD when a worker died
 * or did not start.
 */
int executor_run(struct executor *executor, const struct operation *op,
		 struct result results[SIDES]);

/* End all processes; their open files go with them. */
void executor_stop(struct executor *executor);

#endif
