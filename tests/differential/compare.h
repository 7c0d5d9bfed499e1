/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparing what the two sides did: the results of one operation, or two whole trees.
 */
#ifndef FSBACKEND_TESTS_DIFFERENTIAL_COMPARE_H
#define FSBACKEND_TESTS_DIFFERENTIAL_COMPARE_H

#include "executor.h"
#include "tree.h"

/* When something was seen. */
enum moment {
	IN_OUTCOME, /* what the call returned */
	IN_STAT,    /* what stat or fstat, being the operation itself, yielded; what lseek was in */
	IN_BEFORE,
	IN_AFTER,
	IN_CHANGE,   /* from before to after */
	IN_TREE,     /* in the whole tree, as the mount shows it */
	IN_HOST_TREE /* in the whole tree, as the host has it behind the mount */
};

/* What of it was compared. */
enum member {
	M_RESULT,
	M_ERROR,
	M_LENGTH,
	M_BYTES,
	M_TYPE,
	M_MODE,
	M_UID,
	M_GID,
	M_NLINK,
	M_SIZE,
	M_BLOCKS,
	M_RDEV,
	M_ATIME,
	M_MTIME,
	M_CTIME,
	M_INODE,
	M_NAME,
	M_LINKS,
	M_XATTRS,
	M_LISTED_INODE
};

/*
 * What the mounted side is, as far as comparing depends on it.
 *
 * @server_judges: the server judges permissions, so the capabilities of a user are not known to who
 * judges
 * @unchecked:     it alone: the client's kernel does not check as well
 * @writeback:     the client's kernel collects writes
 * @uncached:      the client's kernel keeps no pages
 * @passthrough:   the client's kernel reads and writes files by itself
 * @on_xfs:        both directories lie on one
 * @exact_times:   whether a side's times tell two changes in quick succession apart
 */
struct conditions {
	bool server_judges;
	bool unchecked;
	bool writeback;
	bool uncached;
	bool passthrough;
	bool on_xfs;
	bool exact_times[SIDES];
};

/*
 * A difference between the sides.
 *
 * @op:   the operation; for trees the last one before they were read
 * @what: which inode, an enum looked_at; meaningless for outcomes and trees
 * @path: the name, for trees only
 */
struct difference {
	struct operation op;
	enum moment moment;
	enum member member;
	int what;
	char path[PATH_SIZE];
	struct view views[SIDES]; /* where two views were compared, these; for outcomes, what stat
				     or lseek saw */
	struct outcome outcomes[SIDES]; /* of the operation, except for trees */
	char text[SIDES][OUTCOME_TEXT + 80];
};

/*
 * What a comparison comes to: no difference but harmless ones that are on the list; a listed one
 * after which the sides are no longer alike, so that nothing can be said from there on; or one that
 * is not on the list.
 */
enum likeness { ALIKE, PARTED, DIFFERENT };

enum likeness compare_results(const struct conditions *conditions, const struct operation *op,
			      const struct result results[SIDES], struct difference *difference);
enum likeness compare_trees(const struct conditions *conditions, enum moment moment,
			    const struct tree *native, const struct tree *mounted,
			    struct difference *difference);

/* Whether two differences have the same cause, as far as one can tell. */
bool difference_is_like(const struct difference *a, const struct difference *b);

void difference_write(FILE *file, const struct difference *difference);

#endif
